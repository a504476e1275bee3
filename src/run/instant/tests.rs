use jiff::civil::{DateTime, date};

use super::*;
use crate::run::sample::instant;

fn reckon(zone_name: &str, local: &str, destructive: bool) -> LocalInstant {
    let (zone, holidays) = (zone(zone_name).unwrap(), Holidays::default());
    let local: DateTime = local.parse().unwrap();
    Reckoning { zone: &zone, holidays: &holidays, destructive }.settle(local).unwrap()
}

#[test]
fn a_skipped_local_time_becomes_the_end_of_the_gap() {
    let found = reckon("Europe/Zurich", "2027-03-28T02:30", false);
    assert_eq!((found.at, found.fold), (instant("2027-03-28T01:00:00Z"), Fold::Gap));
    assert_eq!(found.local.to_string(), "2027-03-28T02:30:00", "the local time stays as written");
    assert_eq!(reckon("Europe/Zurich", "2027-03-28T02:00", true).at, found.at, "the gap's first moment");
    assert_eq!(reckon("Europe/Zurich", "2027-03-28T03:00", true).fold, Fold::None, "its end is ordinary");
}

#[test]
fn a_day_that_a_zone_skipped_becomes_the_next_midnight() {
    let found = reckon("Pacific/Apia", "2011-12-30T09:00", true);
    assert_eq!((found.at, found.fold), (instant("2011-12-30T10:00:00Z"), Fold::Gap));
    assert_eq!(zone("Pacific/Apia").unwrap().to_datetime(found.at).to_string(), "2011-12-31T00:00:00");
}

#[test]
fn a_repeated_local_time_cuts_early_and_destroys_late() {
    assert_eq!(reckon("Europe/Zurich", "2027-10-31T02:30", false).at, instant("2027-10-31T00:30:00Z"));
    assert_eq!(reckon("Europe/Zurich", "2027-10-31T02:30", true).at, instant("2027-10-31T01:30:00Z"));
    assert_eq!(reckon("Europe/Zurich", "2027-10-31T02:30", true).fold, Fold::Overlap);
}

#[test]
fn days_keep_the_local_time_and_hours_are_exact() {
    let (zone, holidays) = (zone("Europe/Zurich").unwrap(), Holidays::default());
    let after = |span: &str| {
        let start = instant("2027-03-27T18:00:00Z"); // 19:00 local, the evening before the clocks go forward
        after_delay(start, &Span::parse(span).unwrap(), &zone, &holidays, false)
    };
    assert_eq!(after("1 day"), instant("2027-03-28T17:00:00Z"), "19:00 local");
    assert_eq!(after("24 hours"), instant("2027-03-28T18:00:00Z"), "20:00 local");
    assert_eq!(after("1 day 2 hours"), instant("2027-03-28T19:00:00Z"));
    assert_eq!(after("1 business day"), instant("2027-03-29T17:00:00Z"), "Monday");
    assert_eq!(after("1 month"), instant("2027-04-27T17:00:00Z"));
    assert_eq!(after("0 days"), instant("2027-03-27T18:00:00Z"));
}

#[test]
fn an_exact_span_never_rounds_down() {
    let (zone, holidays) = (zone("UTC").unwrap(), Holidays::default());
    let delay = Span::parse("1500 microseconds").unwrap();
    let due = after_delay(instant("2027-01-01T00:00:00Z"), &delay, &zone, &holidays, false);
    assert_eq!(due, instant("2027-01-01T00:00:00.002Z"));
}

#[test]
fn a_start_inside_an_overlap_stays_the_instant_it_is() {
    let (zone, holidays) = (zone("Europe/Zurich").unwrap(), Holidays::default());
    let second = instant("2027-10-31T01:30:00Z"); // the second 02:30
    let reckoning = Reckoning { zone: &zone, holidays: &holidays, destructive: false };
    assert_eq!(reckoning.from_instant(second, &[], None).unwrap().at, second);
    assert_eq!(
        after_delay(second, &Span::parse("10 minutes").unwrap(), &zone, &holidays, false),
        instant("2027-10-31T01:40:00Z")
    );
}

#[test]
fn the_calendars_end_is_an_error_and_not_a_panic() {
    let (zone, holidays) = (zone("Asia/Tokyo").unwrap(), Holidays::default());
    let reckoning = Reckoning { zone: &zone, holidays: &holidays, destructive: true };
    let year = [(Sign::Plus, Span::parse("1 year").unwrap())];
    assert_eq!(reckoning.from_date(date(9999, 12, 1), &year, None), Err(BeyondCalendar));
    assert_eq!(after_delay(Timestamp::MAX, &year[0].1, &zone, &holidays, true), Timestamp::MAX);
    let back = [(Sign::Minus, Span::parse("1 business day").unwrap())];
    assert_eq!(reckoning.from_date(date(-9999, 1, 1), &back, None), Err(BeyondCalendar));
}

