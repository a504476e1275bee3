//! Names and addresses of an account.

use serde_json::{Value, json};

use crate::connectors::scim::account::{self, is_primary};
use crate::connectors::scim::edit::Edit;
use crate::connectors::scim::place::Place;
use crate::connectors::scim::resource::{Resource, field, text, value};
use crate::connectors::wording::Corrections;
use crate::connectors::{ActionError, Call, Observation};

/// Names to correct; those not given stay.
#[derive(Clone, Debug)]
pub(super) struct Names(Corrections);

impl Names {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        Corrections::of(call, ["name.givenName", "name.familyName", "displayName"]).map(Self)
    }

    pub(super) fn observe(&self, found: &Resource) -> Observation {
        let mut open: Vec<&str> = self.differing(found).map(|(path, _)| *path).collect();
        if self.other_address(found).is_some() {
            open.push("emails");
        }
        Observation::seen(open.is_empty(), "names as asked", format!("not as asked: {}", open.join(", ")))
    }

    pub(super) async fn apply(&self, found: &Resource, at: &Place<'_>) -> Result<(), ActionError> {
        at.change(found, |now| self.edits(now), None).await
    }

    fn edits(&self, now: &Resource) -> Vec<Edit> {
        let mut edits: Vec<Edit> = self.differing(now).map(|(path, text)| Edit::Set(path, json!(text))).collect();
        // A provider that was told the whole name shows that one.
        if let Some(whole) = self.formatted(now).filter(|_| !edits.is_empty()) {
            edits.push(Edit::Set("name.formatted", json!(whole)));
        }
        edits.extend(self.other_address(now).map(|address| Edit::Set("emails", emails(now, &address))));
        edits
    }

    fn differing<'a>(&'a self, found: &'a Resource) -> impl Iterator<Item = &'a (&'static str, String)> {
        self.0.texts.iter().filter(|(path, text)| at_path(found, path).as_deref() != Some(text.as_str()))
    }

    /// The whole name, where the account has one that is no longer right.
    fn formatted(&self, now: &Resource) -> Option<String> {
        let old = at_path(now, "name.formatted")?;
        let new = |path: &str| {
            let told = self.0.texts.iter().find(|(own, _)| *own == path).map(|(_, text)| text.clone());
            told.or_else(|| at_path(now, path)).unwrap_or_default()
        };
        let whole = format!("{} {}", new("name.givenName"), new("name.familyName")).trim().to_owned();
        (!whole.is_empty() && whole != old).then_some(whole)
    }

    /// The address to be, where it is not the first one yet.
    fn other_address(&self, found: &Resource) -> Option<String> {
        let now = account::address(found);
        let to_be = complete(now.as_deref(), self.0.address.as_ref()?);
        (!now.is_some_and(|now| now.eq_ignore_ascii_case(&to_be))).then_some(to_be)
    }
}

fn at_path(found: &Resource, path: &str) -> Option<String> {
    match path.split_once('.') {
        Some((outer, inner)) => text(field(&found.whole, outer)?, inner),
        None => found.text(path),
    }
}

/// The addresses with another first one; those of other kinds stay as they are.
fn emails(now: &Resource, address: &str) -> Value {
    let mut emails: Vec<Value> = now.items("emails").into_iter().cloned().collect();
    emails.retain(|email| !value(email).is_some_and(|own| own.eq_ignore_ascii_case(address)));
    let first = emails.iter().position(is_primary).or((!emails.is_empty()).then_some(0));
    match first.and_then(|first| emails.get_mut(first)) {
        Some(Value::Object(first)) => {
            first.insert("value".to_owned(), json!(address));
            first.remove("display");
            first.insert("primary".to_owned(), json!(true));
        }
        Some(first) => *first = json!({ "value": address, "primary": true }),
        None => emails.push(json!({ "value": address, "type": "work", "primary": true })),
    }
    Value::Array(emails)
}

/// The part before the `@` of the account's own domain, or the whole address.
fn complete(now: Option<&str>, address: &str) -> String {
    match now.and_then(|first| first.split_once('@')) {
        Some((_, domain)) if !address.contains('@') => format!("{address}@{domain}"),
        _ => address.to_owned(),
    }
}
