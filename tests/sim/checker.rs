//! The guarantees, asked of what can be seen from outside: claims, the systems' ledger, the journal, the states.
//!
//! Nothing here calls the rules it checks: what was promised to people stands in [`Promises`](crate::world::Promises),
//! and the rest is read from the tables and the ledger.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use sqlx::Row;
use usher::connectors::sandbox::{Entry as LedgerEntry, SandboxAccount};
use usher::run::advance::goes_on_after_failure;
use usher::run::book::{Book, Step};
use usher::run::journal::facts;
use usher::run::settle::Outcome;
use usher::run::{AccountStatus, EvidenceKind, HoldReason, RunState, SkipReason, StepState};
use usher::store::{Claim, Store};
use usher::workflow::{ActionKind, Nature};

use crate::house::GRACE_DAYS;
use crate::world::World;

/// How long a cut waits for the cut before it.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// How long the approvals of these workflows hold.
const VALID: [(&str, i64); 2] = [("Departure in short", 10), ("Employee departure", 30)];

/// Attempts that have just started.
pub(crate) async fn claimed(world: &mut World, store: &Store, claims: &[Claim]) {
    if claims.is_empty() {
        return;
    }
    let doubled = sqlx::query(
        "SELECT account_id FROM steps WHERE state = 'leased' AND account_id IS NOT NULL GROUP BY account_id HAVING COUNT(*) > 1",
    )
    .fetch_all(&mut world.looker)
    .await
    .expect("looks");
    assert!(doubled.is_empty(), "an account has two attempts at once (guarantee 5)");
    let mut books: BTreeMap<i64, Book> = BTreeMap::new();
    for claim in claims {
        world.tally.count("claim");
        if claim.observe {
            world.tally.count("observing claim");
        }
        let last = (claim.run, claim.ordinal, claim.fence - 1);
        if claim.fence > 1 {
            world.tally.count("claim after another");
            let certain = world.certain.contains(&last);
            assert!(
                claim.observe || certain,
                "{} does not observe after {last:?}, whose end nobody knows (guarantee 4)",
                claim.label
            );
        }
        if let Entry::Vacant(place) = books.entry(claim.run) {
            place.insert(store.book(claim.run).await.expect("the run"));
        }
        let book = &books[&claim.run];
        let step = book.step(claim.ordinal).expect("the step");
        let what = format!("run_{}/{}#{}", claim.run, claim.label, claim.fence);
        assert!(
            matches!(step.state, StepState::Leased { fence, .. } if fence == claim.fence)
                && step.attempts == claim.fence,
            "{what} was handed out and is {:?} (guarantee 5)",
            step.state
        );
        never_early(world, book, step, claim.observe, &what);
        not_stopped(world, book, step, &what);
        if claim.action == ActionKind::AccountEnable {
            opens_nothing_cut(world, book, claim, &what).await;
        }
        if step.action.nature() == Nature::Destructive {
            may_destroy(world, book, step, claim, &what).await;
        }
    }
}

/// Guarantee 6. What an ambiguous attempt has begun is found out even where the steps before it have got new dates since.
fn never_early(world: &World, book: &Book, step: &Step, observes: bool, what: &str) {
    let now = world.now();
    if let Some(at) = &step.at {
        assert!(at.at <= now, "{what} started at {now}, its time is {} (guarantee 6)", at.at);
    }
    if let Some(due) = step.first_due {
        assert!(due <= now, "{what} started at {now}, due {due} (guarantee 6)");
    }
    for need in needs(book, step).into_iter().filter(|_| !observes) {
        let over = match &need.state {
            StepState::Done { .. } | StepState::Skipped { .. } => true,
            StepState::Failed { .. } => goes_on_after_failure(book, need),
            // An approval that has become stale is asked for again, perhaps in vain; the purge that it covers goes on.
            StepState::AwaitingApproval | StepState::Held { reason: HoldReason::NobodyAnswered(_), .. } => {
                step.of.is_some()
            }
            _ => false,
        };
        let patience_ends = need.first_due.map(|due| due + PATIENCE);
        let patient = step.action.is_cut() && need.action.is_cut() && patience_ends.is_some_and(|end| end <= now);
        assert!(over || patient, "{what} started before {} was over: {:?} (guarantee 6)", need.label(), need.state);
    }
}

