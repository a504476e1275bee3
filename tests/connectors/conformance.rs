//! What every connector must do, whatever its system is. One suite for all kinds.
//!
//! A kind brings a [`Target`]: the connector, and a way to look at the system that does not go through it; and a [`Case`]
//! for each action that it says it can do. [`conforms`] then walks over the whole catalogue:
//!
//! - what is not supported says why, and does nothing when it is asked all the same;
//! - an action applies, and the system shows it; applied again it has no second effect; a look tells before and after;
//! - the evidence is what was read back, wherever the goal can be seen;
//! - an attempt that is cut before its effect has none, one that is cut after it says that nobody knows, a look tells
//!   which it was, and the next attempt has the one effect that was asked for;
//! - an id that is not there, and ids that are no ids, are refused and touch nothing.
//!
//! [`creates`] and [`lists`] are the same for new accounts and for the list of all accounts.

use std::cell::Cell;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};
use usher::connectors::{ActionError, Call, Connector, Credential, Observation};
use usher::run::{Account, Capability, Evidence, EvidenceKind};
use usher::secret::Secret;
use usher::workflow::{ActionKind, Place};

/// Where the next attempt at an action loses its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the system has done anything.
    Before,
    /// After it has done everything.
    After,
}

/// A system under test.
pub trait Target {
    /// The connector to it.
    fn connector(&self) -> &Connector;

    /// The id of an account that nobody has touched yet: enabled, with everything that the cases take away. It may be on a
    /// system that was set up anew.
    async fn fresh(&mut self) -> String;

    /// The account as the system itself shows it, without the connector; null where there is none.
    async fn look(&self, account: &str) -> Value;

    /// Everything there is, without the connector, with whatever shows that something was written (a version, a counter, a
    /// time of change). Two looks are equal exactly when nothing has had an effect between them.
    async fn whole(&self) -> Value;

    /// From now on the connection is lost there, in every attempt that changes something; `None` mends it.
    async fn cut(&mut self, cut: Option<Cut>);
}

/// One action that the connector can do.
#[derive(Clone, Debug)]
pub struct Case {
    /// Which.
    pub action: ActionKind,
    /// Its parameters.
    pub with: Value,
    /// What is done before, so that it has something to do.
    pub first: Vec<(ActionKind, Value)>,
    /// Whether the system shows the goal. It is given what [`Target::look`] shows of the account now, and showed before the
    /// attempt; for an action on a system as a whole, what [`Target::whole`] shows.
    pub shows: fn(now: &Value, before: &Value) -> bool,
    /// Whether it changes anything.
    pub changes: bool,
    /// Whether a connection to the system can be cut in it: not where it changes nothing, nor where what it changes is
    /// elsewhere (an archive).
    pub cuts: bool,
}

impl Case {
    /// An action without parameters that changes something.
    pub fn new(action: ActionKind, shows: fn(&Value, &Value) -> bool) -> Self {
        Self { action, with: Value::Null, first: Vec::new(), shows, changes: true, cuts: true }
    }

    /// With these parameters.
    pub fn with(self, with: Value) -> Self {
        Self { with, ..self }
    }

    /// After this one.
    pub fn after(mut self, action: ActionKind, with: Value) -> Self {
        self.first.push((action, with));
        self
    }

    /// It only looks.
    pub fn only_looks(self) -> Self {
        Self { changes: false, cuts: false, ..self }
    }

    /// What it writes is in the archive store, and the system only read.
    pub fn kept_elsewhere(self) -> Self {
        Self { cuts: false, ..self }
    }
}

/// Ids that no system gives: each tries to get out of the place that an id has in a request.
pub const HOSTILE: &[&str] = &[
    "no-such-account",
    "",
    "*",
    "..",
    "../admin",
    "x/../../admin",
    "%2e%2e",
    "x?role=admin",
    "x#y",
    "x)(uid=*",
    "uid=x,dc=other",
    "x\r\nX-Evil: 1",
    "x\0y",
    "\"; drop table accounts; --",
    "{{ 7 * 7 }}",
    "-rf",
    "名前\u{202e}",
];

