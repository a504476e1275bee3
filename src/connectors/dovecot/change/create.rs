//! A new account: a line of the passwd-file, or a row. It is recognised by the key of the step that made it.

use sha2::{Digest, Sha256};

use super::password::{self, Rounds};
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::{Subject, is_denied};
use crate::connectors::dovecot::name::UserName;
use crate::connectors::dovecot::note::Note;
use crate::connectors::dovecot::roster::{Held, New};
use crate::connectors::{ActionError, Call, Observation};
use crate::secret::Secret;
use crate::workflow::params::Quota;

/// What a new account is to be.
#[derive(Clone, Debug)]
pub(in crate::connectors::dovecot) struct NewAccount {
    name: UserName,
    note: Note,
    quota: Option<u64>,
    enabled: bool,
}

impl NewAccount {
    pub(in crate::connectors::dovecot) fn of(call: &Call, at: &DovecotSystem) -> Result<Self, ActionError> {
        let name = call.login()?;
        let wrong = || ActionError::fail(format!("`{}` is no name of an account on {}", name.escape_debug(), at.name));
        let quota = call.with.get("quota").filter(|quota| !quota.is_null());
        let quota = quota.map(|quota| serde_json::from_value::<Quota>(quota.clone()));
        let whole =
            [call.text("given_name"), call.text("family_name")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        Ok(Self {
            note: Note {
                display_name: call.text("display_name").or(Some(whole)).filter(|name| !name.is_empty()),
                employee_number: call.text("employee_number"),
                made_by: Some(digest(&call.idempotency_key)),
                deleted: false,
            },
            quota: quota.transpose().map_err(ActionError::fail)?.map(|quota| quota.bytes),
            enabled: call.begins_enabled(),
            // Dovecot makes what people sign in with lower-case.
            name: UserName::parse(&name.to_lowercase()).ok_or_else(wrong)?,
        })
    }

    /// The account that this call has made.
    pub(in crate::connectors::dovecot) async fn made(
        &self,
        at: &DovecotSystem,
    ) -> Result<Option<Subject>, ActionError> {
        let found = at.find(&self.name).await?;
        Ok(found.filter(|subject| subject.held.as_ref().is_some_and(|held| self.has_made(held))))
    }

    fn has_made(&self, held: &Held) -> bool {
        held.made_by == self.note.made_by
    }

    pub(super) async fn observe(&self, at: &DovecotSystem) -> Result<Observation, ActionError> {
        let Some(subject) = self.made(at).await? else {
            return Ok(Observation::NotReached("there is no such account yet".to_owned()));
        };
        if subject.closed == self.enabled {
            let stands = if self.enabled { "it is closed" } else { "it is open" };
            return Ok(Observation::NotReached(stands.to_owned()));
        }
        // That there was nobody of this name, Dovecot remembers too.
        at.forget(&self.name).await?;
        let known = at.knows(&self.name).await?;
        Ok(Observation::seen(known, "created, and known to Dovecot", "it is there, and Dovecot does not know it"))
    }

    pub(super) async fn apply(&self, at: &DovecotSystem, password: Option<&Secret>) -> Result<(), ActionError> {
        let password = password.ok_or_else(|| ActionError::fail("`account.create` came without a password"))?;
        let hash = password::hash(password, Rounds::Chosen).await?;
        if at.settings.deny_file.is_some() || self.made(at).await?.is_some() {
            self.lock(at).await?;
        }
        let roster = at.needed_roster()?;
        let (name, note, open) = (self.name.clone(), self.note.clone(), self.enabled);
        roster.add(New { name, hash, note, quota: self.quota, open }).await?;
        at.seen(roster).await;
        Ok(())
    }

    /// Closed before it is there: nobody signs in to what is to be closed.
    async fn lock(&self, at: &DovecotSystem) -> Result<(), ActionError> {
        let standing = at.find(&self.name).await?;
        let closed = match at.denied().await? {
            Some(denied) => is_denied(&denied, &self.name),
            None => standing.as_ref().is_some_and(|subject| subject.closed),
        };
        if closed != self.enabled {
            return Ok(());
        }
        let others = standing.is_some_and(|subject| subject.held.is_none_or(|held| !self.has_made(&held)));
        if others { Err(self.taken(at)) } else { at.deny(&self.name, !self.enabled).await }
    }

    fn taken(&self, at: &DovecotSystem) -> ActionError {
        ActionError::fail(format!("the name is taken on {}: bind that account, or choose another name", at.name))
    }
}

/// What is kept of a step's key: a word, whatever the key holds.
fn digest(key: &str) -> String {
    hex::encode(Sha256::digest(key)).chars().take(32).collect()
}
