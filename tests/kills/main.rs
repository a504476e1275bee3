//! Reliability by killing and counting: a daemon is killed with SIGKILL at random moments while departures run from
//! the first disable to the last purge, and is started again each time. Then everything is counted.
//!
//! `USHER_KILLS=200 USHER_DEPARTURES=500 cargo test --release --test kills -- --nocapture` runs the full count.

#![cfg(test)]
#![expect(clippy::print_stderr, reason = "the count is what the test is for")]

mod daemon;
mod town;

use std::time::{Duration, Instant};

use rand::RngExt;

use self::daemon::Daemon;
use self::town::{Count, Town};

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Kills, then lets the rest run through.
async fn kill_and_count(postgres: bool) {
    let (kills, departures) = (setting("USHER_KILLS", 20), setting("USHER_DEPARTURES", 40));
    let town = Town::new(departures, postgres).await;
    let began = Instant::now();
    let mut random = rand::rng();
    let mut done = 0;
    let mut daemon = Daemon::start(&town.folder);
    while done < kills {
        // From before it is ready to deep in the work.
        let life = Duration::from_millis(random.random_range(1..400));
        let over = town.live(life).await;
        daemon.kill();
        done += 1;
        daemon = Daemon::start(&town.folder);
        if over && done < kills {
            town.more_departures(departures).await;
        }
    }
    town.live_to_the_end(Duration::from_secs(900)).await;
    daemon.terminate();
    let count = town.count().await;
    report(&count, kills, postgres, began.elapsed());
    town.leave().await;
    let wrong = [count.lost, count.repeated, count.early, count.not_as_planned, count.broken];
    assert_eq!(wrong, [0; 5], "{count:?}");
    assert!(count.runs >= departures, "every departure has its run");
}

fn report(count: &Count, kills: usize, postgres: bool, took: Duration) {
    let database = if postgres { "PostgreSQL" } else { "SQLite" };
    eprintln!(
        "{database}: {kills} kills while {} departures ran ({} steps, {} journal entries) in {:.0} s: {} lost steps, {} \
         effects beyond their class ({} passwords rotated again, as class S allows), {} early, {} runs not as planned, {} broken chains",
        count.runs,
        count.steps,
        count.entries,
        took.as_secs_f64(),
        count.lost,
        count.repeated,
        count.rotated_again,
        count.early,
        count.not_as_planned,
        count.broken,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_on_sqlite() {
    kill_and_count(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_on_postgresql() {
    kill_and_count(true).await;
}
