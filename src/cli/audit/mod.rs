//! `usher audit`

mod export;
mod key;
mod verify;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::counted::counted;
use super::finding::run_key;
use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, moment};
use crate::run::journal::Begun;
use crate::store::AuditEntry;

/// Shows journals, and verifies that nobody has changed them
///
/// Every run has a journal: what was planned, each attempt before it began, each outcome, each order of a person. Its
/// entries are chained by hashes, and once an hour the ends of all chains are signed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher audit show run_12
  usher audit verify
  usher audit export --out journal.jsonl")]
pub struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Shows a run's journal
    Show(Show),
    /// Verifies a run's journal, or all; exit code 1 names the first broken entry
    Verify(verify::Verify),
    /// Writes journals and checkpoints out, for somebody else to keep and to verify
    Export(export::Export),
    /// Prints the public key that checkpoints are verified with
    Key(key::Key),
}

/// Shows a run's journal
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher audit show run_12
  usher audit show run_12 --json | jq '.[].fact'")]
struct Show {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
}

impl Audit {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            AuditCommand::Show(show) => show.run(context).await,
            AuditCommand::Verify(verify) => verify.run(context).await,
            AuditCommand::Export(export) => export.run(context).await,
            AuditCommand::Key(key) => key.run(context).await,
        }
    }
}

/// An entry as JSON.
pub(super) fn document(house: &House, entry: &AuditEntry) -> Value {
    let mut value = json!(entry);
    value["at"] = json!(house.millis(entry.at));
    value
}

impl Show {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.run)?;
        let house = context.record().await?;
        let entries = house.store().audit(key).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = entries.iter().map(|entry| document(&house, entry)).collect();
            context.out.document(&rows, false)?;
            return Ok(Exit::Done);
        }
        let zone = house.zone.iana_name().unwrap_or("this machine");
        context.out.line(format!("Times are those of {zone}; hashes are shown by their beginning."))?;
        let mut table = Table::new(["#", "when", "step", "who", "what", "hash"]);
        for entry in &entries {
            table.row([
                Cell::number(entry.seq),
                moment::second(crate::clock::from_millis(entry.at), &house.zone).into(),
                entry.step.as_deref().unwrap_or_default().into(),
                entry.actor.as_str().into(),
                words(&entry.fact, &house.zone).into(),
                Cell::toned(entry.hash.get(..8).unwrap_or_default(), Tone::Faint),
            ]);
        }
        context.out.table(&table)?;
        Ok(Exit::Done)
    }
}

/// A fact in a line: its word, then what it says.
fn words(fact: &Value, zone: &TimeZone) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let name = fact["fact"].as_str().unwrap_or_default();
    if name == "started" {
        let steps = counted(fact["steps"].as_array().map_or(0, Vec::len), "step", "steps");
        let begun: Begun = serde_json::from_value(fact["begun"].clone()).unwrap_or_default();
        let begun = match begun.counts() {
            (0, 0) => String::new(),
            (0, waiting) => format!(": {waiting} wait for their time"),
            (skipped, waiting) => format!(": {waiting} wait for their time, {skipped} left out"),
        };
        return format!("started {} ({}), {steps}{begun}", text(&fact["workflow"]), text(&fact["trigger"]));
    }
    let (head, fields) = match fact["change"].as_object() {
        Some(change) => (text(&fact["change"]["event"]), Some(change)),
        None => (name.to_owned(), fact.as_object()),
    };
    let hidden = ["fact", "event", "fence", "at", "due", "step", "digest", "plan_hash"];
    let said = fields.into_iter().flatten().filter(|(key, value)| !hidden.contains(&key.as_str()) && !value.is_null());
    let said = said.map(|(key, value)| match value.as_object().and_then(|inner| inner.get("detail")) {
        Some(detail) => text(detail),
        None if key == "reason" || key == "state" => text(value),
        None => format!("{key} {}", text(value)),
    });
    let due = fact["change"]["due"].as_str().and_then(|due| due.parse::<Timestamp>().ok());
    let due = due.map(|due| format!("due {}", moment::minute(due, zone)));
    std::iter::once(head).chain(said).chain(due).collect::<Vec<_>>().join(": ")
}
