//! Freezes, pauses and cancellations: nothing starts once they return.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::AnyConnection;
use tokio::task::JoinHandle;
use usher::run::guard::Freeze;
use usher::run::{HoldReason, RunState, StepState};
use usher::store::{StoreError, TurnReport};

use super::small_run_due;
use crate::database::Db;
use crate::harness::{App, completion, done, play, turn_of};

fn freeze_of(system: Option<&str>, workflow: Option<&str>) -> Freeze {
    Freeze { system: system.map(Into::into), workflow: workflow.map(Into::into), all: true, reason: "audit".into() }
}

both! {
    a_freeze_stops_what_it_covers_at_once_and_lets_go_when_lifted, async |app: &App| {
        let run = small_run_due(app).await;
        app.store.freeze(&freeze_of(Some("groupware"), None), "os:helene").await.unwrap();
        let claims = app.claim(8).await;
        assert_eq!(claims.iter().map(|claim| claim.label.as_str()).collect::<Vec<_>>(), ["hide@mailhost"]);
        let held = app.state(run, "hide@groupware").await;
        let StepState::Held { reason: HoldReason::Freeze(why), .. } = &held else { panic!("{held:?}") };
        assert_eq!(why, "system groupware: audit");
        app.complete(&claims[0], done()).await;

        // Lifting another scope lets nothing go that this one holds.
        assert_eq!(app.store.unfreeze(None, None, "os:helene").await.unwrap().0, 0);
        assert!(app.claim(8).await.iter().all(|claim| claim.system.as_deref() != Some("groupware")));
        app.store.recover(true).await.unwrap();
        assert_eq!(app.store.freezes().await.unwrap().len(), 1);
        let (lifted, released) = app.store.unfreeze(Some("groupware"), None, "os:helene").await.unwrap();
        assert_eq!((lifted, released), (1, 1));
        assert!(app.store.freezes().await.unwrap().is_empty());
        app.drain().await;
        assert_eq!(app.run_state(run).await, RunState::Completed);
    };

    a_freeze_of_everything_or_of_a_workflow_covers_it, async |app: &App| {
        let run = small_run_due(app).await;
        app.store.freeze(&freeze_of(None, Some("departure")), "os:helene").await.unwrap();
        app.store.freeze(&freeze_of(None, None), "os:helene").await.unwrap();
        assert!(app.claim(8).await.is_empty());
        assert_eq!(app.run_state(run).await, RunState::NeedsAttention);
        app.store.unfreeze(None, None, "os:helene").await.unwrap();
        assert_eq!(app.claim(8).await.len(), 2, "the other freeze is of another workflow");
        app.store.recover(true).await.unwrap();
        app.drain().await;
    };

    nothing_starts_after_a_cancel_and_what_is_in_flight_is_named, async |app: &App| {
        let run = small_run_due(app).await;
        let claims = app.claim(1).await;
        let left = app.engine.cancel(run, "a mistake", "os:nils").await.unwrap();
        assert_eq!(left.in_flight, [claims[0].label.clone()]);
        assert!(app.claim(8).await.is_empty());
        // What was under way may still say how it ended.
        assert_eq!(app.complete(&claims[0], done()).await.stale, 0);
        assert_eq!(app.state(run, &claims[0].label).await.as_str(), "done");
        assert_eq!(app.run_state(run).await, RunState::Cancelled);
        let again = app.engine.cancel(run, "again", "os:nils").await.unwrap_err();
        assert!(again.to_string().contains("is over: cancelled"), "{again}");
    };

    a_retry_of_a_cancelled_runs_attempt_does_not_come, async |app: &App| {
        let run = small_run_due(app).await;
        let claims = app.claim(1).await;
        app.engine.cancel(run, "a mistake", "os:nils").await.unwrap();
        let busy = usher::run::settle::Outcome::Retry { reason: "busy".into(), after: None };
        app.complete(&claims[0], busy).await;
        assert_eq!(app.state(run, &claims[0].label).await.as_str(), "cancelled");
        assert_eq!(app.store.next_due().await.unwrap(), None);
    };
}

