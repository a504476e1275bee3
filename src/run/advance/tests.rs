//! What follows from what.

use super::*;
use crate::run::sample::*;
use crate::run::settle::Outcome;
use crate::run::{Evidence, EvidenceKind, Lateness};
use crate::workflow::{Late, StepDef, Workflow};

const NOON: &str = "2027-01-04T12:00:00Z";

fn of(steps: Vec<StepDef>) -> Story {
    Story::of(&Case::of(workflow("w", vec![], steps)))
}

/// Disable, rotate, revoke on the directory alone.
fn cuts() -> Story {
    of(vec![
        step("disable", "account.disable").on(&["ldap"]),
        step("rotate", "password.rotate").on(&["ldap"]).after(&["disable"]),
        step("revoke", "sessions.revoke").on(&["ldap"]).after(&["rotate"]),
    ])
}

fn failed() -> Outcome {
    Outcome::Failed("no such folder".into())
}

#[test]
fn a_slow_system_delays_only_itself_and_the_house_waits_for_all() {
    let mut story = of(vec![
        step("hide", "directory.hide"),
        step("release", "licence.release").after(&["hide"]),
        step("tell", "notify.email").after(&["release"]),
        step("show", "directory.show").after(&["tell"]).on(&["ldap"]),
    ]);
    story.done("hide@ldap");
    assert_eq!((story.word("release@ldap"), story.word("release@cloud")), ("waiting", "blocked"));
    for label in ["release@ldap", "hide@cloud", "release@cloud", "hide@mailhost"] {
        story.done(label);
    }
    assert_eq!(story.word("tell"), "blocked");
    story.done("release@mailhost");
    assert_eq!((story.word("tell"), story.word("show@ldap")), ("waiting", "blocked"));
    story.done("tell");
    assert_eq!(story.word("show@ldap"), "waiting");
}

#[test]
fn a_failed_step_stops_what_is_behind_it_unless_the_file_lets_it_pass() {
    for (on_failure, behind, run) in
        [(None, "blocked", RunState::NeedsAttention), (Some(OnFailure::Continue), "waiting", RunState::Open)]
    {
        let mut archive = step("archive", "mail.archive");
        archive.on_failure = on_failure;
        let mut story = of(vec![archive, step("tell", "notify.email").after(&["archive"])]);
        story.claim("archive@mailhost");
        story.pass(60).end("archive@mailhost", failed());
        assert_eq!((story.word("tell"), story.run()), (behind, run));
    }
}

#[test]
fn a_run_with_a_failed_step_never_ends_as_completed() {
    let mut archive = step("archive", "mail.archive");
    archive.on_failure = Some(OnFailure::Continue);
    let mut story = of(vec![archive, step("tell", "notify.email").after(&["archive"])]);
    story.claim("archive@mailhost");
    story.end("archive@mailhost", failed()).done("tell");
    assert_eq!(story.run(), RunState::ClosedWithExceptions);

    let mut story = of(vec![step("archive", "mail.archive")]);
    story.claim("archive@mailhost");
    story.end("archive@mailhost", failed());
    assert_eq!(story.run(), RunState::NeedsAttention);
    story.retry("archive@mailhost").unwrap();
    assert_eq!(story.run(), RunState::Open);
    story.done("archive@mailhost");
    assert_eq!(story.run(), RunState::Completed);
}

#[test]
fn open_manual_and_unknown_steps_keep_a_run_open() {
    let mut story = of(vec![step("hide", "directory.hide").on(&["ldap"])]);
    story.claim("hide@ldap");
    assert_eq!(story.run(), RunState::Open);
    story.end("hide@ldap", Outcome::Unknown("cut".into()));
    assert_eq!((story.word("hide@ldap"), story.run()), ("unknown", RunState::Open));
    story.claim("hide@ldap");
    story.end("hide@ldap", Outcome::Manual("hide it in the console".into()));
    assert_eq!((story.word("hide@ldap"), story.run()), ("awaiting_person", RunState::Open));
    let evidence = Evidence { kind: EvidenceKind::Person, detail: "done".into() };
    let at = story.now;
    story.event("hide@ldap", StepEvent::PersonDone { at, evidence });
    assert_eq!(story.run(), RunState::Completed);
}

