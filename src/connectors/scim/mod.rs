//! SERVICE PROVIDERS, by SCIM 2.0 (RFC 7643, RFC 7644). Accounts are found by the provider's own immutable `id`; what
//! providers do each in its own way is asked of them, tried out, or stands in the settings.
//!
//! Read in this order: `settings`, `endpoint` (one request), `provider` (what it can do), `resource`, `listing`, `place`,
//! `edit`, `groups`, `change/`, `reach`.

mod account;
mod capability;
mod change;
mod edit;
mod endpoint;
mod filter;
mod groups;
mod listing;
mod place;
mod provider;
mod reach;
mod resource;
mod settings;

use tokio::sync::OnceCell;

use self::change::NewAccount;
use self::endpoint::Endpoint;
use self::groups::Lookup;
use self::place::Place;
use self::provider::{Provider, Schemas};
pub use self::settings::{Dialect, Lack, Login, NumberIn, ScimSettings};
use super::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::run::{Account, Capability, Evidence, Governing};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Facet};

/// What was found out of a provider, each when it was first needed.
#[derive(Default)]
struct Known {
    provider: OnceCell<Provider>,
    schemas: OnceCell<Schemas>,
    lookup: OnceCell<Lookup>,
}

/// A service provider.
pub struct ScimSystem {
    name: String,
    settings: ScimSettings,
    endpoint: Endpoint,
    known: Known,
}

impl std::fmt::Debug for ScimSystem {
    /// By name and place.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let url = self.endpoint.place();
        f.debug_struct("ScimSystem").field("name", &self.name).field("url", &url).finish_non_exhaustive()
    }
}

impl ScimSystem {
    /// The provider called `name`. Nothing is asked of it yet.
    pub fn open(name: String, settings: ScimSettings) -> Self {
        let endpoint = Endpoint::open(&settings);
        Self { name, settings, endpoint, known: Known::default() }
    }

    /// With the store that its token may be kept in.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { endpoint: self.endpoint.with_store(store), ..self }
    }

    async fn place(&self) -> Result<Place<'_>, ActionError> {
        Place::enter(&self.name, &self.settings, &self.endpoint, &self.known).await
    }

    /// Accounts and groups.
    pub fn facets(&self) -> Vec<Facet> {
        vec![Facet::Directory]
    }

    /// What it can do; the same for all its accounts.
    pub fn capability(&self, action: ActionKind) -> Capability {
        capability::of(&self.name, &self.settings, action)
    }

    /// Looks whether the goal of `call` is reached.
    ///
    /// # Errors
    /// When the provider cannot be asked, or has no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        change::observe(call, &self.place().await?).await
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call, password: Option<&Secret>) -> Result<Evidence, ActionError> {
        change::perform(call, &self.place().await?, password).await
    }

    /// Takes a password. A provider makes no links.
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
        let evidence = self.perform(call, Some(password)).await?;
        Ok(Issued { secret: password.clone(), evidence })
    }

    /// One page of accounts, and where the next begins.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        self.place().await?.accounts(from).await
    }

    /// One account by its immutable id; `None` when there is none.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        let place = self.place().await?;
        Ok(place.find(external_id).await?.and_then(|found| place.account(&found)))
    }

    /// The account that `call` has made.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        let place = self.place().await?;
        Ok(NewAccount::of(call)?.find(&place).await?.and_then(|found| place.account(&found)))
    }

    /// An administrator must be left, where it is known who they are.
    pub fn governing(&self) -> Vec<Governing> {
        self.settings.governing()
    }

    /// Whether nobody who administers the provider would be left without this account, or with the role it gets.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn last_of_its_kind(
        &self,
        external_id: &str,
        becomes: Option<&str>,
    ) -> Result<Option<String>, ActionError> {
        if self.settings.administrators.is_none() {
            return Ok(None);
        }
        self.place().await?.last_of_its_kind(external_id, becomes).await
    }

    /// A provider keeps no archives.
    ///
    /// # Errors
    /// Never.
    pub async fn verify_archive(&self, _call: &Call) -> Result<Observation, ActionError> {
        Ok(Observation::Unobservable)
    }

    /// Whether a role lets its holder administer the provider.
    pub fn is_administrative(&self, role: &str) -> bool {
        role == account::ADMINISTRATOR || self.settings.administrators.as_deref() == Some(role)
    }

    /// Whether it answers, with which rights, and what it does its own way.
    pub async fn test(&self) -> Reach {
        reach::test(&self.name, &self.settings, &self.endpoint).await
    }
}
