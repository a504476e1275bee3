//! A new account: a line of the passwd-file. It is recognised by the key of the step that made it.

use sha2::{Digest, Sha256};

use super::password::{self, Rounds};
use crate::clock;
use crate::connectors::dovecot::DovecotSystem;
use crate::connectors::dovecot::account::{SEEN_AFTER, Subject, is_denied};
use crate::connectors::dovecot::name::UserName;
use crate::connectors::dovecot::passwd::{self, Entry, Note};
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
        Ok(found.filter(|subject| subject.entry.as_ref().is_some_and(|entry| self.has_made(entry))))
    }

    fn has_made(&self, entry: &Entry) -> bool {
        entry.has_password() && entry.note().made_by == self.note.made_by
    }

    pub(super) async fn observe(&self, at: &DovecotSystem) -> Result<Observation, ActionError> {
        let Some(subject) = self.made(at).await? else {
            return Ok(Observation::NotReached("there is no such account yet".to_owned()));
        };
        if subject.closed == self.enabled {
            let stands = if self.enabled { "it is closed" } else { "it is open" };
            return Ok(Observation::NotReached(stands.to_owned()));
        }
        let known = at.knows(&self.name).await?;
        Ok(Observation::seen(known, "created, and known to Dovecot", "its line is there, and Dovecot does not know it"))
    }

    pub(super) async fn apply(&self, at: &DovecotSystem, password: Option<&Secret>) -> Result<(), ActionError> {
        let password = password.ok_or_else(|| ActionError::fail("`account.create` came without a password"))?;
        // Closed before it is there: nobody signs in to what is to be closed.
        let closed = at.denied().await?.is_some_and(|denied| is_denied(&denied, &self.name));
        let hash = password::hash(password, Rounds::Chosen).await?;
        if closed == self.enabled {
            if self.enabled && at.find(&self.name).await?.is_some() && self.made(at).await?.is_none() {
                return Err(self.taken(at));
            }
            at.deny(&self.name, !self.enabled).await?;
        }
        let (new, taken) = (self.clone(), self.taken(at));
        at.change(at.passwd_file()?, move |text| match passwd::find(text, new.name.as_str())? {
            Some(entry) if new.has_made(&entry) => Ok(text.to_owned()),
            Some(_) => Err(taken),
            None => {
                let entry = Entry::new(new.name.as_str(), &hash, &new.note);
                Ok(passwd::with(text, &new.quota.map_or(entry.clone(), |bytes| entry.with_quota(bytes))))
            }
        })
        .await?;
        clock::pause(SEEN_AFTER).await;
        Ok(())
    }

    fn taken(&self, at: &DovecotSystem) -> ActionError {
        ActionError::fail(format!("the name is taken on {}: bind that account, or choose another name", at.name))
    }
}

/// What the line keeps of a step's key: a word, whatever the key holds.
fn digest(key: &str) -> String {
    hex::encode(Sha256::digest(key)).chars().take(32).collect()
}
