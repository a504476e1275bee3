//! `usher accounts bind`, `usher accounts unbind`

use clap::Args;
use serde_json::json;

use super::super::{CliError, Context, Exit};
use crate::store::Binding;

/// Says that an account belongs to a person
///
/// Runs that have started keep the accounts they were planned with.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher accounts bind directory:u-0017 1017")]
pub(super) struct Bind {
    /// The account, by system and immutable id or sign-in name
    #[arg(value_name = "SYSTEM:ID")]
    account: String,
    /// The person, by employee number
    #[arg(value_name = "PERSON")]
    person: String,
}

/// Says that an account belongs to nobody known
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher accounts unbind directory:u-0017")]
pub(super) struct Unbind {
    /// The account, by system and immutable id or sign-in name
    #[arg(value_name = "SYSTEM:ID")]
    account: String,
}

impl Bind {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let account = house.account(&self.account).await?;
        let person = house.person(&self.person).await?;
        let name = format!("{}:{}", account.system, account.external_id);
        if account.person_id.is_some_and(|owner| owner != person.id) {
            return Err(CliError::refused("bound", format!("{name} belongs to somebody else"))
                .help(format!("`usher accounts unbind {name}` first, if that is wrong")));
        }
        let binding = Binding { account: account.id, person: Some(person.id), by: context.actor() };
        house.store().bind(&[binding]).await?;
        if context.out.is_json() {
            let document = json!({ "account": name, "person": person.employee_number });
            context.out.document(&document, false)?;
        } else {
            let person = format!("{} {}", person.employee_number, person.display_name);
            context.out.line(format!("{name} ({}) belongs to {person}.", account.login))?;
        }
        Ok(Exit::Done)
    }
}

impl Unbind {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let account = house.account(&self.account).await?;
        let binding = Binding { account: account.id, person: None, by: context.actor() };
        house.store().bind(&[binding]).await?;
        let name = format!("{}:{}", account.system, account.external_id);
        if context.out.is_json() {
            context.out.document(&json!({ "account": name, "person": null }), false)?;
        } else {
            context.out.line(format!("{name} ({}) belongs to nobody known.", account.login))?;
            context.out.aside("It stays so, whoever it matches, until `usher accounts bind`.");
        }
        Ok(Exit::Done)
    }
}
