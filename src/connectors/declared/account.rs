//! How a JSON answer becomes an account: where in it each field stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::text::Condition;
use crate::connectors::ActionError;
use crate::run::{Account, AccountStatus};

/// A JSON pointer (RFC 6901), `/profile/email`. The empty one is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Pointer(String);

impl Pointer {
    /// What stands there.
    pub fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.pointer(&self.0).filter(|found| !found.is_null())
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is no JSON pointer: write `/{}`", text.replace('.', "/")))
    }
}

/// Where the fields of an account stand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountFields {
    /// The system's own immutable id.
    pub id: Pointer,
    /// The name people sign in with; without it, the id.
    pub login: Option<Pointer>,
    /// The address.
    pub email: Option<Pointer>,
    /// The employee number.
    pub employee_number: Option<Pointer>,
    /// First name.
    pub given_name: Option<Pointer>,
    /// Last name.
    pub family_name: Option<Pointer>,
    /// As shown to others.
    pub display_name: Option<Pointer>,
    /// The role.
    pub role: Option<Pointer>,
    /// A list of groups by name.
    pub groups: Option<Pointer>,
    /// A list of further addresses.
    pub aliases: Option<Pointer>,
    /// Last sign-in: RFC 3339, or seconds or milliseconds since 1970.
    pub last_sign_in: Option<Pointer>,
    /// Whether sign-in is allowed, from `item`: the account's own part of the answer. Without it, every account that is
    /// there is taken as enabled.
    pub enabled: Option<Condition>,
    /// Whether it is deleted and can still be restored.
    pub deleted: Option<Condition>,
}

impl AccountFields {
    /// The account that `item` tells of.
    ///
    /// # Errors
    /// When it has no id, or something in it is not what was declared.
    pub(in crate::connectors) fn read(&self, system: &str, item: &Value) -> Result<Account, ActionError> {
        let id = self.id.of(item).and_then(scalar).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| ActionError::fail(format!("`{system}` shows an account without an id")))?;
        let wrong = |what: &str| ActionError::fail(format!("`{system}`, account {id}: {what}"));
        let facts = json!({ "item": item });
        let holds = |condition: &Option<Condition>, otherwise: bool| match condition {
            Some(condition) => {
                condition.holds(&facts).map_err(|why| wrong(&format!("`{}`: {why}", condition.source())))
            }
            None => Ok(otherwise),
        };
        let status = match (holds(&self.deleted, false)?, holds(&self.enabled, true)?) {
            (true, _) => AccountStatus::Deleted,
            (false, true) => AccountStatus::Enabled,
            (false, false) => AccountStatus::Disabled,
        };
        let last_sign_in = match self.last_sign_in.as_ref().and_then(|at| at.of(item)) {
            Some(at) => Some(instant(at).ok_or_else(|| wrong("its last sign-in is no time"))?),
            None => None,
        };
        let login = self.login.as_ref().and_then(|at| at.of(item)).and_then(scalar).unwrap_or_else(|| id.clone());
        Ok(Account {
            id: 0,
            system: system.to_owned(),
            external_id: id,
            login,
            person_id: None,
            status,
            attributes: self.attributes(item),
            last_sign_in,
            purge_due: None,
        })
    }

    fn attributes(&self, item: &Value) -> BTreeMap<String, Value> {
        let named = [
            ("email", &self.email),
            ("employee_number", &self.employee_number),
            ("given_name", &self.given_name),
            ("family_name", &self.family_name),
            ("display_name", &self.display_name),
            ("role", &self.role),
            ("groups", &self.groups),
            ("aliases", &self.aliases),
        ];
        let found = named.into_iter().filter_map(|(name, at)| Some((name, at.as_ref()?.of(item)?.clone())));
        attributes(found)
    }
}

/// Attributes as the inventory keeps them: an employee number is text, groups and aliases are lists of texts.
pub(in crate::connectors) fn attributes<'n>(
    found: impl IntoIterator<Item = (&'n str, Value)>,
) -> BTreeMap<String, Value> {
    let fit = |name: &str, value: Value| match (name, value) {
        ("groups" | "aliases", Value::Array(items)) => {
            Value::Array(items.iter().filter_map(scalar).map(Value::String).collect())
        }
        (_, number @ Value::Number(_)) => scalar(&number).map_or(number, Value::String),
        (_, other) => other,
    };
    found.into_iter().map(|(name, value)| (name.to_owned(), fit(name, value))).collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Beyond this, a number of seconds would be in the year 5138: it is milliseconds.
const SECONDS: i64 = 100_000_000_000;

/// Epoch milliseconds.
fn instant(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond),
        Value::Number(number) => {
            let number = number.as_i64()?;
            Some(if number.abs() < SECONDS { number * 1000 } else { number })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> AccountFields {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn an_account_is_read_from_where_its_fields_stand() {
        let fields = fields(
            "id = \"/id\"\nlogin = \"/name\"\nemail = \"/contact/mail\"\ngroups = \"/teams\"\nemployee_number = \"/no\"\n\
             last_sign_in = \"/seen\"\nenabled = \"item.state == 'active'\"\ndeleted = \"item.state == 'trash'\"",
        );
        let item = |state: &str, seen: Value| {
            json!({ "id": 7, "name": "ada", "contact": { "mail": "ada@x.example" }, "teams": ["a", 2], "no": 1005,
                "state": state, "seen": seen })
        };
        let account = fields.read("crm", &item("active", json!("2027-01-19T04:48:00Z"))).unwrap();
        assert_eq!((account.external_id.as_str(), account.login.as_str()), ("7", "ada"));
        assert_eq!(account.attributes["email"], "ada@x.example");
        assert_eq!(account.attributes["employee_number"], "1005");
        assert_eq!(account.attributes["groups"], json!(["a", "2"]));
        assert_eq!((account.status, account.last_sign_in), (AccountStatus::Enabled, Some(1_800_334_080_000)));
        for seen in [json!(1_800_334_080), json!(1_800_334_080_000_i64)] {
            assert_eq!(fields.read("crm", &item("locked", seen)).unwrap().last_sign_in, account.last_sign_in);
        }
        let status = |state: &str| fields.read("crm", &item(state, Value::Null)).unwrap().status;
        assert_eq!((status("locked"), status("trash")), (AccountStatus::Disabled, AccountStatus::Deleted));
    }

    #[test]
    fn what_is_not_as_declared_is_refused() {
        let fields = fields("id = \"/id\"\nlast_sign_in = \"/seen\"\nenabled = \"item.active\"");
        for (item, words) in [
            (json!({ "active": true }), "without an id"),
            (json!({ "id": "", "active": true }), "without an id"),
            (json!({ "id": "7" }), "`item.active`"),
            (json!({ "id": "7", "active": true, "seen": "yesterday" }), "is no time"),
        ] {
            let why = fields.read("crm", &item).unwrap_err();
            assert!(matches!(&why, ActionError::Fail { reason } if reason.contains(words)), "{item}: {why}");
        }
        assert!(toml::from_str::<AccountFields>("id = \"id\"").unwrap_err().to_string().contains("write `/id`"));
    }
}
