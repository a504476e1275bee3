//! THE HANDLE. One file per command: its arguments, its help, what it does.
//!
//! A command gets a [`Context`], says what it found through [`Output`], and ends with `Ok` or a [`CliError`] that knows
//! its exit code. Nothing here keeps a rule: the rooms below do, so a command is as safe beside a running daemon as
//! without one.

mod check;
mod completions;
mod confirm;
mod context;
mod demo;
mod error;
mod failures;
mod init;
mod logging;
mod man;
mod output;
mod table;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use context::{Context, Globals};
pub use error::{CliError, Exit};
pub use output::{Output, instant};
pub use table::{Cell, Table, Tone};

/// Ushers people in and out of a company.
///
/// usher carries joiners, movers and leavers through declarative workflows over every system where they have an
/// account: disable, hand over, archive, delete. Steps wait months where they must, survive every crash and restart,
/// and end with evidence read back from the system itself.
///
/// Commands work on the same database as the daemon, with or without it running.
#[derive(Debug, Parser)]
#[command(name = "usher", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_long_help = usage::TOP)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the main job: a company, an HR file with departures, months in seconds, and the evidence
    Demo(demo::Demo),
    /// Writes a first configuration, workflows and a company to try them on
    Init(init::Init),
    /// Finds all mistakes of workflows and configuration
    Check(check::Check),
    /// Prints the completion script of a shell
    Completions(completions::Completions),
    /// Prints the manual page, or writes one for every command
    Man(man::Man),
}

impl Command {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self {
            Self::Demo(command) => command.run(context).await,
            Self::Init(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Completions(command) => command.run(context),
            Self::Man(command) => command.run(context),
        }
    }

    /// Whether this is the daemon, which tells more in its log.
    const fn is_daemon(&self) -> bool {
        false
    }
}

/// Runs the command line `arguments` (the first is the program's name) and answers with its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error, &arguments).into(),
    };
    logging::start(cli.command.is_daemon(), cli.globals.verbose);
    let mut context = Context::of_process(cli.globals);
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli.command.run(&mut context)),
        Err(error) => Err(CliError::environment("runtime", format!("threads cannot be started: {error}"))),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => context.out.error(&error).into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_teaches() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no short help");
            assert!(command.get_after_help().is_some(), "{name} shows no example");
        }
    }
}