/// Runs the whole suite: every action of the catalogue that takes place on a system, but `account.create`.
pub async fn conforms<T: Target>(target: &mut T, cases: &[Case]) {
    for action in ActionKind::ALL.iter().copied().filter(|action| action.place() != Place::House) {
        if matches!(action, ActionKind::AccountCreate | ActionKind::AccountsSync) {
            continue;
        }
        match target.connector().capability(action, None) {
            Capability::Supported | Capability::Degraded(_) => {
                let case = cases.iter().find(|case| case.action == action);
                let case = case.unwrap_or_else(|| panic!("{action} is said to be done, and no case shows it"));
                Trial { case, steps: Cell::new(0) }.run(target).await;
            }
            Capability::Manual(why) | Capability::Unsupported(why) => {
                assert!(why.len() > 10, "{action} is not done, and `{why}` does not say why");
                does_nothing(target, action).await;
            }
        }
    }
    for case in cases {
        let capability = target.connector().capability(case.action, None);
        let done = matches!(capability, Capability::Supported | Capability::Degraded(_));
        assert!(done, "there is a case for {}, which is {capability:?}", case.action);
    }
}

/// What cannot be done is refused for good when it is asked for all the same, and nothing happens.
async fn does_nothing<T: Target>(target: &mut T, action: ActionKind) {
    let id = target.fresh().await;
    let before = target.whole().await;
    let call = call(action, &Value::Null, Some(&id), "run_7/unsupported", 1);
    let outcome = perform(target.connector(), &call).await;
    assert!(matches!(outcome, Err(ActionError::Fail { .. })), "{action} is not supported, and ended as {outcome:?}");
    assert_eq!(target.whole().await, before, "{action} is not supported, and changed something");
}

/// One action under test.
struct Trial<'a> {
    case: &'a Case,
    /// How often it was prepared: each time it is another step, with a key of its own.
    steps: Cell<u32>,
}

