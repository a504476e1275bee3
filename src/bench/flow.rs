//! Throughput: chains of steps, and many runs of one step.

use std::time::Instant;

use super::ground::{Ground, Site, person};
use super::{BenchError, Measured, Size, Workload, accept, figure, machine, rate, request, until_recorded, workflows};
use crate::run::RunState;

const FLOW_RUNS: usize = 2000;
const BURST_RUNS: usize = 20_000;
const SINGLE_RUNS: usize = 1000;

/// Runs of eight steps, one after the other.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(super) async fn flow(site: &Site, size: Size) -> Result<Measured, BenchError> {
    let runs = size.of(FLOW_RUNS);
    let ground = Ground::on(site, runs).await?;
    accept(&ground, workflows::FLOW, runs, &[]).await?;
    let steps = runs * workflows::FLOW_STEPS;
    let before = (ground.store().commits(), machine::cpu());
    let began = Instant::now();
    let running = crate::daemon::start(&ground.engine, size.queue());
    until_recorded(&running, steps).await?;
    let took = began.elapsed();
    let commits = ground.store().commits() - before.0;
    let spent = machine::cpu().zip(before.1).map(|(now, before)| now.saturating_sub(before));
    running.drain().await;
    all_completed(&ground, runs).await?;
    ground.leave().await;
    let mut figures = vec![
        figure("steps", rate(steps, took), "steps/s"),
        figure("runs", rate(runs, took), "runs/s"),
        figure("commits", commits as f64 / steps as f64, "commits/step"),
    ];
    figures.extend(spent.map(|spent| figure("processor", spent.as_secs_f64() * 1e6 / steps as f64, "µs/step")));
    let work = format!("{runs} runs of {} steps", workflows::FLOW_STEPS);
    Ok(Measured { workload: Workload::Flow, database: site.database(), work, figures })
}

/// Runs of one step: most are accepted in bulk, then some more one by one.
pub(super) async fn burst(site: &Site, size: Size) -> Result<Measured, BenchError> {
    let (bulk, single) = (size.of(BURST_RUNS), size.of(SINGLE_RUNS));
    let runs = bulk + single;
    let ground = Ground::on(site, runs).await?;
    let began = Instant::now();
    accept(&ground, workflows::SINGLE, bulk, &[]).await?;
    let in_bulk = began.elapsed();
    let began = Instant::now();
    for number in bulk + 1..=runs {
        ground.engine.start(request(workflows::SINGLE, person(number))).await?;
    }
    let one_by_one = began.elapsed();
    let began = Instant::now();
    let running = crate::daemon::start(&ground.engine, size.queue());
    until_recorded(&running, runs).await?;
    let took = began.elapsed();
    running.drain().await;
    all_completed(&ground, runs).await?;
    ground.leave().await;
    Ok(Measured {
        workload: Workload::Burst,
        database: site.database(),
        work: format!("{bulk} runs of one step in bulk, {single} one by one"),
        figures: vec![
            figure("accepted in bulk", rate(bulk, in_bulk), "runs/s"),
            figure("accepted one by one", rate(single, one_by_one), "runs/s"),
            figure("completed", rate(runs, took), "runs/s"),
        ],
    })
}

/// A figure counts only if everything has ended as it must.
async fn all_completed(ground: &Ground, runs: usize) -> Result<(), BenchError> {
    let census = ground.store().census().await?;
    let is_completed = |kind: &str, state: &str| kind == "run" && state == RunState::Completed.as_str();
    let completed = census.iter().find(|(kind, state, _)| is_completed(kind, state)).map_or(0, |(.., count)| *count);
    if usize::try_from(completed) == Ok(runs) {
        Ok(())
    } else {
        Err(BenchError::Unexpected(format!("{completed} of {runs} runs are completed")))
    }
}
