//! New inputs for a run under way: what has not started gets the times that follow from them, what is done stays.
//!
//! Moving a step is two things: its own times are set, and it goes back to `blocked`, from where [`advance`] finds out
//! when it is due now. The journal tells both, so a replay ends in the same place.

mod moves;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use self::moves::{Move, moves, reopened};
use super::advance::{advance, waits_for};
use super::book::{Book, Step};
use super::business::Holidays;
use super::capability::Capability;
use super::guard;
use super::inputs::{EventFacts, resolve_inputs};
use super::journal::{self, Fact};
use super::orders::{Refusal, live};
use super::plan::{Plan, PlannedStep};
use super::planning::{PlanError, PlanRequest, retime};
use super::policy::Policy;
use super::prepare::{RunFacts, scope};
use super::rules::Rules;
use super::state::{HoldReason, IllegalTransition, StepEvent, StepState};
use super::subject::Subject;

/// What is asked of a run.
#[derive(Clone, Copy, Debug)]
pub struct NewInputs<'a> {
    /// Inputs that a person gives; all others stay as they are.
    pub given: &'a BTreeMap<String, Value>,
    /// What HR says, where HR asks: it counts for the inputs that the file takes from events.
    pub event: Option<&'a EventFacts>,
    /// Who or what the run is about, as known now.
    pub subject: &'a Subject,
    /// The configured calendars and policies.
    pub rules: &'a Rules,
    /// Why, where somebody said so.
    pub reason: Option<&'a str>,
}

/// A step whose time is another now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// Its label.
    pub step: String,
    /// When it was due, or due at the earliest.
    pub from: Option<Timestamp>,
    /// When it is now; `None` where it is left out.
    pub to: Option<Timestamp>,
}

/// What a reschedule changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rescheduled {
    /// Inputs with another value.
    pub inputs: Vec<String>,
    /// Steps with another time, by ordinal.
    pub shifts: Vec<Shift>,
}

impl Rescheduled {
    /// Whether everything was so already.
    pub fn is_nothing(&self) -> bool {
        self.inputs.is_empty() && self.shifts.is_empty()
    }
}

/// Why a run cannot be rescheduled. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRescheduled {
    /// The run's state forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The inputs are wrong, or give no times.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Access that is cut would be cut only later.
    #[error(
        "{run} has closed access already, or may have: {}; by the new inputs that would come later, and what is done is not moved",
        steps.join(", ")
    )]
    CutDone {
        /// The run.
        run: String,
        /// The cuts.
        steps: Vec<String>,
    },
}

impl From<IllegalTransition> for NotRescheduled {
    fn from(illegal: IllegalTransition) -> Self {
        Self::Refused(illegal.into())
    }
}

/// Gives a run new inputs, and what has not started its new times. Everything that follows from it follows.
///
/// # Errors
/// [`NotRescheduled`]; the book is as it was.
pub fn reschedule(
    book: &mut Book,
    new: &NewInputs<'_>,
    by: &Arc<str>,
    now: Timestamp,
) -> Result<Rescheduled, NotRescheduled> {
    live(book)?;
    let inputs = inputs(book, new)?;
    let holidays = new.rules.holidays_of(&book.run.workflow);
    let policy = new.rules.policy(book.run.workflow.policy.as_deref()).cloned().unwrap_or_default();
    let request = PlanRequest {
        workflow: &book.run.workflow,
        subject: new.subject,
        systems: &[],
        inputs: &BTreeMap::new(),
        event: None,
        start: book.run.start,
        default_zone: &book.run.zone,
        holidays,
        policy: &policy,
        mail: false,
    };
    let retimed = retime(&request, &book.run.inputs, &inputs, now)?;
    let steps = reopened(book, &retimed, now);
    if !steps.is_empty() {
        return Err(NotRescheduled::CutDone { run: book.run.public_id(), steps });
    }
    let moves = moves(book, &retimed, now);
    let changed = changed(&book.run.inputs, &inputs);
    if changed.is_empty() && moves.is_empty() {
        return Ok(Rescheduled::default());
    }
    let before: Vec<Option<Timestamp>> = book.steps.iter().map(expected).collect();
    let mut after = book.clone();
    carry_out(&mut after, inputs, moves, new.reason, by, now)?;
    advance(&mut after, holidays, by, now)?;
    // HR's word is followed even where it leads beyond the policy: what has not begun is judged again at its claim.
    if new.event.is_none() {
        judge(&after, new.subject, &policy, holidays)?;
    }
    *book = after;
    let shifts = book.steps.iter().zip(before).filter_map(|(step, from)| {
        let to = expected(step);
        (from != to).then(|| Shift { step: step.label(), from, to })
    });
    Ok(Rescheduled { inputs: changed, shifts: shifts.collect() })
}

/// The run's inputs with what is new, checked like those of a new run. What nobody mentions keeps its value, even where
/// a default would be another one today.
fn inputs(book: &Book, new: &NewInputs<'_>) -> Result<Map<String, Value>, PlanError> {
    let workflow = &book.run.workflow;
    let mut given: BTreeMap<String, Value> = book.run.inputs.clone().into_iter().collect();
    let from_event = |name: &str| {
        let from = workflow.input(name)?.from.as_deref()?;
        new.event?.fact(from)
    };
    for (name, value) in &mut given {
        if let Some(told) = from_event(name) {
            *value = told;
        }
    }
    given.extend(new.given.clone());
    let facts = RunFacts { id: Some(book.run.public_id()), workflow: workflow.name.clone(), started: book.run.start };
    let mut scope = scope(new.subject, &Map::new(), None, &facts);
    resolve_inputs(workflow, &given, None, &mut scope).map_err(PlanError::Inputs)
}

