//! Taking a run back: a new run of the inverses of what is done, the latest first on each system.
//!
//! An undo run is an ordinary run, pinned to the same version and with the same inputs as the one it takes back, so that
//! a step of the file says what was asked for, and its inverse takes the parameters it knows from there, as an ending
//! does. Each of its steps names the step that it undoes; the attempt looks first whether the system still shows what
//! that one set.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::advance::lasting;
use super::book::{Book, Step};
use super::capability::Capability;
use super::plan::{Plan, PlannedStep};
use super::state::StepState;
use crate::workflow::ActionKind;

/// Behind the name of a step that takes another back.
pub const UNDO: &str = ".undo";

/// How much of a run is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything that can be.
    All,
    /// Deletions that are in their grace period: nothing else changes, and the run itself stays.
    Deletions,
}

impl Extent {
    /// What a run that takes back `workflow` is called.
    pub fn name(self, workflow: &str) -> String {
        match self {
            Self::All => format!("undo-{workflow}"),
            Self::Deletions => format!("restore-{workflow}"),
        }
    }
}

/// An effect that usher does not take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// The step.
    pub step: String,
    /// What it did.
    pub action: ActionKind,
    /// What a person can do instead.
    pub instead: &'static str,
}

/// What taking a run back means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undoing {
    /// The steps of the run that takes it back.
    pub steps: Vec<PlannedStep>,
    /// What stays as it is.
    pub stays: Vec<Stays>,
    /// Attempts under way, or whose end nobody knows: each is looked at and taken back if it had its effect, where it
    /// has an inverse; otherwise it stays.
    pub in_flight: Vec<String>,
}

/// Plans the undoing of a run. `capability` is a system's answer to an action on the account of a step.
pub fn undoing(book: &Book, extent: Extent, capability: impl Fn(&Step, ActionKind) -> Capability) -> Undoing {
    let mut found: Vec<(&Step, ActionKind)> = book
        .steps
        .iter()
        .filter(|step| lasting(book, step) || (in_flight(step) && step.of.is_none()))
        .filter(|step| extent == Extent::All || step.action == ActionKind::AccountDelete)
        .filter_map(|step| Some((step, step.action.inverse()?)))
        .collect();
    // What may still be happening is the latest.
    found.sort_by_key(|(step, _)| std::cmp::Reverse((ended(step).unwrap_or(Timestamp::MAX), step.ordinal)));
    let mut last: BTreeMap<Option<&str>, u16> = BTreeMap::new();
    let mut steps = Vec::with_capacity(found.len());
    for ((step, inverse), ordinal) in found.into_iter().zip(0_u16..) {
        let before = last.insert(step.system.as_deref(), ordinal);
        steps.push(PlannedStep {
            ordinal,
            name: format!("{}{UNDO}", step.name),
            action: inverse,
            system: step.system.clone(),
            account: step.account,
            needs: before.into_iter().collect(),
            at: None,
            delay: None,
            of: None,
            undoes: Some(step.ordinal),
            late: None,
            capability: capability(step, inverse),
            when: None,
            skip: None,
        });
    }
    let labels = book.steps.iter().filter(|step| in_flight(step)).map(Step::label);
    let stays = if extent == Extent::All { staying(book) } else { Vec::new() };
    Undoing { steps, stays, in_flight: labels.collect() }
}

/// The plan of a run that takes `book` back.
pub fn plan_of(book: &Book, extent: Extent, steps: Vec<PlannedStep>, now: Timestamp) -> Plan {
    Plan {
        workflow: extent.name(&book.run.name),
        version: book.run.workflow.version.clone(),
        subject: book.run.subject,
        zone: book.run.zone.clone(),
        start: now,
        inputs: book.run.inputs.clone(),
        urgent: book.run.workflow.urgent,
        steps,
    }
}

/// Whether an attempt is under way, or nobody knows how one ended.
pub fn in_flight(step: &Step) -> bool {
    matches!(step.state, StepState::Leased { .. } | StepState::Unknown { .. } | StepState::Held { observe: true, .. })
}

/// Whether anything of the run has had an effect outside usher, or may have had.
pub fn has_taken_effect(book: &Book) -> bool {
    book.steps.iter().any(|step| {
        let outside = step.system.is_some() && !only_looks(step.action);
        let begun = match step.state {
            StepState::Done { .. } => true,
            _ => in_flight(step),
        };
        let done_by_person = step.action == ActionKind::Task && matches!(step.state, StepState::Done { .. });
        (outside && begun) || done_by_person
    })
}

const fn only_looks(action: ActionKind) -> bool {
    matches!(action, ActionKind::VerifyNoAccess | ActionKind::AccountsSync)
}

fn ended(step: &Step) -> Option<Timestamp> {
    match step.state {
        StepState::Done { at, .. } => Some(at),
        _ => None,
    }
}

/// What is done, or may be, and has no inverse.
fn staying(book: &Book) -> Vec<Stays> {
    let done = |step: &&Step| matches!(step.state, StepState::Done { .. }) || in_flight(step);
    let without = |step: &&Step| step.action.inverse().is_none() && (step.of.is_none() || step.action.is_destructive());
    let stays = book
        .steps
        .iter()
        .filter(done)
        .filter(without)
        .filter_map(|step| Some(Stays { step: step.label(), action: step.action, instead: instead(step.action)? }));
    stays.collect()
}

/// What a person can do about an effect that nothing takes back; `None` where there is nothing to do.
const fn instead(action: ActionKind) -> Option<&'static str> {
    use ActionKind as A;
    Some(match action {
        A::PasswordRotate | A::PasswordReset => "the password that nobody knows stays: give the person a new one",
        A::SessionsRevoke => "nothing to do: they sign in again",
        A::AppPasswordsRevoke => "they make new application passwords",
        A::TokensRevoke => "they set their second factor up and let their applications in again",
        A::AccessRemove => "give groups, roles and product rights again; the journal's evidence names them",
        A::MailClearRules => "they make their rules again",
        A::LicenceRelease => "assign a licence again",
        A::MailTransfer => "nothing to do: the copies stay with the colleague",
        A::FilesTransfer => "the colleague hands the files back",
        A::CalendarsTransfer => "the colleague hands the calendars back",
        A::AccountPurge => "gone for good: create a new account",
        A::RoleSet | A::GroupsSync | A::GroupsAdd | A::QuotaSet | A::AccountUpdate => {
            "what was there before is not known: set it by hand"
        }
        A::AccountCreate => "the account stays: disable or delete it by hand",
        A::CredentialsSend => "what was sent is known: reset the password",
        A::NotifyEmail => "what was sent cannot be called back: write again",
        A::HttpRequest | A::Exec => "only whoever wrote the step knows what takes it back",
        A::Task => "a person did it: ask whether it must be taken back",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
