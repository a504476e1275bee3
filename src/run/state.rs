//! A step's states and the one table of transitions between them.
//!
//! [`StepState::next`] is the only way to change a state. The store writes what it returns, the journal records the
//! event, and replaying the journal's events through it gives the same state again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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

/// Why a step was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", content = "detail", rename_all = "snake_case")]
pub enum SkipReason {
    /// The subject has no account there, or the system has nothing of the kind.
    NotApplicable(String),
    /// Its `when` was false.
    ConditionFalse(String),
    /// It was late, and the file says to leave it out then.
    Late,
    /// What it would undo or follow up was itself left out.
    NotNeeded(String),
    /// A person, with a reason.
    ByPerson(String),
}

/// Which guard stopped a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guard", content = "detail", rename_all = "snake_case")]
pub enum HoldReason {
    /// The run is paused.
    Paused,
    /// A freeze is on; its scope.
    Freeze(String),
    /// This binary or configuration lacks something, named here.
    Missing(String),
    /// The approval is absent, stale or lapsed.
    Approval(String),
    /// The person is employed (again).
    PersonNotDeparted(String),
    /// An access cut of the run is not done.
    CutOpen(String),
    /// Another live run needs the cut that this step would undo.
    CutNeeded(String),
    /// The fresh read before a destructive step found something else.
    FreshRead(String),
    /// The target's state after an attempt cannot be known.
    Ambiguous(String),
    /// It failed, and failures of this step are for a person.
    Failure(String),
    /// It came late, and the file says to hold it then.
    Late,
    /// A guard of a later kind, by name.
    Guard {
        /// The guard.
        name: String,
        /// What it says.
        detail: String,
    },
}

impl HoldReason {
    /// A short word for filters and tables.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Freeze(_) => "freeze",
            Self::Missing(_) => "missing",
            Self::Approval(_) => "approval",
            Self::PersonNotDeparted(_) => "person_not_departed",
            Self::CutOpen(_) => "cut_open",
            Self::CutNeeded(_) => "cut_needed",
            Self::FreshRead(_) => "fresh_read",
            Self::Ambiguous(_) => "ambiguous",
            Self::Failure(_) => "failure",
            Self::Late => "late",
            Self::Guard { .. } => "guard",
        }
    }
}

/// What can happen to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum StepEvent {
    /// What it waited for is done.
    Ready {
        /// Not before.
        due: Timestamp,
    },
    /// Its time moved (a late cut arrived, inputs changed).
    Moved {
        /// Not before.
        due: Timestamp,
    },
    /// What it waits for changed again: it waits for other steps once more.
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
            (S::Waiting { .. }, E::Reblocked) => S::Blocked,

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
            (S::Unknown { .. }, E::Held { reason }) => S::Held { reason: reason.clone(), observe: true },
            (S::Leased { observe, .. }, E::Held { reason }) => {
                let ambiguous = matches!(reason, HoldReason::Ambiguous(_));
                S::Held { reason: reason.clone(), observe: *observe || ambiguous }
            }
            (S::Held { observe, .. }, E::Held { reason }) => S::Held { reason: reason.clone(), observe: *observe },
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

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Going on by itself.
    Open,
    /// Stopped by a person.
    Paused,
    /// Something in it is for a person: failed, or held.
    NeedsAttention,
    /// Every step done or not needed.
    Completed,
    /// Over, with steps that a person left out or that failed with leave to go on.
    ClosedWithExceptions,
    /// Cancelled.
    Cancelled,
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Paused, Self::NeedsAttention, Self::Completed, Self::ClosedWithExceptions, Self::Cancelled];

    /// The word used in tables, URLs, the database and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::NeedsAttention => "needs_attention",
            Self::Completed => "completed",
            Self::ClosedWithExceptions => "closed_with_exceptions",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the run is over.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::ClosedWithExceptions | Self::Cancelled)
    }
}
