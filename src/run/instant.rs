//! From local times to instants (guarantee 6).
//!
//! The surprising cases first: 02:30 on the night the clocks go forward does not exist, and the next valid instant is
//! taken (03:00, not 03:30). 02:30 on the night they go back happens twice: access is cut at the first, destructive
//! steps wait for the second. Days, weeks, months and years move the local date and keep the local time; hours and
//! minutes move the instant.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use super::business::Holidays;
use super::plan::{Fold, LocalInstant};
use crate::workflow::{Sign, Span};

/// The local time of a date that says none.
pub const DEFAULT_TIME: Time = Time::constant(9, 0, 0, 0);

/// A zone that no time zone database knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time zone; write an IANA name, for example `Europe/Zurich` or `UTC`")]
pub struct UnknownZone(pub String);

/// A date or time that no calendar holds (years −9999 to 9999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the result lies beyond the calendar; use a nearer date or a shorter span")]
pub struct BeyondCalendar;

impl From<jiff::Error> for BeyondCalendar {
    fn from(_: jiff::Error) -> Self {
        Self
    }
}

/// The zone with this IANA name.
///
/// # Errors
/// [`UnknownZone`] when no database has it.
pub fn zone(name: &str) -> Result<TimeZone, UnknownZone> {
    let known = TimeZone::get(name.trim()).ok().filter(|zone| !zone.is_unknown());
    known.ok_or_else(|| UnknownZone(name.to_owned()))
}

/// When a step is due that follows `delay` after `end`. Never before `end`.
///
/// A delay beyond the end of the calendar gives its last instant.
pub fn after_delay(end: Timestamp, delay: &Span, zone: &TimeZone, holidays: &Holidays, destructive: bool) -> Timestamp {
    Reckoning { zone, holidays, destructive }
        .from_instant(end, &[(Sign::Plus, delay.clone())], None)
        .map_or(Timestamp::MAX, |due| due.at.max(end))
}

/// The rules by which one step's local times become instants.
#[derive(Clone, Copy, Debug)]
pub struct Reckoning<'a> {
    /// The zone of local times.
    pub zone: &'a TimeZone,
    /// Which days are business days.
    pub holidays: &'a Holidays,
    /// Whether a repeated local time means the later of its two instants.
    pub destructive: bool,
}

impl Reckoning<'_> {
    /// `date`, moved by `offsets`, at `time` (09:00 without one). Exact offsets count from that instant.
    ///
    /// # Errors
    /// [`BeyondCalendar`].
    pub fn from_date(
        &self,
        date: Date,
        offsets: &[(Sign, Span)],
        time: Option<Time>,
    ) -> Result<LocalInstant, BeyondCalendar> {
        let (date, exact) = self.walk(date, offsets)?;
        self.moved(self.settle(date.to_datetime(time.unwrap_or(DEFAULT_TIME)))?, exact)
    }

    /// `start`, moved by `offsets`. Without a `time` it keeps its local time, and without whole days in `offsets`
    /// it is exact.
    ///
    /// # Errors
    /// [`BeyondCalendar`].
    pub fn from_instant(
        &self,
        start: Timestamp,
        offsets: &[(Sign, Span)],
        time: Option<Time>,
    ) -> Result<LocalInstant, BeyondCalendar> {
        let local = self.zone.to_datetime(start);
        let (date, exact) = self.walk(local.date(), offsets)?;
        if date == local.date() && time.is_none() {
            return self.moved(LocalInstant { at: start, local, fold: Fold::None }, exact);
        }
        self.moved(self.settle(date.to_datetime(time.unwrap_or(local.time())))?, exact)
    }

    /// The instant of a local time.
    ///
    /// # Errors
    /// [`BeyondCalendar`].
    pub fn settle(&self, local: DateTime) -> Result<LocalInstant, BeyondCalendar> {
        let found = self.zone.to_ambiguous_timestamp(local);
        let (at, fold) = match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => (found.unambiguous()?, Fold::None),
            AmbiguousOffset::Gap { before, after } => (self.end_of_gap(local, before, after)?, Fold::Gap),
            AmbiguousOffset::Fold { .. } if self.destructive => (found.later()?, Fold::Overlap),
            AmbiguousOffset::Fold { .. } => (found.earlier()?, Fold::Overlap),
        };
        Ok(LocalInstant { at, local, fold })
    }

    /// The transition that skips `local`: read with the offset behind the gap it lies before the transition, read
    /// with the offset in front of it, it lies at or after it.
    fn end_of_gap(&self, local: DateTime, before: Offset, after: Offset) -> Result<Timestamp, BeyondCalendar> {
        let (not_yet, by_then) = (after.to_timestamp(local)?, before.to_timestamp(local)?);
        let end = self
            .zone
            .following(not_yet)
            .map(|transition| transition.timestamp())
            .take_while(|at| *at <= by_then)
            .find(|at| self.zone.to_offset(*at) == after);
        Ok(end.unwrap_or(by_then))
    }

    fn moved(&self, from: LocalInstant, exact: SignedDuration) -> Result<LocalInstant, BeyondCalendar> {
        if exact.is_zero() {
            return Ok(from);
        }
        // The store keeps milliseconds; rounding down would be early.
        let whole = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Ceil);
        let at = from.at.checked_add(exact)?.round(whole)?;
        Ok(LocalInstant { at, local: self.zone.to_datetime(at), fold: Fold::None })
    }

    /// Where `offsets` lead: the date, and the exact time to add to the instant.
    fn walk(&self, from: Date, offsets: &[(Sign, Span)]) -> Result<(Date, SignedDuration), BeyondCalendar> {
        let (mut date, mut exact) = (from, SignedDuration::ZERO);
        for (sign, span) in offsets {
            let backwards = *sign == Sign::Minus;
            match span {
                Span::BusinessDays(days) => {
                    let days = i64::from(*days) * if backwards { -1 } else { 1 };
                    date = self.holidays.step(date, days).ok_or(BeyondCalendar)?;
                }
                Span::Calendar(span) => {
                    let (days, time) = split(span.0)?;
                    date = if backwards { date.checked_sub(days)? } else { date.checked_add(days)? };
                    let sum = if backwards { exact.checked_sub(time) } else { exact.checked_add(time) };
                    exact = sum.ok_or(BeyondCalendar)?;
                }
            }
        }
        Ok((date, exact))
    }
}

/// A span's whole days, and its exact time.
fn split(span: jiff::Span) -> Result<(jiff::Span, SignedDuration), BeyondCalendar> {
    let days = jiff::Span::new()
        .try_years(span.get_years())?
        .try_months(span.get_months())?
        .try_weeks(span.get_weeks())?
        .try_days(span.get_days())?;
    let time = span.try_years(0)?.try_months(0)?.try_weeks(0)?.try_days(0)?;
    Ok((days, SignedDuration::try_from(time)?))
}

#[cfg(test)]
mod tests;
