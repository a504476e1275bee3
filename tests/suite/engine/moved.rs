//! Dates that move while a run is under way: by a person, and by HR.

use std::collections::{BTreeMap, BTreeSet};

use usher::engine::changes::ChangeError;
use usher::run::{AccountStatus, HoldReason, RunState, StepState};
use usher::store::{EventFilter, EventState};

use crate::engine::departure::{ADA, done_by_people, until_the_checklist};
use crate::harness::{App, zurich};

/// HR's file with another last day for Ada.
pub fn leaves_on(day: &str) -> String {
    format!("employee_number,given_name,family_name,last_day\n1005,Ada,Keller,{day}\n")
}

pub async fn reschedule(app: &App, run: i64, inputs: &[(&str, &str)]) -> Result<usize, ChangeError> {
    let given: BTreeMap<_, _> = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Ok(app.engine.reschedule(run, &given, Some("agreed"), "os:nils", false).await?.shifts.len())
}

/// What is parked, with what it says.
pub async fn parked(app: &App) -> Vec<(String, String)> {
    let filter = EventFilter { state: Some(EventState::Parked), ..EventFilter::default() };
    let events = app.store.events(&filter).await.unwrap();
    events.into_iter().map(|event| (event.kind.as_str().to_owned(), event.note.unwrap_or_default())).collect()
}

