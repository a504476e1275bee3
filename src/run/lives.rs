//! Random runs living random lives: whatever happens, the record holds, nothing is early, and every run ends once
//! people and targets do their part.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::date;
use proptest::prelude::*;

use super::answers;
use super::orders;
use super::sample::*;
use super::settle::Outcome;
use super::{Evidence, EvidenceKind, HoldReason, PersonStatus, RunState, SkipReason, StepEvent, StepState, SystemView};
use crate::clock::plus;
use crate::run::guard::{Freeze, Verdict};
use crate::workflow::{ActionKind, Facet, InputType, Late, OnFailure, OnUnknown, Place, Retry, StepDef};

const ACTIONS: [&str; 14] = [
    "account.disable",
    "password.rotate",
    "sessions.revoke",
    "sessions.revoke",
    "account.enable",
    "directory.hide",
    "mail.auto_reply",
    "mail.archive",
    "notify.email",
    "task",
    "checklist",
    "approval",
    "account.delete",
    "account.delete",
];

/// A step before it has a name: its action, the steps before it, its systems, its time, and its other choices.
type Draft = (usize, BTreeSet<usize>, BTreeSet<usize>, Option<i64>, [u8; 4]);

fn draft() -> impl Strategy<Value = Draft> {
    let links = proptest::collection::btree_set(0..8_usize, 0..3);
    let systems = proptest::collection::btree_set(0..3_usize, 1..3);
    (0..ACTIONS.len(), links, systems, proptest::option::of(-3..40_i64), any::<[u8; 4]>())
}

fn build(n: usize, (action, links, systems, days, dice): &Draft) -> StepDef {
    let mut built = step(&format!("s{n}"), ACTIONS[*action]);
    built.after = links.iter().filter(|link| **link < n).map(|link| format!("s{link}")).collect();
    if built.action.place() != Place::House {
        built = built.on(&systems.iter().map(|system| ["ldap", "mailhost", "cloud"][*system]).collect::<Vec<_>>());
    }
    match days {
        Some(days) if *days < 0 => built = built.at(from("day").minus(&format!("{} days", -days))),
        Some(days) if dice[0] % 2 == 0 => built = built.at(from("day").plus(&format!("{days} days"))),
        Some(days) => built = built.delay(&format!("{} hours", days + 1)),
        None => {}
    }
    if built.action == ActionKind::MailAutoReply && dice[0] % 4 < 2 {
        built = built.until(from("day").plus("60 days"));
    }
    if built.action == ActionKind::AccountDelete && dice[0] % 4 < 2 {
        built = built.grace("30 days");
    }
    if dice[1] % 4 == 0 {
        built = built.when(["1 == 2", "person.status == 'left'", "nobody.knows"][usize::from(dice[2]) % 3]);
    }
    built.late = [Late::ByNature, Late::Skip, Late::Hold][usize::from(dice[1] / 4) % 3];
    built.on_failure = [None, Some(OnFailure::Continue), Some(OnFailure::Hold)][usize::from(dice[2] / 4) % 3];
    built.on_unknown = (dice[3] % 2 == 0).then_some(OnUnknown::Retry);
    built.retry = (dice[3] / 2 % 2 == 0).then_some(Retry {
        max: Some(2),
        backoff: Duration::from_secs(60),
        cap: Duration::from_secs(600),
    });
    built
}

fn systems() -> Vec<SystemView> {
    let mut systems = company();
    systems.iter_mut().for_each(|system| system.facets = Facet::ALL.to_vec());
    systems
}

fn start(drafts: &[Draft]) -> Story {
    let steps = drafts.iter().enumerate().map(|(n, draft)| build(n, draft)).collect();
    let day = input("day", InputType::Date).default("2027-01-04");
    let mut case = Case::of(workflow("random", vec![day], steps));
    case.systems = systems();
    Story::of(&case)
}

/// Something that happens: what, to which step, and how.
type Happening = (u8, usize, u8);

