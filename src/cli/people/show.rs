//! `usher people show`

use clap::Args;
use serde_json::{Value, json};

use super::super::table::Tone;
use super::super::{CliError, Context, Exit, accounts, hold, run};
use super::document;
use crate::run::{Account, Person};
use crate::store::{RunFilter, RunRow};

/// Shows a person with manager, accounts and runs
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher people show 1005")]
pub(super) struct Show {
    /// Employee number
    #[arg(value_name = "KEY")]
    person: String,
}

impl Show {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let person = house.person(&self.person).await?;
        let manager = match &person.manager_number {
            Some(number) => house.store().person(number).await?,
            None => None,
        };
        let owned = house.store().accounts(None, Some(person.id), None).await?;
        let filter = RunFilter { person: Some(person.employee_number.clone()), ..RunFilter::default() };
        let runs = house.store().runs(&filter).await?;
        let holds = house.store().holds(Some(person.id), false).await?;
        if context.out.is_json() {
            let mut value = document(&person);
            value["manager"] = json!(manager.as_ref().map(document));
            value["accounts"] = owned
                .iter()
                .map(|account| accounts::account_document(&house, account, Some(&person.employee_number)))
                .collect();
            value["runs"] = runs.iter().map(|row| run::document(&house, row)).collect::<Vec<Value>>().into();
            value["legal_holds"] = holds.iter().map(|held| hold::document(&house, held)).collect::<Vec<Value>>().into();
            context.out.document(&value, false)?;
            return Ok(Exit::Done);
        }
        head(context, &person, manager.as_ref())?;
        for held in &holds {
            let words = context.out.paint(Tone::Warn, &format!("under legal hold: {}", held.words()));
            context.out.line(format!("  {words}"))?;
        }
        tables(context, &house, &person.employee_number, &owned, &runs)?;
        Ok(Exit::Done)
    }
}

fn head(context: &mut Context, person: &Person, manager: Option<&Person>) -> Result<(), CliError> {
    let out = &mut context.out;
    let title = out.paint(Tone::Strong, &format!("{} {}", person.employee_number, person.display_name));
    out.line(format!("{title}: {}", person.status.as_str()))?;
    let manager = manager.map(|manager| format!("{} {}", manager.employee_number, manager.display_name));
    let facts = [
        ("email", person.email.clone()),
        ("private", person.private_email.clone()),
        ("department", person.department.clone()),
        ("role", person.role.clone()),
        ("manager", manager.or_else(|| person.manager_number.clone())),
        ("zone", person.timezone.clone()),
        ("language", person.language.clone()),
        ("first day", person.start_date.map(|day| day.to_string())),
        ("last day", person.last_day.map(|day| day.to_string())),
        ("away from", person.leave_from.map(|day| day.to_string())),
        ("back on", person.leave_until.map(|day| day.to_string())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            out.line(format!("  {name:<12}{value}"))?;
        }
    }
    Ok(())
}

fn tables(
    context: &mut Context,
    house: &super::super::house::House,
    person: &str,
    owned: &[Account],
    runs: &[RunRow],
) -> Result<(), CliError> {
    let out = &mut context.out;
    out.line("")?;
    if owned.is_empty() {
        out.line("No accounts are known to be theirs.")?;
    } else {
        out.table(&accounts::table(house, owned, person))?;
    }
    out.line("")?;
    if runs.is_empty() { out.line("No runs are about them.") } else { out.table(&run::table(house, runs)) }
}
