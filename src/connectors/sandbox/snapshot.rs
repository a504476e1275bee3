//! What changed: two looks at the company, compared field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::state::{State, SystemState};

/// Everything the company's systems held at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<(String, Option<String>), BTreeMap<String, Value>>);

/// One field that differs between two looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The system.
    pub system: String,
    /// The account; `None` for the system as a whole.
    pub account: Option<String>,
    /// The field, `status` or `mailbox.auto_reply.subject`. `account` when the account came or went.
    pub field: String,
    /// Before; `null` when it was not there.
    pub before: Value,
    /// After; `null` when it is not there.
    pub after: Value,
}

impl Snapshot {
    pub(super) fn of(state: &State) -> Self {
        let mut all = BTreeMap::new();
        for system in state.systems.values() {
            all.insert((system.name.clone(), None), whole(system));
            for (id, account) in &system.accounts {
                let value = serde_json::to_value(account).unwrap_or_default();
                let mut fields = BTreeMap::from([("account".to_owned(), Value::from("there"))]);
                flatten("", &value, &mut fields);
                all.insert((system.name.clone(), Some(id.clone())), fields);
            }
        }
        Self(all)
    }

    /// What is different now, compared with `before`: by system, account and field.
    pub fn changes_since(&self, before: &Self) -> Vec<Difference> {
        let places: BTreeSet<_> = before.0.keys().chain(self.0.keys()).collect();
        let nothing = BTreeMap::new();
        let mut found = Vec::new();
        for place in places {
            let (then, now) = (before.0.get(place), self.0.get(place));
            let came_or_went = then.is_none() || now.is_none();
            let (then, now) = (then.unwrap_or(&nothing), now.unwrap_or(&nothing));
            let fields: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
            let differ = |field: &&String| then.get(*field) != now.get(*field);
            for field in fields.into_iter().filter(differ).filter(|field| !came_or_went || *field == "account") {
                let value = |side: &BTreeMap<String, Value>| side.get(field).cloned().unwrap_or_default();
                let (system, account) = place.clone();
                found.push(Difference {
                    system,
                    account,
                    field: field.clone(),
                    before: value(then),
                    after: value(now),
                });
            }
        }
        found
    }
}

fn whole(system: &SystemState) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("blocked".to_owned(), Value::from(system.blocked)),
        ("maintenance".to_owned(), Value::from(system.maintenance)),
    ])
}

/// Objects become dotted names; what is null or empty is as good as not there.
fn flatten(prefix: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&name, value, into);
            }
        }
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        other => {
            into.insert(prefix.to_owned(), other.clone());
        }
    }
}
