//! `inputs:` what a run must know before it starts.

use jiff::civil::Date;

use super::codes::Code;
use super::definition::{Input, InputType, SubjectKind};
use super::diagnostic::Pos;
use super::names::Names;
use super::params::values::is_email;
use super::report::{Fields, Report};
use super::span::Span;
use super::yaml::{Node, Yaml};

/// What an HR event may carry (`from: event.effective`): when, until when and why, and what changed of the person.
pub const EVENT_FIELDS: [&str; 11] = [
    "event.effective",
    "event.until",
    "event.reason",
    "event.given_name",
    "event.family_name",
    "event.display_name",
    "event.email",
    "event.department",
    "event.manager",
    "event.role",
    "event.language",
];
/// Most inputs of one workflow.
const MAX_INPUTS: usize = 100;
pub(super) const KEYS: [&str; 10] =
    ["type", "from", "default", "required", "optional", "required_if", "min", "max", "choices", "help"];
const TYPES: [(&str, InputType); 8] = [
    ("date", InputType::Date),
    ("email", InputType::Email),
    ("text", InputType::Text),
    ("duration", InputType::Duration),
    ("number", InputType::Number),
    ("boolean", InputType::Boolean),
    ("choice", InputType::Choice),
    ("person", InputType::Person),
];

/// The declared inputs; those with a mistake are known by name only, so that one mistake does not cause others.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// In file order.
    pub(super) inputs: Vec<Input>,
    types: Vec<(String, Option<InputType>)>,
}

impl Declared {
    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.types.iter().map(|(name, _)| name.clone())
    }

    /// Notes it where `name` is no input of type `wanted`.
    pub(super) fn expect(&self, name: &str, wanted: InputType, pos: Pos, report: &mut Report<'_>) {
        let word = type_word(wanted);
        match self.types.iter().find(|(known, _)| known == name) {
            Some((_, Some(found))) if *found != wanted => {
                let message = format!("`{name}` is a {} input; a {word} is needed here", type_word(*found));
                let help = match self.of_type(wanted).as_slice() {
                    [] => format!("declare an input with `type: {word}`"),
                    names => format!("inputs of type {word} are: {}", names.join(", ")),
                };
                report.error(pos, Code::WrongType, message).help(help);
            }
            Some(_) => {}
            None => report.unknown(pos, Code::UnknownInput, "input", name, &self.of_type(wanted)),
        }
    }

    fn of_type(&self, wanted: InputType) -> Vec<&str> {
        self.types.iter().filter(|(_, kind)| *kind == Some(wanted)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Reads `inputs:`. An input that has no default and is neither `optional` nor `required_if` is required.
pub(super) fn read(node: Option<&Node>, subject: Option<SubjectKind>, report: &mut Report<'_>) -> Declared {
    let mut declared = Declared::default();
    let Some(node) = node else { return declared };
    let Yaml::Map(entries) = &node.value else {
        report
            .error(node.pos, Code::WrongType, format!("`inputs` must be a mapping, not {}", node.kind()))
            .help("write for example `inputs: { last_day: { type: date, required: true } }`");
        return declared;
    };
    if entries.len() > MAX_INPUTS {
        let message = format!("{} inputs are too many; a workflow has at most {MAX_INPUTS}", entries.len());
        report.error(node.pos, Code::TooLarge, message).help("split it into several workflows");
        return declared;
    }
    let all = Names::new(subject, entries.iter().map(|entry| entry.key.clone()));
    for entry in entries {
        check_name(&entry.key, entry.key_pos, report);
        let above = Names::new(subject, declared.names());
        let input = read_one(&entry.key, &entry.value, &above, &all, report);
        declared.types.push((entry.key.clone(), input.as_ref().map(|input| input.kind)));
        declared.inputs.extend(input);
    }
    declared
}

fn check_name(name: &str, pos: Pos, report: &mut Report<'_>) {
    if name == "start" {
        report
            .error(pos, Code::Name, "`start` cannot be the name of an input: in `at` it means the start of the run")
            .help("name it for example `start_day`");
    }
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts || name.len() > 64 || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
        report
            .error(pos, Code::Name, format!("`{name}` cannot be the name of an input"))
            .help("use lower-case letters, digits and `_`, at most 64, starting with a letter");
    }
}

fn read_one(name: &str, node: &Node, above: &Names, all: &Names, report: &mut Report<'_>) -> Option<Input> {
    let fields = report.fields(node, &format!("input `{name}`"), &KEYS)?;
    let Some(kind_node) = fields.get("type") else {
        let types = TYPES.map(|(word, _)| word).join(", ");
        report
            .error(node.pos, Code::MissingKey, format!("input `{name}` has no `type`"))
            .help(format!("types are: {types}"));
        return None;
    };
    let kind = report.word(kind_node, "type of input", &TYPES)?;
    let text = |key: &str, report: &mut Report<'_>| {
        fields.get(key).and_then(|node| report.text(node, &format!("`{key}`"))).map(str::to_owned)
    };
    let flag = |key: &str, report: &mut Report<'_>| {
        fields.get(key).and_then(|node| report.boolean(node, &format!("`{key}`"))).unwrap_or(false)
    };
    let default = text("default", report).and_then(|text| above.template(&text, fields.value_pos("default"), report));
    let required_if =
        text("required_if", report).and_then(|text| all.condition(&text, fields.value_pos("required_if"), report));
    let (required, optional) = (flag("required", report), flag("optional", report));
    if required && optional {
        report
            .error(
                fields.key_pos("optional"),
                Code::Contradiction,
                format!("input `{name}` is both required and optional"),
            )
            .help("keep one of the two");
    }
    let input = Input {
        name: name.to_owned(),
        kind,
        required: required || (!optional && default.is_none() && required_if.is_none()),
        required_if,
        from: text("from", report).filter(|from| known_source(from, &fields, report)),
        default,
        min: text("min", report),
        max: text("max", report),
        choices: choices(&fields, report),
        help: text("help", report),
    };
    check(&input, &fields, report);
    Some(input)
}

