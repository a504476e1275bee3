//! The company as a running simulation: its description, its ledger, and the state they give together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::account::SandboxAccount;
use super::change::Archives;
use super::company::Company;
use super::error::SandboxError;
use super::knobs::Knobs;
use super::ledger::{Entry, Header, Ledger};
use super::snapshot::Snapshot;
use super::state::State;
use super::system::SandboxSystem;
use crate::secret::Secret;

/// The format of the ledger.
const LEDGER_FORMAT: u32 = 1;

/// All simulated systems of one company. Any number of them, in any number of processes, may share one ledger.
#[derive(Debug)]
pub struct SandboxCompany {
    description: Company,
    archives: Archives,
    ledger_path: PathBuf,
    present: Mutex<Present>,
    knobs: Mutex<BTreeMap<String, Knobs>>,
    /// The secrets that its systems were given or have made, for a test that looks for them elsewhere; `None` where
    /// nobody listens.
    heard: Mutex<Option<Vec<Secret>>>,
}

/// The state as far as the ledger has been read.
#[derive(Debug)]
pub(super) struct Present {
    ledger: Ledger,
    pub(super) state: State,
}

impl Present {
    /// Writes `entry` down and lets it take effect. The ledger must be held and read to its end.
    pub(super) fn record(&mut self, entry: &Entry) -> Result<(), SandboxError> {
        self.ledger.append(entry)?;
        self.state.fold(entry);
        Ok(())
    }
}

impl SandboxCompany {
    /// Opens the company described in the file `company`, with its story in the file `ledger` (begun if need be).
    ///
    /// # Errors
    /// When a file cannot be used, the description is not valid, or the ledger is another company's.
    pub fn open(company: &Path, ledger: &Path) -> Result<Arc<Self>, SandboxError> {
        let text = std::fs::read_to_string(company)
            .map_err(|source| SandboxError::Read { path: company.to_owned(), source })?;
        Self::from_text(&text, ledger)
    }

    /// The same for a description at hand.
    ///
    /// # Errors
    /// As [`SandboxCompany::open`].
    pub fn from_text(text: &str, ledger: &Path) -> Result<Arc<Self>, SandboxError> {
        let description = Company::parse(text)?;
        let header = Header {
            usher_sandbox: LEDGER_FORMAT,
            company: description.name.clone(),
            description_sha256: description.fingerprint(),
        };
        let state = State::begin(&description);
        let archives = Archives(ledger.parent().unwrap_or(Path::new("")).join("archive"));
        let present = Mutex::new(Present { ledger: Ledger::open(ledger, &header)?, state });
        let company = Self {
            description,
            archives,
            ledger_path: ledger.to_owned(),
            present,
            knobs: Mutex::new(BTreeMap::new()),
            heard: Mutex::new(None),
        };
        company.exclusive(|_| Ok(()))?;
        Ok(Arc::new(company))
    }

    /// The simulated system called `name`.
    pub fn system(self: &Arc<Self>, name: &str) -> Option<SandboxSystem> {
        let known = self.description.systems.contains_key(name);
        known.then(|| SandboxSystem::new(name.to_owned(), Arc::clone(self)))
    }

    /// The company's description.
    pub fn description(&self) -> &Company {
        &self.description
    }

    /// Where the ledger lies.
    pub fn ledger_path(&self) -> &Path {
        &self.ledger_path
    }

    /// Where archives and exports lie.
    pub fn archive_path(&self) -> &Path {
        &self.archives.0
    }

    /// Keeps in memory, from now on, which secrets the systems are given and which they make.
    pub fn listen(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// The secrets heard since [`SandboxCompany::listen`].
    pub fn heard(&self) -> Vec<Secret> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    pub(super) fn hear(&self, secret: &Secret) {
        if let Some(heard) = self.heard.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            heard.push(secret.clone());
        }
    }

    /// Lets `system` misbehave from now on, whatever its description says. Counts for this handle only.
    pub fn set_knobs(&self, system: &str, knobs: Knobs) {
        self.knobs.lock().unwrap_or_else(PoisonError::into_inner).insert(system.to_owned(), knobs);
    }

    /// The misbehaviour of `system`: set by hand, else its own, else the company's.
    pub(super) fn knobs(&self, system: &str) -> Knobs {
        let by_hand = self.knobs.lock().unwrap_or_else(PoisonError::into_inner).get(system).cloned();
        let own = || self.description.systems.get(system).and_then(|spec| spec.knobs.clone());
        by_hand.or_else(own).unwrap_or_else(|| self.description.knobs.clone())
    }

    pub(super) fn archives(&self) -> &Archives {
        &self.archives
    }

    /// Every request that had an effect, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn effects(&self) -> Result<Vec<Entry>, SandboxError> {
        Ok(self.entries()?.into_iter().filter(|entry| entry.changed).collect())
    }

    /// Every request, with effect or without, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, SandboxError> {
        self.exclusive(|present| present.ledger.all())
    }

    /// How many effects each idempotency key had: the figure of the fault tests.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn effects_by_key(&self) -> Result<BTreeMap<String, usize>, SandboxError> {
        let mut counts = BTreeMap::new();
        for entry in self.effects()?.into_iter().filter(|entry| entry.action.is_some()) {
            *counts.entry(entry.key).or_default() += 1;
        }
        Ok(counts)
    }

    /// The account as it stands now; `None` when there is none (any more).
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn account_view(&self, system: &str, id: &str) -> Result<Option<SandboxAccount>, SandboxError> {
        self.exclusive(|present| {
            Ok(present.state.systems.get(system).and_then(|system| system.accounts.get(id)).cloned())
        })
    }

    /// Everything as it stands now; two of them tell what changed between.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot, SandboxError> {
        self.exclusive(|present| Ok(Snapshot::of(&present.state)))
    }

    /// Does `work` with the ledger locked and read to its end.
    pub(super) fn exclusive<T, E: From<SandboxError>>(
        &self,
        work: impl FnOnce(&mut Present) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let _held = present.ledger.hold()?;
        for entry in present.ledger.catch_up()? {
            present.state.fold(&entry);
        }
        work(&mut present)
    }
}
