//! What a person may order of a run: pure, under the run's lock, journalled with who and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::advance::lasting;
use super::answers;
use super::book::{Approval, Book, Step};
use super::business::Holidays;
use super::capability::{Evidence, EvidenceKind};
use super::guard;
use super::journal::Fact;
use super::manager;
use super::state::{HoldReason, IllegalTransition, RunState, SkipReason, StepEvent, StepState};
use super::subject::Person;
use super::two_people::{NotTheirs, Users};
use crate::workflow::ActionKind;

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A rule forbids it.
    #[error("{0}")]
    Rule(String),
    /// It takes somebody else.
    #[error("{}", .0.why)]
    NotTheirs(NotTheirs),
    /// A state does not allow it.
    #[error(transparent)]
    State(#[from] IllegalTransition),
}

fn rule<T>(words: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Rule(words.into()))
}

/// What a cancelled run leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cancelled {
    /// Attempts under way, or whose end nobody knows: they may have, or still have, their effect.
    pub in_flight: Vec<String>,
    /// Effects that stay, and that nothing will end now.
    pub stays: Vec<String>,
}

/// Cancels a run: nothing of it starts any more.
///
/// # Errors
/// When the run is over.
pub fn cancel(book: &mut Book, reason: &str, by: &Arc<str>, now: Timestamp) -> Result<Cancelled, Refusal> {
    live(book)?;
    let mut left = Cancelled::default();
    let mut open = Vec::new();
    for step in &book.steps {
        match &step.state {
            StepState::Leased { .. } | StepState::Unknown { .. } | StepState::Held { observe: true, .. } => {
                left.in_flight.push(step.label());
            }
            _ if lasting(book, step) => left.stays.push(step.label()),
            _ => {}
        }
        if !step.state.is_final() && !matches!(step.state, StepState::Leased { .. }) {
            open.push(step.ordinal);
        }
    }
    book.set_state(RunState::Cancelled, Some(reason.to_owned()), by, now);
    for ordinal in open {
        book.apply(ordinal, StepEvent::Cancelled, by, now)?;
    }
    Ok(left)
}

/// Pauses a run; answers what is in flight.
///
/// # Errors
/// When the run is over or paused already.
pub fn pause(book: &mut Book, reason: &str, by: &Arc<str>, now: Timestamp) -> Result<Vec<String>, Refusal> {
    live(book)?;
    if book.run.state == RunState::Paused {
        return rule(format!("{} is paused already", book.run.public_id()));
    }
    book.set_state(RunState::Paused, Some(reason.to_owned()), by, now);
    let leased = book.steps.iter().filter(|step| matches!(step.state, StepState::Leased { .. }));
    Ok(leased.map(Step::label).collect())
}

/// Lets a paused run go on; answers how many steps had been stopped by the pause.
///
/// # Errors
/// When the run is not paused.
pub fn resume(book: &mut Book, reason: &str, by: &Arc<str>, now: Timestamp) -> Result<usize, Refusal> {
    if book.run.state != RunState::Paused {
        return rule(format!("{} is {}, not paused", book.run.public_id(), book.run.state.as_str()));
    }
    book.set_state(RunState::Open, Some(reason.to_owned()), by, now);
    let paused = |step: &&Step| matches!(&step.state, StepState::Held { reason: HoldReason::Paused, .. });
    let stopped: Vec<u16> = book.steps.iter().filter(paused).map(|step| step.ordinal).collect();
    for ordinal in &stopped {
        book.apply(*ordinal, StepEvent::Released { due: now }, by, now)?;
    }
    Ok(stopped.len())
}

/// What a run must not do any more by HR's word, and what of it was under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Destructive steps that are held.
    pub held: Vec<String>,
    /// Destructive attempts under way: they may still have their effect.
    pub in_flight: Vec<String>,
}

/// Holds every destructive step that is still to come: HR has taken back what it was planned for.
///
/// # Errors
/// Only when the transition table forbids it, which is a mistake in the rules.
pub fn hold_for_hr(book: &mut Book, why: &str, by: &Arc<str>, now: Timestamp) -> Result<Stopped, Refusal> {
    let mut stopped = Stopped::default();
    let mut hold = Vec::new();
    for step in book.steps.iter().filter(|step| step.action.is_destructive()) {
        match &step.state {
            StepState::Leased { .. } => stopped.in_flight.push(step.label()),
            state if state.is_final() => {}
            StepState::Held { reason: HoldReason::Hr(_), .. } => stopped.held.push(step.label()),
            _ => {
                stopped.held.push(step.label());
                hold.push(step.ordinal);
            }
        }
    }
    for ordinal in hold {
        book.apply(ordinal, StepEvent::Held { reason: HoldReason::Hr(why.to_owned()) }, by, now)?;
    }
    Ok(stopped)
}

