//! One attempt: resolve, look first where an earlier one was ambiguous, read again before destroying, perform,
//! normalise. The intent is in the journal before this begins; the outcome is recorded after it ends.

use std::future::Future;
use std::time::Duration;

use super::{Engine, create};
use crate::connectors::{ActionError, Call, Connector, Observation};
use crate::run::asking::Undone;
use crate::run::book::public_id;
use crate::run::settle::Outcome;
use crate::run::{Account, AccountStatus, Capability, Evidence, HoldReason, another_role};
use crate::store::{Claim, Seen};
use crate::workflow::{ActionKind, Class, Nature, Place};

impl Engine {
    /// Carries out one attempt. `lease_stands` is asked right before anything is sent.
    ///
    /// Never fails: whatever happens is an outcome.
    pub async fn execute(&self, claim: &Claim, lease_stands: impl Fn() -> bool) -> (Outcome, Option<Seen>) {
        if claim.action == ActionKind::AccountsSync {
            return (self.sync_outcome(claim).await, None);
        }
        if claim.action == ActionKind::NotifyEmail {
            return (self.notify(claim).await, None);
        }
        if matches!(claim.action, ActionKind::HttpRequest | ActionKind::Exec) {
            return (self.call_outside(claim, lease_stands).await, None);
        }
        let connector = match self.resolve(claim) {
            Ok(connector) => connector,
            Err(outcome) => return (outcome, None),
        };
        let call = call(claim);
        match (claim.action, &claim.account) {
            (ActionKind::AccountCreate, Some(account)) => {
                create::take_back(claim, account, connector, &call, lease_stands).await
            }
            (ActionKind::AccountCreate, None) => self.create(claim, connector, &call, lease_stands).await,
            _ => {
                let outcome = match self.hand_over(claim, connector, &call).await {
                    Some(outcome) => outcome,
                    None => self.attempt(claim, connector, &call, lease_stands).await,
                };
                let seen = match outcome {
                    Outcome::Done(_) => standing(claim, connector).await,
                    _ => None,
                };
                (outcome, seen)
            }
        }
    }

    /// The system, if it is there and can do it.
    fn resolve(&self, claim: &Claim) -> Result<&Connector, Outcome> {
        let Some(name) = &claim.system else {
            let what = format!("this version of usher does not carry out {}", claim.action);
            return Err(Outcome::Held(HoldReason::Missing(what)));
        };
        let Some(connector) = self.systems().get(name) else {
            return Err(Outcome::Held(HoldReason::Missing(format!("the configuration has no system called {name}"))));
        };
        if claim.action.place() == Place::Account && claim.account.is_none() {
            return Err(Outcome::Failed(format!("no account on {name} is bound to the person")));
        }
        match connector.capability(claim.action, claim.account.as_ref()) {
            Capability::Supported | Capability::Degraded(_) => Ok(connector),
            Capability::Manual(instruction) => Err(Outcome::Manual(instruction)),
            Capability::Unsupported(why) => {
                Err(Outcome::Held(HoldReason::Missing(format!("{name} cannot do {}: {why}", claim.action))))
            }
        }
    }

    async fn attempt(
        &self,
        claim: &Claim,
        connector: &Connector,
        call: &Call,
        lease_stands: impl Fn() -> bool,
    ) -> Outcome {
        if let Some(outcome) = looked(claim, connector, call).await {
            return outcome;
        }
        if let Some(outcome) = changed_since(claim, connector, call).await {
            return outcome;
        }
        if claim.action.nature() == Nature::Destructive
            && let Some(outcome) = self.fresh_read(claim, connector).await
        {
            return outcome;
        }
        if let Some(outcome) = would_be_lost(claim, connector).await {
            return outcome;
        }
        if !lease_stands() {
            return Outcome::Returned;
        }
        let outcome = match claim.action {
            // Nobody gets to know it.
            ActionKind::PasswordRotate | ActionKind::PasswordReset => match self.new_password(claim) {
                Ok(password) => ended(within(claim.timeout, connector.perform_with(call, &password)).await),
                Err(error) => Outcome::Retry { reason: error.to_string(), after: None },
            },
            _ => ended(within(claim.timeout, connector.perform(call)).await),
        };
        match outcome {
            // Declared so: what nobody can see is not repeated by itself.
            Outcome::Unknown(reason) if connector.class(claim.action) == Class::U => {
                Outcome::Held(HoldReason::Ambiguous(reason))
            }
            outcome => outcome,
        }
    }

