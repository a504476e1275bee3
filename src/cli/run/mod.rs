//! `usher run …`

mod archive;
mod evidence;
mod list;
mod orders;
mod reschedule;
mod show;
mod start;
mod undo;
mod view;

use clap::{Args, Subcommand};

use super::{CliError, Context, Exit};

pub(super) use list::{document, table};
pub(super) use start::{Asked, say_started, start};

/// Starts runs, shows them, moves them, stops them, takes them back
///
/// A run is one workflow for one person, one account, or the organisation. It keeps the version of the workflow that
/// it started with.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run start departure --person 1005 --set last_day=2027-01-29 --now
  usher run list --state needs_attention
  usher run show run_12 --watch
  usher run pause run_12 --reason 'waiting for HR'
  usher run reschedule run_12 --set last_day=2027-02-28 --dry-run")]
pub struct Run {
    #[command(subcommand)]
    command: RunCommand,
}

#[derive(Debug, Subcommand)]
enum RunCommand {
    /// Starts a run
    Start(start::Start),
    /// Lists runs, newest first
    List(list::List),
    /// Shows a run and where each of its steps stands
    Show(show::Show),
    /// Writes everything about a run into a file: steps, evidence, journal
    Evidence(evidence::EvidenceCommand),
    /// Moves runs that have long been over into the archive
    Archive(archive::Archive),
    /// Cancels a run: nothing of it starts any more
    Cancel(orders::Cancel),
    /// Pauses a run
    Pause(orders::Pause),
    /// Lets a paused run go on
    Resume(orders::Resume),
    /// Gives a run new inputs, and what has not started new times
    Reschedule(reschedule::Reschedule),
    /// Takes a run back: cancels it and undoes what can be undone
    Undo(undo::Undo),
}

impl Run {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            RunCommand::Start(command) => command.run(context).await,
            RunCommand::List(command) => command.run(context).await,
            RunCommand::Show(command) => command.run(context).await,
            RunCommand::Evidence(command) => command.run(context).await,
            RunCommand::Archive(command) => command.run(context).await,
            RunCommand::Cancel(command) => command.run(context).await,
            RunCommand::Pause(command) => command.run(context).await,
            RunCommand::Resume(command) => command.run(context).await,
            RunCommand::Reschedule(command) => command.run(context).await,
            RunCommand::Undo(command) => command.run(context).await,
        }
    }
}
