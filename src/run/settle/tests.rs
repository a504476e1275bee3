//! What each outcome means for each kind of step.

use super::*;
use crate::run::StepState;
use crate::run::sample::*;
use crate::workflow::StepDef;

fn one(step: StepDef) -> Story {
    Story::of(&Case::of(workflow("w", vec![], vec![step])))
}

fn on_ldap(action: &str) -> StepDef {
    step("s", action).on(&["ldap"])
}

fn retry(max: Option<u32>) -> Option<Retry> {
    Some(Retry { max, backoff: Duration::from_secs(10), cap: Duration::from_secs(60) })
}

fn busy() -> Outcome {
    Outcome::Retry { reason: "busy".into(), after: None }
}

/// Attempts that end busy until something else than a retry follows; at most 40.
fn attempts_until_given_up(story: &mut Story, label: &str) -> Option<i64> {
    for attempt in 1..=40 {
        story.when_due(label).claim(label);
        story.end(label, busy());
        if story.word(label) != "waiting" {
            return Some(attempt);
        }
    }
    None
}

#[test]
fn every_nature_has_its_own_patience() {
    for (action, attempts, then) in [
        ("account.disable", None, "waiting"),
        ("account.delete", Some(5), "held"),
        ("directory.hide", Some(10), "failed"),
        ("account.enable", Some(10), "failed"),
    ] {
        let mut story = one(on_ldap(action));
        assert_eq!((attempts_until_given_up(&mut story, "s@ldap"), story.word("s@ldap")), (attempts, then), "{action}");
    }
}

#[test]
fn the_file_overrides_how_often_but_never_gives_up_a_cut() {
    for (action, attempts) in [("directory.hide", Some(3)), ("account.delete", Some(3)), ("account.disable", None)] {
        let mut story = one(StepDef { retry: retry(Some(3)), ..on_ldap(action) });
        assert_eq!(attempts_until_given_up(&mut story, "s@ldap"), attempts, "{action}");
    }
    let mut story = one(StepDef { retry: retry(None), ..on_ldap("directory.hide") });
    assert_eq!(attempts_until_given_up(&mut story, "s@ldap"), None);
}

#[test]
fn a_failure_is_for_a_person_where_the_file_or_the_nature_says_so() {
    use OnFailure::{Continue, Hold};
    for (action, on_failure, expected) in [
        ("directory.hide", None, "failed"),
        ("directory.hide", Some(Hold), "held"),
        ("directory.hide", Some(Continue), "failed"),
        ("account.delete", None, "held"),
        ("account.delete", Some(Continue), "failed"),
        ("account.disable", None, "waiting"),
        ("account.disable", Some(Continue), "waiting"),
        ("account.disable", Some(Hold), "waiting"),
    ] {
        let mut story = one(StepDef { on_failure, ..on_ldap(action) });
        story.claim("s@ldap");
        story.end("s@ldap", Outcome::Failed("no right".into()));
        assert_eq!(story.word("s@ldap"), expected, "{action} {on_failure:?}");
    }
}

