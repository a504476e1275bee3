//! Each guard stops what it is there for, and nothing else.

mod approvals_and_purges;

use super::*;
use crate::run::sample::*;
use crate::run::settle::Outcome;
use crate::run::{PersonStatus, StepEvent, Subject};
use crate::workflow::{Late, StepDef, SubjectKind};

fn of(steps: Vec<StepDef>) -> Story {
    Story::of(&Case::of(workflow("w", vec![], steps)))
}

/// A cut, an approval, a delete with its purge, all on the directory; the delete's time has come.
fn deletion() -> Story {
    let mut story = of(vec![
        step("disable", "account.disable").on(&["ldap"]),
        step("approve", "approval").after(&["disable"]),
        step("delete", "account.delete").on(&["ldap"]).after(&["approve"]).grace("30 days"),
    ]);
    story.done("disable@ldap").consider("approve").approve("approve").unwrap();
    story.when_due("delete@ldap");
    story
}

/// One step on the directory whose time has come.
fn one(step: StepDef) -> Story {
    of(vec![step.on(&["ldap"])])
}

fn code(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Hold(reason) => reason.code(),
        Verdict::Proceed => "proceed",
        Verdict::Skip(_) => "skip",
        Verdict::Trip { kind, .. } => kind.as_str(),
        Verdict::Later => "later",
        Verdict::AskApproval => "approval?",
        Verdict::WaitAgain => "again",
        Verdict::AskPerson(_) => "person?",
    }
}

fn judged(story: &Story, label: &str) -> &'static str {
    code(&story.verdict(label))
}

#[test]
fn business_days_of_a_calendar_that_is_gone_hold_the_step_that_counts_by_them_and_no_other() {
    let mut story = of(vec![
        step("a", "directory.hide").on(&["ldap"]),
        step("b", "directory.show").on(&["ldap"]).after(&["a"]).delay("2 business days"),
    ]);
    let calendar = std::sync::Arc::make_mut(&mut story.book.run.workflow);
    calendar.calendar = Some("geneva".into());
    story.calendar_known = false;
    assert_eq!(judged(&story, "a@ldap"), "proceed");
    story.done("a@ldap").when_due("b@ldap");
    assert_eq!(judged(&story, "b@ldap"), "missing");
    story.calendar_known = true;
    assert_eq!(judged(&story, "b@ldap"), "proceed");
}

fn freeze(system: Option<&str>, workflow: Option<&str>, all: bool) -> Freeze {
    Freeze { system: system.map(str::to_owned), workflow: workflow.map(str::to_owned), all, reason: "audit".into() }
}

#[test]
fn nothing_stops_a_step_without_a_reason() {
    assert_eq!(judged(&deletion(), "delete@ldap"), "proceed");
    for action in ["account.disable", "account.enable", "directory.hide"] {
        assert_eq!(judged(&one(step("s", action)), "s@ldap"), "proceed");
    }
}

#[test]
fn a_delete_waits_for_nobody_who_is_employed() {
    let mut story = deletion();
    for (status, expected) in [
        (PersonStatus::Prehire, "person_not_departed"),
        (PersonStatus::Active, "person_not_departed"),
        (PersonStatus::OnLeave, "person_not_departed"),
        (PersonStatus::Leaving, "proceed"),
        (PersonStatus::Left, "proceed"),
    ] {
        story.person.as_mut().unwrap().status = status;
        assert_eq!(judged(&story, "delete@ldap"), expected);
    }
    story.person = None;
    assert_eq!(judged(&story, "delete@ldap"), "person_not_departed", "anything unknown means hold");
}

#[test]
fn a_delete_of_an_account_that_belongs_to_somebody_else_now_is_held() {
    let mut story = deletion();
    story.accounts.get_mut(&11).unwrap().person_id = Some(2);
    assert_eq!(judged(&story, "delete@ldap"), "person_not_departed");
    story.accounts.get_mut(&11).unwrap().person_id = None;
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
    story.accounts.clear();
    assert_eq!(judged(&story, "delete@ldap"), "fresh_read", "anything unknown means hold");
}

