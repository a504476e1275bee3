//! The end of an account: closed and put away, taken back, and gone for good. A directory has no trash of its own that
//! could be relied on, so a deleted account waits, closed, in a place of its own.

use super::membership;
use crate::connectors::ldap::directory::Target;
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::groups::Group;
use crate::connectors::ldap::place::Place;
use crate::connectors::ldap::settings::LdapSettings;
use crate::connectors::ldap::{error, lock, name};
use crate::connectors::looking::Applied;
use crate::connectors::membership::listed;
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
        let reached = match self {
            Self::Delete => status != AccountStatus::Enabled && away && hidden,
            Self::Restore => !at.is_put_away(&entry) && !at.is_hidden(&entry),
            Self::Purge => false,
        };
        // An attempt may have been cut between the move and its groups.
        let behind = match self.usual_name(&entry, at).filter(|_| reached) {
            Some(old) => at.left_behind(&old).await?,
            None => Vec::new(),
        };
        if !behind.is_empty() {
            return Ok(Observation::NotReached(format!("{stands}; under its old name in {}", listed(&behind))));
        }
        Ok(Observation::seen(reached, stands.clone(), stands))
    }

    /// What the entry is called where it usually comes from.
    fn usual_name(self, entry: &Entry, at: &Place<'_>) -> Option<String> {
        let LdapSettings { people, deleted, .. } = at.settings;
        let from = match self {
            Self::Delete => deleted.as_ref().map(|_| people),
            Self::Restore => deleted.as_ref(),
            Self::Purge => None,
        };
        from.map(|place| format!("{},{place}", name::split(&entry.dn).0))
    }

    pub(super) async fn apply(self, entry: &Entry, at: &Place<'_>) -> Result<Applied, ActionError> {
        at.not_own(entry)?;
        match self {
            Self::Delete => {
                let groups = at.naming(&entry.dn).await?;
                if !lock::is_closed(at.settings.profile, entry) {
                    at.close(entry).await?;
                }
                at.hide(entry, true).await?;
                match &at.settings.deleted {
                    Some(place) if !at.is_put_away(entry) => at.put(entry, place, &groups).await?,
                    Some(_) => self.catch_up(entry, at).await?,
                    None => {}
                }
            }
            Self::Restore => {
                let groups = at.naming(&entry.dn).await?;
                at.hide(entry, false).await?;
                match at.is_put_away(entry) {
                    true => at.put(entry, &at.settings.people, &groups).await?,
                    false => self.catch_up(entry, at).await?,
                }
            }
            Self::Purge => return at.purge(entry).await,
        }
        Ok(Applied::Shows)
    }

    /// Groups follow that an attempt was cut before.
    async fn catch_up(self, entry: &Entry, at: &Place<'_>) -> Result<(), ActionError> {
        let Some(old) = self.usual_name(entry, at) else { return Ok(()) };
        at.follow(&at.left_behind(&old).await?, &old, &entry.dn).await
    }
}

impl Place<'_> {
    /// Puts an account's entry right below `place`, under the name it has; the groups that name it follow.
    async fn put(&self, entry: &Entry, place: &str, groups: &[Group]) -> Result<(), ActionError> {
        let first = name::split(&entry.dn).0;
        let target = Target::account(entry, self.settings.profile);
        let answer = self.directory.rename(&target, first, place).await?;
        if answer.rc == error::SUCCESS {
            return self.follow(groups, &entry.dn, &format!("{first},{place}")).await;
        }
        Err(ActionError::fail(format!(
            "another entry in {place} has the same name: purge or rename that one first ({})",
            error::words(&answer)
        )))
    }

    /// Whoever gets the name next must not be in its groups.
    async fn purge(&self, entry: &Entry) -> Result<Applied, ActionError> {
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
        let left = match self.settings.profile.keeps_references() {
            true => Applied::Shows,
            false => membership::leave_all(entry, self).await?,
        };
        self.directory.remove(&Target::account(entry, self.settings.profile)).await.map(|_| left)
    }
}
