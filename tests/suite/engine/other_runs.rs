//! Blocks, leaves and restores, alone and beside a departure.

use std::collections::BTreeSet;

use usher::engine::trigger::TriggerError;
use usher::run::{AccountStatus, HoldReason, RunState, StepState};
use usher::store::StoreError;

use crate::harness::{App, at_start, zurich};

both! {
    a_block_goes_through_beside_a_departure_and_the_departure_goes_on, async |app: &App| {
        app.staffed().await;
        let departure = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-01-25T10:00")).await;
        let block = app.start("emergency-block", "1005", &[("reason", "laptop stolen")]).await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        assert!(app.account("mailhost", "m-0005").unwrap().sessions.is_empty());
        app.engine.task_done(block, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.drain().await;
        assert_eq!(app.run_state(block).await, RunState::Completed, "{:#?}", app.store.waiting(50).await);

        app.walk_to(zurich("2027-01-29T18:00")).await;
        assert_eq!(app.state(departure, "disable@mailhost").await.as_str(), "done");
        assert_eq!(app.run_state(departure).await, RunState::Open);
    };

    an_unblock_is_held_while_a_departure_needs_the_account_closed, async |app: &App| {
        app.staffed().await;
        let departure = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-02-01T10:00")).await;
        let unblock = app.start("unblock", "1005", &[]).await;
        app.drain().await;
        let held = app.state(unblock, "enable@mailhost").await;
        let StepState::Held { reason: HoldReason::CutNeeded(why), .. } = &held else { panic!("{held:?}") };
        assert!(why.contains(&format!("run_{departure}")), "{why}");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);

        // The departure is called off: now it may.
        app.engine.cancel(departure, "she stays", "os:nils").await.unwrap();
        app.engine.retry(unblock, "enable@mailhost", "departure called off", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Enabled);
    };

    an_unblock_before_the_last_day_opens_again, async |app: &App| {
        app.staffed().await;
        app.start("emergency-block", "1005", &[]).await;
        app.drain().await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Disabled);
        let block = app.run_of("emergency-block", "1005").await;
        app.engine.task_done(block, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        let unblock = app.start("unblock", "1005", &[]).await;
        app.drain().await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Enabled, "{:#?}", app.states(unblock).await);
    };

    a_leave_with_dates_in_the_file_closes_and_opens_by_itself, async |app: &App| {
        app.sync().await;
        let dispatched = app.import(
            "employee_number;name;email;leave from;return date;leave reason\n\
             1006;Zoë Lindqvist;zoe.lindqvist@alpine-instruments.example;2027-02-01;2027-03-01;parental\n",
        ).await;
        assert_eq!(dispatched[0].parked, None);
        let run = app.run_of("temporary-leave", "1006").await;
        assert_eq!(app.book(run).await.run.inputs["return_day"], "2027-03-01");
        app.walk_to(zurich("2027-02-02T00:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        app.walk_to(zurich("2027-03-01T12:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
    };

    a_leave_closes_and_the_return_opens, async |app: &App| {
        app.staffed().await;
        let leave = [("first_day", "2027-03-01"), ("return_day", "2027-09-01")];
        let run = app.start("temporary-leave", "1006", &leave).await;
        app.walk_to(zurich("2027-02-28T23:59")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        app.walk_to(zurich("2027-03-01T00:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        assert!(app.account("mailhost", "m-0006").unwrap().mailbox.unwrap().auto_reply.is_some());
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.walk_to(zurich("2027-09-01T05:59")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        app.walk_to(zurich("2027-09-01T06:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        assert!(app.account("mailhost", "m-0006").unwrap().mailbox.unwrap().auto_reply.is_none());
        app.engine.task_done(run, "disable.end@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
    };

    a_return_opens_nothing_that_a_block_has_closed, async |app: &App| {
        app.staffed().await;
        let leave = app.start("temporary-leave", "1006", &[("first_day", "2027-02-01"), ("return_day", "2027-03-01")]).await;
        app.walk_to(zurich("2027-02-02T09:00")).await;
        let block = app.start("emergency-block", "1006", &[]).await;
        app.drain().await;
        app.engine.task_done(block, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(block).await, RunState::Completed);
        app.walk_to(zurich("2027-03-01T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled, "the block is not lifted");
        let StepState::Held { reason, .. } = app.state(leave, "disable.end@mailhost").await else { panic!("it is held") };
        assert!(format!("{reason:?}").contains("usher unblock"), "{reason:?}");
        // Once it is lifted, the return goes on.
        app.start("unblock", "1006", &[]).await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled, "the leave is over");
        app.engine.retry(leave, "disable.end@mailhost", "lifted", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(leave, "disable.end@mailhost").await.as_str(), "done");
    };

    cancelling_a_leave_names_what_stays_and_ends_nothing_later, async |app: &App| {
        app.staffed().await;
        let leave = [("first_day", "2027-03-01"), ("return_day", "2027-09-01")];
        let run = app.start("temporary-leave", "1006", &leave).await;
        app.walk_to(zurich("2027-03-02T09:00")).await;
        let left = app.engine.cancel(run, "a mistake", "os:nils").await.unwrap();
        assert!(left.in_flight.is_empty());
        for stays in ["disable@mailhost", "disable@files", "auto-reply@mailhost"] {
            assert!(left.stays.iter().any(|label| label == stays), "{stays} in {:?}", left.stays);
        }
        assert_eq!(app.run_state(run).await, RunState::Cancelled);
        assert_eq!(app.state(run, "disable.end@mailhost").await.as_str(), "cancelled");
        app.walk_to(zurich("2027-12-01T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled, "nothing opens it by itself");
    };

    a_restore_brings_a_deleted_account_back_out_of_its_grace, async |app: &App| {
        app.staffed().await;
        let run = crate::engine::schedules::deleted_into_grace(app).await;
        app.engine.cancel(run, "she comes back", "os:nils").await.unwrap();
        let restore = app.start("restore-account", "1005", &[("system", "mailhost")]).await;
        app.drain().await;
        let account = app.account("mailhost", "m-0005").unwrap();
        assert_eq!((account.status, account.hidden), (AccountStatus::Enabled, false), "{:#?}", app.states(restore).await);
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Deleted, "only the one asked for");
        let known = app.store.accounts(Some("mailhost"), None, Some("m-0005")).await.unwrap();
        assert_eq!((known[0].status, known[0].purge_due), (AccountStatus::Enabled, None));
    };

    a_redirect_is_made_where_it_is_asked_for_and_left_out_elsewhere, async |app: &App| {
        app.staffed().await;
        let leaves = app.start("departure", "1007", &[
            ("last_day", "2027-02-05"), ("redirect", "sales@alpine-instruments.example"), ("redirect_reason", "orders"),
        ]).await;
        let plain = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-02-05T18:00")).await;
        let mailbox = app.account("mailhost", "m-0007").unwrap().mailbox.unwrap();
        let redirect = mailbox.redirect.expect("redirects");
        assert_eq!((redirect.to.as_str(), redirect.keep_copy), ("sales@alpine-instruments.example", true));
        assert!(mailbox.auto_reply.is_some());
        let skipped = app.state(plain, "redirect@mailhost").await;
        assert_eq!(skipped.as_str(), "skipped");
        app.walk_to(zurich("2027-05-06T09:00")).await;
        assert!(app.account("mailhost", "m-0007").unwrap().mailbox.unwrap().redirect.is_none(), "it ends by itself");
        assert_eq!(app.state(leaves, "redirect.end@mailhost").await.as_str(), "done");
        assert_eq!(app.state(plain, "redirect.end@mailhost").await.as_str(), "skipped");
    };

    a_run_can_be_started_once_and_only_for_somebody_who_is_there, async |app: &App| {
        app.staffed().await;
        let second = app.try_start("departure", "1005", &[("last_day", "2027-02-05")]).await.unwrap_err();
        assert!(second.to_string().contains("is an open run of departure"), "{second}");
        let nobody = app.try_start("departure", "4711", &[("last_day", "2027-02-05")]).await.unwrap_err();
        assert!(matches!(nobody, TriggerError::NoSubject { .. }), "{nobody}");
        let unknown = app.try_start("departures", "1006", &[]).await.unwrap_err();
        assert!(matches!(unknown, TriggerError::NoWorkflow { .. }), "{unknown}");
        assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 3);
        app.told("employee_number,given_name,family_name,status\n1022,Anaïs,Perrin,left\n").await;
        let gone = app.try_start("departure", "1022", &[("last_day", "2027-02-05")]).await.unwrap_err();
        assert!(matches!(gone, TriggerError::HasLeft(_)), "{gone}");
    };

    pause_stops_at_once_and_resume_goes_on, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.clock.set(zurich("2027-01-29T18:00"));
        let claims = app.claim(2).await;
        let in_flight = app.engine.pause(run, "wait", "os:nils").await.unwrap();
        assert_eq!(in_flight.len(), claims.iter().filter(|claim| claim.run == run).count());
        assert!(app.claim(50).await.iter().all(|claim| claim.run != run), "nothing of a paused run starts");
        for claim in &claims {
            app.complete(claim, crate::harness::done()).await;
        }
        app.drain().await;
        assert_eq!(app.run_state(run).await, RunState::Paused);
        app.store.recover(true).await.unwrap();
        app.engine.resume(run, "go on", "os:nils").await.unwrap();
        let twice = app.engine.resume(run, "go on", "os:nils").await.unwrap_err();
        assert!(matches!(twice, StoreError::Refused(_)), "{twice}");
        app.drain().await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Disabled);
        assert!(at_start() < app.now());
    };
}
