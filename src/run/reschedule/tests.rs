//! A departure that moves: what follows, what stays, what is refused.

use super::*;
use crate::run::sample::*;
use crate::run::settle::Outcome;
use crate::run::{Evidence, EvidenceKind, Fold, RunState};
use crate::workflow::{InputType, Late, Workflow};

fn leaves(workflow: Workflow, day: &str) -> Story {
    Story::of(&Case::of(workflow).given("last_day", day))
}

/// Ada leaves on 29 January; it is the 4th.
fn departs() -> Story {
    leaves(departure(), "2027-01-29")
}

fn at(story: &Story, label: &str) -> String {
    story.step(label).at.as_ref().map(|at| at.at.to_string()).unwrap_or_default()
}

#[test]
fn what_has_not_started_moves_with_its_ends_and_purges_and_nothing_else_does() {
    let mut story = departs();
    let moved = story.reschedule(&[("last_day", "2027-02-28")]).unwrap();
    assert_eq!(moved.inputs, ["last_day"]);
    let shift = |label: &str| moved.shifts.iter().find(|shift| shift.step == label).map(|shift| (shift.from, shift.to));
    let from_to = |from, to| Some((Some(instant(from)), Some(instant(to))));
    assert_eq!(shift("disable@ldap"), from_to("2027-01-29T17:00:00Z", "2027-02-28T17:00:00Z"));
    // Summer time lies between: the local time stays.
    assert_eq!(shift("auto-reply.end@mailhost"), from_to("2027-03-30T07:00:00Z", "2027-04-29T07:00:00Z"));
    assert_eq!(shift("delete@ldap"), from_to("2027-07-28T07:00:00Z", "2027-08-27T07:00:00Z"));
    // A cut behind it waits ten minutes at most, from then on.
    assert_eq!(shift("rotate-password@ldap"), from_to("2027-01-29T17:10:00Z", "2027-02-28T17:10:00Z"));
    assert_eq!(shift("checklist"), from_to("2027-06-28T07:00:00Z", "2027-07-28T07:00:00Z"));
    assert_eq!(story.due("disable@ldap"), instant("2027-02-28T17:00:00Z"));
    assert_eq!(story.step("disable@ldap").first_due, Some(instant("2027-02-28T17:00:00Z")));
    assert_eq!(story.word("delete@ldap"), "blocked");

    let again = story.reschedule(&[("last_day", "2027-02-28")]).unwrap();
    assert!(again.is_nothing());
    let said = story.book.said.len();
    story.reschedule(&[("last_day", "2027-02-28")]).unwrap();
    assert_eq!(story.book.said.len(), said, "nothing new is said");
}

