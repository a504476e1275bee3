//! Five-field cron in local time.
//!
//! The `cron` crate reads the fields; what people expect of a crontab is done here: five fields, weekdays by the Unix
//! numbering (0 and 7 are Sunday), day of month *or* weekday where both are restricted, and ticks in local time that
//! daylight saving neither drops nor doubles.

use std::str::FromStr;

use cron::TimeUnitSpec;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::definition::Schedule;

/// Longest time between two ticks: a 29 February on one weekday comes every 28 years, and 2100 has none.
const HORIZON_DAYS: usize = 366 * 41;
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A cron expression that has been read.
#[derive(Clone, Debug)]
pub struct Cron {
    fields: cron::Schedule,
    either_day: bool,
}

/// Why a text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("a cron expression has five fields (minute hour day month weekday), this one has {0}")]
    Fields(usize),
    /// A weekday that is none.
    #[error("`{0}` is not a weekday; write 0 to 7 (0 and 7 are Sunday) or SUN to SAT")]
    Weekday(String),
    /// A field the crate refuses.
    #[error("this is not a cron expression: {0}")]
    Unreadable(String),
    /// A day that no calendar has.
    #[error("this never happens: no year has such a day")]
    Never,
}

impl Cron {
    /// Reads a five-field expression.
    ///
    /// # Errors
    /// When it cannot be read, or can never happen.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts[..] else { return Err(CronError::Fields(parts.len())) };
        let normal = format!("0 {minute} {hour} {day} {month} {}", weekdays(weekday)?);
        let fields = cron::Schedule::from_str(&normal).map_err(|error| CronError::Unreadable(error.to_string()))?;
        let either_day = !day.starts_with('*') && !weekday.starts_with('*');
        let cron = Self { fields, either_day };
        let spring = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
        if cron.ticks_from(spring).next().is_none() {
            return Err(CronError::Never);
        }
        Ok(cron)
    }

    /// The local times at which it ticks, from `start` on, as a clock without daylight saving would show them.
    fn ticks_from(&self, start: DateTime) -> impl Iterator<Item = DateTime> {
        start
            .date()
            .series(jiff::Span::new().days(1))
            .take(HORIZON_DAYS)
            .filter(|date| self.on(*date))
            .flat_map(|date| self.times().map(move |time| date.to_datetime(time)))
            .filter(move |tick| *tick >= start)
    }

    fn on(&self, date: Date) -> bool {
        let ordinal = |number: i8| u32::from(number.unsigned_abs());
        let day = self.fields.days_of_month().includes(ordinal(date.day()));
        let weekday = self.fields.days_of_week().includes(ordinal(date.weekday().to_sunday_one_offset()));
        self.fields.months().includes(ordinal(date.month()))
            && if self.either_day { day || weekday } else { day && weekday }
    }

    fn times(&self) -> impl Iterator<Item = Time> {
        self.fields.hours().iter().flat_map(|hour| {
            self.fields
                .minutes()
                .iter()
                .filter_map(move |minute| Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok())
        })
    }
}

/// The first tick of `schedule` after `now`, in `zone`. A tick that falls into a gap comes at the first instant after
/// it; one that falls into an overlap comes once, at the earlier instant. `None` when there is none.
pub fn next_after(schedule: &Schedule, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let cron = Cron::parse(&schedule.cron).ok()?;
    cron.ticks_from(zone.to_datetime(now)).filter_map(|tick| instant(zone, tick)).find(|tick| *tick > now)
}

fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            let just_before = after.to_timestamp(local).ok()?;
            zone.following(just_before).next().map(|transition| transition.timestamp())
        }
    }
}

/// A weekday field in the crate's words: a list of names.
fn weekdays(field: &str) -> Result<String, CronError> {
    if field == "*" || field == "?" {
        return Ok(field.to_owned());
    }
    let mut days = [false; 8];
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, "1"), |(range, step)| (range, step));
        let wrong = || CronError::Weekday(part.to_owned());
        let step: usize = step.parse().ok().filter(|step| (1..=7).contains(step)).ok_or_else(wrong)?;
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((first, last)) => (weekday(first).ok_or_else(wrong)?, weekday(last).ok_or_else(wrong)?),
            None => (weekday(range).ok_or_else(wrong)?, weekday(range).ok_or_else(wrong)?),
        };
        let last = if last < first { last + 7 } else { last };
        for day in (first..=last).step_by(step) {
            days[day % 7] = true;
        }
    }
    Ok(WEEKDAYS.iter().zip(days).filter(|(_, chosen)| *chosen).map(|(name, _)| *name).collect::<Vec<_>>().join(","))
}

fn weekday(text: &str) -> Option<usize> {
    WEEKDAYS
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text))
        .or_else(|| text.parse().ok().filter(|number| *number <= 7))
}

#[cfg(test)]
mod tests {
    use super::super::definition::Missed;
    use super::*;

