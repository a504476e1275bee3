//! THE OUTSIDE WORLD. One folder per kind of system; each answers what it can do, observes before it acts, applies
//! only what differs, reads back and returns evidence.

pub mod dav;
pub mod declared;
pub mod dovecot;
pub mod exec;
pub mod faulty;
pub mod http;
pub mod ldap;
mod looking;
mod membership;
pub mod sandbox;
pub mod scim;
mod wording;

use std::time::Duration;

use serde_json::{Map, Value};

use self::dav::DavSystem;
use self::dovecot::DovecotSystem;
use self::exec::ExecSystem;
use self::faulty::FaultySystem;
use self::http::HttpSystem;
use self::ldap::LdapSystem;
use self::sandbox::SandboxSystem;
use self::scim::ScimSystem;
use crate::archive::{ArchiveError, ArchiveStore};
use crate::run::{Account, Capability, Evidence, EvidenceKind, Governing};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Class, Facet};

/// One request to a system.
#[derive(Clone, Debug)]
pub struct Call {
    /// What to do.
    pub action: ActionKind,
    /// Rendered parameters of the action; fit [`crate::workflow::params`].
    pub with: Map<String, Value>,
    /// The immutable id of the account it is about; `None` for actions on a system as a whole.
    pub account: Option<String>,
    /// The same for every attempt of a step: `run_12/disable/ldap`.
    pub idempotency_key: String,
    /// This attempt's number.
    pub fence: i64,
    /// Virtual time at the claim, for what a target dates by itself (the sandbox).
    pub now: jiff::Timestamp,
}

/// What a look at the target shows about a call's goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The goal is reached; how we know.
    Reached(Evidence),
    /// It is not reached; what was seen.
    NotReached(String),
    /// This goal cannot be seen there (a password).
    Unobservable,
}

impl Observation {
    /// The goal is reached: `detail` was read there.
    pub(crate) fn read_back(detail: impl Into<String>) -> Self {
        Self::Reached(Evidence { kind: EvidenceKind::ReadBack, detail: detail.into() })
    }

    /// Reached with `reached` if it `is`, else not, with `seen`.
    pub(crate) fn seen(is: bool, reached: impl Into<String>, seen: impl Into<String>) -> Self {
        if is { Self::read_back(reached) } else { Self::NotReached(seen.into()) }
    }
}

/// Why an attempt did not reach its goal, and what may be done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Certainly no effect; trying again may help (busy, refused for now, connection refused).
    #[error("{reason}")]
    Retry {
        /// The target's own words.
        reason: String,
        /// How long the target asked us to wait.
        after: Option<Duration>,
    },
    /// Certainly no effect; trying again does not help (no such account, no right).
    #[error("{reason}")]
    Fail {
        /// The target's own words.
        reason: String,
    },
    /// The request may or may not have had its effect (cut, time-out, nonsense in the answer).
    #[error("{reason}")]
    Unknown {
        /// What happened.
        reason: String,
    },
}

impl ActionError {
    /// Certainly no effect; trying again may help.
    pub fn retry(reason: impl std::fmt::Display) -> Self {
        Self::Retry { reason: reason.to_string(), after: None }
    }

    /// Certainly no effect; trying again does not help.
    pub fn fail(reason: impl std::fmt::Display) -> Self {
        Self::Fail { reason: reason.to_string() }
    }

    /// May or may not have had its effect.
    pub fn unknown(reason: impl std::fmt::Display) -> Self {
        Self::Unknown { reason: reason.to_string() }
    }
}

impl From<ArchiveError> for ActionError {
    /// An archive that is not finished is none: until then there is no effect.
    fn from(why: ArchiveError) -> Self {
        match why {
            ArchiveError::Retry(why) => Self::retry(why),
            ArchiveError::Fail(why) => Self::fail(why),
        }
    }
}

/// What a system makes for somebody to get into an account with.
#[derive(Clone, Copy, Debug)]
pub enum Credential<'a> {
    /// A link that lets its holder choose a password.
    Link,
    /// This first password.
    Password(&'a Secret),
}

/// A credential as the system made it. It travels in its own type, apart from evidence.
#[derive(Debug)]
pub struct Issued {
    /// The link, or the password.
    pub secret: Secret,
    /// How we know that the system knows it.
    pub evidence: Evidence,
}

/// What a system is and whether it answers (`usher systems list`, `usher systems test`).
#[derive(Clone, Debug)]
pub struct Reach {
    /// What was found, one line each.
    pub findings: Vec<String>,
    /// Whether everything needed works.
    pub ok: bool,
}

/// What the interface of every kind of system is; the methods of [`Connector`] hand over to the kind's own.
#[derive(Debug)]
pub enum Connector {
    /// A system of a simulated company.
    Sandbox(SandboxSystem),
    /// One that speaks HTTP, as the configuration declares.
    Http(Box<HttpSystem>),
    /// One behind a program of the administrator's.
    Exec(Box<ExecSystem>),
    /// A directory.
    Ldap(Box<LdapSystem>),
    /// One that speaks SCIM.
    Scim(Box<ScimSystem>),
    /// A mail host.
    Dovecot(Box<DovecotSystem>),
    /// A server of calendars, address books or files.
    Dav(Box<DavSystem>),
    /// One whose calls a test makes go wrong.
    Faulty(FaultySystem),
}

