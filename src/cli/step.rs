//! `usher step retry`, `usher step skip`

use clap::{Args, Subcommand};
use serde_json::json;

use super::finding::{run_key, step_label};
use super::{CliError, Context, Exit};

/// Tries a step again, or leaves it out
///
/// A step is called by its name, and by its system where several have the name: disable@directory.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher step retry run_12 transfer-files@files --reason 'the quota was raised'
  usher step skip run_12 archive@mailhost --reason 'the mailbox was empty'")]
pub struct Step {
    #[command(subcommand)]
    command: StepCommand,
}

#[derive(Debug, Subcommand)]
enum StepCommand {
    /// Tries a failed or held step again, now
    Retry(Retry),
    /// Leaves a step out; its run ends as closed_with_exceptions
    Skip(Skip),
}

/// Tries a failed or held step again, now
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher step retry run_12 transfer-files@files --reason 'the quota was raised'
  usher step retry run_12 disable@mailhost --override --reason 'a successor follows on Monday'")]
struct Retry {
    #[command(flatten)]
    order: Order,
    /// Cuts the access although the account is protected
    #[arg(long = "override")]
    overriding: bool,
}

/// Leaves a step out; its run ends as closed_with_exceptions
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher step skip run_12 archive@mailhost --reason 'the mailbox was empty'")]
struct Skip {
    #[command(flatten)]
    order: Order,
}

#[derive(Debug, Args)]
struct Order {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The step: disable@directory, or its name alone where only one has it
    #[arg(value_name = "STEP")]
    step: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Step {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let (order, skip, overriding) = match self.command {
            StepCommand::Retry(retry) => (retry.order, false, retry.overriding),
            StepCommand::Skip(skip) => (skip.order, true, false),
        };
        let key = run_key(&order.run)?;
        let house = context.record().await?;
        let label = step_label(&house.engine.look(key).await?, &order.step)?;
        let actor = context.actor();
        let label = match skip {
            true => house.engine.skip(key, &label, &order.reason, &actor).await?,
            false if overriding => {
                house.engine.override_protection(key, Some(&label), &order.reason, &actor).await?;
                label
            }
            false => house.engine.retry(key, &label, &order.reason, &actor).await?,
        };
        let book = house.engine.look(key).await?;
        let state = book.steps.iter().find(|step| step.label() == label).map_or("", |step| step.state.as_str());
        if context.out.is_json() {
            let document = json!({ "run": book.run.public_id(), "step": label, "state": state,
                "run_state": book.run.state });
            context.out.document(&document, false)?;
        } else if skip {
            context.out.line(format!("{label} of {} is left out.", book.run.public_id()))?;
        } else {
            context.out.line(format!("{label} of {} is tried again.", book.run.public_id()))?;
            house.warn_without_daemon(context).await?;
        }
        Ok(Exit::Done)
    }
}
