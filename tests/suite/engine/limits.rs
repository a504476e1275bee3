//! Guards that trip and wait for a person: what they stop, on which systems, and what a release lets go.

use usher::run::trip::TripKind;
use usher::run::{AccountStatus, HoldReason, RunState, StepState};
use usher::store::StoreError;

use super::departure::{ADA, done_by_people, until_the_checklist};
use crate::harness::{App, zurich};

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
