//! A run keeps its version, and what a configuration lacks stops only what needs it (guarantee 12).

use std::collections::BTreeMap;

use usher::run::{AccountStatus, HoldReason, StepState};

use crate::harness::{App, zurich};

const TWO_STEPS: &str = "
workflow: goodbye
title: Goodbye
for: person
on: { manual: true }
inputs:
  last_day: { type: date, required: true }
steps:
  - { id: disable, action: account.disable, systems: mail, at: last_day 18:00 }
  - { id: answer, action: mail.auto_reply, systems: mail, at: last_day + 1 day, until: last_day + 30 days, with: { subject: Gone, message: Gone } }
";

const ONE_STEP: &str = "
workflow: goodbye
title: Goodbye, shorter
for: person
on: { manual: true }
inputs:
  last_day: { type: date, required: true }
steps:
  - { id: disable, action: account.disable, systems: mail, at: last_day 18:00 }
";

both! {
    a_file_edited_under_way_changes_only_runs_that_start_afterwards, async |app: &App| {
        app.staffed().await;
        let before = app.restarted(app.systems(), &[("goodbye", TWO_STEPS)]).await;
        let goodbye = |person| crate::harness::request("goodbye", person, &[("last_day", "2027-02-05")]);
        let old = before.start(goodbye("1006")).await.unwrap().id();
        before.store().close().await;

        let after = app.restarted(app.systems(), &[("goodbye", ONE_STEP)]).await;
        let new = after.start(goodbye("1007")).await.unwrap().id();
        app.clock.set(zurich("2027-02-06T09:00"));
        after.work_off(8).await.unwrap();
        assert_eq!(app.state(old, "answer@mailhost").await.as_str(), "done", "the run keeps its version");
        assert!(app.account("mailhost", "m-0006").unwrap().mailbox.unwrap().auto_reply.is_some());
        assert_eq!(app.states(new).await.len(), 1);
        app.clock.set(zurich("2027-03-08T09:00"));
        after.work_off(8).await.unwrap();
        assert_eq!(app.state(old, "answer.end@mailhost").await.as_str(), "done");
        after.store().close().await;
    };

    a_system_that_left_the_configuration_stops_only_its_own_steps, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        let without_files: BTreeMap<_, _> = app.systems().into_iter().filter(|(name, _)| name != "files").collect();
        let daemon = app.restarted(without_files, &[]).await;
        app.clock.set(zurich("2027-01-29T18:00"));
        daemon.work_off(8).await.unwrap();
        let held = app.state(run, "disable@files").await;
        let StepState::Held { reason: HoldReason::Missing(what), .. } = &held else { panic!("{held:?}") };
        assert!(what.contains("files"), "{what}");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Enabled);

        // It is back: the step is tried again, and the others of that system follow.
        app.engine.retry(run, "disable@files", "configured again", "os:nils").await.unwrap();
        app.jump_to(zurich("2027-01-29T19:00")).await;
        assert_eq!(app.account("files", "f-0005").unwrap().status, AccountStatus::Disabled);
        daemon.store().close().await;
    };

    a_run_that_this_binary_cannot_read_stops_nobody_else, async |app: &App| {
        app.staffed().await;
        let broken = app.run_of("departure", "1013").await;
        let fine = app.run_of("departure", "1005").await;
        app.sql(&format!("UPDATE steps SET action = 'account.teleport' WHERE run_id = {broken} AND name = 'hide'")).await.unwrap();
        app.jump_to(zurich("2027-01-29T18:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        assert_eq!(app.state(fine, "disable@files").await.as_str(), "done");
        assert!(app.store.book(broken).await.unwrap_err().to_string().contains("account.teleport"));
        app.sql(&format!("UPDATE steps SET action = 'directory.hide' WHERE run_id = {broken} AND name = 'hide'")).await.unwrap();
    };
}
