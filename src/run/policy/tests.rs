//! What a policy refuses, and what it lets pass.

use super::*;
use crate::run::guard::{Verdict, policy_problem};
use crate::run::sample::*;
use crate::run::{HoldReason, asking};
use crate::workflow::{Facet, InputType, Param, Template};

fn policy(redirect: RedirectRule, auto_reply_max: Option<&str>) -> Policy {
    let auto_reply_max = auto_reply_max.map(|text| Span::parse(text).unwrap());
    Policy { name: "policies.belgium".into(), redirect, auto_reply_max }
}

/// A cut on the last evening, an auto-reply behind it until `ends`, and a redirect where one is asked for.
fn leaving(ends: &str, policy: Policy) -> Case {
    let mut redirect = step("redirect", "mail.redirect").facet(Facet::Mail).when("inputs.redirect");
    redirect.until = Some(from("last_day").plus("90 days"));
    redirect.with.insert("to".into(), Param::Template(Template::parse("{{ inputs.redirect }}").unwrap()));
    redirect.with.insert("reason".into(), Param::Template(Template::parse("{{ inputs.reason }}").unwrap()));
    let mut reply = step("auto-reply", "mail.auto_reply").facet(Facet::Mail).after(&["disable"]);
    reply.until = Some(from("last_day").plus(ends));
    let steps = vec![step("disable", "account.disable").at(from("last_day").time(18, 0)), reply, redirect];
    let inputs = vec![
        input("last_day", InputType::Date).required(),
        input("redirect", InputType::Email),
        input("reason", InputType::Text),
    ];
    let mut case = Case::of(workflow("departure", inputs, steps)).given("last_day", "2027-01-29");
    case.policy = policy;
    case
}

#[test]
fn a_redirect_that_is_forbidden_is_not_planned_and_one_that_is_not_asked_for_stops_nobody() {
    let case = leaving("30 days", policy(RedirectRule::Forbidden, None));
    case.plan().unwrap();
    let error = case.given("redirect", "eve@example.test").given("reason", "handover").error();
    assert_eq!(
        error,
        "step `redirect`: [policies.belgium] forbids to redirect mail; take the step out, or leave it out with `when`"
    );
}

#[test]
fn a_redirect_that_needs_a_reason_has_one() {
    let case = leaving("30 days", policy(RedirectRule::WithReason, None)).given("redirect", "eve@example.test");
    assert!(case.error().contains("asks for a reason to redirect mail, and there is none"), "{}", case.error());
    assert!(case.clone().given("reason", "   ").error().contains("there is none"));
    case.given("reason", "handover").plan().unwrap();
    leaving("30 days", Policy::default()).given("redirect", "eve@example.test").plan().unwrap();
}

#[test]
fn an_auto_reply_ends_within_its_maximum_to_the_day() {
    let limited = |ends: &str, max: &str| leaving(ends, policy(RedirectRule::Allowed, Some(max)));
    limited("90 days", "90 days").plan().unwrap();
    limited("90 days", "3 months").plan().unwrap();
    assert!(limited("91 days", "3 months").error().contains("for 3 months"));
    assert_eq!(
        limited("91 days", "90 days").error(),
        "step `auto-reply`: [policies.belgium] allows an auto-reply for 90 days, and this one answers from 2027-01-29 \
         to 2027-04-30; end it within 90 days after it begins, with `until`"
    );
    let mut endless = limited("30 days", "90 days");
    endless.workflow.steps[1].until = None;
    assert!(endless.error().contains("this one never ends"), "{}", endless.error());
}

#[test]
fn the_policy_is_asked_again_when_the_time_of_a_redirect_has_come() {
    let case = leaving("30 days", Policy::default()).given("redirect", "eve@example.test");
    let mut story = Story::of(&case);
    story.done("disable@ldap").done("disable@mailhost").done("disable@cloud").done("auto-reply@mailhost");
    let step = story.step("redirect@mailhost");
    assert_eq!(story.verdict("redirect@mailhost"), Verdict::Proceed);
    let scope = asking::step_scope(&story.book, story.person.as_ref(), None, None);
    let with = asking::parameters(&story.book, step, &scope).unwrap();
    let problem = |policy: Option<&Policy>| policy_problem(&story.book, step, policy, &with).map(|why| why.code());
    assert_eq!(problem(Some(&Policy::default())), None);
    assert_eq!(problem(Some(&policy(RedirectRule::WithReason, None))), Some("guard"));
    assert_eq!(problem(Some(&policy(RedirectRule::Forbidden, None))), Some("guard"));
    assert_eq!(problem(None), Some("missing"), "a policy that is gone allows nothing");
    let reply = story.step("auto-reply@mailhost");
    assert_eq!(policy_problem(&story.book, reply, None, &with), None::<HoldReason>);
}
