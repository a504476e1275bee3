//! Systems that may be asked only so fast: what waits for them waits in nobody's way, and several daemons together keep to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use usher::engine::Engine;
use usher::engine::library::Library;
use usher::run::Rules;
use usher::run::pace::{Pace, Rate};
use usher::run::settle::Outcome;
use usher::store::{Claim, Completion, RunFilter, TurnReport};

use super::{both_with, play, wide};
use crate::database::Db;
use crate::harness::{App, completion, done, request, store_with, turn_of};

/// Two steps on each of two systems; the mail host's come first.
const CLOSE: &str = "\
workflow: close
title: Close an account
for: person
on: { manual: true }
steps:
  - { id: disable, action: account.disable, systems: [mailhost] }
  - { id: revoke, action: sessions.revoke, systems: [mailhost], after: disable }
  - { id: other, action: account.disable, systems: [groupware], after: [] }
";

/// The same on the mail host, before everything else.
const NOW: &str = "\
workflow: now
title: Close an account now
for: person
on: { manual: true }
priority: urgent
steps:
  - { id: disable, action: account.disable, systems: [mailhost] }
";

/// An engine that asks the mail host no faster than that.
async fn paced(app: &App, at_once: Option<u32>, rate: Option<&str>) -> Engine {
    let rate = rate.map(|rate| Rate::parse(rate).unwrap());
    let pace = Pace { at_once, rate };
    let paces: BTreeMap<String, Pace> = pace.is_limited().then(|| ("mailhost".to_owned(), pace)).into_iter().collect();
    let rules = Rules { limits: wide(), paces, ..Rules::default() };
    let store = store_with(&app.home, &app.clock, &app.keys, rules.clone()).await;
    let mut library = Library::shipped().workflows;
    for text in [CLOSE, NOW] {
        let (workflow, _) = usher::workflow::parse("close.yaml", text).unwrap_or_else(|why| panic!("{why:?}"));
        library.insert(workflow.name.clone(), Arc::new(workflow));
    }
    let engine = Engine::new(store, app.systems(), library, "Europe/Zurich", rules);
    // By an engine that knows no pace: what a reading takes of it is a test of its own.
    for system in app.engine.systems().keys() {
        app.engine.sync(system).await.expect("reads the system");
    }
    engine
}

async fn close(engine: &Engine, workflow: &str, number: usize) -> i64 {
    engine.start(request(workflow, &format!("{number:05}"), &[])).await.unwrap_or_else(|why| panic!("{why}")).id()
}

async fn turn(app: &App, engine: &Engine, completions: Vec<Completion>, permits: usize) -> TurnReport {
    turn_of(engine.store(), "test", &app.engine.system_names(), completions, permits).await.expect("a turn")
}

/// Turns as a daemon makes them, until one finds nothing to start.
async fn claims(app: &App, engine: &Engine, permits: usize) -> Vec<Claim> {
    let mut all = Vec::new();
    loop {
        let report = turn(app, engine, vec![], permits - all.len()).await;
        if report.claims.is_empty() && report.full == 0 {
            return all;
        }
        all.extend(report.claims);
        if all.len() == permits {
            return all;
        }
    }
}

async fn over(app: &App, engine: &Engine, claims: &[Claim]) {
    let over = claims.iter().map(|claim| completion(claim, done())).collect();
    turn(app, engine, over, 0).await;
}

fn on<'c>(claims: &'c [Claim], system: &str) -> Vec<&'c Claim> {
    claims.iter().filter(|claim| claim.system.as_deref() == Some(system)).collect()
}

/// How many attempts have started on the mail host.
async fn attempts(app: &App) -> i64 {
    let mut all = 0;
    for run in app.store.runs(&RunFilter::default()).await.unwrap() {
        let book = app.book(usher::run::book::parse_public_id(&run.id).unwrap()).await;
        all += book
            .steps
            .iter()
            .filter(|step| step.system.as_deref() == Some("mailhost"))
            .map(|step| step.attempts)
            .sum::<i64>();
    }
    all
}

