//! `usher run undo`

use clap::Args;
use serde_json::{Value, json};

use super::super::counted::counted;
use super::super::finding::run_key;
use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, Exit};
use crate::engine::changes::Undone;
use crate::run::Capability;
use crate::run::book::public_id;

/// Takes a run back: cancels it and undoes what can be undone
///
/// The run is cancelled, with its ends, and a new run of the inverses of what is done is started, the latest first on
/// each system. Right before each one the system is looked at: what it does not show any more as usher set it is left
/// alone. The answer names what has no inverse and stays, and what to do instead.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run undo run_12 --reason 'HR took the departure back' --dry-run
  usher run undo run_12 --reason 'HR took the departure back'")]
pub(super) struct Undo {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Shows what would be undone and what would stay, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

impl Undo {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.run)?;
        let house = context.house().await?;
        let undone = house.engine.undo(key, &self.reason, &context.actor(), self.dry_run).await?;
        let run = public_id(key);
        if context.out.is_json() {
            context.out.document(&document(&run, &undone, self.dry_run), false)?;
            return Ok(Exit::Done);
        }
        say(context, &run, &undone)?;
        if undone.run.is_some() {
            house.warn_without_daemon(context).await?;
        }
        Ok(Exit::Done)
    }
}

fn say(context: &mut Context, run: &str, undone: &Undone) -> Result<(), CliError> {
    let count = undone.steps.len();
    let steps = counted(count, "step", "steps");
    let out = &mut context.out;
    match &undone.run {
        Some(new) => out.line(format!("{run} is cancelled; {new} takes {steps} of it back."))?,
        None => out.line(format!("{run} would be cancelled, and {steps} of it taken back. Nothing was changed."))?,
    }
    if count > 0 {
        let mut table = Table::new(["takes back", "by", "remarks"]);
        for step in &undone.steps {
            let remark = match &step.capability {
                Capability::Supported => Cell::from(""),
                Capability::Degraded(limit) => Cell::toned(format!("with a limit: {limit}"), Tone::Warn),
                Capability::Manual(instruction) => Cell::toned(format!("by a person: {instruction}"), Tone::Warn),
                Capability::Unsupported(why) => Cell::toned(format!("cannot be done: {why}"), Tone::Bad),
            };
            table.row([step.label().into(), step.action.name().into(), remark]);
        }
        out.table(&table)?;
    }
    if !undone.in_flight.is_empty() {
        let names = undone.in_flight.join(", ");
        out.line(format!("In flight; each is looked at when it has ended: {names}."))?;
    }
    if !undone.stays.is_empty() {
        out.line("What stays, and what to do instead:")?;
        let mut table = Table::new(["step", "did", "instead"]);
        for stays in &undone.stays {
            table.row([stays.step.as_str().into(), stays.action.name().into(), stays.instead.into()]);
        }
        out.table(&table)?;
    }
    Ok(())
}

fn document(run: &str, undone: &Undone, dry_run: bool) -> Value {
    let steps = undone.steps.iter().map(|step| {
        json!({ "step": step.label(), "action": step.action.name(), "system": step.system,
            "capability": step.capability })
    });
    json!({ "run": run, "undone_by": undone.run, "dry_run": dry_run, "steps": steps.collect::<Vec<_>>(),
        "stays": undone.stays, "in_flight": undone.in_flight })
}
