//! What people may order, and what they may not.

use super::*;
use crate::run::sample::*;
use crate::run::settle::Outcome;
use crate::workflow::StepDef;

fn of(steps: Vec<StepDef>) -> Story {
    Story::of(&Case::of(workflow("w", vec![], steps)))
}

fn hide(systems: &[&str]) -> Story {
    of(vec![step("hide", "directory.hide").on(systems)])
}

fn cancel_it(story: &mut Story) -> Result<Cancelled, Refusal> {
    story.all(|book, now| cancel(book, "she stays", &person(), now))
}

fn words<T: std::fmt::Debug>(refused: Result<T, Refusal>) -> String {
    refused.unwrap_err().to_string()
}

#[test]
fn cancel_names_what_is_in_flight_and_what_stays() {
    let mut story = of(vec![
        step("hide", "directory.hide").on(&["ldap"]),
        step("reply", "mail.auto_reply").on(&["mailhost"]).after(&[]).until(from("start").plus("9 days")),
        step("archive", "mail.archive").on(&["mailhost"]).after(&[]),
        step("rotate", "password.rotate").on(&["ldap"]).after(&[]),
        step("release", "licence.release").on(&["cloud"]).after(&[]),
        step("tell", "notify.email").after(&["release"]),
    ]);
    story.done("hide@ldap").done("reply@mailhost").done("archive@mailhost").claim("rotate@ldap");
    story.claim("release@cloud");
    story.end("release@cloud", Outcome::Unknown("cut".into()));
    let left = cancel_it(&mut story).unwrap();
    assert_eq!(left.in_flight, ["rotate@ldap", "release@cloud"]);
    assert_eq!(left.stays, ["hide@ldap", "reply@mailhost"]);
    assert_eq!((story.word("reply.end@mailhost"), story.word("tell")), ("cancelled", "cancelled"));
    assert_eq!((story.word("release@cloud"), story.word("rotate@ldap")), ("cancelled", "leased"));
    assert!(story.book.steps.iter().all(|step| step.state.due().is_none()), "nothing can start");
    story.end("rotate@ldap", Outcome::Done(Story::seen()));
    assert_eq!(story.run(), RunState::Cancelled);
    assert_eq!(words(cancel_it(&mut story)), "run_7 is over: cancelled");
}

#[test]
fn an_attempt_under_way_when_its_run_is_cancelled_has_no_successor() {
    let retry = || Outcome::Retry { reason: "busy".into(), after: None };
    for outcome in [retry(), Outcome::Unknown("cut".into()), Outcome::Manual("by hand".into()), Outcome::Returned] {
        let mut story = hide(&["ldap"]);
        story.claim("hide@ldap");
        cancel_it(&mut story).unwrap();
        story.end("hide@ldap", outcome);
        assert_eq!((story.word("hide@ldap"), story.run()), ("cancelled", RunState::Cancelled));
    }
}

#[test]
fn an_effect_that_has_ended_does_not_stay() {
    let reply = step("reply", "mail.auto_reply").on(&["mailhost"]).until(from("start").plus("9 days"));
    let mut story = of(vec![reply, step("tell", "notify.email").after(&["reply"])]);
    story.done("reply@mailhost").when_due("reply.end@mailhost").done("reply.end@mailhost");
    assert_eq!(cancel_it(&mut story).unwrap().stays, Vec::<String>::new());
}

#[test]
fn a_finished_run_takes_no_orders() {
    let mut story = hide(&["ldap"]);
    story.done("hide@ldap");
    let over = "run_7 is over: completed";
    assert_eq!(words(cancel_it(&mut story)), over);
    assert_eq!(words(story.all(|book, now| pause(book, "", &person(), now))), over);
    assert_eq!(words(story.retry("hide@ldap")), over);
    assert_eq!(words(story.skip("hide@ldap")), over);
    assert_eq!(words(story.approve("hide@ldap")), over);
    assert_eq!(words(story.deny("hide@ldap")), over);
    assert_eq!(words(tick(&mut story, "hide@ldap", &[])), over);
}

