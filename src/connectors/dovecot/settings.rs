//! `kind = "dovecot"`: where a mail host is and how usher gets in.

use std::path::PathBuf;
use std::time::Duration;

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
    /// The passwd-file whose lines are the accounts.
    pub passwd_file: Option<PathBuf>,
    /// The passwd-file of those who may not sign in (`deny = yes`).
    pub deny_file: Option<PathBuf>,
    /// The system of kind `ldap` that has the passwords.
    pub directory: Option<String>,
    /// The dictionary of last sign-ins (`last_login_dict`).
    pub last_login: Option<String>,
    /// How long one answer may take.
    pub timeout: Duration,
}

impl DovecotSettings {
    /// How long one answer may take.
    pub const TIMEOUT: Duration = Duration::from_secs(15);
}