#[test]
fn an_employed_person_may_still_be_cut_and_helped() {
    let mut story = one(step("s", "account.disable"));
    story.person.as_mut().unwrap().status = PersonStatus::Active;
    assert_eq!(judged(&story, "s@ldap"), "proceed");
}

#[test]
fn a_delete_waits_for_every_cut_of_its_run() {
    let mut story = of(vec![
        step("disable", "account.disable"),
        step("delete", "account.delete").on(&["ldap"]).after(&["disable"]),
    ]);
    story.done("disable@ldap").done("disable@mailhost").when_due("delete@ldap").consider("delete@ldap");
    let held = StepState::Held { reason: HoldReason::CutOpen("disable@cloud is not done".into()), observe: false };
    assert_eq!(story.step("delete@ldap").state, held);
    story.pass(60).done("disable@cloud");
    assert_eq!(story.due("delete@ldap"), story.now, "it goes on by itself");
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
}

#[test]
fn a_cut_that_a_person_left_out_is_open_and_one_that_was_not_needed_is_not() {
    for (reason, expected) in [
        (SkipReason::ByPerson("broken".into()), "cut_open"),
        (SkipReason::NotApplicable("no account".into()), "proceed"),
        (SkipReason::ConditionFalse("1 == 2".into()), "proceed"),
    ] {
        let mut story = of(vec![
            step("disable", "account.disable").on(&["cloud"]),
            step("delete", "account.delete").on(&["ldap"]).after(&[]),
        ]);
        story.when_due("delete@ldap");
        let at = story.now;
        story.event("disable@cloud", StepEvent::Skipped { at, reason });
        assert_eq!(judged(&story, "delete@ldap"), expected);
    }
}

#[test]
fn a_failed_cut_and_one_in_flight_are_open() {
    let mut story =
        of(vec![step("disable", "account.disable").on(&["cloud"]), step("delete", "account.delete").on(&["ldap"])]);
    story.when_due("delete@ldap").claim("disable@cloud");
    assert_eq!(judged(&story, "delete@ldap"), "cut_open");
    story.end("disable@cloud", Outcome::Manual("in the console".into()));
    assert_eq!(judged(&story, "delete@ldap"), "cut_open");
    story.deny("disable@cloud").unwrap();
    assert_eq!((story.word("disable@cloud"), judged(&story, "delete@ldap")), ("failed", "cut_open"));
}

#[test]
fn a_delete_does_not_wait_for_a_cut_that_comes_after_it() {
    let mut story = of(vec![
        step("delete", "account.delete").on(&["ldap"]),
        step("access", "access.remove").on(&["ldap"]).after(&["delete"]),
    ]);
    story.when_due("delete@ldap");
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
}

#[test]
fn a_delete_needs_the_approval_before_it() {
    let mut story = deletion();
    story.book.steps[1].decision.approval = None;
    assert_eq!(judged(&story, "delete@ldap"), "approval");
    assert_eq!(judged(&of(vec![step("approve", "approval")]), "approve"), "approval?");
}

#[test]
fn a_freeze_stops_what_it_covers() {
    for (scope, destructive, cut) in [
        (freeze(None, None, false), "freeze", "proceed"),
        (freeze(None, None, true), "freeze", "freeze"),
        (freeze(Some("ldap"), None, true), "freeze", "freeze"),
        (freeze(Some("cloud"), None, true), "proceed", "proceed"),
        (freeze(None, Some("w"), true), "freeze", "freeze"),
        (freeze(None, Some("other"), true), "proceed", "proceed"),
        (freeze(Some("ldap"), Some("w"), false), "freeze", "proceed"),
        (freeze(Some("ldap"), Some("other"), true), "proceed", "proceed"),
        (freeze(Some("cloud"), Some("w"), true), "proceed", "proceed"),
    ] {
        let words = scope.scope();
        for (action, expected) in [("account.delete", destructive), ("account.disable", cut)] {
            let mut story = one(step("s", action));
            story.freezes = vec![freeze(Some("elsewhere"), None, true), scope.clone()];
            assert_eq!(judged(&story, "s@ldap"), expected, "{action}: {words}");
        }
    }
    assert_eq!(freeze(None, None, true).scope(), "everything");
    assert_eq!(freeze(Some("a"), Some("b"), true).scope(), "workflow b on system a");
}

