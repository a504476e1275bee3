//! Every refusal names the thing and the way out.

use crate::run::sample::*;
use crate::run::{PlanError, Subject};
use crate::workflow::{InputType, StepDef, Template};

fn refused(steps: Vec<StepDef>) -> String {
    let inputs = vec![input("day", InputType::Date), input("span", InputType::Duration)];
    Case::of(workflow("w", inputs, steps)).given("span", "0 days").error()
}

#[test]
fn unknown_systems_are_named_with_the_nearest() {
    let error = refused(vec![step("s", "account.disable").on(&["ldpa"])]);
    assert_eq!(error, "step `s` names system `ldpa`, which is not configured; did you mean `ldap`?");
    let error = refused(vec![step("s", "account.disable").on(&["warehouse"])]);
    assert!(error.ends_with("there are: cloud, ldap, mailhost"), "{error}");
}

#[test]
fn zones_are_named_with_where_they_come_from() {
    let mut case = Case::of(workflow("w", vec![], vec![]));
    case.zone = "Zurich".into();
    assert!(case.error().contains("`Zurich` is not a time zone") && case.error().contains("the configured `timezone`"));
    case.workflow.timezone = Some(Template::parse("Mars/Base").unwrap());
    assert!(case.error().contains("the `timezone` of workflow `w`"), "{}", case.error());
    case.workflow.timezone = Some(Template::parse("{{ person.planet }}").unwrap());
    assert!(matches!(case.plan(), Err(PlanError::ZoneExpression { .. })));
}

#[test]
fn missing_times_say_what_to_give() {
    let error = refused(vec![step("s", "mail.archive").at(from("day").plus("1 day"))]);
    let expected = "step `s`: `day + 1 day`: input `day` has no value; give it, or leave the step out then with `when: inputs.day`";
    assert_eq!(error, expected);
    let error = refused(vec![step("s", "mail.archive").at(from("person.last_day"))]);
    assert!(error.contains("`person.last_day` is not known; import it from HR"), "{error}");
}

#[test]
fn destructive_steps_do_not_follow_at_once() {
    let error = refused(vec![step("s", "account.delete").grace("inputs.span")]);
    assert!(error.contains("`grace` is zero, but `account.purge` loses data"), "{error}");
    let error = refused(vec![step("a", "task"), step("s", "account.purge").after(&["a"]).delay("0 hours")]);
    assert!(error.contains("`delay` is zero"), "{error}");
}

#[test]
fn ends_come_after_beginnings_and_only_where_something_ends() {
    let early = step("s", "mail.auto_reply").at(from("start").plus("9 days")).until(from("start").plus("1 day"));
    assert!(refused(vec![early]).contains("step `s` would end (2027-01-05T13:00:00) before it begins"));
    let error = refused(vec![step("s", "mail.archive").until(from("start").plus("1 day"))]);
    assert_eq!(error, "step `s`: `mail.archive` does not take `until`; remove it");
    assert!(refused(vec![step("s", "mail.archive").grace("1 day")]).contains("does not take `grace`"));
}

#[test]
fn a_workflow_is_for_its_subject_and_an_account_for_its_system() {
    let mut case = Case::of(workflow("w", vec![], vec![step("s", "account.disable")]));
    case.subject = Subject::Organisation;
    assert!(case.error().contains("for a subject of kind `person`, not `organisation`"));
    case.workflow.subject = crate::workflow::SubjectKind::Account;
    case.workflow.timezone = None;
    case.subject = Subject::Account(Box::new(account(1, "old-ldap")));
    assert!(case.error().contains("system `old-ldap`, which is not configured"), "{}", case.error());
}

#[test]
fn cycles_and_floods_are_refused() {
    let circle = vec![step("a", "task").after(&["b"]), step("b", "task").after(&["a"])];
    assert!(refused(circle).contains("step `a` waits for itself"));
    let flood = (0..334).map(|n| step(&format!("s{n}"), "account.disable")).collect();
    assert!(refused(flood).contains("more than 512 steps"));
    let full = (0..512).map(|n| step(&format!("s{n}"), "task")).collect();
    assert_eq!(Case::of(workflow("w", vec![], full)).plan().unwrap().steps.len(), 512);
}

#[test]
fn all_wrong_inputs_are_in_one_message() {
    let error = Case::of(departure()).given("lastday", "x").given("retention", "soon").error();
    assert!(error.contains("did you mean `last_day`?; input `last_day` is required"), "{error}");
}