/// Waits until a session of the database waits for a lock, or `over` says that it will not.
pub async fn until_blocked(app: &App, query: &str, over: impl Fn() -> bool) {
    let blocked = format!(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%{query}%'"
    );
    while !over() && app.number(&blocked).await == 0 {
        tokio::task::yield_now().await;
    }
}

/// Somebody keeps the journal from being written until they commit: a turn stands still between its guards and its
/// commit.
pub async fn claiming_stands_still(app: &App) -> (AnyConnection, JoinHandle<Result<TurnReport, StoreError>>) {
    let mut wall = app.home.connect().await;
    sqlx::query("BEGIN").execute(&mut wall).await.unwrap();
    sqlx::query("LOCK TABLE journal IN SHARE MODE").execute(&mut wall).await.unwrap();
    let (store, systems) = (app.store.clone(), app.engine.system_names());
    let turn = tokio::spawn(async move { turn_of(&store, "test", &systems, Vec::new(), 8).await });
    until_blocked(app, "INSERT INTO journal", || turn.is_finished()).await;
    (wall, turn)
}

/// PostgreSQL alone: a claim that is being written when a freeze is set is either seen by it (the freeze waits) or sees
/// it. SQLite has one writer.
#[tokio::test]
async fn a_freeze_waits_for_the_claims_that_are_being_written() {
    play(Db::Postgres, async |app: &App| {
        let run = small_run_due(app).await;
        let (mut wall, turn) = claiming_stands_still(app).await;

        let store = app.another_store().await;
        let freezing = tokio::spawn(async move { store.freeze(&freeze_of(None, None), "os:helene").await });
        until_blocked(app, "UPDATE counters", || freezing.is_finished()).await;
        assert!(
            !freezing.is_finished(),
            "the freeze returned while a claim was being written that does not know of it"
        );
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();
        let claims = turn.await.unwrap().unwrap().claims;
        freezing.await.unwrap().unwrap();
        assert_eq!(claims.len(), 2);
        for claim in &claims {
            app.complete(claim, done()).await;
        }
        assert!(app.claim(8).await.is_empty());
        assert_eq!(app.state(run, "rules@mailhost").await.as_str(), "held");
    })
    .await;
}

/// A session of usher's that holds locks and then says nothing, as a process does that is stopped.
async fn standing_still(app: &App, holds: &'static str) -> sqlx::AnyConnection {
    let mut stopped = app.home.connect().await;
    sqlx::query("SET application_name = 'usher'").execute(&mut stopped).await.unwrap();
    sqlx::query("SET idle_in_transaction_session_timeout = '20s'").execute(&mut stopped).await.unwrap();
    sqlx::query("BEGIN").execute(&mut stopped).await.unwrap();
    sqlx::query(holds).execute(&mut stopped).await.unwrap();
    stopped
}

const CLAIMING: &str = "SELECT value FROM counters WHERE name = 'freeze' FOR SHARE";

/// PostgreSQL alone, by real time: what people order does not wait for a daemon that stands still in a transaction.
#[tokio::test]
async fn no_order_waits_for_a_process_that_stands_still_in_a_transaction() {
    play(Db::Postgres, async |app: &App| {
        let run = small_run_due(app).await;
        let soon = async |what: &str, order: &mut (dyn Future<Output = ()> + Unpin)| {
            let began = std::time::Instant::now();
            order.await;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(4), "{what} took {took:?}");
        };
        let stopped = standing_still(app, CLAIMING).await;
        soon(
            "a freeze",
            &mut Box::pin(async { app.store.freeze(&freeze_of(None, None), "os:helene").await.map(|_| ()).unwrap() }),
        )
        .await;
        drop(stopped);

        // Somebody who is at work waits for the one who stands still, and the order for both.
        app.store.unfreeze(None, None, "os:helene").await.unwrap();
        let stopped = standing_still(app, "LOCK TABLE journal IN SHARE MODE").await;
        let (store, systems) = (app.another_store().await, app.engine.system_names());
        let turn = tokio::spawn(async move { turn_of(&store, "test", &systems, Vec::new(), 8).await });
        until_blocked(app, "INSERT INTO journal", || turn.is_finished()).await;
        soon("a pause", &mut Box::pin(async { drop(app.engine.pause(run, "wait", "os:nils").await.unwrap()) })).await;
        drop(stopped);
        turn.await.unwrap().unwrap();
        app.store.recover(true).await.unwrap();
    })
    .await;
}

