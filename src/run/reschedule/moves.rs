//! Which steps of a run other times are for, and which they may not be for.

use jiff::Timestamp;

use crate::run::book::{Book, Step};
use crate::run::plan::{Lateness, LocalInstant};
use crate::run::planning::{END, PURGE, Retimed};
use crate::run::state::{SkipReason, StepState};
use crate::workflow::{ActionKind, Span};

/// Cuts that are done, or may be, whose time would lie ahead.
pub(super) fn reopened(book: &Book, retimed: &Retimed, now: Timestamp) -> Vec<String> {
    let ahead = |step: &&Step| {
        let at = retimed.steps.get(&step.name).and_then(|timing| timing.at.as_ref());
        at.is_some_and(|at| at.at > now)
    };
    book.steps.iter().filter(|step| step.action.is_cut() && has_begun(step)).filter(ahead).map(Step::label).collect()
}

/// What a step is to become.
pub(super) struct Move {
    pub(super) ordinal: u16,
    pub(super) at: Option<LocalInstant>,
    pub(super) delay: Option<Span>,
    pub(super) late: bool,
    pub(super) skip: Option<SkipReason>,
}

pub(super) fn moves(book: &Book, retimed: &Retimed, now: Timestamp) -> Vec<Move> {
    let moves = book.steps.iter().filter_map(|step| new_times(book, step, retimed, now));
    moves.filter(|to| book.step(to.ordinal).is_some_and(|step| differs(step, to))).collect()
}

fn differs(step: &Step, to: &Move) -> bool {
    let left_out = matches!(step.state, StepState::Skipped { .. });
    step.at != to.at || step.delay != to.delay || to.skip.is_some() != left_out
}

/// The times of a step that has not started, where the new inputs give it any.
fn new_times(book: &Book, step: &Step, retimed: &Retimed, now: Timestamp) -> Option<Move> {
    let timing = retimed.steps.get(step.file_name())?;
    let follows = step.of.and_then(|of| book.step(of));
    let to = match follows {
        None if step.name != step.file_name() => return None,
        None => Move {
            ordinal: step.ordinal,
            at: timing.at.clone(),
            delay: timing.delay.clone(),
            late: timing.late == Some(Lateness::Held),
            skip: timing.skip.clone(),
        },
        Some(of) => {
            let at = match step.name.ends_with(END) {
                true => timing.end.clone(),
                false => purge_at(step, of, timing.grace.as_ref(), retimed),
            };
            let delay = if step.name.ends_with(PURGE) { timing.grace.clone() } else { None };
            // An effect that never began has no end.
            let begun = has_begun(of);
            Move { ordinal: step.ordinal, at, delay, late: false, skip: timing.skip.clone().filter(|_| !begun) }
        }
    };
    movable(step, &to, now).then_some(to)
}

/// Whether a step has, or may have had, its effect.
fn has_begun(step: &Step) -> bool {
    matches!(
        step.state,
        StepState::Done { .. }
            | StepState::Leased { .. }
            | StepState::Unknown { .. }
            | StepState::Held { observe: true, .. }
    )
}

/// A purge whose grace becomes shorter is not early because of it: what is gone for good comes a week from now at the
/// earliest.
fn purge_at(step: &Step, delete: &Step, grace: Option<&Span>, retimed: &Retimed) -> Option<LocalInstant> {
    let deleted = matches!(delete.state, StepState::Done { .. });
    if deleted && grace != step.delay.as_ref() { Some(retimed.earliest.clone()) } else { step.at.clone() }
}

/// Whether a step has not started. One that is being tried again, or that a person has been asked to do, stays so
/// unless its time is to come again.
fn movable(step: &Step, to: &Move, now: Timestamp) -> bool {
    let to_come = to.at.as_ref().is_some_and(|at| at.at > now);
    match &step.state {
        StepState::Blocked | StepState::Held { observe: false, .. } | StepState::AwaitingApproval => true,
        StepState::Waiting { .. } => step.attempts == 0 || to_come,
        StepState::AwaitingPerson { .. } => to_come,
        StepState::Skipped { reason, .. } => to.skip.is_none() && reason.may_change(),
        StepState::Done { .. } => step.action == ActionKind::Approval,
        _ => false,
    }
}