fn changed(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    after.iter().filter(|(name, value)| before.get(*name) != Some(*value)).map(|(name, _)| name.clone()).collect()
}

fn carry_out(
    book: &mut Book,
    inputs: Map<String, Value>,
    moves: Vec<Move>,
    reason: Option<&str>,
    by: &Arc<str>,
    now: Timestamp,
) -> Result<(), IllegalTransition> {
    let times = |to: &Move| journal::Retimed { ordinal: to.ordinal, at: to.at.clone(), delay: to.delay.clone() };
    let moved = moves.iter().map(times).collect();
    book.run.inputs.clone_from(&inputs);
    let fact = Fact::Rescheduled { inputs: Value::Object(inputs), moved, reason: reason.map(str::to_owned) };
    book.say(None, fact, by, now);
    let mut moved = BTreeSet::new();
    for to in moves {
        if let Some(step) = book.steps.get_mut(usize::from(to.ordinal)) {
            step.at = to.at;
            step.delay = to.delay;
            step.decision.late = to.late;
            book.dirty.insert(to.ordinal);
        }
        match to.skip {
            Some(reason) => book.apply(to.ordinal, StepEvent::Skipped { at: now, reason }, by, now)?,
            None => drop(moved.insert(to.ordinal)),
        }
    }
    find_out_anew(book, moved, by, now)
}

/// Sends back to `blocked` what has new times, what was approved for another plan, and what comes after these.
fn find_out_anew(
    book: &mut Book,
    moved: BTreeSet<u16>,
    by: &Arc<str>,
    now: Timestamp,
) -> Result<(), IllegalTransition> {
    let mut touched = moved.clone();
    for ordinal in (0..book.steps.len()).filter_map(|index| u16::try_from(index).ok()) {
        let Some(step) = book.step(ordinal) else { continue };
        let behind = step.needs.iter().any(|need| touched.contains(need));
        let stale = guard::is_stale(book, step);
        if stale || (moved.contains(&ordinal) && has_new_time(step)) || (behind && waits_again(book, step)) {
            book.apply(ordinal, StepEvent::Reblocked, by, now)?;
            touched.insert(ordinal);
        } else if behind && matches!(step.state, StepState::Blocked | StepState::Skipped { .. }) {
            touched.insert(ordinal);
        }
    }
    Ok(())
}

/// Whether a moved step stands where its time counts. One that HR has stopped gets its new time and stays stopped; an
/// approval that still is for this plan stays given.
fn has_new_time(step: &Step) -> bool {
    match &step.state {
        StepState::Waiting { .. } | StepState::AwaitingApproval | StepState::AwaitingPerson { .. } => true,
        StepState::Held { reason, observe: false } => !matches!(reason, HoldReason::Hr(_)),
        StepState::Skipped { reason, .. } => reason.may_change(),
        _ => false,
    }
}

/// Whether a step that was ready comes after one that is not over any more (or, for a cut, has another time).
fn waits_again(book: &Book, step: &Step) -> bool {
    let ready = match &step.state {
        StepState::Waiting { .. } => step.attempts == 0,
        StepState::AwaitingApproval => true,
        StepState::Held { reason, observe: false } => !matches!(reason, HoldReason::Hr(_)),
        _ => false,
    };
    ready && !waits_for(book, step).is_empty()
}

/// What a person asks for must be allowed, as for a new run.
fn judge(book: &Book, subject: &Subject, policy: &Policy, holidays: &Holidays) -> Result<(), PlanError> {
    let run = &book.run;
    let facts = RunFacts { id: Some(run.public_id()), workflow: run.workflow.name.clone(), started: run.start };
    let plan = Plan {
        workflow: run.workflow.name.clone(),
        version: run.workflow.version.clone(),
        subject: run.subject,
        zone: run.zone.clone(),
        start: run.start,
        inputs: run.inputs.clone(),
        urgent: run.workflow.urgent,
        steps: book.steps.iter().map(planned).collect(),
    };
    policy.judge(&run.workflow, &plan, &scope(subject, &run.inputs, None, &facts), holidays)
}

/// A step as a plan has it.
fn planned(step: &Step) -> PlannedStep {
    let skip = match &step.state {
        StepState::Skipped { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    PlannedStep {
        ordinal: step.ordinal,
        name: step.name.clone(),
        action: step.action,
        system: step.system.clone(),
        account: step.account,
        needs: step.needs.clone(),
        at: step.at.clone(),
        delay: step.delay.clone(),
        of: step.of,
        undoes: step.undoes,
        late: None,
        capability: Capability::Supported,
        when: None,
        skip,
    }
}

/// When a step is due, or due at the earliest, as far as that is known.
fn expected(step: &Step) -> Option<Timestamp> {
    match &step.state {
        StepState::Skipped { .. } | StepState::Cancelled => None,
        StepState::Waiting { due } => Some(*due),
        StepState::Blocked => step.at.as_ref().map(|at| at.at),
        _ => step.first_due.or(step.at.as_ref().map(|at| at.at)),
    }
}

#[cfg(test)]
mod tests;