/// What a step comes after, through what was left out.
fn needs<'a>(book: &'a Book, step: &Step) -> Vec<&'a Step> {
    let (mut open, mut seen, mut found) = (step.needs.clone(), BTreeSet::new(), Vec::new());
    while let Some(ordinal) = open.pop() {
        if !seen.insert(ordinal) {
            continue;
        }
        let need = book.step(ordinal).expect("a step");
        if let StepState::Skipped { .. } = need.state {
            open.extend(&need.needs);
        }
        found.push(need);
    }
    found
}

/// Guarantee 8.
fn not_stopped(world: &World, book: &Book, step: &Step, what: &str) {
    let run = book.run.id;
    assert!(!world.promises.cancelled.contains(&run), "{what} started though its run was cancelled (guarantee 8)");
    assert!(!world.promises.paused.contains(&run), "{what} started though its run was paused (guarantee 8)");
    for freeze in &world.promises.freezes {
        let here = freeze.system.as_ref().is_none_or(|system| step.system.as_ref() == Some(system))
            && freeze.workflow.as_ref().is_none_or(|workflow| *workflow == book.run.name);
        let stops = freeze.all || step.action.nature() == Nature::Destructive;
        assert!(!(here && stops), "{what} started under a freeze of {} (guarantee 8)", freeze.scope());
    }
}

/// An account that an open departure of the same person has closed stays closed.
async fn opens_nothing_cut(world: &mut World, book: &Book, claim: &Claim, what: &str) {
    let cuts = sqlx::query(
        "SELECT r.id FROM runs r JOIN steps s ON s.run_id = r.id WHERE r.person_id = $1 AND r.id <> $2
           AND r.ended_at IS NULL AND r.workflow = 'departure' AND s.account_id = $3
           AND s.action = 'account.disable' AND s.state = 'done'",
    )
    .bind(book.run.person)
    .bind(book.run.id)
    .bind(claim.account.as_ref().map(|account| account.id))
    .fetch_all(&mut world.looker)
    .await
    .expect("looks");
    assert!(cuts.is_empty(), "{what} opens what an open departure has closed");
}

/// Guarantee 9, as far as it is decided at the claim.
async fn may_destroy(world: &mut World, book: &Book, step: &Step, claim: &Claim, what: &str) {
    let now = world.now();
    if let Some(person) = book.run.person {
        let status: String = sqlx::query("SELECT status FROM people WHERE id = $1")
            .bind(person)
            .fetch_one(&mut world.looker)
            .await
            .expect("the person")
            .get(0);
        assert!(status == "left" || status == "leaving", "{what} destroys what is {status}'s (guarantee 9)");
    }
    for cut in book.steps.iter().filter(|cut| cut.action.nature() == Nature::Cut && cut.ordinal < step.ordinal) {
        let over = match &cut.state {
            StepState::Done { .. } => true,
            StepState::Skipped { reason, .. } => !matches!(reason, SkipReason::ByPerson(_)),
            _ => false,
        };
        assert!(over, "{what} started though {} is {:?} (guarantee 9)", cut.label(), cut.state);
    }
    let valid = VALID.iter().find(|(title, _)| book.run.workflow.title == *title).map(|(_, days)| *days);
    for approval in book.steps.iter().filter(|step| step.action == ActionKind::Approval) {
        let given = world.promises.approvals.get(&(book.run.id, approval.ordinal));
        let Some((at, approved)) = given else { panic!("{what} started and nobody had approved it (guarantee 9)") };
        assert!(*approved == picture(book), "{what} started with an approval of another plan (guarantee 9)");
        let until = *at + SignedDuration::from_hours(24 * valid.expect("a workflow with approval") + 1);
        assert!(step.of.is_some() || now < until, "{what} started with an approval that lapsed (guarantee 9)");
    }
    if claim.action == ActionKind::AccountPurge {
        let account = claim.account.as_ref().expect("an account");
        let view = world.house.company.account_view(&account.system, &account.external_id).expect("the ledger");
        in_grace(view.as_ref(), now, what);
    }
}

fn in_grace(account: Option<&SandboxAccount>, now: Timestamp, what: &str) {
    if let Some(trash) = account.and_then(|account| account.trash.as_ref()) {
        let ends = trash.since + SignedDuration::from_hours(24 * GRACE_DAYS - 1);
        assert!(ends <= now, "{what} purges at {now} what was deleted at {} (guarantee 9)", trash.since);
    }
}

