//! Instants as people read and write them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::error::CliError;

/// The hour of a date without one, as in workflows.
const HOUR: i8 = 9;

/// Nobody plans further ahead than this by intention.
const FURTHEST_YEARS: i64 = 10;

/// `Fri 29 Jan 2027`
pub(super) fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %Y").to_string()
}

/// `18:00 CET`, with seconds where they are not zero.
pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    let form = if local.second() == 0 { "%H:%M %Z" } else { "%H:%M:%S %Z" };
    local.strftime(form).to_string()
}

/// `2027-01-29 18:00 CET`
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    format!("{} {}", at.to_zoned(zone.clone()).date(), time(at, zone))
}

/// `2027-01-29 18:00`, where the zone is said once for many.
pub(super) fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2027-01-29 18:00:07`, likewise.
pub(super) fn second(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Reads an instant that is still to come: RFC 3339, or local date and time in `zone`, or a date (then at 09:00).
///
/// # Errors
/// When it is none, has passed at `now`, or is absurdly far away.
pub(super) fn coming(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, CliError> {
    let at = read(text.trim(), zone).ok_or_else(|| {
        CliError::usage(format!("`{text}` is no instant"))
            .help("write 2027-01-29T18:00+01:00, or 2027-01-29T18:00 for that time here, or 2027-01-29 for 09:00")
    })?;
    if at < now {
        return Err(CliError::usage(format!("{} has passed", moment(at, zone))).help("--now starts it at once"));
    }
    let furthest = now.to_zoned(zone.clone()).checked_add(Span::new().years(FURTHEST_YEARS));
    if furthest.is_ok_and(|furthest| at > furthest.timestamp()) {
        let message = format!("{} is more than {FURTHEST_YEARS} years away", moment(at, zone));
        return Err(CliError::usage(message).help("see whether the year is right"));
    }
    Ok(at)
}

/// Reads an end that is still to come: an instant as [`coming`] takes it, or a date, which means the end of that day.
///
/// # Errors
/// When it is none, or has passed at `now`.
pub(super) fn through(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, CliError> {
    let text = text.trim();
    let end_of_day = || {
        let date = text.parse::<Date>().ok().filter(|_| text.len() <= "2027-01-29".len())?.tomorrow().ok()?;
        date.to_zoned(zone.clone()).ok().map(|midnight| midnight.timestamp())
    };
    let at = end_of_day().or_else(|| read(text, zone)).ok_or_else(|| {
        CliError::usage(format!("`{text}` is no date"))
            .help("write 2027-12-31 for the end of that day, or 2027-12-31T12:00 for that time here")
    })?;
    if at <= now {
        return Err(CliError::usage(format!("{} has passed", moment(at, zone))).help("name a day that is to come"));
    }
    Ok(at)
}

fn read(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    // A date alone would be read as midnight, when nobody is there to look.
    let local = match text.parse::<Date>() {
        Ok(date) if text.len() <= "2027-01-29".len() => date.at(HOUR, 0, 0, 0),
        _ => text.parse::<DateTime>().ok()?,
    };
    local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zurich() -> TimeZone {
        TimeZone::get("Europe/Zurich").unwrap()
    }

    #[test]
    fn local_and_absolute_instants_are_read() {
        let now: Timestamp = "2027-01-20T08:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2027-01-29T18:00:00+01:00", "2027-01-29T17:00:00Z"),
            ("2027-01-29T18:00", "2027-01-29T17:00:00Z"),
            ("2027-01-29 18:00", "2027-01-29T17:00:00Z"),
            ("2027-07-01", "2027-07-01T07:00:00Z"),
        ] {
            assert_eq!(coming(text, &zurich(), now).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn the_past_the_absurd_and_nonsense_are_refused() {
        let now: Timestamp = "2027-01-20T08:00:00Z".parse().unwrap();
        for text in ["2027-01-19", "2207-01-29", "2027-02-30", "tomorrow", ""] {
            assert_eq!(coming(text, &zurich(), now).unwrap_err().exit, super::super::Exit::Usage, "{text}");
        }
    }

    #[test]
    fn moments_name_their_zone() {
        let at: Timestamp = "2027-01-29T17:00:00Z".parse().unwrap();
        assert_eq!(moment(at, &zurich()), "2027-01-29 18:00 CET");
        assert_eq!(day(at, &zurich()), "Fri 29 Jan 2027");
    }
}
