//! When steps are due, and what becomes of late ones.

use jiff::Timestamp;

use crate::run::planning::project;
use crate::run::sample::*;
use crate::run::{Holidays, Lateness, Plan, SkipReason};
use crate::workflow::{At, InputType, Late, StepDef};

fn plan_of(steps: Vec<StepDef>) -> Plan {
    let inputs = vec![input("day", InputType::Date), input("wait", InputType::Duration)];
    Case::of(workflow("w", inputs, steps)).given("day", "2027-01-08").given("wait", "2 business days").plan().unwrap()
}

fn at(at: At) -> Timestamp {
    find(&plan_of(vec![step("s", "mail.archive").at(at)]), "s", "mailhost").at.as_ref().unwrap().at
}

#[test]
fn instants_count_from_dates_the_start_and_the_person() {
    let expected = [
        (from("day"), "2027-01-08T08:00:00Z"),
        (from("day").time(18, 0), "2027-01-08T17:00:00Z"),
        (from("day").plus("1 month").minus("1 day"), "2027-02-07T08:00:00Z"),
        (from("day").plus("inputs.wait"), "2027-01-12T08:00:00Z"),
        (from("day").minus("2 hours").time(18, 0), "2027-01-08T15:00:00Z"),
        (from("start"), "2027-01-04T12:00:00Z"),
        (from("start").plus("2 hours"), "2027-01-04T14:00:00Z"),
        (from("start").plus("90 days"), "2027-04-04T11:00:00Z"),
        (from("start").plus("1 day").time(8, 0), "2027-01-05T07:00:00Z"),
        (from("person.start_date").plus("10 years"), "2030-01-06T08:00:00Z"),
    ];
    for (written, instant_text) in expected {
        let text = written.text.clone();
        assert_eq!(at(written), instant(instant_text), "{text}");
    }
}

#[test]
fn a_late_step_runs_now_or_is_left_out_or_held() {
    let late = |late| {
        let past = from("start").minus("1 day");
        find(&plan_of(vec![step("s", "mail.archive").at(past).late(late)]), "s", "mailhost").clone()
    };
    assert_eq!((late(Late::ByNature).late, late(Late::ByNature).skip), (Some(Lateness::Now), None));
    assert_eq!(late(Late::Now).late, Some(Lateness::Now));
    assert_eq!((late(Late::Skip).late, late(Late::Skip).skip), (Some(Lateness::Skipped), Some(SkipReason::Late)));
    assert_eq!((late(Late::Hold).late, late(Late::Hold).skip), (Some(Lateness::Held), None));
    let on_time = plan_of(vec![step("s", "mail.archive").at(from("start"))]);
    assert_eq!(find(&on_time, "s", "mailhost").late, None);
}

#[test]
fn destructive_steps_are_never_immediate() {
    let floor = instant("2027-01-11T12:00:00Z");
    let delete = |change: fn(StepDef) -> StepDef| {
        let steps = vec![step("disable", "account.disable"), change(step("s", "account.delete"))];
        let step = find(&plan_of(steps), "s", "ldap").clone();
        (step.at.map(|at| at.at), step.late)
    };
    assert_eq!(delete(|step| step), (Some(floor), None), "nothing written");
    assert_eq!(delete(|step| step.after(&["disable"])), (Some(floor), None), "only an order");
    assert_eq!(delete(|step| step.at(from("start"))), (Some(floor), Some(Lateness::Postponed)));
    assert_eq!(delete(|step| step.at(from("day"))), (Some(floor), Some(Lateness::Postponed)), "sooner than a week");
    let past = |step: StepDef| step.at(from("day").minus("1 month")).late(Late::Hold);
    assert_eq!(delete(past), (Some(floor), Some(Lateness::Held)));
    assert_eq!(delete(|step| step.at(from("day").plus("1 month"))), (Some(instant("2027-02-08T08:00:00Z")), None));
}

#[test]
fn an_effect_that_would_be_over_is_left_out_with_its_end() {
    let plan = plan_of(vec![
        step("away", "account.disable").at(from("start").minus("9 days")).until(from("start").minus("1 day")),
        step("tell", "notify.email").after(&["away"]),
    ]);
    for name in ["away", "away.end"] {
        assert_eq!(find(&plan, name, "ldap").skip, Some(SkipReason::Late), "{name}");
    }
    assert_eq!(find(&plan, "tell", "").skip, None);
}

#[test]
fn an_absent_date_is_no_mistake_where_the_condition_rules_the_step_out() {
    let inputs = vec![input("back", InputType::Date)];
    let steps =
        vec![step("s", "mail.auto_reply").at(from("back")).until(from("back").plus("1 day")).when("inputs.back")];
    let plan = Case::of(workflow("w", inputs, steps)).plan().unwrap();
    assert_eq!(find(&plan, "s", "mailhost").skip, Some(SkipReason::ConditionFalse("inputs.back".into())));
    assert!(matches!(find(&plan, "s.end", "mailhost").skip, Some(SkipReason::NotNeeded(_))));
}

#[test]
fn a_delay_counts_from_the_end_of_what_comes_before() {
    let plan = plan_of(vec![
        step("first", "account.disable").at(from("day").time(18, 0)),
        step("second", "mail.archive").after(&["first"]).delay("inputs.wait"),
    ]);
    let timeline = project(&plan, &Holidays::default()).unwrap();
    let due = timeline[usize::from(find(&plan, "second", "mailhost").ordinal)].due;
    assert_eq!(due, Some(instant("2027-01-12T17:00:00Z")), "Friday evening, then Tuesday evening");
    assert_eq!(find(&plan, "second", "mailhost").at, None);
}
