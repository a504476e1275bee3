//! Whether sign-in is allowed: `active` (RFC 7643, 4.1.1).

use serde_json::json;

use crate::connectors::scim::edit::Edit;
use crate::connectors::scim::place::Place;
use crate::connectors::scim::resource::Resource;
use crate::connectors::{ActionError, Observation};

/// Each sets a state: asking twice is asking once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// No sign-in from now on.
    Close,
    /// Sign-in again.
    Open,
    /// A look: nobody can sign in.
    NoWayIn,
}

impl Access {
    pub(super) fn observe(self, account: &Resource) -> Observation {
        let (open, shut) = ("active: sign-in is allowed", "not active: sign-in is refused");
        match self {
            Self::Open => Observation::seen(account.is_active(), open, shut),
            Self::Close | Self::NoWayIn => Observation::seen(!account.is_active(), shut, open),
        }
    }

    pub(super) async fn apply(self, account: &Resource, at: &Place<'_>) -> Result<(), ActionError> {
        match self {
            Self::Close => at.activate(account, false).await,
            Self::Open => at.activate(account, true).await,
            Self::NoWayIn => Ok(()),
        }
    }
}

impl Place<'_> {
    /// Opens or closes an account that is not yet.
    pub(super) async fn activate(&self, account: &Resource, active: bool) -> Result<(), ActionError> {
        let edits = |now: &Resource| {
            if now.is_active() == active { Vec::new() } else { vec![Edit::Set("active", json!(active))] }
        };
        self.change(account, edits, None).await
    }
}
