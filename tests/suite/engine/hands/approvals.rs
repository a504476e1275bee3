//! An approval counts only when it comes from somebody else.

use usher::store::StoreError;

use super::*;
use crate::harness::zurich;

const ASK: &str = "\
workflow: ask
for: person
on: { manual: true }
steps:
  - id: approve
    action: approval
    with: { role: approver }
";

/// HR's file with another manager for Ada.
fn managed_by(number: &str) -> String {
    format!("employee_number,given_name,family_name,manager_number\n1005,Ada,Keller,{number}\n")
}

/// Approved long before the last day.
const EARLY: &str = "\
workflow: early
for: person
on: { event: departure }
inputs:
  last_day: { type: date, from: event.effective, required: true }
steps:
  - id: approve
    action: approval
    with: { role: approver, valid: 90 days, answer_within: 90 days }
  - id: disable
    action: account.disable
    systems: groupware
    after: []
    at: last_day 18:00
  - id: delete
    action: account.delete
    systems: groupware
    after: [approve, disable]
    at: last_day + 30 days
    grace: 30 days
";

both! {
    who_asked_for_a_run_approves_nothing_of_it, async |app: &App| {
        app.staffed().await;
        let engine = app.restarted(app.systems(), &[("ask.yaml", ASK)]).await;
        let run = engine.start(crate::harness::request("ask", "1006", &[])).await.unwrap().id();
        drain(&engine).await;
        let refused = engine.approve(run, "approve", "", "os:test").await.unwrap_err();
        assert!(matches!(&refused, StoreError::NotTheirs { why, .. } if why.contains("has asked for")), "{refused}");
        assert!(refused.way_out().unwrap().contains("somebody else"));
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        assert_eq!(app.state(run, "approve").await.as_str(), "done");
    };

    whom_a_run_is_about_approves_nothing_of_it, async |app: &App| {
        let run = until_the_checklist(app).await;
        app.engine.task_done(run, "checklist", &Default::default(), None, "os:soren").await.unwrap();
        app.walk_to(zurich("2027-07-14T09:00")).await;
        let engine = app.configured(|house| house.users = users(&[("ada", "1005"), ("boss", "1001")])).await;
        for (user, why) in [("os:ada", "is about ada"), ("os:helene", "which person the user helene is")] {
            let refused = engine.approve(run, "approve-deletion", "Ada Keller", user).await.unwrap_err();
            assert!(refused.to_string().contains(why), "{user}: {refused}");
        }
        engine.approve(run, "approve-deletion", "Ada Keller", "os:boss").await.expect("HR asked: one is enough");
    };

    an_approval_is_judged_again_when_it_counts, async |app: &App| {
        let run = on_the_day(app).await;
        // The configuration says meanwhile that helene, who has approved it, is Ada.
        let engine = app.configured(|house| house.users = users(&[("helene", "1005"), ("nils", "1003")])).await;
        drain(&engine).await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "approval");
        // The first deletion that was judged says why; then the approval waits again, and the others say that.
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact.to_string().contains("approve-deletion does not count")));
        assert!(untouched(app));
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "awaiting_approval", "asked for again");
        engine.approve(run, "approve-deletion", "Ada Keller", "os:nils").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
    };

    a_new_manager_makes_an_approval_stale_where_the_plan_hands_things_to_the_manager, async |app: &App| {
        let run = on_the_day(app).await;
        app.import(&managed_by("1006")).await;
        app.drain().await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "approval");
        let told = app.store.audit(run).await.unwrap();
        let why = "approve-deletion was given when the manager was 1004; now it is 1006";
        assert!(told.iter().any(|entry| entry.fact.to_string().contains(why)));
        assert!(untouched(app));
        assert_eq!(app.state(run, "approve-deletion").await.as_str(), "awaiting_approval", "asked for again");
        app.engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
        // The purge is covered, whoever the manager is then.
        app.import(&managed_by("1004")).await;
        app.walk_to(zurich("2027-08-27T09:00")).await;
        assert_eq!(app.state(run, "delete.purge@mailhost").await.as_str(), "done");
    };

    what_is_handed_over_goes_to_the_manager_of_that_day, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-02-04T09:00")).await;
        app.import(&managed_by("1006")).await;
        app.walk_to(zurich("2027-02-05T09:00")).await;
        assert_eq!(app.state(run, "transfer-files@files").await.as_str(), "done");
        let received = |id: &str| app.account("files", id).unwrap().files.unwrap().received;
        assert!(received("f-0006").contains_key("f-0005"), "the new one has them");
        assert!(!received("f-0004").contains_key("f-0005"), "and the old one has not");
    };

    without_a_manager_what_is_to_be_handed_over_is_held_and_nothing_is_deleted, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-02-04T09:00")).await;
        app.import(&managed_by("9999")).await;
        app.walk_to(zurich("2027-02-05T09:00")).await;
        assert_eq!(held_by(app, run, "transfer-files@files").await, "missing");
        assert!(why_held(app, run, "transfer-files@files").await.contains("needs `to`"));
        app.engine.task_done(run, "disable@badges", &Default::default(), None, "os:reception").await.unwrap();
        app.walk_to(zurich("2027-12-01T09:00")).await;
        assert!(untouched(app));
        app.import(&managed_by("1006")).await;
        app.engine.retry(run, "transfer-files@files", "there is one", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(run, "transfer-files@files").await.as_str(), "done");
    };

    a_day_that_hr_moves_makes_an_approval_stale, async |app: &App| {
        let text = EARLY;
        let engine = app.restarted(app.systems(), &[("early.yaml", text)]).await;
        let told = async |csv: &str| {
            app.told(csv).await;
            usher::intake::events::dispatch(&engine).await.unwrap();
            drain(&engine).await;
        };
        app.sync().await;
        told(usher::connectors::sandbox::shipped::PEOPLE).await;
        let run = app.run_of("early", "1005").await;
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        told(&crate::engine::moved::leaves_on("2027-02-26")).await;
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval", "it was for another day");
        app.clock.set(zurich("2027-03-28T09:00"));
        drain(&engine).await;
        assert_eq!(app.account("groupware", "g-0005").unwrap().status, DISABLED, "nobody has approved this day");
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@groupware").await.as_str(), "done");
    };

    an_account_that_changes_behind_an_approval_makes_it_stale, async |app: &App| {
        let run = on_the_day(app).await;
        let other = app.number("SELECT id FROM accounts WHERE system = 'files' AND external_id = 'f-0006'").await;
        let swap = |account: &str| {
            format!("UPDATE steps SET account_id = {account} WHERE name = 'delete' AND system = 'files' AND run_id = {run}")
        };
        let own = app.number(&format!("SELECT account_id FROM steps WHERE name = 'delete' AND system = 'files' AND run_id = {run}")).await;
        assert_eq!(app.sql(&swap(&other.to_string())).await.unwrap(), 1);
        app.drain().await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "approval");
        assert!(untouched(app) && app.account("files", "f-0006").unwrap().status != DISABLED);
        assert_eq!(app.sql(&swap(&own.to_string())).await.unwrap(), 1);
    };
}
