//! What may stop a step, decided inside the claim's own transaction. Pure: the circumstances in, a verdict out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::asking::{self, StepScope};
use super::book::{Book, Step};
use super::limits::{self, Counted, Limits, Room, Tally};
use super::manager;
use super::policy::Policy;
use super::state::{HoldReason, RunState, SkipReason, StepState};
use super::subject::{Account, AccountStatus, Person};
use super::trip::{Stops, Trip, TripKind};
use super::two_people::Users;
use crate::workflow::params::OnLapse;
use crate::workflow::{ActionKind, Nature, Param, Span};

/// A stop on everything, a system or a workflow.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Freeze {
    /// What it covers: `None` in both is everything.
    pub system: Option<String>,
    /// Likewise.
    pub workflow: Option<String>,
    /// Whether it stops access cuts and everything else too, or only destructive steps.
    pub all: bool,
    /// Why, in the words of whoever set it.
    pub reason: String,
}

impl Freeze {
    /// Whether it stops this step.
    pub fn covers(&self, book: &Book, step: &Step) -> bool {
        self.stops(&book.run.name, step.system.as_deref(), step.action)
    }

    /// Whether it stops such a step.
    pub fn stops(&self, workflow: &str, system: Option<&str>, action: ActionKind) -> bool {
        let here = self.system.as_deref().is_none_or(|name| system == Some(name));
        here && self.workflow.as_deref().is_none_or(|name| workflow == name) && (self.all || action.is_destructive())
    }

    /// What it covers, in words.
    pub fn scope(&self) -> String {
        match (&self.system, &self.workflow) {
            (None, None) => "everything".to_owned(),
            (Some(system), None) => format!("system {system}"),
            (None, Some(workflow)) => format!("workflow {workflow}"),
            (Some(system), Some(workflow)) => format!("workflow {workflow} on system {system}"),
        }
    }
}

/// The guard that holds destructive steps while nobody knows how many accounts a system has.
pub const POPULATION: &str = "population";

/// Everything a verdict depends on, read in the claim's transaction.
#[derive(Debug)]
pub struct Circumstances<'a> {
    /// The run.
    pub book: &'a Book,
    /// The step whose time has come.
    pub step: &'a Step,
    /// The person the run is about, read again now.
    pub person: Option<&'a Person>,
    /// The account, as the inventory knows it.
    pub account: Option<&'a Account>,
    /// Freezes that are on.
    pub freezes: &'a [Freeze],
    /// Guards that have tripped.
    pub trips: &'a [Trip],
    /// What the configuration allows to happen at once.
    pub limits: &'a Limits,
    /// What has started on the step's system lately, where that counts.
    pub tally: Option<&'a Tally>,
    /// Whether the step counts in it already.
    pub counted: Counted,
    /// What another run needs this account closed for, and the way out.
    pub cut_needed: Option<String>,
    /// The legal hold on the person.
    pub legal_hold: Option<String>,
    /// Why the account must not be lost.
    pub protected: Option<String>,
    /// Which person each user is.
    pub users: &'a Users,
    /// Whether this daemon's configuration has the system.
    pub system_known: bool,
    /// Whether it has the workflow's calendar.
    pub calendar_known: bool,
    /// What expressions see.
    pub scope: &'a StepScope<'a>,
    /// The store's clock.
    pub now: Timestamp,
}

/// What becomes of a step whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An attempt starts.
    Proceed,
    /// It is held.
    Hold(HoldReason),
    /// A guard trips, and it is held by that.
    Trip {
        /// Which.
        kind: TripKind,
        /// What the trip stops on the step's system.
        stops: Stops,
        /// What happened.
        words: String,
    },
    /// It waits until others of its batch are read back.
    Later,
    /// It is not needed.
    Skip(SkipReason),
    /// It waits for an approval.
    AskApproval,
    /// The approval before it has lapsed: it waits behind that again.
    WaitAgain,
    /// It waits for a person.
    AskPerson(String),
}

