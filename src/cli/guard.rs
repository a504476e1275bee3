//! `usher guard list`, `usher guard release`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::counted::counted;
use super::finding::trip_key;
use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, moment};
use crate::store::TripRow;

/// Shows guards that have tripped, and releases them
///
/// Thresholds that were reached, first deletions that did not end well, clocks that have jumped, databases that are
/// older than what has happened: what such a guard stops waits until a person has looked and says that it may go on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher guard list
  usher guard release trip_3 --reason '37 leavers of the Lyon office, checked with HR'")]
pub struct Guard {
    #[command(subcommand)]
    command: GuardCommand,
}

#[derive(Debug, Subcommand)]
enum GuardCommand {
    /// Lists guards that have tripped and not been released, newest first
    List(List),
    /// Releases a guard that has tripped, and lets go what it held
    Release(Release),
}

/// Lists guards that have tripped and not been released, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher guard list
  usher guard list --all   those that were released too, by whom and why")]
struct List {
    /// Those that were released too
    #[arg(long)]
    all: bool,
}

/// Releases a guard that has tripped, and lets go what it held
///
/// Who, when and why is kept with it, and in the journal of every run that goes on. Each step is judged again: what
/// another guard has against it still counts. A threshold counts anew from now on.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher guard release trip_3 --reason '37 leavers of the Lyon office, checked with HR'")]
struct Release {
    /// The trip
    #[arg(value_name = "ID")]
    id: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
}

impl Guard {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            GuardCommand::List(list) => list.run(context).await,
            GuardCommand::Release(release) => release.run(context).await,
        }
    }
}

impl List {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let trips = house.store().trips(self.all).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = trips.iter().map(|row| document(&house, row)).collect();
            context.out.document(&rows, false)?;
        } else if trips.is_empty() {
            context.out.aside(if self.all { "No guard has ever tripped." } else { "No guard has tripped." });
        } else {
            context.out.table(&table(&house, &trips, self.all))?;
        }
        Ok(Exit::Done)
    }
}

fn table(house: &House, trips: &[TripRow], all: bool) -> Table {
    let ahead = ["trip", "guard", "scope", "stops", "what happened", "since"];
    let mut table = if all { Table::new(ahead.into_iter().chain(["released"])) } else { Table::new(ahead) };
    for row in trips {
        let when = |millis: i64| moment::moment(crate::clock::from_millis(millis), &house.zone);
        let released = match (&row.released_by, row.released_at, &row.reason) {
            (Some(by), Some(at), Some(reason)) => format!("{by}, {}: {reason}", when(at)),
            _ => String::new(),
        };
        let tone = if row.released_at.is_some() { Tone::Faint } else { Tone::Bad };
        let cells: [Cell; 6] = [
            row.trip.public_id().into(),
            Cell::toned(row.trip.kind.as_str(), tone),
            row.trip.scope().into(),
            row.trip.stops.words().into(),
            row.trip.words.as_str().into(),
            when(row.tripped_at).into(),
        ];
        table.row(cells.into_iter().chain(all.then(|| Cell::from(released))));
    }
    table
}

impl Release {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = trip_key(&self.id)?;
        let house = context.record().await?;
        let (row, released) = house.store().release_trip(key, &self.reason, &context.actor()).await?;
        if context.out.is_json() {
            let mut answer = document(&house, &row);
            answer["steps"] = json!(released);
            context.out.document(&answer, false)?;
        } else {
            let (id, scope) = (row.trip.public_id(), row.trip.scope());
            context.out.line(format!(
                "Released {id} on {scope}; {}.",
                counted(released, "step that it had held goes on", "steps that it had held go on")
            ))?;
            house.warn_without_daemon(context).await?;
        }
        Ok(Exit::Done)
    }
}

fn document(house: &House, row: &TripRow) -> Value {
    let mut document = json!(row);
    document["id"] = json!(row.trip.public_id());
    document["scope"] = json!(row.trip.scope());
    document["tripped_at"] = json!(house.millis(row.tripped_at));
    document["released_at"] = json!(row.released_at.map(|at| house.millis(at)));
    document
}
