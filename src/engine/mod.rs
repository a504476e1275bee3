//! THE FLOW. One file per arrow: [`trigger`] starts a run once per key, [`execute`] carries out one attempt,
//! [`orders`] is what people ask of a run, [`changes`] gives one new dates or takes it back, [`inventory`] reads
//! systems into the record. What follows from what is decided in [`crate::run`], and made durable by [`crate::store`].

pub mod alerts;
pub mod changes;
pub mod checkpoints;
mod create;
mod credentials;
pub mod execute;
pub mod inventory;
pub mod library;
pub mod matching;
mod notices;
pub mod orders;
pub mod outage;
mod outside;
mod post;
pub mod reminders;
mod subjects;
pub mod trigger;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::checkpoints::Checkpoints;
pub use self::outside::Outside;
use crate::connectors::Connector;
use crate::mail::{MailRoom, Webhook};
use crate::run::book::Book;
use crate::run::{MatchRules, Rules};
use crate::secret::PasswordPolicy;
use crate::store::{Carrier, Completion, PutAway, Store, StoreError, TurnRequest};
use crate::workflow::Workflow;

/// Everything a run needs to happen: the record, the systems, the workflows.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    systems: BTreeMap<String, Connector>,
    names: Arc<BTreeSet<String>>,
    library: BTreeMap<String, Arc<Workflow>>,
    zone: String,
    rules: Rules,
    fittings: Fittings,
    checkpoints: Checkpoints,
}

/// What an engine has besides a record, systems and workflows.
#[derive(Debug, Default)]
pub struct Fittings {
    /// By which rules accounts find their person.
    pub matching: Matching,
    /// The mail room, where one is configured.
    pub mail: Option<MailRoom>,
    /// What new passwords are like.
    pub passwords: Passwords,
    /// The file that each checkpoint is also written to.
    pub checkpoint_file: Option<PathBuf>,
    /// Who steps without a system may call.
    pub outside: Outside,
    /// Where a program is told what goes wrong, where one is.
    pub webhook: Option<Webhook>,
    /// How long a source of HR's may say nothing before somebody is told; for ever without.
    pub silent_after: Option<Duration>,
    /// How long runs that are over stay among the others before they are archived; for ever without.
    pub finished_runs: Option<Duration>,
}

/// What new passwords are like.
#[derive(Clone, Debug, Default)]
pub struct Passwords {
    /// On systems that say nothing else.
    pub everywhere: PasswordPolicy,
    /// On single systems.
    pub on: BTreeMap<String, PasswordPolicy>,
}

/// By which rules accounts find their person.
#[derive(Clone, Debug, Default)]
pub struct Matching {
    /// On systems that say nothing else.
    pub everywhere: MatchRules,
    /// On single systems.
    pub on: BTreeMap<String, MatchRules>,
}

impl Engine {
    /// Puts an engine together. `zone` is the configured IANA zone.
    pub fn new(
        store: Store,
        systems: BTreeMap<String, Connector>,
        library: BTreeMap<String, Arc<Workflow>>,
        zone: impl Into<String>,
        rules: impl Into<Rules>,
    ) -> Self {
        Self::with(store, systems, library, zone, rules, Fittings::default())
    }

    /// As [`Engine::new`], with what was configured besides.
    pub fn with(
        store: Store,
        systems: BTreeMap<String, Connector>,
        library: BTreeMap<String, Arc<Workflow>>,
        zone: impl Into<String>,
        rules: impl Into<Rules>,
        fittings: Fittings,
    ) -> Self {
        let names = Arc::new(systems.keys().cloned().collect());
        let rules = rules.into();
        let governing = systems.iter().map(|(name, connector)| (name.clone(), connector.governing()));
        // Without systems at hand, those that the configuration tells of stay as they are.
        let store = if systems.is_empty() { store } else { store.with_governing(governing.collect()) };
        let checkpoints = Checkpoints::default();
        let zone = zone.into();
        Self { inner: Arc::new(Inner { store, systems, names, library, zone, rules, fittings, checkpoints }) }
    }

