//! Another password, and whether a closed account stays closed with it.

use crate::connectors::ActionError;
use crate::connectors::ldap::directory::{Change, Target};
use crate::connectors::ldap::entry::Entry;
use crate::connectors::ldap::place::Place;
use crate::connectors::ldap::settings::Profile;
use crate::connectors::ldap::{error, lock};
use crate::connectors::looking::in_doubt;
use crate::run::{Evidence, EvidenceKind};
use crate::secret::{PasswordPolicy, Secret};

impl Place<'_> {
    /// Gives an account this password. A closed one is tried: a sign-in with the new password must be refused.
    pub(super) async fn set_password(&self, entry: &Entry, password: &Secret) -> Result<Evidence, ActionError> {
        self.not_own(entry)?;
        let closed = lock::is_closed(self.settings.profile, entry);
        self.write_password(entry, password).await.map_err(|error| without(error, password))?;
        let found = self.again(entry).await?;
        let set = set_at(self.settings.profile, &found);
        let mut detail = set.map_or("a new password was taken".to_owned(), |at| format!("password set, {at}"));
        if self.settings.profile == Profile::Lldap {
            detail.push_str(&self.try_out(&found, password).await);
        }
        if closed {
            // OpenLDAP takes a new password for a sign that the account is wanted again, and drops the lock.
            if !lock::is_closed(self.settings.profile, &found) {
                self.close(&found).await?;
                detail.push_str("; that had opened the account, which was closed again");
            }
            match self.settings.profile {
                Profile::OpenLdap | Profile::ActiveDirectory | Profile::Ds389 => {
                    detail.push_str(&self.prove_closed(&found, password).await?);
                }
                // The directory itself never refuses it: this password is what closes that door.
                Profile::Posix | Profile::Lldap => {
                    detail.push_str("; whoever knew the one before is refused by the directory itself")
                }
            }
        }
        // That it is this password cannot be read back.
        Ok(Evidence { kind: EvidenceKind::Acknowledged, detail })
    }

    async fn write_password(&self, entry: &Entry, password: &Secret) -> Result<(), ActionError> {
        match self.settings.profile {
            Profile::OpenLdap | Profile::Ds389 | Profile::Posix | Profile::Lldap => {
                self.directory.set_password(&entry.dn, password).await
            }
            // The password before the last one is refused at once, the last one lets in for another hour (MS-ADTS
            // 5.1.1.1.1 and its NTLM grace): so the last one is one that nobody has ever known.
            Profile::ActiveDirectory => {
                let unknown = PasswordPolicy::default().draw();
                let unknown = unknown.map_err(|why| ActionError::retry(format!("no random bytes: {why}")))?;
                for password in [&unknown, password] {
                    let target = Target::account(entry, self.settings.profile);
                    self.directory.modify(&target, vec![unicode(password)], &[]).await?;
                }
                Ok(())
            }
        }
    }

    /// The account as it is now.
    pub(super) async fn again(&self, entry: &Entry) -> Result<Entry, ActionError> {
        let gone = || ActionError::unknown("the account has another name since, or is gone");
        let id = entry.id(self.settings.profile).ok_or_else(gone)?;
        self.find(&id).await.map_err(in_doubt)?.ok_or_else(gone)
    }

    /// Signs in with the new password where there is no lock: that it counts is all that shuts out whoever knew the one before.
    async fn try_out(&self, entry: &Entry, password: &Secret) -> String {
        match self.directory.answer_to(&entry.dn, password).await {
            Ok(answer) if answer.rc == error::SUCCESS => {
                "; it signs in, and whoever knew the one before is refused".to_owned()
            }
            Ok(answer) => format!("; a sign-in with it is refused ({})", error::words(&answer)),
            Err(error) => format!("; whether it signs in could not be tried ({error})"),
        }
    }

    /// Signs in with the new password, which nobody else knows yet: a lock that has no effect would let us in.
    async fn prove_closed(&self, entry: &Entry, password: &Secret) -> Result<String, ActionError> {
        let answer = match self.directory.answer_to(&entry.dn, password).await {
            Ok(answer) => answer,
            Err(error) => return Ok(format!("; whether a sign-in is refused could not be tried ({error})")),
        };
        if answer.rc != error::SUCCESS {
            return Ok("; a sign-in with it is refused".to_owned());
        }
        Err(ActionError::fail(
            "the account is locked, and a sign-in with the new password was let in: the lock has no effect",
        ))
    }
}

/// `unicodePwd` is the password in quotation marks, in UTF-16 (MS-ADTS 3.1.1.3.1.5.1).
pub(super) fn unicode_bytes(password: &Secret) -> Vec<u8> {
    format!("\"{}\"", password.expose()).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn unicode(password: &Secret) -> Change {
    Change::Replace(b"unicodePwd".to_vec(), [unicode_bytes(password)].into())
}

/// When the server says that the password was set, as it says it.
fn set_at(profile: Profile, entry: &Entry) -> Option<String> {
    match profile {
        Profile::OpenLdap | Profile::Posix | Profile::Lldap => entry.text("pwdChangedTime"),
        Profile::Ds389 => entry.text("pwdUpdateTime"),
        Profile::ActiveDirectory => entry.text("pwdLastSet").filter(|time| time != "0"),
    }
}

/// A server's words, should they ever repeat the password.
fn without(error: ActionError, password: &Secret) -> ActionError {
    let clean = |reason: String| reason.replace(password.expose(), "…");
    match error {
        ActionError::Retry { reason, after } => ActionError::Retry { reason: clean(reason), after },
        ActionError::Fail { reason } => ActionError::Fail { reason: clean(reason) },
        ActionError::Unknown { reason } => ActionError::Unknown { reason: clean(reason) },
    }
}
