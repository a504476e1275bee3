//! HR takes a departure back, or somebody who had left is hired again.

use std::collections::BTreeSet;

use usher::run::{AccountStatus, HoldReason, RunState, StepState};
use usher::store::{EventFilter, EventState};

use crate::engine::departure::{ADA, done_by_people, until_the_checklist};
use crate::engine::moved::{leaves_on, parked};
use crate::harness::{App, zurich};

pub const ADA_STAYS: &str = "employee_number,given_name,family_name,last_day,status\n1005,Ada,Keller,,active\n";

/// HR says that Ada has left, and then that she is back.
const ADA_LEFT: &str = "employee_number,given_name,family_name,last_day,status\n1005,Ada,Keller,2027-01-29,left\n";

/// Whether every destructive step of a run that is not over is held by HR's word.
async fn held_by_hr(app: &App, run: i64) -> bool {
    app.book(run)
        .await
        .steps
        .iter()
        .filter(|step| step.action.is_destructive() && !step.state.is_final())
        .all(|step| matches!(&step.state, StepState::Held { reason: HoldReason::Hr(_), .. }))
}

both! {
    a_departure_without_effect_yet_is_called_off_by_itself, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.told(ADA_STAYS).await;
        // Accepted is stopped already, before anybody has dealt with it.
        assert!(held_by_hr(app, run).await);
        assert_eq!(app.run_state(run).await, RunState::Paused);
        app.walk_to(zurich("2027-01-29T18:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);

        let dispatched = usher::intake::events::dispatch(&app.engine).await.unwrap();
        let rescinded = dispatched.iter().find(|told| told.event.as_str() == "rescinded").expect("dealt with");
        assert_eq!((rescinded.parked.as_ref(), rescinded.runs.len()), (None, 0));
        assert_eq!(app.run_state(run).await, RunState::Cancelled);
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.actor == "hr" && entry.fact["state"] == "cancelled"), "{told:#?}");
        let events = app.store.events(&EventFilter { person: Some("1005".into()), ..EventFilter::default() }).await.unwrap();
        assert!(events.iter().any(|event| event.kind.as_str() == "rescinded" && event.state == EventState::Noted));
    };

    a_departure_that_has_taken_effect_stops_and_waits_for_a_person, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-01-30T09:00")).await;
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        let dispatched = app.import(ADA_STAYS).await;
        let why = dispatched[0].parked.as_deref().expect("parked");
        assert!(why.contains(&format!("`usher run undo run_{run}`")), "{why}");
        assert_eq!(dispatched[0].proposes, [format!("usher run undo run_{run} --reason TEXT")]);
        assert_eq!((app.run_state(run).await, held_by_hr(app, run).await), (RunState::Paused, true));
        // A week later her files would have been handed over.
        app.walk_to(zurich("2027-02-20T09:00")).await;
        let soren = app.account("files", "f-0004").unwrap().files.unwrap();
        assert!(!soren.received.contains_key("f-0005"));

        app.engine.undo(run, "HR took it back", "os:nils", false).await.unwrap();
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);
        let [event] = app.store.events(&EventFilter { state: Some(EventState::Parked), ..EventFilter::default() })
            .await.unwrap().try_into().expect("one");
        app.store.settle_event(event.id, EventState::Resolved, "undone", "os:nils").await.unwrap();
        let event = app.store.event(event.id).await.unwrap();
        assert_eq!((event.state, event.settled_by.as_deref(), event.reason.as_deref()),
            (EventState::Resolved, Some("os:nils"), Some("undone")));
        assert_eq!(event.settled_at, Some(app.now().as_millisecond()));
        assert!(app.store.settle_event(event.id, EventState::Dropped, "again", "os:nils").await.is_err());
    };

    a_departure_before_a_new_beginning_concerns_nobody_any_more, async |app: &App| {
        app.staffed().await;
        let first = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-01-29T18:00")).await;
        app.engine.cancel(first, "she stays", "os:helene").await.unwrap();
        let dispatched = app.import(ADA_STAYS).await;
        assert_eq!(dispatched[0].proposes, [format!("usher run undo run_{first} --reason TEXT")], "her access is closed");
        app.start("onboarding", "1005", &[("start_date", "2027-02-01")]).await;
        app.walk_to(zurich("2027-02-01T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);
        // She is to leave again, and again she stays: nothing of that had begun, and the first time is long settled.
        app.import(&leaves_on("2027-03-26")).await;
        let dispatched = app.import(ADA_STAYS).await;
        assert_eq!((dispatched[0].parked.as_deref(), dispatched[0].proposes.as_slice()), (None, [].as_slice()));
    };

    a_departure_that_hr_takes_back_and_says_again_goes_on, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.told(ADA_STAYS).await;
        app.told(&leaves_on("2027-02-26")).await;
        usher::intake::events::dispatch(&app.engine).await.unwrap();
        assert_eq!((app.run_state(run).await, parked(app).await), (RunState::Open, vec![]));
        app.walk_to(zurich("2027-02-26T18:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "blocked");
    };

    a_pause_of_a_person_outlives_hrs_words, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.engine.pause(run, "a lawsuit", "os:helene").await.unwrap();
        app.told(ADA_STAYS).await;
        app.told(&leaves_on("2027-02-26")).await;
        usher::intake::events::dispatch(&app.engine).await.unwrap();
        assert_eq!(app.run_state(run).await, RunState::Paused);
        assert_eq!(app.book(run).await.run.inputs["last_day"], "2027-02-26");
    };

    a_rehire_recovers_what_is_in_grace_and_proposes_the_rest, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        app.walk_to(zurich("2027-08-20T09:00")).await;
        app.import(ADA_LEFT).await;
        app.told(ADA_STAYS).await;
        assert!(held_by_hr(app, run).await, "in the transaction that accepts it");
        let dispatched = usher::intake::events::dispatch(&app.engine).await.unwrap();
        let rehired = dispatched.iter().find(|told| told.event.as_str() == "rehired").expect("dealt with");
        assert_eq!(rehired.runs.len(), 1, "{rehired:?}");
        let why = rehired.parked.as_deref().expect("the rest is for somebody to decide");
        assert!(why.contains("onboarding") && why.contains(&format!("`usher run undo run_{run}`")), "{why}");
        app.drain().await;
        for (system, id) in ADA {
            assert_eq!(app.account(system, id).unwrap().status, AccountStatus::Disabled, "{system}: recovered, still closed");
        }
        // The grace ends, and nothing is purged.
        app.walk_to(zurich("2027-12-01T09:00")).await;
        assert!(ADA.into_iter().all(|(system, id)| app.account(system, id).is_some()));
        let restore = usher::run::book::parse_public_id(&rehired.runs[0]).unwrap();
        assert_eq!(app.book(restore).await.run.name, "restore-departure");
        // Then somebody takes the departure back as a whole.
        let undone = app.engine.undo(run, "she is back", "os:nils", false).await.unwrap();
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled, "{undone:?}");
    };

    a_rehire_whom_nobody_remembers_still_waits_for_a_person, async |app: &App| {
        app.staffed().await;
        let gone = "employee_number,given_name,family_name,status\n3001,Old,Hand,left\n";
        app.import(gone).await;
        let dispatched = app.import(&gone.replace("left", "active")).await;
        assert_eq!(dispatched[0].event.as_str(), "rehired");
        assert!(dispatched[0].parked.as_deref().unwrap().contains("3001 is hired again"));
        assert_eq!(parked(app).await.len(), 1, "nothing HR said is dropped in silence");
    };

    somebody_takes_a_parked_event_up_again, async |app: &App| {
        app.staffed().await;
        // A leave without a day of return cannot be planned.
        let file = "employee_number,given_name,family_name,status\n1006,Zoë,Lindqvist,on_leave\n";
        app.import(file).await;
        let [event] = app.store.events(&EventFilter { state: Some(EventState::Parked), ..EventFilter::default() })
            .await.unwrap().try_into().expect("one");
        app.store.retry_event(event.id, "os:nils").await.unwrap();
        usher::intake::events::dispatch(&app.engine).await.unwrap();
        let again = app.store.event(event.id).await.unwrap();
        assert_eq!((again.state, again.settled_by.as_deref()), (EventState::Parked, Some("os:nils")));
        app.store.settle_event(event.id, EventState::Dropped, "she did not go", "os:nils").await.unwrap();
        assert!(app.store.retry_event(event.id, "os:nils").await.is_err());
        assert!(app.store.event(999).await.is_err());
    };
}
