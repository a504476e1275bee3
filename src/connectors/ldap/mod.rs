//! DIRECTORIES, by LDAP (RFC 4511). People are found by the entry's immutable id, whatever it is called and wherever it
//! is moved; passwords go over TLS only; what a server does differently stands in [`Profile`].
//!
//! Read in this order: `settings`, `connection`, `directory`, `place`, `lock`, `groups`, `references`, `change/`, `reading`, `reach`.

mod account;
mod capability;
mod change;
mod connection;
mod directory;
mod entry;
mod error;
mod governing;
mod groups;
mod lock;
mod name;
mod place;
mod reach;
mod reading;
mod references;
mod settings;

use std::sync::Arc;

use self::change::NewAccount;
use self::connection::Door;
pub use self::name::{domain_of, filter_mistake, wrong_with};
use self::place::Place;
use self::reading::Readings;
pub use self::settings::{LdapSettings, Mark, Profile, Security};
use super::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::run::{Account, Capability, Evidence, Governing};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Facet};

/// A directory.
pub struct LdapSystem {
    name: String,
    settings: Arc<LdapSettings>,
    door: Door,
    readings: Readings,
}

impl std::fmt::Debug for LdapSystem {
    /// By name: what is inside has signed in.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LdapSystem").field("name", &self.name).field("url", &self.settings.url).finish_non_exhaustive()
    }
}

impl LdapSystem {
    /// The directory called `name`. Nothing is asked of it yet.
    pub fn new(name: impl Into<String>, settings: LdapSettings) -> Self {
        let settings = Arc::new(settings);
        let door = Door::new(Arc::clone(&settings));
        Self { name: name.into(), settings, door, readings: Readings::default() }
    }

    /// With the store that its password may be kept in.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { door: self.door.with_store(store), ..self }
    }

    async fn place(&self) -> Result<Place<'_>, ActionError> {
        Place::enter(&self.name, &self.settings, &self.door).await
    }

    /// A directory of people and groups.
    pub fn facets(&self) -> Vec<Facet> {
        vec![Facet::Directory]
    }

    /// What it can do; the same for all its accounts.
    pub fn capability(&self, action: ActionKind, _account: Option<&Account>) -> Capability {
        capability::of(&self.name, &self.settings, action)
    }

    /// Looks whether the goal of `call` is reached.
    ///
    /// # Errors
    /// When the directory cannot be asked, or has no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        change::observe(call, &self.place().await?).await
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call) -> Result<Evidence, ActionError> {
        change::perform(call, &self.place().await?, None).await
    }

    /// As [`LdapSystem::perform`], for what gives an account this password.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform_with(&self, call: &Call, password: &Secret) -> Result<Evidence, ActionError> {
        change::perform(call, &self.place().await?, Some(password)).await
    }

    /// Takes a password. A directory makes no links.
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

    /// One page of accounts, and where the next begins. A reading that is interrupted begins anew.
    ///
    /// # Errors
    /// When the directory cannot be asked.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        self.readings.page(from, &self.door, &self.place().await?).await
    }

    /// One account by its immutable id; `None` when there is none.
    ///
    /// # Errors
    /// When the directory cannot be asked.
    pub async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        let place = self.place().await?;
        let Some(entry) = place.find(external_id).await? else { return Ok(None) };
        Ok(place.account(&entry, &place.administrators().await?))
    }

    /// The account that `call` has made: the one that is what it was to be.
    ///
    /// # Errors
    /// When the directory cannot be asked.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        let place = self.place().await?;
        let Some(entry) = NewAccount::of(call)?.find(&place).await? else { return Ok(None) };
        Ok(place.account(&entry, &place.administrators().await?))
    }

    /// An administrator must be left, where it is known who they are.
    pub fn governing(&self) -> Vec<Governing> {
        self.settings.governing()
    }

    /// Whether nobody who administers the directory would be left without this account. Roles are groups here: there is
    /// no other role that it could get.
    ///
    /// # Errors
    /// When the directory cannot be asked.
    pub async fn last_of_its_kind(
        &self,
        external_id: &str,
        _becomes: Option<&str>,
    ) -> Result<Option<String>, ActionError> {
        if self.settings.governing().is_empty() {
            return Ok(None);
        }
        self.place().await?.last_of_its_kind(external_id).await
    }

    /// A directory keeps no archives.
    ///
    /// # Errors
    /// Never.
    pub async fn verify_archive(&self, _call: &Call) -> Result<Observation, ActionError> {
        Ok(Observation::Unobservable)
    }

    /// Whether a role lets its holder administer the directory.
    pub fn is_administrative(&self, role: &str) -> bool {
        role == account::ADMINISTRATOR
    }

    /// Whether it answers, and with which rights.
    pub async fn test(&self) -> Reach {
        reach::test(&self.name, &self.settings, &self.door).await
    }
}