impl Trial<'_> {
    async fn run<T: Target>(&self, target: &mut T) {
        let seen = self.applies_once(target).await;
        if self.case.cuts {
            self.is_cut_before(target, seen).await;
            self.is_cut_after(target, seen).await;
        }
        if self.case.action.place() != Place::System {
            self.refuses_strangers(target).await;
        }
    }

    /// Applies, and applies again. Answers whether the goal can be seen.
    async fn applies_once<T: Target>(&self, target: &mut T) -> bool {
        let action = self.case.action;
        let id = self.prepared(target).await;
        let before = self.view(target, &id).await;
        let seen = self.observed(target, &id, !self.case.changes, "before anything was done").await;
        let evidence = self.perform(target, &id, 1).await.unwrap_or_else(|why| panic!("{action}: {why:?}"));
        let kind = if seen { EvidenceKind::ReadBack } else { EvidenceKind::Acknowledged };
        assert_eq!(evidence.kind, kind, "{action}: {evidence:?}");
        assert!(!evidence.detail.is_empty() && !evidence.detail.contains('@'), "{action}: {evidence:?}");
        let now = self.view(target, &id).await;
        assert!((self.case.shows)(&now, &before), "{action} is said to be done, and the system shows {now:#}");
        self.observed(target, &id, true, "after it was done").await;

        let whole = target.whole().await;
        self.perform(target, &id, 2).await.unwrap_or_else(|why| panic!("{action} again: {why:?}"));
        if seen {
            assert_eq!(target.whole().await, whole, "{action}, done again, had a second effect");
        }
        let now = self.view(target, &id).await;
        assert!((self.case.shows)(&now, &before), "{action}, done again, shows {now:#}");
        seen
    }

    async fn is_cut_before<T: Target>(&self, target: &mut T, seen: bool) {
        let action = self.case.action;
        let id = self.prepared(target).await;
        let before = self.view(target, &id).await;
        target.cut(Some(Cut::Before)).await;
        let cut = self.perform(target, &id, 1).await;
        target.cut(None).await;
        let told = matches!(cut, Err(ActionError::Unknown { .. } | ActionError::Retry { .. }));
        assert!(told, "{action}, cut before its effect, ended as {cut:?}");
        let now = self.view(target, &id).await;
        assert!(!(self.case.shows)(&now, &before), "{action}, cut before its effect, had one: {now:#}");
        assert_eq!(self.observed(target, &id, false, "after a cut before the effect").await, seen, "{action}");
        self.perform(target, &id, 2).await.unwrap_or_else(|why| panic!("{action} after a cut: {why:?}"));
        let now = self.view(target, &id).await;
        assert!((self.case.shows)(&now, &before), "{action}, done after a cut, shows {now:#}");
    }

    async fn is_cut_after<T: Target>(&self, target: &mut T, seen: bool) {
        let action = self.case.action;
        let id = self.prepared(target).await;
        let before = self.view(target, &id).await;
        target.cut(Some(Cut::After)).await;
        let cut = self.perform(target, &id, 1).await;
        target.cut(None).await;
        // Neither "not yet" nor "failed": both say that there was certainly no effect.
        assert!(matches!(cut, Err(ActionError::Unknown { .. })), "{action}, cut after its effect, ended as {cut:?}");
        let now = self.view(target, &id).await;
        assert!((self.case.shows)(&now, &before), "{action} was to be cut after its effect, and had none: {now:#}");
        let whole = target.whole().await;
        assert_eq!(self.observed(target, &id, true, "after a cut after the effect").await, seen, "{action}");
        self.perform(target, &id, 2).await.unwrap_or_else(|why| panic!("{action} after a cut: {why:?}"));
        if seen {
            assert_eq!(target.whole().await, whole, "{action}, done after a cut, had a second effect");
        }
    }

    /// Whoever is not there is not acted upon, and nobody else is instead.
    async fn refuses_strangers<T: Target>(&self, target: &mut T) {
        let action = self.case.action;
        self.prepared(target).await;
        let before = target.whole().await;
        for id in HOSTILE.iter().copied().map(Some).chain([None]) {
            let call = call(action, &self.case.with, id, &self.key(), 1);
            match perform(target.connector(), &call).await {
                Err(ActionError::Fail { .. }) => {}
                // What is not there any more is deleted.
                Ok(evidence) if action.is_destructive() && id.is_some() => {
                    assert_eq!(evidence.kind, EvidenceKind::ReadBack, "{action} on {id:?}: {evidence:?}");
                }
                other => panic!("{action} on an account {id:?} that is not there ended as {other:?}"),
            }
            let seen = target.connector().observe(&call).await;
            let refused = matches!(seen, Err(ActionError::Fail { .. }));
            let unseen = matches!(seen, Ok(Observation::Unobservable) | Ok(Observation::NotReached(_)));
            assert!(refused || unseen || action.is_destructive(), "{action}: a look at {id:?} shows {seen:?}");
            assert_eq!(target.whole().await, before, "{action} on {id:?} changed something");
        }
    }

    async fn prepared<T: Target>(&self, target: &mut T) -> String {
        let id = target.fresh().await;
        self.steps.set(self.steps.get() + 1);
        for (number, (action, with)) in self.case.first.iter().enumerate() {
            let key = format!("{}/first{number}", self.key());
            let first = call(*action, with, self.account(&id, *action), &key, 1);
            let outcome = perform(target.connector(), &first).await;
            outcome.unwrap_or_else(|why| panic!("{action}, before {}: {why:?}", self.case.action));
        }
        id
    }

    fn key(&self) -> String {
        format!("run_{}/{}", self.steps.get(), self.case.action)
    }

    fn account<'i>(&self, id: &'i str, action: ActionKind) -> Option<&'i str> {
        (action.place() != Place::System).then_some(id)
    }

    async fn view<T: Target>(&self, target: &T, id: &str) -> Value {
        match self.case.action.place() {
            Place::System => target.whole().await,
            _ => target.look(id).await,
        }
    }

    async fn perform<T: Target>(&self, target: &T, id: &str, fence: i64) -> Result<Evidence, ActionError> {
        let account = self.account(id, self.case.action);
        perform(target.connector(), &call(self.case.action, &self.case.with, account, &self.key(), fence)).await
    }

    /// Looks, and answers whether the goal can be seen at all; where it can, it must be as it is `reached`.
    async fn observed<T: Target>(&self, target: &T, id: &str, reached: bool, when: &str) -> bool {
        let action = self.case.action;
        let account = self.account(id, action);
        let call = call(action, &self.case.with, account, &self.key(), 1);
        match target.connector().observe(&call).await {
            Ok(Observation::Unobservable) => false,
            Ok(Observation::Reached(evidence)) => {
                assert!(reached, "{action}, {when}: seen as reached: {evidence:?}");
                assert_eq!(evidence.kind, EvidenceKind::ReadBack, "{action}: {evidence:?}");
                true
            }
            Ok(Observation::NotReached(seen)) => {
                assert!(!reached, "{action}, {when}: seen as not reached: {seen}");
                assert!(!seen.is_empty(), "{action} does not say what it saw");
                true
            }
            Err(why) => panic!("{action}, {when}: the look failed: {why:?}"),
        }
    }
}

