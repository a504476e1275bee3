//! One account: what its store holds where usher changes that, else a name that Dovecot knows; and whether it may sign in.

use std::time::Duration;

use serde_json::json;

use super::DovecotSystem;
use super::doveadm::{Answer, NO_USER};
use super::error::Effect;
use super::name::UserName;
use super::passwd::{self, Entry};
use super::roster::{Field, Held, Roster};
use super::{doveadm, file};
use crate::clock;
use crate::connectors::{ActionError, Call};
use crate::run::AccountStatus;

/// Dovecot looks at a passwd-file at most once a second.
pub(super) const SEEN_AFTER: Duration = Duration::from_millis(1100);

/// An account as it stands.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: UserName,
    /// What is held of it, where usher changes accounts.
    pub(super) held: Option<Held>,
    /// Whether it may not sign in.
    pub(super) closed: bool,
}

impl Subject {
    /// Whether it waits for its purge.
    pub(super) fn is_put_away(&self) -> bool {
        self.closed && self.held.as_ref().is_some_and(|held| held.note.deleted)
    }

    pub(super) fn status(&self) -> AccountStatus {
        match self.closed {
            false => AccountStatus::Enabled,
            true if self.is_put_away() => AccountStatus::Deleted,
            true => AccountStatus::Disabled,
        }
    }
}

impl DovecotSystem {
    /// The account that a call is about.
    ///
    /// # Errors
    /// A final failure where it is not there.
    pub(super) async fn subject(&self, call: &Call) -> Result<Subject, ActionError> {
        let name = UserName::of_account(call.account.as_deref(), &self.name)?;
        let none = || ActionError::fail(format!("{} has no account `{name}`", self.name));
        self.find(&name).await?.ok_or_else(none)
    }

    /// The account of this name.
    pub(super) async fn find(&self, name: &UserName) -> Result<Option<Subject>, ActionError> {
        let held = match self.roster() {
            Some(roster) => match roster.find(name).await? {
                Some(held) => Some(held),
                None => return Ok(None),
            },
            None if !self.knows(name).await? => return Ok(None),
            None => None,
        };
        let closed = match self.denied().await? {
            Some(denied) => is_denied(&denied, name),
            None => held.as_ref().is_some_and(|held| held.open == Some(false)),
        };
        Ok(Some(Subject { name: name.clone(), held, closed }))
    }

    /// Where accounts are kept, where usher changes them.
    pub(super) fn roster(&self) -> Option<Roster<'_>> {
        let lines = self.settings.passwd_file().map(|path| Roster::Lines(path, &self.turn));
        lines.or_else(|| self.table.as_ref().map(Roster::Rows))
    }

    /// The same, for what cannot be done without.
    pub(super) fn needed_roster(&self) -> Result<Roster<'_>, ActionError> {
        let none =
            || ActionError::fail(format!("the accounts of {} are in no `passwd_file` and no `table`", self.name));
        self.roster().ok_or_else(none)
    }

    /// Whether Dovecot itself knows somebody of this name.
    pub(super) async fn knows(&self, name: &UserName) -> Result<bool, ActionError> {
        match self.doveadm.any(Effect::Looks, "user", json!({ "userMask": [name.as_str()] })).await? {
            Answer::Refused { code: NO_USER | doveadm::NOT_FOUND, .. } => Ok(false),
            answer => {
                let known = self.doveadm.done(Effect::Looks, "user", answer)?;
                Ok(known.get(name.as_str()).is_some())
            }
        }
    }

    /// What is in the file of those who may not sign in.
    pub(super) async fn denied(&self) -> Result<Option<String>, ActionError> {
        match &self.settings.deny_file {
            Some(path) => file::read(path).await.map(Some),
            None => Ok(None),
        }
    }

    /// Refuses or allows sign-in from now on, once Dovecot has seen it.
    pub(super) async fn deny(&self, name: &UserName, deny: bool) -> Result<(), ActionError> {
        let Some(path) = &self.settings.deny_file else {
            return match self.roster() {
                Some(roster) => roster.set(name, Field::Open(!deny)).await,
                None => Err(ActionError::fail(format!("{} has no `deny_file`: it cannot close accounts", self.name))),
            };
        };
        let who = name.clone();
        self.turn
            .change(path, move |text| {
                Ok(match deny {
                    true if is_denied(text, &who) => text.to_owned(),
                    true => passwd::with(text, &Entry::denied(who.as_str())),
                    false => passwd::without(text, who.as_str()),
                })
            })
            .await?;
        clock::pause(SEEN_AFTER).await;
        Ok(())
    }

    /// Changes a field of an account, and waits until Dovecot has seen it.
    pub(super) async fn rewrite(&self, name: &UserName, field: Field) -> Result<(), ActionError> {
        let roster = self.needed_roster()?;
        roster.set(name, field).await?;
        self.seen(roster).await;
        Ok(())
    }

    /// Dovecot asks a database each time, and looks at a file when it has changed.
    pub(super) async fn seen(&self, roster: Roster<'_>) {
        if roster.is_a_file() {
            clock::pause(SEEN_AFTER).await;
        }
    }

    /// What Dovecot remembers of this account's sign-ins counts no longer.
    pub(super) async fn forget(&self, name: &UserName) -> Result<(), ActionError> {
        self.doveadm.one(Effect::Looks, "authCacheFlush", json!({ "user": [name.as_str()] })).await.map(drop)
    }
}

/// Whether a name stands among those who may not sign in.
pub(super) fn is_denied(text: &str, name: &UserName) -> bool {
    passwd::has(text, name.as_str())
}
