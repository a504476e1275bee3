//! `usher tasks`, `usher task done`

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::counted::counted;
use super::finding::{run_key, step_label};
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit, tones};
use crate::run::orders::Progress;
use crate::store::{EventFilter, EventRow, EventState, Waiting};

/// Shows what waits for a person: tasks, checklists, approvals, what has stopped, and what HR said that is parked
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher tasks
  usher tasks --json | jq -r '.[] | select(.state == \"held\") | .run'")]
pub struct Tasks {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

/// Reports on what only a person can do
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher task done run_12 disable@badges --note 'badge 117 collected'
  usher task done run_12 checklist --item 1 --item 3")]
pub struct Task {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, Subcommand)]
enum TaskCommand {
    /// Reports a task done, or points of a checklist
    Done(Done),
}

/// Reports a task done, or points of a checklist
///
/// Without --item all points of a checklist are ticked. The journal keeps who said so.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher task done run_12 disable@badges --note 'badge 117 collected'
  usher task done run_12 checklist --item 1 --item 3")]
struct Done {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// A point of a checklist, from 1; may be given several times
    #[arg(long = "item", value_name = "N")]
    items: Vec<usize>,
    /// Something to remember about it
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Tasks {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let waiting = house.store().waiting(self.limit).await?;
        let parked = EventFilter { state: Some(EventState::Parked), limit: Some(self.limit), ..EventFilter::default() };
        let parked = house.store().events(&parked).await?;
        if context.out.is_json() {
            let tasks = waiting.iter().map(|task| json!(task)).chain(parked.iter().map(event)).collect::<Vec<_>>();
            context.out.document(&tasks, false)?;
        } else if waiting.is_empty() && parked.is_empty() {
            context.out.aside("Nothing waits for a person.");
        } else {
            context.out.table(&table(&waiting, &parked))?;
        }
        Ok(Exit::Done)
    }
}

/// A parked event among the tasks.
fn event(row: &EventRow) -> Value {
    json!({ "event": row.public_id(), "kind": row.kind, "person": row.employee_number, "state": row.state,
        "what": row.note, "proposes": row.proposes })
}

fn table(waiting: &[Waiting], parked: &[EventRow]) -> Table {
    let mut table = Table::new(["run", "workflow", "step", "state", "what", "then"]);
    for event in parked {
        let then =
            event.proposes.first().cloned().unwrap_or_else(|| format!("usher events show {}", event.public_id()));
        table.row([
            event.public_id().into(),
            event.kind.as_str().into(),
            event.employee_number.as_str().into(),
            Cell::toned(event.state.as_str(), Tone::Bad),
            event.note.as_deref().unwrap_or_default().into(),
            Cell::toned(then, Tone::Faint),
        ]);
    }
    for task in waiting {
        table.row([
            task.run.as_str().into(),
            task.workflow.as_str().into(),
            task.step.as_str().into(),
            tones::step(task.state),
            task.what.as_str().into(),
            Cell::toned(task.way_on(), Tone::Faint),
        ]);
        for (number, (item, ticked)) in (1..).zip(&task.items) {
            let mark = if *ticked { "[x]" } else { "[ ]" };
            let cells = ["", "", "", ""].map(Cell::from);
            table.row(cells.into_iter().chain([Cell::from(format!("{mark} {number}. {item}"))]));
        }
    }
    table
}

impl Task {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let TaskCommand::Done(done) = self.command;
        let key = run_key(&done.run)?;
        let house = context.record().await?;
        let label = step_label(&house.engine.look(key).await?, &done.step)?;
        let ticked: BTreeSet<usize> = done.items.into_iter().collect();
        let (label, progress) =
            house.engine.task_done(key, &label, &ticked, done.note.as_deref(), &context.actor()).await?;
        let run = crate::run::book::public_id(key);
        let open = match progress {
            Progress::Done => 0,
            Progress::Open(open) => open,
        };
        if context.out.is_json() {
            context
                .out
                .document(&json!({ "run": run, "step": label, "done": open == 0, "open_items": open }), false)?;
        } else if open == 0 {
            context.out.line(format!("{label} of {run} is done."))?;
        } else {
            context.out.line(format!(
                "Ticked; {} open.",
                counted(open, &format!("point of {label} is"), &format!("points of {label} are"))
            ))?;
        }
        Ok(Exit::Done)
    }
}
