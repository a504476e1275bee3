//! Dates as HR systems write them: `2026-12-31`, `31.12.2026`, `12/31/2026 12:00:00 AM`.
//!
//! Slashes mean day first in Europe and month first in America. A column shows which where one of its dates has a
//! number above 12; where none has, nobody can know, and guessing would move a last day by months: it is refused.

use jiff::civil::Date;

/// What dates with slashes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// `31/12/2026`
    DayFirst,
    /// `12/31/2026`
    MonthFirst,
}

impl DateOrder {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DayFirst => "day-first",
            Self::MonthFirst => "month-first",
        }
    }

    /// The order called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::DayFirst, Self::MonthFirst].into_iter().find(|order| order.as_str() == name)
    }
}

/// What the dates of one column show about their order, gathered cell by cell.
#[derive(Debug, Default)]
pub(super) struct Slashes {
    day_first: Option<String>,
    month_first: Option<String>,
    either: Option<String>,
}

impl Slashes {
    /// Looks at one cell.
    pub(super) fn see(&mut self, cell: &str) {
        let Some([first, second, _]) = numbers(bare(cell), '/') else { return };
        let place = match (first > 12, second > 12) {
            (true, _) => &mut self.day_first,
            (false, true) => &mut self.month_first,
            (false, false) if first != second => &mut self.either,
            (false, false) => return,
        };
        place.get_or_insert_with(|| cell.to_owned());
    }

    /// Whether the column shows an order by itself.
    pub(super) const fn shows(&self) -> bool {
        self.day_first.is_some() != self.month_first.is_some()
    }

    /// The order that the column shows.
    ///
    /// # Errors
    /// When its dates contradict each other, or none of them shows it and one of them needs it.
    pub(super) fn order(&self) -> Result<DateOrder, String> {
        match (&self.day_first, &self.month_first, &self.either) {
            (Some(one), Some(other), _) => {
                Err(format!("`{one}` has the day first, `{other}` the month; one column must keep to one order"))
            }
            (Some(_), None, _) | (None, None, None) => Ok(DateOrder::DayFirst),
            (None, Some(_), _) => Ok(DateOrder::MonthFirst),
            (None, None, Some(cell)) => Err(format!(
                "`{cell}` may be day/month or month/day, and no other date of the column shows which; export dates as \
                 2026-12-31, or say it with `--dates day-first` or `--dates month-first`"
            )),
        }
    }
}

/// Reads one date.
///
/// # Errors
/// When there is no such date, or it is written in another way.
pub(super) fn parse(cell: &str, order: DateOrder) -> Result<Date, String> {
    let text = bare(cell);
    let [year, month, day] = if let Some([year, month, day]) = numbers(text, '-').filter(|_| text.find('-') == Some(4))
    {
        [year, month, day]
    } else if let Some([day, month, year]) = numbers(text, '.') {
        [year, month, day]
    } else if let Some([first, second, year]) = numbers(text, '/') {
        match order {
            DateOrder::DayFirst => [year, second, first],
            DateOrder::MonthFirst => [year, first, second],
        }
    } else {
        return Err(format!("`{cell}` is no date; write it as 2026-12-31, 31.12.2026 or 12/31/2026"));
    };
    let absent = || format!("`{cell}`: there is no such date");
    let small = |number: u16| i8::try_from(number).map_err(|_| absent());
    let date =
        Date::new(i16::try_from(year).map_err(|_| absent())?, small(month)?, small(day)?).map_err(|_| absent())?;
    if (1900..=2200).contains(&date.year()) {
        Ok(date)
    } else {
        Err(format!("`{cell}`: the year {year} cannot be meant"))
    }
}

/// Without the time of day that some exports add.
fn bare(cell: &str) -> &str {
    let cell = cell.trim();
    let end = cell.find([' ', '\u{a0}', '\u{202f}', 'T']).unwrap_or(cell.len());
    let (date, time) = cell.split_at(end);
    let is_time = |c: char| {
        c.is_ascii_digit()
            || c.is_whitespace()
            || matches!(c, ':' | '.' | 'A' | 'P' | 'M' | 'a' | 'p' | 'm' | 'T' | 'Z' | '+')
    };
    if time.chars().all(is_time) { date } else { cell }
}

fn numbers(text: &str, separator: char) -> Option<[u16; 3]> {
    let mut parts = text.split(separator);
    let mut next = || {
        let part = parts.next()?;
        let plain = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse().ok() } else { None }
    };
    let read = [next()?, next()?, next()?];
    parts.next().is_none().then_some(read)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_usual_ways_are_read() {
        let day = date(2026, 12, 31);
        for text in ["2026-12-31", "31.12.2026", "31/12/2026", "2026-12-31T00:00:00Z", "31.12.2026 00:00"] {
            assert_eq!(parse(text, DateOrder::DayFirst), Ok(day), "{text}");
        }
        assert_eq!(parse("12/31/2026 12:00:00 AM", DateOrder::MonthFirst), Ok(day));
        assert_eq!(parse("1.3.2027", DateOrder::DayFirst), Ok(date(2027, 3, 1)));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for text in ["2027-02-29", "31.06.2026", "2026-13-01", "0/0/2026"] {
            assert!(parse(text, DateOrder::DayFirst).unwrap_err().contains("no such date"), "{text}");
        }
        for text in ["tomorrow", "2026", "46022", "31-12-2026", "12/31", "31.12.2026 (planned)", "1/2/3/4"] {
            assert!(parse(text, DateOrder::DayFirst).unwrap_err().contains("no date"), "{text}");
        }
        assert!(parse("31.12.26", DateOrder::DayFirst).unwrap_err().contains("cannot be meant"));
        assert!(parse("9999-12-31", DateOrder::DayFirst).unwrap_err().contains("9999"));
    }

    #[test]
    fn a_column_shows_its_order_or_is_refused() {
        let order_of = |cells: &[&str]| {
            let mut slashes = Slashes::default();
            cells.iter().for_each(|cell| slashes.see(cell));
            slashes.order()
        };
        assert_eq!(order_of(&["1/2/2026", "31/1/2026"]), Ok(DateOrder::DayFirst));
        assert_eq!(order_of(&["1/2/2026", "1/31/2026 12:00:00 AM"]), Ok(DateOrder::MonthFirst));
        assert_eq!(order_of(&["2026-01-02", "3/3/2026"]), Ok(DateOrder::DayFirst));
        assert!(order_of(&["1/2/2026"]).unwrap_err().contains("--dates"));
        assert!(order_of(&["31/1/2026", "1/31/2026"]).unwrap_err().contains("one order"));
    }
}
