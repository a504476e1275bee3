//! How long an approval may be waited for, and what becomes of a question that nobody has answered by then.

use std::sync::Arc;

use jiff::Timestamp;

use super::book::{Book, Step};
use super::business::Holidays;
use super::guard;
use super::state::{HoldReason, IllegalTransition, SkipReason, StepEvent, StepState};
use crate::workflow::params::OnLapse;
use crate::workflow::{Param, Span};

/// `valid:` and `answer_within:` of an approval, where the file is silent.
const DAYS: i64 = 30;

/// When the span that the file gives an approval under this key ends, counted from now; 30 days where it gives none.
pub(super) fn ends(book: &Book, step: &Step, key: &str, now: Timestamp, holidays: &Holidays) -> Timestamp {
    let span = book.definition(step).and_then(|def| match def.with.get(key) {
        Some(Param::Template(text)) => Span::parse(text.source()).ok(),
        _ => None,
    });
    let span = span.unwrap_or_else(|| Span::Calendar(crate::workflow::span::FixedSpan(jiff::Span::new().days(DAYS))));
    // A zone that has vanished from the database of zones moves the end by hours at most.
    let zone = super::instant::zone(&book.run.zone).unwrap_or(jiff::tz::TimeZone::UTC);
    super::instant::after_delay(now, &span, &zone, holidays, false)
}

/// Whether somebody may answer: it is asked for, or has been and nobody answered in time.
pub fn is_asked(step: &Step) -> bool {
    step.state == StepState::AwaitingApproval
        || matches!(step.state, StepState::Held { reason: HoldReason::NobodyAnswered(_), .. })
}

/// Gives every question that has just been asked its time.
pub(super) fn give_time(book: &mut Book, holidays: &Holidays, now: Timestamp) {
    let fresh = |step: &&Step| step.state == StepState::AwaitingApproval && step.decision.answer_by.is_none();
    let times: Vec<(u16, Timestamp)> = book
        .steps
        .iter()
        .filter(fresh)
        .map(|step| (step.ordinal, ends(book, step, "answer_within", now, holidays)))
        .collect();
    for (ordinal, by) in times {
        if let Some(step) = book.steps.get_mut(usize::from(ordinal)) {
            step.decision.answer_by = Some(by);
            book.dirty.insert(ordinal);
        }
    }
}

/// Follows the file for every approval of a run that nobody has answered in time; answers how many there were. One that
/// was asked for by a version without such times is asked for once more, and has its time from now on.
///
/// # Errors
/// Only when the transition table forbids it, which is a mistake in the rules.
pub fn lapse(book: &mut Book, by: &Arc<str>, now: Timestamp) -> Result<usize, IllegalTransition> {
    let over = |step: &&Step| {
        step.state == StepState::AwaitingApproval && step.decision.answer_by.is_none_or(|until| until <= now)
    };
    let unanswered: Vec<u16> = book.steps.iter().filter(over).map(|step| step.ordinal).collect();
    for ordinal in &unanswered {
        let Some(step) = book.step(*ordinal) else { continue };
        let Some(until) = step.decision.answer_by else {
            book.apply(*ordinal, StepEvent::Reblocked, by, now)?;
            continue;
        };
        let words = format!("nobody has answered it by {until}");
        match (guard::on_lapse(book, step), behind(book, step)) {
            (OnLapse::AskAgain, _) => book.apply(*ordinal, StepEvent::Reblocked, by, now)?,
            (OnLapse::Skip, Some(behind)) => {
                let words = format!("{}: {words}", step.label());
                for left_out in behind.into_iter().chain([*ordinal]) {
                    let reason = SkipReason::Lapsed(words.clone());
                    book.apply(left_out, StepEvent::Skipped { at: now, reason }, by, now)?;
                }
            }
            (OnLapse::Hold, _) | (OnLapse::Skip, None) => {
                book.apply(*ordinal, StepEvent::Held { reason: HoldReason::NobodyAnswered(words) }, by, now)?;
            }
        }
    }
    Ok(unanswered.len())
}

