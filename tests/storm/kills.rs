//! SIGKILL: a daemon is killed at random moments and started again each time.

use crate::daemon::{Daemon, Surroundings};
use crate::server::Server;
use crate::storm::{Storm, departures, setting, turn};
use crate::town::Town;

async fn kill_and_count(mut storm: Storm, server: Option<&Server>) {
    while storm.goes_on() {
        let url = match server {
            Some(server) => server.database().await,
            None => "sqlite:usher.db".to_owned(),
        };
        let town = Town::new(departures(), &url).await;
        let around = Surroundings::of(&town.folder);
        let mut daemon = Daemon::start(&around);
        let mut here = 0;
        while storm.strikes(&town, 400, &mut here).await {
            daemon.kill();
            daemon = Daemon::start(&around);
        }
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_on_sqlite() {
    let _turn = turn().await;
    kill_and_count(Storm::new("kill -9, SQLite", setting("USHER_STORM_KILLS", 20)), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_repeat_nothing_on_postgresql() {
    let _turn = turn().await;
    let server = Server::start().await;
    kill_and_count(Storm::new("kill -9, PostgreSQL", setting("USHER_STORM_KILLS", 20)), Some(&server)).await;
}
