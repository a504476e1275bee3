//! The texts of a workflow file, each with the form it takes.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::workflow::action::{ActionKind, Facet};
use crate::workflow::definition::HrEvent;
use crate::workflow::inputs::EVENT_FIELDS;
use crate::workflow::select;
use crate::workflow::triggers::CHANGING_FIELDS;

/// A span as people write it: it begins with a number, or with the P of ISO 8601.
const SPAN: &str = r"(?:[0-9]|P)[0-9A-Za-z., ]*";

macro_rules! words {
    ($($(#[doc = $what:literal])+ $name:ident => $schema:expr;)*) => { $(
        $(#[doc = $what])+
        pub(super) enum $name {}

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let schema: Value = $schema;
                Schema::try_from(schema).unwrap_or_else(|_| json_schema!(true))
            }
        }
    )* };
}

words! {
    /// Lower-case words joined by hyphens.
    Name => json!({ "type": "string", "maxLength": 64, "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$" });
    /// Any text; YAML may take it for a number.
    Text => json!({ "type": ["string", "number", "boolean"], "pattern": r"\S" });
    /// One text, or a list of them.
    Texts => json!({ "anyOf": [text(), { "type": "array", "items": text() }] });
    /// A bare expression.
    Condition => json!({ "type": ["string", "number", "boolean"], "pattern": r"\S",
        "not": { "type": "string", "pattern": r"^\s*\{\{.*\}\}\s*$" } });
    /// `60 days`, `P60D`, `2 business days`, or a duration input.
    Amount => json!({ "type": "string", "pattern": format!(r"^\s*(?:{SPAN}|[0-9][0-9:]*|inputs\.[A-Za-z0-9_ ]+)\s*$"),
        "examples": ["30 days", "2 weeks", "2 business days", "inputs.retention"] });
    /// A length of at most a day.
    Short => json!({ "type": "string", "pattern": r"^\s*(?:[0-9]|P)[0-9A-Za-z., :]*\s*$",
        "examples": ["30 seconds", "5 minutes"] });
    /// A length in days, weeks, months.
    Length => json!({ "type": "string", "pattern": format!(r"^\s*{SPAN}\s*$"),
        "not": { "type": "string", "pattern": "business" }, "examples": ["90 days", "2 weeks"] });
    /// `ANCHOR {± SPAN} [HH:MM]`
    At => json!({ "type": "string", "pattern": at(),
        "examples": ["last_day 18:00", "last_day + 60 days", "start + 2 hours", "person.start_date - 7 days"] });
    /// Five fields of cron.
    Cron => json!({ "type": "string", "pattern": r"^\s*\S+(?:\s+\S+){4}\s*$", "examples": ["0 6 * * 1-5", "0 6 1 1,4,7,10 *"] });
    /// An IANA zone.
    Zone => json!({ "type": "string", "pattern": r"^\s*[A-Za-z0-9_+/-]+\s*$", "examples": ["Europe/Zurich"] });
    /// The name of an action.
    Action => json!({ "enum": ActionKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
        "enumDescriptions": ActionKind::ALL.iter().map(|kind| kind.describe()).collect::<Vec<_>>() });
    /// An event of HR's.
    Event => json!({ "enum": HrEvent::ALL.map(HrEvent::as_str) });
    /// One field of a person, or a list of them.
    Changing => json!({ "anyOf": [{ "enum": CHANGING_FIELDS }, { "type": "array", "items": { "enum": CHANGING_FIELDS } }] });
    /// What an event may carry.
    Source => json!({ "enum": EVENT_FIELDS });
    /// `all`, a capability, a name, or a list of names.
    Systems => json!({ "anyOf": [
        { "type": "string", "pattern": r"\S", "examples": facets().chain(["all"]).collect::<Vec<_>>() },
        { "type": "array", "minItems": 1, "items": {
            "type": ["string", "number", "boolean"], "pattern": r"\S",
            "not": { "enum": facets().chain(["all"]).collect::<Vec<_>>() } } } ] });
    /// A number of attempts, or `forever`.
    Attempts => json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 1000 },
        { "type": "string", "pattern": "^(?:forever|[1-9][0-9]{0,2}|1000)$" }] });
    /// Which accounts.
    Accounts => json!({ "enum": select::ACCOUNTS });
    /// Which people.
    People => json!({ "anyOf": [{ "enum": select::PEOPLE },
        { "type": "string", "pattern": "^(?:starting|leaving)_in_[0-9]{1,3}_days?$" }], "examples": ["starting_in_7_days"] });
}

fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"], "pattern": r"\S" })
}

fn facets() -> impl Iterator<Item = &'static str> {
    Facet::ALL.into_iter().map(Facet::as_str)
}

fn at() -> String {
    let anchor = r"(?:person\.(?:start_date|last_day)|(?:inputs\.)?[A-Za-z0-9_]+)";
    let amount = format!(r"(?:{SPAN}|inputs\.[A-Za-z0-9_]+\s*)");
    format!(r"^\s*{anchor}\s*(?:[+-]\s*{amount})*(?:(?:^|\s)\s*(?:[01]?[0-9]|2[0-3]):[0-5][0-9])?\s*$")
}