    /// Before a destructive step: exactly this account, still closed, named by nothing that protects it, and its
    /// archives whole. Anything else holds, saying which.
    async fn fresh_read(&self, claim: &Claim, connector: &Connector) -> Option<Outcome> {
        let account = claim.account.as_ref()?;
        let hold = |why: String| Some(Outcome::Held(HoldReason::FreshRead(why)));
        let found = match within(claim.timeout, connector.read(&account.external_id)).await {
            Ok(Some(found)) => found,
            // Gone already: performing finds it done.
            Ok(None) => return None,
            // Nothing has been asked of the target yet: this is a retry, not an ambiguity.
            Err(error) => {
                return Some(Outcome::Retry { reason: format!("the fresh read failed: {error}"), after: None });
            }
        };
        if found.external_id != account.external_id {
            return hold(format!("the system answered with another account ({})", found.external_id));
        }
        if found.status == AccountStatus::Enabled {
            return hold("the account is enabled: somebody has opened it again".into());
        }
        if let Some(why) = self.store().conventions().protected.named(&found) {
            return Some(Outcome::Held(HoldReason::Protected(why)));
        }
        if claim.action == ActionKind::AccountPurge
            && let Some(outcome) = still_in_grace(&found, claim)
        {
            return Some(outcome);
        }
        archives_whole(claim, connector).await
    }

    async fn sync_outcome(&self, claim: &Claim) -> Outcome {
        let Some(name) = &claim.system else { return Outcome::NotApplicable("no system".into()) };
        match self.sync(name).await {
            Ok(synced) => Outcome::Done(Evidence {
                kind: crate::run::EvidenceKind::ReadBack,
                detail: format!("{} accounts read", synced.count.read),
            }),
            Err(reason) => Outcome::Retry { reason, after: None },
        }
    }
}

fn call(claim: &Claim) -> Call {
    Call {
        action: claim.action,
        with: claim.with.clone(),
        account: claim.account.as_ref().map(|account| account.external_id.clone()),
        idempotency_key: format!("{}/{}", public_id(claim.run), claim.label),
        fence: claim.fence,
        now: claim.now,
    }
}

/// After an attempt whose end nobody knows: what a look at the target says; `None` where it is to be done.
pub(super) async fn looked(claim: &Claim, connector: &Connector, call: &Call) -> Option<Outcome> {
    if !claim.observe {
        return None;
    }
    match within(claim.timeout, connector.observe(call)).await {
        Ok(Observation::Reached(evidence)) => Some(Outcome::Done(observed(evidence))),
        // Not there: it is applied again. Not to be seen: applying again is harmless, or the class says hold.
        Ok(Observation::NotReached(_)) => None,
        Ok(Observation::Unobservable) if connector.class(claim.action) != Class::U => None,
        // The configuration says that a second attempt might be a second effect: a person looks.
        Ok(Observation::Unobservable) if claim.action.class() != Class::U => {
            let why = "whether the earlier attempt had its effect cannot be seen, and it is not repeated by itself";
            Some(Outcome::Held(HoldReason::Ambiguous(why.to_owned())))
        }
        Ok(Observation::Unobservable) => {
            Some(Outcome::Unknown("whether the earlier attempt had its effect cannot be seen".into()))
        }
        // It says for certain that it cannot be reached (no such account any more): asking for ever changes nothing.
        Err(ActionError::Fail { reason }) => Some(Outcome::Failed(reason)),
        Err(error) => Some(Outcome::Unknown(format!("the target cannot be asked: {error}"))),
    }
}

/// What the answer of a system means.
pub(super) fn ended(answer: Result<Evidence, ActionError>) -> Outcome {
    match answer {
        Ok(evidence) => Outcome::Done(evidence),
        Err(ActionError::Retry { reason, after }) => Outcome::Retry { reason, after },
        Err(ActionError::Fail { reason }) => Outcome::Failed(reason),
        Err(ActionError::Unknown { reason }) => Outcome::Unknown(reason),
    }
}

/// No answer in time: the request may or may not have had its effect.
pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ActionError>>,
) -> Result<T, ActionError> {
    match tokio::time::timeout(limit, work).await {
        Ok(answer) => answer,
        Err(_) => Err(ActionError::unknown(format!("no answer within {} s", limit.as_secs_f64()))),
    }
}

fn observed(evidence: Evidence) -> Evidence {
    Evidence { detail: format!("found done: {}", evidence.detail), ..evidence }
}

/// How long it may take to read an archive once more: some 50 GB.
const READING_AN_ARCHIVE: Duration = Duration::from_secs(3600);