#[test]
fn a_pause_stops_what_comes_and_names_what_is_under_way() {
    let mut story = hide(&["ldap", "cloud"]);
    story.claim("hide@ldap");
    assert_eq!(story.all(|book, now| pause(book, "wait", &person(), now)).unwrap(), ["hide@ldap"]);
    assert_eq!(words(story.all(|book, now| pause(book, "wait", &person(), now))), "run_7 is paused already");
    story.consider("hide@cloud");
    assert_eq!((story.word("hide@cloud"), story.run()), ("held", RunState::Paused));
    assert_eq!(words(story.retry("hide@cloud")), "run_7 is paused; resume it");
    assert_eq!(story.pass(60).all(|book, now| resume(book, "go on", &person(), now)).unwrap(), 1);
    assert_eq!((story.due("hide@cloud"), story.run()), (story.now, RunState::Open));
    assert_eq!(words(story.all(|book, now| resume(book, "", &person(), now))), "run_7 is open, not paused");
}

#[test]
fn a_failed_step_and_one_that_backs_off_are_tried_again_now() {
    let mut story = hide(&["ldap"]);
    story.claim("hide@ldap");
    story.end("hide@ldap", Outcome::Retry { reason: "busy".into(), after: None });
    assert!(story.due("hide@ldap") > story.now);
    story.retry("hide@ldap").unwrap();
    assert_eq!(story.due("hide@ldap"), story.now);
    story.claim("hide@ldap");
    story.end("hide@ldap", Outcome::Failed("no right".into())).pass(60).retry("hide@ldap").unwrap();
    assert_eq!(story.due("hide@ldap"), story.now);
    let reasons =
        story.book.said.iter().filter(|said| matches!(&said.fact, Fact::Ordered { order, .. } if order == "retry"));
    assert_eq!(reasons.count(), 2);
}

#[test]
fn trying_again_makes_nothing_early() {
    let mut story = of(vec![step("delete", "account.delete").on(&["ldap"])]);
    let proper = story.due("delete@ldap");
    assert!(words(story.retry("delete@ldap")).starts_with("it has not been tried yet"));
    // A rehire holds what is still to come; the person leaves after all.
    let reason = HoldReason::PersonNotDeparted("1001 is active now".into());
    story.event("delete@ldap", StepEvent::Held { reason }).retry("delete@ldap").unwrap();
    assert_eq!(story.due("delete@ldap"), proper);
}

#[test]
fn a_step_that_goes_on_by_itself_says_what_it_waits_for() {
    let mut story = of(vec![
        step("disable", "account.disable").on(&["cloud"]),
        step("approve", "approval").after(&[]),
        step("delete", "account.delete").on(&["ldap"]).after(&["approve"]),
    ]);
    story.consider("approve").approve("approve").unwrap();
    story.when_due("delete@ldap").consider("delete@ldap");
    assert_eq!(
        words(story.retry("delete@ldap")),
        "disable@cloud is not done; delete@ldap goes on by itself when it is"
    );
    story.done("disable@cloud").event("approve", StepEvent::ApprovalAsked).consider("delete@ldap");
    let refused = words(story.retry("delete@ldap"));
    assert_eq!(refused, "approve is awaiting_approval; delete@ldap goes on by itself when it is approved");
    story.approve("approve").unwrap();
    assert_eq!(story.due("delete@ldap"), story.now);
}

#[test]
fn only_what_is_stopped_can_be_tried_again() {
    let mut story = of(vec![step("hide", "directory.hide").on(&["ldap"]), step("task", "task").after(&["hide"])]);
    assert_eq!(words(story.retry("task")), "a step that is blocked cannot take `released`");
    story.claim("hide@ldap");
    assert_eq!(words(story.retry("hide@ldap")), "a step that is leased cannot take `released`");
    story.end("hide@ldap", Outcome::Done(Story::seen()));
    assert_eq!(words(story.retry("hide@ldap")), "a step that is done cannot take `released`");
}

#[test]
fn a_step_is_left_out_unless_an_attempt_is_under_way() {
    let mut story = hide(&["ldap", "cloud"]);
    story.claim("hide@ldap");
    assert!(words(story.skip("hide@ldap")).starts_with("an attempt of it is in flight"));
    story.skip("hide@cloud").unwrap();
    let left_out = matches!(&story.step("hide@cloud").state, StepState::Skipped { reason: SkipReason::ByPerson(why), .. } if why == "not here");
    assert!(left_out);
    assert!(story.skip("hide@cloud").is_err());
}

