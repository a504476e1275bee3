//! A step's states and the one table of transitions between them.
//!
//! [`StepState::next`] is the only way to change a state. The store writes what it returns, the journal records the
//! event, and replaying the journal's events through it gives the same state again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod event;
mod reason;
mod run;
#[cfg(test)]
mod tests;

pub use event::StepEvent;
pub use reason::{HoldReason, SkipReason};
pub use run::RunState;

use super::capability::Evidence;

/// Where a step stands, with the data that belongs to that standing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum StepState {
    /// Waits for other steps.
    Blocked,
    /// Waits for its time.
    Waiting {
        /// Not before.
        due: Timestamp,
    },
    /// An attempt has started.
    Leased {
        /// The attempt's number: grows with every claim, and only its holder may write an outcome.
        fence: i64,
        /// Whether the attempt must observe the target before anything else (an earlier one was ambiguous).
        observe: bool,
    },
    /// An attempt was cut between sending and recording; observes before anything else.
    Unknown {
        /// Not before.
        due: Timestamp,
    },
    /// Done, and how we know.
    Done {
        /// When it was recorded.
        at: Timestamp,
        /// How we know.
        evidence: Evidence,
    },
    /// Gave up.
    Failed {
        /// When.
        at: Timestamp,
        /// The target's own words.
        reason: String,
    },
    /// Stopped by a guard.
    Held {
        /// Which, and why.
        reason: HoldReason,
        /// Whether it observes first when it goes on.
        observe: bool,
    },
    /// Waits for an approval.
    AwaitingApproval,
    /// Waits for a person to do something.
    AwaitingPerson {
        /// What.
        instruction: String,
    },
    /// Was not needed, or a person said to leave it out.
    Skipped {
        /// When.
        at: Timestamp,
        /// Why.
        reason: SkipReason,
    },
    /// The run was cancelled before it started.
    Cancelled,
}

/// An event that a state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a step that is {state} cannot take `{event}`")]
pub struct IllegalTransition {
    /// The state's word.
    pub state: &'static str,
    /// The event's word.
    pub event: &'static str,
}