both! {
    ada_stays_a_month_longer_and_everything_comes_a_month_later, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        let version = app.book(run).await.run.workflow.version.clone();
        // A look first changes nothing.
        let given = BTreeMap::from([("last_day".to_owned(), "2027-02-26".into())]);
        let looked = app.engine.reschedule(run, &given, None, "os:nils", true).await.unwrap();
        assert!(looked.shifts.len() > 20, "{looked:?}");
        assert_eq!(app.book(run).await.run.inputs["last_day"], "2027-01-29");

        reschedule(app, run, &[("last_day", "2027-02-26")]).await.unwrap();
        assert_eq!(app.book(run).await.run.workflow.version, version);
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact["fact"] == "rescheduled" && entry.actor == "os:nils"));
        app.walk_to(zurich("2027-02-26T17:59")).await;
        assert!(ADA.into_iter().all(|(system, id)| app.account(system, id).unwrap().status == AccountStatus::Enabled));
        app.walk_to(zurich("2027-02-26T18:00")).await;
        assert!(ADA.into_iter().all(|(system, id)| app.account(system, id).unwrap().status == AccountStatus::Disabled));
        // The answer ends sixty days after the new last day, not before.
        app.walk_to(zurich("2027-04-27T08:59")).await;
        assert!(app.account("mailhost", "m-0005").unwrap().mailbox.unwrap().auto_reply.is_some());
        app.walk_to(zurich("2027-04-27T09:00")).await;
        assert!(app.account("mailhost", "m-0005").unwrap().mailbox.unwrap().auto_reply.is_none());
        assert_eq!(app.store.verify(run).await.unwrap().problem, None);
    };

    closed_access_is_not_moved_ahead_but_the_rest_may_move_back, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-01-29T18:00")).await;
        let refused = reschedule(app, run, &[("last_day", "2027-02-26")]).await.unwrap_err();
        let ChangeError::CutDone { why, .. } = &refused else { panic!("{refused}") };
        assert!(why.contains("disable@mailhost") && !why.contains("disable@badges"), "{why}");
        assert_eq!(app.book(run).await.run.inputs["last_day"], "2027-01-29");
        reschedule(app, run, &[("retention", "1 year")]).await.unwrap();
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.walk_to(zurich("2027-12-30T09:00")).await;
        assert_eq!(app.state(run, "checklist").await.as_str(), "awaiting_person");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
    };

    an_approval_given_for_the_old_plan_is_asked_for_again, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "done");
        reschedule(app, run, &[("retention", "210 days")]).await.unwrap();
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "waiting");
        app.walk_to(zurich("2027-07-28T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled, "not on the old day");
        app.walk_to(zurich("2027-08-13T09:00")).await;
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "awaiting_approval");
        app.walk_to(zurich("2027-08-27T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled, "nor unapproved");
        app.engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.unwrap();
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
        app.walk_to(zurich("2027-09-27T09:00")).await;
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
    };

    hr_moves_the_last_day_and_the_run_follows_by_itself, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        let dispatched = app.import(&leaves_on("2027-02-26")).await;
        assert_eq!((dispatched[0].runs.len(), &dispatched[0].parked), (0, &None));
        assert!(dispatched[0].noted[0].contains(&format!("run_{run} follows")), "{dispatched:?}");
        assert_eq!(app.book(run).await.run.inputs["last_day"], "2027-02-26");
        assert_eq!(app.run_of("departure", "1005").await, run, "there is no second run");
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact["fact"] == "rescheduled" && entry.actor == "hr"));
        app.walk_to(zurich("2027-02-26T17:59")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);
        // Sooner is as well.
        app.import(&leaves_on("2027-02-20")).await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        // The same again is simply noted.
        let again = app.import(&leaves_on("2027-02-20")).await;
        assert!(again.is_empty(), "nothing changed in the file: {again:?}");
    };

    hr_moves_a_day_that_has_passed_and_a_person_decides, async |app: &App| {
        let run = until_the_checklist(app).await;
        let dispatched = app.import(&leaves_on("2027-12-31")).await;
        let why = dispatched[0].parked.as_deref().expect("parked");
        assert!(why.contains("has closed access already") && why.contains(&format!("usher run undo run_{run}")), "{why}");
        let event = app.store.events(&EventFilter { state: Some(EventState::Parked), ..EventFilter::default() }).await.unwrap();
        let event = event[0].public_id();
        assert!(why.contains(&format!("then `usher events retry {event}`")), "{why}");
        let proposed = [format!("usher run undo run_{run} --reason TEXT"), format!("usher events retry {event}")];
        assert_eq!(dispatched[0].proposes, proposed);
        assert_eq!(app.book(run).await.run.inputs["last_day"], "2027-01-29", "the run is as it was");
        let held = app.state(run, "delete@mailhost").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::Hr(_), .. }), "{held:?}");
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.step.as_deref() == Some("delete@mailhost") && entry.actor == "hr"));
        assert_eq!(parked(app).await.len(), 1);
        // HR finds that the old day was right after all: everything goes on as planned.
        app.import(&leaves_on("2027-01-29")).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "blocked");
        assert_eq!(parked(app).await, [], "what HR has overtaken waits for nobody");
        done_by_people(app, run).await;
        app.walk_to(zurich("2027-07-28T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
    };

    what_is_proposed_for_a_day_that_has_passed_ends_in_a_departure_on_the_new_day, async |app: &App| {
        let run = until_the_checklist(app).await;
        app.import(&leaves_on("2027-12-31")).await;
        let parked = app.store.events(&EventFilter { state: Some(EventState::Parked), ..EventFilter::default() }).await.unwrap();
        app.engine.undo(run, "she stays until the end of the year", "os:nils", false).await.unwrap();
        app.drain().await;
        app.store.retry_event(parked[0].id, "os:nils").await.unwrap();
        let dispatched = usher::intake::events::dispatch(&app.engine).await.unwrap();
        let again = usher::run::book::parse_public_id(&dispatched[0].runs[0]).unwrap();
        assert_ne!(again, run);
        assert_eq!(app.book(again).await.run.inputs["last_day"], "2027-12-31");
        assert_eq!(app.store.event(parked[0].id).await.unwrap().state, EventState::Started);
    };

    a_leave_that_hr_moves_takes_its_end_along, async |app: &App| {
        app.staffed().await;
        let file = |from: &str, until: &str| format!(
            "employee_number,given_name,family_name,leave_from,leave_until\n1006,Zoë,Lindqvist,{from},{until}\n"
        );
        app.import(&file("2027-03-01", "2027-09-01")).await;
        let run = app.run_of("temporary-leave", "1006").await;
        app.import(&file("2027-04-01", "2027-10-01")).await;
        assert_eq!(app.run_of("temporary-leave", "1006").await, run);
        app.walk_to(zurich("2027-03-31T23:59")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        app.walk_to(zurich("2027-04-01T00:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        // Away already, she stays away longer: the first day is what it was, the return moves.
        app.import(&file("2027-04-01", "2027-11-01")).await;
        app.walk_to(zurich("2027-11-01T05:59")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        app.walk_to(zurich("2027-11-01T06:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        assert_eq!(app.store.verify(run).await.unwrap().problem, None);
    };

    a_first_day_that_moves_is_followed, async |app: &App| {
        app.staffed().await;
        let welcome = "workflow: welcome\nfor: person\non: { event: joined }\n\
            inputs: { first_day: { type: date, from: event.effective, required: true } }\n\
            steps:\n  - { id: greet, action: task, at: first_day 08:00, with: { title: Say hello } }\n";
        let engine = app.restarted(app.systems(), &[("welcome.yaml", welcome)]).await;
        let file = |day: &str| format!("employee_number,given_name,family_name,start_date\n2001,Noor,Haddad,{day}\n");
        app.told(&file("2027-03-01")).await;
        usher::intake::events::dispatch(&engine).await.unwrap();
        let run = app.run_of("welcome", "2001").await;
        app.told(&file("2027-04-01")).await;
        usher::intake::events::dispatch(&engine).await.unwrap();
        let book = app.book(run).await;
        assert_eq!(book.run.inputs["first_day"], "2027-04-01");
        assert_eq!(app.store.next_due().await.unwrap().min(book.steps[0].state.due()), app.store.next_due().await.unwrap());
        assert_eq!(book.steps[0].state.due(), Some(zurich("2027-04-01T08:00")));
        engine.store().close().await;
    };
}
