//! The end of an account: closed and put away, taken back, and gone for good. A directory has no trash of its own that
//! could be relied on, so a deleted account waits, closed, in a place of its own.

use crate::connectors::ldap::directory::Target;
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::place::Place;
use crate::connectors::ldap::{error, lock, name};
use crate::connectors::{ActionError, Call, Observation};
use crate::run::AccountStatus;

/// A change of whether an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Closed, hidden where something hides, and where deleted accounts wait.
    Delete,
    /// Among the accounts again, and shown; still closed.
    Restore,
    /// Gone. Its id never comes again.
    Purge,
}

impl Life {
    pub(super) async fn observe(self, call: &Call, at: &Place<'_>) -> Result<Observation, ActionError> {
        let entry = match (self, call.account.as_deref()) {
            (Self::Purge, Some(id)) => match at.find(id).await? {
                Some(entry) => entry,
                None => return Ok(Observation::read_back("there is no account with this id any more")),
            },
            _ => at.subject(call).await?,
        };
        let status = at.status(&entry);
        let away = at.settings.deleted.is_none() || at.is_put_away(&entry);
        let hidden = at.settings.hidden.is_none() || at.is_hidden(&entry);
        let shown = if at.is_hidden(&entry) { "hidden" } else { "shown" };
        let stands = format!("{}, {shown}, in {}", status.as_str(), name::split(&entry.dn).1);
        Ok(match self {
            Self::Delete => {
                Observation::seen(status != AccountStatus::Enabled && away && hidden, stands.clone(), stands)
            }
            Self::Restore => {
                Observation::seen(!at.is_put_away(&entry) && !at.is_hidden(&entry), stands.clone(), stands)
            }
            Self::Purge => Observation::NotReached(stands),
        })
    }

    pub(super) async fn apply(self, entry: &Entry, at: &Place<'_>) -> Result<(), ActionError> {
        at.not_own(entry)?;
        match self {
            Self::Delete => {
                if !lock::is_closed(at.settings.profile, entry) {
                    at.close(entry).await?;
                }
                at.hide(entry, true).await?;
                match &at.settings.deleted {
                    Some(place) if !at.is_put_away(entry) => at.put(entry, place).await,
                    _ => Ok(()),
                }
            }
            Self::Restore => {
                at.hide(entry, false).await?;
                if at.is_put_away(entry) { at.put(entry, &at.settings.people).await } else { Ok(()) }
            }
            Self::Purge => at.purge(entry).await,
        }
    }
}

impl Place<'_> {
    /// Puts an account's entry right below `place`, under the name it has.
    async fn put(&self, entry: &Entry, place: &str) -> Result<(), ActionError> {
        let first = name::split(&entry.dn).0;
        let target = Target::account(entry, self.settings.profile);
        let answer = self.directory.rename(&target, first, place).await?;
        if answer.rc == error::SUCCESS {
            return Ok(());
        }
        Err(ActionError::fail(format!(
            "another entry in {place} has the same name: purge or rename that one first ({})",
            error::words(&answer)
        )))
    }

    async fn purge(&self, entry: &Entry) -> Result<(), ActionError> {
        let status = self.status(entry);
        let ready = match status {
            AccountStatus::Deleted => true,
            AccountStatus::Disabled => self.settings.deleted.is_none(),
            AccountStatus::Enabled | AccountStatus::Purged => false,
        };
        if !ready {
            let why = format!("the account on {} is {}: delete it before purging it", self.system, status.as_str());
            return Err(ActionError::fail(why));
        }
        self.directory.remove(&Target::account(entry, self.settings.profile)).await.map(drop)
    }
}
