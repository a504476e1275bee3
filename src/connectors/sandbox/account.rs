//! One account as a simulated system keeps it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest;
use super::request::numbered;
use crate::run::{Account, AccountStatus};
use crate::secret::Secret;

/// An account with everything its system knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SandboxAccount {
    /// Immutable, never reused.
    pub id: String,
    /// The name its holder signs in with.
    pub login: String,
    /// The holder's number in the books of HR; none for services and shared mailboxes.
    pub employee_number: Option<String>,
    /// First address.
    pub email: Option<String>,
    /// First name.
    pub given_name: String,
    /// Last name.
    pub family_name: String,
    /// As shown to others.
    pub display_name: String,
    /// Enabled, disabled or in the trash.
    pub status: AccountStatus,
    /// Whether address lists leave it out.
    pub hidden: bool,
    /// Names the present password; the sandbox knows no passwords.
    pub password: String,
    /// When it was set.
    pub password_set: Option<Timestamp>,
    /// Signed-in sessions. Disabling the account leaves them open, as real systems do.
    pub sessions: BTreeSet<String>,
    /// Application passwords.
    pub app_passwords: BTreeSet<String>,
    /// OAuth grants and second factors.
    pub tokens: BTreeSet<String>,
    /// Role.
    pub role: Option<String>,
    /// Groups, teams and product rights.
    pub groups: BTreeSet<String>,
    /// What `access.remove` took, for undo.
    pub removed: Option<RemovedAccess>,
    /// The licence it uses up.
    pub licence: Option<String>,
    /// Further addresses.
    pub aliases: BTreeSet<String>,
    /// Storage limit.
    pub quota_bytes: Option<u64>,
    /// Last sign-in.
    pub last_sign_in: Option<Timestamp>,
    /// Set while it is deleted and recoverable.
    pub trash: Option<Trash>,
    /// The idempotency key of the request that created it.
    pub created_by: Option<String>,
    /// Names the last set-up link that was made; the sandbox knows no links.
    pub setup_link: Option<String>,
    /// How often credentials or a set-up link were handed over.
    pub credentials_sent: u32,
    /// On systems with mail.
    pub mailbox: Option<Mailbox>,
    /// On systems with files.
    pub files: Option<FileStore>,
    /// On systems with calendars.
    pub calendars: Option<Agenda>,
    /// Checksums of the archives and exports made of it, by file name.
    pub archives: BTreeMap<String, String>,
}

impl SandboxAccount {
    /// Whether its sign-in page lets somebody in who shows this password or set-up link.
    pub fn opens_with(&self, shown: &Secret) -> bool {
        let name = digest::generation(&[shown.expose()]);
        self.password == name || self.setup_link.as_ref() == Some(&name)
    }
}

/// What `access.remove` took away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RemovedAccess {
    /// The role it had.
    pub role: Option<String>,
    /// The groups it was in.
    pub groups: BTreeSet<String>,
}

/// What an account was before it was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trash {
    /// When it was deleted.
    pub since: Timestamp,
    /// Its status before.
    pub status: AccountStatus,
    /// Whether it was hidden before.
    pub hidden: bool,
}

/// A mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mailbox {
    /// Folders by name; `INBOX` is where mail arrives.
    pub folders: BTreeMap<String, Folder>,
    /// Answers every sender once.
    pub auto_reply: Option<AutoReply>,
    /// Sends arriving mail on.
    pub redirect: Option<Redirect>,
    /// The holder's own rules.
    pub rules: Vec<Rule>,
    /// Addresses of those who may read it too.
    pub delegates: BTreeSet<String>,
}

/// A folder of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// Mails in it.
    pub mails: u64,
    /// Their size.
    pub bytes: u64,
    /// The account it was copied from.
    pub from: Option<String>,
}

/// An automatic answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReply {
    /// Subject of the answer.
    pub subject: String,
    /// Its text.
    pub message: Option<String>,
    /// The template its text comes from.
    pub template: Option<String>,
    /// Whom the sender may turn to.
    pub contact: Option<String>,
    /// Senders who have had their answer.
    #[serde(default)]
    pub answered: BTreeSet<String>,
}

/// Where arriving mail goes instead, or too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The address.
    pub to: String,
    /// Whether the mailbox keeps a copy.
    pub keep_copy: bool,
}

/// A rule the holder made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Where it forwards to, if it does.
    pub forward_to: Option<String>,
}

/// Files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileStore {
    /// Files the account owns.
    pub count: u64,
    /// Their size.
    pub bytes: u64,
    /// Files it was given, by the account they came from.
    pub received: BTreeMap<String, FileStoreShare>,
}

/// Files that came from one former owner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileStoreShare {
    /// Files.
    pub count: u64,
    /// Their size.
    pub bytes: u64,
}

/// Calendars and contacts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Agenda {
    /// Calendars it owns.
    pub calendars: Vec<Calendar>,
    /// Addresses in its contacts.
    pub contacts: BTreeSet<String>,
}

/// A calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its name.
    pub name: String,
    /// Events in it.
    #[serde(default)]
    pub events: u64,
    /// With whom it is shared.
    #[serde(default)]
    pub shared_with: Vec<String>,
    /// The account that owned it before.
    #[serde(default)]
    pub former_owner: Option<String>,
}

impl SandboxAccount {
    /// Whether `address` reaches it: its first address, an alias or the sign-in name. `A` and `a` are alike, `Ä` and `ä`
    /// are not.
    pub fn answers_to(&self, address: &str) -> bool {
        let address = address.to_ascii_lowercase();
        self.names().any(|name| name == address)
    }

    /// What it can be found by: addresses and sign-in name in lower case, the employee number as `#1004`.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let number = self.employee_number.as_deref().map(numbered);
        number.into_iter().chain(self.addresses())
    }

    fn addresses(&self) -> impl Iterator<Item = String> {
        self.email.iter().chain(&self.aliases).chain([&self.login]).map(|name| name.to_ascii_lowercase())
    }

    /// The account as connectors hand it out.
    pub(super) fn to_account(&self, system: &str, grace_days: u16) -> Account {
        Account {
            id: 0,
            system: system.to_owned(),
            external_id: self.id.clone(),
            login: self.login.clone(),
            person_id: None,
            status: self.status,
            attributes: self.attributes(),
            last_sign_in: self.last_sign_in.map(Timestamp::as_millisecond),
            purge_due: self.purge_due(grace_days),
        }
    }

    /// When it is past its grace, epoch milliseconds; only of accounts in a trash.
    fn purge_due(&self, grace_days: u16) -> Option<i64> {
        let trash = self.trash.as_ref().filter(|_| self.status == AccountStatus::Deleted)?;
        Some(trash.since.as_millisecond() + i64::from(grace_days) * 86_400_000)
    }

    fn attributes(&self) -> BTreeMap<String, Value> {
        let mut all = vec![
            ("employee_number", json!(self.employee_number)),
            ("email", json!(self.email)),
            ("given_name", json!(self.given_name)),
            ("family_name", json!(self.family_name)),
            ("display_name", json!(self.display_name)),
            ("role", json!(self.role)),
            ("groups", json!(self.groups)),
            ("aliases", json!(self.aliases)),
            ("quota_bytes", json!(self.quota_bytes)),
            ("licence", json!(self.licence)),
            ("hidden", json!(self.hidden)),
        ];
        if let Some(removed) = &self.removed {
            all.push(("removed_role", json!(removed.role)));
            all.push(("removed_groups", json!(removed.groups)));
        }
        all.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