/// Judges one step. The first thing that stops it is named.
pub fn verdict(c: &Circumstances<'_>) -> Verdict {
    if c.book.run.state == RunState::Paused {
        return Verdict::Hold(HoldReason::Paused);
    }
    if let Some(freeze) = c.freezes.iter().find(|freeze| freeze.covers(c.book, c.step)) {
        return Verdict::Hold(HoldReason::Freeze(format!("{}: {}", freeze.scope(), freeze.reason)));
    }
    if let Some(trip) = c.trips.iter().find(|trip| trip.stops_all(c.book)) {
        return Verdict::Hold(trip.hold());
    }
    if let Some(verdict) = condition(c) {
        return verdict;
    }
    if c.step.decision.late {
        return Verdict::Hold(HoldReason::Late);
    }
    if let (Some(system), false) = (&c.step.system, c.system_known) {
        return Verdict::Hold(HoldReason::Missing(format!("the configuration has no system called {system}")));
    }
    if let (Some(Span::BusinessDays(_)), Some(calendar), false) =
        (&c.step.delay, &c.book.run.workflow.calendar, c.calendar_known)
    {
        let what = format!("the configuration has no calendar called {calendar}, by which this step's time counts");
        return Verdict::Hold(HoldReason::Missing(what));
    }
    match c.step.action.nature() {
        Nature::Person => asks(c),
        Nature::Grant => grant(c),
        Nature::Destructive => destructive(c),
        Nature::Cut => cut(c),
        Nature::Plain => Verdict::Proceed,
    }
}

/// What the jurisdiction's policy has against a step with these parameters. It was asked when the plan was made; what
/// the step's `when`, its reason and the policy itself are now counts.
pub fn policy_problem(
    book: &Book,
    step: &Step,
    policy: Option<&Policy>,
    with: &serde_json::Map<String, serde_json::Value>,
) -> Option<HoldReason> {
    if step.action != ActionKind::MailRedirect {
        return None;
    }
    match (policy, &book.run.workflow.policy) {
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            Some(HoldReason::Missing(format!("the configuration has no policy called {name}")))
        }
        (Some(policy), _) => {
            policy.redirect_problem(with).map(|detail| HoldReason::Guard { name: "policy".to_owned(), detail })
        }
    }
}

/// `when:` is decided now, with the person as they are now. An ending asks nothing: what was
/// applied is ended, or taken back. Nor does an ambiguous attempt: it may have had its effect.
fn condition(c: &Circumstances<'_>) -> Option<Verdict> {
    if c.step.of.is_some() || c.step.undoes.is_some() || matches!(c.step.state, StepState::Unknown { .. }) {
        return None;
    }
    let Some(definition) = c.book.definition(c.step) else {
        let what = format!("the workflow's version has no step called {}", c.step.file_name());
        return Some(Verdict::Hold(HoldReason::Missing(what)));
    };
    let condition = definition.when.as_ref()?;
    match condition.holds(c.scope) {
        Ok(true) => None,
        Ok(false) => Some(Verdict::Skip(SkipReason::ConditionFalse(condition.source().to_owned()))),
        Err(error) => Some(Verdict::Hold(HoldReason::Missing(format!("when: {} ({error})", condition.source())))),
    }
}

fn asks(c: &Circumstances<'_>) -> Verdict {
    if c.step.action == ActionKind::Approval {
        return Verdict::AskApproval;
    }
    Verdict::AskPerson(asking::instruction(c.book, c.step, c.scope))
}

fn grant(c: &Circumstances<'_>) -> Verdict {
    // Taking a deletion back opens nothing: the account is then what it was right before.
    if c.step.action == ActionKind::AccountRestore && c.step.undoes.is_some() {
        return Verdict::Proceed;
    }
    if let Some(why) = c.account.filter(|_| c.step.action == ActionKind::AccountCreate).and_then(in_use)
        && !matches!(c.step.state, StepState::Unknown { .. })
    {
        return Verdict::Skip(SkipReason::NotNeeded(why));
    }
    match &c.cut_needed {
        Some(why) => Verdict::Hold(HoldReason::CutNeeded(why.clone())),
        None => Verdict::Proceed,
    }
}