#[test]
fn inputs_are_checked_as_at_the_start_and_those_not_named_stay() {
    let mut story = departs();
    for (given, words) in [
        (("last_day", "2027-02-30"), "input `last_day`"),
        (("lastday", "2027-02-28"), "has no input `lastday`; did you mean `last_day`?"),
        (("retention", "3 days"), "input `retention`"),
        (("redirect", "desk@example.test"), "input `redirect_reason` is required because `inputs.redirect` holds"),
    ] {
        let refused = story.reschedule(&[given]).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    story.reschedule(&[("redirect", "desk@example.test"), ("redirect_reason", "orders")]).unwrap();
    assert_eq!(story.book.run.inputs["redirect"], "desk@example.test");
    assert_eq!(story.book.run.inputs["contact"], "charles@example.test");
    assert_eq!(story.book.run.inputs["last_day"], "2027-01-29");
}

#[test]
fn a_cut_that_is_done_or_may_be_is_not_moved_ahead() {
    for state in ["done", "leased", "unknown"] {
        let mut story = departs();
        story.when_due("disable@ldap").follow();
        story.claim("disable@ldap");
        match state {
            "done" => drop(story.end("disable@ldap", Outcome::Done(Story::seen()))),
            "unknown" => drop(story.end("disable@ldap", Outcome::Unknown("cut".into()))),
            _ => {}
        }
        let refused = story.reschedule(&[("last_day", "2027-02-28")]).unwrap_err();
        let NotRescheduled::CutDone { steps, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*steps, ["disable@ldap"], "{state}");
        assert_eq!(story.book.run.inputs["last_day"], "2027-01-29");
        // Back in time it may be, and what is done stays.
        story.reschedule(&[("last_day", "2027-01-28")]).unwrap();
        assert_eq!(story.word("disable@ldap"), state);
        assert_eq!(at(&story, "disable@ldap"), "2027-01-29T17:00:00Z");
        assert_eq!(at(&story, "delete@ldap"), "2027-07-27T07:00:00Z");
    }
}

#[test]
fn a_cut_that_certainly_had_no_effect_waits_for_the_new_day() {
    let mut story = departs();
    story.when_due("disable@ldap").follow();
    story.claim("disable@ldap");
    story.end("disable@ldap", Outcome::Retry { reason: "busy".into(), after: None });
    story.reschedule(&[("last_day", "2027-02-28")]).unwrap();
    assert_eq!(story.due("disable@ldap"), instant("2027-02-28T17:00:00Z"));
    // Trying it again makes nothing early.
    story.retry("disable@ldap").unwrap();
    assert_eq!(story.due("disable@ldap"), instant("2027-02-28T17:00:00Z"));
    // A cut behind it was to wait ten minutes at most: it is not early either.
    story.follow();
    assert!(story.step("rotate-password@ldap").state.due().is_none_or(|due| due > instant("2027-02-28T17:00:00Z")));
}

#[test]
fn what_destroys_comes_a_week_from_now_at_the_earliest() {
    let mut story = departs();
    story.at("2027-06-20T10:00:00Z");
    story.reschedule(&[("retention", "120 days")]).unwrap();
    assert_eq!(at(&story, "delete@ldap"), "2027-06-27T10:00:00Z", "29 May has passed");
    // What the new inputs do not move is not late because of them.
    story.at("2027-06-25T10:00:00Z");
    story.reschedule(&[("contact", "desk@example.test")]).unwrap();
    assert_eq!(at(&story, "delete@ldap"), "2027-06-27T10:00:00Z");
}

#[test]
fn a_shorter_grace_purges_nothing_within_a_week() {
    let mut delete = step("delete", "account.delete").on(&["ldap"]).at(from("last_day").plus("10 days"));
    delete.grace = Some(amount("inputs.kept"));
    let inputs =
        vec![input("last_day", InputType::Date).required(), input("kept", InputType::Duration).default("90 days")];
    let mut story = leaves(workflow("short", inputs, vec![delete]), "2027-01-29");
    story.when_due("delete@ldap").done("delete@ldap");
    story.at("2027-03-01T10:00:00Z");
    story.reschedule(&[("kept", "5 days")]).unwrap();
    assert_eq!(story.due("delete.purge@ldap"), instant("2027-03-08T10:00:00Z"));
    story.reschedule(&[("kept", "120 days")]).unwrap();
    assert_eq!(story.due("delete.purge@ldap"), instant("2027-06-08T07:00:00Z"), "from the deletion on");
}

#[test]
fn an_approval_for_the_old_plan_is_asked_for_again_at_its_new_time() {
    let steps = vec![
        step("approve", "approval").at(from("last_day").plus("10 days")),
        step("delete", "account.delete").on(&["ldap"]).after(&["approve"]).at(from("last_day").plus("30 days")),
    ];
    let inputs = vec![input("last_day", InputType::Date).required()];
    let mut story = leaves(workflow("gated", inputs, steps), "2027-01-29");
    story.when_due("approve").consider("approve");
    story.approve("approve").unwrap();
    assert_eq!(story.word("delete@ldap"), "waiting");
    story.reschedule(&[("last_day", "2027-03-29")]).unwrap();
    assert_eq!((story.word("approve"), story.word("delete@ldap")), ("waiting", "blocked"));
    assert_eq!(story.due("approve"), instant("2027-04-08T07:00:00Z"));
    assert_eq!(story.step("approve").decision.approval, None);
    story.when_due("approve").consider("approve");
    story.approve("approve").unwrap();
    assert_eq!(story.due("delete@ldap"), instant("2027-04-28T07:00:00Z"));
    // One that is asked for and not given is asked for when its new time comes.
    story.reschedule(&[("last_day", "2027-04-29")]).unwrap();
    story.when_due("approve").consider("approve");
    story.reschedule(&[("last_day", "2027-05-29")]).unwrap();
    assert_eq!(story.word("approve"), "waiting");
}

#[test]
fn a_repeated_hour_and_a_skipped_one_keep_their_rules() {
    let steps = vec![
        step("disable", "account.disable").on(&["ldap"]).at(from("last_day").time(2, 30)),
        step("delete", "account.delete").on(&["ldap"]).after(&[]).at(from("last_day").time(2, 30)),
    ];
    let inputs = vec![input("last_day", InputType::Date).required()];
    let mut story = leaves(workflow("night", inputs, steps), "2027-01-29");
    story.reschedule(&[("last_day", "2027-10-31")]).unwrap();
    assert_eq!(at(&story, "disable@ldap"), "2027-10-31T00:30:00Z", "the first of the two");
    assert_eq!(at(&story, "delete@ldap"), "2027-10-31T01:30:00Z", "the second of the two");
    story.reschedule(&[("last_day", "2027-03-28")]).unwrap();
    let disable = story.step("disable@ldap").at.clone().unwrap();
    assert_eq!((disable.at, disable.fold), (instant("2027-03-28T01:00:00Z"), Fold::Gap));
}

#[test]
fn what_was_left_out_as_late_comes_back_when_it_is_not_late_any_more() {
    let steps = vec![
        step("hide", "directory.hide").on(&["ldap"]).at(from("last_day")).late(Late::Skip),
        step("reply", "mail.auto_reply").on(&["mailhost"]).after(&[]).until(from("last_day").plus("10 days")),
        step("ask", "task").after(&[]).at(from("last_day")).late(Late::Hold),
    ];
    let inputs = vec![input("last_day", InputType::Date).required()];
    let mut story = leaves(workflow("late", inputs, steps), "2026-12-01");
    assert_eq!(story.run(), RunState::Open);
    assert_eq!(
        (story.word("hide@ldap"), story.word("reply@mailhost"), story.word("reply.end@mailhost")),
        ("skipped", "skipped", "skipped")
    );
    story.consider("ask");
    assert_eq!(story.word("ask"), "held");
    let moved = story.reschedule(&[("last_day", "2027-01-29")]).unwrap();
    assert!(moved.shifts.iter().any(|shift| shift.step == "hide@ldap" && shift.from.is_none()));
    assert_eq!(
        (story.word("hide@ldap"), story.word("reply@mailhost"), story.word("reply.end@mailhost")),
        ("waiting", "waiting", "blocked")
    );
    assert_eq!(story.word("ask"), "waiting");
    story.when_due("ask").consider("ask");
    assert_eq!(story.word("ask"), "awaiting_person", "it is not late any more");
    // And the other way round: an effect that would be over is left out with its end.
    let left_out = story.reschedule(&[("last_day", "2026-12-01")]).unwrap();
    assert!(left_out.shifts.iter().any(|shift| shift.step == "reply@mailhost" && shift.to.is_none()));
    assert_eq!(story.word("reply.end@mailhost"), "skipped");
}

#[test]
fn what_a_person_has_been_asked_stays_asked_unless_its_time_is_to_come_again() {
    let steps = vec![step("laptop", "task").at(from("last_day"))];
    let inputs = vec![input("last_day", InputType::Date).required()];
    let mut story = leaves(workflow("task", inputs, steps), "2027-01-29");
    story.when_due("laptop").consider("laptop");
    story.reschedule(&[("last_day", "2027-01-28")]).unwrap();
    assert_eq!(story.word("laptop"), "awaiting_person");
    story.reschedule(&[("last_day", "2027-02-28")]).unwrap();
    assert_eq!(story.word("laptop"), "waiting");
}

#[test]
fn what_hr_has_stopped_takes_its_new_time_and_stays_stopped() {
    let mut story = departs();
    story.all(|book, now| crate::run::orders::hold_for_hr(book, "stays", &person(), now)).unwrap();
    assert_eq!(story.word("delete@ldap"), "held");
    story.reschedule(&[("last_day", "2027-02-28")]).unwrap();
    assert_eq!((story.word("delete@ldap"), at(&story, "delete@ldap").as_str()), ("held", "2027-08-27T07:00:00Z"));
    // Letting it go makes nothing early: it waits for what it comes after, as planned.
    story.retry("delete@ldap").unwrap();
    assert_eq!(story.word("delete@ldap"), "blocked");
    story.all(|book, now| crate::run::orders::let_go_for_hr(book, &person(), now)).unwrap();
    assert_eq!(story.run(), RunState::Open);
}

#[test]
fn what_a_person_moves_must_be_allowed_and_hrs_word_is_followed() {
    let reply = step("reply", "mail.auto_reply").on(&["mailhost"]).until(from("last_day"));
    let mut last_day = input("last_day", InputType::Date).required();
    last_day.from = Some("event.effective".into());
    let mut story = leaves(workflow("reply", vec![last_day], vec![reply]), "2027-01-29");
    let month = Policy { auto_reply_max: Some(crate::workflow::Span::parse("30 days").unwrap()), ..Policy::default() };
    let (rules, subject) = (Rules { policy: month, ..Rules::default() }, ada());
    let mut move_to = |text: &str, told: Option<&EventFacts>| {
        let given = [("last_day".to_owned(), Value::from(text))].into();
        let given = if told.is_some() { BTreeMap::new() } else { given };
        let new = NewInputs { given: &given, event: told, subject: &subject, rules: &rules, reason: None };
        let moved = reschedule(&mut story.book, &new, &person(), story.now);
        story.check();
        (moved.map_err(|why| why.to_string()), at(&story, "reply.end@mailhost"))
    };
    let (refused, ends) = move_to("2027-02-28", None);
    assert!(refused.as_ref().is_err_and(|why| why.contains("allows an auto-reply for 30 days")), "{refused:?}");
    assert!(ends.starts_with("2027-01-29"), "{ends}");
    let (moved, ends) = move_to("2027-02-03", None);
    assert!(moved.is_ok() && ends.starts_with("2027-02-03"), "{moved:?}: {ends}");
    let (moved, ends) = move_to("", Some(&EventFacts::on(day(2027, 2, 28))));
    assert!(moved.is_ok() && ends.starts_with("2027-02-28"), "{moved:?}: {ends}");
}

#[test]
fn a_run_that_is_over_is_not_rescheduled() {
    let mut story = departs();
    story.all(|book, now| crate::run::orders::cancel(book, "no", &person(), now)).unwrap();
    let refused = story.reschedule(&[("last_day", "2027-02-28")]).unwrap_err();
    assert!(refused.to_string().contains("run_7 is over"), "{refused}");
}

#[test]
fn evidence_of_people_stays_with_what_they_did() {
    let mut story = departs();
    let said = Evidence { kind: EvidenceKind::Person, detail: "collected".into() };
    story.when_due("disable@ldap").follow();
    story.claim("disable@ldap");
    story.end("disable@ldap", Outcome::Manual("collect the badge".into()));
    story.event("disable@ldap", crate::run::StepEvent::PersonDone { at: story.now, evidence: said.clone() });
    story.reschedule(&[("last_day", "2027-01-20")]).unwrap();
    assert!(matches!(&story.step("disable@ldap").state, StepState::Done { evidence, .. } if *evidence == said));
}
