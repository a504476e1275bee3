//! Working days: which dates count for `2 business days`.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

/// The days on which nobody works: weekends, and the dates the configuration lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holidays {
    weekend: Vec<Weekday>,
    dates: BTreeSet<Date>,
}

/// Saturdays and Sundays, no holidays.
impl Default for Holidays {
    fn default() -> Self {
        Self { weekend: vec![Weekday::Saturday, Weekday::Sunday], dates: BTreeSet::new() }
    }
}

impl Holidays {
    /// Saturdays, Sundays and these dates.
    pub fn on(dates: impl IntoIterator<Item = Date>) -> Self {
        Self { dates: dates.into_iter().collect(), ..Self::default() }
    }

    /// The same holidays with another weekend, for companies that work on Sundays.
    #[must_use]
    pub fn with_weekend(self, weekend: impl IntoIterator<Item = Weekday>) -> Self {
        Self { weekend: weekend.into_iter().collect(), ..self }
    }

    /// Whether people work on `date`.
    pub fn is_business_day(&self, date: Date) -> bool {
        !self.weekend.contains(&date.weekday()) && !self.dates.contains(&date)
    }

    /// The `days`-th business day after `date` (before it, when `days` is negative); `date` itself for zero, whatever
    /// day that is. `None` where the calendar ends first.
    pub fn step(&self, date: Date, days: i64) -> Option<Date> {
        let mut reached = date;
        for _ in 0..days.unsigned_abs() {
            reached = self.next(reached, days < 0)?;
        }
        Some(reached)
    }

    fn next(&self, from: Date, backwards: bool) -> Option<Date> {
        let mut date = from;
        loop {
            date = if backwards { date.yesterday() } else { date.tomorrow() }.ok()?;
            if self.is_business_day(date) {
                return Some(date);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn business_days_leave_out_weekends_and_holidays() {
        let easter = Holidays::on([date(2027, 3, 26), date(2027, 3, 29)]);
        let maundy_thursday = date(2027, 3, 25);
        assert_eq!(easter.step(maundy_thursday, 1), Some(date(2027, 3, 30)));
        assert_eq!(easter.step(date(2027, 3, 30), -1), Some(maundy_thursday));
        assert_eq!(Holidays::default().step(maundy_thursday, 1), Some(date(2027, 3, 26)));
    }

    #[test]
    fn zero_business_days_stay_where_they_are() {
        let sunday = date(2027, 3, 28);
        assert_eq!(Holidays::default().step(sunday, 0), Some(sunday));
        assert_eq!(Holidays::default().step(sunday, 1), Some(date(2027, 3, 29)));
    }

    #[test]
    fn another_weekend_and_the_end_of_the_calendar() {
        let gulf = Holidays::default().with_weekend([Weekday::Friday, Weekday::Saturday]);
        assert_eq!(gulf.step(date(2027, 3, 25), 1), Some(date(2027, 3, 28)));
        assert_eq!(Holidays::default().step(Date::MAX, 1), None);
    }
}
