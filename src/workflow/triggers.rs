//! `on:` what starts a workflow.

use jiff::tz::TimeZone;

use super::codes::Code;
use super::definition::{HrEvent, Missed, Schedule, SubjectKind, Triggers};
use super::diagnostic::Pos;
use super::report::{Fields, Report, nearest};
use super::schedule::Cron;
use super::yaml::Node;

/// The keys of `on`.
pub(super) const KEYS: [&str; 4] = ["event", "fields", "manual", "schedule"];
/// The keys of a schedule.
pub(super) const SCHEDULE_KEYS: [&str; 3] = ["cron", "timezone", "missed"];

/// Reads `on:`, which every workflow has.
pub(super) fn read(top: &Fields<'_>, report: &mut Report<'_>) -> Triggers {
    let Some(node) = top.get("on") else {
        report
            .error(top.pos, Code::MissingKey, "nothing starts this workflow: it has no `on`")
            .help("write `on: { manual: true }`");
        return Triggers::default();
    };
    let Some(fields) = report.fields(node, "`on`", &KEYS) else {
        return Triggers::default();
    };
    let events = HrEvent::ALL.map(|event| (event.as_str(), event));
    let triggers = Triggers {
        event: fields.get("event").and_then(|node| report.word(node, "event", &events)),
        fields: fields.get("fields").map(|node| changed_fields(node, report)).unwrap_or_default(),
        manual: fields.get("manual").and_then(|node| report.boolean(node, "`manual`")).unwrap_or(false),
        schedule: fields.get("schedule").and_then(|node| schedule(node, report)),
    };
    if fields.entries.iter().all(|entry| entry.key == "manual" && entry.value.is_false()) {
        report.error(node.pos, Code::MissingKey, "nothing starts this workflow").help("write `on: { manual: true }`");
    }
    triggers
}

/// Fields of a person whose change HR tells (`fields: [department]`).
pub(super) const CHANGING_FIELDS: [&str; 12] = [
    "given_name",
    "family_name",
    "display_name",
    "email",
    "private_email",
    "manager_number",
    "department",
    "role",
    "timezone",
    "language",
    "start_date",
    "leave_reason",
];

fn changed_fields(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    let named = report.texts(node, "a field of a person").unwrap_or_default();
    for (name, pos) in named.iter().filter(|(name, _)| !CHANGING_FIELDS.contains(&name.as_str())) {
        report.unknown(*pos, Code::UnknownField, "field of a person", name, &CHANGING_FIELDS);
    }
    named.into_iter().map(|(name, _)| name).collect()
}

/// Notes triggers that do not go with what the workflow is about.
pub(super) fn check(top: &Fields<'_>, subject: SubjectKind, triggers: &Triggers, report: &mut Report<'_>) {
    let pos = top.key_pos("on");
    if triggers.event.is_some() && subject != SubjectKind::Person {
        report
            .error(pos, Code::Trigger, "an HR event is about a person, this workflow is not")
            .help("write `for: person`, or start it by a schedule or by hand");
    }
    if !triggers.fields.is_empty() && triggers.event != Some(HrEvent::Changed) {
        report
            .error(pos, Code::Trigger, "`fields` goes with `event: changed`: it names what must have changed")
            .help("leave `fields` out, or write `event: changed`");
    }
    if triggers.schedule.is_some() && subject != SubjectKind::Organisation {
        report
            .error(pos, Code::Trigger, format!("a schedule names no {}", subject.as_str()))
            .help("write `for: organisation`, with `for_each` to run once per person or account");
    }
}

fn schedule(node: &Node, report: &mut Report<'_>) -> Option<Schedule> {
    let fields = report.fields(node, "`schedule`", &SCHEDULE_KEYS)?;
    let missed = [("once", Missed::Once), ("all", Missed::All), ("skip", Missed::Skip)];
    let missed = fields.get("missed").and_then(|node| report.word(node, "policy for missed ticks", &missed));
    let timezone = fields.get("timezone").and_then(|node| report.text(node, "`timezone`"));
    if let Some(name) = timezone {
        zone(name, fields.value_pos("timezone"), report);
    }
    let Some(node) = fields.get("cron") else {
        let help = "write for example `cron: \"0 6 * * 1-5\"` (minute hour day month weekday)";
        report.error(fields.pos, Code::MissingKey, "`schedule` has no `cron`").help(help);
        return None;
    };
    let cron = report.text(node, "`cron`")?;
    if let Err(error) = Cron::parse(cron) {
        let help = "five fields: minute hour day month weekday, for example `0 6 1 1,4,7,10 *`";
        report.error(node.pos, Code::Cron, error.to_string()).help(help);
        return None;
    }
    Some(Schedule { cron: cron.to_owned(), timezone: timezone.map(str::to_owned), missed: missed.unwrap_or_default() })
}

/// Notes a name that is no zone.
pub(super) fn zone(name: &str, pos: Pos, report: &mut Report<'_>) {
    if TimeZone::get(name).is_ok() {
        return;
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest(name, &known) {
        Some(near) => report
            .error(pos, Code::UnknownZone, format!("unknown time zone `{name}`, did you mean `{near}`?"))
            .help(format!("replace it with `{near}`")),
        None => report
            .error(pos, Code::UnknownZone, format!("unknown time zone `{name}`"))
            .help("write an IANA name such as `Europe/Zurich`"),
    };
}
