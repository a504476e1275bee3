//! What waits for what.

use crate::run::sample::*;
use crate::workflow::{Facet, StepDef};

fn plan_of(steps: Vec<StepDef>) -> crate::run::Plan {
    Case::of(workflow("w", vec![], steps)).plan().unwrap()
}

#[test]
fn a_step_waits_on_its_own_system_only() {
    let plan = plan_of(vec![step("disable", "account.disable"), step("rotate", "password.rotate").after(&["disable"])]);
    assert_eq!(needs(&plan, "rotate", "cloud"), ["disable@cloud"]);
}

#[test]
fn a_step_that_is_not_on_the_system_is_passed_by() {
    let plan = plan_of(vec![
        step("disable", "account.disable"),
        step("archive", "mail.archive").after(&["disable"]),
        step("hide", "directory.hide").after(&["archive"]),
    ]);
    assert_eq!(needs(&plan, "hide", "mailhost"), ["archive@mailhost"]);
    assert_eq!(needs(&plan, "hide", "ldap"), ["disable@ldap"], "a slow mailbox delays only itself");
}

#[test]
fn the_house_waits_for_all_systems_and_all_wait_for_the_house() {
    let plan = plan_of(vec![
        step("disable", "account.disable"),
        step("approve", "approval").after(&["disable"]),
        step("hide", "directory.hide").after(&["approve"]),
    ]);
    assert_eq!(needs(&plan, "approve", ""), ["disable@ldap", "disable@mailhost", "disable@cloud"]);
    assert_eq!(needs(&plan, "hide", "cloud"), ["approve@"]);
}

#[test]
fn who_follows_a_step_with_an_end_waits_for_its_beginning() {
    let plan = plan_of(vec![
        step("reply", "mail.auto_reply").until(from("start").plus("60 days")),
        step("archive", "mail.archive").after(&["reply"]),
    ]);
    assert_eq!(needs(&plan, "archive", "mailhost"), ["reply@mailhost"]);
    assert_eq!(needs(&plan, "reply.end", "mailhost"), ["reply@mailhost"]);
}

#[test]
fn whoever_waits_for_a_step_that_is_left_out_waits_for_what_it_would_have_waited_for() {
    let mut case = Case::of(workflow(
        "w",
        vec![],
        vec![
            step("disable", "account.disable"),
            step("files", "files.transfer").on(&["ldap", "cloud"]).after(&["disable"]),
            step("hide", "directory.hide").after(&["files"]),
        ],
    ));
    case.systems[2].capabilities.clear();
    let plan = case.plan().unwrap();
    assert_eq!(needs(&plan, "hide", "ldap"), ["disable@ldap", "files@ldap"], "no files there");
    assert_eq!(needs(&plan, "hide", "cloud"), ["disable@cloud", "files@cloud"], "not supported there");
}

#[test]
fn a_facet_nobody_offers_does_not_tie_systems_together() {
    let mut case = Case::of(workflow(
        "w",
        vec![],
        vec![
            step("disable", "account.disable"),
            step("rules", "mail.clear_rules").facet(Facet::Mail).after(&["disable"]),
            step("revoke", "sessions.revoke").after(&["rules"]),
            step("task", "task").after(&["rules"]),
        ],
    ));
    case.systems.remove(1);
    let plan = case.plan().unwrap();
    assert_eq!(needs(&plan, "revoke", "ldap"), ["disable@ldap"]);
    assert_eq!(needs(&plan, "task", ""), ["disable@ldap", "disable@cloud", "rules@"]);
}

#[test]
fn after_may_name_a_later_step() {
    let plan = plan_of(vec![
        step("last", "directory.hide").after(&["first"]),
        step("first", "account.disable"),
        step("other", "password.rotate"),
    ]);
    let names: Vec<&str> = plan.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["first", "first", "first", "last", "last", "last", "other", "other", "other"]);
}
