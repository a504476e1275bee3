//! What stands where in a workflow file. Nothing of this is ever built: the parser reads files, these say to editors
//! what it takes. A test holds their keys against the parser's.
#![expect(dead_code, reason = "only the schemas of these are used")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::words::{
    Accounts, Action, Amount, At, Attempts, Changing, Condition, Cron, Event, Length, Name, People, Short, Source,
    Systems, Text, Texts, Zone,
};

/// A workflow of usher: what happens to a person's (or an account's) access, when, and who is asked.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("allOf" = [
    { "if": { "properties": { "on": { "required": ["event"] } }, "required": ["on"] },
      "then": { "properties": { "for": { "const": "person" } } } },
    { "if": { "properties": { "on": { "required": ["schedule"] } }, "required": ["on"] },
      "then": { "properties": { "for": { "const": "organisation" } } } },
    { "if": { "required": ["for_each"] }, "then": { "properties": { "for": { "const": "organisation" } } } },
]))]
pub(super) struct WorkflowFile {
    /// The workflow's name, as used in commands: lower-case words joined by hyphens.
    workflow: Name,
    /// One line for people.
    title: Option<Text>,
    /// What a run of it is about.
    r#for: Subject,
    /// `urgent` steps go before everything else that is due.
    priority: Option<Priority>,
    /// What starts it.
    on: Triggers,
    /// What a run must know before it starts. Inputs freeze at the start.
    #[schemars(extend("maxProperties" = 100, "propertyNames" = {
        "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 64, "not": { "const": "start" } }))]
    inputs: Option<BTreeMap<String, Input>>,
    /// The zone of its local times (IANA name or template); without it the configured one.
    timezone: Option<Text>,
    /// The calendar of its business days: a `[calendars.NAME]` of the configuration.
    calendar: Option<Name>,
    /// The jurisdiction's policy: a `[policies.NAME]` of the configuration.
    policy: Option<Name>,
    /// For scheduled workflows of the organisation: one child run for each account or person selected.
    for_each: Option<ForEach>,
    /// What happens. A step without `after` follows the step above it.
    #[schemars(length(min = 1, max = 200))]
    steps: Vec<Step>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum Subject {
    /// A person known from HR, with all their accounts.
    Person,
    /// One account on one system.
    Account,
    /// The organisation.
    Organisation,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum Priority {
    /// Before everything else.
    Urgent,
    /// In turn.
    Normal,
}

/// What starts a workflow: at least one of these.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("anyOf" = [
    { "required": ["event"] }, { "required": ["schedule"] },
    { "properties": { "manual": { "const": true } }, "required": ["manual"] },
], "if" = { "required": ["fields"], "properties": { "fields": { "not": { "maxItems": 0, "type": "array" } } } },
   "then" = { "required": ["event"], "properties": { "event": { "const": "changed" } } }))]
struct Triggers {
    /// What HR says about a person.
    event: Option<Event>,
    /// With `event: changed`: the fields of which one must have changed.
    fields: Option<Changing>,
    /// A person, by command.
    manual: Option<bool>,
    /// A durable schedule, fired once over all daemons.
    schedule: Option<Schedule>,
}

/// Ticks by the calendar.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Schedule {
    /// Five fields: minute hour day month weekday (0 and 7 are Sunday).
    cron: Cron,
    /// IANA zone; without it the configured one.
    timezone: Option<Zone>,
    /// What happens with ticks that passed while no daemon ran: one run for all, one each, none.
    missed: Option<Missed>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum Missed {
    /// One run for all of them.
    Once,
    /// One run each.
    All,
    /// None.
    Skip,
}

