//! Throughput: chains of steps, and many runs of one step.

use std::time::Instant;

use super::ground::{Ground, Place, person};
use super::{BenchError, machine, Measured, Size, Workload, figure, rate, request, until_recorded, workflows};
use crate::run::RunState;
use crate::store::RunFilter;

const FLOW_RUNS: usize = 2000;
const BURST_RUNS: usize = 20_000;

/// Runs of eight steps, one after the other.
pub(super) async fn flow(place: &Place, size: Size) -> Result<Measured, BenchError> {
    let runs = size.of(FLOW_RUNS);
    let ground = Ground::with_people(place, runs).await?;
    accept(&ground, workflows::FLOW, runs).await?;
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
    ground.clear().await?;
    Ok(Measured {
        workload: Workload::Flow,
        database: place.name(),
        work: format!("{runs} runs of {} steps", workflows::FLOW_STEPS),
        figures: vec![
            figure("steps", rate(steps, took), "steps/s"),
            figure("runs", rate(runs, took), "runs/s"),
            figure("commits", commits as f64 / steps as f64, "commits/step"),
            figure("processor", spent.unwrap_or_default().as_secs_f64() * 1e6 / steps as f64, "µs/step"),
        ],
    })
}

/// Runs of one step.
pub(super) async fn burst(place: &Place, size: Size) -> Result<Measured, BenchError> {
    let runs = size.of(BURST_RUNS);
    let ground = Ground::with_people(place, runs).await?;
    let began = Instant::now();
    accept(&ground, workflows::SINGLE, runs).await?;
    let accepted = began.elapsed();
    let began = Instant::now();
    let running = crate::daemon::start(&ground.engine, size.queue());
    until_recorded(&running, runs).await?;
    let took = began.elapsed();
    running.drain().await;
    all_completed(&ground, runs).await?;
    ground.clear().await?;
    Ok(Measured {
        workload: Workload::Burst,
        database: place.name(),
        work: format!("{runs} runs of one step"),
        figures: vec![
            figure("accepted", rate(runs, accepted), "runs/s"),
            figure("completed", rate(runs, took), "runs/s"),
        ],
    })
}

async fn accept(ground: &Ground, workflow: &str, runs: usize) -> Result<(), BenchError> {
    for number in 1..=runs {
        ground.engine.start(request(workflow, person(number))).await?;
    }
    Ok(())
}

/// A figure counts only if everything has ended as it must.
async fn all_completed(ground: &Ground, runs: usize) -> Result<(), BenchError> {
    let filter = RunFilter { state: Some(RunState::Completed), limit: Some(i64::MAX), ..RunFilter::default() };
    let completed = ground.store().runs(&filter).await?.len();
    if completed == runs { Ok(()) } else { Err(BenchError::Unexpected(format!("{completed} of {runs} runs are completed"))) }
}