#[test]
fn steps_that_a_person_left_out_are_exceptions_and_others_are_not() {
    let two = || {
        of(vec![
            step("hide", "directory.hide").on(&["ldap"]),
            step("tell", "notify.email").after(&["hide"]).when("1 == 2"),
        ])
    };
    let mut story = two();
    story.done("hide@ldap").consider("tell");
    assert_eq!((story.word("tell"), story.run()), ("skipped", RunState::Completed));
    let mut story = two();
    story.skip("hide@ldap").unwrap();
    story.consider("tell");
    assert_eq!(story.run(), RunState::ClosedWithExceptions);
}

#[test]
fn what_is_left_out_lets_pass_but_not_before_what_it_waited_for() {
    let mut story = of(vec![
        step("archive", "mail.archive"),
        step("check", "checklist").after(&["archive"]),
        step("tell", "notify.email").after(&["check"]),
    ]);
    story.skip("check").unwrap();
    assert_eq!(story.word("tell"), "blocked");
    story.done("archive@mailhost");
    assert_eq!(story.word("tell"), "waiting");
}

#[test]
fn an_ending_waits_for_its_time_and_goes_with_what_it_ends() {
    let until = || {
        step("reply", "mail.auto_reply").on(&["mailhost"]).until(from("start").plus("60 days")).when("person.status")
    };
    let steps = || vec![until(), step("tell", "notify.email").after(&["reply"])];
    let mut story = of(steps());
    assert_eq!(story.word("reply.end@mailhost"), "blocked");
    story.done("reply@mailhost");
    assert_eq!(story.due("reply.end@mailhost"), instant("2027-03-05T12:00:00Z"));
    assert_eq!(story.due("tell"), instant(NOON), "dependents wait for the applying, not the ending");

    let mut story = of(steps());
    story.skip("reply@mailhost").unwrap();
    let left_out =
        matches!(&story.step("reply.end@mailhost").state, StepState::Skipped { reason: SkipReason::NotNeeded(_), .. });
    assert!(left_out);

    let mut story = of(steps());
    story.claim("reply@mailhost");
    story.end("reply@mailhost", failed());
    assert_eq!(story.word("reply.end@mailhost"), "blocked");
}

#[test]
fn grace_counts_from_the_end_of_the_delete() {
    let mut story = of(vec![step("delete", "account.delete").on(&["ldap"]).grace("30 days")]);
    assert_eq!(story.due("delete@ldap"), instant("2027-01-11T12:00:00Z"));
    story.at("2027-01-20T10:00:00Z").done("delete@ldap");
    assert_eq!(story.due("delete.purge@ldap"), instant("2027-02-19T10:00:00Z"));

    let mut story = of(vec![step("delete", "account.delete").on(&["ldap"]).grace("30 days")]);
    story.skip("delete@ldap").unwrap();
    assert_eq!((story.word("delete.purge@ldap"), story.run()), ("skipped", RunState::ClosedWithExceptions));
}

#[test]
fn the_later_of_at_and_after_counts() {
    let steps = || {
        vec![
            step("hide", "directory.hide").on(&["ldap"]),
            step("tell", "notify.email").after(&["hide"]).at(from("start").plus("2 days")),
        ]
    };
    let mut story = of(steps());
    story.done("hide@ldap");
    assert_eq!(story.due("tell"), instant("2027-01-06T12:00:00Z"));
    let mut story = of(steps());
    story.at("2027-01-09T08:00:00Z").done("hide@ldap");
    assert_eq!(story.due("tell"), instant("2027-01-09T08:00:00Z"));
}

