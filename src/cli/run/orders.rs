//! `usher run cancel`, `pause`, `resume`

use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::super::finding::run_key;
use super::super::house::House;
use super::super::{CliError, Context, Exit};
use crate::clock;
use crate::run::StepState;
use crate::run::book::Step;

/// How often a wait looks.
const GLANCE: Duration = Duration::from_millis(200);

/// Cancels a run: nothing of it starts any more
///
/// The answer names what is in flight and may still have its effect, and the effects that stay: endings are cancelled
/// too. `usher run undo` takes those back, now or later.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run cancel run_12 --reason 'HR took the departure back'
  usher run cancel run_12 --reason 'wrong person' --wait")]
pub(super) struct Cancel {
    #[command(flatten)]
    order: Order,
    /// Waits until nothing of it is in flight
    #[arg(long)]
    wait: bool,
}

/// Pauses a run: nothing of it starts until it is resumed
///
/// Access cuts wait too. The answer names what is in flight.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run pause run_12 --reason 'waiting for HR'
  usher run pause run_12 --reason 'restoring a mailbox' --wait")]
pub(super) struct Pause {
    #[command(flatten)]
    order: Order,
    /// Waits until nothing of it is in flight
    #[arg(long)]
    wait: bool,
}

/// Lets a paused run go on
///
/// What has become due in the meantime runs at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher run resume run_12 --reason 'HR has confirmed'")]
pub(super) struct Resume {
    #[command(flatten)]
    order: Order,
}

#[derive(Debug, Args)]
struct Order {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// Why, for the journal
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Cancel {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.order.run)?;
        let run = crate::run::book::public_id(key);
        let house = context.record().await?;
        let left = house.engine.cancel(key, &self.order.reason, &context.actor()).await?;
        if self.wait {
            wait_until_still(&house, key).await?;
        }
        if context.out.is_json() {
            let undo = (!left.stays.is_empty()).then(|| format!("usher run undo {run} --reason TEXT"));
            let document = json!({ "run": run, "state": "cancelled", "in_flight": left.in_flight,
                "stays": left.stays, "undo": undo });
            context.out.document(&document, false)?;
            return Ok(Exit::Done);
        }
        context.out.line(format!("{run} is cancelled."))?;
        name_in_flight(context, &left.in_flight, self.wait)?;
        if !left.stays.is_empty() {
            context.out.line(format!("Done before, and stays: {}.", left.stays.join(", ")))?;
            context.out.line(format!("`usher run undo {run} --reason TEXT` takes it back."))?;
        }
        Ok(Exit::Done)
    }
}

impl Pause {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.order.run)?;
        let house = context.record().await?;
        let in_flight = house.engine.pause(key, &self.order.reason, &context.actor()).await?;
        if self.wait {
            wait_until_still(&house, key).await?;
        }
        let run = crate::run::book::public_id(key);
        if context.out.is_json() {
            let document = json!({ "run": run, "state": "paused", "in_flight": in_flight });
            context.out.document(&document, false)?;
            return Ok(Exit::Done);
        }
        context.out.line(format!("{run} is paused; `usher run resume {run} --reason TEXT` lets it go on."))?;
        name_in_flight(context, &in_flight, self.wait)?;
        Ok(Exit::Done)
    }
}

impl Resume {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let key = run_key(&self.order.run)?;
        let house = context.record().await?;
        let released = house.engine.resume(key, &self.order.reason, &context.actor()).await?;
        let run = crate::run::book::public_id(key);
        if context.out.is_json() {
            let state = house.engine.look(key).await?.run.state;
            context.out.document(&json!({ "run": run, "state": state, "released": released }), false)?;
        } else {
            context.out.line(format!("{run} goes on; {released} steps had been stopped by the pause."))?;
        }
        Ok(Exit::Done)
    }
}

fn name_in_flight(context: &mut Context, in_flight: &[String], waited: bool) -> Result<(), CliError> {
    if in_flight.is_empty() {
        return Ok(());
    }
    let names = in_flight.join(", ");
    context.out.line(match waited {
        true => format!("Was in flight, and has ended: {names}."),
        false => format!("In flight, and may still have its effect: {names}."),
    })
}

/// Waits until no attempt of the run is in flight.
async fn wait_until_still(house: &House, run: i64) -> Result<(), CliError> {
    let in_flight = |step: &Step| matches!(step.state, StepState::Leased { .. });
    while house.engine.look(run).await?.steps.iter().any(in_flight) {
        clock::pause(GLANCE).await;
    }
    Ok(())
}
