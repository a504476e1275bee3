//! The inputs of a run: given, taken from the event, or by default; typed, complete, and then frozen.

mod value;

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::nearest::way_out;
use crate::workflow::{Input, Scope, Workflow};

/// What the HR event that starts a run says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFacts {
    /// The date it takes effect, where HR gives one: the last working day of a departure, the first day of a leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Date>,
    /// The fields of the person that changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// What else it says, by name (`from: event.family_name`).
    #[serde(flatten)]
    pub facts: BTreeMap<String, String>,
}

impl EventFacts {
    /// An event that says only when.
    pub fn on(effective: Date) -> Self {
        Self { effective: Some(effective), ..Self::default() }
    }

    /// The fact that `from:` names: `event.effective`, or any other by its name.
    pub(super) fn fact(&self, from: &str) -> Option<Value> {
        match from.strip_prefix("event.").unwrap_or(from) {
            "effective" => self.effective.map(|date| Value::String(date.to_string())),
            other => self.facts.get(other).cloned().map(Value::String),
        }
    }
}

/// What is wrong with one input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The workflow declares no such input.
    #[error("workflow `{workflow}` has no input `{name}`; {way_out}")]
    Unknown {
        /// The workflow.
        workflow: String,
        /// As given.
        name: String,
        /// The nearest name, or all of them.
        way_out: String,
    },
    /// Required, and nothing gives it a value.
    #[error("input `{name}` is required{help}; give it with `{name}=…`")]
    Missing {
        /// The input.
        name: String,
        /// Its help line in brackets.
        help: String,
    },
    /// Required because of another.
    #[error("input `{name}` is required because `{condition}` holds; give it with `{name}=…`")]
    MissingBecause {
        /// The input.
        name: String,
        /// `required_if`, as written.
        condition: String,
    },
    /// Not a value of its type, or out of its bounds.
    #[error("input `{name}`: {why}")]
    Invalid {
        /// The input.
        name: String,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Its default or its condition cannot be evaluated.
    #[error("input `{name}`: its {what} fails: {why}; give the input, or correct the workflow")]
    Expression {
        /// The input.
        name: String,
        /// `default` or `required_if`.
        what: &'static str,
        /// The expression's own error.
        why: String,
    },
}

/// Every declared input with its value: dates as ISO text, spans as text, null for what is optional and absent.
///
/// A value is what is `given`, else what the `event` says, else the default. An empty text counts as not given. `scope`
/// is what defaults may refer to; it has the inputs afterwards.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub fn resolve_inputs(
    workflow: &Workflow,
    given: &BTreeMap<String, Value>,
    event: Option<&EventFacts>,
    scope: &mut Scope,
) -> Result<Map<String, Value>, Vec<InputError>> {
    let mut errors: Vec<InputError> = unknown(workflow, given).collect();
    let mut values = Map::new();
    scope.inputs = Value::Object(Map::new());
    for input in &workflow.inputs {
        let value = value_of(input, given, event, scope).unwrap_or_else(|error| {
            errors.push(error);
            Value::Null
        });
        values.insert(input.name.clone(), value);
        scope.inputs = Value::Object(values.clone());
    }
    if errors.is_empty() {
        errors.extend(workflow.inputs.iter().filter_map(|input| conditionally_missing(input, &values, scope)));
    }
    if errors.is_empty() { Ok(values) } else { Err(errors) }
}

fn unknown<'a>(workflow: &'a Workflow, given: &'a BTreeMap<String, Value>) -> impl Iterator<Item = InputError> + 'a {
    given.keys().filter(|name| workflow.input(name).is_none()).map(|name| InputError::Unknown {
        workflow: workflow.name.clone(),
        name: name.clone(),
        way_out: way_out(name, workflow.inputs.iter().map(|input| input.name.as_str())),
    })
}

fn value_of(
    input: &Input,
    given: &BTreeMap<String, Value>,
    event: Option<&EventFacts>,
    scope: &Scope,
) -> Result<Value, InputError> {
    let from_event = || event.zip(input.from.as_deref()).and_then(|(event, from)| event.fact(from));
    let stated = given.get(&input.name).cloned().filter(is_present).or_else(from_event).filter(is_present);
    let raw = match stated {
        Some(value) => value,
        None => default_of(input, scope)?,
    };
    if !is_present(&raw) {
        return if input.required { Err(missing(input)) } else { Ok(Value::Null) };
    }
    value::parse(input, &raw).map_err(|why| InputError::Invalid { name: input.name.clone(), why })
}

fn default_of(input: &Input, scope: &Scope) -> Result<Value, InputError> {
    let Some(default) = &input.default else { return Ok(Value::Null) };
    default.render(scope).map_err(|error| InputError::Expression {
        name: input.name.clone(),
        what: "default",
        why: error.message,
    })
}

fn conditionally_missing(input: &Input, values: &Map<String, Value>, scope: &Scope) -> Option<InputError> {
    let condition = input.required_if.as_ref()?;
    if values.get(&input.name).is_some_and(is_present) {
        return None;
    }
    match condition.holds(scope) {
        Ok(false) => None,
        Ok(true) => {
            Some(InputError::MissingBecause { name: input.name.clone(), condition: condition.source().to_owned() })
        }
        Err(error) => {
            Some(InputError::Expression { name: input.name.clone(), what: "required_if", why: error.message })
        }
    }
}

fn missing(input: &Input) -> InputError {
    let help = input.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    InputError::Missing { name: input.name.clone(), help }
}

/// Null, empty text and a person without any field are no value.
fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(fields) => fields.values().any(|field| !field.is_null()),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
