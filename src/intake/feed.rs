//! An HR file, read and right, taken into the record: changed people are saved, and what changed becomes events.

use std::collections::HashMap;

use serde::Serialize;

use super::people::{Feed, HrFact, changes};
use crate::engine::Engine;
use crate::run::{Person, zone};
use crate::store::{EventRow, NewEvent, StoreError};

/// People in one transaction: a daemon beside it must not wait long for the file's lock.
const PIECE: usize = 200;

/// What a file said.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Taken {
    /// People in it.
    pub people: usize,
    /// People seen for the first time.
    pub new: usize,
    /// People with changed fields.
    pub changed: usize,
    /// What follows from it, accepted and durable.
    pub events: Vec<EventRow>,
}

/// What taking a file in would change. Changes nothing.
///
/// # Errors
/// When the database cannot be read.
pub async fn preview(engine: &Engine, feed: &Feed) -> Result<Vec<(Person, Vec<HrFact>)>, StoreError> {
    let now = engine.store().now().await?;
    let today = zone(engine.zone()).unwrap_or(jiff::tz::TimeZone::UTC).to_datetime(now).date();
    let known: HashMap<String, Person> =
        engine.store().people(None).await?.into_iter().map(|person| (person.employee_number.clone(), person)).collect();
    let differs = |person: &Person| known.get(&person.employee_number) != Some(person);
    Ok(feed
        .rows
        .iter()
        .map(|row| changes(known.get(&row.employee_number), row, today))
        .filter(|(person, facts)| !facts.is_empty() || differs(person))
        .collect())
}

/// Takes a file in. `source` names where it comes from (`csv`); each piece is durable when the next one begins, and
/// reading the same file again goes on where it stopped: what is known already is no change.
///
/// # Errors
/// When the database cannot be written.
pub async fn take_in(
    engine: &Engine,
    feed: &Feed,
    source: &str,
    progress: impl Fn(usize),
) -> Result<Taken, StoreError> {
    let mut taken = Taken { people: feed.rows.len(), ..Taken::default() };
    let told_at = engine.store().now().await?.as_millisecond();
    let changed = preview(engine, feed).await?;
    for piece in changed.chunks(PIECE) {
        let people: Vec<Person> = piece.iter().map(|(person, _)| person.clone()).collect();
        let events: Vec<NewEvent> = piece
            .iter()
            .flat_map(|(person, facts)| facts.iter().map(|fact| event(person, fact, source, told_at)))
            .collect();
        taken.new += people.iter().filter(|person| person.id == 0).count();
        taken.changed += people.iter().filter(|person| person.id != 0).count();
        taken.events.extend(engine.store().save_people(&people, &events).await?);
        progress(taken.new + taken.changed);
    }
    Ok(taken)
}

fn event(person: &Person, fact: &HrFact, source: &str, told_at: i64) -> NewEvent {
    let effective = fact.effective.map(|date| date.to_string()).unwrap_or_default();
    NewEvent {
        source: source.to_owned(),
        key: format!("{}:{}:{effective}:{told_at}", person.employee_number, fact.event.as_str()),
        kind: fact.event,
        employee_number: person.employee_number.clone(),
        facts: fact.told(person),
    }
}
