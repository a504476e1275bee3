//! The lock, and whether address lists show an account.

use crate::connectors::ldap::directory::{self, Change, Target};
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::lock;
use crate::connectors::ldap::place::Place;
use crate::connectors::ldap::settings::{Mark, Profile};
use crate::connectors::looking::Applied;
use crate::connectors::{ActionError, Call, Observation};

/// Each sets a state: asking twice is asking once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// No sign-in from now on. Connections that are open stay so.
    Close,
    /// Sign-in again.
    Open,
    /// Not in address lists.
    Hide,
    /// In address lists.
    Show,
    /// A look: nobody can sign in.
    NoWayIn,
}

impl Access {
    pub(super) async fn observe(self, call: &Call, at: &Place<'_>) -> Result<Observation, ActionError> {
        let entry = match (self, call.account.as_deref()) {
            (Self::NoWayIn, Some(id)) => match at.find(id).await? {
                Some(entry) => entry,
                None => return Ok(Observation::read_back("there is no account with this id")),
            },
            _ => at.subject(call).await?,
        };
        let closed = lock::is_closed(at.settings.profile, &entry);
        let (open, shut) = ("sign-in is allowed", "sign-in is refused");
        Ok(match self {
            Self::Open => Observation::seen(!closed, open, shut),
            Self::Close | Self::NoWayIn if closed => match at.why_no_lock(&entry).await? {
                None => Observation::read_back(shut),
                Some(why) => Observation::NotReached(format!("it is locked, but {why}")),
            },
            Self::Close | Self::NoWayIn => Observation::NotReached(open.to_owned()),
            Self::Hide => {
                Observation::seen(at.is_hidden(&entry), "hidden from address lists", "shown in address lists")
            }
            Self::Show => {
                Observation::seen(!at.is_hidden(&entry), "shown in address lists", "hidden from address lists")
            }
        })
    }

    pub(super) async fn apply(self, entry: &Entry, at: &Place<'_>) -> Result<Applied, ActionError> {
        match self {
            Self::Close => {
                at.close(entry).await?;
                return Ok(lock::written_over(at.settings.profile, entry).map_or(Applied::Shows, Applied::With));
            }
            Self::Open => {
                if at.is_put_away(entry) {
                    return Err(ActionError::fail(format!(
                        "the account is deleted on {}: restore it before enabling it",
                        at.system
                    )));
                }
                at.open(entry).await?;
            }
            Self::Hide => at.hide(entry, true).await?,
            Self::Show => at.hide(entry, false).await?,
            Self::NoWayIn => {}
        }
        Ok(Applied::Shows)
    }
}

impl Place<'_> {
    /// Changes an account's entry.
    pub(super) async fn change(&self, entry: &Entry, changes: Vec<Change>) -> Result<(), ActionError> {
        let target = Target::account(entry, self.settings.profile);
        self.directory.modify(&target, changes, &[]).await.map(drop)
    }

    /// Locks an account, where the lock has an effect.
    pub(super) async fn close(&self, entry: &Entry) -> Result<(), ActionError> {
        self.not_own(entry)?;
        if let Some(why) = self.why_no_lock(entry).await? {
            return Err(ActionError::fail(why));
        }
        self.change(entry, lock::changes(self.settings.profile, entry, true)?).await
    }

    /// Opens an account. What 389 Directory Server locks by a role is not usher's to open.
    async fn open(&self, entry: &Entry) -> Result<(), ActionError> {
        self.change(entry, lock::changes(self.settings.profile, entry, false)?).await?;
        if self.settings.profile == Profile::Ds389 && lock::is_closed(self.settings.profile, &self.again(entry).await?)
        {
            return Err(ActionError::fail(
                "a role of the account locks it (`nsRoleDN`), which usher leaves alone: take it out of that role there",
            ));
        }
        Ok(())
    }

    /// Hides an account from address lists, or shows it. Nothing is done where nothing hides.
    pub(super) async fn hide(&self, entry: &Entry, hide: bool) -> Result<(), ActionError> {
        let Some(mark) = self.settings.hidden.as_ref().filter(|_| self.is_hidden(entry) != hide) else { return Ok(()) };
        self.change(entry, vec![marking(mark, hide)]).await
    }
}

/// An attribute that is true or false has one value; of any other the other values are somebody else's.
fn marking(Mark { attribute, value }: &Mark, set: bool) -> Change {
    let is_flag = ["TRUE", "FALSE"].iter().any(|word| value.eq_ignore_ascii_case(word));
    match (is_flag, set) {
        (true, true) => directory::replace(attribute, &[value]),
        (true, false) => directory::replace(attribute, &[]),
        (false, true) => directory::add(attribute, value),
        (false, false) => directory::delete(attribute, value),
    }
}