both_with! { 24:
    no_more_are_under_way_at_once_and_others_go_on, async |app: &App| {
        let engine = paced(app, Some(2), None).await;
        for number in 1..=20 {
            close(&engine, "close", number).await;
        }
        let mut open = claims(app, &engine, 50).await;
        assert_eq!((on(&open, "mailhost").len(), on(&open, "groupware").len()), (2, 20), "the slow one holds nobody up");
        assert_eq!(attempts(app).await, 2, "what waits costs no attempt");
        assert!(engine.store().until_due().await.unwrap().is_some_and(|until| !until.is_zero()), "nothing spins");
        let commits = engine.store().commits();
        assert!(claims(app, &engine, 8).await.is_empty());
        assert_eq!(engine.store().commits(), commits, "nothing is written again and again");
        // One that ends makes room for one, whatever became of it, and however the steps follow on each other.
        let (mut over_all, mut started) = (0, 2);
        while !open.is_empty() {
            let claim = open.remove(0);
            let mail = claim.system.as_deref() == Some("mailhost");
            let outcome = match over_all % 3 {
                0 if mail => Outcome::Retry { reason: "busy".into(), after: None },
                _ => done(),
            };
            over_all += 1;
            turn(app, &engine, vec![completion(&claim, outcome)], 0).await;
            let next = claims(app, &engine, 50).await;
            started += on(&next, "mailhost").len();
            open.extend(next);
            assert!(on(&open, "mailhost").len() <= 2, "{open:?}");
            if open.is_empty() {
                // What is to be tried again has a time of its own.
                let due = engine.store().next_due().await.unwrap();
                if let Some(due) = due {
                    app.clock.set(due);
                    open.extend(claims(app, &engine, 50).await);
                    started += on(&open, "mailhost").len();
                }
            }
        }
        assert!(started >= 40, "{started}");
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state <> 'done'").await, 0);
        engine.store().close().await;
    };

    no_more_start_within_a_minute, async |app: &App| {
        let engine = paced(app, None, Some("5/min")).await;
        for number in 1..=8 {
            close(&engine, "close", number).await;
        }
        let begin = app.now();
        let first = claims(app, &engine, 50).await;
        assert_eq!((on(&first, "mailhost").len(), on(&first, "groupware").len()), (5, 8));
        app.clock.set(begin + SignedDuration::from_secs(1));
        over(app, &engine, &first).await;
        assert!(claims(app, &engine, 50).await.is_empty(), "that they are over makes no room");
        assert!(engine.store().at_rest().await.unwrap(), "what waits for room is not due");
        let minute = begin + SignedDuration::from_mins(1);
        assert_eq!(engine.store().next_due().await.unwrap(), Some(minute));
        app.clock.set(minute - SignedDuration::from_millis(1));
        assert!(claims(app, &engine, 50).await.is_empty());
        app.clock.set(minute);
        let second = claims(app, &engine, 50).await;
        assert_eq!(second.len(), 5);
        let disables = second.iter().filter(|claim| claim.label.starts_with("disable")).count();
        assert_eq!(disables, 3, "the eldest first");
        over(app, &engine, &second).await;
        // The clock is set back by an hour: nobody waits for an hour.
        app.clock.set(begin - SignedDuration::from_hours(1));
        assert!(claims(app, &engine, 50).await.is_empty());
        app.clock.set(minute + SignedDuration::from_mins(1));
        engine.work_off(8).await.unwrap();
        while let Some(due) = engine.store().next_due().await.unwrap() {
            app.clock.set(due);
            engine.work_off(8).await.unwrap();
        }
        assert_eq!((attempts(app).await, app.number("SELECT COUNT(*) FROM steps WHERE state <> 'done'").await), (16, 0));
        engine.store().close().await;
    };

    a_reading_keeps_the_rate_and_attempts_keep_it_with_it, async |app: &App| {
        let engine = paced(app, Some(1), Some("2/min")).await;
        let begin = app.now();
        for reading in 1..=2 {
            engine.sync("mailhost").await.unwrap_or_else(|why| panic!("the reading {reading}: {why}"));
        }
        close(&engine, "close", 1).await;
        let first = claims(app, &engine, 50).await;
        assert_eq!((on(&first, "mailhost").len(), on(&first, "groupware").len()), (0, 1), "two readings have taken all");
        assert_eq!(engine.store().take_place("mailhost").await.unwrap(), Some(Duration::from_secs(60)));
        assert_eq!(engine.store().take_place("groupware").await.unwrap(), None, "others have no limit");
        let waits = tokio::time::timeout(Duration::from_millis(300), engine.sync("mailhost")).await;
        assert!(waits.is_err(), "read without room: {waits:?}");
        let minute = begin + SignedDuration::from_mins(1);
        app.clock.set(minute);
        let second = claims(app, &engine, 50).await;
        assert_eq!(on(&second, "mailhost").len(), 1, "an attempt waits no longer than a reading");
        engine.sync("mailhost").await.expect("a reading has one page at a time, and so waits for no attempt's end");
        assert_eq!(engine.store().take_place("mailhost").await.unwrap(), Some(Duration::from_secs(60)));
        over(app, &engine, &first).await;
        over(app, &engine, &second).await;
        assert!(claims(app, &engine, 50).await.is_empty(), "that they are over makes no room");
        app.clock.set(minute + SignedDuration::from_mins(1));
        engine.work_off(8).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state <> 'done'").await, 0);
        engine.store().close().await;
    };

    what_is_urgent_comes_first_when_there_is_room, async |app: &App| {
        let engine = paced(app, Some(1), None).await;
        for number in 1..=6 {
            close(&engine, "close", number).await;
        }
        let mut open = claims(app, &engine, 50).await;
        let mail = open.iter().position(|claim| claim.system.as_deref() == Some("mailhost")).expect("one on the mail host");
        let first = open.remove(mail);
        over(app, &engine, &open).await;
        let urgent = close(&engine, "now", 20).await;
        assert!(claims(app, &engine, 50).await.is_empty(), "it waits for the place");
        // The run whose step has ended has the next one ready, in the same turn and with hands free.
        let report = turn(app, &engine, vec![completion(&first, done())], 50).await;
        assert!(report.claims.is_empty(), "{:?}", report.claims);
        let next = claims(app, &engine, 50).await;
        assert_eq!(next.iter().map(|claim| claim.run).collect::<Vec<_>>(), [urgent]);
        over(app, &engine, &next).await;
        engine.store().close().await;
    };

    a_system_that_is_looked_at_again_is_in_nobodys_way, async |app: &App| {
        let engine = paced(app, Some(2), None).await;
        for number in 1..=20 {
            close(&engine, "close", number).await;
        }
        let open = claims(app, &engine, 50).await;
        assert_eq!((on(&open, "mailhost").len(), on(&open, "groupware").len()), (2, 20));
        // The two take their time; behind the eighteen others comes one that need not wait.
        app.clock.set(app.now() + SignedDuration::from_secs(11));
        close(&engine, "close", 21).await;
        let next = claims(app, &engine, 4).await;
        assert_eq!((on(&next, "mailhost").len(), on(&next, "groupware").len()), (0, 1));
        over(app, &engine, &open).await;
        over(app, &engine, &next).await;
        engine.work_off(8).await.unwrap();
        engine.store().close().await;
    };

    a_daemon_that_dies_gives_its_places_back, async |app: &App| {
        let engine = paced(app, Some(2), None).await;
        for number in 1..=4 {
            close(&engine, "now", number).await;
        }
        assert_eq!(claims(app, &engine, 50).await.len(), 2);
        let other = paced(app, Some(2), None).await;
        assert!(claims(app, &other, 50).await.is_empty(), "another daemon counts the same");
        app.sql("UPDATE steps SET lease_until = 1 WHERE lease_until IS NOT NULL").await.unwrap();
        assert_eq!(other.store().recover(false).await.unwrap(), 2);
        app.clock.set(app.now() + SignedDuration::from_secs(11));
        let again = claims(app, &other, 50).await;
        assert_eq!((again.len(), again.iter().filter(|claim| claim.observe).count()), (2, 2));
        other.work_off(8).await.unwrap();
        over(app, &other, &again).await;
        other.work_off(8).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state <> 'done'").await, 0);
        other.store().close().await;
        engine.store().close().await;
    };

    without_a_limit_nothing_is_written_of_it, async |app: &App| {
        let free = paced(app, None, None).await;
        close(&free, "close", 1).await;
        let first = claims(app, &free, 50).await;
        assert_eq!(first.len(), 2);
        over(app, &free, &first).await;
        free.work_off(8).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM systems WHERE paced IS NOT NULL").await, 0);
        let wide = paced(app, Some(500), Some("1000/s")).await;
        close(&wide, "close", 2).await;
        wide.work_off(8).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM systems WHERE paced IS NOT NULL AND paced_until IS NULL").await, 1, "there is room");
        free.store().close().await;
        wide.store().close().await;
    };
}