/// What an approval is about: every deletion of the run, and the inputs.
pub(crate) fn picture(book: &Book) -> String {
    let mut parts = vec![serde_json::to_string(&book.run.inputs).expect("inputs")];
    for step in book.steps.iter().filter(|step| step.action.nature() == Nature::Destructive) {
        parts.push(format!(
            "{} {:?} {:?} {:?}",
            step.label(),
            step.account,
            step.at.as_ref().map(|at| at.at),
            step.delay
        ));
    }
    parts.join("; ")
}

/// How an account stood right before an attempt.
pub(crate) fn before_attempt(world: &World, claim: &Claim) -> Option<SandboxAccount> {
    let account = claim.account.as_ref()?;
    world.house.company.account_view(&account.system, &account.external_id).expect("the ledger")
}

/// What an attempt did to the systems.
pub(crate) async fn attempted(
    world: &mut World,
    claim: &Claim,
    stands: bool,
    before: Option<SandboxAccount>,
    outcome: &Outcome,
) {
    let what = format!("run_{}/{}#{}", claim.run, claim.label, claim.fence);
    if let Outcome::Done(evidence) = outcome
        && evidence.detail.starts_with("found done")
    {
        world.tally.count("found done");
    }
    count_accidents(world, outcome);
    let unknown = matches!(outcome, Outcome::Unknown(_) | Outcome::Done(_));
    if !unknown {
        world.certain.insert((claim.run, claim.ordinal, claim.fence));
    }
    for entry in world.read_ledger() {
        assert!(stands, "{what} sent its request though its lease had lapsed (guarantee 5)");
        let intents = intents(world, claim).await;
        assert!(intents == 1, "{what} had {intents} intents in the journal (guarantee 2)");
        assert!(
            entry.fence == claim.fence && entry.key.starts_with(&format!("run_{}/{}", claim.run, claim.label)),
            "{what} asked for {}",
            entry.key
        );
        let twice = claim.observe && same_request_was_last(world, &entry);
        assert!(!twice, "{what} was asked for again without a look at what the last attempt did (guarantee 4)");
        if entry.changed {
            world.tally.count("effect");
            world.tally.count(entry.action.expect("an action").name());
            let destroys = claim.action.nature() == Nature::Destructive;
            let open = before.as_ref().is_some_and(|account| account.status == AccountStatus::Enabled);
            assert!(!(destroys && open), "{what} destroyed an account that is in use (guarantee 9)");
            if claim.action == ActionKind::AccountPurge {
                in_grace(before.as_ref(), world.now(), &what);
            }
            at_most_once(world, &entry, &what);
        }
        world.ledger.entries.push(entry);
    }
}

fn count_accidents(world: &mut World, outcome: &Outcome) {
    match outcome {
        Outcome::Retry { reason, .. } if reason.contains("is busy") => world.tally.count("request refused"),
        Outcome::Retry { reason, .. } if reason.contains("said it is done") => {
            world.tally.count("request answered by a lie")
        }
        Outcome::Unknown(reason) if reason.contains("was cut") => {
            // What it did before it was cut stands in the ledger.
            let effect = std::fs::metadata(world.house.ledger()).expect("the ledger").len() > world.ledger.read;
            world.tally.count(if effect { "request cut after its effect" } else { "request cut before its effect" });
        }
        _ => {}
    }
}

/// Guarantee 3: the same step has its effect a second time only where the class of the action says that nobody can see
/// the first, where it asks for something else now (a new date), or where somebody else has changed the account in
/// between.
fn at_most_once(world: &World, entry: &LedgerEntry, what: &str) {
    assert!(!same_request_was_last(world, entry), "{what} had its effect twice (guarantee 3)");
}

/// Whether the last effect on the account was that of this very request, and can be seen there.
fn same_request_was_last(world: &World, entry: &LedgerEntry) -> bool {
    if matches!(entry.action, Some(ActionKind::PasswordRotate | ActionKind::CredentialsSend)) {
        return false;
    }
    let asked = |entry: &LedgerEntry| serde_json::to_value(entry).expect("JSON")["change"].clone();
    let same_account = |other: &&LedgerEntry| other.system == entry.system && other.account == entry.account;
    let last = world.ledger.entries.iter().rev().filter(|other| other.changed).find(same_account);
    last.is_some_and(|other| other.key == entry.key && asked(other) == asked(entry))
}

