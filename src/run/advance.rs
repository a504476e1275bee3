//! What follows from what has happened: which steps become due, which are no longer needed, where the run stands.
//!
//! [`advance`] is called in the same transaction as every change to a run and is a fixed point: calling it again
//! changes nothing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::book::{Book, Step};
use super::business::Holidays;
use super::capability::Capability;
use super::instant::{after_delay, zone};
use super::plan::PlannedStep;
use super::state::{HoldReason, IllegalTransition, RunState, SkipReason, StepEvent, StepState};
use crate::clock::plus;
use crate::workflow::{ActionKind, Late, OnFailure};

/// How long an access cut waits for the cut before it.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Lets everything follow that can follow without a target, a person or the passing of time.
///
/// # Errors
/// Only when the transition table forbids what the rules here ask for, which is a mistake in the rules.
pub fn advance(
    book: &mut Book,
    holidays: &Holidays,
    actor: &Arc<str>,
    now: Timestamp,
) -> Result<(), IllegalTransition> {
    if book.run.state == RunState::Cancelled {
        return Ok(());
    }
    loop {
        let mut events = Vec::new();
        for step in &book.steps {
            if let Some(event) = follow(book, step, holidays, now) {
                events.push((step.ordinal, event));
            }
        }
        let added = revoke_again(book);
        if events.is_empty() && added.is_none() {
            break;
        }
        for (ordinal, event) in events {
            book.apply(ordinal, event, actor, now)?;
        }
        if let Some(step) = added {
            book.add(step, "a cut before it was done after it", actor, now);
        }
    }
    let state = run_state(book);
    book.set_state(state, None, actor, now);
    Ok(())
}

fn follow(book: &Book, step: &Step, holidays: &Holidays, now: Timestamp) -> Option<StepEvent> {
    match &step.state {
        StepState::Blocked => unblock(book, step, holidays, now),
        StepState::Waiting { due } if step.attempts == 0 && step.action.is_cut() => {
            let proper = due_when_passed(book, step, holidays)?;
            (proper < *due && step.first_due == Some(*due)).then_some(StepEvent::Moved { due: proper })
        }
        StepState::Held { reason: HoldReason::CutOpen(_), .. } => {
            super::guard::open_cut(book).is_none().then_some(StepEvent::Released { due: now })
        }
        StepState::Held { reason: HoldReason::Approval(_), .. } => {
            super::guard::approval_problem(book, step, now).is_none().then_some(StepEvent::Released { due: now })
        }
        _ => None,
    }
}

fn unblock(book: &Book, step: &Step, holidays: &Holidays, now: Timestamp) -> Option<StepEvent> {
    if let Some(of) = step.of.and_then(|of| book.step(of)) {
        if let StepState::Skipped { .. } = of.state {
            let why = SkipReason::NotNeeded(format!("{} was left out", of.label()));
            return Some(StepEvent::Skipped { at: now, reason: why });
        }
    }
    if let Some(due) = due_when_passed(book, step, holidays) {
        return Some(StepEvent::Ready { due });
    }
    patience(book, step).map(|due| StepEvent::Ready { due })
}

/// The due time of a step whose needs have all passed; `None` while one has not.
fn due_when_passed(book: &Book, step: &Step, holidays: &Holidays) -> Option<Timestamp> {
    let mut end = book.run.start;
    for need in &step.needs {
        end = end.max(passed(book, book.step(*need)?)?);
    }
    let after = match &step.delay {
        Some(delay) => after_delay(end, delay, &zone(&book.run.zone).ok()?, holidays, step.action.is_destructive()),
        None => end,
    };
    Some(step.at.as_ref().map_or(after, |at| at.at.max(after)))
}

/// When a step let those behind it pass; `None` while it does not.
fn passed(book: &Book, step: &Step) -> Option<Timestamp> {
    match &step.state {
        StepState::Done { at, .. } | StepState::Skipped { at, .. } => Some(*at),
        StepState::Failed { at, .. } if goes_on_after_failure(book, step) => Some(*at),
        _ => None,
    }
}

/// Whether the file lets the steps behind a failed one go on.
pub fn goes_on_after_failure(book: &Book, step: &Step) -> bool {
    book.definition(step).is_some_and(|def| def.on_failure == Some(OnFailure::Continue))
}

