//! `usher schedule`

mod list;
mod orders;

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::house::House;
use super::{CliError, Context, Exit};
use crate::run::nearest::way_out;
use crate::workflow::Workflow;

/// Shows which workflows run by the calendar, has one run now, pauses one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher schedule list
  usher schedule pause grace-purge --reason 'audit until Friday'")]
pub struct Schedule {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Lists scheduled workflows: when each runs next, when it last did, and what that started
    List(list::List),
    /// Has a scheduled workflow run now
    Run(orders::RunNow),
    /// Stops a schedule until it is resumed
    Pause(orders::Pause),
    /// Lets a paused schedule go on
    Resume(orders::Resume),
}

impl Schedule {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            ScheduleCommand::List(command) => command.run(context).await,
            ScheduleCommand::Run(command) => command.run(context).await,
            ScheduleCommand::Pause(command) => command.run(context).await,
            ScheduleCommand::Resume(command) => command.run(context).await,
        }
    }
}

impl House {
    /// The scheduled workflow called `name`.
    ///
    /// # Errors
    /// When there is none of that name, or it has no schedule.
    fn scheduled(&self, name: &str) -> Result<&Arc<Workflow>, CliError> {
        let workflow = self.workflow(name)?;
        if workflow.triggers.schedule.is_some() {
            return Ok(workflow);
        }
        let library = self.engine.library().values();
        let scheduled = library.filter(|workflow| workflow.triggers.schedule.is_some());
        Err(CliError::not_found(format!("the workflow {name} has no schedule"))
            .help(way_out(name, scheduled.map(|workflow| workflow.name.as_str()))))
    }
}
