//! A resource as the provider answers it (RFC 7643, 2 and 3). Names of attributes are the same in any case.

use serde_json::Value;

use super::endpoint;
use crate::connectors::http::client::Answer;

/// The enterprise extension of a user (RFC 7643, 4.3).
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The core schemas.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A user or a group.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// The provider's own immutable id.
    pub(super) id: String,
    /// What a change names so that it does not undo somebody else's.
    pub(super) version: Option<String>,
    /// Everything that was answered.
    pub(super) whole: Value,
}

impl Resource {
    /// What an answer holds; `None` where that has no id.
    pub(super) fn of(answer: Answer) -> Option<Self> {
        let version = endpoint::version(&answer);
        Some(Self { id: text(&answer.body, "id")?, version, whole: answer.body })
    }

    /// One of a list.
    pub(super) fn listed(whole: Value) -> Option<Self> {
        let version = whole.pointer("/meta/version").and_then(Value::as_str).map(str::to_owned);
        Some(Self { id: text(&whole, "id")?, version, whole })
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        text(&self.whole, name)
    }

    /// Whether sign-in is allowed. Where nothing is said, nobody knows that it is not.
    pub(super) fn is_active(&self) -> bool {
        match field(&self.whole, "active") {
            Some(Value::Bool(active)) => *active,
            Some(Value::String(word)) => !word.eq_ignore_ascii_case("false"),
            _ => true,
        }
    }

    /// The items of an attribute that has several.
    pub(super) fn items(&self, name: &str) -> Vec<&Value> {
        field(&self.whole, name).and_then(Value::as_array).map(|items| items.iter().collect()).unwrap_or_default()
    }

    /// The `value` of each of them; items that are nothing but text are their own value.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        self.items(name).into_iter().filter_map(value).collect()
    }

    /// Whether the attribute was answered at all.
    pub(super) fn shows(&self, name: &str) -> bool {
        field(&self.whole, name).is_some()
    }
}

/// An item's value.
pub(super) fn value(item: &Value) -> Option<String> {
    item.as_str().map(str::to_owned).or_else(|| text(item, "value"))
}

/// The attribute called `name`, in any case.
pub(super) fn field<'v>(of: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = of.as_object()?;
    let found = fields
        .get(name)
        .or_else(|| fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value));
    found.filter(|value| !value.is_null())
}

/// Its text; a number as text.
pub(super) fn text(of: &Value, name: &str) -> Option<String> {
    let text = match field(of, name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