/// What stands behind an approval and is still to come. `None` where a person must decide: something of it cuts access,
/// may have begun, or follows up what is done.
fn behind(book: &Book, approval: &Step) -> Option<Vec<u16>> {
    let follows = |step: &Step| guard::before(book, step).contains(&approval.ordinal);
    let open = book.steps.iter().filter(|step| !step.state.is_final() && follows(step));
    open.map(|step| {
        let begun = matches!(
            step.state,
            StepState::Leased { .. } | StepState::Unknown { .. } | StepState::Held { observe: true, .. }
        );
        let of = step.of.and_then(|of| book.step(of));
        let follows_up = of.is_some_and(|of| matches!(of.state, StepState::Done { .. }));
        (!step.action.is_cut() && !begun && !follows_up).then_some(step.ordinal)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunState;
    use crate::run::sample::*;
    use crate::workflow::{StepDef, Template};

    fn told(mut approval: StepDef, key: &str, value: &str) -> StepDef {
        approval.with.insert(key.into(), Param::Template(Template::parse(value).unwrap()));
        approval
    }

    /// A deletion behind an approval that may be waited for two days, which has been asked for.
    fn asked(with: &[(&str, &str)], more: Vec<StepDef>) -> Story {
        let mut approval = told(step("approve", "approval"), "answer_within", "2 days");
        for (key, value) in with {
            approval = told(approval, key, value);
        }
        let mut steps =
            vec![approval, step("delete", "account.delete").on(&["ldap"]).after(&["approve"]).grace("30 days")];
        steps.extend(more);
        let mut story = Story::of(&Case::of(workflow("leave", vec![], steps)));
        story.consider("approve");
        story
    }

    fn wait(story: &mut Story, hours: u64) -> usize {
        story.pass(hours * 3600);
        story.all(|book, now| Ok(lapse(book, &person(), now)?)).unwrap()
    }

    #[test]
    fn a_question_has_its_time_and_is_held_when_nobody_has_answered() {
        let mut story = asked(&[], vec![]);
        assert_eq!(wait(&mut story, 47), 0);
        assert_eq!(wait(&mut story, 1), 1, "the minute counts");
        let StepState::Held { reason: HoldReason::NobodyAnswered(words), .. } = &story.step("approve").state else {
            panic!("{:?}", story.step("approve").state)
        };
        assert!(words.starts_with("nobody has answered it by "), "{words}");
        assert_eq!((story.run(), story.word("delete@ldap")), (RunState::NeedsAttention, "blocked"));
        assert_eq!(wait(&mut story, 1), 0, "once");
        story.approve("approve").expect("late is better than never");
        assert_eq!((story.word("approve"), story.word("delete@ldap")), ("done", "waiting"));
    }

    #[test]
    fn a_late_no_counts_and_trying_again_asks_again() {
        let mut story = asked(&[("on_lapse", "hold")], vec![]);
        wait(&mut story, 48);
        let mut other = story.clone();
        story.deny("approve").unwrap();
        assert_eq!(story.word("approve"), "failed");
        other.retry("approve").unwrap();
        other.consider("approve");
        assert_eq!(other.word("approve"), "awaiting_approval");
        assert_eq!(wait(&mut other, 47), 0, "it has its time again");
        assert_eq!(wait(&mut other, 1), 1);
    }

    #[test]
    fn it_may_be_asked_again_in_peace() {
        let mut story = asked(&[("on_lapse", "ask_again")], vec![]);
        assert_eq!(wait(&mut story, 48), 1);
        assert_eq!((story.run(), story.word("approve")), (RunState::Open, "waiting"));
        story.consider("approve");
        assert_eq!((wait(&mut story, 47), wait(&mut story, 1)), (0, 1));
    }

    #[test]
    fn what_nobody_approves_may_be_left_out_for_good() {
        let tell = step("tell", "notify.email").after(&["delete"]);
        let mut story = asked(&[("on_lapse", "skip")], vec![tell]);
        assert_eq!(wait(&mut story, 48), 1);
        for label in ["approve", "delete@ldap", "delete.purge@ldap", "tell"] {
            assert_eq!(story.word(label), "skipped", "{label}");
        }
        assert_eq!(story.run(), RunState::ClosedWithExceptions);
    }

    #[test]
    fn an_access_cut_is_not_left_out_in_silence() {
        let close = step("close", "account.disable").on(&["cloud"]).after(&["approve"]);
        let mut story = asked(&[("on_lapse", "skip")], vec![close]);
        wait(&mut story, 48);
        assert_eq!((story.word("approve"), story.word("close@cloud")), ("held", "blocked"));
        assert_eq!(story.word("delete@ldap"), "blocked");
    }

    #[test]
    fn an_approval_that_lapsed_unanswered_lets_nothing_pass() {
        let mut story = asked(&[("on_lapse", "skip")], vec![]);
        wait(&mut story, 48);
        // Whatever brings the deletion back, nobody has approved it.
        let delete = story.step("delete@ldap").clone();
        let problem = guard::approval_problem(&story.book, &delete, story.now);
        assert_eq!(problem.as_deref(), Some("approve has not been given"));
    }

    #[test]
    fn what_an_older_version_asked_for_has_its_time_from_now_on() {
        let mut story = asked(&[("on_lapse", "skip")], vec![]);
        let ordinal = usize::from(story.step("approve").ordinal);
        story.book.steps[ordinal].decision.answer_by = None;
        assert_eq!(story.all(|book, now| Ok(lapse(book, &person(), now)?)).unwrap(), 1);
        assert_eq!(story.word("approve"), "waiting", "asked for once more");
        story.consider("approve");
        assert_eq!((wait(&mut story, 47), wait(&mut story, 1)), (0, 1));
    }

    #[test]
    fn without_a_word_it_is_thirty_days() {
        let mut story = Story::of(&Case::of(workflow("ask", vec![], vec![step("approve", "approval")])));
        story.consider("approve");
        assert_eq!((wait(&mut story, 30 * 24 - 1), wait(&mut story, 1)), (0, 1));
    }
}
