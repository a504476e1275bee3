//! `systems:` where a step takes place, and the check against the configured systems.

use super::action::{ActionKind, Facet, Place};
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
                .error(node.pos, "systems", "this list of systems is empty")
                .help("write `systems: all`, or name one");
        }
        for (name, pos) in names.iter().filter(|(name, _)| name == "all" || facet(name).is_some()) {
            report
                .error(*pos, "systems", format!("`{name}` is not the name of a system, so it cannot stand in a list"))
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
        Place::House if given && kind != ActionKind::Task => {
            report
                .error(step.key_pos("systems"), "systems", format!("`{kind}` takes place on no system"))
                .help("leave `systems` out");
        }
        Place::House => {}
        Place::Account | Place::On(_) | Place::System if !given => {
            let example = match kind.place() {
                Place::On(facet) => facet.as_str(),
                _ => "all",
            };
            report
                .error(pos, "systems", format!("`{kind}` needs `systems`: where it takes place"))
                .help(format!("write `systems: {example}`, or the name of a system"));
        }
        Place::Account | Place::On(_) if subject == Some(SubjectKind::Organisation) => {
            report
                .error(pos, "systems", format!("`{kind}` needs an account, and the organisation has none"))
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
                .error(node.pos, "unknown-template", format!("there is no mail template called `{name}`"))
                .help("docs/MAIL.md lists them; your own stand in the folder that `templates` in [mail] names");
        }
    }
    report.finish()
}

/// Checks the systems a workflow names against those that are configured. `file` is the name for messages.
pub fn check_systems(file: &str, workflow: &Workflow, known: &[&str]) -> Vec<Diagnostic> {
    let mut report = Report::new(file, &workflow.source);
    let tree = yaml::load(&workflow.source).ok();
    let steps = tree.as_ref().and_then(|(root, _)| root.get("steps"));
    let Some(Yaml::List(steps)) = steps.map(|steps| &steps.value) else { return Vec::new() };
    for (step, node) in workflow.steps.iter().zip(steps) {
        let (Some(Systems::Named(_)), Some(node)) = (&step.systems, node.get("systems")) else { continue };
        let alone = !matches!(node.value, Yaml::List(_));
        let mut words = known.to_vec();
        if alone {
            words.push("all");
            words.extend(Facet::ALL.map(Facet::as_str));
        }
        for (name, pos) in report.texts(node, "a system").unwrap_or_default() {
            if !known.contains(&name.as_str()) {
                report.unknown(pos, "unknown-system", "system", &name, &words);
            }
        }
    }
    report.finish()
}
