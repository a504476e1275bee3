//! Whose groups are which.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Applied, seen};
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::groups::{Group, Refused};
use crate::connectors::ldap::place::Place;
use crate::connectors::{ActionError, Call, Observation};
use crate::workflow::ActionKind;

/// Which groups an account is to be in.
#[derive(Clone, Debug)]
pub(super) enum Membership {
    /// None.
    Nothing,
    /// These too.
    With(BTreeSet<String>),
    /// These, and of the managed ones no others; without a list of those, no others at all.
    Exactly { groups: BTreeSet<String>, managed: Option<BTreeSet<String>> },
}

/// Groups to come to, and to leave.
struct Difference {
    missing: Vec<String>,
    surplus: Vec<Group>,
}

impl Membership {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let missing = || ActionError::fail(format!("`{}` needs `groups`", call.action));
        Ok(match call.action {
            ActionKind::AccessRemove => Self::Nothing,
            ActionKind::GroupsAdd => Self::With(names(call, "groups").ok_or_else(missing)?),
            _ => Self::Exactly { groups: names(call, "groups").ok_or_else(missing)?, managed: names(call, "managed") },
        })
    }

    /// The groups that a new account begins with.
    pub(super) fn joining(call: &Call) -> Self {
        Self::With(names(call, "groups").unwrap_or_default())
    }

    pub(super) async fn observe(&self, entry: &Entry, at: &Place<'_>) -> Result<Observation, ActionError> {
        let present = at.groups_of(entry).await?;
        let count = present.len();
        let Difference { missing, surplus } = self.difference(present);
        let mut open = Vec::new();
        if !missing.is_empty() {
            open.push(format!("not in {}", missing.join(", ")));
        }
        if !surplus.is_empty() {
            open.push(format!("in {}", listed(&surplus)));
        }
        let reached = if count == 0 { "in no groups".to_owned() } else { format!("in {count} groups") };
        Ok(seen(open.is_empty(), reached, open.join("; ")))
    }

    pub(super) async fn apply(&self, entry: &Entry, at: &Place<'_>) -> Result<Applied, ActionError> {
        at.not_own(entry)?;
        let Difference { missing, surplus } = self.difference(at.groups_of(entry).await?);
        // Every name is looked up before anything is changed.
        let mut joined = Vec::new();
        for name in &missing {
            joined.push(at.group(name).await?);
        }
        let refused = at.leave(&surplus, entry).await?;
        for group in &joined {
            at.join(group, entry).await?;
        }
        let still = at.groups_of(entry).await.map_err(super::in_doubt)?;
        refusals(&refused, &surplus, &still)?;
        let mut done = Vec::new();
        if !surplus.is_empty() {
            // Whoever wants to take it back finds the names here.
            done.push(format!("taken out of {}", listed(&surplus)));
        }
        if !joined.is_empty() {
            done.push(format!("put into {}", listed(&joined)));
        }
        Ok(if done.is_empty() { Applied::Shows } else { Applied::With(done.join("; ")) })
    }

    fn difference(&self, present: Vec<Group>) -> Difference {
        let (wanted, managed) = match self {
            Self::Nothing => (&BTreeSet::new(), None),
            Self::With(groups) => (groups, Some(&BTreeSet::new())),
            Self::Exactly { groups, managed } => (groups, managed.as_ref()),
        };
        let missing = wanted.iter().filter(|name| !present.iter().any(|group| group.is(name))).cloned().collect();
        let goes = |group: &Group| {
            let is_managed = managed.is_none_or(|managed| managed.iter().any(|name| group.is(name)));
            is_managed && !wanted.iter().any(|name| group.is(name))
        };
        Difference { missing, surplus: present.into_iter().filter(goes).collect() }
    }
}

/// A group that refused to let somebody go, and still holds them, in the server's words. What is said of the others is
/// said with it: they were left.
fn refusals(refused: &Refused, asked: &[Group], still: &[Group]) -> Result<(), ActionError> {
    let kept = |group: &Group| still.iter().any(|other| other.is_same(group));
    let mut words = Vec::new();
    for group in asked.iter().filter(|group| kept(group)) {
        words.extend(refused.get(&group.name).map(|why| format!("{}: {why}", group.name)));
    }
    if words.is_empty() {
        return Ok(());
    }
    let left: Vec<Group> = asked.iter().filter(|group| !kept(group)).cloned().collect();
    let left = if left.is_empty() { String::new() } else { format!("; taken out of {}", listed(&left)) };
    let help = if words.iter().any(|why| why.contains("objectClassViolation")) {
        "; it may be the last member, and `placeholder` in the configuration names who takes its place"
    } else {
        ""
    };
    Err(ActionError::fail(format!("{}{help}{left}", words.join("; "))))
}

fn listed(groups: &[Group]) -> String {
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    names.join(", ")
}

fn names(call: &Call, key: &str) -> Option<BTreeSet<String>> {
    match call.with.get(key)? {
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        Value::String(text) => Some(BTreeSet::from([text.clone()])),
        _ => None,
    }
}
