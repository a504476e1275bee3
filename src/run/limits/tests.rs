//! Limits allow what they say, and not one more.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn limits() -> Limits {
    Limits::default()
}

/// A system that was read a moment ago.
fn of(accounts: i64) -> Tally {
    Tally { population: Some(Population { accounts, read_at: at(-60) }), good: 6, batch: 6, ..Tally::default() }
}

fn asked(stops: Stops) -> Asked<'static> {
    Asked { system: "ldap", stops, as_batch: false, counted: Counted::default(), now: at(0) }
}

fn destructive(tally: &Tally) -> Room {
    room(&limits(), tally, &asked(Stops::Destructive))
}

#[test]
fn limits_are_a_number_or_a_share_and_never_nothing() {
    for (text, small, large) in
        [("5", 5, 5), ("5 or 1 %", 5, 100), ("10 or 0.5%", 10, 50), (" 7 or 100 % ", 99, 10_000)]
    {
        let limit = Limit::parse(text).unwrap();
        assert_eq!((limit.on(99).max(small), limit.on(10_000)), (small, large), "{text}");
        assert_eq!(Limit::parse(&limit.to_string()), Ok(limit), "{text}: {limit}");
    }
    for (text, why) in [
        ("", "blank"),
        ("  ", "blank"),
        ("0", "allows nothing"),
        ("-3", "allows nothing"),
        ("1 %", "needs a number too"),
        ("5 or 0 %", "from 0.01 % to 100 %"),
        ("5 or -1 %", "from 0.01 % to 100 %"),
        ("5 or 101 %", "from 0.01 % to 100 %"),
        ("5 or 1", "from 0.01 % to 100 %"),
        ("5 or 0.001 %", "from 0.01 % to 100 %"),
        ("none", "whole number"),
        ("99999999999999999999", "whole number"),
    ] {
        let said = Limit::parse(text).unwrap_err();
        assert!(said.contains(why) && said.contains("write `5`"), "{text}: {said}");
    }
    let standard = SystemLimits::default();
    assert_eq!(
        [standard.destructive_per_hour, standard.destructive_per_day, standard.cuts_per_hour].map(|l| l.to_string()),
        ["5 or 1 %", "10 or 2 %", "25 or 5 %"]
    );
}

#[test]
fn what_destroys_is_limited_by_the_hour_and_by_the_day() {
    for (accounts, hour, day, free) in [
        (100, 4, 9, true),
        (100, 5, 5, false),
        (100, 4, 10, false),
        (599, 5, 5, false),
        (1_000, 9, 9, true),
        (1_000, 10, 10, false),
        (1_000, 9, 20, false),
        (1_000, 9, 19, true),
    ] {
        let tally = Tally { hour, day, ..of(accounts) };
        let room = destructive(&tally);
        let tripped = matches!(&room, Room::Breach(TripKind::Threshold, words) if words.contains("of ldap within"));
        assert_eq!((room == Room::Free, tripped), (free, !free), "{accounts} accounts, {hour} an hour, {day} a day");
    }
}

#[test]
fn a_retry_counts_once_and_a_batch_that_was_approved_as_one_not_at_all() {
    let full = Tally { hour: 5, day: 10, ..of(100) };
    let retry = Asked { counted: Counted { hour: true, day: true }, ..asked(Stops::Destructive) };
    assert_eq!(room(&limits(), &full, &retry), Room::Free);
    // Tried again after more than an hour: it counts in this hour.
    let later = Asked { counted: Counted { hour: false, day: true }, ..asked(Stops::Destructive) };
    assert!(matches!(room(&limits(), &full, &later), Room::Breach(..)));
    let batch = Asked { as_batch: true, ..asked(Stops::Destructive) };
    assert_eq!(room(&limits(), &full, &batch), Room::Free);
    let unknown = Tally { population: None, ..full };
    assert!(matches!(room(&limits(), &unknown, &batch), Room::Unknown(_)), "a batch needs the inventory too");
}

#[test]
fn nothing_is_destroyed_where_nobody_knows_how_many_there_are() {
    assert!(
        matches!(destructive(&Tally::default()), Room::Unknown(why) if why.contains("never read") && why.contains("usher accounts sync ldap"))
    );
    let read =
        |hours: i64| Tally { population: Some(Population { accounts: 100, read_at: at(-3600 * hours) }), ..of(100) };
    assert_eq!(destructive(&read(48)), Room::Free);
    assert!(matches!(destructive(&read(49)), Room::Unknown(why) if why.contains("49 hours ago")));
    // Read by a daemon whose clock was ahead: no reason to stop.
    assert_eq!(destructive(&read(-1)), Room::Free);
    // Cuts go on: their number alone holds.
    assert_eq!(room(&limits(), &Tally { cuts: 24, ..Tally::default() }, &asked(Stops::Cuts)), Room::Free);
    assert!(matches!(room(&limits(), &Tally { cuts: 25, ..Tally::default() }, &asked(Stops::Cuts)), Room::Breach(..)));
}

