//! `steps:` one after the other, each field read and checked by itself. What concerns several steps is in
//! [`super::check`].

use std::time::Duration;

use jiff::{SpanRelativeTo, Unit};

use super::action::{ActionKind, Place};
use super::at::AtError;
use super::codes::Code;
use super::definition::{Amount, Anchor, At, InputType, Late, OnFailure, OnUnknown, Retry, StepDef, SubjectKind};
use super::diagnostic::Pos;
use super::inputs::Declared;
use super::names::Names;
use super::report::{Fields, Report};
use super::span::Span;
use super::template::Condition;
use super::yaml::{Node, Yaml};
use super::{systems, with};

pub(super) const KEYS: [&str; 15] = [
    "id",
    "action",
    "systems",
    "after",
    "at",
    "delay",
    "until",
    "when",
    "grace",
    "late",
    "retry",
    "timeout",
    "on_failure",
    "on_unknown",
    "with",
];
/// Most steps of one workflow.
const MAX_STEPS: usize = 200;
const PERSON_DATES: [&str; 2] = ["start_date", "last_day"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What the steps of a workflow are read against.
#[derive(Debug)]
pub(super) struct Context<'a> {
    /// What a run (or each child run) is about, where that could be read.
    pub(super) subject: Option<SubjectKind>,
    /// The inputs.
    pub(super) inputs: &'a Declared,
    /// The names every template may use.
    pub(super) names: Names,
}

/// A step as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft<'n> {
    /// Its name.
    pub(super) id: String,
    /// Where the name stands.
    pub(super) pos: Pos,
    /// What it comes after, with the place that says so.
    pub(super) after: Vec<(String, Pos)>,
    /// Its keys.
    pub(super) fields: Fields<'n>,
    /// The step, where its action is known.
    pub(super) def: Option<StepDef>,
}

/// Reads `steps:`.
pub(super) fn read<'n>(top: &Fields<'n>, context: &Context<'_>, report: &mut Report<'_>) -> Vec<Draft<'n>> {
    let help = "write `steps:` and below it `- id: disable`, `  action: account.disable`, `  systems: all`";
    let Some(node) = top.get("steps") else {
        report.error(top.pos, Code::MissingKey, "this workflow has no `steps`").help(help);
        return Vec::new();
    };
    let items = match &node.value {
        Yaml::List(items) if !items.is_empty() => items,
        _ => {
            report.error(node.pos, Code::WrongType, "`steps` must be a list with at least one step").help(help);
            return Vec::new();
        }
    };
    if items.len() > MAX_STEPS {
        let message = format!("{} steps are too many; a workflow has at most {MAX_STEPS}", items.len());
        report.error(node.pos, Code::TooLarge, message).help("split it into several workflows");
        return Vec::new();
    }
    let mut drafts: Vec<Draft<'n>> = Vec::new();
    for item in items {
        let above = drafts.last().map(|draft| draft.id.clone());
        drafts.extend(read_one(item, above, context, report));
    }
    drafts
}

fn read_one<'n>(
    node: &'n Node,
    above: Option<String>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Draft<'n>> {
    let fields = report.fields(node, "a step", &KEYS)?;
    let Some(id_node) = fields.get("id") else {
        report.error(node.pos, Code::MissingKey, "this step has no `id`").help("give it a short name: `id: disable`");
        return None;
    };
    let id = report.text(id_node, "`id`")?.to_owned();
    check_id(&id, id_node.pos, report);
    let pos = id_node.pos;
    let after = after(&fields, above, pos, report);
    let def = action(&fields, &id, report).map(|kind| {
        let step = Step { id: &id, kind, fields, pos, context };
        step.read(after.iter().map(|(name, _)| name.clone()).collect(), report)
    });
    Some(Draft { id, pos, after, fields, def })
}

fn check_id(id: &str, pos: Pos, report: &mut Report<'_>) {
    if !super::parse::is_name(id) {
        report
            .error(pos, Code::Name, format!("`{id}` cannot be the name of a step"))
            .help("use lower-case words joined by hyphens, at most 64 characters, starting with a letter");
    }
}

fn after(fields: &Fields<'_>, above: Option<String>, pos: Pos, report: &mut Report<'_>) -> Vec<(String, Pos)> {
    match fields.get("after") {
        None => above.into_iter().map(|name| (name, pos)).collect(),
        Some(node) => report.texts(node, "`after`").unwrap_or_default(),
    }
}