#[test]
fn an_approval_is_not_left_out_while_something_needs_it() {
    let mut story =
        of(vec![step("approve", "approval"), step("delete", "account.delete").on(&["ldap"]).after(&["approve"])]);
    assert!(words(story.skip("approve")).starts_with("delete@ldap needs this approval"));
    story.skip("delete@ldap").unwrap();
    story.skip("approve").unwrap();
    assert_eq!(story.run(), RunState::ClosedWithExceptions);
    let mut harmless = of(vec![step("approve", "approval"), step("tell", "notify.email").after(&["approve"])]);
    harmless.skip("approve").unwrap();
}

fn tick(story: &mut Story, label: &str, points: &[usize]) -> Result<Progress, Refusal> {
    let items = ["mail".to_owned(), "files".to_owned(), "calendars".to_owned()];
    let ticked = points.iter().copied().collect();
    story.order(label, |book, ordinal, now| task_done(book, ordinal, &items, &ticked, Some("seen"), &person(), now))
}

#[test]
fn a_checklist_is_ticked_point_by_point() {
    let mut story = of(vec![step("check", "checklist")]);
    assert_eq!(words(tick(&mut story, "check", &[1])), "check is waiting: it does not wait for a person");
    story.consider("check");
    assert_eq!(words(tick(&mut story, "check", &[4])), "there is no point 4; the list has 3");
    assert_eq!(words(tick(&mut story, "check", &[0])), "there is no point 0; the list has 3");
    assert_eq!(tick(&mut story, "check", &[1, 2]), Ok(Progress::Open(1)));
    assert_eq!(tick(&mut story, "check", &[2]), Ok(Progress::Open(1)));
    let ticks = |story: &Story| story.book.said.iter().filter(|s| matches!(s.fact, Fact::Ticked { .. })).count();
    assert_eq!((ticks(&story), story.run()), (2, RunState::Open));
    assert_eq!(tick(&mut story, "check", &[3]), Ok(Progress::Done));
    assert_eq!((ticks(&story), story.run()), (3, RunState::Completed));
    let StepState::Done { evidence, .. } = &story.step("check").state else { panic!("not done") };
    assert_eq!((evidence.kind, evidence.detail.as_str()), (EvidenceKind::Person, "done, says os:grace: seen"));
}

#[test]
fn naming_no_point_means_all_of_them() {
    let mut story = of(vec![step("check", "checklist")]);
    story.consider("check");
    assert_eq!(tick(&mut story, "check", &[]), Ok(Progress::Done));
}

#[test]
fn a_task_has_no_points() {
    let mut story = of(vec![step("task", "task")]);
    story.consider("task");
    let none = BTreeSet::new();
    let done = story.order("task", |book, ordinal, now| task_done(book, ordinal, &[], &none, None, &person(), now));
    assert_eq!((done, story.run()), (Ok(Progress::Done), RunState::Completed));
}

#[test]
fn an_approval_takes_the_right_words_at_the_right_time() {
    let mut story = of(vec![step("approve", "approval"), step("task", "task").after(&[])]);
    let (by, users) = (person(), Users::default());
    let approver = Approver { by: &by, users: &users, subject: None, batch: None };
    let typed = |story: &mut Story, label: &str, words: &str| {
        story.order(label, |book, ordinal, now| {
            approve(book, ordinal, Some("Ada Lovelace"), words, &approver, now, &Holidays::default())
        })
    };
    let early = words(typed(&mut story, "approve", "Ada Lovelace"));
    assert_eq!(early, "approve is waiting: no approval is asked for now");
    story.consider("approve").consider("task");
    assert_eq!(words(typed(&mut story, "task", "Ada Lovelace")), "task is no approval; `usher task done` is for tasks");
    for wrong in ["", "Ada", "ada lovelace"] {
        let refused = words(typed(&mut story, "approve", wrong));
        assert_eq!(refused, "the confirmation does not match: type exactly `Ada Lovelace`");
        assert_eq!(story.word("approve"), "awaiting_approval");
    }
    assert_eq!(words(tick(&mut story, "approve", &[])), "approve is awaiting_approval: it does not wait for a person");
    typed(&mut story, "approve", " Ada Lovelace ").unwrap();
    assert_eq!(story.word("approve"), "done");
}