    /// The mail room, where one is configured.
    pub fn mail(&self) -> Option<&MailRoom> {
        self.inner.fittings.mail.as_ref()
    }

    /// Who steps without a system may call.
    pub(crate) fn outside(&self) -> &Outside {
        &self.inner.fittings.outside
    }

    /// The webhook, where one is configured.
    pub fn webhook(&self) -> Option<&Webhook> {
        self.inner.fittings.webhook.as_ref()
    }

    /// Whether there is a way to tell anybody anything.
    pub fn tells_somebody(&self) -> bool {
        self.mail().is_some() || self.webhook().is_some()
    }

    /// How long a source of HR's may say nothing.
    pub fn silent_after(&self) -> Option<Duration> {
        self.inner.fittings.silent_after
    }

    /// Archives a batch of the runs that have been over for longer than `[retention]` keeps them among the others.
    ///
    /// # Errors
    /// When the database cannot be used. Then nothing has moved.
    pub async fn archive_some(&self) -> Result<PutAway, StoreError> {
        match self.inner.fittings.finished_runs {
            Some(age) => self.store().archive_some(age).await,
            None => Ok(PutAway::default()),
        }
    }

    /// Sends what is due in the outbox; how long until something is due again.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn deliver_due(&self) -> Result<Option<Duration>, StoreError> {
        let mut next = None;
        if let Some(room) = self.mail() {
            room.deliver_due(self.store()).await?;
            next = self.store().until_mail_due(Carrier::Mail).await?;
        }
        if let Some(webhook) = self.webhook() {
            webhook.deliver_due(self.store()).await?;
            let due = self.store().until_mail_due(Carrier::Webhook).await?;
            next = next.into_iter().chain(due).min();
        }
        Ok(next)
    }

    /// The record.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The configured systems.
    pub fn systems(&self) -> &BTreeMap<String, Connector> {
        &self.inner.systems
    }

    /// The names of the configured systems.
    pub fn system_names(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.inner.names)
    }

    /// The workflows that new runs may be of.
    pub fn library(&self) -> &BTreeMap<String, Arc<Workflow>> {
        &self.inner.library
    }

    /// The configured zone.
    pub fn zone(&self) -> &str {
        &self.inner.zone
    }

    /// The rules by which the accounts of a system find their person.
    pub fn rules(&self, system: &str) -> &MatchRules {
        let matching = &self.inner.fittings.matching;
        matching.on.get(system).unwrap_or(&matching.everywhere)
    }

    /// What new passwords are like on a system.
    pub fn password_policy(&self, system: Option<&str>) -> &PasswordPolicy {
        let passwords = &self.inner.fittings.passwords;
        system.and_then(|name| passwords.on.get(name)).unwrap_or(&passwords.everywhere)
    }

    /// The configured calendars and policies.
    pub fn house_rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// Works off everything that is due now, mails too, one turn at a time, in the caller's own task: for tests and rehearsals,
    /// where no daemon runs. Answers how many attempts there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn work_off(&self, at_once: usize) -> Result<usize, StoreError> {
        let mut completions: Vec<Completion> = Vec::new();
        let mut attempts = 0;
        loop {
            let recorded = completions.len();
            let request = TurnRequest {
                completions: std::mem::take(&mut completions),
                permits: at_once,
                reserved: 0,
                owner: "inline",
                lease: Duration::from_secs(30),
                systems: &self.inner.names,
            };
            let report = self.store().turn(&request).await?;
            attempts += report.claims.len();
            if report.claims.is_empty() && report.settled == 0 && report.full == 0 && recorded == 0 {
                if self.store().lapse_unanswered().await? > 0 {
                    continue;
                }
                self.remind().await?;
                self.deliver_due().await?;
                return Ok(attempts);
            }
            let work = report.claims.iter().map(|claim| async move {
                let (outcome, seen) = self.execute(claim, || true).await;
                Completion { run: claim.run, ordinal: claim.ordinal, fence: claim.fence, outcome, seen }
            });
            completions = futures::future::join_all(work).await;
        }
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn look(&self, run: i64) -> Result<Book, StoreError> {
        self.store().book(run).await
    }
}
