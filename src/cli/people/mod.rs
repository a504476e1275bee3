//! `usher people …`

mod erase;
mod export;
mod import;
mod list;
mod show;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{CliError, Context, Exit};
use crate::run::Person;

/// Takes in HR's file of people, and shows who is known
///
/// What changes in the file becomes events (a departure, a leave, a return), and events start the workflows that
/// listen for them. Absence from the file never means anything.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher people import people.csv --dry-run
  usher people import people.csv
  usher people list --status leaving
  usher people show 1005
  usher people export --out people.xlsx
  usher people erase 1005 --reason 'request of 3 March' --confirm 'Ada Keller'")]
pub struct People {
    #[command(subcommand)]
    command: PeopleCommand,
}

#[derive(Debug, Subcommand)]
enum PeopleCommand {
    /// Takes in HR's file
    Import(import::Import),
    /// Writes all people into a CSV, XLSX or JSON file
    Export(export::Export),
    /// Lists people
    List(list::List),
    /// Shows a person with manager, accounts and runs
    Show(show::Show),
    /// Erases what is known of a person who has left
    Erase(erase::Erase),
}

impl People {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            PeopleCommand::Import(command) => command.run(context).await,
            PeopleCommand::Export(command) => command.run(context).await,
            PeopleCommand::List(command) => command.run(context).await,
            PeopleCommand::Show(command) => command.run(context).await,
            PeopleCommand::Erase(command) => command.run(context).await,
        }
    }
}

/// A person as JSON.
fn document(person: &Person) -> Value {
    json!(person)
}
