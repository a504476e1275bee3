//! Guards that trip and wait for a person: what they stop, on which systems, and what a release lets go.

use usher::engine::Engine;
use usher::run::trip::TripKind;
use usher::run::{AccountStatus, HoldReason, RunState, StepState};
use usher::store::{Claim, Completion, StoreError};

use super::super::departure::{ADA, done_by_people, until_the_checklist};
use super::{crowd, remove, wide};
use crate::database::Db;
use crate::harness::{App, completion, done, turn_of, zurich};
use crate::store::stops::until_blocked;

/// Ada's departure up to the minute before its deletion.
async fn about_to_be_deleted(app: &App) -> i64 {
    let run = until_the_checklist(app).await;
    done_by_people(app, run).await;
    app.walk_to(zurich("2027-07-28T08:59")).await;
    run
}

both! {
    a_trip_holds_what_destroys_until_a_person_releases_it_with_a_reason, async |app: &App| {
        let run = about_to_be_deleted(app).await;
        let (trip, new) = app.store.trip(TripKind::Clock, None, "the clock jumped by 3 h").await.unwrap();
        assert!(new);
        let (again, new) = app.store.trip(TripKind::Clock, None, "the clock jumped by 4 h").await.unwrap();
        assert_eq!((again, new), (trip.clone(), false), "one cause has one trip");
        let (other, new) = app.store.trip(TripKind::Restore, Some("files"), "older than the mark").await.unwrap();
        assert!(new && other.id != trip.id);

        app.jump_to(zurich("2027-07-28T09:00")).await;
        for (system, id) in ADA.iter().filter(|(system, _)| *system != "groupware") {
            assert_eq!(app.account(system, id).unwrap().status, AccountStatus::Disabled, "{system}");
            let held = app.state(run, &format!("delete@{system}")).await;
            let StepState::Held { reason: HoldReason::Guard { name, detail }, .. } = &held else { panic!("{held:?}") };
            assert!(["clock", "restore"].contains(&name.as_str()) && detail.starts_with("trip_"), "{name}: {detail}");
        }
        let waiting = app.store.waiting(50).await.unwrap();
        let way_on = waiting.iter().find(|task| task.step == "delete@mailhost").unwrap().way_on();
        assert_eq!(way_on, format!("usher guard release {} --reason …", trip.public_id()));

        // Somebody who tries the step again gets no further.
        app.engine.retry(run, "delete@mailhost", "go", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "held");

        let (row, released) = app.store.release_trip(trip.id, "the hypervisor was paused", "os:nils").await.unwrap();
        assert_eq!(row.released_by.as_deref(), Some("os:nils"));
        assert!(released >= 2, "{released}");
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
        let files = app.state(run, "delete@files").await;
        let StepState::Held { reason: HoldReason::Guard { name, .. }, .. } = &files else { panic!("{files:?}") };
        assert_eq!(name, "restore", "the other trip still stands, on its system");
        let told = app.store.audit(run).await.unwrap();
        let said = told.iter().find(|entry| entry.fact.to_string().contains(&format!("release {}", trip.public_id())));
        assert_eq!(said.expect("the journal has it").actor, "os:nils");

        let twice = app.store.release_trip(trip.id, "again", "os:helene").await.unwrap_err();
        assert!(matches!(&twice, StoreError::Refused(why) if why.contains("released already, by os:nils")), "{twice}");
        let missing = app.store.release_trip(99, "x", "os:nils").await.unwrap_err();
        assert!(matches!(&missing, StoreError::NotFound { .. }), "{missing}");
        app.store.release_trip(other.id, "checked", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Deleted);
        assert!(app.store.trips(false).await.unwrap().is_empty());
        assert_eq!(app.store.trips(true).await.unwrap().len(), 2);
        // It may trip again.
        assert!(app.store.trip(TripKind::Clock, None, "once more").await.unwrap().1);
    };

    what_a_trip_held_goes_on_though_whoever_released_it_was_cut_off, async |app: &App| {
        let run = about_to_be_deleted(app).await;
        let (trip, _) = app.store.trip(TripKind::Clock, None, "a jump").await.unwrap();
        app.jump_to(zurich("2027-07-28T09:00")).await;
        assert_eq!(app.run_state(run).await, RunState::NeedsAttention);
        // Released, and the process died before it let anything go.
        app.sql("UPDATE trips SET released_by = 'os:nils', released_at = 1, reason = 'fine'").await.unwrap();
        let (_, released) = app.store.release_trip(trip.id, "said once more", "os:nils").await.unwrap();
        assert!(released > 0);
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
    };
}

