//! What guards and orders need of a run that is over is found in the archive too.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use usher::engine::Engine;
use usher::engine::trigger::Request;
use usher::run::book::parse_public_id;
use usher::run::{AccountStatus, RunState, StepState};
use usher::secret::Secret;
use usher::store::{Started, StoreError};

use super::{archive, over, rows_of};
use crate::engine::departure::{done_by_people, until_the_checklist};
use crate::harness::{App, request, zurich};
use crate::vault::canaries::record;

/// A run with a task for the reception on it, done to its end.
async fn to_its_end(app: &App, workflow: &str, task: &str) -> i64 {
    let run = app.start(workflow, "1006", &[]).await;
    app.drain().await;
    app.engine.task_done(run, task, &BTreeSet::new(), None, "os:reception").await.unwrap();
    app.drain().await;
    assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
    run
}

async fn leave(app: &App, first_day: &str, return_day: &str) -> i64 {
    app.start("temporary-leave", "1006", &[("first_day", first_day), ("return_day", return_day)]).await
}

async fn is_archived(app: &App, run: i64) -> bool {
    let [steps, entries, old_steps, old_entries] = rows_of(app, run).await;
    assert!((steps == 0) == (old_steps > 0) && (entries == 0) == (old_entries > 0), "all of it is in one place");
    steps == 0
}

fn mail(app: &App) -> AccountStatus {
    app.account("mailhost", "m-0006").unwrap().status
}

