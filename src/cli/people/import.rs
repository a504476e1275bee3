//! `usher people import`

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::super::house::House;
use super::super::inventory::{self, Reading};
use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, Exit};
use super::document;
use crate::intake::people::{CsvProblem, CsvProblems, DateOrder, Feed, HrFact, read_people};
use crate::intake::{events, feed};
use crate::run::Person;
use crate::store::{EventRow, EventState};

/// The most mistakes of a file that are shown.
const MOST_SHOWN: usize = 40;

/// Takes in HR's file
///
/// The file is read whole and judged whole: with a single mistake in it nothing is changed, and every mistake is named
/// with its line. Then changed people are saved, the systems are read, and workflows are started for what has changed.
/// Reading the same file again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher people import people.csv --dry-run
  usher people import people.csv
  usher people import export.csv --map 'Kürzel=employee_number' --map 'Letzter Tag=last_day'
  ssh hr cat export.csv | usher people import -")]
pub(super) struct Import {
    /// CSV file with a heading; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which field a column holds, where its heading does not tell; may be given several times
    #[arg(long, value_name = "COLUMN=FIELD")]
    map: Vec<String>,
    /// How dates with slashes are meant, where the file does not show it: day-first or month-first
    #[arg(long, value_name = "ORDER", value_parser = dates)]
    dates: Option<DateOrder>,
    /// Only shows what would change
    #[arg(long)]
    dry_run: bool,
}

fn dates(text: &str) -> Result<DateOrder, String> {
    DateOrder::from_name(text).ok_or_else(|| "write day-first or month-first".to_owned())
}

/// What became of the systems and the events.
struct Consequences {
    readings: Vec<Reading>,
    events: Vec<EventRow>,
}

impl Import {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let feed = self.read(context)?;
        for warning in &feed.warnings {
            context.out.aside(format!("warning: {}: {warning}", self.file.display()));
        }
        let house = context.whole_house().await?;
        if self.dry_run {
            return preview(context, &house, &feed).await;
        }
        let progress = context.out.progress(feed.rows.len());
        let taken = feed::take_in(&house.engine, &feed, "csv", |done| progress.at(done)).await;
        progress.end();
        let taken = taken?;
        if !context.out.is_json() {
            context.out.line(format!("{} people: {} new, {} changed.", taken.people, taken.new, taken.changed))?;
        }
        let outcome = consequences(&house, &taken.events).await?;
        if context.out.is_json() {
            let events: Vec<Value> = outcome.events.iter().map(|row| json!(row)).collect();
            let told = json!({ "people": taken.people, "new": taken.new, "changed": taken.changed, "events": events,
                "systems": outcome.readings });
            context.out.document(&told, false)?;
        } else {
            say(context, &house, &outcome).await?;
        }
        Ok(Exit::Done)
    }

    fn read(&self, context: &Context) -> Result<Feed, CliError> {
        let mut mapping = context.config()?.people;
        for text in &self.map {
            mapping.add(text).map_err(|wrong| CliError::usage(format!("--map: {wrong}")))?;
        }
        mapping.dates = self.dates.or(mapping.dates);
        let name = self.file.display();
        let bytes = if self.file.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            std::fs::read(context.around.folder.join(&self.file))
        };
        let bytes = bytes.map_err(|error| CliError::environment("file", format!("{name} cannot be read: {error}")))?;
        read_people(&bytes, &mapping).map_err(|problems| refusal(&name.to_string(), &problems))
    }
}

fn refusal(file: &str, CsvProblems(problems): &CsvProblems) -> CliError {
    let place = |problem: &CsvProblem| match problem.line {
        Some(line) => format!("{file}:{line}: {}", problem.message),
        None => format!("{file}: {}", problem.message),
    };
    if let [one] = problems.as_slice() {
        return CliError::not_right("people_file", place(one)).help("nothing was changed");
    }
    let message = format!("{file} has {} mistakes; nothing was changed", problems.len());
    let base = CliError::not_right("people_file", message);
    let error = problems.iter().take(MOST_SHOWN).map(place).fold(base, CliError::help);
    match problems.len().checked_sub(MOST_SHOWN) {
        Some(more) if more > 0 => error.help(format!("and {more} more")),
        _ => error,
    }
}

