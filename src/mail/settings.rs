//! `[mail]`, once everything in it is known to be right.

use std::path::PathBuf;
use std::time::Duration;

use super::language::Language;
use crate::secret::SecretRef;

/// `[mail]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// What carries the mails.
    pub means: Means,
    /// Who they are from: `usher <usher@example.org>`.
    pub from: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// Who is told what has stopped, and asked for approvals.
    pub administrators: Vec<String>,
    /// The language of those whose own is not known; default English.
    pub language: Language,
    /// Templates in here take the place of shipped ones of the same name.
    pub templates: Option<PathBuf>,
    /// How long until somebody is told again of what still waits; default 2 days.
    pub remind: Duration,
}

impl MailSettings {
    /// Settings for tests and the demo: English, no administrators, a reminder every two days.
    pub fn of(means: Means, from: impl Into<String>) -> Self {
        Self {
            means,
            from: from.into(),
            reply_to: None,
            administrators: Vec::new(),
            language: Language::En,
            templates: None,
            remind: Self::REMIND,
        }
    }

    /// The default of `remind`.
    pub const REMIND: Duration = Duration::from_secs(2 * 24 * 3600);

    /// Whether the server's password is kept in the store.
    pub fn needs_store(&self) -> bool {
        let Means::Smtp(SmtpSettings { login: Some((_, password)), .. }) = &self.means else { return false };
        password.stored_name().is_some()
    }

    /// The domain of the sender: what Message-IDs end with.
    pub fn domain(&self) -> &str {
        let address = self.from.trim_end_matches('>');
        address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }
}

/// What carries the mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// A mail server.
    Smtp(SmtpSettings),
    /// A folder, one `.eml` file for each mail.
    File(PathBuf),
    /// Nothing outside this process (tests).
    Memory,
}

/// `transport = "smtp"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// The server's name.
    pub host: String,
    /// Its port; default 587, with `tls = "tls"` 465, with `tls = "none"` 25.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Name and password, where the server asks for them.
    pub login: Option<(String, SecretRef)>,
    /// A file with further certificates (PEM) of authorities to trust.
    pub ca: Option<PathBuf>,
    /// The longest a step of the conversation may take, 1 to 60 s; default 30 s.
    pub timeout: Duration,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// `STARTTLS`, required (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314 §3.3).
    Implicit,
    /// Not at all: only where the configuration says so.
    None,
}

impl SmtpTls {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StartTls, Self::Implicit, Self::None];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Implicit => "tls",
            Self::None => "none",
        }
    }

    /// The port where nothing else is said.
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}
