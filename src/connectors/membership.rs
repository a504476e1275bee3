//! Which groups an account is to be in, whatever the groups of a system are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ActionError, Call};
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
pub(super) struct Difference<G> {
    pub(super) missing: Vec<String>,
    pub(super) surplus: Vec<G>,
}

/// A group of a system.
pub(super) trait Group {
    /// What people call it.
    fn name(&self) -> &str;

    /// Whether it is meant by this word.
    fn is(&self, called: &str) -> bool;
}

impl Membership {
    /// What `access.remove`, `groups.add` and `groups.sync` ask for.
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let missing = || ActionError::fail(format!("`{}` needs `groups`", call.action));
        Ok(match call.action {
            ActionKind::AccessRemove => Self::Nothing,
            ActionKind::GroupsAdd => Self::With(names(call, "groups").ok_or_else(missing)?),
            _ => Self::Exactly { groups: names(call, "groups").ok_or_else(missing)?, managed: names(call, "managed") },
        })
    }

    /// The groups that a new account begins with; `None` where it begins with none.
    pub(super) fn joining(call: &Call) -> Option<Self> {
        names(call, "groups").filter(|groups| !groups.is_empty()).map(Self::With)
    }

    /// What differs from where the account is now.
    pub(super) fn difference<G: Group>(&self, present: Vec<G>) -> Difference<G> {
        let (wanted, managed) = match self {
            Self::Nothing => (&BTreeSet::new(), None),
            Self::With(groups) => (groups, Some(&BTreeSet::new())),
            Self::Exactly { groups, managed } => (groups, managed.as_ref()),
        };
        let missing = wanted.iter().filter(|name| !present.iter().any(|group| group.is(name))).cloned().collect();
        let goes = |group: &G| {
            let is_managed = managed.is_none_or(|managed| managed.iter().any(|name| group.is(name)));
            is_managed && !wanted.iter().any(|name| group.is(name))
        };
        Difference { missing, surplus: present.into_iter().filter(goes).collect() }
    }
}

impl<G: Group> Difference<G> {
    /// What is open, in words; empty where nothing is.
    pub(super) fn open(&self) -> String {
        let mut open = Vec::new();
        if !self.missing.is_empty() {
            open.push(format!("not in {}", self.missing.join(", ")));
        }
        if !self.surplus.is_empty() {
            open.push(format!("in {}", listed(&self.surplus)));
        }
        open.join("; ")
    }
}

/// The groups' names.
pub(super) fn listed<G: Group>(groups: &[G]) -> String {
    let names: Vec<&str> = groups.iter().map(Group::name).collect();
    names.join(", ")
}

/// What was done, for whoever wants to take it back; empty where nothing was.
pub(super) fn done<G: Group>(left: &[G], joined: &[G]) -> String {
    let mut done = Vec::new();
    if !left.is_empty() {
        done.push(format!("taken out of {}", listed(left)));
    }
    if !joined.is_empty() {
        done.push(format!("put into {}", listed(joined)));
    }
    done.join("; ")
}

/// An error behind what was done by then, which somebody may want to take back.
pub(super) fn after<G: Group>(left: &[G], error: ActionError) -> ActionError {
    if left.is_empty() {
        return error;
    }
    let said = |reason: String| format!("{reason}; taken out of {} before", listed(left));
    match error {
        ActionError::Retry { reason, after } => ActionError::Retry { reason: said(reason), after },
        ActionError::Fail { reason } => ActionError::Fail { reason: said(reason) },
        ActionError::Unknown { reason } => ActionError::Unknown { reason: said(reason) },
    }
}

fn names(call: &Call, key: &str) -> Option<BTreeSet<String>> {
    match call.with.get(key)? {
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        Value::String(text) => Some(BTreeSet::from([text.clone()])),
        _ => None,
    }
}