/// Why nobody needs another account, where there is one in use.
pub fn in_use(account: &Account) -> Option<String> {
    let enabled = account.status == AccountStatus::Enabled;
    enabled.then(|| format!("account {} on {} is in use already", account.external_id, account.system))
}

/// A protected account is neither closed by a run alone nor left open in silence: the step is held, and a person
/// decides.
fn cut(c: &Circumstances<'_>) -> Verdict {
    match &c.protected {
        Some(why) if !c.step.decision.overridden => Verdict::Hold(HoldReason::Protected(why.clone())),
        _ => tripped(c),
    }
}

/// Anything unknown means hold (guarantee 9).
fn destructive(c: &Circumstances<'_>) -> Verdict {
    if let Some(why) = not_departed(c) {
        return Verdict::Hold(HoldReason::PersonNotDeparted(why));
    }
    if let Some(why) = &c.legal_hold {
        return Verdict::Hold(HoldReason::LegalHold(why.clone()));
    }
    if let Some(why) = &c.protected {
        return Verdict::Hold(HoldReason::Protected(why.clone()));
    }
    if let Some(cut) = open_cut(c.book, c.step) {
        return Verdict::Hold(HoldReason::CutOpen(format!("{cut} is not done")));
    }
    if let Some(problem) = approval_problem(c.book, c.step, c.now) {
        return lapsed(c, problem);
    }
    if let Some(problem) = approver_problem(c).or_else(|| manager::problem(c.book, c.step, c.person)) {
        return Verdict::Hold(HoldReason::Approval(problem));
    }
    let problem = match c.account {
        None => Some("the inventory does not know the account".to_owned()),
        Some(account) if c.step.action == ActionKind::AccountPurge => grace_problem(c.step, account, c.now),
        Some(_) => None,
    };
    problem.map_or_else(|| tripped(c), |why| Verdict::Hold(HoldReason::FreshRead(why)))
}

/// What has tripped stops what would otherwise start; so does what would go beyond the limits.
fn tripped(c: &Circumstances<'_>) -> Verdict {
    let Some(stops) = Stops::of(c.book, c.step) else { return Verdict::Proceed };
    let as_batch = limits::approved_as_batch(c.book, c.step);
    // Thresholds do not concern what was approved as a batch, nor what is cut already in part.
    let passes = as_batch || (stops == Stops::Cuts && c.counted.hour);
    let concerns =
        |trip: &&Trip| trip.stops(stops, c.step.system.as_deref()) && !(passes && trip.kind == TripKind::Threshold);
    if let Some(trip) = c.trips.iter().find(concerns) {
        return Verdict::Hold(trip.hold());
    }
    let (Some(system), Some(tally)) = (&c.step.system, c.tally) else { return Verdict::Proceed };
    let asked = limits::Asked { system, stops, as_batch, counted: c.counted, now: c.now };
    match limits::room(c.limits, tally, &asked) {
        Room::Free => Verdict::Proceed,
        Room::Later => Verdict::Later,
        Room::Unknown(detail) => Verdict::Hold(HoldReason::Guard { name: POPULATION.to_owned(), detail }),
        Room::Breach(kind, words) => Verdict::Trip { kind, stops, words },
    }
}

/// Why it cannot be said that nobody employed has the account.
fn not_departed(c: &Circumstances<'_>) -> Option<String> {
    match (c.book.run.person, c.person) {
        (_, Some(person)) if !person.status.is_departed() => {
            Some(format!("{} is {} now", person.employee_number, person.status.as_str()))
        }
        (Some(_), None) => Some("the person of this run is not known any more".to_owned()),
        (run, _) => {
            let bound = c.account.and_then(|account| account.person_id);
            (bound.is_some() && bound != run).then(|| "the account is bound to somebody else now".to_owned())
        }
    }
}