#[test]
fn a_delay_counts_from_the_end_of_all_that_comes_before() {
    let mut story = of(vec![
        step("hide", "directory.hide").on(&["ldap", "cloud"]),
        step("tell", "notify.email").after(&["hide"]).delay("2 days"),
    ]);
    story.done("hide@ldap").at("2027-01-05T08:00:00Z").done("hide@cloud");
    assert_eq!(story.due("tell"), instant("2027-01-07T08:00:00Z"));
}

#[test]
fn a_cut_waits_ten_minutes_for_the_cut_before_it() {
    let mut story = cuts();
    assert_eq!(story.due("rotate@ldap"), instant("2027-01-04T12:10:00Z"));
    assert_eq!(story.due("revoke@ldap"), instant("2027-01-04T12:20:00Z"));
    story.pass(60).done("disable@ldap");
    assert_eq!(story.due("rotate@ldap"), instant("2027-01-04T12:01:00Z"), "it need not wait any longer");
    assert_eq!(story.due("revoke@ldap"), instant("2027-01-04T12:11:00Z"), "ten minutes from when its turn came");
}

#[test]
fn the_patience_of_cuts_keeps_their_times_and_their_delays() {
    let late = from("start").plus("3 hours");
    let mut story = of(vec![
        step("disable", "account.disable").on(&["ldap"]),
        step("rotate", "password.rotate").on(&["ldap"]).after(&["disable"]).delay("1 hour"),
        step("revoke", "sessions.revoke").on(&["ldap"]).after(&["rotate"]).at(late),
    ]);
    assert_eq!(story.due("rotate@ldap"), instant("2027-01-04T13:10:00Z"));
    assert_eq!(story.due("revoke@ldap"), instant("2027-01-04T15:00:00Z"));
    story.pass(60).done("disable@ldap");
    assert_eq!(story.due("rotate@ldap"), instant("2027-01-04T13:01:00Z"));
}

#[test]
fn only_cuts_are_impatient_and_only_with_cuts() {
    let mut story = of(vec![
        step("disable", "account.disable").on(&["ldap"]),
        step("reply", "directory.hide").on(&["ldap"]).after(&["disable"]),
        step("revoke", "sessions.revoke").on(&["ldap"]).after(&["reply"]),
    ]);
    story.pass(3600).follow();
    assert_eq!((story.word("reply@ldap"), story.word("revoke@ldap")), ("blocked", "blocked"));
    story.done("disable@ldap").pass(3600).follow();
    assert_eq!((story.word("reply@ldap"), story.word("revoke@ldap")), ("waiting", "blocked"));
}

#[test]
fn a_held_cut_is_seen_and_stops_no_other_cut() {
    let mut story = of(vec![
        step("disable", "account.disable").on(&["ldap"]),
        step("revoke", "sessions.revoke").on(&["ldap"]).after(&["disable"]),
        step("hide", "directory.hide").on(&["ldap"]).after(&["disable"]),
    ]);
    story.event("disable@ldap", StepEvent::Held { reason: HoldReason::Missing("connector".into()) });
    assert_eq!((story.run(), story.word("hide@ldap")), (RunState::NeedsAttention, "blocked"));
    story.when_due("revoke@ldap").done("revoke@ldap");
    assert_eq!(story.run(), RunState::NeedsAttention);
}

#[test]
fn sessions_are_revoked_once_more_when_a_late_cut_succeeds() {
    let mut story = cuts();
    story.claim("disable@ldap");
    story.pass(1).end("disable@ldap", Outcome::Retry { reason: "busy".into(), after: None });
    story.when_due("rotate@ldap").done("rotate@ldap");
    story.when_due("revoke@ldap").done("revoke@ldap");
    assert_eq!(story.book.steps.len(), 3);
    story.pass(60).done("disable@ldap");
    let again = story.step("revoke.again@ldap").clone();
    assert_eq!((again.account, story.due("revoke.again@ldap")), (Some(11), story.now));
    assert_eq!(story.run(), RunState::Open);
    story.pass(1).done("revoke.again@ldap");
    assert_eq!((story.book.steps.len(), story.run()), (4, RunState::Completed));
}

