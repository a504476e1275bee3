//! Runs that are taken back: what opens again, what is left alone, what stays and is said.

use std::collections::BTreeSet;

use usher::run::{AccountStatus, RunState, StepState};
use usher::store::{Completion, StoreError};

use crate::engine::departure::{ADA, done_by_people, until_the_checklist};
use crate::harness::{App, completion, zurich};

/// Ada's departure on the evening of her last day, badge collected.
async fn closed(app: &App) -> i64 {
    app.staffed().await;
    let run = app.run_of("departure", "1005").await;
    app.walk_to(zurich("2027-01-29T18:00")).await;
    app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
    app.drain().await;
    run
}

async fn undo(app: &App, run: i64) -> i64 {
    let undone = app.engine.undo(run, "she stays", "os:nils", false).await.unwrap();
    usher::run::book::parse_public_id(&undone.run.expect("a run")).expect("an id")
}

both! {
    a_departure_is_taken_back_and_ada_works_on, async |app: &App| {
        let run = closed(app).await;
        app.walk_to(zurich("2027-02-06T09:00")).await;
        let before = app.book(run).await;
        let looked = app.engine.undo(run, "she stays", "os:nils", true).await.unwrap();
        assert_eq!((looked.run, app.run_state(run).await), (None, RunState::Open));

        let told = app.engine.undo(run, "she stays", "os:nils", false).await.unwrap();
        assert_eq!(looked.steps, told.steps);
        // It is cancelled in the same moment, with everything that was still to come.
        assert_eq!(app.run_state(run).await, RunState::Cancelled);
        assert_eq!(app.state(run, "auto-reply.end@mailhost").await.as_str(), "cancelled");
        // What nothing takes back is named, with what to do.
        for (step, words) in [("rotate-password@mailhost", "new one"), ("transfer-files@files", "hands the files back"),
            ("remove-access@directory", "groups")] {
            let stays = told.stays.iter().find(|stays| stays.step == step);
            assert!(stays.unwrap_or_else(|| panic!("{step} in {:?}", told.stays)).instead.contains(words));
        }
        let id = usher::run::book::parse_public_id(told.run.as_deref().unwrap()).unwrap();
        let book = app.book(id).await;
        assert_eq!((book.run.name.as_str(), book.run.undoes), ("undo-departure", Some(run)));
        assert_eq!(book.run.workflow.version, before.run.workflow.version);
        app.drain().await;
        for (system, who) in ADA {
            let account = app.account(system, who).unwrap();
            assert_eq!((account.status, account.hidden), (AccountStatus::Enabled, false), "{system}");
        }
        assert!(app.account("mailhost", "m-0005").unwrap().mailbox.unwrap().auto_reply.is_none());
        // The badge is handed back by a person.
        let StepState::AwaitingPerson { .. } = app.state(id, "disable.undo@badges").await else { panic!("a task") };
        app.engine.task_done(id, "disable.undo@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(id).await, RunState::Completed, "{:#?}", app.states(id).await);
        app.no_effect_twice(&[]);
        // And nothing closes it again.
        app.walk_to(zurich("2028-03-01T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);
        let known = app.store.accounts(Some("mailhost"), None, Some("m-0005")).await.unwrap();
        assert_eq!(known[0].status, AccountStatus::Enabled, "the inventory knows it too");
    };

    what_somebody_has_changed_since_is_left_alone, async |app: &App| {
        let run = closed(app).await;
        // Her manager opens the files by hand and writes another auto-reply.
        let by_hand = |system: &str, id: &str, action, with: serde_json::Value| {
            let call = usher::connectors::Call {
                action, with: with.as_object().unwrap().clone(), account: Some(id.into()),
                idempotency_key: "by hand".into(), fence: 1, now: app.now(),
            };
            app.company.system(system).unwrap().by_hand(&call).unwrap();
        };
        use usher::workflow::ActionKind as A;
        by_hand("files", "f-0005", A::AccountEnable, serde_json::json!({}));
        by_hand("mailhost", "m-0005", A::MailAutoReply, serde_json::json!({ "subject": "Back soon", "message": "Ada" }));
        let id = undo(app, run).await;
        app.drain().await;
        for (step, words) in [("disable.undo@files", "enabled"), ("auto-reply.undo@mailhost", "another auto-reply is on")] {
            let state = app.state(id, step).await;
            let StepState::Skipped { reason, .. } = &state else { panic!("{step} is {state:?}") };
            assert!(format!("{reason:?}").contains(words), "{reason:?}");
        }
        let reply = app.account("mailhost", "m-0005").unwrap().mailbox.unwrap().auto_reply.expect("hers");
        assert_eq!(reply.subject, "Back soon");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled, "the next step goes on");
        app.engine.task_done(id, "disable.undo@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(id).await, RunState::Completed, "{:#?}", app.states(id).await);
    };

    a_run_is_taken_back_once, async |app: &App| {
        let run = closed(app).await;
        let first = undo(app, run).await;
        let twice = app.engine.undo(run, "again", "os:nils", false).await.unwrap_err();
        assert!(twice.to_string().contains(&format!("run_{first} takes run_{run} back already")), "{twice}");
        let looked = app.engine.undo(run, "again", "os:nils", true).await.unwrap_err();
        assert_eq!(looked.to_string(), twice.to_string());
        let itself = app.engine.undo(first, "again", "os:nils", false).await.unwrap_err();
        assert!(matches!(&itself, StoreError::Refused(why) if why.contains("start departure again")), "{itself}");
        // An undoing that was cancelled does not stand in the way of another one.
        app.engine.cancel(first, "wait", "os:nils").await.unwrap();
        let second = undo(app, run).await;
        app.drain().await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Enabled);
        assert_ne!(first, second);
    };

    what_was_in_flight_is_recorded_and_taken_back_too, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.clock.set(zurich("2027-01-29T18:00"));
        let mut claims = app.claim(50).await;
        assert!(claims.iter().any(|claim| claim.run == run && claim.label == "disable@mailhost"));
        let told = app.engine.undo(run, "she stays", "os:nils", false).await.unwrap();
        assert!(told.in_flight.contains(&"disable@mailhost".to_owned()), "{told:?}");
        let id = usher::run::book::parse_public_id(told.run.as_deref().unwrap()).unwrap();
        // While it is under way nothing else is done to the account.
        let more = app.claim(50).await;
        assert!(more.iter().all(|claim| claim.run != id));
        assert_eq!(app.state(id, "disable.undo@mailhost").await.as_str(), "waiting");
        claims.extend(more);
        for claim in &claims {
            let (outcome, seen) = app.engine.execute(claim, || true).await;
            app.turn(vec![Completion { seen, ..completion(claim, outcome) }], 0).await.unwrap();
        }
        assert_eq!(app.state(run, "disable@mailhost").await.as_str(), "done");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);
        assert_eq!(app.run_state(run).await, RunState::Cancelled);
    };

    a_deletion_in_its_grace_period_is_taken_back, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        app.walk_to(zurich("2027-08-20T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
        let id = undo(app, run).await;
        app.drain().await;
        for (system, who) in ADA {
            let account = app.account(system, who).unwrap();
            assert_eq!((account.status, account.hidden), (AccountStatus::Enabled, false), "{system}: {:#?}", app.states(id).await);
        }
        app.walk_to(zurich("2028-01-01T09:00")).await;
        assert!(ADA.into_iter().all(|(system, id)| app.account(system, id).is_some()), "nothing is purged");
    };

    what_a_block_has_closed_stays_closed_when_a_departure_is_taken_back, async |app: &App| {
        let run = closed(app).await;
        let block = app.start("emergency-block", "1005", &[]).await;
        app.drain().await;
        app.engine.task_done(block, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(block).await, RunState::Completed);
        let id = undo(app, run).await;
        app.drain().await;
        assert_eq!(app.state(id, "disable.undo@files").await.as_str(), "held", "nobody has lifted the block");
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Disabled);
        undo(app, block).await;
        app.drain().await;
        app.engine.retry(id, "disable.undo@files", "the block is lifted", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Enabled);
    };

    a_finished_block_is_taken_back_and_one_that_a_departure_needs_is_held, async |app: &App| {
        app.staffed().await;
        let block = app.start("emergency-block", "1006", &[]).await;
        app.drain().await;
        app.engine.task_done(block, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(block).await, RunState::Completed);
        let leave = app.start("temporary-leave", "1006", &[("first_day", "2027-01-20"), ("return_day", "2027-09-01")]).await;
        app.drain().await;
        let id = undo(app, block).await;
        app.drain().await;
        assert_eq!(app.run_state(block).await, RunState::Completed, "what is over stays over");
        assert_eq!(app.state(id, "disable.undo@files").await.as_str(), "held", "the leave keeps it closed");
        undo(app, leave).await;
        app.drain().await;
        assert_eq!(app.account("files", "f-0006").unwrap().status, AccountStatus::Enabled);
    };
}
