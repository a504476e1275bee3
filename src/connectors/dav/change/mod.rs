//! What a server of calendars and files can be asked to do: parsed from a call, observed, applied, and looked at again.
//!
//! One file per family of changes; each knows how to see its goal and how to reach it.

mod calendars;
mod files;
mod upload;

use self::calendars::Calendars;
use self::files::Files;
use super::capability;
use super::house::House;
use super::keep::Keep;
use crate::connectors::looking::behind;
use crate::connectors::{ActionError, Call, Observation};
use crate::run::{Capability, Evidence};
use crate::workflow::ActionKind;

/// What a call asks for, with whoever it is about found.
enum Change<'a> {
    /// Calendars to a colleague.
    Calendars(Calendars<'a>),
    /// Files to a colleague.
    Files(Files<'a>),
    /// Something of an account's into the archive store.
    Keep(Keep<'a>),
}

impl<'a> Change<'a> {
    async fn of(call: &Call, at: &'a House<'a>) -> Result<Self, ActionError> {
        if !matches!(capability::of(at.system, at.settings, call.action), Capability::Supported) {
            return Err(not_done(call.action));
        }
        Ok(match call.action {
            ActionKind::CalendarsTransfer => Self::Calendars(Calendars::of(call, at).await?),
            ActionKind::FilesTransfer => Self::Files(Files::of(call, at).await?),
            ActionKind::CalendarsExport | ActionKind::ContactsExport | ActionKind::FilesArchive => {
                Self::Keep(Keep::of(call, at).await?)
            }
            other => return Err(not_done(other)),
        })
    }

    async fn observe(&self) -> Result<Observation, ActionError> {
        match self {
            Self::Calendars(calendars) => calendars.observe().await,
            Self::Files(files) => files.observe().await,
            Self::Keep(keep) => keep.observe().await,
        }
    }

    async fn apply(&self) -> Result<(), ActionError> {
        match self {
            Self::Calendars(calendars) => calendars.apply().await,
            Self::Files(files) => files.apply().await,
            Self::Keep(keep) => keep.apply().await,
        }
    }
}

/// There is no such thing here, or nothing says where it is.
pub(super) fn not_done(action: ActionKind) -> ActionError {
    ActionError::fail(format!("this server of calendars and files does not do `{action}`"))
}

/// Whether the goal of a call is reached.
pub(super) async fn observe(call: &Call, at: &House<'_>) -> Result<Observation, ActionError> {
    Change::of(call, at).await?.observe().await
}

/// Looks, applies only what differs, and looks again.
pub(super) async fn perform(call: &Call, at: &House<'_>) -> Result<Evidence, ActionError> {
    let change = Change::of(call, at).await?;
    if let Observation::Reached(evidence) = change.observe().await? {
        return Ok(evidence);
    }
    change.apply().await.map_err(|error| match at.server.has_changed() {
        true => ActionError::unknown(format!("a part is done: {error}")),
        false => error,
    })?;
    behind(at.system, change.observe().await)
}
