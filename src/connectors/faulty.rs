//! A simulated system whose calls a test makes go wrong, one at a time.

use std::future::Future;
use std::sync::Arc;

use super::sandbox::SandboxSystem;
use super::{ActionError, Call, Credential, Issued, Observation};
use crate::faults::Faults;
use crate::run::{Account, Evidence};
use crate::secret::Secret;

/// The system, and what goes wrong. Each call is a boundary, named by itself and its action: `perform account.disable`.
#[derive(Debug)]
pub struct FaultySystem {
    pub(super) system: SandboxSystem,
    faults: Arc<Faults>,
}

impl FaultySystem {
    /// `system`, with these faults.
    pub fn new(system: SandboxSystem, faults: Arc<Faults>) -> Self {
        Self { system, faults }
    }

    async fn passing<T>(
        &self,
        boundary: String,
        call: impl Future<Output = Result<T, ActionError>>,
    ) -> Result<T, ActionError> {
        let name = self.system.name();
        let busy = ActionError::retry(format!("`{name}` is busy"));
        let cut = ActionError::unknown(format!("the connection to `{name}` was cut"));
        self.faults.around(boundary, call, busy, cut).await
    }

    pub(super) async fn observe(&self, call: &Call) -> Result<Observation, ActionError> {
        self.passing(format!("observe {}", call.action), self.system.observe(call)).await
    }

    pub(super) async fn perform(&self, call: &Call) -> Result<Evidence, ActionError> {
        self.passing(format!("perform {}", call.action), self.system.perform(call)).await
    }

    pub(super) async fn perform_with(&self, call: &Call, password: &Secret) -> Result<Evidence, ActionError> {
        self.passing(format!("perform_with {}", call.action), self.system.perform_with(call, password)).await
    }

    pub(super) async fn issue(&self, call: &Call, what: Credential<'_>) -> Result<Issued, ActionError> {
        self.passing(format!("issue {}", call.action), self.system.issue(call, what)).await
    }

    pub(super) async fn accounts(&self, from: Option<String>) -> Result<(Vec<Account>, Option<String>), ActionError> {
        self.passing("accounts".to_owned(), self.system.accounts(from)).await
    }

    pub(super) async fn read(&self, external_id: &str) -> Result<Option<Account>, ActionError> {
        self.passing("read".to_owned(), self.system.read(external_id)).await
    }

    pub(super) async fn made(&self, call: &Call) -> Result<Option<Account>, ActionError> {
        self.passing(format!("made {}", call.action), self.system.made(call)).await
    }

    pub(super) async fn last_of_its_kind(
        &self,
        external_id: &str,
        becomes: Option<&str>,
    ) -> Result<Option<String>, ActionError> {
        self.passing("last_of_its_kind".to_owned(), self.system.last_of_its_kind(external_id, becomes)).await
    }

    pub(super) async fn verify_archive(&self, call: &Call) -> Result<Observation, ActionError> {
        self.passing(format!("verify_archive {}", call.action), self.system.verify_archive(call)).await
    }
}
