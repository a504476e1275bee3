//! PostgreSQL goes down under a running daemon, in each of its ways, and comes back (guarantees 13 and 15).

use std::time::Duration;

use crate::daemon::{Daemon, Surroundings};
use crate::server::{Fall, Server};
use crate::storm::{Storm, a_while, departures, setting, turn};
use crate::town::Town;

/// Guarantee 15: after an outage of the database, steps go on within this.
pub(crate) const AFTER_AN_OUTAGE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_outlives_its_database_and_goes_on() {
    let _turn = turn().await;
    let mut storm = Storm::new("restart of PostgreSQL (fast, immediate, kill -9)", setting("USHER_STORM_RESTARTS", 6));
    let mut server = Server::start().await;
    let mut falls = Fall::ALL.into_iter().cycle();
    while storm.goes_on() {
        let town = Town::new(departures(), &server.database().await).await;
        let mut daemon = Daemon::start(&Surroundings::of(&town.folder));
        let mut here = 0;
        while storm.strikes(&town, 600, &mut here).await {
            server.down(falls.next().expect("a cycle"));
            usher::clock::pause(a_while(2500)).await;
            server.up().await;
            storm.measured("work goes on after", town.until_work_goes_on(AFTER_AN_OUTAGE).await);
            assert!(daemon.lives(), "the daemon needs no restart: {}", town.log());
        }
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}
