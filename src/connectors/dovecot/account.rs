//! One account: a line of the passwd-file where that is configured, else a name that Dovecot knows; and whether it may sign in.

use std::time::Duration;

use serde_json::json;

use super::DovecotSystem;
use super::doveadm::{Answer, NO_USER};
use super::error::Effect;
use super::name::UserName;
use super::passwd::{self, Entry};
use super::{doveadm, file};
use crate::clock;
use crate::connectors::{ActionError, Call};
use crate::run::AccountStatus;

/// Dovecot looks at a passwd-file at most once a second.
pub(super) const SEEN_AFTER: Duration = Duration::from_millis(1100);

/// How long an attempt waits for its turn to change a file.
const PATIENCE: Duration = Duration::from_secs(10);

/// An account as it stands.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: UserName,
    /// Its line, where accounts are lines.
    pub(super) entry: Option<Entry>,
    /// Whether it may not sign in.
    pub(super) closed: bool,
}

impl Subject {
    /// Whether it waits for its purge.
    pub(super) fn is_put_away(&self) -> bool {
        self.closed && self.entry.as_ref().is_some_and(|entry| entry.note().deleted)
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
        let entry = match &self.settings.passwd_file {
            Some(path) => match passwd::find(&file::read(path).await?, name.as_str())? {
                Some(entry) => Some(entry),
                None => return Ok(None),
            },
            None if !self.knows(name).await? => return Ok(None),
            None => None,
        };
        let closed = self.denied().await?.is_some_and(|denied| is_denied(&denied, name));
        Ok(Some(Subject { name: name.clone(), entry, closed }))
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
            return Err(ActionError::fail(format!("{} has no `deny_file`: it cannot close accounts", self.name)));
        };
        let who = name.clone();
        self.change(path, move |text| {
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

    /// Changes an account's line.
    pub(super) async fn rewrite(
        &self,
        name: &UserName,
        change: impl FnOnce(Entry) -> Entry + Send + 'static,
    ) -> Result<(), ActionError> {
        let (who, system) = (name.clone(), self.name.clone());
        self.change(self.passwd_file()?, move |text| match passwd::find(text, who.as_str())? {
            Some(entry) => Ok(passwd::with(text, &change(entry))),
            None => Err(ActionError::fail(format!("{system} has no account `{who}` any more"))),
        })
        .await?;
        clock::pause(SEEN_AFTER).await;
        Ok(())
    }

    /// Changes one of the files. Attempts of this process take turns: many at once would only be in each other's way at the
    /// file's lock.
    pub(super) async fn change(
        &self,
        path: &std::path::Path,
        change: impl FnOnce(&str) -> Result<String, ActionError> + Send + 'static,
    ) -> Result<(), ActionError> {
        let late = |_| ActionError::retry(format!("{}: others are still changing it", path.display()));
        let turn = tokio::time::timeout(PATIENCE, self.turn.lock()).await.map_err(late)?;
        let done = file::change(path, change).await;
        drop(turn);
        done
    }

    /// Where accounts are lines.
    pub(super) fn passwd_file(&self) -> Result<&std::path::Path, ActionError> {
        let none = || ActionError::fail(format!("the accounts of {} are in no `passwd_file`", self.name));
        self.settings.passwd_file.as_deref().ok_or_else(none)
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