fn action(fields: &Fields<'_>, id: &str, report: &mut Report<'_>) -> Option<ActionKind> {
    let Some(node) = fields.get("action") else {
        report
            .error(fields.value_pos("id"), Code::MissingKey, format!("step `{id}` has no `action`"))
            .help("write for example `action: account.disable`");
        return None;
    };
    let name = report.text(node, "`action`")?;
    let kind = ActionKind::from_name(name);
    if kind.is_none() {
        let known: Vec<&str> = ActionKind::ALL.iter().map(|kind| kind.name()).collect();
        report.unknown(node.pos, Code::UnknownAction, "action", name, &known);
    }
    kind
}

/// A step while its fields are read.
struct Step<'a, 'n> {
    id: &'a str,
    kind: ActionKind,
    fields: Fields<'n>,
    pos: Pos,
    context: &'a Context<'a>,
}

impl Step<'_, '_> {
    fn read(&self, after: Vec<String>, report: &mut Report<'_>) -> StepDef {
        let (kind, fields) = (self.kind, &self.fields);
        systems::check(kind, self.context.subject, fields, self.pos, report);
        self.check_keys(report);
        let on_account = matches!(kind.place(), Place::Account | Place::On(_));
        let names = self.context.names.in_step(on_account);
        let late = [("now", Late::Now), ("skip", Late::Skip), ("hold", Late::Hold)];
        let on_failure = [("hold", OnFailure::Hold), ("continue", OnFailure::Continue)];
        let on_unknown = [("hold", OnUnknown::Hold), ("retry", OnUnknown::Retry)];
        StepDef {
            id: self.id.to_owned(),
            action: kind,
            systems: fields.get("systems").and_then(|node| systems::read(node, &self.context.names, report)),
            after,
            at: self.instant("at", report),
            delay: self.amount("delay", report),
            until: self.instant("until", report),
            when: self.when(&names, report),
            grace: self.amount("grace", report),
            late: fields.get("late").and_then(|node| report.word(node, "word for `late`", &late)).unwrap_or_default(),
            retry: fields.get("retry").and_then(|node| retry(node, report)),
            timeout: fields.get("timeout").and_then(|node| duration(node, "`timeout`", report)),
            on_failure: fields
                .get("on_failure")
                .and_then(|node| report.word(node, "word for `on_failure`", &on_failure)),
            on_unknown: fields
                .get("on_unknown")
                .and_then(|node| report.word(node, "word for `on_unknown`", &on_unknown)),
            with: with::read(kind, fields.get("with"), fields.value_pos("action"), &names, report),
            line: self.pos.line,
        }
    }

    /// Keys that this action, or another key, rules out.
    fn check_keys(&self, report: &mut Report<'_>) {
        let (kind, fields) = (self.kind, &self.fields);
        if fields.get("until").is_some() && kind.inverse().is_none() {
            let able: Vec<&str> =
                ActionKind::ALL.iter().filter(|kind| kind.inverse().is_some()).map(|kind| kind.name()).collect();
            report
                .error(
                    fields.key_pos("until"),
                    Code::Until,
                    format!("`{kind}` has nothing that takes it back, so it takes no `until`"),
                )
                .help(format!("`until` goes with: {}", able.join(", ")));
        }
        if fields.get("grace").is_some() && kind != ActionKind::AccountDelete {
            report
                .error(
                    fields.key_pos("grace"),
                    Code::Grace,
                    format!("`grace` belongs to `account.delete`, not to `{kind}`"),
                )
                .help("leave it out");
        }
        if fields.get("delay").is_some() && fields.get("at").is_some() {
            report
                .error(fields.key_pos("delay"), Code::Contradiction, "a step takes `at` or `delay`, not both")
                .help("`delay` counts from the end of `after`; `at` counts from a date");
        }
    }

    fn when(&self, names: &Names, report: &mut Report<'_>) -> Option<Condition> {
        let node = self.fields.get("when")?;
        let source = report.text(node, "`when`")?;
        names.condition(source, node.pos, report)
    }

