//! A provider at hand, with what is configured of it and what it says of itself.

use serde_json::Value;

use super::edit::{self, Edit};
use super::endpoint::{self, Change, Endpoint, Kind, To};
use super::listing::Query;
use super::provider::{Provider, Schemas};
use super::resource::Resource;
use super::settings::{Dialect, ScimSettings};
use super::{Known, filter};
use crate::connectors::declared::UrlText;
use crate::connectors::{ActionError, Call};
use crate::secret::Secret;
use crate::workflow::params::Method;

/// So often a change is tried on what somebody else changes at the same time.
pub(super) const TRIES: usize = 4;

/// Where an action takes place.
pub(super) struct Place<'a> {
    pub(super) system: &'a str,
    pub(super) settings: &'a ScimSettings,
    pub(super) endpoint: &'a Endpoint,
    pub(super) provider: &'a Provider,
    pub(super) known: &'a Known,
}

impl<'a> Place<'a> {
    pub(super) async fn enter(
        system: &'a str,
        settings: &'a ScimSettings,
        endpoint: &'a Endpoint,
        known: &'a Known,
    ) -> Result<Self, ActionError> {
        let provider = known.provider.get_or_try_init(|| Provider::ask(endpoint)).await?;
        Ok(Self { system, settings, endpoint, provider, known })
    }

    /// What accounts have there.
    pub(super) async fn schemas(&self) -> Result<&Schemas, ActionError> {
        self.known.schemas.get_or_try_init(|| Schemas::ask(self.endpoint)).await
    }

    /// How changes are told.
    pub(super) fn dialect(&self) -> Dialect {
        let announced = if self.provider.patch { Dialect::Rfc7644 } else { Dialect::Put };
        self.settings.dialect.unwrap_or(announced)
    }

    /// The account with this immutable id; `None` where there is none.
    ///
    /// # Errors
    /// When the provider cannot be asked, or nobody knows whether it is the one that was.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Resource>, ActionError> {
        self.one(Kind::Users, id).await
    }

    pub(super) async fn one(&self, kind: Kind, id: &str) -> Result<Option<Resource>, ActionError> {
        let wrong =
            |why: &dyn std::fmt::Display| ActionError::fail(format!("`{id}` is no id on {}: {why}", self.system));
        // Nothing is asked with an id that could lead elsewhere.
        let probe = UrlText::try_from("{{ id }}".to_owned()).map_err(|why| wrong(&why))?;
        probe.fill(&serde_json::json!({ "id": id })).map_err(|why| wrong(&why))?;
        let answer = self.endpoint.ask(&To::One(kind, id)).await?;
        if matches!(answer.status, 404 | 410) {
            return self.is_there(kind).await.map(|()| None);
        }
        if !endpoint::is_good(&answer) {
            return Err(endpoint::unread(&answer));
        }
        let words = answer.words.clone();
        match Resource::of(answer) {
            Some(found) if found.id == id => Ok(Some(found)),
            Some(_) => Err(ActionError::fail(format!("{} answers `{id}` with another id", self.system))),
            None => Err(ActionError::retry(format!("{} answers with no resource: {words}", self.system))),
        }
    }

    /// "Not found" is an answer about an account only where accounts are found at all: a wrong `url` finds nobody.
    async fn is_there(&self, kind: Kind) -> Result<(), ActionError> {
        let query = Query { count: 1, ..Query::default() };
        match self.page(kind, &query, None).await {
            Ok(_) => Ok(()),
            Err(super::listing::NoPage::Other(why)) => Err(why),
            Err(super::listing::NoPage::Filter) => Err(ActionError::retry("the list could not be read")),
        }
    }

    /// The account that a call is about.
    pub(super) async fn subject(&self, call: &Call) -> Result<Resource, ActionError> {
        let missing = || ActionError::fail(format!("`{}` needs an account", call.action));
        let id = call.account.as_deref().filter(|id| !id.is_empty()).ok_or_else(missing)?;
        let none = || ActionError::fail(format!("there is no account with the id {id} on {}", self.system));
        self.find(id).await?.ok_or_else(none)
    }

    /// Accounts with this value, whole. `same` says it once more of what comes.
    pub(super) async fn accounts_with(
        &self,
        attribute: &str,
        value: &str,
        same: impl Fn(&Resource) -> bool,
    ) -> Result<Vec<Resource>, ActionError> {
        let query = Query { filter: Some(filter::equals(attribute, value)), ..Query::default() };
        let found = self.all(Kind::Users, query, |_| true).await?;
        Ok(found.into_iter().filter_map(Resource::listed).filter(|account| same(account)).collect())
    }

    /// Changes an account. What is to be changed is asked anew where somebody else was faster (RFC 7644, 3.14).
    pub(super) async fn change(
        &self,
        account: &Resource,
        edits: impl Fn(&Resource) -> Vec<Edit>,
        password: Option<&Secret>,
    ) -> Result<(), ActionError> {
        let mut account = account.clone();
        for _ in 0..TRIES {
            let edits = edits(&account);
            if edits.is_empty() {
                return Ok(());
            }
            let (method, body) = match self.dialect() {
                Dialect::Put => (Method::Put, edit::whole(&account.whole, &edits)),
                dialect => (Method::Patch, edit::patch(dialect, &edits)),
            };
            if self.write(&To::One(Kind::Users, &account.id), method, Some(&body), &account, password).await? {
                return Ok(());
            }
            let gone = || ActionError::fail(format!("the account is gone from {}", self.system));
            account = self.find(&account.id).await?.ok_or_else(gone)?;
        }
        Err(self.restless())
    }

    pub(super) fn restless(&self) -> ActionError {
        ActionError::retry(format!("somebody else is changing the same at {}: nothing was done", self.system))
    }

    /// Writes where nobody else has written since. `false` where somebody has.
    pub(super) async fn write(
        &self,
        to: &To<'_>,
        method: Method,
        body: Option<&Value>,
        seen: &Resource,
        password: Option<&Secret>,
    ) -> Result<bool, ActionError> {
        let version = seen.version.as_deref().filter(|_| self.provider.versions);
        let change = Change { method, body, version, password };
        let answer = self.endpoint.change(to, change, &[405, 412, 501]).await?;
        match answer.status {
            412 => Ok(false),
            405 | 501 if method == Method::Patch => Err(ActionError::fail(format!(
                "{}; where it knows no PATCH, write `dialect = \"put\"` in its section of the configuration",
                answer.said()
            ))),
            405 | 501 => Err(ActionError::fail(answer.said())),
            _ => Ok(true),
        }
    }
}
