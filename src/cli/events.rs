//! `usher events …`

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::finding::event_key;
use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, moment};
use crate::intake::events;
use crate::store::{EventFilter, EventRow, EventState};

/// Shows what HR said and what became of it, and deals with what is parked
///
/// An event that usher cannot carry out by itself is parked: it says why, and which commands may help.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher events list --state parked
  usher events show evt_12
  usher events resolve evt_12 --reason 'run_3 undone, accounts checked'")]
pub struct Events {
    #[command(subcommand)]
    command: EventsCommand,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Lists what HR said, newest first
    List(List),
    /// Shows one event: what HR said, and what became of it
    Show(Show),
    /// Takes a parked event up again, as if HR had just said it
    Retry(Retry),
    /// Says that a person has dealt with a parked event
    Resolve(Settle),
    /// Drops a parked event: nothing is to follow from it
    Drop(Settle),
}

/// Lists what HR said, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher events list --state parked
  usher events list --person 1005")]
struct List {
    /// In this state
    #[arg(long, value_parser = states())]
    state: Option<EventState>,
    /// About this person
    #[arg(long, value_name = "KEY")]
    person: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

fn states() -> impl TypedValueParser<Value = EventState> {
    let words = PossibleValuesParser::new(EventState::ALL.map(EventState::as_str));
    words.try_map(|word| EventState::from_name(&word).ok_or("no state"))
}

/// Shows one event: what HR said, and what became of it
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher events show evt_12")]
struct Show {
    /// The event
    #[arg(value_name = "EVENT")]
    event: String,
}

/// Takes a parked event up again, as if HR had just said it
///
/// For when what kept it from being carried out is out of the way: a run that was open, an input that was missing in a
/// workflow's file.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher events retry evt_12")]
struct Retry {
    /// The event
    #[arg(value_name = "EVENT")]
    event: String,
}

/// Ends a parked event by a person's word
///
/// Who says so, when and why is kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher events resolve evt_12 --reason 'run_3 undone, accounts checked'
  usher events drop evt_12 --reason 'a test of the HR system'")]
struct Settle {
    /// The event
    #[arg(value_name = "EVENT")]
    event: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Events {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            EventsCommand::List(list) => list.run(context).await,
            EventsCommand::Show(show) => {
                let key = event_key(&show.event)?;
                let house = context.record().await?;
                say(context, &house, key).await
            }
            EventsCommand::Retry(retry) => {
                let key = event_key(&retry.event)?;
                let house = context.whole_house().await?;
                house.store().retry_event(key, &context.actor()).await?;
                events::dispatch(&house.engine).await?;
                say(context, &house, key).await
            }
            EventsCommand::Resolve(settle) => settle.run(context, EventState::Resolved).await,
            EventsCommand::Drop(settle) => settle.run(context, EventState::Dropped).await,
        }
    }
}

impl List {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        if let Some(person) = &self.person {
            house.person(person).await?;
        }
        let filter = EventFilter { state: self.state, person: self.person, limit: Some(self.limit), id: None };
        let events = house.store().events(&filter).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = events.iter().map(|event| document(&house, event)).collect();
            context.out.document(&rows, false)?;
        } else if events.is_empty() {
            context.out.aside("There are no such events.");
        } else {
            context.out.table(&table(&events))?;
        }
        Ok(Exit::Done)
    }
}

impl Settle {
    async fn run(self, context: &mut Context, state: EventState) -> Result<Exit, CliError> {
        let key = event_key(&self.event)?;
        let house = context.record().await?;
        house.store().settle_event(key, state, &self.reason, &context.actor()).await?;
        say(context, &house, key).await
    }
}

fn table(events: &[EventRow]) -> Table {
    let mut table = Table::new(["event", "HR says", "about", "from", "state", "what follows"]);
    for event in events {
        table.row([
            event.public_id().into(),
            event.kind.as_str().into(),
            event.employee_number.as_str().into(),
            event.effective.map(|date| date.to_string()).unwrap_or_default().into(),
            Cell::toned(event.state.as_str(), tone(event.state)),
            event.reason.as_deref().or(event.note.as_deref()).unwrap_or_default().into(),
        ]);
    }
    table
}

const fn tone(state: EventState) -> Tone {
    match state {
        EventState::Parked => Tone::Bad,
        EventState::Accepted => Tone::Warn,
        EventState::Started | EventState::Noted | EventState::Resolved => Tone::Good,
        EventState::Dropped => Tone::Faint,
    }
}

/// The event as it stands now.
async fn say(context: &mut Context, house: &House, key: i64) -> Result<Exit, CliError> {
    let event = house.store().event(key).await?;
    if context.out.is_json() {
        context.out.document(&document(house, &event), false)?;
        return Ok(Exit::Done);
    }
    let from = event.effective.map(|date| format!(" from {date}")).unwrap_or_default();
    let (id, kind, who) = (event.public_id(), event.kind.as_str(), &event.employee_number);
    let state = context.out.paint(tone(event.state), event.state.as_str());
    context.out.line(format!("{id}: {kind} of {who}{from}: {state}"))?;
    let at = |millis: i64| moment::moment(crate::clock::from_millis(millis), &house.zone);
    context.out.line(format!("Received {} from {}.", at(event.received_at), event.source))?;
    if let Some(note) = &event.note {
        context.out.line(note)?;
    }
    for command in &event.proposes {
        context.out.line(format!("  {command}"))?;
    }
    if let (Some(by), Some(when)) = (&event.settled_by, event.settled_at) {
        let why = event.reason.as_deref().unwrap_or_default();
        context.out.line(format!("{by}, {}: {why}", at(when)))?;
    }
    Ok(Exit::Done)
}

fn document(house: &House, event: &EventRow) -> Value {
    let mut document = json!(event);
    document["received_at"] = json!(house.millis(event.received_at));
    document["settled_at"] = json!(event.settled_at.map(|at| house.millis(at)));
    document
}
