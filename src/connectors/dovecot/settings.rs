//! `kind = "dovecot"`: where a mail host is and how usher gets in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::table::TableSettings;
use crate::outbound::Security;
use crate::secret::SecretRef;

/// A server of the mail host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the line is secured.
    pub security: Security,
}

/// Dovecot's master user: signs in as itself, and acts as somebody else (RFC 4616, the authorization identity).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its name.
    pub user: String,
    /// Where its password is kept.
    pub password: SecretRef,
}

/// Where accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// Lines of this passwd-file.
    File(PathBuf),
    /// Rows of a table.
    Table(Box<TableSettings>),
    /// Entries of the directory that is this system, of kind `ldap`.
    Directory(String),
}

/// A mail host's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DovecotSettings {
    /// doveadm's HTTP interface: `https://HOST[:PORT]`, or `http://` to this machine.
    pub url: String,
    /// Where its key (`doveadm_api_key`) is kept.
    pub api_key: SecretRef,
    /// An authority to trust besides the machine's.
    pub ca: Option<PathBuf>,
    /// Where IMAP is; needed for what reads mails.
    pub imap: Option<Server>,
    /// Where ManageSieve is; without it, scripts go by doveadm.
    pub sieve: Option<Server>,
    /// Whom usher signs in as, by IMAP and ManageSieve.
    pub master: Option<Master>,
    /// Where accounts are kept; `None` where usher does not know.
    pub accounts: Option<Accounts>,
    /// The passwd-file of those who may not sign in (`deny = yes`).
    pub deny_file: Option<PathBuf>,
    /// The dictionary of last sign-ins (`last_login_dict`).
    pub last_login: Option<String>,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl DovecotSettings {
    /// How long one answer may take.
    pub const TIMEOUT: Duration = Duration::from_secs(15);

    /// The passwd-file that accounts are lines of.
    pub fn passwd_file(&self) -> Option<&Path> {
        match &self.accounts {
            Some(Accounts::File(path)) => Some(path),
            _ => None,
        }
    }

    /// The directory that people sign in by.
    pub(super) fn directory(&self) -> Option<&str> {
        match &self.accounts {
            Some(Accounts::Directory(name)) => Some(name),
            _ => None,
        }
    }

    /// The table that accounts are rows of.
    pub(super) fn table(&self) -> Option<&TableSettings> {
        match &self.accounts {
            Some(Accounts::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// Whether passwords are changed here.
    pub(super) fn has_passwords(&self) -> bool {
        self.passwd_file().is_some() || self.table().is_some()
    }

    /// Whether it is said here who may sign in.
    pub(super) fn locks(&self) -> bool {
        self.deny_file.is_some() || self.table().is_some_and(|table| table.columns.active.is_some())
    }

    /// Whether there is room for what usher has to remember of an account.
    pub(super) fn notes(&self) -> bool {
        self.passwd_file().is_some() || self.table().is_some_and(|table| table.columns.note.is_some())
    }

    /// Whether storage limits are kept here.
    pub(super) fn limits(&self) -> bool {
        self.passwd_file().is_some() || self.table().is_some_and(|table| table.columns.quota.is_some())
    }
}