    /// The first ticks after `from`, as instants with the zone's offset.
    fn ticks(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule { cron: cron.into(), timezone: None, missed: Missed::Once };
        let zone = TimeZone::get(zone).unwrap();
        let mut now: Timestamp = from.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            now = next_after(&schedule, &zone, now).unwrap();
            found.push(now.to_zoned(zone.clone()).strftime("%a %F %H:%M %:z").to_string());
        }
        found
    }

    #[test]
    fn weekdays_are_those_of_a_crontab() {
        // 2026-11-22 is a Sunday.
        let from = "2026-11-21T12:00:00Z";
        assert_eq!(ticks("0 6 * * 0", "UTC", from, 1), ["Sun 2026-11-22 06:00 +00:00"]);
        assert_eq!(ticks("0 6 * * 7", "UTC", from, 1), ["Sun 2026-11-22 06:00 +00:00"]);
        assert_eq!(ticks("0 6 * * 1-5", "UTC", from, 1), ["Mon 2026-11-23 06:00 +00:00"]);
        assert_eq!(
            ticks("0 6 * * fri-mon", "UTC", from, 2),
            ["Sun 2026-11-22 06:00 +00:00", "Mon 2026-11-23 06:00 +00:00"]
        );
        assert_eq!(ticks("0 6 * * 1/1,6-7", "UTC", from, 1), ["Sun 2026-11-22 06:00 +00:00"]);
        assert_eq!(
            ticks("0 6 * * */3", "UTC", from, 3),
            ["Sun 2026-11-22 06:00 +00:00", "Wed 2026-11-25 06:00 +00:00", "Sat 2026-11-28 06:00 +00:00"]
        );
    }

    #[test]
    fn a_day_of_the_month_and_a_weekday_mean_either() {
        assert_eq!(
            ticks("0 6 1 * 1", "UTC", "2026-11-21T12:00:00Z", 3),
            ["Mon 2026-11-23 06:00 +00:00", "Mon 2026-11-30 06:00 +00:00", "Tue 2026-12-01 06:00 +00:00"]
        );
    }

    #[test]
    fn quarters_begin_at_six_in_local_time() {
        assert_eq!(
            ticks("0 6 1 1,4,7,10 *", "Europe/Zurich", "2026-11-21T12:00:00Z", 2),
            ["Fri 2027-01-01 06:00 +01:00", "Thu 2027-04-01 06:00 +02:00"]
        );
    }

    #[test]
    fn a_tick_in_a_gap_comes_when_the_clock_has_jumped() {
        assert_eq!(
            ticks("30 2 * * *", "Europe/Zurich", "2027-03-27T00:00:00Z", 3),
            ["Sat 2027-03-27 02:30 +01:00", "Sun 2027-03-28 03:00 +02:00", "Mon 2027-03-29 02:30 +02:00"]
        );
        assert_eq!(
            ticks("30 2 * * *", "America/New_York", "2027-03-14T00:00:00Z", 2),
            ["Sun 2027-03-14 03:00 -04:00", "Mon 2027-03-15 02:30 -04:00"]
        );
        // Lord Howe moves by half an hour: 02:00 becomes 02:30.
        assert_eq!(
            ticks("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2),
            ["Sun 2026-10-04 02:30 +11:00", "Mon 2026-10-05 02:15 +11:00"]
        );
    }

    #[test]
    fn a_tick_in_an_overlap_comes_once() {
        assert_eq!(
            ticks("30 2 * * *", "Europe/Zurich", "2026-10-24T12:00:00Z", 2),
            ["Sun 2026-10-25 02:30 +02:00", "Mon 2026-10-26 02:30 +01:00"]
        );
        assert_eq!(
            ticks("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2),
            ["Sun 2026-11-01 01:30 -04:00", "Mon 2026-11-02 01:30 -05:00"]
        );
        assert_eq!(
            ticks("45 1 * * *", "Australia/Lord_Howe", "2027-04-03T12:00:00Z", 2),
            ["Sun 2027-04-04 01:45 +11:00", "Mon 2027-04-05 01:45 +10:30"]
        );
    }

    #[test]
    fn several_ticks_in_one_gap_are_one() {
        assert_eq!(
            ticks("*/15 2 * * *", "Europe/Zurich", "2027-03-27T23:00:00Z", 2),
            ["Sun 2027-03-28 03:00 +02:00", "Mon 2027-03-29 02:00 +02:00"]
        );
    }

    #[test]
    fn starting_inside_an_overlap_s_second_pass_goes_on_afterwards() {
        // 02:10 for the second time; 02:30 has been already.
        assert_eq!(ticks("30 2 * * *", "Europe/Zurich", "2026-10-25T01:10:00Z", 1), ["Mon 2026-10-26 02:30 +01:00"]);
    }

    #[test]
    fn leap_days_come_and_impossible_days_are_refused() {
        assert_eq!(ticks("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["Tue 2028-02-29 00:00 +00:00"]);
        assert_eq!(Cron::parse("0 0 30 2 *").unwrap_err(), CronError::Never);
    }

    #[test]
    fn other_shapes_are_refused_with_the_expected_one() {
        assert_eq!(Cron::parse("0 0 6 * * *").unwrap_err(), CronError::Fields(6));
        assert_eq!(Cron::parse("@daily").unwrap_err(), CronError::Fields(1));
        assert!(matches!(Cron::parse("0 6 * * 8").unwrap_err(), CronError::Weekday(_)));
        assert!(matches!(Cron::parse("0 6 * * 1/0").unwrap_err(), CronError::Weekday(_)));
        assert!(matches!(Cron::parse("61 6 * * *").unwrap_err(), CronError::Unreadable(_)));
    }
}
