//! What simulated people and senders do with the systems: the demo's life, and the tests' way of seeing whether a
//! door is really shut.

use jiff::Timestamp;

use super::account::SandboxAccount;
use super::change::{Change, Delivery, World};
use super::digest;
use super::error::SandboxError;
use super::house::{Present, SandboxCompany};
use super::ledger::Entry;
use super::state::{INBOX, SystemState};
use crate::connectors::ActionError;
use crate::run::{AccountStatus, Governing};
use crate::secret::Secret;

/// Roles that manage a product even while its management is blocked.
pub(super) const ADMINISTRATORS: [&str; 3] = ["administrator", "admin", "legal_representative"];

/// Of each kind, one must be left who can sign in.
pub const GOVERNING: [Governing; 2] = [
    Governing { title: "administrator", roles: &["administrator", "admin"] },
    Governing { title: "legal representative", roles: &["legal_representative"] },
];

impl SandboxCompany {
    /// Signs in with the password named `password` ([`SandboxAccount::password`]); gives the new session.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] when the system does not let them in.
    pub fn sign_in(&self, system: &str, id: &str, password: &str, now: Timestamp) -> Result<String, SandboxError> {
        self.exclusive(|present| {
            let (place, account) = present.account(system, id)?;
            let shut = match account.status {
                AccountStatus::Enabled if place.maintenance => Some("in maintenance".to_owned()),
                AccountStatus::Enabled if account.password != password => Some("a wrong password".to_owned()),
                AccountStatus::Enabled => None,
                status => Some(format!("an account that is {}", status.as_str())),
            };
            if let Some(why) = shut {
                return Err(SandboxError::Refused(format!("no sign-in to `{id}` on `{system}`: {why}")));
            }
            let session = format!("signed in {now}");
            present.happen(system, Some(id), now, World::SignIn(session.clone()))?;
            Ok(session)
        })
    }

    /// How the sandbox calls this password, for [`SandboxCompany::sign_in`].
    pub fn password_name(password: &Secret) -> String {
        digest::password(password)
    }

    /// Reads the inbox through an open session or application password, and says how many mails are in it. An open
    /// session still works on an account that was only disabled.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] when there is no such way in, or the service is in maintenance.
    pub fn read_mail(&self, system: &str, id: &str, way_in: &str) -> Result<u64, SandboxError> {
        self.exclusive(|present| {
            let (place, account) = present.account(system, id)?;
            let enabled = account.status == AccountStatus::Enabled;
            let by_session = account.sessions.contains(way_in) && account.status != AccountStatus::Deleted;
            let by_app_password = account.app_passwords.contains(way_in) && enabled;
            let refused = |why: &str| SandboxError::Refused(format!("no reading of `{id}` on `{system}`: {why}"));
            if place.maintenance {
                return Err(refused("in maintenance"));
            }
            if !by_session && !by_app_password {
                return Err(refused("no open session or valid application password"));
            }
            let mailbox = account.mailbox.as_ref().ok_or_else(|| refused("no mailbox"))?;
            Ok(mailbox.folders.get(INBOX).map_or(0, |inbox| inbox.mails))
        })
    }

    /// Manages `system` as the holder of account `id`.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] when its management is blocked and the account's role is not an administrator's.
    pub fn manage(&self, system: &str, id: &str) -> Result<(), SandboxError> {
        self.exclusive(|present| {
            let (place, account) = present.account(system, id)?;
            let role = account.role.as_deref().unwrap_or_default();
            if place.blocked && !ADMINISTRATORS.contains(&role) {
                return Err(SandboxError::Refused(format!("the management of `{system}` is blocked for `{id}`")));
            }
            Ok(())
        })
    }

    /// A mail from `from` arrives for `to`; what became of it.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn deliver_mail(&self, to: &str, from: &str, now: Timestamp) -> Result<Delivery, SandboxError> {
        self.exclusive(|present| {
            let delivery = present.state.route(from, to);
            if delivery.bounced.is_none() {
                let system = present.state.mailbox(to).map(|(system, _)| system.to_owned()).unwrap_or_default();
                present.happen(&system, None, now, World::Arrive(delivery.clone()))?;
            }
            Ok(delivery)
        })
    }
}

impl Present {
    fn account(&self, system: &str, id: &str) -> Result<(&SystemState, &SandboxAccount), SandboxError> {
        let refused = |why: String| SandboxError::Refused(why);
        let place = self.state.systems.get(system).ok_or_else(|| refused(format!("no system is called `{system}`")))?;
        let account = place.account(Some(id)).map_err(|error: ActionError| refused(error.to_string()))?;
        Ok((place, account))
    }

    fn happen(&mut self, system: &str, id: Option<&str>, at: Timestamp, what: World) -> Result<(), SandboxError> {
        self.record(&Entry {
            at,
            system: system.to_owned(),
            account: id.map(str::to_owned),
            action: None,
            key: String::new(),
            fence: 0,
            changed: true,
            change: Change::World(what),
        })
    }
}