fn happen(story: &mut Story, (what, which, how): Happening) {
    let label = story.book.steps[which % story.book.steps.len()].label();
    match what % 26 {
        0 => drop(story.skip(&label)),
        1 => drop(story.retry(&label)),
        2 => drop(story.deny(&label)),
        3 => drop(story.approve(&label)),
        4 => drop(story.all(|book, now| orders::pause(book, "wait", &person(), now))),
        5 | 6 => drop(story.all(|book, now| orders::resume(book, "go on", &person(), now))),
        7 if how == 0 => drop(story.all(|book, now| orders::cancel(book, "no", &person(), now))),
        7 => story.freezes = vec![],
        8 => story.freezes.push(Freeze {
            system: None,
            workflow: None,
            all: how.is_multiple_of(2),
            reason: "audit".into(),
        }),
        9 => story.system_known = how % 3 != 0,
        10 => story.cut_needed = (how % 3 == 0).then(|| "run_3".into()),
        11 => {
            let person = story.person.as_mut().unwrap();
            person.status = if how % 3 == 0 { PersonStatus::Active } else { PersonStatus::Left };
        }
        12 => {
            story.pass(u64::from(how) * 3600).follow();
            drop(story.all(|book, now| Ok(answers::lapse(book, &person(), now)?)));
        }
        13 => stale(story, &label),
        14 => reschedule(story, how),
        15 => hr(story, how),
        _ => go_on(story, &label, how),
    }
}

/// The day that everything counts from is another one. What has cut access, or may have, stays where it is.
fn reschedule(story: &mut Story, how: u8) {
    let cuts = |story: &Story| -> Vec<super::book::Step> {
        story.book.steps.iter().filter(|step| step.action.is_cut()).cloned().collect()
    };
    let (before, starts) = (cuts(story), story.now);
    let day = date(2027, 1, 4).checked_add(jiff::Span::new().days(i64::from(how % 90))).unwrap().to_string();
    if story.reschedule(&[("day", &day)]).is_err() {
        assert_eq!(before, cuts(story));
        return;
    }
    for step in &story.book.steps {
        let over = step.state.is_final() || matches!(step.state, StepState::Leased { .. });
        let Some(due) = step.state.due().filter(|_| !over && step.attempts == 0) else { continue };
        assert!(step.at.as_ref().is_none_or(|at| at.at <= due), "{} is early", step.label());
    }
    for was in before.iter().filter(|step| matches!(step.state, StepState::Done { .. } | StepState::Leased { .. })) {
        let is = story.step(&was.label());
        assert_eq!(was.state, is.state, "what is done stays");
        assert!(is.at.as_ref().is_none_or(|at| at.at <= starts), "{} would be done before its time", is.label());
    }
}

/// HR takes something back, or says it again.
fn hr(story: &mut Story, how: u8) {
    if how.is_multiple_of(2) {
        drop(story.all(|book, now| orders::hold_for_hr(book, "HR", &person(), now)));
        let destroys = |step: &&super::book::Step| step.action.is_destructive() && !step.state.is_final();
        let stopped =
            |step: &super::book::Step| matches!(step.state, StepState::Held { .. } | StepState::Leased { .. });
        assert!(story.run() == RunState::Cancelled || story.book.steps.iter().filter(destroys).all(stopped));
    } else {
        drop(story.all(|book, now| orders::let_go_for_hr(book, &person(), now)));
    }
}

/// The step goes on as it can.
fn go_on(story: &mut Story, label: &str, how: u8) {
    match story.step(label).state {
        StepState::Waiting { due } | StepState::Unknown { due } if due > story.now => {
            story.now = if how.is_multiple_of(2) { due } else { story.now };
            story.follow();
        }
        StepState::Waiting { .. } | StepState::Unknown { .. } => claim(story, label),
        StepState::Leased { .. } => drop(story.pass(1).end(label, outcome(how))),
        StepState::AwaitingPerson { .. } => finish(story, label),
        StepState::AwaitingApproval => story.approve(label).unwrap(),
        _ => {}
    }
}