impl Connector {
    /// The same, asking this store for secrets where they are `{ stored = "NAME" }`.
    #[must_use]
    pub fn with_store(self, store: &Store) -> Self {
        match self {
            Self::Ldap(system) => Self::Ldap(Box::new(system.with_store(store.clone()))),
            Self::Scim(system) => Self::Scim(Box::new(system.with_store(store.clone()))),
            Self::Dovecot(system) => Self::Dovecot(Box::new(system.with_store(store.clone()))),
            Self::Sandbox(_) | Self::Faulty(_) => self,
            Self::Http(system) => Self::Http(Box::new(system.with_store(store.clone()))),
            Self::Exec(system) => Self::Exec(Box::new(system.with_store(store.clone()))),
            Self::Dav(system) => Self::Dav(Box::new(system.with_store(store.clone()))),
        }
    }

    /// The same, keeping archives in `archive`, where the kind makes any.
    #[must_use]
    pub fn with_archive(self, archive: &ArchiveStore) -> Self {
        match self {
            Self::Dovecot(system) => Self::Dovecot(Box::new(system.with_archive(archive.clone()))),
            Self::Dav(system) => Self::Dav(Box::new(system.with_archive(archive.clone()))),
            Self::Sandbox(_) | Self::Http(_) | Self::Exec(_) | Self::Ldap(_) | Self::Scim(_) | Self::Faulty(_) => self,
        }
    }

    /// What a second attempt at an action does there; the action's own class, where the kind knows nothing else.
    pub fn class(&self, action: ActionKind) -> Class {
        match self {
            Self::Sandbox(_) | Self::Ldap(_) | Self::Scim(_) | Self::Dovecot(_) | Self::Dav(_) | Self::Faulty(_) => {
                action.class()
            }
            Self::Http(system) => system.class(action),
            Self::Exec(system) => system.class(action),
        }
    }

    /// What the system offers.
    pub fn facets(&self) -> Vec<Facet> {
        match self {
            Self::Sandbox(system) => system.facets(),
            Self::Http(system) => system.facets(),
            Self::Exec(system) => system.facets(),
            Self::Ldap(system) => system.facets(),
            Self::Scim(system) => system.facets(),
            Self::Dovecot(system) => system.facets(),
            Self::Dav(system) => system.facets(),
            Self::Faulty(faulty) => faulty.system.facets(),
        }
    }

    /// What it can do for `account` (or as a whole).
    pub fn capability(&self, action: ActionKind, account: Option<&Account>) -> Capability {
        match self {
            Self::Sandbox(system) => system.capability(action, account),
            Self::Http(system) => system.capability(action),
            Self::Exec(system) => system.capability(action),
            Self::Ldap(system) => system.capability(action, account),
            Self::Scim(system) => system.capability(action),
            Self::Dovecot(system) => system.capability(action),
            Self::Dav(system) => system.capability(action),
            Self::Faulty(faulty) => faulty.system.capability(action, account),
        }
    }

