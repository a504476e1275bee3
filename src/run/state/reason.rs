//! Why a step was left out, and which guard stopped one.

use serde::{Deserialize, Serialize};

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
    /// The approval before it has lapsed, and the file says to leave it out then.
    Lapsed(String),
}

impl SkipReason {
    /// The same reason without its words.
    #[must_use]
    pub(super) fn without_words(&self) -> Self {
        let gone = crate::run::journal::ERASED.to_owned();
        match self {
            Self::NotApplicable(_) => Self::NotApplicable(gone),
            Self::ConditionFalse(_) => Self::ConditionFalse(gone),
            Self::Late => Self::Late,
            Self::NotNeeded(_) => Self::NotNeeded(gone),
            Self::ByPerson(_) => Self::ByPerson(gone),
            Self::Lapsed(_) => Self::Lapsed(gone),
        }
    }

    /// Whether other inputs may make the step needed after all.
    pub const fn may_change(&self) -> bool {
        matches!(self, Self::ConditionFalse(_) | Self::Late | Self::NotNeeded(_))
    }
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
    /// Nobody has answered the approval in time.
    NobodyAnswered(String),
    /// The person is employed (again).
    PersonNotDeparted(String),
    /// HR has taken back what the run is about: the person stays, or is back.
    Hr(String),
    /// Somebody has put a legal hold on the person.
    LegalHold(String),
    /// The account must not be lost: usher's own, the last administrator, one that the configuration names.
    Protected(String),
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
            Self::NobodyAnswered(_) => "nobody_answered",
            Self::PersonNotDeparted(_) => "person_not_departed",
            Self::Hr(_) => "hr",
            Self::LegalHold(_) => "legal_hold",
            Self::Protected(_) => "protected",
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
