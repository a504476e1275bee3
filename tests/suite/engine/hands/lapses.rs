//! What happens when an approval lapses is said in the workflow; before it does, somebody is reminded.

use jiff::SignedDuration;
use usher::run::RunState;

use super::*;
use crate::harness::{request, zurich};

/// A deletion on 1 March behind an approval that holds two days.
fn leave(on_lapse: &str) -> String {
    format!(
        "\
workflow: leave-late
for: person
on: {{ manual: true }}
inputs:
  day: {{ type: date, required: true }}
steps:
  - id: disable
    action: account.disable
    systems: mailhost
  - id: approve
    action: approval
    with: {{ role: approver, valid: 2 days{on_lapse} }}
  - id: delete
    action: account.delete
    systems: mailhost
    at: day + 1 day
    grace: 30 days
"
    )
}

/// Approved at once, and come to the day of the deletion, when the approval has lapsed.
async fn lapsed(app: &App, on_lapse: &str) -> (Engine, i64) {
    app.staffed().await;
    let text = leave(on_lapse);
    let engine = app.restarted(app.systems(), &[("leave.yaml", &text)]).await;
    let run = engine.start(request("leave-late", "1005", &[("day", "2027-02-28")])).await.unwrap().id();
    drain(&engine).await;
    engine.approve(run, "approve", "", "os:helene").await.unwrap();
    app.clock.set(zurich("2027-03-01T09:00"));
    drain(&engine).await;
    assert_eq!(app.account("mailhost", "m-0005").unwrap().status, DISABLED);
    (engine, run)
}

both! {
    what_an_approval_gates_is_held_when_it_lapses_where_the_file_says_so, async |app: &App| {
        let (engine, run) = lapsed(app, ", on_lapse: hold").await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "approval");
        assert_eq!(app.run_state(run).await, RunState::NeedsAttention, "the administrators are told");
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
    };

    what_lapses_may_be_asked_for_again_in_peace, async |app: &App| {
        let (engine, run) = lapsed(app, ", on_lapse: ask_again").await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "blocked");
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        assert_eq!(app.run_state(run).await, RunState::Open, "nobody is alerted");
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
    };

    what_lapses_may_be_left_out, async |app: &App| {
        let (engine, run) = lapsed(app, ", on_lapse: skip").await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "skipped");
        assert_eq!(app.state(run, "delete.purge@mailhost").await.as_str(), "skipped");
        assert_eq!(app.run_state(run).await, RunState::ClosedWithExceptions);
        app.clock.set(zurich("2027-12-01T09:00"));
        drain(&engine).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, DISABLED);
    };
}

/// A deletion on 1 March behind an approval that may be waited for ten days, and that has been asked for on 1 February.
async fn asked(app: &App, on_lapse: &str) -> (Engine, i64) {
    app.staffed().await;
    let text = leave(on_lapse).replace("valid: 2 days", "valid: 30 days, answer_within: 10 days");
    let engine = app.restarted(app.systems(), &[("leave.yaml", &text)]).await;
    app.clock.set(zurich("2027-02-01T09:00"));
    let run = engine.start(request("leave-late", "1005", &[("day", "2027-02-28")])).await.unwrap().id();
    drain(&engine).await;
    assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
    app.clock.set(zurich("2027-02-11T08:59"));
    drain(&engine).await;
    assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval", "not a minute before its time");
    (engine, run)
}