#[test]
fn an_unknown_zone_is_named() {
    for name in ["Europe/Zürich", "Mars/Olympus", "", "Local"] {
        let error = zone(name).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{name}` is not a time zone")), "{error}");
    }
}

/// Zones with the strangest clocks: half-hour shifts, Ramadan pauses, negative daylight saving, midnight gaps.
const ZONES: [&str; 20] = [
    "Europe/Zurich",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Chisinau",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Asuncion",
    "America/Nuuk",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Jerusalem",
    "Asia/Gaza",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Chatham",
];

#[test]
fn every_gap_and_overlap_of_twenty_zones() {
    let (from, to) = (instant("2024-01-01T00:00:00Z"), instant("2031-01-01T00:00:00Z"));
    let (mut gaps, mut overlaps) = (0, 0);
    for name in ZONES {
        let zone = zone(name).unwrap();
        for transition in zone.following(from).take_while(|transition| transition.timestamp() < to) {
            let at = transition.timestamp();
            let before = zone.to_offset(at - SignedDuration::from_nanos(1));
            let shift = i64::from(transition.offset().seconds() - before.seconds());
            match shift {
                1.. => gaps += check_gap(&zone, at, before, shift),
                ..=-1 => overlaps += check_overlap(&zone, at, transition.offset(), -shift),
                0 => {}
            }
        }
    }
    assert!(gaps > 100 && overlaps > 100, "{gaps} gaps and {overlaps} overlaps checked");
}

/// Every fifth minute of a gap gives the transition itself: the first instant whose local time is not before it.
fn check_gap(zone: &TimeZone, at: Timestamp, before: Offset, seconds: i64) -> usize {
    let opens = before.to_datetime(at);
    for minute in (0..seconds / 60).step_by(5) {
        let local = opens + SignedDuration::from_mins(minute);
        for destructive in [false, true] {
            let found = Reckoning { zone, holidays: &Holidays::default(), destructive }.settle(local).unwrap();
            assert_eq!((found.at, found.fold), (at, Fold::Gap), "{zone:?} {local}");
            assert!(zone.to_datetime(found.at) >= local, "never early");
            assert!(zone.to_datetime(found.at - SignedDuration::from_nanos(1)) < local, "the first valid instant");
        }
    }
    1
}

/// Every fifth minute of an overlap happens twice: the earlier is for cuts, the later for destruction.
fn check_overlap(zone: &TimeZone, at: Timestamp, after: Offset, seconds: i64) -> usize {
    let repeats_from = after.to_datetime(at);
    for minute in (0..seconds / 60).step_by(5) {
        let local = repeats_from + SignedDuration::from_mins(minute);
        let settle =
            |destructive| Reckoning { zone, holidays: &Holidays::default(), destructive }.settle(local).unwrap();
        let (cut, destroy) = (settle(false), settle(true));
        assert_eq!((cut.fold, destroy.fold), (Fold::Overlap, Fold::Overlap), "{zone:?} {local}");
        assert_eq!(destroy.at.duration_since(cut.at), SignedDuration::from_secs(seconds));
        assert!(cut.at < at && at <= destroy.at);
        assert_eq!((zone.to_datetime(cut.at), zone.to_datetime(destroy.at)), (local, local), "never early");
    }
    1
}

proptest::proptest! {
    #[test]
    fn a_delay_never_ends_before_it_begins(
        seconds in 1_700_000_000..2_000_000_000_i64,
        days in 0..400_i32,
        hours in 0..100_i32,
        place in 0..ZONES.len(),
        destructive in proptest::bool::ANY,
    ) {
        let (zone, end) = (zone(ZONES[place]).unwrap(), Timestamp::from_second(seconds).unwrap());
        let delay = Span::parse(&format!("{days} days {hours} hours")).unwrap();
        let due = after_delay(end, &delay, &zone, &Holidays::default(), destructive);
        proptest::prop_assert!(due >= end + SignedDuration::from_hours(i64::from(hours)));
        let wall = zone.to_datetime(end).checked_add(jiff::Span::new().days(days)).unwrap();
        proptest::prop_assert!(hours > 0 || zone.to_datetime(due) >= wall, "never early on the local clock");
    }
}
