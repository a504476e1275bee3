//! What follows from a file: systems read, runs started.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::super::counted::counted;
use super::super::super::house::House;
use super::super::super::inventory::{self, Reading};
use super::super::super::table::{Cell, Table, Tone};
use super::super::super::{CliError, Context};
use crate::intake::events;
use crate::intake::feed::Taken;
use crate::store::{EventRow, EventState};

/// The most events that are shown; the results file has all of them.
const MOST_EVENTS: usize = 1000;

/// Rows whose events are read at once.
const STRIDE: u64 = 10_000;

/// What became of the systems and the events.
pub(super) struct Consequences {
    readings: Vec<Reading>,
    /// The first ones.
    events: Vec<EventRow>,
    /// All of them, by kind and state.
    counts: BTreeMap<(&'static str, EventState), usize>,
}

/// Reads every system, for new people's accounts too, then starts what the events ask for.
pub(super) async fn follow(house: &House, taken: &Taken) -> Result<Consequences, CliError> {
    let mut readings = Vec::new();
    for system in house.engine.systems().keys() {
        readings.push(inventory::read(house, system).await);
    }
    let known = house.store().accounts_by_system().await?;
    let missing = readings.iter().find_map(|reading| match reading {
        Reading::Failed { system, error } if !known.contains_key(system) => Some((system, error)),
        _ => None,
    });
    let open = house.store().open_events().await?;
    if let (Some((system, error)), false) = (missing, open.is_empty()) {
        let message = format!("the people are taken in, but nothing is started: {system} cannot be read: {error}");
        return Err(CliError::environment("unread", message)
            .help("a plan made without its accounts would leave them out; what HR said is kept")
            .help("the daemon tries again by itself; so does the next import"));
    }
    events::dispatch_read(&house.engine).await?;
    let mut outcome = Consequences { readings, events: Vec::new(), counts: BTreeMap::new() };
    // Asked of the record: a daemon beside us may have been quicker.
    for first in (0..taken.people).step_by(usize::try_from(STRIDE).unwrap_or(1)) {
        for (_, event) in house.store().events_of_rows(&taken.import, first, first + STRIDE).await? {
            *outcome.counts.entry((event.kind.as_str(), event.state)).or_default() += 1;
            if outcome.events.len() < MOST_EVENTS {
                outcome.events.push(event);
            }
        }
    }
    Ok(outcome)
}

/// Says it.
pub(super) async fn say(
    context: &mut Context,
    house: &House,
    taken: &Taken,
    outcome: &Consequences,
) -> Result<(), CliError> {
    if context.out.is_json() {
        let mut told = json!(taken);
        told["events_told"] = told["events"].take();
        told["events"] = json!(outcome.events);
        told["systems"] = json!(outcome.readings);
        return context.out.document(&told, false);
    }
    say_readings(context, outcome)?;
    if outcome.counts.is_empty() {
        return context.out.line("Nothing follows from it.");
    }
    let mut table = Table::new(["HR says", "about", "from", "what follows"]);
    for row in outcome.events.iter().filter(|row| row.state != EventState::Dropped) {
        table.row([
            row.kind.as_str().into(),
            row.employee_number.as_str().into(),
            row.effective.map(|date| date.to_string()).unwrap_or_default().into(),
            follows(row),
        ]);
    }
    if !table.is_empty() {
        context.out.table(&table)?;
    }
    let all: usize = outcome.counts.values().sum();
    if let more @ 1.. = all.saturating_sub(outcome.events.len()) {
        context.out.line(format!("And {more} more; --results FILE.csv lists all."))?;
    }
    for ((kind, state), count) in &outcome.counts {
        if *state == EventState::Dropped {
            context
                .out
                .line(format!("{} `{kind}`, which no workflow listens for.", counted(count, "time", "times")))?;
        }
    }
    if outcome.counts.keys().any(|(_, state)| *state == EventState::Started) {
        house.warn_without_daemon(context).await?;
    }
    Ok(())
}

fn say_readings(context: &mut Context, outcome: &Consequences) -> Result<(), CliError> {
    for reading in &outcome.readings {
        match reading {
            Reading::Failed { system, error } => {
                context.out.aside(format!("warning: {system} cannot be read: {error}; its accounts are as last seen"));
            }
            Reading::Read(found) if found.matched.bound > 0 => {
                let bound = counted(found.matched.bound, "account found its person", "accounts found their person");
                context.out.line(format!("{}: {bound}.", found.system))?;
            }
            Reading::Read(_) => {}
        }
    }
    Ok(())
}

fn follows(row: &EventRow) -> Cell {
    let note = row.note.as_deref().unwrap_or_default();
    match row.state {
        EventState::Started | EventState::Noted => Cell::toned(note, Tone::Good),
        EventState::Parked => Cell::toned(format!("parked for a person ({}): {note}", row.public_id()), Tone::Bad),
        state => Cell::toned(state.as_str(), Tone::Warn),
    }
}