impl StepState {
    /// The same standing without the words that may be about a person.
    #[must_use]
    pub fn without_words(&self) -> Self {
        let gone = || super::journal::ERASED.to_owned();
        match self.clone() {
            Self::Done { at, evidence } => Self::Done { at, evidence: Evidence { detail: gone(), ..evidence } },
            Self::Failed { at, .. } => Self::Failed { at, reason: gone() },
            Self::AwaitingPerson { .. } => Self::AwaitingPerson { instruction: gone() },
            Self::Skipped { at, reason } => Self::Skipped { at, reason: reason.without_words() },
            other => other,
        }
    }

    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalTransition`] for every pair that the table does not list, and for an outcome whose fence is not the
    /// present attempt's.
    #[expect(clippy::match_same_arms, reason = "one row per transition reads as a table")]
    pub fn next(&self, event: &StepEvent) -> Result<Self, IllegalTransition> {
        use StepEvent as E;
        use StepState as S;
        Ok(match (self, event) {
            (S::Blocked, E::Ready { due }) => S::Waiting { due: *due },
            (S::Waiting { .. }, E::Moved { due }) => S::Waiting { due: *due },
            (S::Unknown { .. }, E::Moved { due }) => S::Unknown { due: *due },
            // Its time, or what it waits for, is computed anew. What an attempt may have changed stays where it is.
            (
                S::Waiting { .. } | S::Held { observe: false, .. } | S::AwaitingApproval | S::AwaitingPerson { .. },
                E::Reblocked,
            ) => S::Blocked,
            // An approval for another plan; a step that was left out for its time or its condition.
            (S::Done { .. }, E::Reblocked) => S::Blocked,
            (S::Skipped { reason, .. }, E::Reblocked) if reason.may_change() => S::Blocked,

            (S::Waiting { .. }, E::Claimed { fence }) => S::Leased { fence: *fence, observe: false },
            (S::Unknown { .. }, E::Claimed { fence }) => S::Leased { fence: *fence, observe: true },

            (S::Leased { fence: f, observe: false }, E::Returned { fence, due }) if f == fence => {
                S::Waiting { due: *due }
            }
            (S::Leased { fence: f, observe: true }, E::Returned { fence, due }) if f == fence => {
                S::Unknown { due: *due }
            }
            (S::Leased { fence: f, .. }, E::Completed { fence, at, evidence }) if f == fence => {
                S::Done { at: *at, evidence: evidence.clone() }
            }
            (S::Leased { fence: f, .. }, E::Retried { fence, due, .. }) if f == fence => S::Waiting { due: *due },
            (S::Leased { fence: f, .. }, E::Lost { fence, due, .. }) if f == fence => S::Unknown { due: *due },
            (S::Leased { fence: f, .. }, E::Failed { fence, at, reason }) if f == fence => {
                S::Failed { at: *at, reason: reason.clone() }
            }

            (S::Waiting { .. }, E::Held { reason }) => S::Held { reason: reason.clone(), observe: false },
            // HR has taken back what the run is about.
            (S::Blocked | S::AwaitingApproval | S::AwaitingPerson { .. }, E::Held { reason }) => {
                S::Held { reason: reason.clone(), observe: false }
            }
            (S::Unknown { .. }, E::Held { reason }) => S::Held { reason: reason.clone(), observe: true },
            // Nobody can see what became of it, so a person decides; a look would only hold it again.
            (S::Leased { .. }, E::Held { reason: reason @ HoldReason::Ambiguous(_) }) => {
                S::Held { reason: reason.clone(), observe: false }
            }
            (S::Leased { observe, .. } | S::Held { observe, .. }, E::Held { reason }) => {
                S::Held { reason: reason.clone(), observe: *observe }
            }
            (S::Held { observe: false, .. }, E::Released { due }) => S::Waiting { due: *due },
            (S::Held { observe: true, .. }, E::Released { due }) => S::Unknown { due: *due },
            (S::Failed { .. }, E::Released { due }) => S::Waiting { due: *due },

            (S::Waiting { .. }, E::ApprovalAsked) => S::AwaitingApproval,
            (S::Waiting { .. } | S::Leased { .. }, E::PersonAsked { instruction }) => {
                S::AwaitingPerson { instruction: instruction.clone() }
            }
            (S::AwaitingApproval | S::AwaitingPerson { .. }, E::PersonDone { at, evidence }) => {
                S::Done { at: *at, evidence: evidence.clone() }
            }
            (S::AwaitingApproval | S::AwaitingPerson { .. }, E::Refused { at, reason }) => {
                S::Failed { at: *at, reason: reason.clone() }
            }
            // An approval that went stale is asked for again.
            (S::Done { .. } | S::Failed { .. }, E::ApprovalAsked) => S::AwaitingApproval,

            (
                S::Blocked
                | S::Waiting { .. }
                | S::Leased { .. }
                | S::Unknown { .. }
                | S::Held { .. }
                | S::Failed { .. }
                | S::AwaitingApproval
                | S::AwaitingPerson { .. },
                E::Skipped { at, reason },
            ) => S::Skipped { at: *at, reason: reason.clone() },

            (
                S::Blocked
                | S::Waiting { .. }
                | S::Unknown { .. }
                | S::Held { .. }
                | S::AwaitingApproval
                | S::AwaitingPerson { .. },
                E::Cancelled,
            ) => S::Cancelled,

            _ => return Err(IllegalTransition { state: self.as_str(), event: event.as_str() }),
        })
    }

    /// The word used in tables, URLs, the database and JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Waiting { .. } => "waiting",
            Self::Leased { .. } => "leased",
            Self::Unknown { .. } => "unknown",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Held { .. } => "held",
            Self::AwaitingApproval => "awaiting_approval",
            Self::AwaitingPerson { .. } => "awaiting_person",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen to the step by itself.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. } | Self::Skipped { .. } | Self::Cancelled)
    }

    /// When the step can be claimed, where its time is known.
    pub const fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { due } | Self::Unknown { due } => Some(*due),
            _ => None,
        }
    }
}