/// Lets go what HR's word had held: HR says again what the run is about. Each step is due as its plan says.
///
/// # Errors
/// As [`hold_for_hr`].
pub fn let_go_for_hr(book: &mut Book, by: &Arc<str>, now: Timestamp) -> Result<usize, Refusal> {
    let held = book.steps.iter().filter_map(|step| match &step.state {
        StepState::Held { reason: HoldReason::Hr(_), observe } => Some((step.ordinal, *observe)),
        _ => None,
    });
    let held: Vec<(u16, bool)> = held.collect();
    for (ordinal, observe) in &held {
        let event = if *observe { StepEvent::Released { due: now } } else { StepEvent::Reblocked };
        book.apply(*ordinal, event, by, now)?;
    }
    Ok(held.len())
}

/// Tries a failed or held step again, now.
///
/// # Errors
/// When the step is neither, or waits for something that trying again does not bring.
pub fn retry(book: &mut Book, ordinal: u16, reason: &str, by: &Arc<str>, now: Timestamp) -> Result<(), Refusal> {
    live(book)?;
    let Some(step) = book.step(ordinal) else { return rule("there is no such step") };
    let event = match &step.state {
        StepState::Waiting { .. } | StepState::Unknown { .. } if step.attempts > 0 => {
            StepEvent::Moved { due: step.not_before(now) }
        }
        StepState::Waiting { due } => {
            return rule(format!(
                "it has not been tried yet: it waits for its time, {due}; the plan says when steps run"
            ));
        }
        StepState::Held { reason, observe } => match still_stopped(book, step, reason, now) {
            Some(why) => return rule(why),
            // It may have been stopped before its turn.
            None if matches!(reason, HoldReason::Hr(_)) && !observe => StepEvent::Reblocked,
            None => StepEvent::Released { due: step.not_before(now) },
        },
        _ => StepEvent::Released { due: step.not_before(now) },
    };
    step.state.next(&event)?;
    book.say(Some(ordinal), Fact::Ordered { order: "retry".into(), reason: reason.to_owned() }, by, now);
    Ok(book.apply(ordinal, event, by, now)?)
}

/// What a held step waits for that trying again does not bring, and that lets it go by itself when it comes.
fn still_stopped(book: &Book, step: &Step, reason: &HoldReason, now: Timestamp) -> Option<String> {
    match reason {
        HoldReason::Paused if book.run.state == RunState::Paused => {
            Some(format!("{} is paused; resume it", book.run.public_id()))
        }
        HoldReason::CutOpen(_) => guard::open_cut(book, step)
            .map(|cut| format!("{cut} is not done; {} goes on by itself when it is", step.label())),
        HoldReason::Approval(_) => guard::approval_problem(book, step, now)
            .map(|problem| format!("{problem}; {} goes on by itself when it is approved", step.label())),
        _ => None,
    }
}

/// Leaves a step out. The run then ends as closed with exceptions.
///
/// # Errors
/// When the step is over or an attempt of it is in flight.
pub fn skip(book: &mut Book, ordinal: u16, reason: &str, by: &Arc<str>, now: Timestamp) -> Result<(), Refusal> {
    live(book)?;
    if let Some(StepState::Leased { .. }) = book.step(ordinal).map(|step| &step.state) {
        return rule("an attempt of it is in flight; wait for it to end, or pause the run");
    }
    let open = |step: &&&Step| !matches!(step.state, StepState::Done { .. } | StepState::Skipped { .. });
    if let Some(gated) = guard::gated(book, ordinal).iter().find(open) {
        return rule(format!("{} needs this approval: approve it, deny it, or skip that step too", gated.label()));
    }
    let reason = SkipReason::ByPerson(reason.to_owned());
    Ok(book.apply(ordinal, StepEvent::Skipped { at: now, reason }, by, now)?)
}

