//! THE HANDLE. One file per command: its arguments, its help, what it does.
//!
//! A command gets a [`Context`], says what it found through [`Output`], and ends with `Ok` or a [`CliError`] that knows
//! its exit code. Nothing here keeps a rule: the rooms below do, so a command is as safe beside a running daemon as
//! without one.

mod about;
mod accounts;
mod actor;
mod alerts;
mod approve;
mod audit;
mod bench;
mod block;
mod check;
mod completions;
mod confirm;
mod context;
mod counted;
mod credentials;
mod demo;
mod doctor;
mod error;
mod events;
mod failures;
mod finding;
mod freeze;
mod guard;
mod help;
mod hold;
mod house;
mod init;
mod inventory;
mod listing;
mod logging;
mod mail;
mod man;
mod moment;
#[cfg(test)]
mod operations;
mod outlook;
mod output;
mod people;
mod plan;
mod progress;
mod run;
mod schedule;
mod schema;
mod secret;
mod serve;
mod step;
mod systems;
mod table;
mod tasks;
mod tones;
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
#[command(after_long_help = usage::TOP, disable_help_subcommand = true)]
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
    /// Prints the JSON Schema of workflow files, or of the configuration
    Schema(schema::Schema),
    /// Runs the daemon
    Serve(serve::Serve),
    /// Shows what a workflow would do, and when; changes nothing
    Plan(plan::PlanCommand),
    /// Starts runs, shows them, moves them, stops them, takes them back
    Run(run::Run),
    /// Tries a step again, or leaves it out
    Step(step::Step),
    /// Shows what waits for a person
    Tasks(tasks::Tasks),
    /// Reports on what only a person can do
    Task(tasks::Task),
    /// Approves what a run asks for
    Approve(approve::Approve),
    /// Refuses an approval, or says that a task will not be done
    Deny(approve::Deny),
    /// Closes every way in for a person, now, ahead of everything else
    Block(block::Block),
    /// Lets a blocked person in again
    Unblock(block::Unblock),
    /// Stops destructive steps (or everything) at once
    Freeze(freeze::FreezeCommand),
    /// Lifts the freezes of a scope, and lets go what they held
    Unfreeze(freeze::Unfreeze),
    /// Puts people under legal hold, and releases them
    Hold(hold::HoldCommand),
    /// Shows guards that have tripped, and releases them
    Guard(guard::Guard),
    /// Shows what HR said and what became of it, and deals with what is parked
    Events(events::Events),
    /// Shows credentials that are kept sealed for handing over
    Credentials(credentials::Credentials),
    /// Keeps secrets that the configuration refers to, and changes the master key
    Secret(secret::Secret),
    /// Shows the outbox, sends a test, tries a mail again
    Mail(mail::Mail),
    /// Shows what is wrong now, and tries whether anybody would hear of it
    Alerts(alerts::Alerts),
    /// Takes in HR's file of people, and shows who is known
    People(people::People),
    /// Reads the systems' accounts, and says whose they are
    Accounts(accounts::Accounts),
    /// Lists the configured systems, and tests them
    Systems(systems::Systems),
    /// Shows which workflows run by the calendar, has one run now, pauses one
    Schedule(schedule::Schedule),
    /// Shows journals, and verifies that nobody has changed them
    Audit(audit::Audit),
    /// Tells what is wrong with this set-up, and how to mend it
    Doctor(doctor::Doctor),
    /// Measures what this machine and this database can do
    Bench(bench::Bench),
    /// Explains a command, a workflow, or a code
    Help(help::Help),
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
            Self::Schema(command) => command.run(context),
            Self::Serve(command) => command.run(context).await,
            Self::Plan(command) => command.run(context).await,
            Self::Run(command) => command.run(context).await,
            Self::Step(command) => command.run(context).await,
            Self::Tasks(command) => command.run(context).await,
            Self::Task(command) => command.run(context).await,
            Self::Approve(command) => command.run(context).await,
            Self::Deny(command) => command.run(context).await,
            Self::Block(command) => command.run(context).await,
            Self::Unblock(command) => command.run(context).await,
            Self::Freeze(command) => command.run(context).await,
            Self::Unfreeze(command) => command.run(context).await,
            Self::Hold(command) => command.run(context).await,
            Self::Guard(command) => command.run(context).await,
            Self::Events(command) => command.run(context).await,
            Self::Credentials(command) => command.run(context).await,
            Self::Secret(command) => command.run(context).await,
            Self::Mail(command) => command.run(context).await,
            Self::Alerts(command) => command.run(context).await,
            Self::People(command) => command.run(context).await,
            Self::Accounts(command) => command.run(context).await,
            Self::Systems(command) => command.run(context).await,
            Self::Schedule(command) => command.run(context).await,
            Self::Audit(command) => command.run(context).await,
            Self::Doctor(command) => command.run(context).await,
            Self::Bench(command) => command.run(context).await,
            Self::Help(command) => command.run(context),
            Self::Completions(command) => command.run(context),
            Self::Man(command) => command.run(context),
        }
    }

    /// How it logs.
    const fn teller(&self) -> logging::Teller {
        match self {
            Self::Serve(_) => logging::Teller::Daemon,
            Self::Bench(_) => logging::Teller::Bench,
            _ => logging::Teller::Command,
        }
    }
}

/// Runs the command line `arguments` (the first is the program's name) and answers with its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error, &arguments).into(),
    };
    logging::start(cli.command.teller(), cli.globals.verbose);
    let mut context = Context::of_process(cli.globals);
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            let outcome = cli.command.run(&mut context).await;
            context.leave().await;
            outcome
        }),
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
        teaches(&Cli::command());
    }

    fn teaches(above: &clap::Command) {
        for command in above.get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no short help");
            assert!(command.get_after_help().is_some(), "{name} shows no example");
            teaches(command);
        }
    }
}
