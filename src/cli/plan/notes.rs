//! What is said beside a planned step.

use crate::run::{Capability, Fold, Lateness, Plan, PlannedStep, SkipReason};
use crate::workflow::Span;

/// Labels of the steps that it waits for.
pub(super) fn needs(plan: &Plan, step: &PlannedStep) -> Vec<String> {
    step.needs.iter().filter_map(|need| plan.steps.get(usize::from(*need))).map(PlannedStep::label).collect()
}

/// What it waits for: names alone where it is a step on the same system.
pub(super) fn waits_for(plan: &Plan, step: &PlannedStep) -> Option<String> {
    let needs = step.needs.iter().filter_map(|need| plan.steps.get(usize::from(*need)));
    // What is left out is waited for by nobody.
    let names: Vec<String> = needs
        .filter(|need| need.skip.is_none())
        .map(|need| if need.system == step.system { need.name.clone() } else { need.label() })
        .collect();
    let delay = step.delay.as_ref().map(|delay| format!("{} ", span(delay))).unwrap_or_default();
    match names.len() {
        0 => None,
        1..=4 => Some(format!("{delay}after {}", names.join(", "))),
        more => Some(format!("{delay}after {} and {} others", names[..3].join(", "), more - 3)),
    }
}

fn span(delay: &Span) -> String {
    match delay {
        // jiff's friendly form: `30d`.
        Span::Calendar(fixed) => format!("{:#}", fixed.0),
        other => other.to_string(),
    }
}

/// Everything worth knowing besides: how it is done, when it is not, what its calendar did.
pub(super) fn remarks(step: &PlannedStep) -> Vec<String> {
    let mut remarks = Vec::new();
    match &step.capability {
        Capability::Supported => {}
        Capability::Degraded(limit) => remarks.push(format!("with a limit: {limit}")),
        Capability::Manual(instruction) => remarks.push(format!("by a person: {instruction}")),
        Capability::Unsupported(why) => remarks.push(format!("cannot be done: {why}")),
    }
    if let Some(condition) = &step.when {
        remarks.push(format!("only if {condition}"));
    }
    remarks.extend(step.late.map(|late| lateness(late).to_owned()));
    if let Some(at) = &step.at {
        let local = at.local.strftime("%H:%M");
        match at.fold {
            Fold::None => {}
            Fold::Gap => remarks.push(format!("{local} does not exist that day: the next instant is taken")),
            Fold::Overlap => {
                let which = if step.action.is_destructive() { "later" } else { "earlier" };
                remarks.push(format!("{local} happens twice that day: the {which} one is taken"));
            }
        }
    }
    remarks
}

const fn lateness(late: Lateness) -> &'static str {
    match late {
        Lateness::Now => "late: runs at once",
        Lateness::Postponed => "late: waits until seven days after the start",
        Lateness::Skipped => "late: left out",
        Lateness::Held => "late: held for a person",
    }
}

/// Why a step is left out.
pub(in crate::cli) fn left_out(reason: &SkipReason) -> String {
    match reason {
        SkipReason::NotApplicable(why) | SkipReason::NotNeeded(why) => why.clone(),
        SkipReason::ConditionFalse(condition) => format!("{condition} does not hold"),
        SkipReason::Late => "its time has passed".to_owned(),
        SkipReason::ByPerson(why) => format!("left out by a person: {why}"),
        SkipReason::Lapsed(why) => format!("left out: {why}"),
    }
}
