//! Source text to [`Workflow`], or to the list of everything that is wrong with it.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::codes::Code;
use super::definition::{SubjectKind, Workflow};
use super::diagnostic::{Diagnostic, Pos};
use super::inputs::{self, Declared};
use super::names::Names;
use super::report::{Fields, Report};
use super::select::Selector;
use super::steps::{self, Context, Draft};
use super::template::Template;
use super::yaml::{self, YamlError};
use super::{check, lint, select, triggers};

/// The keys of a file.
pub(super) const KEYS: [&str; 11] =
    ["workflow", "title", "for", "priority", "on", "inputs", "timezone", "calendar", "policy", "for_each", "steps"];

/// Several files read together.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The files without mistakes, in the order given.
    pub workflows: Vec<Workflow>,
    /// All mistakes and warnings of all files.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads one workflow. `file` is its name for messages. Beside the workflow come warnings.
///
/// # Errors
/// All mistakes of the file, in file order.
pub fn parse(file: &str, text: &str) -> Result<(Workflow, Vec<Diagnostic>), Vec<Diagnostic>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut report = Report::new(file, text);
    match read(text, &mut report) {
        Some(workflow) if !report.has_errors() => Ok((workflow, report.finish())),
        _ => Err(report.finish()),
    }
}

/// Reads several files, each with its name, and checks that no two workflows share a name.
pub fn check_all<F: AsRef<str>, T: AsRef<str>>(files: impl IntoIterator<Item = (F, T)>) -> Checked {
    let mut checked = Checked::default();
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for (file, text) in files {
        let (file, text) = (file.as_ref(), text.as_ref());
        match parse(file, text) {
            Err(mistakes) => checked.diagnostics.extend(mistakes),
            Ok((workflow, warnings)) => {
                checked.diagnostics.extend(warnings);
                match taken.get(&workflow.name) {
                    Some(first) => checked.diagnostics.push(name_taken(file, &workflow, first)),
                    None => {
                        taken.insert(workflow.name.clone(), file.to_owned());
                        checked.workflows.push(workflow);
                    }
                }
            }
        }
    }
    checked
}

fn name_taken(file: &str, workflow: &Workflow, first: &str) -> Diagnostic {
    let mut report = Report::new(file, &workflow.source);
    let name = yaml::load(&workflow.source).ok().and_then(|(root, _)| root.get("workflow").map(|node| node.pos));
    report
        .error(
            name.unwrap_or_default(),
            Code::DuplicateWorkflow,
            format!("a second workflow is called `{}`", workflow.name),
        )
        .help(format!("the first one is {first}; give this one another name"))
        .clone()
}

fn read(text: &str, report: &mut Report<'_>) -> Option<Workflow> {
    let root = match yaml::load(text) {
        Ok((root, found)) => {
            found.into_iter().for_each(|mistake| note(mistake, report));
            root
        }
        Err(mistake) => {
            note(mistake, report);
            return None;
        }
    };
    let top = report.fields(&root, "a workflow", &KEYS)?;
    let name = name(&top, report);
    let subject = subject(&top, report);
    let triggers = triggers::read(&top, report);
    if let Some(subject) = subject {
        triggers::check(&top, subject, &triggers, report);
    }
    let for_each = select::read(&top, subject, report);
    let inputs = inputs::read(top.get("inputs"), subject, report);
    let timezone = timezone(&top, subject, &inputs, report);
    let about = for_each.as_ref().map(Selector::subject).or(subject);
    let context = Context { subject: about, inputs: &inputs, names: Names::new(about, inputs.names()) };
    let drafts = steps::read(&top, &context, report);
    check::steps(&drafts, &inputs.inputs, report);
    let title = top.get("title").and_then(|node| report.text(node, "`title`"));
    let workflow = Workflow {
        title: title.or(name.as_deref()).unwrap_or_default().to_owned(),
        name: name.unwrap_or_default(),
        subject: subject.unwrap_or(SubjectKind::Person),
        urgent: urgent(&top, report),
        triggers,
        inputs: Vec::new(),
        timezone,
        calendar: rule_name("calendar", &top, report),
        policy: rule_name("policy", &top, report),
        for_each,
        steps: Vec::new(),
        version: hex::encode(Sha256::digest(text)),
        source: text.into(),
    };
    (!report.has_errors()).then(|| finish(workflow, inputs, drafts, &top, report))
}

/// Puts the parts together, and looks at the whole for what is allowed but probably not meant.
fn finish(
    mut workflow: Workflow,
    inputs: Declared,
    drafts: Vec<Draft<'_>>,
    top: &Fields<'_>,
    report: &mut Report<'_>,
) -> Workflow {
    workflow.inputs = inputs.inputs;
    lint::warn(&workflow, &drafts, top, report);
    workflow.steps = drafts.into_iter().filter_map(|draft| draft.def).collect();
    workflow
}

fn note(mistake: YamlError, report: &mut Report<'_>) {
    report.error(mistake.pos, mistake.code, mistake.message).suggestion = mistake.help;
}

/// Whether a text can name a workflow or a step: lower-case words joined by hyphens.
pub(super) fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(letters)
        && !text.ends_with('-')
        && !text.contains("--")
}

fn name(top: &Fields<'_>, report: &mut Report<'_>) -> Option<String> {
    let Some(node) = top.get("workflow") else {
        report
            .error(start(), Code::MissingKey, "this workflow has no name")
            .help("start the file with `workflow: NAME`");
        return None;
    };
    let name = report.text(node, "`workflow`")?;
    if !is_name(name) {
        report
            .error(node.pos, Code::Name, format!("`{name}` cannot be the name of a workflow"))
            .help("use lower-case words joined by hyphens, at most 64 characters, starting with a letter");
    }
    Some(name.to_owned())
}

const fn start() -> Pos {
    Pos { line: 1, column: 1, width: 1 }
}

fn subject(top: &Fields<'_>, report: &mut Report<'_>) -> Option<SubjectKind> {
    let known = [SubjectKind::Person, SubjectKind::Account, SubjectKind::Organisation];
    let Some(node) = top.get("for") else {
        report
            .error(start(), Code::MissingKey, "this workflow does not say what it is about: it has no `for`")
            .help("write `for: person`, `for: account` or `for: organisation`");
        return None;
    };
    report.word(node, "subject", &known.map(|kind| (kind.as_str(), kind)))
}

fn urgent(top: &Fields<'_>, report: &mut Report<'_>) -> bool {
    let node = top.get("priority");
    node.and_then(|node| report.word(node, "priority", &[("urgent", true), ("normal", false)])).unwrap_or(false)
}

/// The name of a calendar or policy of the configuration.
fn rule_name(key: &str, top: &Fields<'_>, report: &mut Report<'_>) -> Option<String> {
    let node = top.get(key)?;
    let name = report.text(node, &format!("`{key}`"))?;
    if !is_name(name) {
        report
            .error(node.pos, Code::Name, format!("`{name}` cannot be the name of a {key}"))
            .help("use lower-case words joined by hyphens, at most 64 characters, starting with a letter");
    }
    Some(name.to_owned())
}

fn timezone(
    top: &Fields<'_>,
    subject: Option<SubjectKind>,
    inputs: &Declared,
    report: &mut Report<'_>,
) -> Option<Template> {
    let node = top.get("timezone")?;
    let template = Names::new(subject, inputs.names()).template(report.text(node, "`timezone`")?, node.pos, report)?;
    if template.is_constant() {
        triggers::zone(template.source(), node.pos, report);
    }
    Some(template)
}
