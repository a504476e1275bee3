//! A batch of deletions goes one, then five, then the rest, each stage read back before the next.

use usher::run::limits::Limits;
use usher::run::settle::Outcome;
use usher::run::trip::TripKind;
use usher::run::{Evidence, EvidenceKind};
use usher::store::{Claim, Completion};

use super::{both_with, crowd, deleted, held_by, house, remove, wide};
use crate::harness::{App, completion, done, request, turn_of};

/// So many runs whose account is closed and whose deletion is due.
async fn about_to_delete(app: &App, engine: &usher::engine::Engine, count: usize) -> Vec<i64> {
    let mut runs = Vec::new();
    for number in 1..=count {
        runs.push(remove(engine, number).await);
    }
    let disables = turn(app, engine, vec![], 50).await;
    assert_eq!(disables.len(), count);
    let mut outcomes = Vec::new();
    for claim in &disables {
        let (outcome, seen) = engine.execute(claim, || true).await;
        outcomes.push(Completion { seen, ..completion(claim, outcome) });
    }
    assert!(turn(app, engine, outcomes, 0).await.is_empty());
    runs
}

async fn turn(app: &App, engine: &usher::engine::Engine, completions: Vec<Completion>, permits: usize) -> Vec<Claim> {
    turn_of(engine.store(), "test", &app.engine.system_names(), completions, permits).await.expect("a turn").claims
}

/// What starts once these are over: outcomes first, then whatever may start.
async fn after(app: &App, engine: &usher::engine::Engine, claims: &[Claim], outcome: &Outcome) -> Vec<Claim> {
    let over = claims.iter().map(|claim| completion(claim, outcome.clone())).collect();
    turn(app, engine, over, 0).await;
    turn(app, engine, vec![], 50).await
}

both_with! { 13:
    one_then_five_then_the_rest, async |app: &App| {
        let engine = crowd(app, wide()).await;
        let runs = about_to_delete(app, &engine, 12).await;
        let first = turn(app, &engine, vec![], 50).await;
        assert_eq!(first.len(), 1);
        assert!(turn(app, &engine, vec![], 50).await.is_empty(), "the others wait, and are no hindrance");
        assert!(app.store.until_due().await.unwrap().is_some_and(|until| !until.is_zero()));
        // Who comes after them in time is not kept waiting, though there is one hand only.
        let later = engine.start(request("remove", "00013", &[])).await.unwrap().id();
        let other = turn(app, &engine, vec![], 1).await;
        assert_eq!(other.iter().map(|claim| claim.run).collect::<Vec<_>>(), [later]);
        turn(app, &engine, vec![completion(&other[0], done())], 0).await;
        // Another daemon counts the same.
        let other = house(app, wide()).await;
        assert!(turn(app, &other, vec![], 50).await.is_empty());

        let second = after(app, &engine, &first, &done()).await;
        assert_eq!(second.len(), 5);
        // Four of five are not the stage.
        assert!(after(app, &engine, &second[..4], &done()).await.is_empty());
        let rest = after(app, &engine, &second[4..], &done()).await;
        assert_eq!(rest.len(), 6);
        assert!(after(app, &engine, &rest, &done()).await.is_empty());
        assert_eq!(deleted(app, &runs).await, 12);
        assert!(app.store.trips(true).await.unwrap().is_empty());
        other.store().close().await;
        engine.store().close().await;
    };

    one_that_fails_among_the_first_stops_those_behind_it, async |app: &App| {
        let engine = crowd(app, wide()).await;
        let runs = about_to_delete(app, &engine, 4).await;
        let first = turn(app, &engine, vec![], 50).await;
        assert!(after(app, &engine, &first, &Outcome::Failed("the server says no".into())).await.is_empty());
        let trips = app.store.trips(false).await.unwrap();
        let [row] = trips.as_slice() else { panic!("{trips:?}") };
        assert_eq!((row.trip.kind, row.trip.system.as_deref()), (TripKind::Canary, Some("mailhost")));
        let named = format!("delete@mailhost of run_{} is held (failure)", first[0].run);
        assert!(row.trip.words.starts_with(&named), "{}", row.trip.words);
        for run in runs.iter().filter(|run| **run != first[0].run) {
            assert_eq!(held_by(app, *run, "delete@mailhost").await.0, "canary");
        }
        // Released, a new batch begins with one.
        app.clock.set(app.now() + jiff::SignedDuration::from_secs(1));
        app.store.release_trip(row.trip.id, "the quota is lifted", "os:nils").await.unwrap();
        let again = turn(app, &engine, vec![], 50).await;
        assert_eq!(again.len(), 1);
        let rest = after(app, &engine, &again, &done()).await;
        assert_eq!(rest.len(), 2);
        after(app, &engine, &rest, &done()).await;
        assert_eq!(deleted(app, &runs).await, 3);
        engine.store().close().await;
    };

    one_that_nobody_can_read_back_stops_those_behind_it, async |app: &App| {
        let engine = crowd(app, wide()).await;
        about_to_delete(app, &engine, 2).await;
        let first = turn(app, &engine, vec![], 50).await;
        let believed = Outcome::Done(Evidence { kind: EvidenceKind::Acknowledged, detail: "it says so".into() });
        assert!(after(app, &engine, &first, &believed).await.is_empty());
        let trips = app.store.trips(false).await.unwrap();
        assert!(trips[0].trip.words.contains("was acknowledged and cannot be read back"), "{trips:?}");
        engine.store().close().await;
    };

    a_purge_waits_for_the_hour_by_which_the_systems_days_are_longer, async |app: &App| {
        // Thirty days by the calendar are an hour less than thirty times 24 hours when the clocks go forward in March.
        app.clock.set(crate::harness::zurich("2027-03-20T09:00"));
        let engine = crowd(app, wide()).await;
        let run = remove(&engine, 1).await;
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &[run]).await, 1);
        app.clock.set(crate::harness::zurich("2027-04-19T09:30"));
        engine.work_off(8).await.unwrap();
        assert_eq!(app.state(run, "delete.purge@mailhost").await.as_str(), "waiting", "the system keeps it until ten");
        assert!(app.store.trips(false).await.unwrap().is_empty(), "and nobody need look at the batch");
        app.clock.set(crate::harness::zurich("2027-04-19T10:01"));
        engine.work_off(8).await.unwrap();
        assert_eq!(app.state(run, "delete.purge@mailhost").await.as_str(), "done");
        engine.store().close().await;
    };

    what_waits_for_one_that_is_tried_again_goes_on_by_itself, async |app: &App| {
        let limits = Limits { ..wide() };
        let engine = crowd(app, limits).await;
        let runs = about_to_delete(app, &engine, 3).await;
        let first = turn(app, &engine, vec![], 50).await;
        let busy = Outcome::Retry { reason: "busy".into(), after: None };
        assert!(after(app, &engine, &first, &busy).await.is_empty(), "it has not had its end");
        // A person leaves it out: the next one is the first.
        engine.skip(first[0].run, "delete@mailhost", "by hand", "os:nils").await.unwrap();
        app.clock.set(app.now() + jiff::SignedDuration::from_secs(61));
        let next = turn(app, &engine, vec![], 50).await;
        assert_eq!(next.len(), 1);
        let last = after(app, &engine, &next, &done()).await;
        after(app, &engine, &last, &done()).await;
        assert_eq!(deleted(app, &runs).await, 2);
        engine.store().close().await;
    };
}
