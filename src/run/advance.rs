//! What follows from what has happened: which steps become due, which are no longer needed, where the run stands.
//!
//! [`advance`] is called in the same transaction as every change to a run and is a fixed point: calling it again
//! changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::book::{Book, MOST_STEPS, Step};
use super::business::Holidays;
use super::capability::Capability;
use super::instant::{after_delay, zone};
use super::journal::tell_with_the_plan;
use super::plan::PlannedStep;
use super::state::{HoldReason, IllegalTransition, RunState, SkipReason, StepEvent, StepState};
use crate::clock::plus;
use crate::workflow::{ActionKind, OnFailure};

/// How long an access cut waits for the cut before it.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Behind the name of a revocation that happens once more.
const AGAIN: &str = ".again";

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
        return stay_cancelled(book, actor, now);
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
    super::answers::give_time(book, holidays, now);
    let state = run_state(book);
    book.set_state(state, None, actor, now);
    Ok(())
}

/// An attempt that was under way when its run was cancelled has no successor (guarantee 8).
fn stay_cancelled(book: &mut Book, actor: &Arc<str>, now: Timestamp) -> Result<(), IllegalTransition> {
    let ended = |step: &&Step| !step.state.is_final() && !matches!(step.state, StepState::Leased { .. });
    let open: Vec<u16> = book.steps.iter().filter(ended).map(|step| step.ordinal).collect();
    open.into_iter().try_for_each(|ordinal| book.apply(ordinal, StepEvent::Cancelled, actor, now))
}

fn follow(book: &Book, step: &Step, holidays: &Holidays, now: Timestamp) -> Option<StepEvent> {
    match &step.state {
        StepState::Blocked => unblock(book, step, holidays, now),
        // A cut that nobody has touched moves forward when the one before it is done sooner than was feared.
        StepState::Waiting { due } if step.attempts == 0 && step.action.is_cut() && step.first_due == Some(*due) => {
            let proper = ready(book, step, holidays).filter(|proper| proper < due)?;
            Some(StepEvent::Moved { due: proper })
        }
        StepState::Held { reason: HoldReason::CutOpen(_), .. } => {
            let free = super::guard::open_cut(book, step).is_none();
            free.then(|| StepEvent::Released { due: step.not_before(now) })
        }
        StepState::Held { reason: HoldReason::Approval(_), .. } => {
            let free = super::guard::approval_problem(book, step, now).is_none();
            free.then(|| StepEvent::Released { due: step.not_before(now) })
        }
        _ => None,
    }
}

fn unblock(book: &Book, step: &Step, holidays: &Holidays, now: Timestamp) -> Option<StepEvent> {
    if let Some(of) = step.of.and_then(|of| book.step(of))
        && let StepState::Skipped { .. } = of.state
    {
        let why = SkipReason::NotNeeded(format!("{} was left out", of.label()));
        return Some(StepEvent::Skipped { at: now, reason: why });
    }
    ready(book, step, holidays).map(|due| StepEvent::Ready { due })
}

/// When a step is due, as far as can be said: what it waits for is over, or it is a cut behind cuts, whose patience
/// ends.
fn ready(book: &Book, step: &Step, holidays: &Holidays) -> Option<Timestamp> {
    let patience = |need: &Step| match passed(book, need) {
        None if need.action.is_cut() => Some(plus(need.first_due?, PATIENCE)),
        end => end,
    };
    let end = ended(book, step, |need| passed(book, need))
        .or_else(|| step.action.is_cut().then(|| ended(book, step, patience)).flatten())?;
    let after = match &step.delay {
        Some(delay) => after_delay(end, delay, &zone(&book.run.zone).ok()?, holidays, step.action.is_destructive()),
        None => end,
    };
    Some(step.at.as_ref().map_or(after, |at| at.at.max(after)))
}

/// The end of all that a step waits for, each by `end_of`; `None` while one has no end. A step that was left out is
/// over at once, so whoever waits for it waits for what it would have waited for too.
fn ended(book: &Book, step: &Step, end_of: impl Fn(&Step) -> Option<Timestamp>) -> Option<Timestamp> {
    let (mut open, mut seen, mut end) = (step.needs.clone(), BTreeSet::new(), book.run.start);
    while let Some(ordinal) = open.pop() {
        if !seen.insert(ordinal) {
            continue;
        }
        let need = book.step(ordinal)?;
        end = end.max(end_of(need)?);
        if let StepState::Skipped { .. } = need.state {
            open.extend(&need.needs);
        }
    }
    Some(end)
}

/// When a step let those behind it pass; `None` while it does not.
fn passed(book: &Book, step: &Step) -> Option<Timestamp> {
    match &step.state {
        StepState::Done { at, .. } | StepState::Skipped { at, .. } => Some(*at),
        StepState::Failed { at, .. } if goes_on_after_failure(book, step) => Some(*at),
        _ => None,
    }
}

