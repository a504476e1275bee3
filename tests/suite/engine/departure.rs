//! Ada Keller leaves on 29 January 2027, and everything happens on its day.

use std::collections::BTreeSet;

use usher::run::{AccountStatus, Evidence, EvidenceKind, HoldReason, RunState, StepState};
use usher::store::StoreError;

use crate::harness::{App, at, zurich};

/// Ada's accounts on the systems that usher reaches.
pub const ADA: [(&str, &str); 4] =
    [("directory", "u-0005"), ("mailhost", "m-0005"), ("files", "f-0005"), ("groupware", "g-0005")];

/// The things only a person can do in a departure up to its deletion.
pub async fn done_by_people(app: &App, run: i64) {
    app.engine.task_done(run, "checklist", &BTreeSet::new(), None, "os:soren").await.expect("ticks everything");
    app.walk_to(zurich("2027-07-14T09:00")).await;
    app.engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.expect("approves");
}

/// Ada's departure up to the moment when its checklist is asked for.
pub async fn until_the_checklist(app: &App) -> i64 {
    app.staffed().await;
    let run = app.run_of("departure", "1005").await;
    app.walk_to(zurich("2027-01-29T18:00")).await;
    app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.expect("badge collected");
    app.walk_to(zurich("2027-06-28T09:00")).await;
    run
}

