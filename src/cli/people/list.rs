//! `usher people list`

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;

use super::super::table::Table;
use super::super::{CliError, Context, Exit, tones};
use super::document;
use crate::run::PersonStatus;

/// Lists people
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher people list --status leaving
  usher people list --json | jq -r '.[].employee_number'")]
pub(super) struct List {
    /// With this status
    #[arg(long, value_parser = statuses())]
    status: Option<PersonStatus>,
}

pub(super) fn statuses() -> impl TypedValueParser<Value = PersonStatus> {
    let words = PossibleValuesParser::new(PersonStatus::ALL.map(PersonStatus::as_str));
    words.try_map(|word| PersonStatus::from_name(&word).ok_or("no status"))
}

impl List {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let people = house.store().people(self.status).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = people.iter().map(document).collect();
            context.out.document(&rows, false)?;
            return Ok(Exit::Done);
        }
        if people.is_empty() {
            context.out.aside("There is nobody: `usher people import FILE` takes in HR's file.");
            return Ok(Exit::Done);
        }
        let mut table = Table::new(["number", "name", "status", "last day", "manager", "department", "email"]);
        for person in &people {
            table.row([
                person.employee_number.as_str().into(),
                person.display_name.as_str().into(),
                tones::person(person.status),
                person.last_day.map(|day| day.to_string()).unwrap_or_default().into(),
                person.manager_number.as_deref().unwrap_or_default().into(),
                person.department.as_deref().unwrap_or_default().into(),
                person.email.as_deref().unwrap_or_default().into(),
            ]);
        }
        context.out.table(&table)?;
        Ok(Exit::Done)
    }
}