#[test]
fn waits_double_up_to_the_cap_and_stay_within_a_tenth() {
    let policy = Retry { max: None, backoff: Duration::from_secs(5), cap: Duration::from_secs(300) };
    for (attempt, full) in [(0, 5), (1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (8, 300), (1_000_000, 300)] {
        let waits: Vec<Duration> = (1..500).map(|run| backoff(&policy, run, 3, attempt)).collect();
        let (least, most) = (Duration::from_millis(full * 900), Duration::from_millis(full * 1100));
        assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{attempt}");
        assert!(waits.iter().max() > waits.iter().min(), "not all at once");
        assert_eq!(backoff(&policy, 7, 3, attempt), backoff(&policy, 7, 3, attempt), "replays agree");
    }
}

#[test]
fn a_target_may_ask_for_a_longer_wait_but_not_for_ever() {
    for (asked, least, most) in [(1, 4, 6), (120, 120, 120), (1_000_000_000, 3600, 3600)] {
        let mut story = one(on_ldap("account.disable"));
        story.claim("s@ldap");
        let after = Some(Duration::from_secs(asked));
        story.end("s@ldap", Outcome::Retry { reason: "slow down".into(), after });
        let wait = story.due("s@ldap").duration_since(story.now).as_secs();
        assert!((least..=most).contains(&wait), "{asked}: {wait}");
    }
}

#[test]
fn an_ambiguous_attempt_is_observed_where_anything_can_be_seen() {
    for (action, system) in [("account.delete", "ldap"), ("mail.archive", "mailhost"), ("account.disable", "ldap")] {
        let mut story = one(step("s", action).on(&[system]));
        let label = format!("s@{system}");
        for _ in 0..30 {
            story.when_due(&label).claim(&label);
            story.end(&label, Outcome::Unknown("cut".into()));
            assert_eq!(story.word(&label), "unknown", "{action}: it is observed for as long as it takes");
        }
    }
}

#[test]
fn an_undetectable_attempt_that_is_ambiguous_is_held_until_a_person_accepts_a_second_one() {
    let mut story = one(step("s", "http.request"));
    story.claim("s");
    story.end("s", Outcome::Unknown("cut".into()));
    let held = HoldReason::Ambiguous("cut".into());
    assert_eq!(story.step("s").state, StepState::Held { reason: held, observe: false });
    story.retry("s").unwrap();
    story.claim("s");
    assert_eq!(story.step("s").state, StepState::Leased { fence: 2, observe: false }, "there is nothing to observe");
}

#[test]
fn the_file_may_accept_a_second_mail() {
    let mut story = one(StepDef { on_unknown: Some(OnUnknown::Retry), ..step("s", "http.request") });
    story.claim("s");
    story.end("s", Outcome::Unknown("cut".into()));
    assert_eq!(story.word("s"), "waiting");
    assert!(story.due("s") > story.now);
    let mut story = one(StepDef { on_unknown: Some(OnUnknown::Hold), ..step("s", "http.request") });
    story.claim("s");
    story.end("s", Outcome::Unknown("cut".into()));
    assert_eq!(story.word("s"), "held");
}

#[test]
fn an_attempt_that_never_started_goes_back_as_it_was() {
    let mut story = one(on_ldap("account.disable"));
    story.claim("s@ldap");
    story.end("s@ldap", Outcome::Returned);
    assert_eq!(story.step("s@ldap").state, StepState::Waiting { due: story.now });
    story.claim("s@ldap");
    story.end("s@ldap", Outcome::Unknown("cut".into())).when_due("s@ldap").claim("s@ldap");
    story.end("s@ldap", Outcome::Returned);
    assert_eq!(story.step("s@ldap").state, StepState::Unknown { due: story.now });
}

#[test]
fn the_other_outcomes_say_what_they_are() {
    for (outcome, expected) in [
        (Outcome::Done(Story::seen()), "done"),
        (Outcome::Manual("in the console".into()), "awaiting_person"),
        (Outcome::Held(HoldReason::FreshRead("enabled".into())), "held"),
        (Outcome::NotApplicable("no mailbox".into()), "skipped"),
    ] {
        let mut story = one(on_ldap("account.disable"));
        story.claim("s@ldap");
        story.end("s@ldap", outcome);
        assert_eq!(story.word("s@ldap"), expected);
    }
}

#[test]
fn the_words_of_the_target_stay_with_the_number_of_attempts() {
    let mut story = one(StepDef { retry: retry(Some(2)), ..on_ldap("directory.hide") });
    attempts_until_given_up(&mut story, "s@ldap");
    let StepState::Failed { reason, .. } = &story.step("s@ldap").state else { panic!("{:?}", story.step("s@ldap")) };
    assert_eq!(reason, "busy (after 2 attempts)");
}

#[test]
fn an_attempt_may_take_as_long_as_the_file_says() {
    let story = one(StepDef { timeout: Some(Duration::from_secs(5)), ..on_ldap("directory.hide") });
    assert_eq!(attempt_timeout(&story.book, story.step("s@ldap")), Duration::from_secs(5));
    let story = one(on_ldap("directory.hide"));
    assert_eq!(attempt_timeout(&story.book, story.step("s@ldap")), Duration::from_secs(20));
}
