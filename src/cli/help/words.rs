//! What a step does and where, in one plain sentence.

use crate::workflow::{ActionKind, Facet, InputType, Param, StepDef, Systems, Workflow};

/// What a step does, where, after what, and under which condition.
pub(super) fn sentence(step: &StepDef) -> String {
    let mut text = match step.action {
        ActionKind::Approval => approval(step),
        ActionKind::Checklist => checklist(step),
        ActionKind::Task => task(step),
        action => action.describe().trim_end_matches('.').to_owned(),
    };
    if let Some(systems) = &step.systems {
        text += &format!(", {}", place(systems));
    }
    if step.at.is_none() && !step.after.is_empty() {
        text += &format!(", after {}", step.after.join(", "));
    }
    if let Some(when) = &step.when {
        text += &format!(", only if `{}`", when.source());
    }
    text + "."
}

fn place(systems: &Systems) -> String {
    match systems {
        Systems::All => "on every system".to_owned(),
        Systems::Facet(Facet::Mail) => "on every system with mail".to_owned(),
        Systems::Facet(Facet::Files) => "on every system with files".to_owned(),
        Systems::Facet(Facet::Calendars) => "on every system with calendars".to_owned(),
        Systems::Facet(Facet::Directory) => "in every directory".to_owned(),
        Systems::Named(names) => format!("on {}", names.join(", ")),
        Systems::Given(template) => format!("on the systems that {} names", unbraced(template.source())),
    }
}

fn approval(step: &StepDef) -> String {
    let role = text(step, "role").unwrap_or_else(|| "approver".to_owned());
    let asks = match text(step, "confirm") {
        Some(words) => format!("Asks for an approval: somebody with the role {role} types {words}"),
        None => format!("Asks for an approval by somebody with the role {role}"),
    };
    let within = text(step, "answer_within").unwrap_or_else(|| "30 days".to_owned());
    let then = match text(step, "on_lapse").as_deref() {
        Some("ask_again") => "it is asked for again",
        Some("skip") => "what waits for it is left out",
        _ => "it is held and the administrators are told",
    };
    format!("{asks}; without an answer within {within}, {then}")
}

fn checklist(step: &StepDef) -> String {
    let who = text(step, "assignee").unwrap_or_else(|| "an operator".to_owned());
    let points = match step.with.get("items") {
        Some(Param::List(items)) => items.iter().map(written).collect::<Vec<_>>().join("; "),
        Some(other) => written(other),
        None => String::new(),
    };
    format!("Asks {who} to tick: {points}")
}

fn task(step: &StepDef) -> String {
    let who = text(step, "assignee").unwrap_or_else(|| "an operator".to_owned());
    format!("Asks {who}: {}", text(step, "title").unwrap_or_default())
}

fn text(step: &StepDef, key: &str) -> Option<String> {
    step.with.get(key).map(written)
}

/// A parameter as people read it: templates without their braces.
pub(super) fn written(param: &Param) -> String {
    match param {
        Param::Template(template) => unbraced(template.source()),
        Param::Literal(value) => value.to_string(),
        Param::List(items) => items.iter().map(written).collect::<Vec<_>>().join(", "),
        Param::Map(fields) => {
            fields.iter().map(|(key, value)| format!("{key}: {}", written(value))).collect::<Vec<_>>().join(", ")
        }
    }
}

/// `{{ person.manager.email }}` as `person.manager.email`.
pub(super) fn unbraced(text: &str) -> String {
    text.replace("{{ ", "").replace(" }}", "").replace("{{", "").replace("}}", "")
}

/// An input with its type, its default, where it comes from, and what it is for.
pub(super) fn inputs(workflow: &Workflow) -> Vec<(String, String)> {
    let line = |input: &crate::workflow::Input| {
        let mut text = kind(input.kind).to_owned();
        if input.kind == InputType::Choice {
            text = format!("one of {}", input.choices.join(", "));
        }
        if let Some(default) = &input.default {
            text += &format!("; without one, {}", unbraced(default.source()));
        } else if let Some(condition) = &input.required_if {
            text += &format!("; needed if `{}`", condition.source());
        } else if input.required {
            text += "; needed";
        } else {
            text += "; may be left out";
        }
        if let Some(from) = &input.from {
            text += &format!("; from the event ({from})");
        }
        match (&input.min, &input.max) {
            (Some(min), Some(max)) => text += &format!("; {min} to {max}"),
            (Some(min), None) => text += &format!("; at least {min}"),
            (None, Some(max)) => text += &format!("; at most {max}"),
            (None, None) => {}
        }
        if let Some(help) = &input.help {
            text += &format!(". {help}");
        }
        (input.name.clone(), text)
    };
    workflow.inputs.iter().map(line).collect()
}

const fn kind(kind: InputType) -> &'static str {
    match kind {
        InputType::Date => "a date",
        InputType::Email => "a mail address",
        InputType::Text => "text",
        InputType::Duration => "a span of time",
        InputType::Number => "a number",
        InputType::Boolean => "true or false",
        InputType::Choice => "a choice",
        InputType::Person => "an employee number",
    }
}
