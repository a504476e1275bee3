//! One simulated system, as usher's connectors see it.

use std::ops::Bound;
use std::sync::Arc;

use super::change::{Change, Place};
use super::error::SandboxError;
use super::house::{Present, SandboxCompany};
use super::knobs::Fate;
use super::ledger::Entry;
use super::state::SystemState;
use super::{capability, company::SystemSpec};
use crate::clock;
use crate::connectors::{ActionError, Call, Credential, Issued, Observation, Reach};
use crate::run::{Account, AccountStatus, Capability, Evidence, EvidenceKind, Governing};
use crate::secret::Secret;
use crate::workflow::{ActionKind, Facet};

/// Accounts on one page.
const PAGE: usize = 500;

/// A system of a sandbox company.
#[derive(Clone)]
pub struct SandboxSystem {
    name: String,
    company: Arc<SandboxCompany>,
}

impl std::fmt::Debug for SandboxSystem {
    /// By name: the whole company would be too much for a log line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxSystem").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SandboxSystem {
    pub(super) fn new(name: String, company: Arc<SandboxCompany>) -> Self {
        Self { name, company }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The company it belongs to.
    pub fn company(&self) -> &Arc<SandboxCompany> {
        &self.company
    }

    fn spec(&self) -> Option<&SystemSpec> {
        self.company.description().systems.get(&self.name)
    }

    /// What the system offers.
    pub fn facets(&self) -> Vec<Facet> {
        self.spec().map(|spec| spec.facets.clone()).unwrap_or_default()
    }

    /// What it can do; the same for all its accounts.
    pub fn capability(&self, action: ActionKind, _account: Option<&Account>) -> Capability {
        match self.spec() {
            Some(spec) => capability::of(&self.name, spec, action),
            None => Capability::Unsupported(format!("the company has no system `{}`", self.name)),
        }
    }

    /// Looks whether the goal of `call` is reached.
    ///
    /// # Errors
    /// When the system cannot be asked, or has no such account.
    pub async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        let knobs = self.company.knobs(&self.name);
        let fate = knobs.fate(&self.name, &call.idempotency_key, call.fence);
        wait(fate.latency).await;
        if knobs.blind(&self.name, &call.idempotency_key, call.fence) {
            return Err(self.busy());
        }
        self.able(call.action)?;
        let change = Change::of(call)?;
        self.company.exclusive(|present| self.look(present, &change, call))
    }