#[test]
fn a_trip_stops_its_steps_on_its_system_until_it_is_released() {
    use crate::run::trip::{Stops, Trip, TripKind, holding};
    let trip = |system: Option<&str>, stops| Trip {
        id: 3,
        kind: TripKind::Clock,
        system: system.map(str::to_owned),
        stops,
        words: "the clock has jumped".into(),
    };
    let mut story = deletion();
    for (system, stops, expected) in [
        (None, Stops::Destructive, "guard"),
        (Some("ldap"), Stops::Destructive, "guard"),
        (Some("cloud"), Stops::Destructive, "proceed"),
        (None, Stops::Cuts, "proceed"),
    ] {
        story.trips = vec![trip(system, stops)];
        assert_eq!(judged(&story, "delete@ldap"), expected, "{system:?} {stops:?}");
    }
    story.trips = vec![trip(None, Stops::Destructive)];
    let verdict = story.verdict("delete@ldap");
    let Verdict::Hold(reason) = &verdict else { panic!("{verdict:?}") };
    assert!(trip(None, Stops::Destructive).holds(reason));
    assert!(!Trip { id: 33, ..trip(None, Stops::Destructive) }.holds(reason), "trip_33 is another one than trip_3");
    let mut step = story.book.steps[0].clone();
    step.state = StepState::Held { reason: reason.clone(), observe: false };
    assert_eq!(holding(&step), Some("trip_3"));
    step.state =
        StepState::Held { reason: HoldReason::Guard { name: "policy".into(), detail: "x: y".into() }, observe: false };
    assert_eq!(holding(&step), None);
}

#[test]
fn a_deletion_that_was_approved_as_part_of_a_batch_is_counted_by_no_threshold() {
    use crate::run::limits::{Population, Tally};
    use crate::run::trip::{Stops, Trip, TripKind};
    let mut story = deletion();
    let population = Some(Population { accounts: 100, read_at: story.now });
    story.tally = Some(Tally { population, hour: 5, day: 5, batch: 6, good: 6, ..Tally::default() });
    assert_eq!(judged(&story, "delete@ldap"), "threshold");
    let trip =
        |kind| Trip { id: 1, kind, system: Some("ldap".into()), stops: Stops::Destructive, words: "many".into() };
    let approve = story.step("approve").ordinal;
    story.book.steps[usize::from(approve)].decision.approval.as_mut().unwrap().batch = Some("batch_1".into());
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
    story.trips = vec![trip(TripKind::Threshold)];
    assert_eq!(judged(&story, "delete@ldap"), "proceed");
    for kind in [TripKind::Canary, TripKind::Clock, TripKind::Restore] {
        story.trips = vec![trip(kind)];
        assert_eq!(judged(&story, "delete@ldap"), "guard", "{kind:?} stops a batch too");
    }
}

#[test]
fn cuts_that_nobody_asked_for_by_hand_can_be_stopped_and_no_others() {
    use crate::run::trip::{Stops, Trip, TripKind};
    let cuts = Trip {
        id: 1,
        kind: TripKind::Threshold,
        system: Some("ldap".into()),
        stops: Stops::Cuts,
        words: "many".into(),
    };
    for (trigger, urgent, expected) in [
        ("hr:departure", false, "guard"),
        ("schedule:nightly", false, "guard"),
        ("cli", false, "proceed"),
        ("undo", false, "proceed"),
        ("hr:departure", true, "proceed"),
    ] {
        let mut story = one(step("s", "account.disable"));
        story.trips = vec![cuts.clone()];
        story.book.run.trigger = trigger.into();
        std::sync::Arc::make_mut(&mut story.book.run.workflow).urgent = urgent;
        assert_eq!(judged(&story, "s@ldap"), expected, "{trigger}, urgent: {urgent}");
    }
    let mut other = one(step("s", "directory.hide"));
    other.book.run.trigger = "hr:departure".into();
    other.trips = vec![cuts];
    assert_eq!(judged(&other, "s@ldap"), "proceed");
}

