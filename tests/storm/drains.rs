//! SIGTERM under load (guarantee 14): no new claim after a second, gone within thirty, and nothing left behind that a
//! lease would have to lapse for.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use usher::clock;

use crate::daemon::{Daemon, Surroundings};
use crate::server::{Fall, Server};
use crate::storm::{Storm, departures, setting, turn};
use crate::town::{TROUBLED, Town};

/// Guarantee 14.
const GONE: Duration = Duration::from_secs(30);

/// Ends the daemon and looks that it claims nothing after a second. Answers how long it took.
async fn drain(town: &Town, daemon: Daemon) -> Duration {
    let began = Instant::now();
    let watch = async {
        clock::pause(Duration::from_secs(1)).await;
        town.intents().await
    };
    let (after_a_second, (status, took)) = tokio::join!(watch, daemon.end());
    // Before the program has begun to listen, it has begun nothing else.
    assert!(status.success() || status.signal() == Some(15), "it ended with {status}");
    assert_eq!(town.intents().await, after_a_second, "no new claim after a second");
    assert!(took <= GONE, "gone after {took:?}");
    assert_eq!(town.leased().await, Some(0), "nothing is left claimed: {}", town.log());
    assert!(began.elapsed() < GONE + Duration::from_secs(1));
    took
}

async fn drain_and_count(mut storm: Storm, server: Option<&Server>) {
    while storm.goes_on() {
        let url = match server {
            Some(server) => server.database().await,
            None => "sqlite:usher.db".to_owned(),
        };
        let town = Town::new(departures(), &url).await;
        // Slow enough that every SIGTERM finds attempts under way.
        town.set_knobs(&format!("{TROUBLED}slow_rate = 0.3\nslow_ms = 700\n"));
        let around = Surroundings::of(&town.folder);
        let mut daemon = Daemon::start(&around);
        let mut here = 0;
        while storm.strikes(&town, 900, &mut here).await {
            if here % 2 == 1 {
                under_way(&town).await;
            }
            storm.measured("gone after", drain(&town, daemon).await);
            daemon = Daemon::start(&around);
        }
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_asked_to_end_does_so_in_time_on_sqlite() {
    let _turn = turn().await;
    drain_and_count(Storm::new("SIGTERM under load, SQLite", setting("USHER_STORM_DRAINS", 2)), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_asked_to_end_does_so_in_time_on_postgresql() {
    let _turn = turn().await;
    let server = Server::start().await;
    let storm = Storm::new("SIGTERM under load, PostgreSQL", setting("USHER_STORM_DRAINS", 2));
    drain_and_count(storm, Some(&server)).await;
}

/// The two worst cases, side by side: systems that do not answer for a minute, and a record that is away.
#[tokio::test(flavor = "multi_thread")]
async fn neither_slow_systems_nor_a_missing_record_keep_a_daemon_from_ending() {
    let _turn = turn().await;
    let (slow, away) = (Server::start().await, Server::start().await);
    let mut storm = Storm::new("SIGTERM with a system that hangs, and with a record that is away", 2);
    let (hung, cut) = tokio::join!(with_a_system_that_hangs(&slow), with_a_record_that_is_away(away));
    let (town, took, _server) = cut;
    for (town, took) in [hung, (town, took)] {
        assert!(storm.strikes(&town, 100, &mut 0).await);
        storm.measured("gone after", took);
        let daemon = Daemon::start(&Surroundings::of(&town.folder));
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}

async fn with_a_system_that_hangs(server: &Server) -> (Town, Duration) {
    let town = Town::new(departures(), &server.database().await).await;
    town.set_knobs("latency_ms = 50000\n");
    let daemon = Daemon::start(&Surroundings::of(&town.folder));
    under_way(&town).await;
    let took = drain(&town, daemon).await;
    town.set_knobs(TROUBLED);
    (town, took)
}

async fn with_a_record_that_is_away(mut server: Server) -> (Town, Duration, Server) {
    let town = Town::new(departures(), &server.database().await).await;
    town.set_knobs("latency_ms = 500\n");
    let daemon = Daemon::start(&Surroundings::of(&town.folder));
    under_way(&town).await;
    server.down(Fall::Killed);
    let took = daemon.terminate().await;
    assert!(took <= GONE, "gone after {took:?}");
    server.up().await;
    town.set_knobs(TROUBLED);
    (town, took, server)
}

async fn under_way(town: &Town) {
    let began = Instant::now();
    while town.leased().await.unwrap_or(0) == 0 {
        if town.nudge().await && !town.more_departures().await {
            return;
        }
        clock::pause(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_secs(30), "something is under way: {}", town.log());
    }
}