both! {
    a_block_in_the_archive_still_keeps_the_account_closed, async |app: &App| {
        app.staffed().await;
        let leave = leave(app, "2027-02-01", "2027-05-01").await;
        app.walk_to(zurich("2027-02-02T09:00")).await;
        let block = to_its_end(app, "emergency-block", "disable@badges").await;
        app.walk_to(zurich("2027-04-01T09:00")).await;
        archive(app).await;
        assert!(is_archived(app, block).await);

        app.walk_to(zurich("2027-05-01T09:00")).await;
        assert_eq!(mail(app), AccountStatus::Disabled, "nobody has lifted the block");
        let StepState::Held { reason, .. } = app.state(leave, "disable.end@mailhost").await else { panic!("it is held") };
        assert!(format!("{reason:?}").contains(&format!("run_{block} has closed this account too")), "{reason:?}");
        // Lifted among the live ones, while the block is in the archive.
        app.start("unblock", "1006", &[]).await;
        app.drain().await;
        app.engine.retry(leave, "disable.end@mailhost", "lifted", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(leave, "disable.end@mailhost").await.as_str(), "done");
        assert_eq!(mail(app), AccountStatus::Enabled);
    };

    a_block_that_was_lifted_long_ago_holds_nothing, async |app: &App| {
        app.staffed().await;
        let block = to_its_end(app, "emergency-block", "disable@badges").await;
        let unblock = to_its_end(app, "unblock", "enable@badges").await;
        let leave = leave(app, "2027-04-01", "2027-05-01").await;
        app.walk_to(zurich("2027-03-15T09:00")).await;
        archive(app).await;
        assert!(is_archived(app, block).await && is_archived(app, unblock).await);
        app.walk_to(zurich("2027-05-01T09:00")).await;
        assert_eq!(app.state(leave, "disable.end@mailhost").await.as_str(), "done");
        assert_eq!(mail(app), AccountStatus::Enabled);
    };

    a_key_is_refused_a_second_time_after_years, async |app: &App| {
        app.staffed().await;
        let keyed = || Request { key: Some("once".into()), ..request("emergency-block", "1006", &[]) };
        let Started::New(run) = app.engine.start(keyed()).await.unwrap() else { panic!("it is new") };
        app.drain().await;
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.drain().await;
        app.walk_to(zurich("2029-01-01T09:00")).await;
        archive(app).await;
        assert!(is_archived(app, run).await);
        assert_eq!(app.engine.start(keyed()).await.unwrap(), Started::Existing(run));
        assert_eq!(app.store.runs_with_keys(&["once"]).await.unwrap().get("once"), Some(&run));
        // HR's file of then, once more.
        let before = app.store.run_ids().await.unwrap().len();
        app.import(usher::connectors::sandbox::shipped::PEOPLE).await;
        assert_eq!(app.store.run_ids().await.unwrap().len(), before);
    };

    a_run_in_the_archive_is_taken_back, async |app: &App| {
        app.staffed().await;
        let block = to_its_end(app, "emergency-block", "disable@badges").await;
        app.walk_to(zurich("2027-03-15T09:00")).await;
        archive(app).await;
        assert!(is_archived(app, block).await && mail(app) == AccountStatus::Disabled);
        let looked = app.engine.undo(block, "found again", "os:nils", true).await.unwrap();
        let told = app.engine.undo(block, "found again", "os:nils", false).await.unwrap();
        assert!(!told.steps.is_empty() && looked.steps == told.steps);
        app.drain().await;
        assert_eq!(mail(app), AccountStatus::Enabled);
        let undo = parse_public_id(told.run.as_deref().unwrap()).unwrap();
        app.engine.task_done(undo, "disable.undo@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.drain().await;
        assert_eq!(app.run_state(undo).await, RunState::Completed);
        // Both in the archive: it was taken back, and that counts.
        app.walk_to(zurich("2027-06-15T09:00")).await;
        archive(app).await;
        assert!(is_archived(app, undo).await);
        let again = app.engine.undo(block, "twice", "os:nils", false).await.unwrap_err();
        assert!(again.to_string().contains(&format!("run_{undo} takes run_{block} back already")), "{again}");
        let leave = leave(app, "2027-07-01", "2027-08-01").await;
        app.walk_to(zurich("2027-08-01T09:00")).await;
        assert_eq!(app.state(leave, "disable.end@mailhost").await.as_str(), "done", "the block holds nothing any more");
    };

    whoever_is_erased_is_erased_in_the_archive_too, async |app: &App| {
        let run = until_the_checklist(app).await;
        done_by_people(app, run).await;
        app.walk_to(zurich("2027-08-27T09:00")).await;
        app.sql("UPDATE accounts SET status = 'purged' WHERE system = 'badges'").await.unwrap();
        app.store.checkpoint(Duration::ZERO).await.unwrap();
        app.clock.set(app.now() + SignedDuration::from_hours(24 * 366 * 3));
        archive(app).await;
        assert!(is_archived(app, run).await);
        let found = record(app).await;
        let words = ["Keller", "ada.keller", "u-0005", "m-0005"];
        assert!(words.iter().all(|word| found.contains(word)), "this looks where she is");

        let before = app.store.audit(run).await.unwrap().len();
        let person = app.store.person("1005").await.unwrap().unwrap().id;
        app.store.erase(person, "Ada Keller", "asked to", "os:nils").await.unwrap();
        for archived in [false, true] {
            assert_eq!(is_archived(app, run).await, archived, "what was changed is live, and goes back by the same policy");
            let found = record(app).await;
            let left: Vec<&str> = words.into_iter().filter(|word| found.contains(word)).collect();
            assert_eq!(left, [""; 0]);
            assert_eq!(app.store.verify(run).await.unwrap().problem, None);
            assert_eq!(app.store.audit(run).await.unwrap().len(), before + 1);
            let trusted = [app.store.note_signer().await.unwrap().verifier()];
            assert_eq!(app.store.prove(&trusted, &[]).await.unwrap().doubts, Vec::new());
            archive(app).await;
        }
    };

    credentials_that_nobody_has_opened_are_opened_from_the_archive, async |app: &App| {
        let run = over(app).await;
        app.store.keep_credentials(run, 0, &Secret::new("at the desk")).await.unwrap();
        app.clock.set(zurich("2027-06-01T09:00"));
        archive(app).await;
        assert!(is_archived(app, run).await && app.store.keeps_credentials(run, 0).await.unwrap());
        let opened = app.store.open_credentials(run, 0, "at last", "os:nils").await.unwrap();
        assert_eq!(opened.expose(), "at the desk");
        let told = app.store.audit(run).await.unwrap();
        assert_eq!(told.last().unwrap().fact["order"], "credentials opened");
        assert!(!is_archived(app, run).await);
        assert_eq!(app.store.verify(run).await.unwrap().problem, None);
        archive(app).await;
        assert!(is_archived(app, run).await);
        assert_eq!(app.store.verify(run).await.unwrap().problem, None);
    };

    an_order_that_is_refused_leaves_the_archive_as_it_is, async |app: &App| {
        let run = over(app).await;
        app.clock.set(zurich("2027-06-01T09:00"));
        archive(app).await;
        let engine: &Engine = &app.engine;
        for refused in [
            engine.cancel(run, "x", "os:nils").await.map(drop),
            engine.pause(run, "x", "os:nils").await.map(drop),
            engine.retry(run, "rules@mailhost", "x", "os:nils").await.map(drop),
        ] {
            let Err(StoreError::Refused(_) | StoreError::Illegal(_)) = refused else { panic!("{refused:?}") };
        }
        assert!(is_archived(app, run).await);
    };
}