    fn instant(&self, key: &str, report: &mut Report<'_>) -> Option<At> {
        let node = self.fields.get(key)?;
        let at = match At::parse(report.text(node, &format!("`{key}`"))?) {
            Ok(at) => at,
            Err(error) => {
                refuse_instant(&error, node.pos, report);
                return None;
            }
        };
        self.check_anchor(&at.anchor, node.pos, report);
        for (_, amount) in &at.offsets {
            self.check_amount(amount, node.pos, report);
        }
        Some(at)
    }

    fn check_anchor(&self, anchor: &Anchor, pos: Pos, report: &mut Report<'_>) {
        match anchor {
            Anchor::Start => {}
            Anchor::Input(name) => self.context.inputs.expect(name, InputType::Date, report.locate(pos, name), report),
            Anchor::Person(_) if self.context.subject.is_some_and(|subject| subject != SubjectKind::Person) => {
                report.error(pos, Code::UnknownName, "this workflow is not about a person").help("count from `start`");
            }
            Anchor::Person(field) if PERSON_DATES.contains(&field.as_str()) => {}
            Anchor::Person(field) => {
                report.unknown(report.locate(pos, field), Code::UnknownName, "date of a person", field, &PERSON_DATES);
            }
        }
    }

    fn amount(&self, key: &str, report: &mut Report<'_>) -> Option<Amount> {
        let node = self.fields.get(key)?;
        match Amount::parse(report.text(node, &format!("`{key}`"))?) {
            Ok(amount) => {
                self.check_amount(&amount, node.pos, report);
                Some(amount)
            }
            Err(error) => {
                refuse_instant(&error, node.pos, report);
                None
            }
        }
    }

    fn check_amount(&self, amount: &Amount, pos: Pos, report: &mut Report<'_>) {
        if let Amount::Input(name) = amount {
            let place = report.locate(pos, &format!("inputs.{name}"));
            self.context.inputs.expect(name, InputType::Duration, place, report);
        }
    }
}

fn refuse_instant(error: &AtError, pos: Pos, report: &mut Report<'_>) {
    let help = match error {
        AtError::Zero(_) => "leave it out, or write how long",
        AtError::Span(super::span::SpanError::Absurd(_)) => "check the unit",
        _ => "an instant is `ANCHOR {± SPAN} [HH:MM]`, for example `last_day + 60 days 18:00`",
    };
    report.error(pos, Code::Span, error.to_string()).help(help);
}

fn retry(node: &Node, report: &mut Report<'_>) -> Option<Retry> {
    let fields = report.fields(node, "`retry`", &["max", "backoff", "cap"])?;
    let Some(max) = fields.get("max") else {
        let help = "write `retry: { max: 5 }` or `{ max: forever }`";
        report.error(node.pos, Code::MissingKey, "`retry` needs `max`").help(help);
        return None;
    };
    let max = match report.text(max, "`max`")? {
        "forever" => None,
        text => match text.parse::<u32>() {
            Ok(times @ 1..=1000) => Some(times),
            _ => {
                report
                    .error(max.pos, Code::WrongType, format!("`{text}` is not a number of attempts"))
                    .help("write a number from 1 to 1000, or `forever`");
                return None;
            }
        },
    };
    let backoff = fields.get("backoff").and_then(|node| duration(node, "`backoff`", report));
    let cap = fields.get("cap").and_then(|node| duration(node, "`cap`", report));
    let (backoff, hour) = (backoff.unwrap_or(Duration::from_secs(30)), Duration::from_secs(3600));
    let cap = cap.unwrap_or(hour.max(backoff));
    if cap < backoff {
        report
            .error(
                fields.key_pos("cap"),
                Code::Contradiction,
                "`cap`, the longest wait, is shorter than `backoff`, the first",
            )
            .help("swap the two");
    }
    Some(Retry { max, backoff, cap })
}

/// An exact length of time, more than nothing and at most a day.
fn duration(node: &Node, what: &str, report: &mut Report<'_>) -> Option<Duration> {
    let text = report.text(node, what)?;
    let read = match Span::parse(text) {
        Ok(Span::Calendar(span)) => span
            .0
            .total((Unit::Second, SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        _ => None,
    };
    let fits = read.filter(|read| !read.is_zero() && *read <= DAY);
    if fits.is_none() {
        report
            .error(node.pos, Code::Span, format!("{what} must be a time from 1 second to 1 day, not `{text}`"))
            .help("write for example `30 seconds` or `5 minutes`");
    }
    fits
}