/// Over whom a scheduled workflow runs.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [
    { "required": ["accounts"], "properties": { "accounts": { "const": "inactive" }, "people": false, "within": false },
      "allOf": [{ "required": ["for"] }] },
    { "required": ["accounts"],
      "properties": { "accounts": { "not": { "const": "inactive" } }, "people": false, "within": false, "for": false } },
    { "required": ["people", "within"],
      "properties": { "people": { "enum": ["starting", "leaving"] }, "accounts": false, "for": false } },
    { "required": ["people"],
      "properties": { "people": { "not": { "enum": ["starting", "leaving"] } }, "accounts": false, "for": false, "within": false } },
]))]
struct ForEach {
    /// Accounts: past their grace, bound to nobody, unused `for` so long, or disabled.
    accounts: Option<Accounts>,
    /// People: starting or leaving `within` so long, active, or departed.
    people: Option<People>,
    /// With `accounts: inactive`: how long nobody has signed in.
    r#for: Option<Length>,
    /// With `people: starting` and `people: leaving`: from today to so much later.
    within: Option<Length>,
}

/// Something a run must know before it starts. Without a default, `optional` or `required_if` it is required.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("allOf" = [
    { "if": { "properties": { "type": { "const": "choice" } }, "required": ["type"] },
      "then": { "required": ["choices"] }, "else": { "properties": { "choices": { "type": "array", "maxItems": 0 } } } },
    { "if": { "properties": { "type": { "enum": ["duration", "number"] } }, "required": ["type"] },
      "else": { "properties": { "min": false, "max": false } } },
    { "not": { "properties": { "required": { "const": true }, "optional": { "const": true } },
               "required": ["required", "optional"] } },
]))]
struct Input {
    /// Its type.
    r#type: InputType,
    /// What it takes from the event that starts the run.
    from: Option<Source>,
    /// Its value when nobody gives one; may refer to the person and to inputs above it.
    default: Option<Text>,
    /// Whether a run cannot start without it.
    required: Option<bool>,
    /// Whether it may be absent.
    optional: Option<bool>,
    /// A condition under which it is required.
    required_if: Option<Condition>,
    /// Smallest duration or number.
    min: Option<Text>,
    /// Largest duration or number.
    max: Option<Text>,
    /// The values of a choice.
    choices: Option<Texts>,
    /// One line for people.
    help: Option<Text>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum InputType {
    /// A calendar date, `2027-01-29`.
    Date,
    /// A mail address.
    Email,
    /// Free text.
    Text,
    /// A span, `180 days`.
    Duration,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of `choices`.
    Choice,
    /// An employee number.
    Person,
}

/// One step: an action, where, when, and after what.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("not" = { "required": ["at", "delay"] }))]
struct Step {
    /// Its name, unique in the file.
    id: Name,
    /// What it does.
    action: Action,
    /// Where: `all`, a capability (`mail`, `files`, `calendars`, `directory`), a system's name, or a list of names.
    systems: Option<Systems>,
    /// The steps it comes after; without it the step above, `[]` for none.
    after: Option<Texts>,
    /// Not before this instant: `ANCHOR {± SPAN} [HH:MM]`, without a time 09:00.
    at: Option<At>,
    /// Time between the end of `after` and this step.
    delay: Option<Amount>,
    /// When the inverse action takes it back.
    until: Option<At>,
    /// A condition, decided when its time has come.
    when: Option<Condition>,
    /// For `account.delete`: time until the purge.
    grace: Option<Amount>,
    /// What to do when its time had passed before the run started.
    late: Option<Late>,
    /// Overrides of the retry policy that the action's nature gives.
    retry: Option<Retry>,
    /// Longest time for one attempt, 1 second to 1 day.
    timeout: Option<Short>,
    /// What a failure does: hold it for a person, or go on behind it.
    on_failure: Option<OnFailure>,
    /// What an ambiguous attempt of an undetectable action does.
    on_unknown: Option<OnUnknown>,
    /// The action's parameters.
    with: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum Late {
    /// Run now.
    Now,
    /// Do not run.
    Skip,
    /// Hold for a person.
    Hold,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum OnFailure {
    /// Hold for a person.
    Hold,
    /// Go on behind it.
    Continue,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", inline)]
enum OnUnknown {
    /// Hold for a person.
    Hold,
    /// Try again, accepting that it may happen twice.
    Retry,
}

/// How often, and how far apart.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Retry {
    /// Attempts before the step fails, 1 to 1000, or `forever`.
    max: Attempts,
    /// Wait after the first failed attempt; doubles each time.
    backoff: Option<Short>,
    /// Longest wait.
    cap: Option<Short>,
}