/// Reads every system, for new people's accounts too, then starts what the events ask for.
async fn consequences(house: &House, accepted: &[EventRow]) -> Result<Consequences, CliError> {
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
    // Asked of the record: a daemon beside us may have been quicker.
    let events = match (accepted.first(), accepted.last()) {
        (Some(first), Some(last)) => house.store().events_between(first.id, last.id).await?,
        _ => Vec::new(),
    };
    Ok(Consequences { readings, events })
}

async fn say(context: &mut Context, house: &House, outcome: &Consequences) -> Result<(), CliError> {
    for reading in &outcome.readings {
        match reading {
            Reading::Failed { system, error } => {
                context.out.aside(format!("warning: {system} cannot be read: {error}; its accounts are as last seen"));
            }
            Reading::Read(found) if found.bound > 0 => {
                context.out.line(format!("{}: {} accounts found their person.", found.system, found.bound))?;
            }
            Reading::Read(_) => {}
        }
    }
    if outcome.events.is_empty() {
        return context.out.line("Nothing follows from it.");
    }
    let (dropped, followed): (Vec<&EventRow>, Vec<&EventRow>) =
        outcome.events.iter().partition(|row| row.state == EventState::Dropped);
    let mut table = Table::new(["HR says", "about", "from", "what follows"]);
    for row in followed {
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
    let mut idle: BTreeMap<&str, usize> = BTreeMap::new();
    for row in dropped {
        *idle.entry(row.kind.as_str()).or_default() += 1;
    }
    for (kind, count) in idle {
        context.out.line(format!("{count} times `{kind}`, which no workflow listens for."))?;
    }
    if outcome.events.iter().any(|row| row.state == EventState::Started) {
        house.warn_without_daemon(context).await?;
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

async fn preview(context: &mut Context, house: &House, feed: &Feed) -> Result<Exit, CliError> {
    let changes = feed::preview(&house.engine, feed).await?;
    if context.out.is_json() {
        let rows: Vec<Value> = changes.iter().map(|(person, facts)| change(house, person, facts)).collect();
        context.out.document(&json!({ "people": feed.rows.len(), "changes": rows }), false)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["number", "name", "is", "HR says", "from", "would start"]);
    for (person, facts) in &changes {
        let is = if person.id == 0 { "new" } else { "changed" };
        let number = person.employee_number.as_str();
        if facts.is_empty() {
            table.row([number.into(), person.display_name.as_str().into(), is.into()]);
        }
        for fact in facts {
            table.row([
                number.into(),
                person.display_name.as_str().into(),
                is.into(),
                fact.event.as_str().into(),
                fact.effective.map(|date| date.to_string()).unwrap_or_default().into(),
                would_start(house, fact).join(", ").into(),
            ]);
        }
    }
    if !table.is_empty() {
        context.out.table(&table)?;
        context.out.line("")?;
    }
    context.out.line(format!("{} of {} people would change. Nothing was changed.", changes.len(), feed.rows.len()))?;
    Ok(Exit::Done)
}

fn would_start(house: &House, fact: &HrFact) -> Vec<String> {
    events::listeners(&house.engine, fact.event, &fact.fields).map(|workflow| workflow.name.clone()).collect()
}

fn change(house: &House, person: &Person, facts: &[HrFact]) -> Value {
    let facts = facts.iter().map(|fact| {
        json!({ "event": fact.event, "effective": fact.effective, "fields": fact.fields,
            "would_start": would_start(house, fact) })
    });
    json!({ "new": person.id == 0, "person": document(person), "events": facts.collect::<Vec<_>>() })
}