#[test]
fn a_restored_database_stops_everything_but_what_is_urgent() {
    use crate::run::trip::{Stops, Trip, TripKind};
    let words = "the database is an older copy".into();
    let restore = Trip { id: 4, kind: TripKind::Restore, system: None, stops: Stops::Everything, words };
    for action in ["account.disable", "account.enable", "directory.hide"] {
        for (urgent, expected) in [(false, true), (true, false)] {
            let mut story = one(step("s", action));
            story.trips = vec![restore.clone()];
            std::sync::Arc::make_mut(&mut story.book.run.workflow).urgent = urgent;
            let label = story.book.steps[0].label();
            assert_eq!(judged(&story, &label) == "guard", expected, "{action}, urgent: {urgent}");
        }
    }
}

#[test]
fn a_paused_run_starts_nothing() {
    let mut story = one(step("s", "account.disable"));
    story.book.run.state = RunState::Paused;
    assert_eq!(judged(&story, "s@ldap"), "paused");
}

#[test]
fn a_condition_is_decided_now() {
    let mut story = one(step("s", "directory.hide").when("person.status == 'left'"));
    assert_eq!(judged(&story, "s@ldap"), "proceed");
    story.person.as_mut().unwrap().status = PersonStatus::Active;
    assert_eq!(judged(&story, "s@ldap"), "skip");
    assert_eq!(judged(&one(step("s", "directory.hide").when("nobody.knows")), "s@ldap"), "missing");
}

#[test]
fn endings_and_ambiguous_attempts_ask_no_condition() {
    let reply = step("s", "mail.auto_reply").until(from("start").plus("60 days")).when("person.status == 'left'");
    let mut story = of(vec![reply.on(&["mailhost"])]);
    story.claim("s@mailhost");
    story.end("s@mailhost", Outcome::Unknown("cut".into()));
    story.person.as_mut().unwrap().status = PersonStatus::Active;
    assert_eq!(judged(&story, "s@mailhost"), "proceed");
    story.done("s@mailhost").when_due("s.end@mailhost");
    assert_eq!(judged(&story, "s.end@mailhost"), "proceed");
}

#[test]
fn what_takes_something_back_asks_no_condition() {
    let mut story = one(step("s", "directory.hide").when("person.status == 'left'"));
    story.person.as_mut().unwrap().status = PersonStatus::Active;
    story.book.steps[0] = Step { name: "s.undo".into(), undoes: Some(0), ..story.book.steps[0].clone() };
    story.book.steps[0].action = ActionKind::DirectoryShow;
    assert_eq!(judged(&story, "s.undo@ldap"), "proceed");
}

#[test]
fn nobody_gets_a_second_account_and_one_that_may_have_been_made_is_looked_for() {
    let mut case = Case::of(workflow("w", vec![], vec![step("s", "account.create").on(&["ldap"])]));
    case.systems[0].account.as_mut().unwrap().status = AccountStatus::Disabled;
    let mut story = Story::of(&case);
    assert_eq!(judged(&story, "s@ldap"), "proceed");
    story.accounts.get_mut(&11).unwrap().status = AccountStatus::Enabled;
    assert_eq!(judged(&story, "s@ldap"), "skip");
    story.claim("s@ldap");
    story.end("s@ldap", Outcome::Unknown("cut".into()));
    assert_eq!(judged(&story, "s@ldap"), "proceed", "it may be the one that this step has made");
    story.cut_needed = Some("run_3".into());
    assert_eq!(judged(&story, "s@ldap"), "cut_needed");
}

