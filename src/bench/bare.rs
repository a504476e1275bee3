//! What the database gives with rows like ours and without the engine: the most that `flow` could reach with as many steps to
//! a commit.

use std::future::Future;
use std::time::Instant;

use super::ground::{Ground, Place, Site, person};
use super::{BenchError, Size, on_a_site, rate, request, start_all, until_recorded, workflows};

/// Runs whose rows are written.
const RUNS: usize = 1000;

/// Steps a second, `size.workers` to a commit, or `None` where `stop` came first. The rows are those that carrying out one
/// run has written.
///
/// # Errors
/// When the database cannot be used.
pub async fn bare_sql<T>(place: &Place, size: Size, stop: impl Future<Output = T>) -> Result<Option<f64>, BenchError> {
    on_a_site(place, stop, async |site: &Site| write(site, size).await).await
}

async fn write(site: &Site, size: Size) -> Result<f64, BenchError> {
    let count = size.of(RUNS);
    let ground = Ground::on(site, count + 1).await?;
    let first = start_all(&ground, vec![request(workflows::FLOW, person(count + 1))]).await?;
    let running = crate::daemon::start(&ground.engine, size.queue());
    until_recorded(&running, workflows::FLOW_STEPS).await?;
    running.drain().await;
    let pattern = ground.store().pattern(first.first().copied().unwrap_or_default()).await?;
    if pattern.steps() != workflows::FLOW_STEPS || pattern.entries() != pattern.steps() {
        return Err(BenchError::Unexpected(format!("{} steps of the pattern were done", pattern.steps())));
    }
    let requests = (1..=count).map(|number| request(workflows::FLOW, person(number)));
    let runs = start_all(&ground, requests.collect()).await?;
    let began = Instant::now();
    for group in runs.chunks(size.workers.max(1)) {
        for ordinal in 0..workflows::FLOW_STEPS {
            let ordinal = u16::try_from(ordinal).unwrap_or(u16::MAX);
            ground.store().write_bare(&pattern, group, ordinal).await?;
        }
    }
    let took = began.elapsed();
    ground.leave().await;
    Ok(rate(count * workflows::FLOW_STEPS, took))
}
