//! `usher accounts …`

mod bind;
mod export;
mod filter;
mod list;
mod next;
mod sync;

use clap::{Args, Subcommand};

use super::{CliError, Context, Exit};

pub(super) use list::{account_document, table};

/// Reads the systems' accounts, and says whose they are
///
/// Accounts find their person by employee number, else by address, or by the rules in `[people] match`. Where none or
/// several people match, you say it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher accounts sync
  usher accounts list --unbound
  usher accounts bind directory:u-0017 1017
  usher accounts export --out accounts.xlsx")]
pub struct Accounts {
    #[command(subcommand)]
    command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
enum AccountsCommand {
    /// Reads all accounts of a system, or of all
    Sync(sync::Sync),
    /// Lists the accounts that are known
    List(list::List),
    /// Writes all accounts into a CSV, XLSX or JSON file
    Export(export::Export),
    /// Says that an account belongs to a person
    Bind(bind::Bind),
    /// Says that an account belongs to nobody known
    Unbind(bind::Unbind),
}

impl Accounts {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            AccountsCommand::Sync(command) => command.run(context).await,
            AccountsCommand::List(command) => command.run(context).await,
            AccountsCommand::Export(command) => command.run(context).await,
            AccountsCommand::Bind(command) => command.run(context).await,
            AccountsCommand::Unbind(command) => command.run(context).await,
        }
    }
}
