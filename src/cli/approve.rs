//! `usher approve`, `usher deny`

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::counted::counted;
use super::finding::{run_key, step_label};
use super::house::House;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit};
use crate::run::batch::Batch;
use crate::run::book::public_id;
use crate::store::StoreError;

/// Approves what a run asks for
///
/// What stands behind the approval is bound to it: accounts, dates and parameters. If they change, it is asked for
/// again. `usher tasks` shows what is asked and what must be typed. Nobody approves what they have asked for, or what is
/// about them. One that was given may be given again before it lapses.
///
/// Approvals of the same step that wait in several runs are a batch: --list shows them, --batch approves one whole. Its id
/// is made from what it lets through; when that has changed, nothing is approved.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher tasks
  usher approve run_12 approve-deletion --confirm 'Ada Keller'
  usher approve --list
  usher approve --batch batch_0f3a91c2d4e5 --confirm 'DELETE 37'")]
#[command(group = ArgGroup::new("which").args(["run", "batch", "list"]).required(true))]
pub struct Approve {
    /// The run
    #[arg(value_name = "RUN", requires = "step", requires = "confirm")]
    run: Option<String>,
    /// The step
    #[arg(value_name = "STEP")]
    step: Option<String>,
    /// The confirmation, exactly as it is asked for
    #[arg(long, value_name = "TEXT")]
    confirm: Option<String>,
    /// A whole batch
    #[arg(long, value_name = "ID", requires = "confirm")]
    batch: Option<String>,
    /// Shows the batches that wait
    #[arg(long)]
    list: bool,
}

/// Refuses an approval, or says that a task will not be done
///
/// The step fails with your reason, and its run needs attention.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher deny run_12 approve-deletion --reason 'a lawsuit is pending'")]
pub struct Deny {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Approve {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let confirm = self.confirm.unwrap_or_default();
        match (self.run, self.step, self.batch) {
            (Some(run), Some(step), _) => one(context, &run, &step, &confirm).await,
            (_, _, Some(batch)) => whole(context, &batch, &confirm).await,
            _ => list(context).await,
        }
    }
}

async fn one(context: &mut Context, run: &str, step: &str, confirm: &str) -> Result<Exit, CliError> {
    let key = run_key(run)?;
    let house = context.record().await?;
    let label = step_label(&house.engine.look(key).await?, step)?;
    let label = house.engine.approve(key, &label, confirm, &context.actor()).await?;
    say(context, &house, key, &label, "approved").await
}

async fn whole(context: &mut Context, id: &str, confirm: &str) -> Result<Exit, CliError> {
    let house = context.record().await?;
    let batch = match house.store().approve_batch(id, confirm, &context.actor()).await {
        Ok(batch) => batch,
        Err(error @ StoreError::Refused(_)) => {
            return Err(CliError::from(error).help("`usher approve --list` shows the batches and what must be typed"));
        }
        Err(error) => return Err(error.into()),
    };
    if context.out.is_json() {
        context.out.document(&document(&batch), false)?;
    } else {
        let runs = counted(batch.approvals.len(), "run", "runs");
        let steps = counted(batch.destructive, "destructive step", "destructive steps");
        context.out.line(format!("{} is approved for {runs}; {steps} may start.", batch.step))?;
    }
    Ok(Exit::Done)
}

async fn list(context: &mut Context) -> Result<Exit, CliError> {
    let house = context.record().await?;
    let batches = house.store().batches().await?;
    if context.out.is_json() {
        context.out.document(&batches.iter().map(document).collect::<Vec<_>>(), false)?;
    } else if batches.is_empty() {
        context.out.aside("No approvals wait together; `usher tasks` shows single ones.");
    } else {
        let mut table = Table::new(["batch", "workflow", "step", "runs", "then"]);
        for batch in &batches {
            let runs: Vec<String> = batch.approvals.iter().map(|(run, _)| public_id(*run)).collect();
            let then = format!("usher approve --batch {} --confirm '{}'", batch.id, batch.confirmation());
            let cells = [batch.id.as_str(), batch.workflow.as_str(), batch.step.as_str()].map(Cell::from);
            table.row(cells.into_iter().chain([runs.join(", ").into(), Cell::toned(then, Tone::Faint)]));
        }
        context.out.table(&table)?;
    }
    Ok(Exit::Done)
}

fn document(batch: &Batch) -> Value {
    json!({
        "id": batch.id,
        "workflow": batch.workflow,
        "step": batch.step,
        "runs": batch.approvals.iter().map(|(run, _)| public_id(*run)).collect::<Vec<_>>(),
        "destructive_steps": batch.destructive,
        "confirm": batch.confirmation(),
    })
}

impl Deny {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.run)?;
        let house = context.record().await?;
        let label = step_label(&house.engine.look(key).await?, &self.step)?;
        let label = house.engine.deny(key, &label, &self.reason, &context.actor()).await?;
        say(context, &house, key, &label, "denied").await
    }
}

async fn say(context: &mut Context, house: &House, key: i64, label: &str, what: &str) -> Result<Exit, CliError> {
    let run = house.engine.look(key).await?.run;
    if context.out.is_json() {
        let document = json!({ "run": run.public_id(), "step": label, "decision": what, "run_state": run.state });
        context.out.document(&document, false)?;
    } else {
        context.out.line(format!("{label} of {} is {what}; the run is {}.", run.public_id(), run.state.as_str()))?;
    }
    Ok(Exit::Done)
}
