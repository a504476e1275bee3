//! MAIL HOSTS of the Dovecot family. What is done to accounts goes by doveadm's HTTP interface; scripts go by ManageSieve, or by
//! doveadm too; sign-ins and passwords where the accounts are kept: in a passwd-file, in a table of a database, or in a
//! directory that is another system.
//!
//! Read in this order: `settings`, `name`, `doveadm`, `note`, `file`, `passwd`, `table/`, `roster`, `account`, `sieve`, `managesieve/`, `scripts`, `mailbox`,
//! `imap/`, `change/`, `reading`, `reach`.

mod account;
mod capability;
mod change;
mod doveadm;
mod error;
mod file;
mod imap;
mod line;
mod mailbox;
mod managesieve;
mod name;
mod note;
mod passwd;
mod reach;
mod reading;
mod roster;
mod scripts;
mod settings;
mod sieve;
mod table;

use std::sync::Arc;

use self::change::NewAccount;
use self::doveadm::Doveadm;
use self::file::Turn;
use self::name::UserName;
pub use self::settings::{Accounts, DovecotSettings, Master, Server};
use self::table::Table;
pub use self::table::{Columns, Database, Identifier, Postgres, TableName, TableSettings};
use super::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::archive::ArchiveStore;
use crate::outbound::Trust;
use crate::run::{Account, Capability, Evidence};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Facet};

/// A mail host.
pub struct DovecotSystem {
    name: String,
    settings: Arc<DovecotSettings>,
    doveadm: Doveadm,
    table: Option<Table>,
    trust: Trust,
    turn: Turn,
    store: Option<Store>,
    archive: Option<ArchiveStore>,
}

impl std::fmt::Debug for DovecotSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DovecotSystem")
            .field("name", &self.name)
            .field("url", &self.settings.url)
            .finish_non_exhaustive()
    }
}

impl DovecotSystem {
    /// The mail host called `name`. Nothing is asked of it yet.
    pub fn new(name: impl Into<String>, settings: DovecotSettings) -> Self {
        let settings = Arc::new(settings);
        let doveadm = Doveadm::new(Arc::clone(&settings));
        let table = settings.table().map(|table| Table::new(table, settings.ca.clone(), settings.timeout));
        Self {
            name: name.into(),
            settings,
            doveadm,
            table,
            trust: Trust::default(),
            turn: Turn::default(),
            store: None,
            archive: None,
        }
    }

    /// With the store that its key and its password may be kept in.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        let doveadm = self.doveadm.with_store(store.clone());
        let table = self.table.map(|table| table.with_store(store.clone()));
        Self { doveadm, table, store: Some(store), ..self }
    }

    /// With the place that mailboxes are archived in.
    #[must_use]
    pub fn with_archive(self, archive: ArchiveStore) -> Self {
        Self { archive: Some(archive), ..self }
    }

    /// Mailboxes.
    pub fn facets(&self) -> Vec<Facet> {
        vec![Facet::Mail]
    }

    /// What it can do; the same for all its accounts.
    pub fn capability(&self, action: ActionKind) -> Capability {
        capability::of(&self.name, &self.settings, action)
    }

    /// Looks whether the goal of `call` is reached.
    ///
    /// # Errors
    /// When the mail host cannot be asked, or has no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        change::observe(call, self).await
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call) -> Result<Evidence, ActionError> {
        change::perform(call, self, None).await
    }

    /// As [`DovecotSystem::perform`], for what gives an account this password.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform_with(&self, call: &Call, password: &Secret) -> Result<Evidence, ActionError> {
        change::perform(call, self, Some(password)).await
    }

    /// Takes a password. A mail host makes no links.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn issue(&self, call: &Call, what: Credential<'_>) -> Result<Issued, ActionError> {
        let Credential::Password(password) = what else {
            return Err(ActionError::fail(format!(
                "{} makes no links to choose a password: use `method: sealed`",
                self.name
            )));
        };
        let evidence = self.perform_with(call, password).await?;
        Ok(Issued { secret: password.clone(), evidence })
    }

    /// One page of accounts in the order of their names, and where the next begins.
    ///
    /// # Errors
    /// When the mail host cannot be asked.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        reading::page(self, from).await
    }

    /// One account by its name, which is its id; `None` when there is none.
    ///
    /// # Errors
    /// When the mail host cannot be asked.
    pub async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        let Some(name) = UserName::parse(external_id) else { return Ok(None) };
        let Some(subject) = self.find(&name).await? else { return Ok(None) };
        Ok(reading::told(self, vec![subject]).await?.pop())
    }

    /// The account that `call` has made: the one that carries its key.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        let Some(subject) = NewAccount::of(call, self)?.made(self).await? else { return Ok(None) };
        Ok(reading::told(self, vec![subject]).await?.pop())
    }

    /// Whether the archive that an earlier `call` has made is still there, with the checksum it had then.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        imap::verify_archive(self, call).await
    }

    /// Whether it answers, and with which rights.
    pub async fn test(&self) -> Reach {
        reach::test(self).await
    }
}
