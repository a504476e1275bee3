//! `usher run reschedule`

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::about::inputs;
use super::super::counted::counted;
use super::super::finding::run_key;
use super::super::house::House;
use super::super::table::Table;
use super::super::{CliError, Context, Exit, moment};
use crate::run::book::public_id;
use crate::run::reschedule::Rescheduled;

/// Gives a run new inputs, and what has not started new times
///
/// Inputs that are not named stay as they are. Steps that are done stay done; their ends (`until`) and purges move. An
/// approval for the old plan is asked for again. Nothing that destroys comes earlier than a week from now. Access that
/// is cut is not opened again by this: see `usher run undo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run reschedule run_12 --set last_day=2027-02-28 --dry-run
  usher run reschedule run_12 --set last_day=2027-02-28 --reason 'stays a month longer'")]
pub(super) struct Reschedule {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// An input of the workflow; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", required = true)]
    inputs: Vec<String>,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Shows what would move, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

impl Reschedule {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.run)?;
        let given = inputs(&self.inputs)?;
        let house = context.record().await?;
        let (reason, actor) = (self.reason.as_deref(), context.actor());
        let moved = house.engine.reschedule(key, &given, reason, &actor, self.dry_run).await?;
        if context.out.is_json() {
            context.out.document(&document(&house, key, &moved, self.dry_run), false)?;
            return Ok(Exit::Done);
        }
        let run = public_id(key);
        if moved.is_nothing() {
            context.out.line(format!("{run} has these inputs already: nothing moves."))?;
            return Ok(Exit::Done);
        }
        if !moved.shifts.is_empty() {
            context.out.table(&table(&house, &moved))?;
        }
        let steps = counted(moved.shifts.len(), "step", "steps");
        context.out.line(match self.dry_run {
            true => format!("{steps} of {run} would move. Nothing was changed."),
            false => format!("{steps} of {run} moved; what is done stays."),
        })?;
        Ok(Exit::Done)
    }
}

fn table(house: &House, moved: &Rescheduled) -> Table {
    let when = |at: Option<Timestamp>| at.map_or("left out".to_owned(), |at| moment::moment(at, &house.zone));
    let mut table = Table::new(["step", "from", "to"]);
    for shift in &moved.shifts {
        table.row([shift.step.as_str().into(), when(shift.from).into(), when(shift.to).into()]);
    }
    table
}

fn document(house: &House, run: i64, moved: &Rescheduled, dry_run: bool) -> Value {
    let when = |at: Option<Timestamp>| at.map(|at| house.instant(at));
    let steps = moved.shifts.iter();
    let steps: Vec<Value> =
        steps.map(|shift| json!({ "step": shift.step, "from": when(shift.from), "to": when(shift.to) })).collect();
    json!({ "run": public_id(run), "dry_run": dry_run, "inputs": moved.inputs, "steps": steps })
}
