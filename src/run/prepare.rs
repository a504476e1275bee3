//! What a step is asked to do: the values its templates see, its rendered parameters, and their digest.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::subject::{Account, Person, Subject};
use crate::workflow::{ActionKind, PERSON, Param, Scope, TemplateError};

/// What templates may know of the run itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    /// Its public id (`run_…`); `None` while it is only planned.
    pub id: Option<String>,
    /// The workflow's name.
    pub workflow: String,
    /// When it starts or started.
    pub started: Timestamp,
}

/// The names that templates and conditions may use.
///
/// `person.manager` is always a mapping, with null fields where HR names no manager, so that
/// `{{ person.manager.email }}` is empty instead of an error. `account` is the step's account, or the subject itself.
pub fn scope(subject: &Subject, inputs: &Map<String, Value>, account: Option<&Account>, run: &RunFacts) -> Scope {
    let (person, own) = match subject {
        Subject::Person { person, manager } => {
            let mut fields = person_fields(person);
            fields.insert("manager".to_owned(), manager_fields(manager.as_deref()));
            (Value::Object(fields), None)
        }
        Subject::Account(account) => (Value::Null, Some(account.as_ref())),
        Subject::Organisation => (Value::Null, None),
    };
    Scope {
        person,
        inputs: Value::Object(inputs.clone()),
        account: account.or(own).map_or(Value::Null, account_fields),
        run: json!({ "id": run.id, "workflow": run.workflow, "started": run.started.to_string() }),
    }
}

fn person_fields(person: &Person) -> Map<String, Value> {
    let given = |text: &String| Value::String(text.clone());
    let optional = |text: &Option<String>| text.as_ref().map_or(Value::Null, given);
    let day = |date: Option<Date>| date.map_or(Value::Null, |date| Value::String(date.to_string()));
    fields([
        given(&person.employee_number),
        given(&person.given_name),
        given(&person.family_name),
        given(&person.display_name),
        optional(&person.email),
        optional(&person.private_email),
        optional(&person.department),
        optional(&person.role),
        optional(&person.timezone),
        optional(&person.language),
        day(person.start_date),
        day(person.last_day),
        Value::String(person.status.as_str().to_owned()),
    ])
}

fn manager_fields(manager: Option<&Person>) -> Value {
    Value::Object(manager.map_or_else(|| fields([const { Value::Null }; PERSON.len()]), person_fields))
}

/// What is known of a person, by name.
fn fields(values: [Value; PERSON.len()]) -> Map<String, Value> {
    PERSON.iter().map(|name| (*name).to_owned()).zip(values).collect()
}

fn account_fields(account: &Account) -> Value {
    json!({
        "id": account.external_id,
        "login": account.login,
        "system": account.system,
    })
}

/// The parameters of a step, every template filled. A mapping without any value (the manager of somebody who has
/// none) becomes null, so that the action sees an absent parameter and not an empty person.
///
/// # Errors
/// When a template names something unknown or fails.
pub fn render_params<'a>(
    params: impl IntoIterator<Item = (&'a String, &'a Param)>,
    scope: &impl Serialize,
) -> Result<Map<String, Value>, TemplateError> {
    params
        .into_iter()
        .map(|(name, param)| match render(param, scope) {
            Ok(value) => Ok((name.clone(), value)),
            Err(error) => Err(TemplateError { message: format!("`with: {name}`: {}", error.message) }),
        })
        .collect()
}

fn render(param: &Param, scope: &impl Serialize) -> Result<Value, TemplateError> {
    match param {
        Param::Literal(value) => Ok(value.clone()),
        Param::Template(template) => Ok(nobody_is_null(template.render(scope)?)),
        Param::List(items) => items.iter().map(|item| render(item, scope)).collect::<Result<_, _>>().map(Value::Array),
        Param::Map(fields) => fields
            .iter()
            .map(|(name, field)| Ok((name.clone(), render(field, scope)?)))
            .collect::<Result<_, _>>()
            .map(Value::Object),
    }
}

fn nobody_is_null(value: Value) -> Value {
    match value {
        Value::Object(fields) if !fields.is_empty() && fields.values().all(Value::is_null) => Value::Null,
        other => other,
    }
}

/// SHA-256, in hex, of what is asked of a target: the action, the account's immutable id, and the parameters without
/// secrets. Every part carries its kind and length, so that no two requests share an encoding; keys are sorted.
pub fn digest(action: ActionKind, account: Option<&str>, params: &Map<String, Value>) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, b'a', action.name().as_bytes());
    match account {
        Some(id) => part(&mut hash, b'i', id.as_bytes()),
        None => part(&mut hash, b'-', b""),
    }
    encode_map(&mut hash, params);
    hex::encode(hash.finalize())
}

fn encode(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => part(hash, b'0', b""),
        Value::Bool(truth) => part(hash, b'b', &[u8::from(*truth)]),
        Value::Number(number) => part(hash, b'n', number.to_string().as_bytes()),
        Value::String(text) => part(hash, b's', text.as_bytes()),
        Value::Array(items) => {
            head(hash, b'l', items.len());
            items.iter().for_each(|item| encode(hash, item));
        }
        Value::Object(fields) => encode_map(hash, fields),
    }
}

fn encode_map(hash: &mut Sha256, fields: &Map<String, Value>) {
    head(hash, b'm', fields.len());
    for (name, value) in fields.iter().collect::<BTreeMap<_, _>>() {
        part(hash, b'k', name.as_bytes());
        encode(hash, value);
    }
}

fn part(hash: &mut Sha256, kind: u8, bytes: &[u8]) {
    head(hash, kind, bytes.len());
    hash.update(bytes);
}

fn head(hash: &mut Sha256, kind: u8, length: usize) {
    hash.update([kind]);
    hash.update((length as u64).to_be_bytes());
}

#[cfg(test)]
mod tests;
