//! A SYSTEM THAT SPEAKS HTTP, declared in the configuration: for each action the request that does it, how its answer is
//! judged, and how the goal can be seen. Nothing here knows a particular product.
//!
//! Read in this order: `settings` (what is declared), `client` (one request), `address` (where it may go), `verdict`
//! (what its answer means), `listing` (accounts).

pub(super) mod address;
pub(super) mod client;
mod listing;
mod settings;
pub(super) mod verdict;

use serde_json::{Map, Value, json};

pub use client::Line;
pub use settings::*;

use self::client::{Answer, Draft, Where};
use super::declared::{Opened, offer};
use super::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::run::{Account, Capability, Evidence, EvidenceKind};
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::{ActionKind, Class, Facet, Place};

/// One system.
#[derive(Debug)]
pub struct HttpSystem {
    name: String,
    settings: HttpSettings,
    line: Line,
}

impl HttpSystem {
    /// Nothing is connected before the first request.
    pub fn open(name: String, settings: HttpSettings) -> Self {
        let line = Line::open(settings.line.clone());
        Self { name, settings, line }
    }

    /// The same, asking this store for the secrets that it keeps.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { line: self.line.with_store(store), ..self }
    }

    /// What it offers.
    pub fn facets(&self) -> Vec<Facet> {
        self.settings.offers.clone()
    }

    /// What is declared, and what is left to a person.
    pub fn capability(&self, action: ActionKind) -> Capability {
        let name = &self.name;
        if let Some(instruction) = self.settings.manual.get(&action) {
            return Capability::Manual(instruction.clone());
        }
        if action == ActionKind::AccountsSync && self.settings.accounts.is_some() {
            return Capability::Supported;
        }
        let Some(request) = self.settings.actions.get(&action).filter(|_| action.place() != Place::House) else {
            let key = if action == ActionKind::AccountsSync { "accounts" } else { action.name() };
            return Capability::Unsupported(format!("`{name}` declares no request for `{key}`"));
        };
        offer::capability(request.limit.as_ref(), self.class(action))
    }

    /// What a second attempt does there.
    pub fn class(&self, action: ActionKind) -> Class {
        let idempotency = self.settings.idempotency_header.is_some();
        self.settings.actions.get(&action).map_or(action.class(), |request| request.class(action, idempotency))
    }

    fn request(&self, call: &Call) -> Result<&ActionRequest, ActionError> {
        offer::refuse(&self.name, self.capability(call.action), call)?;
        let undeclared = || ActionError::fail(format!("`{}` declares no request for `{}`", self.name, call.action));
        self.settings.actions.get(&call.action).ok_or_else(undeclared)
    }

    /// What expressions may use of a call.
    fn facts(&self, call: &Call) -> Map<String, Value> {
        let mut facts = Map::new();
        facts.insert("system".to_owned(), Value::from(self.name.as_str()));
        facts.insert("action".to_owned(), Value::from(call.action.name()));
        facts.insert("account".to_owned(), json!({ "id": call.account }));
        facts.insert("with".to_owned(), Value::Object(call.with.clone()));
        facts.insert("key".to_owned(), Value::from(call.idempotency_key.as_str()));
        facts
    }

    /// Looks whether the goal is reached.
    ///
    /// # Errors
    /// When the system cannot be asked, or has no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        let request = self.request(call)?;
        let secrets = self.line.secrets().await?;
        Ok(self.look(call, request, &secrets).await?.unwrap_or(Observation::Unobservable))
    }

    /// `None` where nothing is declared to look with.
    async fn look(
        &self,
        call: &Call,
        request: &ActionRequest,
        secrets: &Opened,
    ) -> Result<Option<Observation>, ActionError> {
        if let Some(made) = &request.made {
            return Ok(Some(offer::made(self.account_by(made, &self.facts(call), secrets).await?)));
        }
        let Some(look) = &request.observe else { return Ok(None) };
        let facts = self.facts(call);
        let draft = Draft {
            method: look.method,
            url: Where::Declared(&look.url),
            headers: &look.headers,
            body: look.body.as_ref(),
            given: &[],
            text: None,
        };
        let answer = self.line.send(draft, &facts, secrets).await.map_err(client::NoAnswer::of_a_look)?;
        verdict::of_a_look(&look.reached, look.url.source(), &answer, &facts).map(Some)
    }

    /// Does it, or finds it done; reads back.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call, password: Option<&Secret>) -> Result<Evidence, ActionError> {
        let request = self.request(call)?;
        let secrets = self.line.secrets().await?.with_password(password);
        let seen = match self.look(call, request, &secrets).await? {
            Some(Observation::Reached(evidence)) => return Ok(evidence),
            Some(Observation::NotReached(seen)) => Some(seen),
            Some(Observation::Unobservable) | None => None,
        };
        if request.url.is_none() {
            return Err(ActionError::fail(seen.unwrap_or_else(|| "it cannot be seen".to_owned())));
        }
        let answer = self.act(call, request, &secrets).await?;
        let acknowledged = || Evidence {
            kind: EvidenceKind::Acknowledged,
            detail: format!("`{}` answered HTTP {}; it cannot be read back", self.name, answer.status),
        };
        // What follows a request that was taken is no longer "certainly no effect".
        match self.look(call, request, &secrets).await {
            Ok(Some(Observation::Reached(evidence))) => Ok(evidence),
            Ok(Some(Observation::NotReached(seen))) => {
                Err(ActionError::unknown(format!("`{}` answered HTTP {}, but {seen}", self.name, answer.status)))
            }
            Ok(Some(Observation::Unobservable) | None) => Ok(acknowledged()),
            Err(why) => Err(ActionError::unknown(format!(
                "`{}` answered HTTP {}, and could not be read back: {why}",
                self.name, answer.status
            ))),
        }
    }

    /// The request that changes something.
    async fn act(&self, call: &Call, request: &ActionRequest, secrets: &Opened) -> Result<Answer, ActionError> {
        let Some(url) = &request.url else {
            return Err(ActionError::fail(format!("`{}` only looks: it declares no `url`", call.action)));
        };
        let facts = self.facts(call);
        let key = self.settings.idempotency_header.as_deref().map(|name| (name, call.idempotency_key.as_str()));
        let draft = Draft {
            method: request.method,
            url: Where::Declared(url),
            headers: &request.headers,
            body: request.body.as_ref(),
            given: key.as_slice(),
            text: None,
        };
        let answer = self.line.send(draft, &facts, secrets).await.map_err(client::NoAnswer::of_a_change)?;
        verdict::of_a_change(request, &answer, &facts)?;
        Ok(answer)
    }

    /// Hands a credential out: never found done, because the one that is handed over must be the one that counts.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn issue(&self, call: &Call, what: Credential<'_>) -> Result<Issued, ActionError> {
        let request = self.request(call)?;
        let password = match what {
            Credential::Password(password) => Some(password),
            Credential::Link => None,
        };
        let secrets = self.line.secrets().await?.with_password(password);
        let place = match (what, &request.link) {
            (Credential::Link, None) => {
                let why = format!("`{}` declares no `link` for `{}`: it makes none", self.name, call.action);
                return Err(ActionError::fail(why));
            }
            (Credential::Link, Some(place)) => Some(place),
            (Credential::Password(_), _) => None,
        };
        let answer = self.act(call, request, &secrets).await?;
        let detail = format!("`{}` answered HTTP {}", self.name, answer.status);
        let evidence = Evidence { kind: EvidenceKind::Acknowledged, detail };
        let secret = match (place, password) {
            (Some(place), _) => place.of(&answer.body).and_then(Value::as_str).map(Secret::new),
            (None, password) => password.cloned(),
        };
        let secret = secret.ok_or_else(|| ActionError::unknown("there is no link in the answer"))?;
        Ok(Issued { secret, evidence })
    }

    /// The account that an `account.create` has made.
    ///
    /// # Errors
    /// When the system cannot be asked.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        let Some(made) = &self.request(call)?.made else {
            return Err(ActionError::fail(format!("`{}` does not declare how a new account is found", self.name)));
        };
        let secrets = self.line.secrets().await?;
        self.account_by(made, &self.facts(call), &secrets).await
    }

    /// Whether what an earlier call has written is still there: what its `observe` sees.
    ///
    /// # Errors
    /// When the system cannot be asked.
    pub async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        self.observe(call).await
    }

    /// Whether it answers, whether the credentials are right as far as reading goes, and what usher cannot see there.
    pub async fn test(&self) -> Reach {
        let mut findings = Vec::new();
        let ok = match self.ask_for_something().await {
            Ok(found) => {
                findings.push(found);
                true
            }
            Err(why) => {
                findings.push(format!("{}: {why}", self.line.place()));
                false
            }
        };
        let listed = |wanted: &dyn Fn(&ActionKind, &ActionRequest) -> bool| {
            let named = self.settings.actions.iter().filter(|(action, request)| wanted(action, request));
            named.map(|(action, _)| action.name()).collect::<Vec<_>>().join(", ")
        };
        for (what, which) in [
            ("done and read back", listed(&|_, request| request.observe.is_some() || request.made.is_some())),
            (
                "done, but only acknowledged (no `observe`)",
                listed(&|action, request| {
                    request.observe.is_none() && request.made.is_none() && self.class(*action) != Class::U
                }),
            ),
            ("left to a person after an attempt that was cut", listed(&|action, _| self.class(*action) == Class::U)),
        ] {
            if !which.is_empty() {
                findings.push(format!("{what}: {which}"));
            }
        }
        if self.settings.account.is_none() {
            findings.push("single accounts cannot be read (no `account`): nothing is deleted there".to_owned());
        }
        Reach { findings, ok }
    }

    async fn ask_for_something(&self) -> Result<String, ActionError> {
        if self.settings.accounts.is_some() {
            let (page, next) = self.accounts(None).await?;
            let more = if next.is_some() { "at least " } else { "" };
            return Ok(format!("{} answers, {more}{} accounts", self.line.place(), page.len()));
        }
        let secrets = self.line.secrets().await?;
        let draft = Draft {
            method: crate::workflow::params::Method::Get,
            url: Where::Given(""),
            headers: &std::collections::BTreeMap::new(),
            body: None,
            given: &[],
            text: None,
        };
        let answer = self.line.send(draft, &Map::new(), &secrets).await;
        let answer = answer.map_err(client::NoAnswer::of_a_look)?;
        let status = answer.status;
        Ok(format!("{} answers HTTP {status}; no `accounts` are declared, so rights were not tried", self.line.place()))
    }
}
