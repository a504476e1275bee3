//! An emergency with everything else waiting (guarantee 16).

use std::time::{Duration, Instant};

use usher::clock;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};

use crate::count::{Count, report};
use crate::daemon::{Daemon, Surroundings};
use crate::server::Server;
use crate::storm::{setting, turn};
use crate::town::{TROUBLED, Town};

/// Guarantee 16.
const STARTED: Duration = Duration::from_secs(5);

const BLOCKED: &str = "SELECT COUNT(*) FROM journal j JOIN runs r ON r.id = j.run_id
    WHERE r.workflow = 'emergency-block' AND j.body LIKE '%\"fact\":\"intent\"%'";

async fn block_beside_departures(scenario: &str, url: &str) {
    let began = Instant::now();
    let departures = setting("USHER_STORM_QUEUE", 150);
    let town = Town::quiet(departures, departures, url, &TROUBLED.replace("latency_ms = 3", "latency_ms = 50")).await;
    let file = town.hr_file(0, "2027-01-29".parse().expect("a date")).expect("people");
    let read = read_people(file.as_bytes(), &Mapping::default()).expect("a right file");
    feed::take_in(&town.engine, &read, "csv", |_| ()).await.expect("takes the file in");
    events::dispatch(&town.engine).await.expect("starts the runs");
    let queued = began.elapsed();
    // Everybody's access is to be cut at this very moment.
    let due = town.engine.store().next_due().await.expect("reads").expect("something is planned");
    town.engine.store().fast_forward(due).await.expect("moves the clock");
    let around = Surroundings::of(&town.folder);
    let daemon = Daemon::start(&around);
    while town.intents().await.unwrap_or(0) < 100 {
        clock::pause(Duration::from_millis(20)).await;
        assert!(began.elapsed() < queued + Duration::from_secs(60), "the departures are under way: {}", town.log());
    }
    let asked = Instant::now();
    let blocked = around.usher(&["block", "00000", "--yes", "--reason", "laptop stolen"]).await;
    let answered = asked.elapsed();
    assert!(blocked.status.success(), "{}", String::from_utf8_lossy(&blocked.stderr));
    while town.number(BLOCKED).await.unwrap_or(0) == 0 {
        clock::pause(Duration::from_millis(5)).await;
        assert!(asked.elapsed() < Duration::from_secs(60), "the block starts: {}", town.log());
    }
    let started = asked.elapsed();
    let times = format!(
        "{departures} departures queued in {:.0} s; the block was accepted after {:.1} s and started after {:.1} s",
        queued.as_secs_f64(),
        answered.as_secs_f64(),
        started.as_secs_f64()
    );
    report(scenario, 1, &Count::default(), began.elapsed(), &times);
    assert!(started <= STARTED, "{times}");
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_starts_at_once_beside_a_queue_of_departures_on_sqlite() {
    let _turn = turn().await;
    block_beside_departures("emergency beside a queue, SQLite", "sqlite:usher.db").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_starts_at_once_beside_a_queue_of_departures_on_postgresql() {
    let _turn = turn().await;
    let server = Server::start().await;
    block_beside_departures("emergency beside a queue, PostgreSQL", &server.database().await).await;
}
