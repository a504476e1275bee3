//! Leaves by their dates: from when somebody is away, and when they are back at work.

use jiff::civil::Date;

use super::changes::HrFact;
use super::rows::PersonRow;
use crate::run::{Person, PersonStatus};
use crate::workflow::HrEvent;

/// A leave as the record keeps it.
pub(super) struct Away {
    /// First day away.
    pub(super) from: Option<Date>,
    /// First day back at work.
    pub(super) until: Option<Date>,
    /// Why.
    pub(super) reason: Option<String>,
}

/// The leave of a row over what is known. A day of return that is not after the first day away belongs to an earlier
/// leave.
pub(super) fn of(row: &PersonRow, old: Option<&Person>) -> Away {
    let from = row.leave_from.over(old.and_then(|old| old.leave_from));
    let until = row.leave_until.over(old.and_then(|old| old.leave_until));
    let until = until.filter(|until| from.is_none_or(|from| from < *until));
    Away { from, until, reason: row.leave_reason.over(old.and_then(|old| old.leave_reason.clone())) }
}

/// Whether `today` is within the leave; `None` where neither the leave nor what was known of one has a date.
pub(super) fn standing(away: &Away, old: Option<&Person>, today: Date) -> Option<bool> {
    let dated = away.from.is_some() || old.is_some_and(|old| old.leave_from.is_some());
    dated.then(|| away.from.is_some_and(|from| from <= today) && away.until.is_none_or(|until| today < until))
}

/// A leave that is to come or not over, in the words of a first file.
pub(super) fn first_told(person: &Person, today: Date) -> Option<HrFact> {
    coming(person, today).map(|_| leave(person))
}

/// What a changed leave means. That a day told before has come is no news.
pub(super) fn told(old: &Person, new: &Person, today: Date) -> Option<HrFact> {
    if new.status.is_departed() {
        return None;
    }
    let moved = (old.leave_from, old.leave_until) != (new.leave_from, new.leave_until);
    let was_away = old.status == PersonStatus::OnLeave;
    let is_away = new.status == PersonStatus::OnLeave;
    if moved {
        return match (coming(old, today), coming(new, today)) {
            (_, Some(_)) => Some(leave(new)),
            (Some(_), None) => Some(HrFact::new(HrEvent::Return, new.leave_until, &["leave_from", "leave_until"])),
            (None, None) if was_away && !is_away => {
                Some(HrFact::new(HrEvent::Return, new.leave_until, &["leave_until"]))
            }
            (None, None) => None,
        };
    }
    let by_word = new.leave_from.is_none();
    match (was_away, is_away) {
        (false, true) if by_word => Some(HrFact::new(HrEvent::Leave, None, &["status"])),
        (true, false) if by_word => Some(HrFact::new(HrEvent::Return, None, &["status"])),
        _ => None,
    }
}

fn leave(person: &Person) -> HrFact {
    HrFact::new(HrEvent::Leave, person.leave_from, &["leave_from", "leave_until"])
}

/// The leave with dates that is to come or under way.
fn coming(person: &Person, today: Date) -> Option<Date> {
    person.leave_from.filter(|_| person.leave_until.is_none_or(|until| today < until))
}
