//! The sections, each with its defaults, once everything in them is known to be right.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::connectors::dav::DavSettings;
use crate::connectors::dovecot::DovecotSettings;
use crate::connectors::exec::ExecSettings;
use crate::connectors::http::HttpSettings;
use crate::connectors::ldap::LdapSettings;
use crate::connectors::scim::ScimSettings;
use crate::run::{Governing, MatchRules};
use crate::secret::SecretRef;

/// `[keys]`: where the master key is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySettings {
    /// A file, made at first use; default `usher.key` beside the SQLite file or in the data directory.
    File(PathBuf),
    /// Somewhere else: 64 hexadecimal digits.
    Secret(SecretRef),
}

/// `[audit]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// The file that each checkpoint is also written to.
    pub checkpoint_file: Option<PathBuf>,
}

/// `[time]`
#[derive(Clone, Debug)]
pub struct TimeSettings {
    /// The zone of local times where neither workflow nor person says otherwise; default the system's, else UTC.
    pub zone: TimeZone,
    /// Days that are no business days, besides Saturdays and Sundays.
    pub holidays: BTreeSet<Date>,
}

impl TimeSettings {
    /// The zone's IANA name.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// `[workflows]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowSettings {
    /// Files here come to the shipped ones; one of the same name takes its place.
    pub folder: Option<PathBuf>,
}

/// `[serve]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Address of the HTTP front door; default `127.0.0.1:7627`.
    pub listen: SocketAddr,
    /// Steps at work at once; default 32.
    pub workers: usize,
    /// How long a claim lasts without a sign of life, 5 to 35 s: so soon the steps of a dead daemon go on; default 30 s.
    pub lease: Duration,
}

/// `[systems.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct SystemSettings {
    /// Its name.
    pub name: String,
    /// By which rules its accounts find their person, where it has its own.
    pub rules: Option<MatchRules>,
    /// What it is, and the settings of that.
    pub kind: SystemKind,
}

/// The kinds of system.
#[derive(Clone, Debug, PartialEq)]
pub enum SystemKind {
    /// A simulated one.
    Sandbox(SandboxSettings),
    /// One that speaks HTTP, as it is declared.
    Http(Box<HttpSettings>),
    /// One behind a program.
    Exec(Box<ExecSettings>),
    /// A directory.
    Ldap(Box<LdapSettings>),
    /// A service provider that speaks SCIM.
    Scim(Box<ScimSettings>),
    /// A mail host.
    Dovecot(Box<DovecotSettings>),
    /// A server of calendars, address books or files.
    Dav(Box<DavSettings>),
}

impl SystemKind {
    /// The roles that somebody must be left with, as far as the kind says.
    pub fn governing(&self) -> Vec<Governing> {
        match self {
            Self::Sandbox(_) => crate::connectors::sandbox::GOVERNING.to_vec(),
            Self::Http(_) | Self::Exec(_) | Self::Dovecot(_) | Self::Dav(_) => Vec::new(),
            Self::Ldap(ldap) => ldap.governing(),
            Self::Scim(scim) => scim.governing(),
        }
    }

    /// The word in the configuration.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "sandbox",
            Self::Http(_) => "http",
            Self::Exec(_) => "exec",
            Self::Ldap(_) => "ldap",
            Self::Scim(_) => "scim",
            Self::Dovecot(_) => "dovecot",
            Self::Dav(_) => "dav",
        }
    }
}

/// `kind = "sandbox"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxSettings {
    /// The file that describes the company.
    pub company: PathBuf,
    /// Where what happens to it is written down; default the company's file with the ending `.ledger`. Systems of one
    /// company share it.
    pub state: PathBuf,
    /// The system's name in the company; default its name here.
    pub system: String,
}