#[test]
fn cuts_are_limited_by_accounts_and_no_account_is_left_half_cut() {
    let cuts = |cuts, counted| {
        let asked = Asked { counted: Counted { hour: counted, day: counted }, ..asked(Stops::Cuts) };
        room(&limits(), &Tally { cuts, ..of(1_000) }, &asked)
    };
    assert_eq!(cuts(49, false), Room::Free);
    assert!(
        matches!(cuts(50, false), Room::Breach(TripKind::Threshold, words) if words.contains("more than 50 accounts of ldap"))
    );
    assert_eq!(cuts(50, true), Room::Free);
}

#[test]
fn a_system_may_have_limits_of_its_own() {
    let own = SystemLimits { destructive_per_hour: Limit::of(1, 0), ..SystemLimits::default() };
    let limits = Limits { on: [("ldap".to_owned(), own)].into(), ..limits() };
    let tally = Tally { hour: 1, day: 1, ..of(100_000) };
    assert!(matches!(room(&limits, &tally, &asked(Stops::Destructive)), Room::Breach(..)));
    assert_eq!(room(&limits, &tally, &Asked { system: "mail", ..asked(Stops::Destructive) }), Room::Free);
}

#[test]
fn a_batch_goes_one_then_five_then_the_rest() {
    let stage = |batch, good, bad: Option<&str>| {
        destructive(&Tally { batch, good, bad: bad.map(str::to_owned), ..of(100_000) })
    };
    for (batch, good, expected) in [
        (0, 0, Room::Free),
        (1, 0, Room::Later),
        (1, 1, Room::Free),
        (5, 1, Room::Free),
        (6, 1, Room::Later),
        (6, 5, Room::Later),
        (6, 6, Room::Free),
        (40, 6, Room::Free),
    ] {
        assert_eq!(stage(batch, good, None), expected, "{batch} started, {good} read back");
    }
    for (batch, good) in [(1, 0), (2, 1), (6, 5)] {
        let room = stage(batch, good, Some("delete@ldap of run_7 failed"));
        assert!(
            matches!(&room, Room::Breach(TripKind::Canary, words) if words.starts_with("delete@ldap of run_7 failed")),
            "{room:?}"
        );
    }
    assert_eq!(stage(9, 6, Some("delete@ldap of run_7 failed")), Room::Free, "the stages are over");
    // A step of the batch itself is tried again.
    let again = Asked { counted: Counted { hour: true, day: true }, ..asked(Stops::Destructive) };
    assert_eq!(room(&limits(), &Tally { batch: 1, good: 0, ..of(100) }, &again), Room::Free);
}

#[test]
fn how_a_step_stands_in_its_batch_is_how_it_ended() {
    use crate::run::SkipReason;
    use crate::run::sample::{Case, Story, step, workflow};
    let delete = step("delete", "account.delete").on(&["ldap"]);
    let story = Story::of(&Case::of(workflow("w", vec![], vec![delete])));
    let bad = |how: &str| Standing::Bad(format!("delete@ldap of run_7 {how}"));
    let done = |kind| StepState::Done { at: at(0), evidence: Evidence { kind, detail: String::new() } };
    let held = |reason| StepState::Held { reason, observe: false };
    let guard = HoldReason::Guard { name: "threshold".into(), detail: "trip_1: many".into() };
    for (state, expected) in [
        (done(EvidenceKind::ReadBack), Standing::Good),
        (done(EvidenceKind::Acknowledged), bad("was acknowledged and cannot be read back")),
        (done(EvidenceKind::Person), Standing::Out),
        (StepState::Failed { at: at(0), reason: "no".into() }, bad("failed")),
        (held(HoldReason::Failure("no".into())), bad("is held (failure)")),
        (held(HoldReason::Paused), Standing::Open),
        (held(HoldReason::Freeze("audit".into())), Standing::Open),
        (held(guard), Standing::Open),
        (StepState::Waiting { due: at(0) }, Standing::Open),
        (StepState::Leased { fence: 1, observe: false }, Standing::Open),
        (StepState::Unknown { due: at(0) }, Standing::Open),
        (StepState::AwaitingPerson { instruction: "by hand".into() }, Standing::Out),
        (StepState::Skipped { at: at(0), reason: SkipReason::ByPerson("no".into()) }, Standing::Out),
        (StepState::Cancelled, Standing::Out),
    ] {
        let mut step = story.step("delete@ldap").clone();
        step.state = state;
        assert_eq!(standing(7, &step), expected, "{:?}", step.state);
    }
}