both! {
    ada_leaves_from_hrs_file_to_the_purge, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;

        // The evening of the last day: every way in is closed, mail goes on and is answered.
        app.walk_to(zurich("2027-01-29T17:59")).await;
        assert_eq!(app.account("directory", "u-0005").unwrap().status, AccountStatus::Enabled);
        app.walk_to(zurich("2027-01-29T18:00")).await;
        for (system, id) in ADA {
            let account = app.account(system, id).unwrap();
            assert_eq!(account.status, AccountStatus::Disabled, "{system}");
            let ways_in = [&account.sessions, &account.app_passwords, &account.tokens, &account.groups];
            assert!(ways_in.into_iter().all(BTreeSet::is_empty), "{system}: {ways_in:?}");
        }
        let mailbox = app.account("mailhost", "m-0005").unwrap().mailbox.unwrap();
        let answer = mailbox.auto_reply.expect("answers");
        assert_eq!(answer.subject, "Ada Keller has left");
        assert_eq!(answer.contact.as_deref(), Some("soren.ostergaard@alpine-instruments.example"));
        assert!(mailbox.rules.is_empty(), "her forward to a private address is gone");
        assert_eq!(app.state(run, "disable@badges").await.as_str(), "awaiting_person");
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();

        // Two months later the answer ends by itself; a week after the last day her manager had her files.
        app.walk_to(zurich("2027-03-30T09:00")).await;
        assert!(app.account("mailhost", "m-0005").unwrap().mailbox.unwrap().auto_reply.is_none());
        let soren = app.account("files", "f-0004").unwrap().files.unwrap();
        assert_eq!(soren.received["f-0005"].count, 3606);

        // A checklist, point by point.
        app.walk_to(zurich("2027-06-28T09:00")).await;
        let ticked = |points: &[usize]| points.iter().copied().collect::<BTreeSet<_>>();
        app.engine.task_done(run, "checklist", &ticked(&[1, 3]), None, "os:soren").await.unwrap();
        assert_eq!(app.state(run, "checklist").await.as_str(), "awaiting_person");
        app.engine.task_done(run, "checklist", &ticked(&[5]), None, "os:soren").await.expect_err("there are four points");
        app.engine.task_done(run, "checklist", &ticked(&[2, 4]), Some("all seen"), "os:soren").await.unwrap();
        assert_eq!(app.state(run, "checklist").await.as_str(), "done");

        // The approval asks for her name, exactly.
        app.walk_to(zurich("2027-07-14T09:00")).await;
        let wrong = app.engine.approve(run, "approve-deletion", "Ada Kelly", "os:helene").await.unwrap_err();
        assert!(matches!(&wrong, StoreError::Refused(why) if why.contains("does not match")), "{wrong}");
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "awaiting_approval");
        app.engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.unwrap();

        // Deleted into grace, then purged, each at its time.
        app.walk_to(zurich("2027-07-28T08:59")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        app.walk_to(zurich("2027-07-28T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
        app.walk_to(zurich("2027-08-27T08:59")).await;
        assert!(app.account("mailhost", "m-0005").is_some());
        assert_eq!(app.run_state(run).await, RunState::Open);
        app.walk_to(zurich("2027-08-27T09:00")).await;
        for (system, id) in ADA {
            assert!(app.account(system, id).is_none(), "{system} still has {id}");
        }

        // It is over, every step says how it is known, nothing happened twice.
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
        for step in app.book(run).await.steps {
            match &step.state {
                StepState::Done { evidence: Evidence { kind, detail }, .. } => {
                    let by_person = matches!(step.name.as_str(), "checklist" | "approve-deletion")
                        || step.label() == "disable@badges";
                    assert_eq!(*kind == EvidenceKind::Person, by_person, "{}: {detail}", step.label());
                    assert_eq!(*kind == EvidenceKind::Acknowledged, step.name == "rotate-password", "{}", step.label());
                    assert!(!detail.is_empty(), "{}", step.label());
                }
                StepState::Skipped { .. } => {}
                other => panic!("{} is {}", step.label(), other.as_str()),
            }
        }
        app.no_effect_twice(&[]);
        assert_eq!(app.store.accounts(Some("mailhost"), None, Some("m-0005")).await.unwrap()[0].status, AccountStatus::Purged);
    };

    francois_left_before_anybody_told_us, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1013").await;
        // The way in is closed at once.
        app.drain().await;
        let francois = app.store.person("1013").await.unwrap().unwrap();
        for account in app.store.accounts(None, Some(francois.id), None).await.unwrap() {
            let reached = account.system != "badges";
            assert_eq!(account.status == AccountStatus::Disabled, reached, "{}", account.system);
        }
        // What destroys waits: a week at least, and his own dates.
        let plan = app.book(run).await;
        let delete = plan.steps.iter().find(|step| step.name == "delete").unwrap();
        assert!(delete.at.as_ref().unwrap().at >= zurich("2027-07-14T09:00"));
        assert_eq!(app.run_state(run).await, RunState::Open);
    };

    marcus_goes_at_six_in_new_york, async |app: &App| {
        app.staffed().await;
        let marcus = app.store.person("1011").await.unwrap().unwrap();
        let account = async || {
            let accounts = app.store.accounts(Some("mailhost"), Some(marcus.id), None).await.unwrap();
            app.account("mailhost", &accounts[0].external_id).unwrap().status
        };
        app.walk_to(zurich("2027-02-26T18:00")).await;
        assert_eq!(account().await, AccountStatus::Enabled, "six in Zurich is noon in New York");
        app.walk_to(at("2027-02-26T17:59:59[America/New_York]")).await;
        assert_eq!(account().await, AccountStatus::Enabled);
        app.walk_to(at("2027-02-26T18:00[America/New_York]")).await;
        assert_eq!(account().await, AccountStatus::Disabled);
    };

    a_badge_is_a_task_for_a_person_and_never_a_silent_success, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-02-10T09:00")).await;
        let StepState::AwaitingPerson { instruction } = app.state(run, "disable@badges").await else { panic!("a task") };
        assert!(instruction.contains("Collect the badge"), "{instruction}");
        let asked = app.store.waiting(50).await.unwrap();
        assert!(asked.iter().any(|task| task.step == "disable@badges" && task.what == instruction), "{asked:#?}");
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), Some("in the safe"), "os:reception").await.unwrap();
        let StepState::Done { evidence, .. } = app.state(run, "disable@badges").await else { panic!("done") };
        assert_eq!(evidence.kind, EvidenceKind::Person);
        assert!(evidence.detail.contains("os:reception") && evidence.detail.contains("in the safe"), "{evidence:?}");
    };

    an_approval_that_lapsed_is_asked_for_again, async |app: &App| {
        let run = until_the_checklist(app).await;
        // A freeze keeps the deletion waiting until the approval has lapsed.
        let freeze = usher::run::guard::Freeze { system: None, workflow: None, all: false, reason: "audit".into() };
        app.store.freeze(&freeze, "os:helene").await.unwrap();
        done_by_people(app, run).await;
        app.walk_to(zurich("2027-08-20T09:00")).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "held");
        app.store.unfreeze(None, None, "os:helene").await.unwrap();
        app.drain().await;
        for (system, _) in ADA {
            let held = app.state(run, &format!("delete@{system}")).await;
            assert!(matches!(&held, StepState::Held { reason: HoldReason::Approval(_), .. }), "{held:?}");
        }
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact.to_string().contains("approve-deletion lapsed on 2027-08-13")));
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "awaiting_approval");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);

        app.engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.unwrap();
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
        app.walk_to(zurich("2027-10-01T09:00")).await;
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
    };

    an_approval_that_was_given_for_another_plan_does_not_count, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        // Somebody changes what the approval gates behind usher's back.
        let moved = "UPDATE steps SET at_instant = at_instant - 1 WHERE name = 'delete' AND system = 'files' AND run_id = ";
        assert_eq!(app.sql(&format!("{moved}{run}")).await.unwrap(), 1);
        app.walk_to(zurich("2027-07-28T09:00")).await;
        for step in ["delete@mailhost", "delete@files"] {
            let held = app.state(run, step).await;
            assert!(matches!(&held, StepState::Held { reason: HoldReason::Approval(_), .. }), "{step}: {held:?}");
        }
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "awaiting_approval");
        assert!(ADA.into_iter().all(|(system, id)| app.account(system, id).unwrap().status == AccountStatus::Disabled));
        // The journal does not tell of it: the record shows that somebody was at the table.
        let problems = app.problems().await;
        assert!(problems.len() == 1 && problems[0].contains("the time of delete@files"), "{problems:?}");
        let back = moved.replace("- 1", "+ 1");
        assert_eq!(app.sql(&format!("{back}{run}")).await.unwrap(), 1);
    };

    a_denied_approval_deletes_nothing_and_waits_for_somebody_to_decide, async |app: &App| {
        let run = until_the_checklist(app).await;
        app.engine.task_done(run, "checklist", &BTreeSet::new(), None, "os:soren").await.unwrap();
        app.walk_to(zurich("2027-07-14T09:00")).await;
        app.engine.deny(run, "approve-deletion", "a lawsuit", "os:helene").await.unwrap();
        app.walk_to(zurich("2027-12-01T09:00")).await;
        assert!(ADA.into_iter().all(|(system, id)| app.account(system, id).unwrap().status == AccountStatus::Disabled));
        assert_eq!(app.run_state(run).await, RunState::NeedsAttention);
    };

    a_departure_that_is_taken_back_before_the_deletion_stops_it, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        app.told("employee_number,given_name,family_name,last_day,status\n1005,Ada,Keller,,active\n").await;
        app.walk_to(zurich("2027-07-28T09:00")).await;
        let held = app.state(run, "delete@mailhost").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::Hr(_), .. }), "{held:?}");
        assert_eq!(app.run_state(run).await, RunState::Paused);
        // Even somebody who lets it go on deletes nothing: HR's word counts at the claim.
        app.engine.resume(run, "a mistake", "os:nils").await.unwrap();
        app.engine.retry(run, "delete@mailhost", "a mistake", "os:nils").await.unwrap();
        app.drain().await;
        let held = app.state(run, "delete@mailhost").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::PersonNotDeparted(_), .. }), "{held:?}");
        assert_eq!(app.run_state(run).await, RunState::NeedsAttention);
    };

    a_departure_that_is_taken_back_during_the_grace_period_holds_the_purge, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        app.walk_to(zurich("2027-08-20T09:00")).await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Deleted);
        app.told("employee_number,given_name,family_name,last_day,status\n1005,Ada,Keller,,active\n").await;
        app.walk_to(zurich("2027-09-20T09:00")).await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Deleted, "it can still be restored");
        let held = app.state(run, "delete.purge@files").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::Hr(_), .. }), "{held:?}");
    };
}
