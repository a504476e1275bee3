//! What a refusal or a silence of the mail host means for an attempt.

use crate::connectors::ActionError;

/// Whether what was asked for may have been done although no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It only looks: nothing can have changed.
    Looks,
    /// It changes something.
    Changes,
}

impl Effect {
    /// What it means that no answer came, or none that makes sense.
    pub(super) fn lost(self, why: impl std::fmt::Display) -> ActionError {
        match self {
            Self::Looks => ActionError::retry(why),
            Self::Changes => ActionError::unknown(why),
        }
    }
}