#[test]
fn what_this_binary_or_configuration_lacks_is_named() {
    let mut story = one(step("s", "account.disable"));
    story.system_known = false;
    let words = "the configuration has no system called ldap".to_owned();
    assert_eq!(story.verdict("s@ldap"), Verdict::Hold(HoldReason::Missing(words)));
    let mut story = one(step("s", "account.disable"));
    story.book.steps[0].name = "other".into();
    assert_eq!(judged(&story, "other@ldap"), "missing");
}

#[test]
fn access_is_not_given_back_while_another_run_keeps_it_closed() {
    for (action, expected) in
        [("account.enable", "cut_needed"), ("account.disable", "proceed"), ("directory.show", "proceed")]
    {
        let mut story = one(step("s", action));
        story.cut_needed = Some("run_3".into());
        assert_eq!(judged(&story, "s@ldap"), expected);
    }
}

#[test]
fn what_takes_a_deletion_back_opens_nothing() {
    let mut story = one(step("s", "account.restore"));
    story.cut_needed = Some("run_3".into());
    assert_eq!(judged(&story, "s@ldap"), "cut_needed");
    story.book.steps[0].undoes = Some(0);
    assert_eq!(judged(&story, "s@ldap"), "proceed");
}

#[test]
fn a_late_step_is_held_until_a_person_lets_it_go() {
    for action in ["account.disable", "directory.hide", "account.delete"] {
        let mut story = one(step("s", action).at(from("start").minus("2 days")).late(Late::Hold));
        story.when_due("s@ldap").consider("s@ldap");
        assert_eq!(story.step("s@ldap").state, StepState::Held { reason: HoldReason::Late, observe: false });
        story.follow();
        assert_eq!(story.word("s@ldap"), "held");
        story.retry("s@ldap").unwrap();
        assert_eq!(judged(&story, "s@ldap"), "proceed", "{action}");
    }
    let in_time = one(step("s", "directory.hide").at(from("start").plus("2 days")).late(Late::Hold));
    assert_eq!(judged(&in_time, "s@ldap"), "proceed");
}

#[test]
fn a_late_step_that_is_not_needed_is_no_question_for_a_person() {
    let late = step("s", "directory.hide").at(from("start").minus("2 days")).late(Late::Hold);
    assert_eq!(judged(&one(late.when("1 == 2")), "s@ldap"), "skip");
}

#[test]
fn people_are_asked_for_what_people_do() {
    for (action, expected) in [("task", "person?"), ("checklist", "person?"), ("approval", "approval?")] {
        assert_eq!(judged(&of(vec![step("s", action)]), "s"), expected);
    }
}

#[test]
fn a_legal_hold_stops_what_destroys_and_nothing_else() {
    let mut story = deletion();
    story.legal_hold = Some("hold_1".into());
    assert_eq!(judged(&story, "delete@ldap"), "legal_hold");
    for action in ["account.disable", "directory.hide", "account.enable"] {
        let mut story = one(step("s", action));
        story.legal_hold = Some("hold_1".into());
        assert_eq!(judged(&story, "s@ldap"), "proceed", "{action}");
    }
}

#[test]
fn a_protected_account_is_neither_deleted_nor_closed_by_itself() {
    let mut story = deletion();
    story.protected = Some("the last administrator".into());
    assert_eq!(judged(&story, "delete@ldap"), "protected");
    story.book.steps[2].decision.overridden = true;
    assert_eq!(judged(&story, "delete@ldap"), "protected", "nobody lets a deletion through");
    for (action, expected) in [("account.disable", "protected"), ("directory.hide", "proceed")] {
        let mut story = one(step("s", action));
        story.protected = Some("the last administrator".into());
        assert_eq!(judged(&story, "s@ldap"), expected, "{action}");
    }
}