#[test]
fn an_approval_holds_for_as_long_as_the_file_says() {
    for (valid, until) in [(Some("14 days"), "2027-01-18T12:00:00Z"), (None, "2027-02-03T12:00:00Z")] {
        let mut asked = step("approve", "approval");
        if let Some(valid) = valid {
            let template = crate::workflow::Template::parse(valid).unwrap();
            asked.with.insert("valid".into(), crate::workflow::Param::Template(template));
        }
        let mut story = of(vec![asked]);
        story.consider("approve").approve("approve").unwrap();
        let approval = story.step("approve").decision.approval.clone().unwrap();
        assert_eq!((approval.valid_until, approval.by.as_str()), (instant(until), "os:grace"));
        assert_eq!(approval.plan_hash, guard::gate_hash(&story.book, 0));
    }
}

#[test]
fn a_refused_approval_stops_what_is_behind_it_and_may_be_asked_again() {
    let mut story =
        of(vec![step("approve", "approval"), step("delete", "account.delete").on(&["ldap"]).after(&["approve"])]);
    assert!(story.deny("approve").is_err(), "nobody has asked yet");
    story.consider("approve").deny("approve").unwrap();
    assert_eq!((story.word("approve"), story.word("delete@ldap")), ("failed", "blocked"));
    assert_eq!(story.run(), RunState::NeedsAttention);
    story.retry("approve").unwrap();
    story.consider("approve").approve("approve").unwrap();
    assert_eq!(story.word("delete@ldap"), "waiting");
}

#[test]
fn what_is_still_missing_holds_again_and_what_has_come_does_not() {
    let mut story = hide(&["ldap"]);
    story.system_known = false;
    story.consider("hide@ldap").retry("hide@ldap").unwrap();
    story.consider("hide@ldap");
    assert_eq!(story.word("hide@ldap"), "held");
    story.system_known = true;
    story.retry("hide@ldap").unwrap();
    story.consider("hide@ldap");
    assert_eq!(story.word("hide@ldap"), "leased");
}

#[test]
fn an_attempts_number_is_never_used_twice() {
    let mut story = hide(&["ldap"]);
    story.claim("hide@ldap");
    story.end("hide@ldap", Outcome::Returned);
    let now = story.now;
    let again = story.book.apply(0, StepEvent::Claimed { fence: 1 }, &person(), now);
    assert_eq!(again, Err(IllegalTransition { state: "waiting", event: "claimed" }));
    assert_eq!((story.word("hide@ldap"), story.step("hide@ldap").attempts), ("waiting", 1));
}

#[test]
fn a_person_lets_a_cut_through_and_no_deletion() {
    let mut story =
        of(vec![step("disable", "account.disable").on(&["ldap"]), step("delete", "account.delete").on(&["ldap"])]);
    story.protected = Some("the last administrator".into());
    story.consider("disable@ldap");
    assert_eq!(story.word("disable@ldap"), "held");
    let delete = story
        .order("delete@ldap", |book, ordinal, now| override_protection(book, Some(ordinal), "hurry", &person(), now));
    assert!(words(delete).contains("cuts no access"));
    let cut = story.all(|book, now| override_protection(book, None, "phished", &person(), now));
    assert_eq!((cut, story.word("disable@ldap")), (Ok(1), "waiting"));
    story.consider("disable@ldap");
    assert_eq!(story.word("disable@ldap"), "leased");
}

#[test]
fn an_approval_may_be_given_again_while_what_it_gates_has_not_started() {
    let mut story = of(vec![
        step("approve", "approval"),
        step("delete", "account.delete").on(&["ldap"]).after(&["approve"]),
        step("task", "task").after(&[]),
    ]);
    story.consider("approve").approve("approve").unwrap();
    let first = story.step("approve").decision.approval.clone().unwrap().valid_until;
    story.pass(86_400).approve("approve").unwrap();
    assert!(story.step("approve").decision.approval.clone().unwrap().valid_until > first);
    story.when_due("delete@ldap").done("delete@ldap");
    assert!(words(story.approve("approve")).contains("no approval is asked for now"));
}
