//! Planning: definition + subject + systems + now -> steps with due times. Pure: the same inputs give the same plan.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::capability::Capability;
use super::state::SkipReason;
use crate::workflow::{ActionKind, Place, Span, SubjectKind};

/// What would happen, or what a run set out to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflow's name.
    pub workflow: String,
    /// Its version (SHA-256, hex).
    pub version: String,
    /// What kind of subject.
    pub subject: SubjectKind,
    /// IANA zone of all local times.
    pub zone: String,
    /// When the run starts.
    pub start: Timestamp,
    /// The inputs, complete and frozen.
    pub inputs: serde_json::Map<String, serde_json::Value>,
    /// Whether its steps go before all others that are due.
    pub urgent: bool,
    /// The steps, by ordinal.
    pub steps: Vec<PlannedStep>,
}

/// One planned action on one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Position in the plan, from 0. Names the step within its run for good.
    pub ordinal: u16,
    /// The step's name: as in the file, or with `.end` (for `until`) or `.purge` (for `grace`) behind it.
    pub name: String,
    /// What it does.
    pub action: ActionKind,
    /// Where.
    pub system: Option<String>,
    /// On which account (row key).
    pub account: Option<i64>,
    /// Ordinals of the steps it waits for.
    pub needs: Vec<u16>,
    /// Not before this instant, where the file names one.
    pub at: Option<LocalInstant>,
    /// Time between the end of what it needs and this step.
    pub delay: Option<Span>,
    /// The step whose effect this one ends or follows up (`.end`, `.purge`).
    pub of: Option<u16>,
    /// In a run that undoes another: the step, by ordinal in that run, whose effect this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u16>,
    /// Whether its time had passed before the start, and what becomes of it.
    pub late: Option<Lateness>,
    /// The system's answer.
    pub capability: Capability,
    /// `when`, as written; decided at the claim.
    pub when: Option<String>,
    /// Already known not to be needed.
    pub skip: Option<SkipReason>,
}

impl PlannedStep {
    /// How people address it: `disable@ldap`, or the name alone where it has no system.
    pub fn label(&self) -> String {
        self.system.as_ref().map_or_else(|| self.name.clone(), |system| format!("{}@{system}", self.name))
    }
}

/// The step that makes the account which `step` has not yet: it is bound to it when its turn comes.
pub fn maker<'p>(plan: &'p Plan, step: &PlannedStep) -> Option<&'p PlannedStep> {
    let on_account = matches!(step.action.place(), Place::Account | Place::On(_));
    if !on_account || step.account.is_some() || step.skip.is_some() {
        return None;
    }
    let makes = |other: &&PlannedStep| other.action == ActionKind::AccountCreate && other.system == step.system;
    plan.steps.iter().find(makes)
}

/// An instant kept as local time and zone, with the instant it gives today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalInstant {
    /// The instant.
    pub at: Timestamp,
    /// The local date and time as written, `2027-03-28T02:30:00`.
    pub local: jiff::civil::DateTime,
    /// Whether the local time was ordinary, skipped or repeated that day.
    pub fold: Fold,
}

/// What a zone's calendar did to a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// It happens once.
    None,
    /// It does not happen: the next valid instant is taken.
    Gap,
    /// It happens twice: the earlier is taken for access cuts, the later for destructive steps.
    Overlap,
}

/// A step whose time had passed before its run started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lateness {
    /// Runs at once.
    Now,
    /// Destructive: waits until start + 7 days.
    Postponed,
    /// Left out, because the file says so.
    Skipped,
    /// Held for a person, because the file says so.
    Held,
}
