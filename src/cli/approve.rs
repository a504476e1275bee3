//! `usher approve`, `usher deny`

use clap::Args;
use serde_json::json;

use super::finding::{run_key, step_label};
use super::house::House;
use super::{CliError, Context, Exit};

/// Approves what a run asks for
///
/// What stands behind the approval is bound to it: accounts, dates and parameters. If they change, it is asked for
/// again. `usher tasks` shows what is asked and what must be typed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher tasks
  usher approve run_12 approve-deletion --confirm 'Ada Keller'")]
pub struct Approve {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// The confirmation, exactly as it is asked for
    #[arg(long, value_name = "TEXT")]
    confirm: String,
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
        let key = run_key(&self.run)?;
        let house = context.record().await?;
        let label = step_label(&house.engine.look(key).await?, &self.step)?;
        let label = house.engine.approve(key, &label, &self.confirm, &context.actor()).await?;
        say(context, &house, key, &label, "approved").await
    }
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
