//! The few fields that the simulated systems need of a call, read leniently.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{digest, size};
use crate::connectors::{ActionError, Call};

/// A call's parameters, read by name. Where several names are given, the first that is there counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a>(pub(super) &'a Call);

impl Request<'_> {
    /// Text, if it is there.
    pub(super) fn text(self, names: &[&str]) -> Option<String> {
        let person = self.0.with.get("person").and_then(Value::as_object);
        let lookup = |name: &&str| self.0.with.get(*name).or_else(|| person.and_then(|person| person.get(*name)));
        names.iter().filter_map(lookup).find_map(|value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// Text that must be there.
    ///
    /// # Errors
    /// A final failure that names what is missing.
    pub(super) fn required(self, names: &[&str]) -> Result<String, ActionError> {
        self.text(names).ok_or_else(|| self.lacks(names))
    }

    /// Somebody: an address, or a person's object with `email` or, failing that, `employee_number` (given as `#1004`).
    ///
    /// # Errors
    /// A final failure when there is none, or something else in its place.
    pub(super) fn address(self, names: &[&str]) -> Result<String, ActionError> {
        let object = names.iter().find_map(|name| self.0.with.get(*name).and_then(Value::as_object));
        let text = match object {
            Some(person) => filled(person, "email").or_else(|| Some(numbered(&filled(person, "employee_number")?))),
            None => self.text(names),
        };
        let address = text.ok_or_else(|| self.lacks(names))?;
        if address.contains('@') || object.is_some() {
            return Ok(address);
        }
        Err(ActionError::fail(format!("`{}` needs an address in `{}`", self.0.action, names.join("` or `"))))
    }

    /// A list of texts; a single text is a list of one.
    pub(super) fn list(self, names: &[&str]) -> Option<BTreeSet<String>> {
        names.iter().find_map(|name| match self.0.with.get(*name)? {
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            Value::String(text) => Some(BTreeSet::from([text.clone()])),
            _ => None,
        })
    }

    /// A list that must be there.
    ///
    /// # Errors
    /// A final failure that names what is missing.
    pub(super) fn required_list(self, names: &[&str]) -> Result<BTreeSet<String>, ActionError> {
        self.list(names).ok_or_else(|| self.lacks(names))
    }

    /// Yes or no.
    pub(super) fn flag(self, name: &str) -> Option<bool> {
        self.0.with.get(name).and_then(Value::as_bool)
    }

    /// A size in bytes: a number, text such as `5 GB`, or an object with `bytes`.
    ///
    /// # Errors
    /// A final failure when it is missing or no size.
    pub(super) fn bytes(self, names: &[&str]) -> Result<u64, ActionError> {
        let object = names.iter().find_map(|name| self.0.with.get(*name)?.get("bytes")?.as_u64());
        if let Some(bytes) = object {
            return Ok(bytes);
        }
        let text = self.required(names)?;
        let wrong = || ActionError::fail(format!("`{}`: `{text}` is not a size such as `5 GB`", self.0.action));
        size::parse(&text).ok_or_else(wrong)
    }

    /// The name of a password that nobody knows, drawn for this attempt.
    pub(super) fn new_password(self) -> String {
        let Call { idempotency_key, fence, now, account, .. } = self.0;
        let account = account.as_deref().unwrap_or_default();
        digest::generation(&[idempotency_key, &fence.to_string(), &now.to_string(), account])
    }

    fn lacks(self, names: &[&str]) -> ActionError {
        ActionError::fail(format!("`{}` needs `{}`", self.0.action, names.join("` or `")))
    }
}

/// A field of an object that holds more than blanks.
fn filled(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// How the book of a system names a person by employee number.
pub(super) fn numbered(employee_number: &str) -> String {
    format!("#{}", employee_number.to_ascii_lowercase())
}