both! {
    what_nobody_approves_in_time_is_held_and_a_late_answer_counts, async |app: &App| {
        let (engine, run) = asked(app, "").await;
        app.clock.set(zurich("2027-02-11T09:00"));
        drain(&engine).await;
        assert_eq!(held_by(app, run, "approve").await, "nobody_answered");
        assert!(why_held(app, run, "approve").await.contains("nobody has answered it by 2027-02-11"));
        assert_eq!(app.run_state(run).await, RunState::NeedsAttention, "the administrators are told");
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "blocked");
        let waiting = engine.store().waiting(10).await.unwrap();
        let way_on = waiting.iter().find(|waiting| waiting.step == "approve").unwrap().way_on();
        assert!(way_on.starts_with("usher approve run_"), "{way_on}");
        app.clock.set(zurich("2027-02-27T09:00"));
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        app.clock.set(zurich("2027-03-01T09:00"));
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
    };

    what_nobody_approves_in_time_may_be_asked_again_in_peace, async |app: &App| {
        let (engine, run) = asked(app, ", on_lapse: ask_again").await;
        app.clock.set(zurich("2027-02-11T09:00"));
        drain(&engine).await;
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        assert_eq!(app.run_state(run).await, RunState::Open, "nobody is alerted");
        let asked = app.store.audit(run).await.unwrap();
        let asked = asked.iter().filter(|entry| entry.fact.to_string().contains("approval_asked")).count();
        assert_eq!(asked, 2);
        app.clock.set(zurich("2027-03-01T09:00"));
        drain(&engine).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, DISABLED, "nobody has approved it");
    };

    what_nobody_approves_in_time_may_be_left_out, async |app: &App| {
        let (engine, run) = asked(app, ", on_lapse: skip").await;
        app.clock.set(zurich("2027-02-11T09:00"));
        drain(&engine).await;
        for step in ["approve", "delete@mailhost", "delete.purge@mailhost"] {
            assert_eq!(app.state(run, step).await.as_str(), "skipped", "{step}");
        }
        assert_eq!(app.run_state(run).await, RunState::ClosedWithExceptions);
        app.clock.set(zurich("2027-12-01T09:00"));
        drain(&engine).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, DISABLED);
    };

    nothing_lapses_unanswered_in_a_paused_run_or_by_a_clock_that_jumped, async |app: &App| {
        let (engine, run) = asked(app, ", on_lapse: skip").await;
        engine.pause(run, "who is this?", "os:nils").await.unwrap();
        app.clock.set(zurich("2027-02-12T09:00"));
        drain(&engine).await;
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval", "the run is paused");
        // The clock has jumped, says the guard, and nobody has looked yet.
        app.sql("INSERT INTO trips (id, kind, system, stops, words, tripped_at) VALUES (7, 'clock', NULL, 'destructive', 'it jumped', 1)").await.unwrap();
        engine.resume(run, "Ada", "os:nils").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval", "nobody knows how late it is");
        engine.store().release_trip(7, "it was right", "os:nils").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "approve").await.as_str(), "skipped");
    };
}

