//! What an attempt's outcome means for its step: done, again later, failed, held, or nobody knows. Pure.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::book::{Book, Step};
use super::capability::Evidence;
use super::state::{HoldReason, SkipReason, StepEvent};
use crate::clock::plus;
use crate::workflow::{ActionKind, Class, Nature, OnFailure, OnUnknown, Retry};

/// A target that asks us to stay away for longer is asked again all the same.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The goal is reached.
    Done(Evidence),
    /// Certainly no effect; again later.
    Retry {
        /// The target's own words.
        reason: String,
        /// How long the target asked us to wait.
        after: Option<Duration>,
    },
    /// Certainly no effect, and trying again does not help.
    Failed(String),
    /// Nobody knows whether it had an effect.
    Unknown(String),
    /// Only a person can do it.
    Manual(String),
    /// Something in the circumstances stops it.
    Held(HoldReason),
    /// There is nothing to do.
    NotApplicable(String),
    /// The attempt never started (drain).
    Returned,
}

/// The retry policy of a step: what its file says over what its nature says.
pub fn retry_policy(book: &Book, step: &Step) -> Retry {
    book.definition(step).and_then(|def| def.retry).unwrap_or_else(|| match step.action.nature() {
        // About as long as the outbox tries.
        _ if matches!(step.action, ActionKind::NotifyEmail | ActionKind::CredentialsSend) => {
            Retry { max: Some(130), backoff: Duration::from_secs(30), cap: Duration::from_secs(3600) }
        }
        Nature::Cut => Retry { max: None, backoff: Duration::from_secs(5), cap: Duration::from_secs(300) },
        Nature::Destructive => Retry { max: Some(5), backoff: Duration::from_secs(60), cap: Duration::from_secs(3600) },
        _ => Retry { max: Some(10), backoff: Duration::from_secs(30), cap: Duration::from_secs(3600) },
    })
}

/// The longest one attempt may take. What moves all that somebody has takes its time; where it is cut, it is gone on with.
pub fn attempt_timeout(book: &Book, step: &Step) -> Duration {
    let usual = if moves_data(step.action) { Duration::from_secs(3600) } else { Duration::from_secs(20) };
    book.definition(step).and_then(|def| def.timeout).unwrap_or(usual)
}

/// Whether an action moves a mailbox, files or calendars as a whole.
const fn moves_data(action: ActionKind) -> bool {
    use ActionKind as A;
    matches!(
        action,
        A::MailArchive
            | A::MailTransfer
            | A::FilesArchive
            | A::FilesTransfer
            | A::CalendarsExport
            | A::CalendarsTransfer
            | A::ContactsExport
    )
}

/// Wait after attempt number `attempt`: doubles each time up to the cap, spread by a tenth either way so that many
/// steps do not come back together. The spread depends only on what is given, so that replays agree.
pub fn backoff(policy: &Retry, run: i64, ordinal: u16, attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1).clamp(0, 30)).unwrap_or(30);
    let full = policy.backoff.saturating_mul(1_u32 << doublings.min(30)).min(policy.cap);
    let digest = Sha256::digest(format!("{run}/{ordinal}/{attempt}").as_bytes());
    let permille = 900 + u32::from(digest[0]) * 200 / 255;
    (full / 1000).saturating_mul(permille)
}

/// The event that an outcome is for its step.
pub fn settle(book: &Book, step: &Step, fence: i64, outcome: Outcome, now: Timestamp) -> StepEvent {
    let policy = retry_policy(book, step);
    let later = plus(now, backoff(&policy, book.run.id, step.ordinal, fence));
    match outcome {
        Outcome::Done(evidence) => StepEvent::Completed { fence, at: now, evidence },
        Outcome::Returned => StepEvent::Returned { fence, due: now },
        Outcome::Manual(instruction) => StepEvent::PersonAsked { instruction },
        Outcome::Held(reason) => StepEvent::Held { reason },
        Outcome::NotApplicable(why) => StepEvent::Skipped { at: now, reason: SkipReason::NotApplicable(why) },
        Outcome::Unknown(reason) => ambiguous(book, step, fence, reason, later),
        Outcome::Retry { reason, after } => {
            let asked = after.map_or(now, |after| plus(now, after.min(policy.cap.max(LONGEST_ASKED))));
            // An access cut is never given up, whatever the file says.
            let spent = !step.action.is_cut() && policy.max.is_some_and(|max| fence >= i64::from(max));
            if spent {
                return give_up(book, step, fence, format!("{reason} (after {fence} attempts)"), now);
            }
            StepEvent::Retried { fence, due: later.max(asked), reason }
        }
        Outcome::Failed(reason) if step.action.is_cut() => StepEvent::Retried { fence, due: later, reason },
        Outcome::Failed(reason) => give_up(book, step, fence, reason, now),
    }
}

fn ambiguous(book: &Book, step: &Step, fence: i64, reason: String, later: Timestamp) -> StepEvent {
    let may_repeat = book.definition(step).is_some_and(|def| def.on_unknown == Some(OnUnknown::Retry));
    match step.action.class() {
        Class::U if !may_repeat => StepEvent::Held { reason: HoldReason::Ambiguous(reason) },
        Class::U => StepEvent::Retried { fence, due: later, reason },
        Class::S | Class::K | Class::D => StepEvent::Lost { fence, due: later, reason },
    }
}

fn give_up(book: &Book, step: &Step, fence: i64, reason: String, now: Timestamp) -> StepEvent {
    let on_failure = book.definition(step).and_then(|def| def.on_failure);
    let hold = match on_failure {
        Some(OnFailure::Hold) => true,
        Some(OnFailure::Continue) => false,
        None => step.action.is_destructive(),
    };
    if hold {
        StepEvent::Held { reason: HoldReason::Failure(reason) }
    } else {
        StepEvent::Failed { fence, at: now, reason }
    }
}

#[cfg(test)]
mod tests;