/// What says that the grace before a purge has not ended. The purge that follows a delete has waited for it; any
/// other needs the inventory's word.
fn grace_problem(step: &Step, account: &Account, now: Timestamp) -> Option<String> {
    match (account.status, account.purge_due) {
        (AccountStatus::Deleted, Some(due)) if due > now.as_millisecond() => {
            Some(format!("its grace period lasts until {}", crate::clock::from_millis(due)))
        }
        (AccountStatus::Deleted, Some(_)) | (AccountStatus::Purged, _) => None,
        _ if step.of.is_some() => None,
        (status, _) => Some(format!("it is {}, and when its grace period ends is not known", status.as_str())),
    }
}

/// An access cut of the run that is neither done nor was found not to be needed. Cuts that come after `step` itself
/// do not count.
pub fn open_cut(book: &Book, step: &Step) -> Option<String> {
    let open = |cut: &&Step| match &cut.state {
        StepState::Done { .. } => false,
        StepState::Skipped { reason, .. } => matches!(reason, SkipReason::ByPerson(_)),
        _ => !before(book, cut).contains(&step.ordinal),
    };
    book.steps.iter().filter(|step| step.action.is_cut()).find(open).map(Step::label)
}

/// What is wrong with the approvals that a destructive step stands behind; `None` when they hold (or there are none).
/// A purge is covered by the approval under which its delete started.
pub fn approval_problem(book: &Book, step: &Step, now: Timestamp) -> Option<String> {
    let covered = is_covered(book, step);
    approvals_before(book, step).into_iter().find_map(|ordinal| {
        let asked = book.step(ordinal)?;
        let Some(approval) = &asked.decision.approval else {
            return Some(format!("{} has not been given", asked.label()));
        };
        if approval.plan_hash != gate_hash(book, ordinal) {
            return Some(format!("{} was given for another plan", asked.label()));
        }
        if covered {
            return None;
        }
        if !matches!(asked.state, StepState::Done { .. }) {
            return Some(format!("{} is {}", asked.label(), asked.state.as_str()));
        }
        (approval.valid_until <= now).then(|| format!("{} lapsed on {}", asked.label(), approval.valid_until))
    })
}

/// What the file says of a deletion whose approval has lapsed. What must be observed first is held in any case.
fn lapsed(c: &Circumstances<'_>, problem: String) -> Verdict {
    let lapses = |ordinal: u16| {
        let asked = c.book.step(ordinal)?;
        let given = asked.decision.approval.as_ref().filter(|given| given.valid_until <= c.now)?;
        let done = matches!(asked.state, StepState::Done { .. }) && given.plan_hash == gate_hash(c.book, ordinal);
        done.then(|| on_lapse(c.book, asked))
    };
    let rule = approvals_before(c.book, c.step).into_iter().find_map(lapses);
    match rule.filter(|_| matches!(c.step.state, StepState::Waiting { .. })) {
        Some(OnLapse::Skip) => Verdict::Skip(SkipReason::Lapsed(problem)),
        Some(OnLapse::AskAgain) => Verdict::WaitAgain,
        Some(OnLapse::Hold) | None => Verdict::Hold(HoldReason::Approval(problem)),
    }
}

/// `on_lapse:` of an approval.
pub(super) fn on_lapse(book: &Book, approval: &Step) -> OnLapse {
    let word = book.definition(approval).and_then(|def| match def.with.get("on_lapse") {
        Some(Param::Template(text)) => Some(serde_json::Value::from(text.source())),
        Some(Param::Literal(word)) => Some(word.clone()),
        _ => None,
    });
    word.and_then(|word| serde_json::from_value(word).ok()).unwrap_or(OnLapse::Hold)
}

