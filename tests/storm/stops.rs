//! SIGSTOP: a daemon stands still past its leases, wakes up, and changes nothing that another has taken up.

use std::time::Duration;

use usher::clock;

use crate::daemon::{Daemon, Surroundings};
use crate::server::Server;
use crate::storm::{Storm, departures, setting, turn};
use crate::town::Town;

/// The leases in these towns last 5 s.
const PAST_THE_LEASE: Duration = Duration::from_millis(6500);

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stood_still_changes_nothing_when_it_wakes() {
    let _turn = turn().await;
    let mut storm = Storm::new("SIGSTOP past the lease, two daemons on PostgreSQL", setting("USHER_STORM_STOPS", 2));
    let server = Server::start().await;
    while storm.goes_on() {
        let town = Town::new(departures(), &server.database().await).await;
        let around = Surroundings::of(&town.folder);
        let daemons = [Daemon::start(&around), Daemon::start(&around)];
        let mut here = 0;
        while storm.strikes(&town, 800, &mut here).await {
            let stopped = &daemons[here % 2];
            stopped.stop();
            town.live(PAST_THE_LEASE).await;
            stopped.wake();
        }
        storm.ends(&town).await;
        for daemon in daemons {
            daemon.terminate().await;
        }
    }
    storm.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stood_still_goes_on_with_its_file() {
    let _turn = turn().await;
    let mut storm = Storm::new("SIGSTOP past the lease, SQLite", setting("USHER_STORM_STOPS", 2).div_ceil(2));
    while storm.goes_on() {
        let town = Town::new(departures(), "sqlite:usher.db").await;
        let daemon = Daemon::start(&Surroundings::of(&town.folder));
        let mut here = 0;
        while storm.strikes(&town, 800, &mut here).await {
            daemon.stop();
            clock::pause(PAST_THE_LEASE).await;
            daemon.wake();
            storm.measured("work goes on after", town.until_work_goes_on(Duration::from_secs(10)).await);
        }
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}