fn outcome(how: u8) -> Outcome {
    let words = || "words".to_owned();
    match how % 12 {
        0 => Outcome::Retry { reason: words(), after: Some(Duration::from_secs(u64::from(how))) },
        1 => Outcome::Failed(words()),
        2 | 3 => Outcome::Unknown(words()),
        4 => Outcome::Manual(words()),
        5 => Outcome::Held(HoldReason::Guard { name: "threshold".into(), detail: words() }),
        6 => Outcome::NotApplicable(words()),
        7 => Outcome::Returned,
        _ => Outcome::Done(Story::seen()),
    }
}

/// A verdict happens. What it lets through is in time, and what destroys is safe.
fn claim(story: &mut Story, label: &str) {
    let account = story.step(label).account;
    let busy = |other: &super::book::Step| {
        account.is_some() && other.account == account && matches!(other.state, StepState::Leased { .. })
    };
    if story.book.steps.iter().any(busy) {
        return;
    }
    if story.verdict(label) == Verdict::Proceed {
        let step = story.step(label);
        assert!(step.at.as_ref().is_none_or(|at| at.at <= story.now), "{label} is early");
        assert_ne!(story.run(), RunState::Paused);
        if step.action.is_destructive() {
            assert!(story.freezes.is_empty());
            assert_eq!(story.person.as_ref().unwrap().status, PersonStatus::Left);
            assert!(story.now >= plus(story.book.run.start, Duration::from_secs(7 * 24 * 3600)));
            assert!(approvals_hold(story, label), "{label} without approval");
        }
    }
    story.consider(label);
}

/// The approvals directly before a step, said naively.
fn approvals_hold(story: &Story, label: &str) -> bool {
    let needs = story.step(label).needs.iter().map(|need| &story.book.steps[usize::from(*need)]);
    needs.filter(|need| need.action == ActionKind::Approval).all(|need| match &need.state {
        StepState::Done { .. } => need.decision.approval.as_ref().is_some_and(|given| given.valid_until > story.now),
        StepState::Skipped { reason, .. } => !matches!(reason, SkipReason::ByPerson(_)),
        _ => false,
    })
}

/// An answer to an attempt that is over changes nothing.
fn stale(story: &mut Story, label: &str) {
    let (ordinal, before) = (story.step(label).ordinal, story.step(label).clone());
    let fence = match before.state {
        StepState::Leased { fence, .. } => fence - 1,
        _ => before.attempts,
    };
    let event = StepEvent::Completed { fence, at: story.now, evidence: Story::seen() };
    assert!(story.book.apply(ordinal, event, &person(), story.now).is_err());
    assert_eq!(*story.step(label), before);
}

fn finish(story: &mut Story, label: &str) {
    let evidence = Evidence { kind: EvidenceKind::Person, detail: "done".into() };
    story.event(label, StepEvent::PersonDone { at: story.now, evidence });
}

/// Targets answer, people do their part, nothing is in the way: every run ends.
fn drive(story: &mut Story) {
    story.person.as_mut().unwrap().status = PersonStatus::Left;
    (story.freezes, story.cut_needed, story.system_known) = (vec![], None, true);
    drop(story.all(|book, now| orders::resume(book, "go on", &person(), now)));
    for _ in 0..300 {
        if story.run().is_over() {
            return;
        }
        let open =
            |step: &&super::book::Step| !matches!(step.state, StepState::Done { .. } | StepState::Skipped { .. });
        let moving = |step: &&super::book::Step| open(step) && step.state != StepState::Blocked;
        // What is under way first, then what waits for a person, then the earliest.
        let turn = |step: &&super::book::Step| (!matches!(step.state, StepState::Leased { .. }), step.state.due());
        let next = story.book.steps.iter().filter(moving).min_by_key(turn);
        let label = next.unwrap_or_else(|| panic!("nothing moves in {:#?}", story.book.steps)).label();
        match story.step(&label).state {
            StepState::Held { .. } | StepState::Failed { .. } => persist(story, &label),
            StepState::Waiting { .. } | StepState::Unknown { .. } => {
                story.when_due(&label);
                claim(story, &label);
            }
            _ => go_on(story, &label, 11),
        }
    }
    panic!("it does not end: {:#?}", story.book.steps);
}

