//! `usher people erase`

use clap::Args;
use serde_json::json;

use super::super::counted::counted;
use super::super::{CliError, Context, Exit};

/// Erases what is known of a person who has left
///
/// Names, addresses, dates, the inputs of runs, what HR said, mails, and every word about them in the journal; that
/// cannot be taken back, and no key brings it back from a copy that is made later. What was done stays provable: the
/// entries stay, with [erased] where the words were. It is refused while a run, a legal hold or an account needs them.
/// If HR's file names the number again, that is a new person.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher people erase 1005 --reason 'request of 3 March' --confirm 'Ada Keller'")]
pub(super) struct Erase {
    /// Employee number
    #[arg(value_name = "KEY")]
    person: String,
    /// Why; it is kept, so name nobody in it
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The person's name, as `usher people show` has it
    #[arg(long, value_name = "NAME")]
    confirm: String,
}

impl Erase {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let person = house.person(&self.person).await?;
        let erased = house.store().erase(person.id, &self.confirm, &self.reason, &context.actor()).await?;
        if context.out.is_json() {
            context.out.document(&json!(erased), false)?;
            return Ok(Exit::Done);
        }
        let (runs, accounts) = (counted(erased.runs, "run", "runs"), counted(erased.accounts, "account", "accounts"));
        context.out.line(format!(
            "{} is erased; {} stands in their place ({runs}, {accounts}).",
            self.person, erased.number
        ))?;
        if erased.reserved > 0 {
            let addresses =
                counted(erased.reserved, "address that was theirs stays", "addresses that were theirs stay");
            context.out.aside(format!("{addresses} reserved for a time, without saying whose."));
        }
        context.out.aside("Copies of the database from before still hold what was erased, until you delete them.");
        Ok(Exit::Done)
    }
}