    /// Does it, or finds it done; reads back. What happens on the way is up to the knobs.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform(&self, call: &Call) -> Result<Evidence, ActionError> {
        self.undergo(call, || Change::of(call)).await
    }

    /// As [`SandboxSystem::perform`], for what gives an account this password.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn perform_with(&self, call: &Call, password: &Secret) -> Result<Evidence, ActionError> {
        self.company.hear(password);
        self.undergo(call, || Ok(Change::of(call)?.with_password(password))).await
    }

    /// A request, and what becomes of it on the way.
    async fn undergo(
        &self,
        call: &Call,
        change: impl FnOnce() -> Result<Change, ActionError>,
    ) -> Result<Evidence, ActionError> {
        let fate = self.company.knobs(&self.name).fate(&self.name, &call.idempotency_key, call.fence);
        wait(fate.latency).await;
        if fate.refused {
            return Err(self.busy());
        }
        if fate.cut_before {
            return Err(self.cut());
        }
        let outcome = self.request(call, change, fate);
        wait(fate.slow).await;
        if fate.cut_after { Err(self.cut()) } else { outcome }
    }

    /// Makes a link, or takes a password. The ledger keeps its digest only: the system recognises it, and nobody reads it there.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn issue(&self, call: &Call, what: Credential<'_>) -> Result<Issued, ActionError> {
        let secret = match what {
            Credential::Link => {
                let token = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
                Secret::new(format!("https://{}.example/set-up/{token}", self.name))
            }
            Credential::Password(password) => password.clone(),
        };
        self.company.hear(&secret);
        let fate = self.company.knobs(&self.name).fate(&self.name, &call.idempotency_key, call.fence);
        wait(fate.latency).await;
        if fate.refused {
            return Err(self.busy());
        }
        if fate.cut_before {
            return Err(self.cut());
        }
        self.able(call.action)?;
        let change = Change::credential(what, &secret);
        let evidence = self.company.exclusive(|present| self.carry_out(present, change, call, fate))?;
        wait(fate.slow).await;
        if fate.cut_after { Err(self.cut()) } else { Ok(Issued { secret, evidence }) }
    }

    /// Does what `call` asks for as a person would in front of the system, whatever usher is able to do there: the
    /// other half of a manual task.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn by_hand(&self, call: &Call) -> Result<Evidence, ActionError> {
        let change = Change::of(call)?;
        self.company.exclusive(|present| self.carry_out(present, change, call, Fate::default()))
    }

    fn request(
        &self,
        call: &Call,
        change: impl FnOnce() -> Result<Change, ActionError>,
        fate: Fate,
    ) -> Result<Evidence, ActionError> {
        self.able(call.action)?;
        let change = change()?;
        self.company.exclusive(|present| self.carry_out(present, change, call, fate))
    }

    /// Observe, apply only what differs, read back.
    fn carry_out(
        &self,
        present: &mut Present,
        change: Change,
        call: &Call,
        fate: Fate,
    ) -> Result<Evidence, ActionError> {
        match self.look(present, &change, call)? {
            Observation::Reached(evidence) => {
                self.record(present, change, call, false)?;
                return Ok(evidence);
            }
            // A look has nothing to apply, so what it finds open is its answer.
            Observation::NotReached(open) if change == Change::Look => return Err(ActionError::fail(open)),
            Observation::NotReached(_) | Observation::Unobservable => {}
        }
        let change = self.check(present, change, call)?;
        self.record(present, change.clone(), call, !fate.lie)?;
        match self.look(present, &change, call)? {
            Observation::Reached(evidence) => Ok(evidence),
            Observation::Unobservable => Ok(Evidence {
                kind: EvidenceKind::Acknowledged,
                detail: format!("`{}` says it is done; it cannot be read back", self.name),
            }),
            Observation::NotReached(seen) => {
                Err(ActionError::retry(format!("`{}` said it is done, but shows: {seen}", self.name)))
            }
        }
    }

    fn look(&self, present: &Present, change: &Change, call: &Call) -> Result<Observation, ActionError> {
        change.observe(call, self.place(present, call)?)
    }

    fn check(&self, present: &Present, change: Change, call: &Call) -> Result<Change, ActionError> {
        let place = self.place(present, call)?;
        change.check(place)?;
        change.prepare(place)
    }

    fn record(&self, present: &mut Present, change: Change, call: &Call, changed: bool) -> Result<(), ActionError> {
        let entry = Entry {
            at: call.now,
            system: self.name.clone(),
            account: call.account.clone(),
            action: Some(call.action),
            key: call.idempotency_key.clone(),
            fence: call.fence,
            changed,
            change,
        };
        Ok(present.record(&entry)?)
    }

    fn place<'a>(&'a self, present: &'a Present, call: &'a Call) -> Result<Place<'a>, ActionError> {
        let archives = self.company.archives();
        Ok(Place { system: self.state(present)?, account: call.account.as_deref(), archives })
    }

    fn state<'a>(&self, present: &'a Present) -> Result<&'a SystemState, ActionError> {
        let missing = || ActionError::fail(format!("the company has no system `{}`", self.name));
        present.state.systems.get(&self.name).ok_or_else(missing)
    }

    /// Refuses what the system cannot do.
    fn able(&self, action: ActionKind) -> Result<(), ActionError> {
        match self.capability(action, None) {
            Capability::Supported | Capability::Degraded(_) => Ok(()),
            Capability::Manual(instruction) => {
                let why = format!("`{}` leaves `{action}` to a person: {instruction}", self.name);
                Err(ActionError::fail(why))
            }
            Capability::Unsupported(why) => Err(ActionError::fail(why)),
        }
    }

    fn busy(&self) -> ActionError {
        ActionError::retry(format!("`{}` is busy, nothing was done", self.name))
    }

    fn cut(&self) -> ActionError {
        ActionError::unknown(format!("the connection to `{}` was cut before its answer came", self.name))
    }

    /// One page of accounts by id, and where the next begins.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        self.company.exclusive(|present| {
            let system = self.state(present)?;
            let start = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut rest = system.accounts.range::<str, _>((start, Bound::Unbounded));
            let hand_out = |account: &super::SandboxAccount| account.to_account(&self.name, system.grace_days);
            let page: Vec<Account> = rest.by_ref().take(PAGE).map(|(_, account)| hand_out(account)).collect();
            let next = rest.next().and(page.last()).map(|last| last.external_id.clone());
            Ok((page, next))
        })
    }

    /// One account by its immutable id; `None` when there is none, or it was purged.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        self.company.exclusive(|present| {
            let system = self.state(present)?;
            let account = system.accounts.get(external_id);
            Ok(account.map(|account| account.to_account(&self.name, system.grace_days)))
        })
    }

    /// The account that `call` has made.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        self.company.exclusive(|present| {
            let system = self.state(present)?;
            let made =
                system.accounts.values().find(|account| account.created_by.as_ref() == Some(&call.idempotency_key));
            Ok(made.map(|account| account.to_account(&self.name, system.grace_days)))
        })
    }

    /// An administrator and a legal representative must be left.
    pub fn governing(&self) -> Vec<Governing> {
        super::people::GOVERNING.to_vec()
    }

    /// Whether nobody who governs the system would be left without this account, or with another role of it.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn last_of_its_kind(
        &self,
        external_id: &str,
        becomes: Option<&str>,
    ) -> Result<Option<String>, ActionError> {
        self.company.exclusive(|present| {
            let system = self.state(present)?;
            let hand_out = |account: &super::SandboxAccount| account.to_account(&self.name, system.grace_days);
            let Some(own) = system.accounts.get(external_id).map(hand_out) else { return Ok(None) };
            let others = || {
                let others = system.accounts.values().filter(|other| other.id != external_id);
                others.filter(|other| other.status == AccountStatus::Enabled)
            };
            // Hardly anybody governs anything: the others are looked at only for those who do.
            let mut kinds = super::people::GOVERNING.iter().filter(|kind| kind.gives_up(&own, becomes));
            let last = kinds.find(|kind| !others().any(|other| kind.has(&hand_out(other))));
            Ok(last.map(|kind| kind.last_on(&self.name)))
        })
    }

    /// Reads an archive's file again; what was written may be gone, or spoilt.
    ///
    /// # Errors
    /// When the ledger cannot be read, or has no such account.
    pub async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        let change = Change::of(call)?;
        self.company.exclusive(|present| self.look(present, &change, call))
    }

    /// Whether a role administers the simulated system.
    pub fn is_administrative(&self, role: &str) -> bool {
        super::people::ADMINISTRATORS.contains(&role)
    }

    /// Whether it answers.
    pub async fn test(&self) -> Reach {
        let company = self.company.description();
        let count =
            self.company.exclusive(|present| Ok::<_, SandboxError>(self.state(present).map(|s| s.accounts.len())));
        let ledger = self.company.ledger_path().display();
        match count {
            Ok(Ok(count)) => Reach {
                findings: vec![
                    format!("simulated system `{}` of {}", self.name, company.name),
                    format!("{count} accounts, all rights"),
                    format!("ledger {ledger}"),
                ],
                ok: true,
            },
            Ok(Err(error)) => Reach { findings: vec![error.to_string()], ok: false },
            Err(error) => Reach { findings: vec![error.to_string()], ok: false },
        }
    }
}

/// Real time that a request takes; nothing at all by default.
async fn wait(how_long: std::time::Duration) {
    if !how_long.is_zero() {
        clock::pause(how_long).await;
    }
}
