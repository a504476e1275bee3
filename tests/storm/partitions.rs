//! The network between a daemon and its database: slow, half open, cut, cut between a COMMIT and its answer.

use std::time::Duration;

use usher::clock;

use crate::daemon::{Daemon, Surroundings};
use crate::proxy::{Cut, Proxy, Weather};
use crate::restarts::AFTER_AN_OUTAGE;
use crate::server::Server;
use crate::storm::{Storm, a_while, departures, setting, turn};
use crate::town::Town;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Slow,
    Silent,
    Shut,
    Cut,
    Commit(Cut),
}

const FAULTS: [Fault; 7] = [
    Fault::Commit(Cut::AfterIt),
    Fault::Slow,
    Fault::Silent,
    Fault::Commit(Cut::BeforeIt),
    Fault::Shut,
    Fault::Commit(Cut::AfterIt),
    Fault::Cut,
];

async fn strike(fault: Fault, way: &Proxy, town: &Town) {
    match fault {
        Fault::Slow => {
            way.weather(Weather::Slow(Duration::from_millis(60)));
            town.live(a_while(2000)).await;
        }
        Fault::Silent => {
            way.weather(Weather::Silent);
            town.live(a_while(6000)).await;
        }
        Fault::Shut => {
            way.weather(Weather::Shut);
            way.cut();
            town.live(a_while(3000)).await;
        }
        Fault::Cut => way.cut(),
        Fault::Commit(cut) => {
            let before = way.cuts();
            way.cut_commit(i64::from(rand::random::<u8>() % 4), cut);
            while way.cuts() == before && !town.live(Duration::from_millis(20)).await {}
            way.cut_commit(-1, cut);
        }
    }
    way.weather(Weather::Fair);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_network_fails_goes_on_when_it_is_back() {
    let _turn = turn().await;
    let mut storm =
        Storm::new("network slow, silent, cut, cut at COMMIT", setting("USHER_STORM_PARTITIONS", FAULTS.len()));
    let server = Server::start().await;
    let mut faults = FAULTS.into_iter().cycle();
    while storm.goes_on() {
        let url = server.database().await;
        let town = Town::new(departures(), &url).await;
        let way = Proxy::to(server.port()).await;
        let mut daemon = Daemon::start(&Surroundings::of(&town.folder).database(&way.url(&url)));
        let mut here = 0;
        while storm.strikes(&town, 600, &mut here).await {
            let fault = faults.next().expect("a cycle");
            strike(fault, &way, &town).await;
            let took = town.until_work_goes_on(AFTER_AN_OUTAGE).await;
            storm.measured("work goes on after", took);
            assert!(daemon.lives(), "the daemon needs no restart: {}", town.log());
        }
        storm.ends(&town).await;
        daemon.terminate().await;
    }
    storm.report();
}

/// What a commit that was kept without an answer has claimed goes back at once: nobody waits for its lease.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_answer_has_claimed_does_not_wait_for_its_lease() {
    let _turn = turn().await;
    let server = Server::start().await;
    let url = server.database().await;
    let town = Town::new(departures(), &url).await;
    let way = Proxy::to(server.port()).await;
    let long = Surroundings::of(&town.folder).database(&way.url(&url)).with("USHER__SERVE__LEASE", "30 s");
    let daemon = Daemon::start(&long);
    for _ in 0..3 {
        while way.cuts() == 0 || town.leased().await == Some(0) {
            way.cut_commit(0, Cut::AfterIt);
            town.live(Duration::from_millis(30)).await;
        }
        way.cut_commit(-1, Cut::AfterIt);
        let began = std::time::Instant::now();
        while town.leased().await != Some(0) {
            clock::pause(Duration::from_millis(20)).await;
            assert!(began.elapsed() < Duration::from_secs(10), "claims that nobody has go back: {}", town.log());
        }
    }
    town.live_to_the_end().await;
    town.count().await.assert_right();
    daemon.terminate().await;
}

/// A connection falls silent in the middle of a round, for ever: the round begins anew with another one, long before the
/// kernel would notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_on_a_connection_that_fell_silent_begins_anew() {
    let _turn = turn().await;
    let server = Server::start().await;
    let url = server.database().await;
    let town = Town::quiet(1, 6, &url, "").await;
    let way = Proxy::to(server.port()).await;
    let daemon = Daemon::start(&Surroundings::of(&town.folder).database(&way.url(&url)));
    let started = async |atleast: i64| {
        let began = std::time::Instant::now();
        assert!(town.tell_of_departures().await, "somebody leaves");
        while town.number("SELECT COUNT(*) FROM runs WHERE workflow = 'departure'").await < Some(atleast) {
            assert!(began.elapsed() < Duration::from_secs(40), "HR is not heard: {}", town.log());
            clock::pause(Duration::from_millis(50)).await;
        }
        began.elapsed()
    };
    let undisturbed = started(1).await;
    for wave in 2..4 {
        // Every round trip takes a while: the silence comes in the middle of one.
        way.weather(Weather::Slow(Duration::from_millis(150)));
        clock::pause(Duration::from_millis(1500)).await;
        way.weather(Weather::Silent);
        clock::pause(Duration::from_secs(1)).await;
        way.weather(Weather::Fair);
        let heard = started(wave).await;
        eprintln!("HR is heard after {heard:?} on connections that fell silent, {undisturbed:?} undisturbed");
    }
    daemon.terminate().await;
}