/// The latest time a cut waits to, where only cuts stand before it.
fn patience(book: &Book, step: &Step) -> Option<Timestamp> {
    if !step.action.is_cut() {
        return None;
    }
    let mut latest = step.at.as_ref().map(|at| at.at);
    for need in &step.needs {
        let need = book.step(*need)?;
        let until = match passed(book, need) {
            Some(end) => end,
            None if need.action.is_cut() => plus(need.first_due?, PATIENCE),
            None => return None,
        };
        latest = latest.max(Some(until));
    }
    latest
}

/// Sessions opened between a revocation and a cut that came after it are revoked once more.
fn revoke_again(book: &Book) -> Option<PlannedStep> {
    let revocations = || book.steps.iter().filter(|s| s.action == ActionKind::SessionsRevoke);
    for revoke in revocations() {
        let StepState::Done { at: revoked, .. } = revoke.state else { continue };
        let late = cuts_before(book, revoke)
            .into_iter()
            .find(|cut| matches!(cut.state, StepState::Done { at, .. } if at > revoked));
        let Some(late) = late else { continue };
        let covered = revocations().any(|other| {
            other.ordinal > revoke.ordinal && other.account == revoke.account && other.system == revoke.system
        });
        if covered {
            continue;
        }
        return Some(PlannedStep {
            ordinal: u16::try_from(book.steps.len()).ok()?,
            name: format!("{}.again", revoke.file_name()),
            action: revoke.action,
            system: revoke.system.clone(),
            account: revoke.account,
            needs: vec![revoke.ordinal, late.ordinal],
            at: None,
            delay: None,
            of: None,
            late: None,
            capability: Capability::Supported,
            when: None,
            skip: None,
        });
    }
    None
}

/// The cuts that a step comes after, near and far.
fn cuts_before<'a>(book: &'a Book, step: &Step) -> Vec<&'a Step> {
    let mut open = step.needs.clone();
    let mut found = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(ordinal) = open.pop() {
        if let Some(need) = book.step(ordinal).filter(|_| seen.insert(ordinal)) {
            if need.action.is_cut() {
                found.push(need);
            }
            open.extend(&need.needs);
        }
    }
    found
}

/// Where the run stands, from where its steps stand.
pub fn run_state(book: &Book) -> RunState {
    if book.run.state == RunState::Cancelled {
        return RunState::Cancelled;
    }
    let over = book.steps.iter().all(|step| step.state.is_final());
    let attention = book.steps.iter().any(|step| match &step.state {
        StepState::Held { reason, .. } => !matches!(reason, HoldReason::Paused),
        StepState::Failed { .. } => !goes_on_after_failure(book, step),
        _ => false,
    });
    let exception = book.steps.iter().any(|step| {
        matches!(
            step.state,
            StepState::Failed { .. }
                | StepState::Cancelled
                | StepState::Skipped { reason: SkipReason::ByPerson(_), .. }
        )
    });
    match (over, attention) {
        (false, _) if book.run.state == RunState::Paused => RunState::Paused,
        (_, true) => RunState::NeedsAttention,
        (false, false) => RunState::Open,
        (true, false) if exception => RunState::ClosedWithExceptions,
        (true, false) => RunState::Completed,
    }
}

/// Brings a fresh run to life: what the plan already settled is said, then everything follows.
///
/// # Errors
/// As [`advance`].
pub fn begin(
    book: &mut Book,
    plan: &[PlannedStep],
    holidays: &Holidays,
    actor: &Arc<str>,
    now: Timestamp,
) -> Result<(), IllegalTransition> {
    for planned in plan {
        if let Some(reason) = &planned.skip {
            book.apply(planned.ordinal, StepEvent::Skipped { at: now, reason: reason.clone() }, actor, now)?;
        }
    }
    advance(book, holidays, actor, now)
}

/// Whether the file says that this step, being late, waits for a person.
pub fn held_for_lateness(book: &Book, step: &Step) -> bool {
    let late = step.at.as_ref().is_some_and(|at| at.at < book.run.start);
    late && step.attempts == 0 && book.definition(step).is_some_and(|def| def.late == Late::Hold)
}
