//! `usher accounts list`

use std::collections::HashMap;

use clap::Args;
use serde_json::{Value, json};

use super::super::house::House;
use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, Exit, moment, tones};
use crate::run::{Account, Person};

/// Lists the accounts that are known
///
/// As they were when the systems were last read: `usher accounts sync`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher accounts list --person 1005
  usher accounts list --system mailhost --unbound")]
pub(super) struct List {
    /// On this system
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Of this person
    #[arg(long, value_name = "KEY", conflicts_with = "unbound")]
    person: Option<String>,
    /// Only those that belong to nobody known
    #[arg(long)]
    unbound: bool,
}

impl List {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let person = match &self.person {
            Some(key) => Some(house.person(key).await?.id),
            None => None,
        };
        let mut accounts = house.store().accounts(self.system.as_deref(), person, None).await?;
        if let (Some(system), true) = (&self.system, accounts.is_empty()) {
            house.known_system(system)?;
        }
        accounts.retain(|account| !self.unbound || account.person_id.is_none());
        let people = house.store().people(None).await?;
        let people: HashMap<i64, &Person> = people.iter().map(|person| (person.id, person)).collect();
        let owner = |account: &Account| account.person_id.and_then(|id| people.get(&id)).copied();
        if context.out.is_json() {
            let rows: Vec<Value> = accounts.iter().map(|one| document(&house, one, owner(one))).collect();
            context.out.document(&rows, false)?;
        } else if accounts.is_empty() {
            context.out.aside("There are no such accounts; `usher accounts sync` reads the systems.");
        } else {
            context.out.table(&table(&house, &accounts, Some(&people)))?;
        }
        Ok(Exit::Done)
    }
}

/// Accounts as a table, with their people where those are given.
pub(in crate::cli) fn table(house: &House, accounts: &[Account], people: Option<&HashMap<i64, &Person>>) -> Table {
    let mut headings = vec!["account", "signs in as", "status", "last sign-in"];
    headings.extend(people.map(|_| "person"));
    let mut table = Table::new(headings);
    for account in accounts {
        let last = account.last_sign_in.map(|at| moment::moment(crate::clock::from_millis(at), &house.zone));
        let mut row = vec![
            format!("{}:{}", account.system, account.external_id).into(),
            account.login.as_str().into(),
            tones::account(account.status),
            last.unwrap_or_default().into(),
        ];
        row.extend(people.map(|people| match account.person_id.and_then(|id| people.get(&id)) {
            Some(person) => format!("{} {}", person.employee_number, person.display_name).into(),
            None => Cell::toned("nobody known", Tone::Warn),
        }));
        table.row(row);
    }
    table
}

/// An account as JSON.
pub(in crate::cli) fn document(house: &House, account: &Account, owner: Option<&Person>) -> Value {
    json!({
        "system": account.system,
        "id": account.external_id,
        "login": account.login,
        "person": owner.map(|person| &person.employee_number),
        "status": account.status,
        "attributes": account.attributes,
        "last_sign_in": account.last_sign_in.map(|at| house.millis(at)),
        "purge_due": account.purge_due.map(|at| house.millis(at)),
    })
}