fn known_source(from: &str, fields: &Fields<'_>, report: &mut Report<'_>) -> bool {
    let known = EVENT_FIELDS.contains(&from);
    if !known {
        report.unknown(fields.value_pos("from"), Code::UnknownSource, "source", from, &EVENT_FIELDS);
    }
    known
}

fn choices(fields: &Fields<'_>, report: &mut Report<'_>) -> Vec<String> {
    let choices = fields.get("choices").and_then(|node| report.texts(node, "`choices`"));
    choices.unwrap_or_default().into_iter().map(|(text, _)| text).collect()
}

fn check(input: &Input, fields: &Fields<'_>, report: &mut Report<'_>) {
    let name = &input.name;
    let bounded = matches!(input.kind, InputType::Duration | InputType::Number);
    for (key, bound) in [("min", &input.min), ("max", &input.max)] {
        let Some(bound) = bound else { continue };
        if !bounded {
            report
                .error(
                    fields.key_pos(key),
                    Code::WrongType,
                    format!("`{key}` is for durations and numbers, not for a {}", type_word(input.kind)),
                )
                .help("leave it out");
        } else if let Err(message) = check_type(input.kind, bound) {
            report.error(fields.value_pos(key), Code::WrongType, format!("`{key}` of input `{name}`: {message}"));
        }
    }
    if let (Some(min), Some(max)) = (size(input.kind, input.min.as_deref()), size(input.kind, input.max.as_deref()))
        && min > max
    {
        report
            .error(fields.value_pos("min"), Code::Contradiction, format!("input `{name}` has a `min` above its `max`"))
            .help("swap the two");
    }
    if (input.kind == InputType::Choice) == input.choices.is_empty() {
        let message = format!("`choices` belongs to `type: choice`, and only there (input `{name}`)");
        report.error(fields.pos, Code::Contradiction, message).help("write `{ type: choice, choices: [one, other] }`");
    }
    if let Some(default) = input.default.as_ref().filter(|default| default.is_constant())
        && let Err(message) = input.check(default.source())
    {
        report.error(
            fields.value_pos("default"),
            Code::Default,
            format!("the default of input `{name}` does not fit: {message}"),
        );
    }
}

impl Input {
    /// Whether `value` is one this input takes: its type, its bounds, its choices.
    ///
    /// # Errors
    /// What was expected instead.
    pub(super) fn check(&self, value: &str) -> Result<(), String> {
        check_type(self.kind, value)?;
        if self.kind == InputType::Choice && !self.choices.iter().any(|choice| choice == value) {
            return Err(format!("`{value}` is not one of {}", self.choices.join(", ")));
        }
        let Some(given) = size(self.kind, Some(value)) else { return Ok(()) };
        match (&self.min, &self.max) {
            (Some(min), _) if size(self.kind, Some(min)).is_some_and(|min| given < min) => {
                Err(format!("`{value}` is less than the smallest allowed, {min}"))
            }
            (_, Some(max)) if size(self.kind, Some(max)).is_some_and(|max| given > max) => {
                Err(format!("`{value}` is more than the largest allowed, {max}"))
            }
            _ => Ok(()),
        }
    }
}

fn check_type(kind: InputType, value: &str) -> Result<(), String> {
    let expected = |fits: bool, what: &str| if fits { Ok(()) } else { Err(format!("`{value}` is not {what}")) };
    match kind {
        InputType::Date => {
            expected(value.len() == 10 && value.parse::<Date>().is_ok(), "a date of the calendar; write `2027-01-29`")
        }
        InputType::Email => expected(is_email(value), "a mail address"),
        InputType::Duration => Span::parse(value).map(drop).map_err(|error| error.to_string()),
        InputType::Number => expected(value.parse::<i64>().is_ok(), "a whole number"),
        InputType::Boolean => expected(matches!(value, "true" | "false"), "`true` or `false`"),
        InputType::Person => expected(!value.trim().is_empty(), "an employee number"),
        InputType::Text | InputType::Choice => Ok(()),
    }
}

fn size(kind: InputType, value: Option<&str>) -> Option<f64> {
    match kind {
        InputType::Duration => Some(Span::parse(value?).ok()?.days()),
        InputType::Number => value?.parse().ok(),
        _ => None,
    }
}

fn type_word(kind: InputType) -> &'static str {
    TYPES.iter().find(|(_, known)| *known == kind).map_or("", |(word, _)| word)
}
