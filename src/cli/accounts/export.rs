//! `usher accounts export`

use clap::Args;
use serde_json::Value;

use super::super::house::House;
use super::super::listing::Listing;
use super::super::{CliError, Context, Exit};
use super::filter::Which;
use super::list::text;
use crate::report::Cell;
use crate::run::Account;
use crate::store::AccountRow;

/// The columns; new ones come at the end.
const COLUMNS: &[&str] = &[
    "system",
    "id",
    "login",
    "status",
    "role",
    "last_sign_in",
    "email",
    "aliases",
    "groups",
    "employee_number",
    "display_name",
    "person_status",
    "department",
    "manager_number",
    "bound_by",
    "why_unbound",
    "purge_due",
];

/// Writes all accounts into a CSV, XLSX or JSON file
///
/// With status, role, last sign-in, aliases, groups, person and manager. In CSV and XLSX nothing that a system or HR
/// wrote becomes a formula: in CSV a quotation mark stands in front of what would be one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher accounts export --out accounts.xlsx
  usher accounts export --status enabled --inactive '6 months' --out idle.csv --bom
  usher accounts export --format json | jq length")]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    listing: Listing,
}

impl Export {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let filter = self.which.filter(&house).await?;
        let failed = |error| self.listing.failed(&error);
        let mut sheet = self.listing.begin(context, COLUMNS)?;
        let mut page = house.store().account_page(&filter, None).await?;
        while let Some(last) = page.last().cloned() {
            for row in &page {
                sheet.row(&cells(&house, row)).map_err(failed)?;
            }
            page = house.store().account_page(&filter, Some(&last)).await?;
        }
        let rows = sheet.end().map_err(failed)?;
        self.listing.say(context, rows)?;
        Ok(Exit::Done)
    }
}

fn cells(house: &House, row: &AccountRow) -> Vec<Cell> {
    let account = &row.account;
    let known = |text: Option<&str>| text.map_or(Cell::Nothing, Cell::from);
    let instant = |at: Option<i64>| at.map_or(Cell::Nothing, |at| house.millis(at).into());
    let owner = row.owner.as_ref();
    vec![
        account.system.as_str().into(),
        account.external_id.as_str().into(),
        account.login.as_str().into(),
        account.status.as_str().into(),
        known(text(account, "role")),
        instant(account.last_sign_in),
        known(text(account, "email")),
        many(account, "aliases"),
        many(account, "groups"),
        known(owner.map(|owner| owner.employee_number.as_str())),
        known(owner.map(|owner| owner.display_name.as_str())),
        known(owner.map(|owner| owner.status.as_str())),
        known(owner.and_then(|owner| owner.department.as_deref())),
        known(owner.and_then(|owner| owner.manager_number.as_deref())),
        known(row.bound_by.as_deref()),
        known(row.note.as_deref().filter(|_| owner.is_none())),
        instant(account.purge_due),
    ]
}

fn many(account: &Account, attribute: &str) -> Cell {
    let texts = account.attributes.get(attribute).and_then(Value::as_array);
    Cell::Many(texts.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}
