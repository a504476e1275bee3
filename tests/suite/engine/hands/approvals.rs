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
