//! Three daemons on one PostgreSQL share the runs. Any of them dies, stalls or loses its connections; the others go on.
//! Schedules fire once; a freeze and a pause hold on all of them at once.

use std::time::{Duration, Instant};

use rand::RngExt;
use usher::clock;
use usher::run::book::parse_public_id;
use usher::run::guard::Freeze;
use usher::store::RunFilter;

use crate::daemon::{Daemon, Surroundings};
use crate::proxy::Proxy;
use crate::server::Server;
use crate::storm::{Storm, departures, setting, turn};
use crate::town::Town;

/// Guarantee 15: within its lease. Here the leases last 5 s; every second somebody looks.
const WITHIN_THE_LEASE: Duration = Duration::from_secs(5 + 3);

struct Trio {
    ways: Vec<Proxy>,
    around: Vec<Surroundings>,
    daemons: Vec<Daemon>,
}

impl Trio {
    async fn of(town: &Town, server: &Server, url: &str) -> Self {
        let mut trio = Self { ways: Vec::new(), around: Vec::new(), daemons: Vec::new() };
        for _ in 0..3 {
            let way = Proxy::to(server.port()).await;
            let around = Surroundings::of(&town.folder).database(&way.url(url));
            trio.daemons.push(Daemon::start(&around));
            trio.around.push(around);
            trio.ways.push(way);
        }
        trio
    }

    async fn strike(&mut self, storm: &mut Storm, town: &Town) {
        let which = rand::rng().random_range(0..3);
        match rand::rng().random_range(0..4) {
            0 | 1 => {
                let gone = self.daemons[which].id();
                busy(town, gone).await;
                self.daemons[which].kill();
                let taken_up = taken_up(town, gone).await;
                storm.measured("steps of a dead daemon taken up after", taken_up);
                assert!(taken_up < WITHIN_THE_LEASE, "{taken_up:?}");
                self.daemons[which] = Daemon::start(&self.around[which]);
            }
            2 => {
                self.daemons[which].stop();
                town.live(Duration::from_millis(6500)).await;
                self.daemons[which].wake();
            }
            _ => self.ways[which].cut(),
        }
    }
}

/// Waits until the process has a step under way; not for ever, for the others may be faster.
async fn busy(town: &Town, process: u32) {
    let began = Instant::now();
    let held = held_by(process);
    while town.number(&held).await == Some(0) && began.elapsed() < Duration::from_secs(3) {
        town.nudge().await;
    }
}

fn held_by(process: u32) -> String {
    format!("SELECT COUNT(*) FROM steps WHERE lease_owner LIKE '{process}-%'")
}

