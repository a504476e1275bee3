//! `usher schedule run`, `pause`, `resume`

use clap::Args;
use serde_json::json;

use super::{CliError, Context, Exit};
use crate::intake::schedules::fire_now;

/// Has a scheduled workflow run now
///
/// Its runs start as those of a tick do: one for the organisation, or with `for_each` one for each subject there is. The
/// ticks to come stay as they are. A paused schedule runs too when asked for like this.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher schedule run grace-purge")]
pub(super) struct RunNow {
    /// The workflow
    #[arg(value_name = "NAME")]
    name: String,
}

/// Stops a schedule until it is resumed
///
/// Ticks that come after this start nothing, on any daemon and after any restart. Runs that have started go on; `usher run pause`
/// is for those.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher schedule pause grace-purge --reason 'audit until Friday'")]
pub(super) struct Pause {
    /// The workflow
    #[arg(value_name = "NAME")]
    name: String,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Lets a paused schedule go on
///
/// It goes on with its next tick: what it would have started meanwhile is not made up for.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher schedule resume grace-purge && usher schedule run grace-purge")]
pub(super) struct Resume {
    /// The workflow
    #[arg(value_name = "NAME")]
    name: String,
}

impl RunNow {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        let workflow = house.scheduled(&self.name)?;
        let started = fire_now(&house.engine, workflow, &context.actor()).await?;
        if context.out.is_json() {
            context.out.document(&json!({ "workflow": self.name, "started": started }), false)?;
            return Ok(Exit::Done);
        }
        context.out.line(match started {
            0 => format!("{}: there is nothing to do, no run was started.", self.name),
            1 => format!("{}: one run was started.", self.name),
            runs => format!("{}: {runs} runs were started.", self.name),
        })?;
        if started > 0 {
            house.warn_without_daemon(context).await?;
        }
        Ok(Exit::Done)
    }
}

impl Pause {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        house.scheduled(&self.name)?;
        let actor = context.actor();
        if !house.store().pause_schedule(&self.name, &actor, &self.reason).await? {
            return Err(CliError::refused(
                "schedule_paused",
                format!("the schedule of {} is paused already", self.name),
            )
            .help("`usher schedule list` shows by whom, and why"));
        }
        if context.out.is_json() {
            context.out.document(&json!({ "workflow": self.name, "paused": true, "by": actor }), false)?;
        } else {
            let line = format!("Paused: {} starts nothing by itself until `usher schedule resume {0}`.", self.name);
            context.out.line(line)?;
        }
        Ok(Exit::Done)
    }
}

impl Resume {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        house.scheduled(&self.name)?;
        if !house.store().resume_schedule(&self.name).await? {
            return Err(CliError::refused("schedule_runs", format!("the schedule of {} is not paused", self.name)));
        }
        if context.out.is_json() {
            context.out.document(&json!({ "workflow": self.name, "paused": false }), false)?;
        } else {
            context.out.line(format!("{} goes on with its next tick.", self.name))?;
        }
        Ok(Exit::Done)
    }
}
