//! The clock of the daemon's machine jumps, forward and back (libfaketime). Nothing starts early by the store's clock, and
//! a daemon does not take its own attempts for those of a dead one. A clock that differs from the database's holds what
//! destroys, until a person has looked.

use std::path::PathBuf;
use std::time::Duration;

use crate::daemon::{Daemon, Surroundings};
use crate::server::Server;
use crate::storm::{Storm, departures, setting, turn};
use crate::town::{TROUBLED, Town};

/// Seconds by which the daemon's clock is wrong, one after the other.
const JUMPS: [i64; 6] = [120, 0, 240, -60, 90, 0];

/// Where libfaketime is; `tests/run.sh` installs it on Debian and Ubuntu.
fn library() -> PathBuf {
    let name = "libfaketimeMT.so.1";
    let places = [
        "/usr/lib/x86_64-linux-gnu/faketime",
        "/usr/lib/aarch64-linux-gnu/faketime",
        "/usr/lib64/faketime",
        "/usr/lib/faketime",
    ];
    places.iter().map(|place| PathBuf::from(place).join(name)).find(|path| path.exists()).expect(
        "libfaketime is missing: tests/run.sh installs it on Debian and Ubuntu (the package faketime); USHER_STORM_CLOCKS=0 \
         leaves the test of clocks out",
    )
}

fn set_clock(town: &Town, seconds: i64) {
    // In one piece: the daemon reads it all the time.
    let next = town.folder.join("clock.next");
    std::fs::write(&next, format!("{seconds:+}s\n")).expect("writes");
    std::fs::rename(next, town.folder.join("clock")).expect("moves the clock");
}

fn wrong_clock(town: &Town) -> Surroundings {
    set_clock(town, 0);
    Surroundings::of(&town.folder)
        .with("LD_PRELOAD", &library().display().to_string())
        .with("FAKETIME_TIMESTAMP_FILE", &town.folder.join("clock").display().to_string())
        .with("FAKETIME_NO_CACHE", "1")
        .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

async fn jump_and_count(mut storm: Storm, server: Option<&Server>) {
    let mut jumps = JUMPS.into_iter().cycle();
    while storm.goes_on() {
        let url = match server {
            Some(server) => server.database().await,
            None => "sqlite:usher.db".to_owned(),
        };
        let town = Town::new(departures(), &url).await;
        // So slow that a jump finds attempts under way, and that they outlast the next look for lapsed leases.
        town.set_knobs(&format!("{TROUBLED}slow_rate = 0.3\nslow_ms = 1500\n"));
        let daemon = Daemon::start(&wrong_clock(&town));
        let mut here = 0;
        while storm.strikes(&town, 500, &mut here).await {
            set_clock(&town, jumps.next().expect("a cycle"));
            town.live(Duration::from_millis(1500)).await;
        }
        set_clock(&town, 0);
        town.live(Duration::from_millis(1500)).await;
        town.release_guards().await;
        storm.ends(&town).await;
        assert!(!town.whole_log().contains("taken up"), "the daemon took its own attempts for lost: {}", town.log());
        daemon.terminate().await;
    }
    storm.report();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_starts_nothing_early_on_sqlite() {
    let _turn = turn().await;
    jump_and_count(Storm::new("clock jumps, SQLite", setting("USHER_STORM_CLOCKS", 3)), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_starts_nothing_early_on_postgresql() {
    let _turn = turn().await;
    let server = Server::start().await;
    let storm = Storm::new("clock jumps, PostgreSQL", setting("USHER_STORM_CLOCKS", 3));
    jump_and_count(storm, Some(&server)).await;
}