/// What is left of a task after somebody reported on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Done.
    Done,
    /// So many points of a checklist are open.
    Open(usize),
}

/// Reports a task done, or points of a checklist (from 1; none named means all).
///
/// # Errors
/// When the step does not wait for a person, or has no such point.
pub fn task_done(
    book: &mut Book,
    ordinal: u16,
    items: &[String],
    ticked: &BTreeSet<usize>,
    words: Option<&str>,
    by: &Arc<str>,
    now: Timestamp,
) -> Result<Progress, Refusal> {
    live(book)?;
    let Some(step) = book.steps.get_mut(usize::from(ordinal)) else { return rule("there is no such step") };
    if !matches!(step.state, StepState::AwaitingPerson { .. }) {
        return rule(format!("{} is {}: it does not wait for a person", step.label(), step.state.as_str()));
    }
    if let Some(wrong) = ticked.iter().find(|item| **item == 0 || **item > items.len()) {
        return rule(format!("there is no point {wrong}; the list has {}", items.len()));
    }
    let now_ticked: BTreeSet<usize> = if ticked.is_empty() { (1..=items.len()).collect() } else { ticked.clone() };
    let fresh: Vec<usize> = now_ticked.difference(&step.decision.ticked).copied().collect();
    step.decision.ticked.extend(&now_ticked);
    let open = items.len().saturating_sub(step.decision.ticked.len());
    book.dirty.insert(ordinal);
    for item in fresh {
        let fact = Fact::Ticked { item, note: words.map(str::to_owned) };
        book.say(Some(ordinal), fact, by, now);
    }
    if open > 0 {
        return Ok(Progress::Open(open));
    }
    let detail = words.map_or_else(|| format!("done, says {by}"), |words| format!("done, says {by}: {words}"));
    let evidence = Evidence { kind: EvidenceKind::Person, detail };
    book.apply(ordinal, StepEvent::PersonDone { at: now, evidence }, by, now)?;
    Ok(Progress::Done)
}

/// Whoever approves, and what they are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Approver<'a> {
    /// Who.
    pub by: &'a Arc<str>,
    /// Which person each user is.
    pub users: &'a Users,
    /// The person the run is about.
    pub subject: Option<&'a Person>,
    /// The batch, where many are approved at once.
    pub batch: Option<&'a str>,
}

/// Approves what stands behind an approval step, bound to the plan as it is now. One that was given may be given again
/// while something that it gates has not started: it lasts longer then. `holidays` are those of the run's calendar:
/// `valid: 2 business days` counts by them.
///
/// # Errors
/// When the step is no approval, is not asked for, it takes somebody else, or the confirmation is not what was asked
/// for.
pub fn approve(
    book: &mut Book,
    ordinal: u16,
    expected: Option<&str>,
    typed: &str,
    approver: &Approver<'_>,
    now: Timestamp,
    holidays: &Holidays,
) -> Result<(), Refusal> {
    may_approve(book, ordinal, approver)?;
    if let Some(expected) = expected.filter(|expected| expected.trim() != typed.trim()) {
        return rule(format!("the confirmation does not match: type exactly `{expected}`"));
    }
    give(book, ordinal, approver, now, holidays)
}

/// Approves as one of a batch, whose count was typed in the place of the names.
///
/// # Errors
/// As [`approve`].
pub fn approve_in_batch(
    book: &mut Book,
    ordinal: u16,
    approver: &Approver<'_>,
    now: Timestamp,
    holidays: &Holidays,
) -> Result<(), Refusal> {
    may_approve(book, ordinal, approver)?;
    give(book, ordinal, approver, now, holidays)
}

fn may_approve(book: &Book, ordinal: u16, approver: &Approver<'_>) -> Result<(), Refusal> {
    live(book)?;
    let Some(step) = book.step(ordinal) else { return rule("there is no such step") };
    if step.action != ActionKind::Approval {
        return rule(format!("{} is no approval; `usher task done` is for tasks", step.label()));
    }
    if !answers::is_asked(step) && !guard::may_lapse(book, step) {
        return rule(format!("{} is {}: no approval is asked for now", step.label(), step.state.as_str()));
    }
    match approver.users.problem(&book.run, approver.subject, approver.by) {
        Some(problem) => Err(Refusal::NotTheirs(problem)),
        None => Ok(()),
    }
}