/// Several daemons at once, each with as many hands as it likes: together they keep to the pace.
async fn race(db: Db) {
    play(db, 24, async |app: &App| {
        let engine = paced(app, Some(3), Some("40/h")).await;
        for number in 1..=24 {
            close(&engine, "close", number).await;
        }
        let daemons = [engine, paced(app, Some(3), Some("40/h")).await, paced(app, Some(3), Some("40/h")).await];
        let systems = app.engine.system_names();
        let mut open: Vec<Claim> = Vec::new();
        let (mut most, mut started) = (0, 0);
        let began = Instant::now();
        while started < 40 && began.elapsed() < Duration::from_secs(60) {
            // Each brings an outcome of another's, and takes what it can get.
            let mut over: Vec<Vec<Completion>> = vec![Vec::new(), Vec::new(), Vec::new()];
            for (number, claim) in open.drain(..open.len().min(3)).enumerate() {
                over[number % 3].push(completion(&claim, done()));
            }
            let [first, second, third] = [over.remove(0), over.remove(0), over.remove(0)];
            let turn = |daemon: usize, over| turn_of(daemons[daemon].store(), "race", &systems, over, 20);
            let (a, b, c) = tokio::join!(turn(0, first), turn(1, second), turn(2, third));
            for report in [a, b, c] {
                let claims = report.expect("a turn").claims;
                started += on(&claims, "mailhost").len();
                open.extend(claims);
            }
            most = most.max(on(&open, "mailhost").len());
            assert!(on(&open, "mailhost").len() <= 3, "{}", open.len());
        }
        assert_eq!((most, started), (3, 40), "all the places are used, and no more");
        for _ in 0..4 {
            let over = open.drain(..).map(|claim| completion(&claim, done())).collect();
            let report = turn_of(daemons[0].store(), "race", &systems, over, 20).await.expect("a turn");
            assert!(on(&report.claims, "mailhost").is_empty(), "forty have started within the hour");
            open.extend(report.claims);
        }
        for daemon in daemons {
            daemon.store().close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_keep_to_the_pace_together_on_postgres() {
    race(Db::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_keep_to_the_pace_together_on_sqlite() {
    race(Db::Sqlite).await;
}

both_with! { 1200:
    each_page_of_a_reading_counts, async |app: &App| {
        let engine = paced(app, None, Some("4/min")).await;
        let read = engine.sync("mailhost").await.expect("reads").count.read;
        assert!((1001..=1500).contains(&read), "three pages: {read}");
        assert_eq!(engine.store().take_place("mailhost").await.unwrap(), None, "three places are taken, and one is left");
        assert!(engine.store().take_place("mailhost").await.unwrap().is_some());
        engine.store().close().await;
    };
}
