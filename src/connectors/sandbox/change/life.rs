//! The end of an account: into the trash, out of it, and for good.

use serde::{Deserialize, Serialize};

use super::{read_back, seen};
use crate::connectors::sandbox::account::{SandboxAccount, Trash};
use crate::connectors::sandbox::ledger::Entry;
use crate::connectors::sandbox::state::SystemState;
use crate::connectors::{ActionError, Observation};
use crate::run::AccountStatus;

/// A change of whether an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Life {
    /// Into the trash: recoverable, hidden, without sign-in. Without a trash: disabled and hidden.
    Delete,
    /// Back to what it was before.
    Restore,
    /// Gone. Its id never comes again.
    Purge,
}

impl Life {
    pub(super) fn observe(self, system: &SystemState, id: Option<&str>) -> Result<Observation, ActionError> {
        if let (Self::Delete | Self::Purge, Some(at)) = (self, id.and_then(|id| system.gone.get(id))) {
            return Ok(read_back(format!("purged at {at}")));
        }
        let account = system.account(id)?;
        let shown = if account.hidden { "hidden" } else { "shown" };
        let status = format!("{}, {shown}", account.status.as_str());
        Ok(match self {
            Self::Delete if system.trash => {
                let days = system.grace_days;
                let recoverable = format!("deleted, recoverable for {days} days");
                seen(account.status == AccountStatus::Deleted, recoverable, status)
            }
            Self::Delete => {
                let put_away = account.status != AccountStatus::Enabled && account.hidden;
                seen(put_away, "disabled and hidden; the system has no trash", status)
            }
            Self::Restore => {
                let restored = account.status != AccountStatus::Deleted
                    && account.trash.is_none()
                    && (system.trash || !account.hidden);
                seen(restored, status.clone(), status)
            }
            Self::Purge => Observation::NotReached(status),
        })
    }

    /// A system purges only what is in its trash (or disabled, where there is none).
    pub(super) fn check(self, system: &SystemState, account: &SandboxAccount) -> Result<(), ActionError> {
        let ready = match account.status {
            AccountStatus::Deleted => true,
            AccountStatus::Disabled => !system.trash,
            AccountStatus::Enabled | AccountStatus::Purged => false,
        };
        if self != Self::Purge || ready {
            return Ok(());
        }
        Err(ActionError::fail(format!(
            "account `{}` on `{}` is {}: delete it before purging it",
            account.id,
            system.name,
            account.status.as_str()
        )))
    }

    pub(super) fn apply(self, system: &mut SystemState, entry: &Entry) {
        let Some(id) = &entry.account else { return };
        let has_trash = system.trash;
        if self == Self::Purge {
            if system.take(id).is_some() {
                system.gone.insert(id.clone(), entry.at);
            }
            return;
        }
        let Some(account) = system.accounts.get_mut(id) else { return };
        if self == Self::Delete {
            account.trash = Some(Trash { since: entry.at, status: account.status, hidden: account.hidden });
            account.status = if has_trash { AccountStatus::Deleted } else { AccountStatus::Disabled };
            account.hidden = true;
        } else {
            let before = account.trash.take();
            account.status = before.as_ref().map_or(AccountStatus::Disabled, |trash| trash.status);
            account.hidden = has_trash && before.is_some_and(|trash| trash.hidden);
        }
    }
}
