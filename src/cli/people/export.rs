//! `usher people export`

use clap::Args;
use jiff::civil::Date;

use super::super::listing::Listing;
use super::super::{CliError, Context, Exit};
use super::list::statuses;
use crate::report::Cell;
use crate::run::{Person, PersonStatus};

/// The columns, called as the fields of HR's file: what is exported can be imported. New ones come at the end.
const COLUMNS: &[&str] = &[
    "employee_number",
    "given_name",
    "family_name",
    "display_name",
    "email",
    "private_email",
    "manager_number",
    "department",
    "role",
    "timezone",
    "language",
    "start_date",
    "last_day",
    "leave_from",
    "leave_until",
    "leave_reason",
    "status",
];

/// Writes all people into a CSV, XLSX or JSON file
///
/// The columns are the fields that `usher people import` reads.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher people export --out people.xlsx
  usher people export --status leaving --out leaving.csv --bom
  usher people export --format json | jq -r '.[].employee_number'")]
pub(super) struct Export {
    /// With this status
    #[arg(long, value_parser = statuses())]
    status: Option<PersonStatus>,
    #[command(flatten)]
    listing: Listing,
}

impl Export {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let failed = |error| self.listing.failed(&error);
        let mut sheet = self.listing.begin(context, COLUMNS)?;
        let mut page = house.store().people_page(self.status, "").await?;
        while let Some(last) = page.last().map(|person| person.employee_number.clone()) {
            for person in &page {
                sheet.row(&cells(person)).map_err(failed)?;
            }
            page = house.store().people_page(self.status, &last).await?;
        }
        let rows = sheet.end().map_err(failed)?;
        self.listing.say(context, rows)?;
        Ok(Exit::Done)
    }
}

fn cells(person: &Person) -> Vec<Cell> {
    let known = |text: &Option<String>| text.as_deref().map_or(Cell::Nothing, Cell::from);
    let day = |date: Option<Date>| date.map_or(Cell::Nothing, |date| date.to_string().into());
    vec![
        person.employee_number.as_str().into(),
        person.given_name.as_str().into(),
        person.family_name.as_str().into(),
        person.display_name.as_str().into(),
        known(&person.email),
        known(&person.private_email),
        known(&person.manager_number),
        known(&person.department),
        known(&person.role),
        known(&person.timezone),
        known(&person.language),
        day(person.start_date),
        day(person.last_day),
        day(person.leave_from),
        day(person.leave_until),
        known(&person.leave_reason),
        person.status.as_str().into(),
    ]
}