/// The steps that keep a step waiting: those it comes after, through what was left out, that do not let it pass yet.
pub fn waits_for<'a>(book: &'a Book, step: &Step) -> Vec<&'a Step> {
    let (mut open, mut seen, mut found) = (step.needs.clone(), BTreeSet::new(), Vec::new());
    while let Some(ordinal) = open.pop() {
        let Some(need) = book.step(ordinal).filter(|_| seen.insert(ordinal)) else { continue };
        match need.state {
            StepState::Skipped { .. } => open.extend(&need.needs),
            _ if passed(book, need).is_none() => found.push(need),
            _ => {}
        }
    }
    found.sort_by_key(|need| need.ordinal);
    found
}

/// Whether the file lets the steps behind a failed one go on.
pub fn goes_on_after_failure(book: &Book, step: &Step) -> bool {
    book.definition(step).is_some_and(|def| def.on_failure == Some(OnFailure::Continue))
}

/// Sessions opened between a revocation and a cut that came after it are revoked once more.
fn revoke_again(book: &Book) -> Option<PlannedStep> {
    if book.steps.len() >= MOST_STEPS {
        return None;
    }
    // The latest first: what was revoked once more is not revoked once more for the same cut.
    let revocations = book.steps.iter().rev().filter(|step| step.action == ActionKind::SessionsRevoke);
    revocations.into_iter().find_map(|revoke| {
        let StepState::Done { at: revoked, .. } = revoke.state else { return None };
        let (late, at) = late_cut(book, revoke, revoked)?;
        let covered = book.steps.iter().any(|other| covers(other, revoke, at));
        if covered { None } else { again(book, revoke, late) }
    })
}

/// The last of the cuts before a revocation that were done after it.
fn late_cut<'a>(book: &'a Book, revoke: &Step, revoked: Timestamp) -> Option<(&'a Step, Timestamp)> {
    let done = cuts_before(book, revoke).into_iter().filter_map(|cut| match cut.state {
        StepState::Done { at, .. } if at > revoked => Some((cut, at)),
        _ => None,
    });
    done.max_by_key(|(_, at)| *at)
}

/// Whether `other` has revoked the same sessions after `at`, or will (an account has one attempt at a time, so none
/// under way began before the cut was done), or was kept from it by a person.
fn covers(other: &Step, revoke: &Step, at: Timestamp) -> bool {
    let same = other.action == revoke.action && other.account == revoke.account && other.system == revoke.system;
    same && other.ordinal > revoke.ordinal
        && match &other.state {
            StepState::Done { at: revoked, .. } => *revoked >= at,
            _ => other.name.ends_with(AGAIN),
        }
}

fn again(book: &Book, revoke: &Step, late: &Step) -> Option<PlannedStep> {
    let before =
        book.steps.iter().filter(|step| step.system == revoke.system && step.file_name() == revoke.file_name());
    Some(PlannedStep {
        ordinal: u16::try_from(book.steps.len()).ok()?,
        name: format!("{}{}", revoke.file_name(), AGAIN.repeat(before.count())),
        action: revoke.action,
        system: revoke.system.clone(),
        account: revoke.account,
        needs: vec![revoke.ordinal, late.ordinal],
        at: None,
        delay: None,
        of: None,
        undoes: None,
        late: None,
        capability: Capability::Supported,
        when: None,
        skip: None,
    })
}

/// The cuts that a step comes after, near and far; a revocation opens no sessions.
fn cuts_before<'a>(book: &'a Book, step: &Step) -> Vec<&'a Step> {
    let mut open = step.needs.clone();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    while let Some(ordinal) = open.pop() {
        if let Some(need) = book.step(ordinal).filter(|_| seen.insert(ordinal)) {
            if need.action.is_cut() && need.action != step.action {
                found.push(need);
            }
            open.extend(&need.needs);
        }
    }
    found
}

/// Whether a finished step's effect is still in force: it can be taken back, and its ending has not run.
pub fn lasting(book: &Book, step: &Step) -> bool {
    let done = |step: &Step| matches!(step.state, StepState::Done { .. });
    let ended = book.steps.iter().any(|other| other.of == Some(step.ordinal) && done(other));
    done(step) && step.action.inverse().is_some() && !ended && step.of.is_none()
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
                | StepState::Skipped { reason: SkipReason::ByPerson(_) | SkipReason::Lapsed(_), .. }
        )
    });
    match (over, attention) {
        // A paused run stays paused while anything can still be tried again in it.
        (false, _) | (_, true) if book.run.state == RunState::Paused => RunState::Paused,
        (_, true) => RunState::NeedsAttention,
        (false, false) => RunState::Open,
        (true, false) if exception => RunState::ClosedWithExceptions,
        (true, false) => RunState::Completed,
    }
}

/// Brings a fresh run to life: what the plan already settled is said, then everything follows, and all of it is told with
/// the plan where that was said before.
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
    advance(book, holidays, actor, now)?;
    tell_with_the_plan(&mut book.said);
    Ok(())
}

#[cfg(test)]
mod tests;
