//! What HR takes back: a departure, a leave, an employment that had ended. What has had no effect yet is cancelled by
//! itself; anything else is for a person, with the command that takes it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::{Outcome, said};
use super::moved;
use crate::engine::Engine;
use crate::run::advance::lasting;
use crate::run::book::{Book, public_id};
use crate::run::undo::{Extent, has_taken_effect};
use crate::run::{EventFacts, Person, PersonStatus, orders, zone};
use crate::store::{EventRow, HR, StoreError};
use crate::workflow::HrEvent;

/// The workflow that somebody new begins with.
const ONBOARDING: &str = "onboarding";

/// What HR has said since about the same thing, where an event is not true any more.
pub(super) fn overtaken(event: &EventRow, person: &Person) -> Option<String> {
    let (who, is) = (&person.employee_number, person.status.as_str());
    let departed = person.status.is_departed();
    let moved = |told: Option<jiff::civil::Date>| told.zip(event.effective).filter(|(known, said)| known != said);
    match event.kind {
        HrEvent::Departure if !departed => Some(format!("overtaken: {who} is {is} by now")),
        HrEvent::Departure => {
            let (known, _) = moved(person.last_day)?;
            Some(format!("overtaken: the last day of {who} is {known} by now"))
        }
        HrEvent::Rescinded if departed => Some(format!("overtaken: {who} is {is} by now")),
        HrEvent::Rehired if person.status == PersonStatus::Left => Some(format!("overtaken: {who} has left by now")),
        HrEvent::Leave if person.leave_from.is_none() && event.effective.is_some() => {
            let away = person.status == PersonStatus::OnLeave;
            (!away).then(|| format!("overtaken: no leave of {who} is known by now"))
        }
        HrEvent::Leave => {
            let (known, _) = moved(person.leave_from)?;
            Some(format!("overtaken: the leave of {who} begins on {known} by now"))
        }
        _ => None,
    }
}

/// Whether anything may follow from an event besides what workflows listen for.
pub(super) fn goes_beyond(event: &EventRow) -> bool {
    match event.kind {
        HrEvent::Rescinded | HrEvent::Rehired | HrEvent::Return => true,
        HrEvent::Changed => moves_start(event),
        HrEvent::Joined | HrEvent::Departure | HrEvent::Leave => false,
    }
}

fn moves_start(event: &EventRow) -> bool {
    event.facts.fields.iter().any(|field| field == "start_date")
}

/// What follows from an event besides what workflows listen for.
///
/// # Errors
/// When the database cannot be used.
pub(super) async fn beyond_listeners(
    engine: &Engine,
    event: &EventRow,
    person: &Person,
    came: &mut Outcome,
) -> Result<(), StoreError> {
    match event.kind {
        HrEvent::Rescinded => rescinded(engine, event, person, came).await,
        HrEvent::Rehired => rehired(engine, event, person, came).await,
        HrEvent::Return => returned(engine, event, person, came).await,
        HrEvent::Changed => starts_elsewhen(engine, event, person, came).await,
        HrEvent::Joined | HrEvent::Departure | HrEvent::Leave => Ok(()),
    }
}

/// The person stays after all.
async fn rescinded(engine: &Engine, event: &EventRow, person: &Person, came: &mut Outcome) -> Result<(), StoreError> {
    for book in departures(engine, person).await? {
        if call_off(engine, &book, event, came).await? {
            continue;
        }
        let run = book.run.public_id();
        came.park(format!("{run} had taken effect already ({}); `usher run undo {run}` takes it back", effects(&book)));
        came.propose_undo(&run);
    }
    if came.notes.is_empty() && came.parked.is_empty() {
        came.notes.push("no departure had begun".to_owned());
    }
    Ok(())
}

/// The person is back: what is deleted and recoverable is recovered at once, the rest is for somebody to decide.
async fn rehired(engine: &Engine, event: &EventRow, person: &Person, came: &mut Outcome) -> Result<(), StoreError> {
    let listened = !came.runs.is_empty();
    for book in departures(engine, person).await? {
        if call_off(engine, &book, event, came).await? {
            continue;
        }
        let run = book.run.public_id();
        match engine.restore(book.run.id, HR).await {
            Ok(Some(restore)) => came.runs.push(public_id(restore)),
            Ok(None) => {}
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => came.park(format!("the deletions of {run} are not taken back: {error}")),
        }
        came.park(format!("{run} had taken effect ({}); `usher run undo {run}` takes it back", effects(&book)));
        came.propose_undo(&run);
    }
    if !listened {
        let who = &person.employee_number;
        if engine.library().contains_key(ONBOARDING) {
            came.proposes.push(format!("usher run start {ONBOARDING} --person {who} --now"));
        }
        came.park(format!("{who} is hired again: see that they find what they need (workflow `{ONBOARDING}`)"));
    }
    Ok(())
}

