//! `usher people list`

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::super::listing::JsonRows;
use super::super::table::Table;
use super::super::{CliError, Context, Exit, tones};
use super::document;
use crate::run::{Person, PersonStatus};

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
        let mut page = house.store().people_page(self.status, "").await?;
        if page.is_empty() && !context.out.is_json() {
            context.out.aside("There is nobody: `usher people import FILE` takes in HR's file.");
            return Ok(Exit::Done);
        }
        let mut rows = JsonRows::default();
        while let Some(last) = page.last().map(|person| person.employee_number.clone()) {
            if context.out.is_json() {
                for person in &page {
                    rows.row(context, &document(person))?;
                }
            } else {
                context.out.table(&table(&page))?;
            }
            page = house.store().people_page(self.status, &last).await?;
        }
        if context.out.is_json() {
            rows.end(context)?;
        }
        Ok(Exit::Done)
    }
}

fn table(people: &[Person]) -> Table {
    let mut table = Table::new(["number", "name", "status", "last day", "manager", "department", "email"]);
    for person in people {
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
    table
}
