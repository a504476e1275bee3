//! `systems:` where a step takes place, and the check against the configured systems.

use super::action::{ActionKind, Facet, Place};
use super::codes::Code;
use super::definition::{SubjectKind, Systems, Workflow};
use super::diagnostic::{Diagnostic, Pos};
use super::names::Names;
use super::report::{Fields, Report};
use super::yaml::{self, Node, Yaml};

/// Reads `systems:` of a step.
pub(super) fn read(node: &Node, names: &Names, report: &mut Report<'_>) -> Option<Systems> {
    if let Yaml::List(_) = &node.value {
        let names = report.texts(node, "a system")?;
        if names.is_empty() {
            report
                .error(node.pos, Code::Systems, "this list of systems is empty")
                .help("write `systems: all`, or name one");
        }
        for (name, pos) in names.iter().filter(|(name, _)| name == "all" || facet(name).is_some()) {
            report
                .error(
                    *pos,
                    Code::Systems,
                    format!("`{name}` is not the name of a system, so it cannot stand in a list"),
                )
                .help(format!("write `systems: {name}` alone, or list names of systems"));
        }
        return Some(Systems::Named(names.into_iter().map(|(name, _)| name).collect()));
    }
    let word = report.text(node, "`systems`")?;
    Some(match (word, facet(word)) {
        ("all", _) => Systems::All,
        (_, Some(facet)) => Systems::Facet(facet),
        (word, None) if word.contains("{{") => Systems::Given(names.template(word, node.pos, report)?),
        (name, None) => Systems::Named(vec![name.to_owned()]),
    })
}

fn facet(word: &str) -> Option<Facet> {
    Facet::ALL.into_iter().find(|facet| facet.as_str() == word)
}

/// Notes a missing or superfluous `systems`, and an account where there can be none.
pub(super) fn check(
    kind: ActionKind,
    subject: Option<SubjectKind>,
    step: &Fields<'_>,
    pos: Pos,
    report: &mut Report<'_>,
) {
    let given = step.get("systems").is_some();
    match kind.place() {
        Place::House if given => {
            report
                .error(step.key_pos("systems"), Code::Systems, format!("`{kind}` takes place on no system"))
                .help("leave `systems` out");
        }
        Place::House => {}
        Place::Account | Place::On(_) | Place::System if !given => {
            let example = match kind.place() {
                Place::On(facet) => facet.as_str(),
                _ => "all",
            };
            report
                .error(pos, Code::Systems, format!("`{kind}` needs `systems`: where it takes place"))
                .help(format!("write `systems: {example}`, or the name of a system"));
        }
        Place::Account | Place::On(_) if subject == Some(SubjectKind::Organisation) => {
            report
                .error(pos, Code::Systems, format!("`{kind}` needs an account, and the organisation has none"))
                .help("write `for: person`, or select accounts with `for_each`");
        }
        _ => {}
    }
}

/// Checks the mail templates that a workflow names. `file` is the name for messages.
pub fn check_mail_templates(file: &str, workflow: &Workflow, is_known: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
    let mut report = Report::new(file, &workflow.source);
    let tree = yaml::load(&workflow.source).ok();
    let steps = tree.as_ref().and_then(|(root, _)| root.get("steps"));
    let Some(Yaml::List(steps)) = steps.map(|steps| &steps.value) else { return Vec::new() };
    for (step, node) in workflow.steps.iter().zip(steps) {
        let Some(node) = node.get("with").and_then(|with| with.get("template")) else { continue };
        if step.action != ActionKind::NotifyEmail {
            continue;
        }
        if let Some(name) = report.text(node, "a template").map(str::to_owned)
            && !name.contains("{{")
            && !is_known(&name)
        {
            report
                .error(node.pos, Code::UnknownTemplate, format!("there is no mail template called `{name}`"))
                .help("docs/MAIL.md lists them; your own stand in the folder that `templates` in [mail] names");
        }
    }
    report.finish()
}

/// What the configuration has, for the names that workflows use.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// Systems.
    pub systems: Vec<&'a str>,
    /// Calendars.
    pub calendars: Vec<&'a str>,
    /// Policies.
    pub policies: Vec<&'a str>,
}

/// Checks the systems, the calendar and the policy that a workflow names against the configuration. `file` is the name
/// for messages.
pub fn check_names(file: &str, workflow: &Workflow, known: &Known<'_>) -> Vec<Diagnostic> {
    let mut report = Report::new(file, &workflow.source);
    let Ok((root, _)) = yaml::load(&workflow.source) else { return Vec::new() };
    for (key, code, name, known) in [
        ("calendar", Code::UnknownCalendar, &workflow.calendar, &known.calendars),
        ("policy", Code::UnknownPolicy, &workflow.policy, &known.policies),
    ] {
        let (Some(name), Some(node)) = (name, root.get(key)) else { continue };
        if known.is_empty() {
            let place = if key == "policy" { "policies" } else { "calendars" };
            report
                .error(node.pos, code, format!("unknown {key} `{name}`: the configuration has none"))
                .help(format!("write it into usher.toml as [{place}.{name}], or leave `{key}` out"));
        } else if !known.contains(&name.as_str()) {
            report.unknown(node.pos, code, key, name, known);
        }
    }
    if let Some(Yaml::List(steps)) = root.get("steps").map(|steps| &steps.value) {
        for (step, node) in workflow.steps.iter().zip(steps) {
            if let (Some(Systems::Named(_)), Some(node)) = (&step.systems, node.get("systems")) {
                check_systems(node, &known.systems, &mut report);
            }
        }
    }
    report.finish()
}

fn check_systems(node: &Node, known: &[&str], report: &mut Report<'_>) {
    let mut words = known.to_vec();
    if !matches!(node.value, Yaml::List(_)) {
        words.push("all");
        words.extend(Facet::ALL.map(Facet::as_str));
    }
    for (name, pos) in report.texts(node, "a system").unwrap_or_default() {
        if !known.contains(&name.as_str()) {
            report.unknown(pos, Code::UnknownSystem, "system", &name, &words);
        }
    }
}
