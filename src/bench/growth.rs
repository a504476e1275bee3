//! Whether the engine gets slower as the record grows.

use std::future::Future;
use std::time::Instant;

use serde::Serialize;

use super::flow::all_completed;
use super::ground::{Ground, Place, Site, person};
use super::{BenchError, Progress, Size, on_a_site, rate, request, start_all, until_recorded, workflows};

/// Runs in the record at each look.
const RUNS: [usize; 4] = [1000, 10_000, 100_000, 1_000_000];

/// Runs of [`workflows::FLOW`] that are measured at each look.
const MEASURED: usize = 500;

/// Runs that are carried out at once on the way there. Whoever has an open run of a workflow gets no second one, so this is
/// also how many people there are.
const AT_ONCE: usize = 5000;

/// The speed at one size of the record.
#[derive(Clone, Debug, Serialize)]
pub struct Grown {
    /// Runs that were in the record before.
    pub runs: usize,
    /// Steps a second.
    pub steps: f64,
}

/// Steps a second among so many runs, or `None` where `stop` came first. The runs are carried out by the engine too.
///
/// # Errors
/// When the database cannot be used, or something did not end as it must.
pub async fn growth<T>(
    place: &Place,
    size: Size,
    progress: Progress<'_>,
    stop: impl Future<Output = T>,
) -> Result<Option<Vec<Grown>>, BenchError> {
    on_a_site(place, stop, async |site: &Site| grow(site, size, progress).await).await
}

async fn grow(site: &Site, size: Size, progress: Progress<'_>) -> Result<Vec<Grown>, BenchError> {
    let (measured, at_once) = (size.of(MEASURED), size.of(AT_ONCE).max(100));
    let ground = Ground::on(site, at_once.max(measured)).await?;
    let goals = RUNS.map(|runs| size.of(runs));
    let last = goals.last().copied().unwrap_or_default();
    let (mut there, mut grown) = (0, Vec::with_capacity(goals.len()));
    for goal in goals {
        while there < goal {
            let some = at_once.min(goal - there);
            carry_out(&ground, size, workflows::SINGLE, some, some).await?;
            there += some;
            progress(there, last);
        }
        let steps = measured * workflows::FLOW_STEPS;
        let speed = carry_out(&ground, size, workflows::FLOW, measured, steps).await?;
        grown.push(Grown { runs: there, steps: speed });
        there += measured;
        all_completed(&ground, there).await?;
    }
    ground.leave().await;
    Ok(grown)
}

/// Steps a second.
async fn carry_out(ground: &Ground, size: Size, workflow: &str, runs: usize, steps: usize) -> Result<f64, BenchError> {
    start_all(ground, (1..=runs).map(|number| request(workflow, person(number))).collect()).await?;
    let began = Instant::now();
    let running = crate::daemon::start(&ground.engine, size.queue());
    until_recorded(&running, steps).await?;
    let took = began.elapsed();
    running.drain().await;
    Ok(rate(steps, took))
}