/// One account that has left whose deletion is due, and a wall that keeps the journal from being written: the turn that
/// has judged the deletion stands still between its guards and its commit.
async fn standing_still(app: &App) -> (Engine, i64, sqlx::AnyConnection, tokio::task::JoinHandle<Vec<Claim>>) {
    let engine = crowd(app, wide()).await;
    let run = remove(&engine, 1).await;
    let systems = app.engine.system_names();
    let disable = turn_of(engine.store(), "test", &systems, vec![], 1).await.unwrap().claims;
    let (outcome, seen) = engine.execute(&disable[0], || true).await;
    let over = Completion { seen, ..completion(&disable[0], outcome) };
    turn_of(engine.store(), "test", &systems, vec![over], 0).await.unwrap();
    let mut wall = app.home.connect().await;
    sqlx::query("BEGIN").execute(&mut wall).await.unwrap();
    sqlx::query("LOCK TABLE journal IN SHARE MODE").execute(&mut wall).await.unwrap();
    let store = engine.store().clone();
    let turn = tokio::spawn(async move { turn_of(&store, "test", &systems, vec![], 1).await.unwrap().claims });
    until_blocked(app, "INSERT INTO journal", || turn.is_finished()).await;
    (engine, run, wall, turn)
}

/// PostgreSQL alone: a deletion that is being claimed when a guard trips is either seen by it (the trip waits) or sees
/// it. SQLite has one writer.
#[tokio::test]
async fn a_trip_waits_for_the_deletions_that_are_being_claimed() {
    super::play(Db::Postgres, 2, async |app: &App| {
        let (engine, _, mut wall, turn) = standing_still(app).await;
        let store = app.another_store().await;
        let tripping = tokio::spawn(async move { store.trip(TripKind::Clock, None, "a jump").await });
        until_blocked(app, "UPDATE counters", || tripping.is_finished()).await;
        assert!(
            !tripping.is_finished(),
            "the guard tripped while a deletion was being claimed that does not know of it"
        );
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();
        let claims = turn.await.unwrap();
        tripping.await.unwrap().unwrap();
        assert_eq!(claims.len(), 1);
        turn_of(engine.store(), "test", &app.engine.system_names(), vec![completion(&claims[0], done())], 0)
            .await
            .unwrap();
        engine.store().close().await;
    })
    .await;
}

/// PostgreSQL alone: a deletion that is being held while the guard is released is let go too.
#[tokio::test]
async fn a_release_lets_go_what_is_being_held_at_that_moment() {
    super::play(Db::Postgres, 2, async |app: &App| {
        let (trip, _) = app.store.trip(TripKind::Clock, None, "a jump").await.unwrap();
        let (engine, run, mut wall, turn) = standing_still(app).await;
        let store = app.another_store().await;
        let releasing = tokio::spawn(async move { store.release_trip(trip.id, "looked at", "os:nils").await });
        until_blocked(app, "UPDATE counters", || releasing.is_finished()).await;
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();
        assert!(turn.await.unwrap().is_empty());
        let (_, released) = releasing.await.unwrap().unwrap();
        assert_eq!(released, 1);
        engine.work_off(1).await.unwrap();
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
        engine.store().close().await;
    })
    .await;
}