#[test]
fn sessions_are_revoked_once_more_for_each_cut_that_comes_still_later() {
    let mut story = cuts();
    story.when_due("revoke@ldap").done("revoke@ldap");
    story.pass(60).done("rotate@ldap");
    assert_eq!(story.book.steps.len(), 4);
    story.pass(60).done("disable@ldap");
    assert_eq!(story.book.steps.len(), 4, "the one that has not begun serves both");
    story.pass(60).done("revoke.again@ldap");
    assert_eq!((story.book.steps.len(), story.run()), (4, RunState::Completed));

    let mut story = cuts();
    story.when_due("revoke@ldap").done("revoke@ldap");
    story.pass(60).done("rotate@ldap").pass(60).done("revoke.again@ldap");
    story.pass(60).done("disable@ldap");
    assert_eq!(story.word("revoke.again.again@ldap"), "waiting");
    story.pass(60).done("revoke.again.again@ldap");
    assert_eq!((story.book.steps.len(), story.run()), (5, RunState::Completed));
}

#[test]
fn a_revocation_that_a_person_leaves_out_does_not_come_back() {
    let mut story = cuts();
    story.when_due("revoke@ldap").done("revoke@ldap");
    story.pass(60).done("rotate@ldap").done("disable@ldap");
    story.skip("revoke.again@ldap").unwrap();
    assert_eq!((story.book.steps.len(), story.run()), (4, RunState::ClosedWithExceptions));
}

#[test]
fn cuts_in_their_order_revoke_once() {
    let mut story = cuts();
    for label in ["disable@ldap", "rotate@ldap", "revoke@ldap"] {
        story.done(label);
    }
    assert_eq!((story.book.steps.len(), story.run()), (3, RunState::Completed));
}

#[test]
fn a_paused_run_says_so_until_it_is_over() {
    use crate::run::orders;
    let mut story = of(vec![step("hide", "directory.hide").on(&["ldap", "cloud"])]);
    story.claim("hide@ldap");
    story.claim("hide@cloud");
    story.all(|book, now| orders::pause(book, "wait", &person(), now)).unwrap();
    story.end("hide@ldap", failed());
    assert_eq!(story.run(), RunState::Paused);
    story.end("hide@cloud", Outcome::Done(Story::seen()));
    assert_eq!(story.run(), RunState::Paused, "the failed step may still be tried again");
    story.all(|book, now| orders::resume(book, "go on", &person(), now)).unwrap();
    assert_eq!(story.run(), RunState::NeedsAttention);

    let mut story = of(vec![step("hide", "directory.hide").on(&["ldap"])]);
    story.claim("hide@ldap");
    story.all(|book, now| orders::pause(book, "wait", &person(), now)).unwrap();
    story.end("hide@ldap", Outcome::Done(Story::seen()));
    assert_eq!(story.run(), RunState::Completed, "nothing is left to stop");
}

#[test]
fn what_a_plan_has_settled_is_said_at_the_start() {
    let mut case = Case::of(departure()).given("last_day", "2027-01-29");
    case.systems.retain(|system| system.name != "mailhost");
    let story = Story::of(&case);
    assert!(story.book.steps.iter().any(|step| step.name == "archive" && step.state.as_str() == "skipped"));
    assert_eq!(story.due("disable@ldap"), instant("2027-01-29T17:00:00Z"));

    let nothing = Workflow { steps: vec![step("hide", "directory.hide")], ..workflow("w", vec![], vec![]) };
    let mut case = Case::of(nothing);
    case.systems.clear();
    assert_eq!(Story::of(&case).run(), RunState::Completed);
}

#[test]
fn a_step_held_for_lateness_is_planned_as_such_also_when_it_is_postponed() {
    for action in ["directory.hide", "account.delete"] {
        let late = step("late", action).on(&["ldap"]).at(from("start").minus("2 days")).late(Late::Hold);
        let case = Case::of(workflow("w", vec![], vec![late]));
        assert_eq!(case.plan().unwrap().steps[0].late, Some(Lateness::Held));
        assert!(Story::of(&case).step("late@ldap").decision.late, "{action}");
    }
}