/// The person is back from leave, or does not go: the ends of what is under way come now.
async fn returned(engine: &Engine, event: &EventRow, person: &Person, came: &mut Outcome) -> Result<(), StoreError> {
    let now = engine.store().now().await?;
    let mut leaves = engine.store().books_of(person.id, true).await?;
    leaves.retain(|book| book.run.listens_for(HrEvent::Leave));
    for book in &leaves {
        if call_off(engine, book, event, came).await? {
            continue;
        }
        let zone = zone(&book.run.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let back = event.effective.unwrap_or_else(|| zone.to_datetime(now).date());
        let until = book.run.workflow.inputs.iter().any(|input| input.from.as_deref() == Some("event.until"));
        if until {
            let facts = BTreeMap::from([("until".to_owned(), back.to_string())]);
            moved::follow(engine, book, &EventFacts { facts, ..EventFacts::default() }, event, came).await?;
        } else {
            let run = book.run.public_id();
            came.park(format!("{run} takes no day of return from HR; `usher run undo {run}` takes it back"));
            came.propose_undo(&run);
        }
    }
    if leaves.is_empty() && came.runs.is_empty() {
        came.notes.push("no leave was under way".to_owned());
    }
    Ok(())
}

/// The first day of somebody who has not started moves.
async fn starts_elsewhen(
    engine: &Engine,
    event: &EventRow,
    person: &Person,
    came: &mut Outcome,
) -> Result<(), StoreError> {
    let (Some(start), true) = (person.start_date, moves_start(event)) else {
        return Ok(());
    };
    for book in engine.store().books_of(person.id, true).await? {
        if book.run.listens_for(HrEvent::Joined) {
            moved::follow(engine, &book, &EventFacts::on(start), event, came).await?;
        }
    }
    Ok(())
}

/// The departures of a person that count: the open ones, and the last one that has left something behind, as long as
/// nobody has made or opened accounts for them since. What was taken back is over.
async fn departures(engine: &Engine, person: &Person) -> Result<Vec<Book>, StoreError> {
    let books = engine.store().books_of(person.id, false).await?;
    let last = left_behind(&books);
    let mut counting = Vec::new();
    for book in books {
        let counts = !book.run.state.is_over() || Some(book.run.id) == last;
        if !book.run.listens_for(HrEvent::Departure) || !counts {
            continue;
        }
        if engine.store().taken_back(book.run.id, &Extent::All.name(&book.run.name)).await?.is_none() {
            counting.push(book);
        }
    }
    Ok(counting)
}

/// The departure whose effects are still there. One that was called off before it had any is not the last one.
fn left_behind(books: &[Book]) -> Option<i64> {
    books.iter().fold(None, |last, book| match book {
        _ if book.run.listens_for(HrEvent::Departure) => {
            let lasts = book.steps.iter().any(|step| lasting(book, step));
            if lasts { Some(book.run.id) } else { last }
        }
        _ if book.run.listens_for(HrEvent::Joined) && has_taken_effect(book) => None,
        _ => last,
    })
}

/// Cancels a run that has had no effect yet; whether it did.
async fn call_off(engine: &Engine, book: &Book, event: &EventRow, came: &mut Outcome) -> Result<bool, StoreError> {
    let by: Arc<str> = Arc::from(HR);
    let cancelled = engine.store().order(book.run.id, |book, now| {
        if book.run.state.is_over() || has_taken_effect(book) {
            return Ok(false);
        }
        orders::cancel(book, &said(event), &by, now)?;
        Ok(true)
    });
    let cancelled = cancelled.await?;
    if cancelled {
        came.notes.push(format!("{} is cancelled: nothing of it had taken effect", book.run.public_id()));
    }
    Ok(cancelled)
}

/// The first of the effects that are in force.
fn effects(book: &Book) -> String {
    let labels: Vec<String> =
        book.steps.iter().filter(|step| lasting(book, step)).map(crate::run::book::Step::label).collect();
    match labels.as_slice() {
        [] => "what it did cannot be taken back".to_owned(),
        [first] => first.clone(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}
