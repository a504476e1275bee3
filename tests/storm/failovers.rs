//! A standby takes over. The old primary is dead, or still there and refuses to write (SQLSTATE 25006); the daemons reach
//! whichever they are shown by one address. Replication is synchronous: what was acknowledged is on the standby.

use std::time::Duration;

use usher::clock;

use crate::daemon::{Daemon, Surroundings};
use crate::proxy::Proxy;
use crate::restarts::AFTER_AN_OUTAGE;
use crate::server::{Fall, Server};
use crate::storm::{Storm, departures, setting, turn};
use crate::town::Town;

#[derive(Clone, Copy)]
enum Ending {
    /// The primary dies, and the address shows the new one as soon as it is one.
    Dies,
    /// The address shows the standby before it may be written to.
    ShownTooEarly,
    /// The old primary lives on, open to readers only, with all its connections.
    Demoted,
}

/// The standby takes over. The old primary goes on in whatever way it does.
async fn fail_over(primary: &mut Server, standby: &Server, door: &Proxy, ending: Ending) {
    match ending {
        Ending::Dies => primary.down(Fall::Killed),
        Ending::ShownTooEarly => {
            primary.down(Fall::Immediate);
            door.turn_to(standby.port());
            clock::pause(Duration::from_millis(1500)).await;
        }
        Ending::Demoted => {
            primary.ask("ALTER SYSTEM SET default_transaction_read_only = on").await;
            primary.ask("SELECT CAST(pg_reload_conf() AS TEXT)").await;
            clock::pause(Duration::from_millis(1500)).await;
        }
    }
    standby.promote().await;
    if !matches!(ending, Ending::ShownTooEarly) {
        door.turn_without_cut(standby.port());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_and_nothing_acknowledged_is_lost() {
    let _turn = turn().await;
    let mut storm =
        Storm::new("failover to a standby (dead, shown too early, demoted)", setting("USHER_STORM_FAILOVERS", 3));
    let mut primary = Server::start().await;
    let door = Proxy::to(primary.port()).await;
    let mut endings = [Ending::Dies, Ending::ShownTooEarly, Ending::Demoted].into_iter().cycle();
    while storm.goes_on() {
        let town = Town::new(departures(), &door.url(&primary.database().await)).await;
        let mut daemon = Daemon::start(&Surroundings::of(&town.folder));
        let mut here = 0;
        let mut standby = primary.standby().await;
        while storm.strikes(&town, 600, &mut here).await {
            fail_over(&mut primary, &standby, &door, endings.next().expect("a cycle")).await;
            storm.measured("work goes on after", town.until_work_goes_on(AFTER_AN_OUTAGE).await);
            assert!(daemon.lives(), "the daemon needs no restart: {}", town.log());
            // Now the old one ends too.
            primary = standby;
            standby = primary.standby().await;
        }
        primary.alone(standby).await;
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}
