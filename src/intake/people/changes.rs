//! What a row means against the person as known. Pure: what to do about it is decided elsewhere.

use jiff::Span;
use jiff::civil::Date;

use super::leave;
use super::rows::{PersonRow, Told};
use crate::run::{EventFacts, Person, PersonStatus};
use crate::workflow::HrEvent;

/// Somebody whose first day is longer ago than this, in days, is no news: an import into an empty record says who is
/// there, not who has just come.
const STILL_NEW: i64 = 30;

/// Something HR has told us about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HrFact {
    /// What.
    pub event: HrEvent,
    /// From when: the last working day of a departure, the first one of a new person; `None` where HR gives no date.
    pub effective: Option<Date>,
    /// The fields that say so.
    pub fields: Vec<&'static str>,
}

impl HrFact {
    pub(super) fn new(event: HrEvent, effective: Option<Date>, fields: &[&'static str]) -> Self {
        Self { event, effective, fields: fields.to_vec() }
    }

    /// What the event carries for the inputs of workflows: its own date, and the person as they now are.
    pub fn told(&self, person: &Person) -> EventFacts {
        let date = |date: Option<Date>| date.map(|date| date.to_string());
        let on_leave = self.event == HrEvent::Leave;
        let facts = [
            ("until", date(person.leave_until).filter(|_| on_leave)),
            ("reason", person.leave_reason.clone().filter(|_| on_leave)),
            ("given_name", Some(person.given_name.clone())),
            ("family_name", Some(person.family_name.clone())),
            ("display_name", Some(person.display_name.clone())),
            ("email", person.email.clone()),
            ("department", person.department.clone()),
            ("manager", person.manager_number.clone()),
            ("role", person.role.clone()),
            ("language", person.language.clone()),
        ];
        EventFacts {
            effective: self.effective,
            fields: self.fields.iter().map(|field| (*field).to_owned()).collect(),
            facts: facts.into_iter().filter_map(|(name, fact)| Some((name.to_owned(), fact?))).collect(),
        }
    }
}

/// The person as they are to be known from now on, and what that means. `today` is the local date of whoever reads.
///
/// Somebody seen for the first time who is marked as left already is noted without an event: an export with former
/// employees starts nothing. Somebody else seen for the first time has joined only when the first day is to come or at
/// most 30 days ago. Somebody who returns from having left is rehired; somebody whose coming last day is taken
/// back has it rescinded. A last day before the start date belongs to an earlier employment.
pub fn changes(old: Option<&Person>, row: &PersonRow, today: Date) -> (Person, Vec<HrFact>) {
    let person = merged(old, row, today);
    let facts = match old {
        None => first_seen(&person, row, today),
        Some(old) => {
            let mut facts = standing(old, &person);
            facts.extend(leave::told(old, &person, today));
            facts.extend(changed(old, &person));
            facts
        }
    };
    (person, facts)
}

fn merged(old: Option<&Person>, row: &PersonRow, today: Date) -> Person {
    let known = old.cloned().unwrap_or_default();
    let given_name = row.given_name.over(Some(known.given_name.clone())).unwrap_or_default();
    let family_name = row.family_name.over(Some(known.family_name.clone())).unwrap_or_default();
    let renamed = given_name != known.given_name || family_name != known.family_name;
    let composed = || format!("{given_name} {family_name}").trim().to_owned();
    let display_name = match &row.display_name {
        Told::Said(name) => name.clone(),
        Told::Silent if !renamed => known.display_name.clone(),
        Told::Silent | Told::Nothing => composed(),
    };
    let start_date = row.start_date.over(known.start_date);
    let last_day = row.last_day.over(known.last_day).filter(|last| start_date.is_none_or(|start| start <= *last));
    let away = leave::of(row, old);
    Person {
        id: known.id,
        employee_number: row.employee_number.clone(),
        status: status(row, old, (start_date, last_day), leave::standing(&away, old, today), today),
        display_name,
        given_name,
        family_name,
        // A blank means that HR gave none: the address that usher has chosen stays.
        email: row.email.said().cloned().or(known.email),
        private_email: row.private_email.over(known.private_email),
        manager_number: row.manager_number.over(known.manager_number),
        department: row.department.over(known.department),
        role: row.role.over(known.role),
        timezone: row.timezone.over(known.timezone),
        language: row.language.over(known.language),
        start_date,
        last_day,
        leave_from: away.from,
        leave_until: away.until,
        leave_reason: away.reason,
    }
}

/// A known last day decides; then the dates of a leave; then the word of the file; then the start date. `leave` is
/// whether dates say that today is within a leave; `None` where they say nothing.
fn status(
    row: &PersonRow,
    old: Option<&Person>,
    (start, last): (Option<Date>, Option<Date>),
    leave: Option<bool>,
    today: Date,
) -> PersonStatus {
    let said = row.status.said().copied();
    match (last, said) {
        (_, Some(PersonStatus::Left)) => PersonStatus::Left,
        (Some(last), _) if last < today => PersonStatus::Left,
        (Some(_), _) => PersonStatus::Leaving,
        (None, _) if leave == Some(true) => PersonStatus::OnLeave,
        (None, Some(said)) => said,
        (None, None) if start.is_some_and(|start| start > today) => PersonStatus::Prehire,
        (None, None) => unsaid(row, old, leave),
    }
}

/// Without a word: what a file cannot say by its dates stays as it was.
fn unsaid(row: &PersonRow, old: Option<&Person>, leave: Option<bool>) -> PersonStatus {
    match old {
        Some(old) if old.status == PersonStatus::OnLeave && leave.is_none() => PersonStatus::OnLeave,
        // A departure known from elsewhere is not taken back by a file that has no column for it.
        Some(old) if old.status.is_departed() && row.last_day == Told::Silent => old.status,
        _ => PersonStatus::Active,
    }
}

fn first_seen(person: &Person, row: &PersonRow, today: Date) -> Vec<HrFact> {
    let marked_left = row.status.said() == Some(&PersonStatus::Left);
    match person.status {
        PersonStatus::Left if marked_left => Vec::new(),
        PersonStatus::Left | PersonStatus::Leaving => vec![departure(person)],
        PersonStatus::Prehire | PersonStatus::Active | PersonStatus::OnLeave => {
            let joined = person.start_date.filter(|start| is_news(*start, today));
            let joined = joined.map(|start| HrFact::new(HrEvent::Joined, Some(start), &["employee_number"]));
            joined.into_iter().chain(leave::first_told(person, today)).collect()
        }
    }
}

/// Whether a first day is to come, or not long ago.
fn is_news(start: Date, today: Date) -> bool {
    today.checked_sub(Span::new().days(STILL_NEW)).map_or(true, |oldest| start >= oldest)
}

fn departure(person: &Person) -> HrFact {
    HrFact::new(
        HrEvent::Departure,
        person.last_day,
        if person.last_day.is_some() { &["last_day"] } else { &["status"] },
    )
}

/// What a changed standing means.
fn standing(old: &Person, new: &Person) -> Vec<HrFact> {
    use PersonStatus::{Leaving, Left};
    let mut facts = Vec::new();
    let begins_anew = old.last_day.zip(new.start_date).is_some_and(|(last, start)| start > last);
    match (old.status, new.status) {
        (Left, now) if now != Left => facts.push(HrFact::new(HrEvent::Rehired, new.start_date, &["status"])),
        (Leaving, now) if !now.is_departed() || (begins_anew && now == Leaving) => {
            let event = if begins_anew { HrEvent::Rehired } else { HrEvent::Rescinded };
            let effective = new.start_date.filter(|_| begins_anew);
            facts.push(HrFact::new(event, effective, &["last_day"]));
        }
        _ => {}
    }
    let moved = new.last_day != old.last_day && new.last_day.is_some();
    if new.status.is_departed() && (moved || !old.status.is_departed()) {
        facts.push(departure(new));
    }
    facts
}

/// Everything but the standing.
fn changed(old: &Person, new: &Person) -> Option<HrFact> {
    let differs = [
        ("given_name", old.given_name != new.given_name),
        ("family_name", old.family_name != new.family_name),
        ("display_name", old.display_name != new.display_name),
        ("email", old.email != new.email),
        ("private_email", old.private_email != new.private_email),
        ("manager_number", old.manager_number != new.manager_number),
        ("department", old.department != new.department),
        ("role", old.role != new.role),
        ("timezone", old.timezone != new.timezone),
        ("language", old.language != new.language),
        ("start_date", old.start_date != new.start_date),
        ("leave_reason", old.leave_reason != new.leave_reason),
    ];
    let fields: Vec<&str> = differs.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    (!fields.is_empty()).then_some(HrFact { event: HrEvent::Changed, effective: None, fields })
}