/// Who is at work is waited for, and so is whoever is no process of usher's.
#[tokio::test]
async fn nobody_who_is_at_work_or_a_stranger_is_ended() {
    play(Db::Postgres, async |app: &App| {
        let mut stranger = standing_still(app, CLAIMING).await;
        sqlx::query("SET application_name = 'psql'").execute(&mut stranger).await.unwrap();
        let freezing = |store: usher::store::Store, system: &'static str| {
            tokio::spawn(async move { store.freeze(&freeze_of(Some(system), None), "os:helene").await })
        };
        let waits = freezing(app.another_store().await, "files");
        usher::clock::pause(Duration::from_millis(1500)).await;
        assert!(!waits.is_finished(), "the freeze returned, though somebody holds its row");
        sqlx::query("COMMIT").execute(&mut stranger).await.expect("nobody has ended it");
        waits.await.unwrap().unwrap();

        let mut busy = standing_still(app, CLAIMING).await;
        let waits = freezing(app.another_store().await, "mailhost");
        sqlx::query("SELECT CAST(pg_sleep(1.5) AS TEXT)").execute(&mut busy).await.expect("it is at work");
        assert!(!waits.is_finished(), "the freeze returned, though somebody holds its row");
        sqlx::query("COMMIT").execute(&mut busy).await.expect("nobody has ended it");
        waits.await.unwrap().unwrap();
    })
    .await;
}

/// PostgreSQL alone: a deletion that is being claimed while HR takes the departure back. The file is taken in after the
/// claim is written, and then the deletion is in flight; or before it, and then the deletion is held.
#[tokio::test]
async fn a_rehire_waits_for_the_deletion_that_is_being_claimed() {
    play(Db::Postgres, async |app: &App| {
        app.staffed().await;
        let run = crate::engine::schedules::deleted_into_grace(app).await;
        app.clock.set(crate::harness::zurich("2027-08-27T09:00"));
        let (mut wall, turn) = claiming_stands_still(app).await;

        let other = app.another_store().await;
        let ada = other.person("1005").await.unwrap().unwrap();
        let rehired = usher::run::Person { status: usher::run::PersonStatus::Active, last_day: None, ..ada };
        let telling = tokio::spawn(async move { other.save_people(&[rehired], &[]).await });
        until_blocked(app, "UPDATE people", || telling.is_finished()).await;
        assert!(
            !telling.is_finished(),
            "HR's word was accepted while a deletion was being claimed that does not know of it"
        );
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();
        let claims = turn.await.unwrap().unwrap().claims;
        telling.await.unwrap().unwrap();
        assert!(!claims.is_empty() && claims.iter().all(|claim| claim.run == run));
        app.store.recover(true).await.unwrap();
        app.drain().await;
        assert_eq!(
            app.steps_that_are(run, "held").await.len(),
            claims.len(),
            "what is looked at again sees the rehire"
        );
    })
    .await;
}