/// A person tries again, and leaves out what that does not help.
fn persist(story: &mut Story, label: &str) {
    let condition = story.book.definition(story.step(label)).and_then(|def| def.when.as_ref());
    let hopeless = condition.is_some_and(|when| when.source().contains("nobody"));
    if hopeless {
        // An approval that cannot be asked for: first what needs it, then itself.
        let gated = super::guard::gated(&story.book, story.step(label).ordinal);
        let labels: Vec<String> = gated.into_iter().map(super::book::Step::label).collect();
        labels.iter().for_each(|gated| drop(story.skip(gated)));
        story.skip(label).unwrap();
        return;
    }
    if story.retry(label).is_ok() {
        return;
    }
    // What it waits for comes before it, unless somebody left that out for good.
    let waits = |reason: &HoldReason| matches!(reason, HoldReason::CutOpen(_) | HoldReason::Approval(_));
    let stuck = matches!(&story.step(label).state, StepState::Held { reason, .. } if waits(reason));
    assert!(stuck, "{:?}", story.step(label));
    let others = story.book.steps.iter().filter(|step| !step.state.is_final() && step.label() != label);
    let movable = others.filter(|step| step.state != StepState::Blocked).map(super::book::Step::label);
    match movable.collect::<Vec<_>>().first() {
        Some(other) if !matches!(story.step(other).state, StepState::Held { .. }) => {
            let other = other.clone();
            match story.step(&other).state.due() {
                Some(_) => {
                    story.when_due(&other);
                    claim(story, &other);
                }
                None => go_on(story, &other, 11),
            }
        }
        _ => story.skip(label).unwrap(),
    }
}

/// What an ended run says of itself is what its steps say; sessions do not outlive a cut.
fn judge(story: &Story) -> Result<(), TestCaseError> {
    let by_person =
        |step: &super::book::Step| matches!(&step.state, StepState::Skipped { reason: SkipReason::ByPerson(_), .. });
    let exceptional = |step: &super::book::Step| by_person(step) || matches!(step.state, StepState::Failed { .. });
    let steps = &story.book.steps;
    prop_assert_eq!(story.run() == RunState::Completed, !steps.iter().any(exceptional));
    // One whose condition was not met promises nothing.
    let revoked = |step: &&super::book::Step| {
        step.action == ActionKind::SessionsRevoke && matches!(step.state, StepState::Done { .. })
    };
    for revoke in steps.iter().filter(revoked) {
        let same = |step: &&super::book::Step| step.action == revoke.action && step.account == revoke.account;
        let last = steps.iter().filter(same).filter_map(|step| match step.state {
            StepState::Done { at, .. } => Some(at),
            _ => None,
        });
        let Some(last) = last.max().filter(|_| !steps.iter().any(exceptional)) else { continue };
        for need in &revoke.needs {
            let before = &steps[usize::from(*need)];
            if let (true, StepState::Done { at, .. }) = (before.action.is_cut(), &before.state) {
                prop_assert!(
                    before.action == revoke.action || *at <= last,
                    "{} outlived {}",
                    before.label(),
                    revoke.label()
                );
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_run_keeps_its_record_and_ends(
        drafts in proptest::collection::vec(draft(), 1..8),
        happenings in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<u8>()), 0..60),
    ) {
        let mut story = start(&drafts);
        for happening in happenings {
            happen(&mut story, happening);
        }
        if story.run() == RunState::Cancelled {
            prop_assert!(story.book.steps.iter().all(|step| step.state.due().is_none()));
            return Ok(());
        }
        drive(&mut story);
        judge(&story)?;
    }
}
