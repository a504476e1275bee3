//! What can happen to a step.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reason::{HoldReason, SkipReason};
use crate::run::capability::Evidence;

/// What can happen to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum StepEvent {
    /// What it waited for is done.
    Ready {
        /// Not before.
        due: Timestamp,
    },
    /// Its time moved (a late cut arrived, a person tries it again now).
    Moved {
        /// Not before.
        due: Timestamp,
    },
    /// The run was rescheduled, or goes on as HR says again: when it is due is found out anew.
    Reblocked,
    /// An attempt starts: the intent.
    Claimed {
        /// The attempt's number.
        fence: i64,
    },
    /// The attempt was never started (drain): it goes back as it was.
    Returned {
        /// The attempt's number.
        fence: i64,
        /// Not before.
        due: Timestamp,
    },
    /// The goal is reached.
    Completed {
        /// The attempt's number.
        fence: i64,
        /// When.
        at: Timestamp,
        /// How we know.
        evidence: Evidence,
    },
    /// The attempt certainly had no effect; there will be another.
    Retried {
        /// The attempt's number.
        fence: i64,
        /// Not before.
        due: Timestamp,
        /// The target's own words.
        reason: String,
    },
    /// Nobody knows whether the attempt had an effect.
    Lost {
        /// The attempt's number.
        fence: i64,
        /// Observe not before.
        due: Timestamp,
        /// What happened.
        reason: String,
    },
    /// The attempt failed for good.
    Failed {
        /// The attempt's number.
        fence: i64,
        /// When.
        at: Timestamp,
        /// The target's own words.
        reason: String,
    },
    /// A guard or a rule stops it.
    Held {
        /// Which, and why.
        reason: HoldReason,
    },
    /// What held it is gone, or a person says to try again.
    Released {
        /// Not before.
        due: Timestamp,
    },
    /// Its time has come and it needs an approval.
    ApprovalAsked,
    /// Its time has come and a person has something to do.
    PersonAsked {
        /// What.
        instruction: String,
    },
    /// A person did it, or approved it.
    PersonDone {
        /// When.
        at: Timestamp,
        /// Who said so and how.
        evidence: Evidence,
    },
    /// A person refused.
    Refused {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// Left out.
    Skipped {
        /// When.
        at: Timestamp,
        /// Why.
        reason: SkipReason,
    },
    /// The run was cancelled.
    Cancelled,
}

impl StepEvent {
    /// The word used in the journal.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Moved { .. } => "moved",
            Self::Reblocked => "reblocked",
            Self::Claimed { .. } => "claimed",
            Self::Returned { .. } => "returned",
            Self::Completed { .. } => "completed",
            Self::Retried { .. } => "retried",
            Self::Lost { .. } => "lost",
            Self::Failed { .. } => "failed",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::ApprovalAsked => "approval_asked",
            Self::PersonAsked { .. } => "person_asked",
            Self::PersonDone { .. } => "person_done",
            Self::Refused { .. } => "refused",
            Self::Skipped { .. } => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}
