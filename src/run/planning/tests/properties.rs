//! What holds for every workflow.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::run::planning::project;
use crate::run::sample::*;
use crate::run::{Holidays, Plan};
use crate::workflow::{ActionKind, Facet, Place, StepDef};

const ACTIONS: [&str; 8] = [
    "account.disable",
    "mail.archive",
    "files.transfer",
    "task",
    "approval",
    "account.delete",
    "mail.auto_reply",
    "accounts.sync",
];

/// One step before it has a name: its action, which earlier steps it follows, where, and when.
type Draft = (usize, BTreeSet<usize>, BTreeSet<usize>, Option<i64>, bool);

fn draft() -> impl Strategy<Value = Draft> {
    let links = proptest::collection::btree_set(0..12_usize, 0..4);
    let systems = proptest::collection::btree_set(0..3_usize, 0..3);
    (0..ACTIONS.len(), links, systems, proptest::option::of(-30..400_i64), any::<bool>())
}

/// Steps in a random order of the file, without a cycle: a step follows steps that were drafted before it.
fn steps() -> impl Strategy<Value = Vec<StepDef>> {
    let drafts = proptest::collection::vec(draft(), 1..12);
    drafts
        .prop_map(|drafts| drafts.iter().enumerate().map(|(n, draft)| build(n, draft)).collect::<Vec<_>>())
        .prop_shuffle()
}

fn build(n: usize, (action, links, systems, days, extra): &Draft) -> StepDef {
    let mut built = step(&format!("s{n}"), ACTIONS[*action]);
    built.after = links.iter().filter(|link| **link < n).map(|link| format!("s{link}")).collect();
    if built.action.place() != Place::House && !systems.is_empty() {
        built = built.on(&systems.iter().map(|system| ["ldap", "mailhost", "cloud"][*system]).collect::<Vec<_>>());
    }
    match (days, extra) {
        (Some(days), _) if *days < 0 => built.at = Some(from("start").minus(&format!("{} hours", -days))),
        (Some(days), true) => built.at = Some(from("start").plus(&format!("{days} days")).time(2, 30)),
        (Some(days), false) => built.delay = Some(amount(&format!("{} business days", days / 10 + 1))),
        (None, _) => {}
    }
    if *extra && built.action == ActionKind::MailAutoReply {
        built.until = Some(from("start").plus("500 days"));
    }
    if *extra && built.action == ActionKind::AccountDelete {
        built.grace = Some(amount("30 days"));
    }
    built
}

fn case(steps: Vec<StepDef>, accounts: &[bool]) -> Case {
    let mut case = Case::of(workflow("random", vec![], steps)).starting("2027-03-20T01:30:00Z");
    for (system, has_account) in case.systems.iter_mut().zip(accounts) {
        if !has_account {
            system.account = None;
        }
    }
    case.systems.push(system(14, "suite", &Facet::ALL));
    case
}

fn label(plan: &Plan, ordinal: u16) -> (String, Option<String>) {
    let step = &plan.steps[usize::from(ordinal)];
    (step.name.clone(), step.system.clone())
}

/// The rule of the design, said once more and naively: the nearest steps before `def` on `system`.
fn nearest(plan: &Plan, defs: &[StepDef], def: &StepDef, system: &Option<String>, met: &mut BTreeSet<u16>) {
    for name in &def.after {
        let before = defs.iter().find(|def| def.id == *name).unwrap();
        let places: Vec<_> = plan.steps.iter().filter(|step| step.name == *name).collect();
        let house = before.action.place() == Place::House;
        let here: Vec<u16> = places
            .iter()
            .filter(|step| system.is_none() || house || step.system == *system)
            .map(|step| step.ordinal)
            .collect();
        if here.is_empty() {
            nearest(plan, defs, before, system, met);
        }
        met.extend(here);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_step_is_due_before_what_it_needs(steps in steps(), accounts in any::<[bool; 3]>()) {
        let plan = case(steps, &accounts).plan().unwrap();
        let timeline = project(&plan, &Holidays::default()).unwrap();
        for (step, projected) in plan.steps.iter().zip(&timeline) {
            prop_assert_eq!(step.ordinal, projected.ordinal);
            prop_assert_eq!(step.skip.is_some(), projected.due.is_none());
            let Some(due) = projected.due else { continue };
            prop_assert!(due >= plan.start);
            prop_assert!(step.at.as_ref().is_none_or(|at| due >= at.at));
            for need in &step.needs {
                prop_assert!(timeline[usize::from(*need)].due.is_none_or(|before| before <= due));
            }
        }
    }

    #[test]
    fn needs_point_backwards_and_ordinals_are_positions(steps in steps(), accounts in any::<[bool; 3]>()) {
        let plan = case(steps, &accounts).plan().unwrap();
        let mut labels = BTreeSet::new();
        for (position, step) in plan.steps.iter().enumerate() {
            prop_assert_eq!(usize::from(step.ordinal), position);
            prop_assert!(step.needs.iter().chain(&step.of).all(|need| *need < step.ordinal));
            prop_assert!(labels.insert(label(&plan, step.ordinal)), "run + name + system address a step");
        }
    }

    #[test]
    fn the_same_request_gives_the_same_plan(steps in steps(), accounts in any::<[bool; 3]>()) {
        let case = case(steps, &accounts);
        let (first, second) = (case.plan().unwrap(), case.clone().plan().unwrap());
        let json = serde_json::to_string(&first).unwrap();
        prop_assert_eq!(&json, &serde_json::to_string(&second).unwrap());
        prop_assert_eq!(first, serde_json::from_str::<Plan>(&json).unwrap(), "and it survives the store");
    }

    #[test]
    fn joins_go_to_the_nearest_step_before_on_that_system(steps in steps(), accounts in any::<[bool; 3]>()) {
        let plan = case(steps.clone(), &accounts).plan().unwrap();
        for planned in plan.steps.iter().filter(|step| step.of.is_none()) {
            let def = steps.iter().find(|def| def.id == planned.name).unwrap();
            let mut expected = BTreeSet::new();
            nearest(&plan, &steps, def, &planned.system, &mut expected);
            for ordinal in expected.clone() {
                let before = &plan.steps[usize::from(ordinal)];
                expected.extend(before.needs.iter().filter(|_| before.skip.is_some()));
            }
            prop_assert_eq!(planned.needs.iter().copied().collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn destructive_steps_wait_a_week(steps in steps()) {
        let plan = case(steps, &[true; 3]).plan().unwrap();
        let week = plan.start + jiff::SignedDuration::from_hours(7 * 24 - 1); // the clocks may go forward
        for (step, projected) in plan.steps.iter().zip(project(&plan, &Holidays::default()).unwrap()) {
            prop_assert!(!step.action.is_destructive() || projected.due.is_none_or(|due| due >= week));
        }
    }
}