both_posting! {
    an_approval_that_has_lapsed_is_one_alert_whatever_it_holds, async |app: &App| {
        app.staffed().await;
        let files = "action: account.disable\n    systems: files\n  - id: approve";
        let text = leave("").replace("  - id: approve", &format!("  - id: disable-files\n    {files}"))
            + "  - id: delete-files\n    action: account.delete\n    systems: files\n    after: approve\n    at: day + 1 day\n    grace: 30 days\n";
        let engine = app.restarted(app.systems(), &[("leave.yaml", &text)]).await;
        let run = engine.start(request("leave-late", "1005", &[("day", "2027-02-28")])).await.unwrap().id();
        drain(&engine).await;
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        app.clock.set(zurich("2027-03-01T09:00"));
        drain(&engine).await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "approval");
        assert_eq!(held_by(app, run, "delete-files@files").await, "approval");
        let later = async || {
            app.clock.set(app.now() + SignedDuration::from_mins(11));
            drain(&engine).await;
        };
        let before = engine.mail().unwrap().transport().kept().len();
        later().await;
        later().await;
        let open = engine.open_alerts().await.unwrap();
        assert_eq!(open.iter().map(|alert| alert.kind).collect::<Vec<_>>(), ["approval_lapsed"], "{open:#?}");
        assert!(open[0].what.contains("approve lapsed on 2027-") && !open[0].urgent, "{}", open[0].what);
        assert!(["delete-files@files", "delete@mailhost"].iter().all(|step| open[0].what.contains(step)), "{}", open[0].what);
        assert_eq!(open[0].command, format!("usher approve run_{run} approve --confirm yes"));
        let kept = engine.mail().unwrap().transport().kept();
        assert_eq!(kept.len(), before + 1, "one mail, and no task beside it: {:#?}", &kept[before..]);
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        drain(&engine).await;
        assert_eq!(app.state(run, "delete-files@files").await.as_str(), "done");
        later().await;
        assert!(engine.open_alerts().await.unwrap().is_empty());
        assert!(engine.mail().unwrap().transport().kept()[before + 1].contains("all clear"));
    };

    what_lapses_in_a_paused_run_is_a_task, async |app: &App| {
        let (engine, run) = lapsed(app, ", on_lapse: hold").await;
        let kinds = async || engine.open_alerts().await.unwrap().into_iter().map(|alert| alert.kind).collect::<Vec<_>>();
        engine.remind().await.unwrap();
        assert_eq!(kinds().await, ["approval_lapsed"]);
        engine.pause(run, "I look at it myself", "os:nils").await.unwrap();
        engine.remind().await.unwrap();
        assert_eq!(kinds().await, [""; 0]);
    };

    what_lapses_in_peace_is_a_task, async |app: &App| {
        let (engine, run) = lapsed(app, ", on_lapse: ask_again").await;
        let kinds = async || engine.open_alerts().await.unwrap().into_iter().map(|alert| alert.kind).collect::<Vec<_>>();
        engine.remind().await.unwrap();
        assert_eq!(kinds().await, [""; 0], "it is asked for again in peace");
        let tasks = format!("SELECT COUNT(*) FROM waits WHERE kind = 'task' AND cause LIKE 'step:%:awaiting_approval' AND about / 1024 = {run}");
        assert_eq!(app.number(&tasks).await, 1);
    };

    nobody_is_reminded_of_what_has_lapsed_already, async |app: &App| {
        app.staffed().await;
        let text = leave("").replace("2 days", "30 days");
        let engine = app.restarted(app.systems(), &[("leave.yaml", &text)]).await;
        let run = engine.start(request("leave-late", "1005", &[("day", "2027-02-28")])).await.unwrap().id();
        drain(&engine).await;
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        let given = app.now();
        let open = "SELECT COUNT(*) FROM waits WHERE cause LIKE '%lapsing' AND over_at IS NULL";
        for (days, reminded) in [(26, 0), (27, 1), (29, 1), (30, 0)] {
            app.clock.set(given + SignedDuration::from_hours(24 * days));
            drain(&engine).await;
            assert_eq!(app.number(open).await, reminded, "after {days} days");
        }
        assert_eq!(app.state(run, "approve").await.as_str(), "done", "the deletion is to come, and asks for it again");
    };

    nobody_is_reminded_when_all_that_was_approved_is_deleted, async |app: &App| {
        app.staffed().await;
        let text = leave("").replace("2 days", "45 days");
        let engine = app.restarted(app.systems(), &[("leave.yaml", &text)]).await;
        let run = engine.start(request("leave-late", "1005", &[("day", "2027-02-28")])).await.unwrap().id();
        drain(&engine).await;
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        let given = app.now();
        app.clock.set(zurich("2027-03-01T09:00"));
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
        app.clock.set(given + SignedDuration::from_hours(24 * 43));
        drain(&engine).await;
        assert_eq!(app.state(run, "delete.purge@mailhost").await.as_str(), "waiting", "it needs the approval no more");
        assert_eq!(app.number("SELECT COUNT(*) FROM waits WHERE cause LIKE '%lapsing'").await, 0);
    };

    who_is_asked_is_reminded_and_the_administrators_are_told_that_nobody_has_answered, async |app: &App| {
        let (engine, run) = asked(app, "").await;
        let said = |words: &str| {
            let kept = engine.mail().unwrap().transport().kept();
            let plain = kept.into_iter().map(|mail| mail.replace("=\r\n", "").replace("\r\n", " "));
            plain.filter(|mail| mail.contains(words)).count()
        };
        drain(&engine).await;
        assert!(said("approve or deny, by 2027-02-11 09:00") > 0, "{:?}", engine.mail().unwrap().transport().kept());
        app.clock.set(zurich("2027-02-11T09:00"));
        drain(&engine).await;
        app.clock.set(zurich("2027-02-11T09:11"));
        drain(&engine).await;
        assert_eq!(said("nobody has answered it by"), 1);
        engine.deny(run, "approve", "she stays", "os:helene").await.expect("a late no counts");
        assert_eq!(app.state(run, "approve").await.as_str(), "failed");
    };

    before_an_approval_lapses_somebody_is_reminded_and_may_give_it_again, async |app: &App| {
        app.staffed().await;
        let text = leave("").replace("2 days", "30 days");
        let engine = app.restarted(app.systems(), &[("leave.yaml", &text)]).await;
        let run = engine.start(request("leave-late", "1005", &[("day", "2027-02-28")])).await.unwrap().id();
        drain(&engine).await;
        engine.approve(run, "approve", "", "os:helene").await.unwrap();
        let given = app.now();
        let said = || {
            let kept = engine.mail().unwrap().transport().kept();
            let plain = kept.into_iter().map(|mail| mail.replace("=\r\n", "").replace("\r\n", " "));
            plain.filter(|mail| mail.contains("the approval lapses")).count()
        };
        let at = async |days: i64, minutes: i64| {
            app.clock.set(given + SignedDuration::from_hours(24 * days) + SignedDuration::from_mins(minutes));
            drain(&engine).await;
            drain(&engine).await;
        };
        at(26, 0).await;
        at(26, 20).await;
        assert_eq!(said(), 0, "four days are left");
        at(27, 0).await;
        at(27, 20).await;
        assert_eq!(said(), 1);
        engine.approve(run, "approve", "", "os:nils").await.expect("it may be given again");
        at(27, 40).await;
        at(28, 0).await;
        assert_eq!(said(), 1, "there is nothing to say any more");
        app.clock.set(zurich("2027-03-01T09:00"));
        drain(&engine).await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done", "it has lasted longer");
    };
}