/// `account.create`: one account whatever happens, found by its key and by nobody else's.
pub async fn creates<T: Target>(target: &mut T, with: Value) {
    let count = async |target: &T| accounts(target.connector()).await.len();
    for cut in [None, Some(Cut::Before), Some(Cut::After)] {
        target.fresh().await;
        let before = count(target).await;
        let key = format!("run_8/create/{cut:?}");
        let attempt = |fence| call(ActionKind::AccountCreate, &with, None, &key, fence);
        let look = target.connector().observe(&attempt(1)).await.expect("a look");
        assert!(matches!(look, Observation::NotReached(_)), "{look:?}");
        assert_eq!(target.connector().made(&attempt(1)).await.expect("a look"), None, "nothing is made yet");
        if cut.is_some() {
            target.cut(cut).await;
            let outcome = perform(target.connector(), &attempt(1)).await;
            target.cut(None).await;
            let nobody_knows = matches!(outcome, Err(ActionError::Unknown { .. }));
            let not_yet = matches!(outcome, Err(ActionError::Retry { .. })) && cut == Some(Cut::Before);
            assert!(nobody_knows || not_yet, "cut {cut:?}: {outcome:?}");
            let made = usize::from(cut == Some(Cut::After));
            assert_eq!(count(target).await, before + made, "cut {cut:?}");
            let found = target.connector().made(&attempt(2)).await.expect("a look");
            assert_eq!(found.is_some(), cut == Some(Cut::After), "cut {cut:?}: {found:?}");
        }
        perform(target.connector(), &attempt(2)).await.unwrap_or_else(|why| panic!("cut {cut:?}: {why:?}"));
        assert_eq!(count(target).await, before + 1, "cut {cut:?}");
        let whole = target.whole().await;
        perform(target.connector(), &attempt(3)).await.unwrap_or_else(|why| panic!("again: {why:?}"));
        assert_eq!(target.whole().await, whole, "made a second time, cut {cut:?}");
        let made = target.connector().made(&attempt(3)).await.expect("a look").expect("the account");
        let read = target.connector().read(&made.external_id).await.expect("a look").expect("the account");
        assert_eq!(read, made, "read by its id it is the same");
        assert!(!target.look(&made.external_id).await.is_null(), "the system knows it by its id");
        let look = target.connector().observe(&attempt(3)).await.expect("a look");
        assert!(matches!(look, Observation::Reached(_)), "{look:?}");
    }
}

/// The list of all accounts: whole, each once, and each the same when it is read by its id; strangers are not there.
pub async fn lists<T: Target>(target: &mut T) {
    let id = target.fresh().await;
    let all = accounts(target.connector()).await;
    let ids: BTreeSet<&str> = all.iter().map(|account| account.external_id.as_str()).collect();
    assert_eq!(ids.len(), all.len(), "an account is listed twice");
    assert!(ids.contains(id.as_str()), "{id} is not listed");
    for account in all.iter().take(20) {
        let read = target.connector().read(&account.external_id).await.expect("a look");
        assert_eq!(read.as_ref(), Some(account), "read by its id it is another");
    }
    for id in HOSTILE {
        let read = target.connector().read(id).await;
        assert!(matches!(read, Ok(None) | Err(ActionError::Fail { .. })), "`{id}` is read as {read:?}");
    }
}

/// All accounts, page by page.
pub async fn accounts(connector: &Connector) -> Vec<Account> {
    let (mut all, mut from) = (Vec::new(), None);
    for _ in 0..10_000 {
        let (page, next) = connector.accounts(from).await.expect("a page");
        all.extend(page);
        match next {
            None => return all,
            next => from = next,
        }
    }
    panic!("the list has no end");
}

/// What an attempt asks, as the engine would.
pub fn call(action: ActionKind, with: &Value, account: Option<&str>, key: &str, fence: i64) -> Call {
    Call {
        action,
        with: with.as_object().cloned().unwrap_or_else(Map::new),
        account: account.map(str::to_owned),
        idempotency_key: key.to_owned(),
        fence,
        now: Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * 365 * 57),
    }
}

/// Performs it as the engine would: what gives an account a password is given one.
pub async fn perform(connector: &Connector, call: &Call) -> Result<Evidence, ActionError> {
    let password = Secret::new("tR4in-h8st-Winter-qx7");
    match call.action {
        ActionKind::AccountCreate | ActionKind::PasswordRotate | ActionKind::PasswordReset => {
            connector.perform_with(call, &password).await
        }
        // A link, and where there are none, a password that is handed over.
        ActionKind::CredentialsSend => match connector.issue(call, Credential::Link).await {
            Err(ActionError::Fail { .. }) => connector.issue(call, Credential::Password(&password)).await,
            issued => issued,
        }
        .map(|issued| issued.evidence),
        _ => connector.perform(call).await,
    }
}
