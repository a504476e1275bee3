//! The end of an account: closed and marked, taken back, and gone for good. Dovecot has no trash, so a deleted account
//! stays where it is, closed, until its purge.

use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::{Subject, is_denied};
use crate::connectors::dovecot::name::UserName;
use crate::connectors::dovecot::roster::Field;
use crate::connectors::dovecot::scripts::Scripts;
use crate::connectors::looking::in_doubt;
use crate::connectors::{ActionError, Call, Observation};

/// A change of whether an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Closed, and marked.
    Delete,
    /// Marked no longer; still closed.
    Restore,
    /// Its mails, its scripts and the account itself are gone.
    Purge,
}

impl Life {
    pub(super) async fn observe(self, call: &Call, at: &DovecotSystem) -> Result<Observation, ActionError> {
        let name = UserName::of_account(call.account.as_deref(), &at.name)?;
        if self == Self::Purge {
            // What Dovecot remembers of it counts no longer.
            at.forget(&name).await?;
            return match at.find(&name).await? {
                Some(subject) => Ok(Observation::NotReached(subject.status().as_str().to_owned())),
                None if at.denied().await?.is_some_and(|denied| is_denied(&denied, &name)) => {
                    Ok(Observation::NotReached("its lock is left".to_owned()))
                }
                None if at.knows(&name).await? => {
                    Ok(Observation::NotReached("it is gone, and Dovecot still knows it".to_owned()))
                }
                None => Ok(Observation::read_back("there is no account with this id any more")),
            };
        }
        let subject = at.subject(call).await?;
        let stands = subject.status().as_str();
        let marked = subject.held.as_ref().is_some_and(|held| held.note.deleted);
        at.forget(&subject.name).await?;
        Ok(match self {
            Self::Delete => Observation::seen(subject.is_put_away(), "deleted, sign-in is refused", stands),
            Self::Restore | Self::Purge => Observation::seen(!marked, stands, stands),
        })
    }

    pub(super) async fn apply(self, call: &Call, at: &DovecotSystem) -> Result<(), ActionError> {
        match self {
            Self::Delete => {
                let subject = at.subject(call).await?;
                mark(&subject, at, true).await?;
                at.deny(&subject.name, true).await.map_err(in_doubt)
            }
            Self::Restore => mark(&at.subject(call).await?, at, false).await,
            Self::Purge => {
                let name = UserName::of_account(call.account.as_deref(), &at.name)?;
                if let Some(subject) = at.find(&name).await? {
                    purge(&subject, at).await?;
                }
                match at.settings.deny_file {
                    Some(_) => at.deny(&name, false).await.map_err(in_doubt),
                    None => Ok(()),
                }
            }
        }
    }
}

async fn mark(subject: &Subject, at: &DovecotSystem, deleted: bool) -> Result<(), ActionError> {
    at.rewrite(&subject.name, Field::Deleted(deleted)).await
}

/// Mails first, while Dovecot still knows whose they are; the account itself last.
async fn purge(subject: &Subject, at: &DovecotSystem) -> Result<(), ActionError> {
    if !subject.is_put_away() {
        let status = subject.status().as_str();
        let why = format!("the account on {} is {status}: delete it before purging it", at.name);
        return Err(ActionError::fail(why));
    }
    at.empty(&subject.name).await?;
    let left = at.mails(&subject.name).await.map_err(in_doubt)?;
    if left > 0 {
        return Err(ActionError::unknown(format!("{left} mails are left, or have arrived since")));
    }
    drop_scripts(subject, at).await.map_err(in_doubt)?;
    at.needed_roster()?.remove(&subject.name).await.map_err(in_doubt)
}

async fn drop_scripts(subject: &Subject, at: &DovecotSystem) -> Result<(), ActionError> {
    let mut scripts = Scripts::open(at, &subject.name).await?;
    let all = scripts.list().await?;
    if all.iter().any(|script| script.active) {
        scripts.deactivate().await?;
    }
    for script in &all {
        scripts.delete(&script.name).await?;
    }
    scripts.close().await;
    Ok(())
}