/// Why somebody who has approved this step does not count as a second person. A purge is covered by the approval under
/// which its delete started.
fn approver_problem(c: &Circumstances<'_>) -> Option<String> {
    if is_covered(c.book, c.step) {
        return None;
    }
    approvals_before(c.book, c.step).into_iter().find_map(|ordinal| {
        let asked = c.book.step(ordinal)?;
        let given = asked.decision.approval.as_ref()?;
        let problem = c.users.problem(&c.book.run, c.person, &given.by)?;
        Some(format!("{} does not count: {}", asked.label(), problem.why))
    })
}

/// Whether the time of an approval may still run out over something that it gates: it was given, and a deletion behind
/// it has not started.
pub fn may_lapse(book: &Book, approval: &Step) -> bool {
    let open = |step: &&Step| !step.state.is_final() && !is_covered(book, step);
    matches!(approval.state, StepState::Done { .. })
        && approval.decision.approval.is_some()
        && gated(book, approval.ordinal).iter().any(open)
}

/// Whether a step follows a delete, which was approved.
pub(super) fn is_covered(book: &Book, step: &Step) -> bool {
    step.of.and_then(|of| book.step(of)).is_some_and(|delete| delete.action.is_destructive())
}

/// The approvals that a step stands behind. One that was not needed does not count; one that a person left out, or that
/// nobody answered, does.
pub(super) fn approvals_before(book: &Book, step: &Step) -> Vec<u16> {
    let needed = |ordinal: &u16| {
        book.step(*ordinal).is_some_and(|step| {
            let left_out = match &step.state {
                StepState::Skipped { reason, .. } => !matches!(reason, SkipReason::ByPerson(_) | SkipReason::Lapsed(_)),
                _ => false,
            };
            step.action == ActionKind::Approval && !left_out
        })
    };
    before(book, step).into_iter().filter(needed).collect()
}

/// Everything that a step comes after, near and far.
pub(super) fn before(book: &Book, step: &Step) -> BTreeSet<u16> {
    let (mut open, mut seen) = (step.needs.clone(), BTreeSet::new());
    while let Some(ordinal) = open.pop() {
        if seen.insert(ordinal) {
            open.extend(book.step(ordinal).into_iter().flat_map(|need| &need.needs));
        }
    }
    seen
}

/// SHA-256 of what an approval gates: every destructive step behind it with its account, instant, grace and
/// parameters, and the run's inputs.
pub fn gate_hash(book: &Book, approval: u16) -> String {
    let mut sha = Sha256::new();
    let mut field = |text: &str| {
        sha.update((text.len() as u64).to_be_bytes());
        sha.update(text.as_bytes());
    };
    field(&book.run.workflow.version);
    field(&serde_json::to_string(&book.run.inputs).unwrap_or_default());
    for step in gated(book, approval) {
        field(&step.label());
        field(step.action.name());
        field(&step.account.unwrap_or_default().to_string());
        field(&step.at.as_ref().map(|at| at.at.as_millisecond()).unwrap_or_default().to_string());
        field(&step.delay.as_ref().map(ToString::to_string).unwrap_or_default());
    }
    hex::encode(sha.finalize())
}

/// Whether an approval was given for another plan than the one it gates now, with something of it still to come.
pub fn is_stale(book: &Book, approval: &Step) -> bool {
    let open = |step: &&Step| !step.state.is_final();
    approval.action == ActionKind::Approval
        && gated(book, approval.ordinal).iter().any(open)
        && approval.decision.approval.as_ref().is_some_and(|given| given.plan_hash != gate_hash(book, approval.ordinal))
}

/// The destructive steps that stand behind an approval.
pub fn gated(book: &Book, approval: u16) -> Vec<&Step> {
    let destructive = book.steps.iter().filter(|step| step.action.is_destructive());
    destructive.filter(|step| approvals_before(book, step).contains(&approval)).collect()
}

#[cfg(test)]
mod tests;