fn give(
    book: &mut Book,
    ordinal: u16,
    approver: &Approver<'_>,
    now: Timestamp,
    holidays: &Holidays,
) -> Result<(), Refusal> {
    let by = approver.by;
    ask_anew(book, ordinal, by, now)?;
    let plan_hash = guard::gate_hash(book, ordinal);
    let manager = manager::meant(book, approver.subject);
    let Some(step) = book.step(ordinal) else { return rule("there is no such step") };
    let valid_until = answers::ends(book, step, "valid", now, holidays);
    let batch = approver.batch.map(str::to_owned);
    let fact = Fact::Approved { plan_hash: plan_hash.clone(), valid_until, batch: batch.clone() };
    book.say(Some(ordinal), fact, by, now);
    let evidence = Evidence { kind: EvidenceKind::Person, detail: format!("approved by {by} until {valid_until}") };
    book.apply(ordinal, StepEvent::PersonDone { at: now, evidence }, by, now)?;
    if let Some(step) = book.steps.get_mut(usize::from(ordinal)) {
        step.decision.approval = Some(Approval { by: by.to_string(), plan_hash, valid_until, manager, batch });
    }
    Ok(())
}

/// An answer that comes when it is not asked for any more: too late, or to a question that was answered before.
fn ask_anew(book: &mut Book, ordinal: u16, by: &Arc<str>, now: Timestamp) -> Result<(), IllegalTransition> {
    if book.step(ordinal).is_some_and(|step| matches!(step.state, StepState::Held { .. })) {
        book.apply(ordinal, StepEvent::Released { due: now }, by, now)?;
    }
    if book.step(ordinal).is_some_and(|step| step.state != StepState::AwaitingApproval) {
        book.apply(ordinal, StepEvent::ApprovalAsked, by, now)?;
    }
    Ok(())
}

/// Lets the cuts of a run go through although their accounts are protected: one step, or all of them. Answers how many
/// are let through. What destroys is never let through: whoever wants that changes what protects the account.
///
/// # Errors
/// When the run is over, or the one step cuts no access.
pub fn override_protection(
    book: &mut Book,
    only: Option<u16>,
    reason: &str,
    by: &Arc<str>,
    now: Timestamp,
) -> Result<usize, Refusal> {
    live(book)?;
    if let Some(step) = only.and_then(|ordinal| book.step(ordinal)).filter(|step| !step.action.is_cut()) {
        return rule(format!(
            "{} cuts no access, and only that can be let through: make somebody else administrator, or change [protected]",
            step.label()
        ));
    }
    let meant = |step: &&mut Step| step.action.is_cut() && only.is_none_or(|only| only == step.ordinal);
    let mut let_through = Vec::new();
    for step in book.steps.iter_mut().filter(meant) {
        if step.state.is_final() || step.decision.overridden {
            continue;
        }
        step.decision.overridden = true;
        let held = matches!(step.state, StepState::Held { reason: HoldReason::Protected(_), .. });
        let_through.push((step.ordinal, held, step.not_before(now)));
    }
    for (ordinal, held, due) in &let_through {
        book.dirty.insert(*ordinal);
        let fact = Fact::Ordered { order: "override the protection".to_owned(), reason: reason.to_owned() };
        book.say(Some(*ordinal), fact, by, now);
        if *held {
            book.apply(*ordinal, StepEvent::Released { due: *due }, by, now)?;
        }
    }
    Ok(let_through.len())
}

/// Refuses an approval, or says that a task will not be done.
///
/// # Errors
/// When the step does not wait for a person.
pub fn deny(book: &mut Book, ordinal: u16, reason: &str, by: &Arc<str>, now: Timestamp) -> Result<(), Refusal> {
    live(book)?;
    if book.step(ordinal).is_some_and(answers::is_asked) {
        ask_anew(book, ordinal, by, now)?;
    }
    book.apply(ordinal, StepEvent::Refused { at: now, reason: format!("{by}: {reason}") }, by, now)?;
    if let Some(step) = book.steps.get_mut(usize::from(ordinal)) {
        step.decision.approval = None;
    }
    Ok(())
}

pub(super) fn live(book: &Book) -> Result<(), Refusal> {
    if book.run.state.is_over() {
        return rule(format!("{} is over: {}", book.run.public_id(), book.run.state.as_str()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