/// Waits until nothing in the record is held by a process any more.
async fn taken_up(town: &Town, process: u32) -> Duration {
    let began = Instant::now();
    let held = held_by(process);
    while town.number(&held).await != Some(0) && began.elapsed() < WITHIN_THE_LEASE * 2 {
        town.nudge().await;
        clock::pause(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// Whatever three daemons are doing, nothing starts after a freeze has returned.
async fn freeze_holds(town: &Town) {
    let freeze = Freeze { system: None, workflow: None, all: true, reason: "a test".into() };
    town.engine.store().freeze(&freeze, "test:keeper").await.expect("freezes");
    let at_once = town.intents().await;
    clock::pause(Duration::from_millis(1200)).await;
    assert_eq!(town.intents().await, at_once, "nothing starts under a freeze, on any daemon");
    town.engine.store().unfreeze(None, None, "test:keeper").await.expect("lifts it");
}

/// The same for one run, and everything else goes on.
async fn pause_holds(town: &Town) {
    let all = RunFilter { limit: Some(1000), ..RunFilter::default() };
    let runs = town.engine.store().runs(&all).await.expect("lists runs");
    let Some(open) = runs.iter().find(|run| !run.state.is_over() && run.workflow == "departure") else { return };
    let run = parse_public_id(&open.id).expect("an id");
    if town.engine.pause(run, "a test", "test:keeper").await.is_err() {
        // It has ended in the meantime.
        return;
    }
    let mine = format!("SELECT COUNT(*) FROM journal WHERE run_id = {run} AND body LIKE '%\"fact\":\"intent\"%'");
    let at_once = town.number(&mine).await;
    let book = town.engine.look(run).await.expect("is read");
    if book.steps.iter().any(|step| step.action.is_cut() && !step.state.is_final()) {
        // Time stands still: a cut that a person holds up comes late, and would be counted.
        clock::pause(Duration::from_millis(400)).await;
    } else {
        town.live(Duration::from_millis(400)).await;
    }
    assert_eq!(town.number(&mine).await, at_once, "nothing of a paused run starts, on any daemon");
    if let Err(why) = town.engine.resume(run, "a test", "test:keeper").await {
        // What was under way when it was paused was the last of it.
        let state = town.engine.look(run).await.expect("is read").run.state;
        assert!(state.is_over(), "{why}: {state:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_daemons_share_the_runs_whatever_happens_to_one() {
    let _turn = turn().await;
    let mut storm = Storm::new("one of three daemons dies, stalls or is cut off", setting("USHER_STORM_DAEMONS", 6));
    let server = Server::start().await;
    while storm.goes_on() {
        let url = server.database().await;
        let town = Town::new(departures(), &url).await;
        let mut trio = Trio::of(&town, &server, &url).await;
        let mut here = 0;
        while storm.strikes(&town, 500, &mut here).await {
            trio.strike(&mut storm, &town).await;
            freeze_holds(&town).await;
            pause_holds(&town).await;
        }
        storm.ends_while(&town, fired_once(&town)).await;
        for daemon in trio.daemons {
            daemon.terminate().await;
        }
    }
    storm.report();
}

/// A daemon that stands still in the middle of a transaction holds what it has locked. Whoever sets a freeze ends that
/// transaction, else PostgreSQL does; neither the others nor the freeze wait for the daemon to wake up.
#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stands_still_in_a_transaction_holds_nobody_up() {
    let _turn = turn().await;
    let server = Server::start().await;
    let town = Town::new(departures(), &server.database().await).await;
    let around = Surroundings::of(&town.folder);
    let (stopped, other) = (Daemon::start(&around), Daemon::start(&around));
    // Caught with the lock that every claim has on the freezes.
    let caught = "SELECT COUNT(*) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
        WHERE a.state = 'idle in transaction' AND a.state_change < clock_timestamp() - INTERVAL '100 milliseconds'
          AND l.relation = CAST('counters' AS regclass) AND l.mode = 'RowShareLock'";
    let began = Instant::now();
    loop {
        stopped.stop();
        clock::pause(Duration::from_millis(150)).await;
        if town.number(caught).await > Some(0) {
            break;
        }
        stopped.wake();
        assert!(began.elapsed() < Duration::from_secs(120), "it is caught in a transaction at last");
        if town.live(Duration::from_millis(10)).await {
            town.more_departures().await;
        }
    }
    let began = Instant::now();
    let freeze = Freeze { system: None, workflow: None, all: false, reason: "a test".into() };
    town.engine.store().freeze(&freeze, "test:keeper").await.expect("freezes");
    let frozen = began.elapsed();
    assert!(frozen < Duration::from_secs(3), "a freeze took {frozen:?}"); // 0.9 s where the machine is not busy
    town.engine.store().unfreeze(None, None, "test:keeper").await.expect("lifts it");
    let goes_on = town.until_work_goes_on(Duration::from_secs(10)).await;
    eprintln!("a daemon stood still in a transaction: a freeze after {frozen:?}, then work after {goes_on:?}");
    stopped.wake();
    town.live_to_the_end().await;
    town.count().await.assert_right();
    stopped.terminate().await;
    other.terminate().await;
}

/// Each tick of the morning's inventory has started one run, though three daemons look at the clock.
async fn fired_once(town: &Town) {
    let fired = town.number("SELECT COUNT(*) FROM runs WHERE trigger_key LIKE 'schedule:inventory:%'").await;
    let ticks = "SELECT COUNT(DISTINCT trigger_key) FROM runs WHERE trigger_key LIKE 'schedule:inventory:%'";
    assert_eq!(fired, town.number(ticks).await, "a tick fires once");
    assert_ne!(fired, Some(0), "months have passed: ticks have fired");
}
