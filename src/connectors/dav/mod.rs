//! CALENDARS, ADDRESS BOOKS AND FILES, by CalDAV (RFC 4791), CardDAV (RFC 6352) and WebDAV (RFC 4918). usher signs in as
//! somebody who sees other people's collections; an account is there as long as one of its homes is. Nothing that a
//! colleague has is written over.
//!
//! Read in this order: `settings`, `place` (where things are), `client` (one request), `error`, `multistatus` (its answer),
//! `collection` (what can be asked), `house` (whose it is), `agenda` (calendars), `change/`, `keep/` (archives), `reach`.

mod agenda;
mod capability;
mod change;
mod client;
mod collection;
mod error;
mod house;
mod keep;
mod multistatus;
mod place;
mod reach;
mod settings;

use std::sync::Arc;

use self::client::Door;
use self::house::House;
pub use self::settings::{DavSettings, Template};
use super::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::archive::ArchiveStore;
use crate::run::{Account, Capability, Evidence};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Facet};

/// A server of calendars, address books or files.
#[derive(Debug)]
pub struct DavSystem {
    name: String,
    settings: Arc<DavSettings>,
    door: Door,
    archive: Option<ArchiveStore>,
}

impl DavSystem {
    /// The server called `name`. Nothing is asked of it yet.
    pub fn new(name: impl Into<String>, settings: DavSettings) -> Self {
        let settings = Arc::new(settings);
        let door = Door::new(Arc::clone(&settings));
        Self { name: name.into(), settings, door, archive: None }
    }

    /// With the store that its password may be kept in.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { door: self.door.with_store(store), ..self }
    }

    /// Keeping what it exports in `archive`.
    #[must_use]
    pub fn with_archive(self, archive: ArchiveStore) -> Self {
        Self { archive: Some(archive), ..self }
    }

    async fn house(&self) -> Result<House<'_>, ActionError> {
        let house = House::enter(&self.name, &self.settings, &self.door).await?;
        Ok(house.with_archive(self.archive.as_ref()))
    }

    /// What is configured of it.
    pub fn facets(&self) -> Vec<Facet> {
        capability::facets(&self.settings)
    }

    /// What it can do; the same for all its accounts.
    pub fn capability(&self, action: ActionKind) -> Capability {
        capability::of(&self.name, &self.settings, action)
    }

    /// Looks whether the goal of `call` is reached.
    ///
    /// # Errors
    /// When the server cannot be asked, or has no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        change::observe(call, &self.house().await?).await
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call) -> Result<Evidence, ActionError> {
        change::perform(call, &self.house().await?).await
    }

    /// Nothing here takes a password.
    ///
    /// # Errors
    /// Always: certainly no effect.
    pub fn perform_with(&self, call: &Call, _password: &Secret) -> Result<Evidence, ActionError> {
        Err(change::not_done(call.action))
    }

    /// Nothing here makes credentials.
    ///
    /// # Errors
    /// Always: certainly no effect.
    pub fn issue(&self, call: &Call, _what: Credential<'_>) -> Result<Issued, ActionError> {
        Err(change::not_done(call.action))
    }

    /// All accounts on one page: WebDAV knows no others.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn accounts(&self) -> Result<Vec<Account>, ActionError> {
        self.house().await?.accounts().await
    }

    /// One account, by its name; `None` when there is none.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        self.house().await?.read(external_id).await
    }

    /// Whether the archives that an earlier `call` has made are still what they were. The server itself is not asked.
    ///
    /// # Errors
    /// When the archive store cannot be asked.
    pub async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        match &self.archive {
            Some(archive) => keep::look(archive, &keep::name(&self.name, call)?).await,
            None => Ok(Observation::Unobservable),
        }
    }

    /// Whether it answers, and with which rights.
    pub async fn test(&self) -> Reach {
        reach::test(&self.name, &self.settings, &self.door).await
    }
}