/// PostgreSQL alone: as a freeze, a legal hold waits for the deletion that is being claimed, or that sees it.
#[tokio::test]
async fn a_legal_hold_waits_for_the_deletion_that_is_being_claimed() {
    play(Db::Postgres, async |app: &App| {
        app.staffed().await;
        let run = crate::engine::schedules::deleted_into_grace(app).await;
        app.clock.set(crate::harness::zurich("2027-08-27T09:00"));
        let (mut wall, turn) = claiming_stands_still(app).await;

        let other = app.another_store().await;
        let ada = other.person("1005").await.unwrap().unwrap();
        let holding = tokio::spawn(async move { other.add_hold(&ada, "lawsuit", None, "os:legal").await });
        until_blocked(app, "UPDATE counters", || holding.is_finished()).await;
        assert!(
            !holding.is_finished(),
            "the hold returned while a deletion was being claimed that does not know of it"
        );
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();
        let claims = turn.await.unwrap().unwrap().claims;
        holding.await.unwrap().unwrap();
        assert!(!claims.is_empty() && claims.iter().all(|claim| claim.run == run));
        assert_eq!(
            app.store.in_flight_of(claims[0].account.as_ref().unwrap().person_id.unwrap()).await.unwrap().len(),
            claims.len()
        );
        app.store.recover(true).await.unwrap();
        app.drain().await;
        assert_eq!(app.steps_that_are(run, "held").await.len(), claims.len(), "what is looked at again sees the hold");
    })
    .await;
}

/// How often the race between freezing and claiming is run.
const ROUNDS: usize = 25;

/// One daemon of several: claims and completes what is due until it is told to stop; counts its turns.
async fn daemon(app: &App, name: &'static str, turns: &AtomicUsize, stop: &AtomicBool) {
    let store = app.another_store().await.with_conventions(crate::harness::conventions());
    let systems = app.engine.system_names();
    let mut completions = Vec::new();
    while !stop.load(Ordering::SeqCst) || !completions.is_empty() {
        let permits = if stop.load(Ordering::SeqCst) { 0 } else { 2 };
        let report = turn_of(&store, name, &systems, std::mem::take(&mut completions), permits).await.expect("a turn");
        completions = report.claims.iter().map(|claim| completion(claim, done())).collect();
        turns.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    store.close().await;
}

/// PostgreSQL alone, three daemons: once a freeze of everything has returned, not one more attempt starts anywhere,
/// access cuts neither. Counted by the fences in the record.
#[tokio::test]
async fn no_daemon_claims_anything_once_a_freeze_has_returned() {
    play(Db::Postgres, async |app: &App| {
        app.staffed().await;
        for person in 1004..1024 {
            app.start("emergency-block", &person.to_string(), &[]).await;
        }
        let (turns, stop) = ([const { AtomicUsize::new(0) }; 3], AtomicBool::new(false));
        let attempts = || app.number("SELECT CAST(SUM(fence) AS BIGINT) FROM steps");
        let (mut raced, mut longest) = (0, std::time::Duration::ZERO);
        let race = async {
            for round in 0..ROUNDS {
                let before = attempts().await;
                // Some attempts start in between, or all have ended.
                for _ in 0..50 {
                    if attempts().await >= before + 2 {
                        raced += 1;
                        break;
                    }
                }
                let asked = std::time::Instant::now();
                app.store.freeze(&freeze_of(None, None), "os:helene").await.unwrap();
                longest = longest.max(asked.elapsed());
                let frozen = attempts().await;
                let seen: Vec<usize> = turns.iter().map(|turns| turns.load(Ordering::SeqCst)).collect();
                // Every daemon takes two turns that begin after the freeze.
                while turns.iter().zip(&seen).any(|(turns, seen)| turns.load(Ordering::SeqCst) < seen + 3) {
                    tokio::task::yield_now().await;
                }
                assert_eq!(attempts().await, frozen, "round {round}: an attempt started after the freeze had returned");
                app.store.unfreeze(None, None, "os:helene").await.unwrap();
            }
            stop.store(true, Ordering::SeqCst);
        };
        let daemons = futures::future::join3(
            daemon(app, "one", &turns[0], &stop),
            daemon(app, "two", &turns[1], &stop),
            daemon(app, "three", &turns[2], &stop),
        );
        futures::join!(race, daemons);
        assert!(raced >= 5, "only {raced} of {ROUNDS} freezes met daemons at work");
        #[expect(clippy::print_stdout, reason = "the figure is for people")]
        {
            println!(
                "{ROUNDS} freezes against three daemons, {raced} of them at work; the slowest returned after {longest:?}"
            );
        }
        app.drain().await;
    })
    .await;
}
