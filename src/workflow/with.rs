//! `with:` the parameters of a step, checked against what its action takes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::ActionKind;
use super::codes::Code;
use super::definition::Param;
use super::diagnostic::Pos;
use super::messages;
use super::names::Names;
use super::params::Params;
use super::report::{Report, nearest};
use super::yaml::{Node, Yaml};

/// Reads `with:`. `pos` is the place of the action, for what is missing.
pub(super) fn read(
    kind: ActionKind,
    node: Option<&Node>,
    pos: Pos,
    names: &Names,
    report: &mut Report<'_>,
) -> BTreeMap<String, Param> {
    let known: Vec<&str> = Params::fields(kind).iter().map(|field| field.name).collect();
    let mut with = BTreeMap::new();
    if let Some(node) = node {
        if known.is_empty() {
            report.error(node.pos, Code::UnknownKey, format!("`{kind}` takes no parameters")).help("leave `with` out");
            return with;
        }
        let Some(fields) = report.fields(node, &format!("`{kind}`"), &known) else { return with };
        for entry in fields.entries {
            let Some(param) = param(&entry.value, names, report) else { continue };
            check_type(kind, &entry.key, &param, entry.value.pos, report);
            if kind == ActionKind::MailAutoReply && entry.key == "template" {
                check_message(&param, entry.value.pos, report);
            }
            with.insert(entry.key.clone(), param);
        }
    }
    let given = |key: &str| node.and_then(|node| node.get(key)).is_some();
    missing(kind, given, node.map_or(pos, |node| node.pos), report);
    with
}

fn missing(kind: ActionKind, given: impl Fn(&str) -> bool, pos: Pos, report: &mut Report<'_>) {
    for field in Params::fields(kind).iter().filter(|field| field.required && !given(field.name)) {
        report
            .error(pos, Code::MissingKey, format!("`{kind}` needs `{}`", field.name))
            .help(format!("write `with: {{ {}: … }}`", field.name));
    }
    match Params::either(kind) {
        Some((a, b)) if given(a) && given(b) => {
            report
                .error(pos, Code::Contradiction, format!("`{kind}` takes `{a}` or `{b}`, not both"))
                .help("keep one of them");
        }
        Some((a, b)) if !given(a) && !given(b) => {
            report
                .error(pos, Code::MissingKey, format!("`{kind}` needs `{a}` or `{b}`"))
                .help(format!("`{a}` names a template of the mail room, `{b}` is the text itself"));
        }
        _ => {}
    }
}

/// Literal values are checked now, values from a template when they are known.
fn check_type(kind: ActionKind, key: &str, param: &Param, pos: Pos, report: &mut Report<'_>) {
    let Some(field) = Params::fields(kind).iter().find(|field| field.name == key) else { return };
    let Some(value) = constant(param) else { return };
    if let Err(expected) = (field.accepts)(&value) {
        let found = report.error(pos, Code::WrongType, format!("`{key}` of `{kind}` does not fit: {expected}"));
        if !value.is_string() && (field.accepts)(&Value::from(value.to_string())).is_ok() {
            found.help(format!("put it into quotes: `{key}: \"{value}\"`"));
        }
    }
}

/// The texts of auto-replies are part of the program: their names are known.
fn check_message(param: &Param, pos: Pos, report: &mut Report<'_>) {
    let Some(Value::String(name)) = constant(param).filter(|name| !messages::NAMES.iter().any(|known| name == known))
    else {
        return;
    };
    let found = report.error(pos, Code::UnknownTemplate, format!("there is no template called `{name}`"));
    match nearest(&name, &messages::NAMES) {
        Some(near) => found.help(format!("did you mean `{near}`?")),
        None => found.help(format!("there are {}; or write the text itself as `message`", messages::NAMES.join(", "))),
    };
}

fn param(node: &Node, names: &Names, report: &mut Report<'_>) -> Option<Param> {
    match &node.value {
        Yaml::Scalar(scalar) => match scalar.json() {
            Value::String(text) => names.template(&text, node.pos, report).map(Param::Template),
            literal => Some(Param::Literal(literal)),
        },
        Yaml::List(items) => Some(Param::List(items.iter().filter_map(|item| param(item, names, report)).collect())),
        Yaml::Map(entries) => Some(Param::Map(
            entries.iter().filter_map(|entry| Some((entry.key.clone(), param(&entry.value, names, report)?))).collect(),
        )),
    }
}

/// The value, where nothing in it is to be filled in.
fn constant(param: &Param) -> Option<Value> {
    match param {
        Param::Template(template) => template.is_constant().then(|| Value::from(template.source())),
        Param::Literal(value) => Some(value.clone()),
        Param::List(items) => items.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::Array),
        Param::Map(entries) => entries
            .iter()
            .map(|(key, value)| Some((key.clone(), constant(value)?)))
            .collect::<Option<serde_json::Map<_, _>>>()
            .map(Value::Object),
    }
}
