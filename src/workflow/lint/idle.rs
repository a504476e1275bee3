//! What stands in a file and has no effect, or never the one that is meant: inputs that nothing uses or nobody fills,
//! conditions that are the same for everybody, approvals that nothing waits for.

use std::collections::BTreeSet;

use super::super::action::ActionKind;
use super::super::codes::Code;
use super::super::definition::{Amount, Anchor, At, Input, InputType, Param, StepDef, Systems, Workflow};
use super::super::diagnostic::Pos;
use super::super::report::{Fields, Report};
use super::super::steps::Draft;
use super::super::template::Scope;
use super::super::yaml::Yaml;
use super::Steps;

/// Warns of a step without effect.
pub(super) fn step(steps: &Steps<'_, '_>, draft: &Draft<'_>, step: &StepDef, report: &mut Report<'_>) {
    let waited_for = || steps.all().any(|(_, other)| steps.before(&other.id).contains(step.id.as_str()));
    if step.action == ActionKind::Approval && !waited_for() {
        report
            .warning(draft.pos, Code::IdleApproval, format!("no step waits for the approval `{}`", step.id))
            .help("put it before what it gates, or name it in the `after` of that");
    }
    let Some(when) = step.when.as_ref().filter(|when| when.names().is_empty()) else { return };
    let pos = draft.fields.value_pos("when");
    match when.holds(&Scope::default()) {
        Ok(true) => report
            .warning(pos, Code::ConstantCondition, format!("`{}` holds always", when.source()))
            .help("leave `when` out, or ask for an input or a field of the person"),
        Ok(false) => report
            .warning(
                pos,
                Code::ConstantCondition,
                format!("`{}` never holds: `{}` is never done", when.source(), step.id),
            )
            .help("take the step out, or ask for an input or a field of the person"),
        Err(_) => return,
    };
}

/// Warns of inputs that nothing uses, and of those that what starts the workflow cannot fill.
pub(super) fn inputs(workflow: &Workflow, steps: &Steps<'_, '_>, top: &Fields<'_>, report: &mut Report<'_>) {
    let used = used(workflow, steps);
    for input in &workflow.inputs {
        let pos = place(top, &input.name);
        // A text may be there for the record alone: a reason, the number of a ticket.
        if input.kind != InputType::Text && !used.contains(&input.name) {
            report
                .warning(pos, Code::UnusedInput, format!("nothing uses the input `{}`", input.name))
                .help(format!("use it as `inputs.{}`, or take it out", input.name));
        }
        if let Some(who) = leaves_empty(workflow, input) {
            let message = format!("{who} cannot start this workflow: nothing gives `{}` a value then", input.name);
            let help = match who {
                "an event" => "give it a `default`, or take it from the event: `from: event.effective`",
                _ => "give it a `default`",
            };
            report.warning(pos, Code::UnfilledInput, message).help(help);
        }
    }
}

fn leaves_empty(workflow: &Workflow, input: &Input) -> Option<&'static str> {
    if !input.required || input.default.is_some() {
        return None;
    }
    let triggers = &workflow.triggers;
    triggers
        .schedule
        .as_ref()
        .map(|_| "a schedule")
        .or_else(|| (triggers.event.is_some() && input.from.is_none()).then_some("an event"))
}

/// Where an input is declared.
fn place(top: &Fields<'_>, name: &str) -> Pos {
    match top.get("inputs").map(|node| &node.value) {
        Some(Yaml::Map(entries)) => {
            entries.iter().find(|entry| entry.key == name).map_or_else(Pos::default, |entry| entry.key_pos)
        }
        _ => Pos::default(),
    }
}

/// The names of all inputs that anything in the file refers to.
fn used(workflow: &Workflow, steps: &Steps<'_, '_>) -> BTreeSet<String> {
    let mut names: Vec<String> = workflow.timezone.iter().flat_map(|zone| zone.names()).collect();
    let mut used = BTreeSet::new();
    for input in &workflow.inputs {
        names.extend(input.default.iter().flat_map(|default| default.names()));
        names.extend(input.required_if.iter().flat_map(|condition| condition.names()));
    }
    for (_, step) in steps.all() {
        names.extend(step.when.iter().flat_map(|when| when.names()));
        if let Some(Systems::Given(template)) = &step.systems {
            names.extend(template.names());
        }
        step.with.values().for_each(|param| in_param(param, &mut names));
        [&step.at, &step.until].into_iter().flatten().for_each(|at| in_instant(at, &mut used));
        [&step.delay, &step.grace].into_iter().flatten().for_each(|amount| in_amount(amount, &mut used));
    }
    used.extend(names.iter().filter_map(|name| name.strip_prefix("inputs.").map(str::to_owned)));
    used
}

fn in_param(param: &Param, names: &mut Vec<String>) {
    match param {
        Param::Template(template) => names.extend(template.names()),
        Param::Literal(_) => {}
        Param::List(items) => items.iter().for_each(|item| in_param(item, names)),
        Param::Map(fields) => fields.values().for_each(|field| in_param(field, names)),
    }
}

fn in_instant(at: &At, used: &mut BTreeSet<String>) {
    if let Anchor::Input(name) = &at.anchor {
        used.insert(name.clone());
    }
    at.offsets.iter().for_each(|(_, amount)| in_amount(amount, used));
}

fn in_amount(amount: &Amount, used: &mut BTreeSet<String>) {
    if let Amount::Input(name) = amount {
        used.insert(name.clone());
    }
}