    /// Looks whether the goal of `call` is reached, changing nothing.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        match self {
            Self::Sandbox(system) => system.observe(call).await,
            Self::Http(system) => system.observe(call).await,
            Self::Exec(system) => system.observe(call).await,
            Self::Ldap(system) => system.observe(call).await,
            Self::Scim(system) => system.observe(call).await,
            Self::Dovecot(system) => system.observe(call).await,
            Self::Dav(system) => system.observe(call).await,
            Self::Faulty(faulty) => faulty.observe(call).await,
        }
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call) -> Result<Evidence, ActionError> {
        match self {
            Self::Sandbox(system) => system.perform(call).await,
            Self::Http(system) => system.perform(call, None).await,
            Self::Exec(system) => system.perform(call, None).await,
            Self::Ldap(system) => system.perform(call).await,
            Self::Scim(system) => system.perform(call, None).await,
            Self::Dovecot(system) => system.perform(call).await,
            Self::Dav(system) => system.perform(call).await,
            Self::Faulty(faulty) => faulty.perform(call).await,
        }
    }

    /// Makes a credential for the call's account. Asked again, the system makes another one, and the later one counts.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn issue(&self, call: &Call, what: Credential<'_>) -> Result<Issued, ActionError> {
        match self {
            Self::Sandbox(system) => system.issue(call, what).await,
            Self::Http(system) => system.issue(call, what).await,
            Self::Exec(system) => system.issue(call, what).await,
            Self::Ldap(system) => system.issue(call, what).await,
            Self::Scim(system) => system.issue(call, what).await,
            Self::Dovecot(system) => system.issue(call, what).await,
            Self::Dav(system) => system.issue(call, what),
            Self::Faulty(faulty) => faulty.issue(call, what).await,
        }
    }

    /// One page of the system's accounts, and where the next begins.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        match self {
            Self::Sandbox(system) => system.accounts(from).await,
            Self::Http(system) => system.accounts(from).await,
            Self::Exec(system) => system.accounts(from).await,
            Self::Ldap(system) => system.accounts(from).await,
            Self::Scim(system) => system.accounts(from).await,
            Self::Dovecot(system) => system.accounts(from).await,
            Self::Dav(system) => Ok((system.accounts().await?, None)),
            Self::Faulty(faulty) => faulty.accounts(from).await,
        }
    }

    /// One account, read now by its immutable id; `None` when there is none.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        match self {
            Self::Sandbox(system) => system.read(external_id).await,
            Self::Http(system) => system.read(external_id).await,
            Self::Exec(system) => system.read(external_id).await,
            Self::Ldap(system) => system.read(external_id).await,
            Self::Scim(system) => system.read(external_id).await,
            Self::Dovecot(system) => system.read(external_id).await,
            Self::Dav(system) => system.read(external_id).await,
            Self::Faulty(faulty) => faulty.read(external_id).await,
        }
    }

    /// As [`Connector::perform`], for what gives an account a password: a new account, a rotation, a reset.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform_with(&self, call: &Call, password: &Secret) -> Result<Evidence, ActionError> {
        match self {
            Self::Sandbox(system) => system.perform_with(call, password).await,
            Self::Http(system) => system.perform(call, Some(password)).await,
            Self::Exec(system) => system.perform(call, Some(password)).await,
            Self::Ldap(system) => system.perform_with(call, password).await,
            Self::Scim(system) => system.perform(call, Some(password)).await,
            Self::Dovecot(system) => system.perform_with(call, password).await,
            Self::Dav(system) => system.perform_with(call, password),
            Self::Faulty(faulty) => faulty.perform_with(call, password).await,
        }
    }

    /// The account that `call`, an `account.create`, has made: found by the call's key, else by what it was to be.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        match self {
            Self::Sandbox(system) => system.made(call).await,
            Self::Http(system) => system.made(call).await,
            Self::Exec(system) => system.made(call).await,
            Self::Ldap(system) => system.made(call).await,
            Self::Scim(system) => system.made(call).await,
            Self::Dovecot(system) => system.made(call).await,
            Self::Dav(_) => Ok(None),
            Self::Faulty(faulty) => faulty.made(call).await,
        }
    }

    /// The roles that somebody must be left with: who governs the system.
    pub fn governing(&self) -> Vec<Governing> {
        match self {
            Self::Sandbox(system) => system.governing(),
            Self::Http(_) | Self::Exec(_) | Self::Dovecot(_) | Self::Dav(_) => Vec::new(),
            Self::Ldap(system) => system.governing(),
            Self::Scim(system) => system.governing(),
            Self::Faulty(faulty) => faulty.system.governing(),
        }
    }

    /// What would be lost with this account, or with the role it has if it `becomes` another, read now: it is the last of
    /// those who govern the system. `None` when others are left, or it governs nothing.
    ///
    /// # Errors
    /// When the target cannot be asked.
    pub async fn last_of_its_kind(
        &self,
        external_id: &str,
        becomes: Option<&str>,
    ) -> Result<Option<String>, ActionError> {
        match self {
            Self::Sandbox(system) => system.last_of_its_kind(external_id, becomes).await,
            Self::Http(_) | Self::Exec(_) | Self::Dovecot(_) | Self::Dav(_) => Ok(None),
            Self::Ldap(system) => system.last_of_its_kind(external_id, becomes).await,
            Self::Scim(system) => system.last_of_its_kind(external_id, becomes).await,
            Self::Faulty(faulty) => faulty.last_of_its_kind(external_id, becomes).await,
        }
    }

    /// Whether the archive that an earlier `call` has made is still there, with the checksum it had then.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        match self {
            Self::Sandbox(system) => system.verify_archive(call).await,
            Self::Http(system) => system.verify_archive(call).await,
            Self::Exec(system) => system.verify_archive(call).await,
            Self::Ldap(system) => system.verify_archive(call).await,
            Self::Scim(system) => system.verify_archive(call).await,
            Self::Dovecot(system) => system.verify_archive(call).await,
            Self::Dav(system) => system.verify_archive(call).await,
            Self::Faulty(faulty) => faulty.verify_archive(call).await,
        }
    }

    /// Whether a role lets its holder administer the system.
    pub fn is_administrative(&self, role: &str) -> bool {
        match self {
            Self::Sandbox(system) => system.is_administrative(role),
            Self::Http(_) | Self::Exec(_) | Self::Dovecot(_) | Self::Dav(_) => false,
            Self::Ldap(system) => system.is_administrative(role),
            Self::Scim(system) => system.is_administrative(role),
            Self::Faulty(faulty) => faulty.system.is_administrative(role),
        }
    }

    /// Whether the system answers, and with which rights.
    pub async fn test(&self) -> Reach {
        match self {
            Self::Sandbox(system) => system.test().await,
            Self::Http(system) => system.test().await,
            Self::Exec(system) => system.test().await,
            Self::Ldap(system) => system.test().await,
            Self::Scim(system) => system.test().await,
            Self::Dovecot(system) => system.test().await,
            Self::Dav(system) => system.test().await,
            Self::Faulty(faulty) => faulty.system.test().await,
        }
    }
}
