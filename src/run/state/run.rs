//! Where a run stands.

use serde::{Deserialize, Serialize};

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