/// Guarantee 11, and what belongs to it: a run's state says what its steps say, and what is done is known to be done.
pub(crate) fn truthful(world: &World, book: &Book) {
    let run = book.run.public_id();
    let over = book.steps.iter().all(|step| step.state.is_final());
    let failed = book
        .steps
        .iter()
        .any(|step| matches!(step.state, StepState::Failed { .. }) && !goes_on_after_failure(book, step));
    let left_out = book.steps.iter().any(|step| match &step.state {
        StepState::Skipped { reason, .. } => matches!(reason, SkipReason::ByPerson(_)),
        StepState::Failed { .. } | StepState::Cancelled => true,
        _ => false,
    });
    let held = book
        .steps
        .iter()
        .any(|step| matches!(&step.state, StepState::Held { reason, .. } if *reason != HoldReason::Paused));
    match book.run.state {
        RunState::Completed => assert!(over && !failed && !left_out, "{run} is shown as completed (guarantee 11)"),
        RunState::ClosedWithExceptions => {
            assert!(over && !failed && left_out, "{run} is shown as closed (guarantee 11)")
        }
        RunState::Open => assert!(!over && !failed && !held, "{run} is shown as open (guarantee 11)"),
        RunState::NeedsAttention => assert!(failed || held, "{run} is shown as needing attention (guarantee 11)"),
        RunState::Paused => {}
        RunState::Cancelled => {
            let going_on = |step: &&Step| !step.state.is_final() && !matches!(step.state, StepState::Leased { .. });
            let still = book.steps.iter().find(going_on).map(Step::label);
            assert!(still.is_none(), "{run} is cancelled, and {still:?} goes on (guarantee 8)");
        }
    }
    if world.promises.cancelled.contains(&book.run.id) {
        assert!(book.run.state.is_over(), "{run} was cancelled and is {:?} (guarantee 8)", book.run.state);
    }
    if world.promises.paused.contains(&book.run.id) {
        assert!(
            book.run.state == RunState::Paused || book.run.state.is_over(),
            "{run} was paused and is {:?}",
            book.run.state
        );
    }
    for step in &book.steps {
        let given_up = step.action.is_cut() && matches!(&step.state, StepState::Failed { .. });
        assert!(!given_up, "{run} has given {} up (guarantee 7)", step.label());
        if let StepState::Done { evidence, .. } = &step.state {
            really_done(world, book, step, evidence.kind);
        }
    }
}

/// What is said to be done, and can be seen at the system, was asked of the system by that step.
fn really_done(world: &World, book: &Book, step: &Step, kind: EvidenceKind) {
    if kind == EvidenceKind::Person || step.system.is_none() || step.action == ActionKind::AccountsSync {
        return;
    }
    let key = format!("{}/{}", book.run.public_id(), step.label());
    let asked = world.ledger.entries.iter().any(|entry| entry.key.starts_with(&key));
    let looks_first = matches!(step.action, ActionKind::AccountCreate);
    // Another run may have reached the goal of a step whose own attempt nobody knows the end of: it was found done.
    assert!(
        asked || looks_first || step.attempts > 1,
        "{key} is done, and was never asked of the system (guarantee 11)"
    );
}

/// The journal verifies, and replays to the states in the tables.
pub(crate) async fn journal(store: &Store, run: i64) {
    let verified = store.verify(run).await.unwrap_or_else(|why| panic!("the journal: {why}"));
    assert!(verified.problem.is_none(), "the journal of run_{run}: {:?}", verified.problem);
}

/// How often the journal announced this attempt, before it began.
async fn intents(world: &mut World, claim: &Claim) -> usize {
    let rows = sqlx::query(
        "SELECT step, body FROM journal WHERE run_id = $1 AND at <= $2 AND body LIKE '%\"fact\":\"intent\"%'",
    )
    .bind(claim.run)
    .bind(claim.now.as_millisecond())
    .fetch_all(&mut world.looker)
    .await
    .expect("looks");
    let told = rows.iter().flat_map(|row| {
        let body = serde_json::from_str(&row.get::<String, _>("body")).expect("an entry");
        facts(body, row.get("step"))
    });
    let announced = |(step, fact): &(Option<i64>, serde_json::Value)| {
        *step == Some(i64::from(claim.ordinal)) && fact["fact"] == "intent" && fact["fence"] == claim.fence
    };
    told.filter(announced).count()
}
