//! How soon something happens: on an idle daemon, and ahead of a flood.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use tokio::sync::mpsc;

use super::ground::{Ground, Site, person};
use super::{BenchError, Measured, Size, Workload, accept, figure, rate, request, until_recorded, workflows};
use crate::daemon::{self, Running};

const REQUESTS: usize = 200;
const DEPARTURES: usize = 10_000;

/// How many blocks are measured beside the departures.
const BLOCKS: usize = 5;

/// How long a call may be waited for before something is wrong.
const LONGEST: Duration = Duration::from_secs(60);

/// A daemon that tells which run it is about to work for, and when.
struct Watched {
    running: Running,
    calls: mpsc::UnboundedReceiver<(i64, Instant)>,
}

impl Watched {
    fn start(ground: &Ground, size: Size) -> Self {
        let (tell, calls) = mpsc::unbounded_channel();
        let running = daemon::start_telling(&ground.engine, size.queue(), move |claim| {
            tell.send((claim.run, Instant::now())).ok();
        });
        Self { running, calls }
    }

    /// When the first call of a run goes out.
    async fn first_call(&mut self, run: i64) -> Result<Instant, BenchError> {
        let search = async {
            while let Some((called, at)) = self.calls.recv().await {
                if called == run {
                    return Some(at);
                }
            }
            None
        };
        let found = tokio::time::timeout(LONGEST, search).await.ok().flatten();
        found.ok_or_else(|| BenchError::Unexpected(format!("no call of run_{run} within {} s", LONGEST.as_secs())))
    }
}

/// One request at a time to a daemon that has nothing to do: from accepted to called.
pub(super) async fn react(site: &Site, size: Size) -> Result<Measured, BenchError> {
    let requests = size.of(REQUESTS);
    let ground = Ground::on(site, requests).await?;
    let reactions = reactions(&ground, size, 1..=requests).await?;
    ground.leave().await;
    Ok(Measured {
        workload: Workload::React,
        database: site.database(),
        work: format!("{requests} requests, one at a time"),
        figures: vec![
            figure("median", millis(share_of(&reactions, 50)), "ms"),
            figure("99 of 100", millis(share_of(&reactions, 99)), "ms"),
        ],
    })
}

/// A request for each of these people; how long each took from accepted to called, the shortest first.
pub(super) async fn reactions(
    ground: &Ground,
    size: Size,
    people: RangeInclusive<usize>,
) -> Result<Vec<Duration>, BenchError> {
    let mut daemon = Watched::start(ground, size);
    let mut reactions = Vec::new();
    for number in people {
        let run = ground.engine.start(request(workflows::SINGLE, person(number))).await?.id();
        let accepted = Instant::now();
        reactions.push(daemon.first_call(run).await?.saturating_duration_since(accepted));
        until_recorded(&daemon.running, reactions.len()).await?;
    }
    daemon.running.drain().await;
    reactions.sort_unstable();
    Ok(reactions)
}

/// Somebody is blocked while everybody else's departure is due: from the request to the first call.
pub(super) async fn emergency(site: &Site, size: Size) -> Result<Measured, BenchError> {
    let departures = size.of(DEPARTURES);
    let ground = Ground::on(site, departures + BLOCKS).await?;
    // Long ago: everything is due at once, and nothing is skipped for being late that closes a way in.
    let yesterday = ground.today().await?.yesterday().unwrap_or(Date::MIN);
    let began = Instant::now();
    accept(&ground, "departure", departures, &[("last_day", yesterday.to_string())]).await?;
    let planned = began.elapsed();
    let mut daemon = Watched::start(&ground, size);
    until_recorded(&daemon.running, 1).await?;
    let mut reactions = Vec::with_capacity(BLOCKS);
    for number in departures + 1..=departures + BLOCKS {
        let asked = Instant::now();
        let run = ground.engine.start(request("emergency-block", person(number))).await?.id();
        reactions.push(daemon.first_call(run).await?.saturating_duration_since(asked));
    }
    let over = ground.store().at_rest().await?;
    daemon.running.drain().await;
    ground.leave().await;
    if over {
        return Err(BenchError::Unexpected("the departures were over before anybody was blocked".to_owned()));
    }
    reactions.sort_unstable();
    Ok(Measured {
        workload: Workload::Emergency,
        database: site.database(),
        work: format!("{BLOCKS} blocks beside {departures} departures"),
        figures: vec![
            figure("planned", rate(departures, planned), "departures/s"),
            figure("median", millis(share_of(&reactions, 50)), "ms"),
            figure("worst", millis(share_of(&reactions, 100)), "ms"),
        ],
    })
}

/// The value that so many of a hundred do not exceed.
pub(super) fn share_of(sorted: &[Duration], percent: usize) -> Duration {
    let position = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(position).copied().unwrap_or_default()
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_value_that_was_measured() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(share_of(&sorted, 50), Duration::from_millis(100));
        assert_eq!(share_of(&sorted, 99), Duration::from_millis(198));
        assert_eq!(share_of(&sorted, 100), Duration::from_millis(200));
        assert_eq!(share_of(&sorted[..1], 50), Duration::from_millis(1));
    }
}
