//! A new account, or an old one taken back into use: whoever comes again finds what was theirs.

use crate::connectors::{Call, Connector};
use crate::run::book::Step;
use crate::run::settle::Outcome;
use crate::run::{Account, AccountStatus, Capability, Evidence, EvidenceKind, HoldReason};
use crate::secret::Secret;
use crate::store::{Claim, Seen, StoreError};
use crate::workflow::ActionKind;

use super::Engine;
use super::execute::{ended, looked, within};

impl Engine {
    /// One attempt at a new account.
    pub(super) async fn create(
        &self,
        claim: &Claim,
        connector: &Connector,
        call: &Call,
        lease_stands: impl Fn() -> bool,
    ) -> (Outcome, Option<Seen>) {
        let outcome = match looked(claim, connector, call).await {
            Some(outcome) => outcome,
            None => match self.first_password(claim).await {
                Ok(_) if !lease_stands() => Outcome::Returned,
                Ok(password) => ended(within(claim.timeout, connector.perform_with(call, &password)).await),
                Err(error) => Outcome::Retry { reason: error.to_string(), after: None },
            },
        };
        if !matches!(outcome, Outcome::Done(_)) {
            return (outcome, None);
        }
        match made(claim, connector, call).await {
            Ok(seen) => {
                self.spend_first_password(claim).await;
                (outcome, Some(seen))
            }
            Err(unknown) => (unknown, None),
        }
    }

    /// The password that HR's file gave the person, the same for all accounts of the run; without one, a new one that
    /// nobody knows.
    async fn first_password(&self, claim: &Claim) -> Result<Secret, StoreError> {
        let given = match self.look(claim.run).await?.run.person {
            Some(person) => self.ask(self.store().initial_password(person)).await?,
            None => None,
        };
        given.map_or_else(|| self.new_password(claim), Ok)
    }

    /// A new password by the policy of the claim's system. It goes to the system, or sealed to whoever hands it over; then
    /// it is wiped.
    pub(super) fn new_password(&self, claim: &Claim) -> Result<Secret, StoreError> {
        Ok(self.password_policy(claim.system.as_deref()).draw()?)
    }

    /// With the last account of a run, the password of HR's file has served. Where it stays, it lapses by itself.
    async fn spend_first_password(&self, claim: &Claim) {
        let Ok(book) = self.look(claim.run).await else { return };
        let waits = |step: &Step| {
            step.action == ActionKind::AccountCreate && step.ordinal != claim.ordinal && !step.state.is_final()
        };
        let Some(person) = book.run.person.filter(|_| !book.steps.iter().any(waits)) else { return };
        if let Err(error) = self.ask(self.store().take_initial_password(person)).await {
            tracing::warn!(run.id = claim.run, %error, "a first password that was used stays until it lapses");
        }
    }
}

/// The account that an attempt has made, read back: its row and its holder are written with the outcome, so that no
/// step behind it is claimed without an account. One that cannot be found is looked for again.
async fn made(claim: &Claim, connector: &Connector, call: &Call) -> Result<Seen, Outcome> {
    let unknown = |why: String| Outcome::Unknown(format!("the account was made, but {why}"));
    match within(claim.timeout, connector.made(call)).await {
        Ok(Some(account)) => Ok(Seen::Made(Box::new(account))),
        Ok(None) => Err(unknown("it is not among the system's accounts".to_owned())),
        Err(error) => Err(unknown(format!("it cannot be read: {error}"))),
    }
}

/// Restores and enables the account that the person has there already, each only where it is needed. Both set a state:
/// another attempt goes on where this one ended.
pub(super) async fn take_back(
    claim: &Claim,
    account: &Account,
    connector: &Connector,
    call: &Call,
    lease_stands: impl Fn() -> bool,
) -> (Outcome, Option<Seen>) {
    let mut done = Vec::new();
    loop {
        let found = match within(claim.timeout, connector.read(&account.external_id)).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                let why = "the account that was there is gone: `usher accounts sync`, then try again".to_owned();
                return (Outcome::Held(HoldReason::FreshRead(why)), None);
            }
            Err(error) => return (Outcome::Retry { reason: error.to_string(), after: None }, None),
        };
        let Some((action, said)) = missing(claim, &found).filter(|(_, said)| !done.contains(said)) else {
            let detail = match done.as_slice() {
                [] => format!("account {} is there and {}", found.external_id, found.status.as_str()),
                done => format!("account {} was there: {}", found.external_id, done.join(", ")),
            };
            let evidence = Evidence { kind: EvidenceKind::ReadBack, detail };
            return (Outcome::Done(evidence), Some(Seen::There(Box::new(found))));
        };
        match connector.capability(action, Some(&found)) {
            Capability::Supported | Capability::Degraded(_) => {}
            Capability::Manual(instruction) => return (Outcome::Manual(instruction), None),
            Capability::Unsupported(why) => return (Outcome::Held(HoldReason::Missing(why)), None),
        }
        if !lease_stands() {
            return (Outcome::Returned, None);
        }
        let key = format!("{}/{said}", call.idempotency_key);
        let part = Call { action, idempotency_key: key, with: serde_json::Map::new(), ..call.clone() };
        match ended(within(claim.timeout, connector.perform(&part)).await) {
            Outcome::Done(_) => done.push(said),
            other => return (other, None),
        }
    }
}

/// What is to be done next to an account that is there.
fn missing(claim: &Claim, found: &Account) -> Option<(ActionKind, &'static str)> {
    let wanted = claim.with.get("enabled").and_then(serde_json::Value::as_bool).unwrap_or(true);
    match found.status {
        AccountStatus::Deleted => Some((ActionKind::AccountRestore, "restored")),
        AccountStatus::Disabled if wanted => Some((ActionKind::AccountEnable, "enabled")),
        _ => None,
    }
}
