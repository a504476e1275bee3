//! The end of an account: closed, and gone for good. A provider has no trash, so a deleted account waits, closed, where it is.

use crate::connectors::scim::endpoint::{Kind, To};
use crate::connectors::scim::place::{Place, TRIES};
use crate::connectors::scim::resource::Resource;
use crate::connectors::{ActionError, Call, Observation};
use crate::workflow::params::Method;

/// A change of whether an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Closed, until the purge.
    Delete,
    /// It has stayed where it was; still closed.
    Restore,
    /// Gone.
    Purge,
}

impl Life {
    pub(super) async fn observe(self, call: &Call, at: &Place<'_>) -> Result<Observation, ActionError> {
        let account = match (self, call.account.as_deref()) {
            (Self::Purge, Some(id)) => match at.find(id).await? {
                Some(account) => account,
                None => return Ok(Observation::read_back("there is no account with this id any more")),
            },
            _ => at.subject(call).await?,
        };
        let stands = if account.is_active() { "there, active" } else { "there, not active" };
        Ok(match self {
            Self::Delete => Observation::seen(!account.is_active(), stands, stands),
            Self::Restore => Observation::read_back(stands),
            Self::Purge => Observation::NotReached(stands.to_owned()),
        })
    }

    pub(super) async fn apply(self, account: &Resource, at: &Place<'_>) -> Result<(), ActionError> {
        match self {
            Self::Delete => at.activate(account, false).await,
            Self::Restore => Ok(()),
            Self::Purge => at.purge(account).await,
        }
    }
}

impl Place<'_> {
    /// Deletes an account that is closed, and still is at that moment where the provider keeps versions.
    async fn purge(&self, account: &Resource) -> Result<(), ActionError> {
        let mut account = account.clone();
        for _ in 0..TRIES {
            if account.is_active() {
                return Err(ActionError::fail(format!(
                    "the account on {} is active: delete it before purging it",
                    self.system
                )));
            }
            if self.write(&To::One(Kind::Users, &account.id), Method::Delete, None, &account, None).await? {
                return Ok(());
            }
            match self.find(&account.id).await? {
                Some(now) => account = now,
                None => return Ok(()),
            }
        }
        Err(self.restless())
    }
}