/// What the run has archived before it deletes must still be there, and be what it was.
async fn archives_whole(claim: &Claim, connector: &Connector) -> Option<Outcome> {
    for archived in &claim.archives {
        let made = Call {
            action: archived.action,
            idempotency_key: format!("{}/{}", public_id(claim.run), archived.label),
            with: serde_json::Map::new(),
            ..call(claim)
        };
        match within(claim.timeout.max(READING_AN_ARCHIVE), connector.verify_archive(&made)).await {
            Ok(Observation::Reached(_)) => {}
            Ok(Observation::NotReached(seen)) => {
                let why = format!("the archive of {} is not what it was: {seen}", archived.label);
                return Some(Outcome::Held(HoldReason::FreshRead(why)));
            }
            Ok(Observation::Unobservable) => {
                let why = format!("the archive of {} cannot be verified", archived.label);
                return Some(Outcome::Held(HoldReason::FreshRead(why)));
            }
            Err(error) => {
                let reason = format!("the archive of {} could not be read: {error}", archived.label);
                return Some(Outcome::Retry { reason, after: None });
            }
        }
    }
    None
}

/// The last of those who govern a system, as the system itself says now: the inventory may be a day old. Asked before
/// what destroys, before the two cuts that cost somebody the power over the system, and before another role.
async fn would_be_lost(claim: &Claim, connector: &Connector) -> Option<Outcome> {
    let becomes = another_role(claim.action, &claim.with);
    let costs = matches!(claim.action, ActionKind::AccountDisable | ActionKind::AccessRemove);
    let account = claim.account.as_ref()?;
    if claim.overridden || !(costs || becomes.is_some() || claim.action.is_destructive()) {
        return None;
    }
    match within(claim.timeout, connector.last_of_its_kind(&account.external_id, becomes)).await {
        Ok(None) => None,
        Ok(Some(why)) => Some(Outcome::Held(HoldReason::Protected(why))),
        Err(error) => Some(Outcome::Retry { reason: format!("who else governs cannot be read: {error}"), after: None }),
    }
}

/// A plan counts grace in days by the local calendar, a system often in spans of 24 hours: over a change of the clocks the
/// two differ by an hour or two. That is waited for.
const SAME_DAYS: Duration = Duration::from_secs(2 * 3600);

fn still_in_grace(found: &Account, claim: &Claim) -> Option<Outcome> {
    let due = found.purge_due?;
    (found.status == AccountStatus::Deleted && due > claim.now.as_millisecond()).then(|| {
        let until = crate::clock::from_millis(due);
        let reason = format!("the system keeps it in its grace period until {until}");
        let left = Duration::from_millis(due.abs_diff(claim.now.as_millisecond()));
        if left <= SAME_DAYS {
            return Outcome::Retry { reason, after: Some(left) };
        }
        Outcome::Held(HoldReason::FreshRead(reason))
    })
}

/// What is taken back must still be what usher set; what somebody has changed since, or what cannot be seen, is left
/// alone.
async fn changed_since(claim: &Claim, connector: &Connector, call: &Call) -> Option<Outcome> {
    let Undone { action, with } = claim.undone.clone()?;
    let original = Call { action, with, ..call.clone() };
    let system = claim.system.as_deref().unwrap_or_default();
    match within(claim.timeout, connector.observe(&original)).await {
        Ok(Observation::Reached(_)) => None,
        Ok(Observation::NotReached(seen)) => Some(Outcome::NotApplicable(format!(
            "{system} does not show what {action} had set ({seen}): it is left as it is"
        ))),
        Ok(Observation::Unobservable) => Some(Outcome::NotApplicable(format!(
            "{system} does not show whether {action} still holds: it is left as it is"
        ))),
        // A target that says for certain that it cannot show it (no such account any more) is left alone too.
        Err(ActionError::Fail { reason }) => {
            Some(Outcome::NotApplicable(format!("{system} cannot show whether {action} still holds ({reason})")))
        }
        Err(error) => {
            Some(Outcome::Retry { reason: format!("the look at what is taken back failed: {error}"), after: None })
        }
    }
}

/// What the inventory should know after an action that changes an account's standing, its role or its names.
async fn standing(claim: &Claim, connector: &Connector) -> Option<Seen> {
    use ActionKind as A;
    let changes = matches!(
        claim.action,
        A::AccountDisable
            | A::AccountEnable
            | A::AccountDelete
            | A::AccountRestore
            | A::AccountPurge
            | A::AccountUpdate
            | A::AccessRemove
            | A::RoleSet
            | A::AliasAdd
            | A::AliasRemove
    );
    let account = claim.account.as_ref().filter(|_| changes)?;
    match within(claim.timeout, connector.read(&account.external_id)).await {
        Ok(Some(found)) => Some(Seen::There(Box::new(found))),
        Ok(None) => Some(Seen::Gone),
        Err(_) => None,
    }
}
