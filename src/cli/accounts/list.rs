//! `usher accounts list`

use clap::Args;
use serde_json::{Value, json};

use super::super::house::House;
use super::super::listing::JsonRows;
use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, Exit, moment, tones};
use super::filter::Which;
use super::next::next;
use crate::run::Account;
use crate::store::{AccountRow, Owner};

/// Lists the accounts that are known, and what can be done next with each
///
/// As they were when the systems were last read: `usher accounts sync`. With --unbound it says why an account belongs to
/// nobody known, and who might be meant.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher accounts list --person 1005
  usher accounts list --system mailhost --unbound
  usher accounts list --status enabled --inactive '6 months'
  usher accounts list --json | jq -r '.[] | select(.status == \"deleted\") | .next[0].command'")]
pub(super) struct List {
    #[command(flatten)]
    which: Which,
}

impl List {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let filter = self.which.filter(&house).await?;
        let mut page = house.store().account_page(&filter, None).await?;
        if context.out.is_json() {
            let mut rows = JsonRows::default();
            while let Some(last) = page.last().cloned() {
                for row in &page {
                    let mut value = document(&house, row);
                    value["protected"] = json!(house.store().why_protected(&row.account).await?);
                    rows.row(context, &value)?;
                }
                page = house.store().account_page(&filter, Some(&last)).await?;
            }
            rows.end(context)?;
        } else if page.is_empty() {
            context.out.aside("There are no such accounts; `usher accounts sync` reads the systems.");
        } else {
            // A table a page: columns as wide as the whole list needs would need the whole list.
            while let Some(last) = page.last().cloned() {
                context.out.table(&self.table(&house, &page))?;
                note_protected(context, &house, &page).await?;
                page = house.store().account_page(&filter, Some(&last)).await?;
            }
        }
        Ok(Exit::Done)
    }

    fn table(&self, house: &House, rows: &[AccountRow]) -> Table {
        let last = if self.which.unbound() { "why" } else { "person" };
        let mut table = Table::new(["account", "signs in as", "status", "role", "last sign-in", last, "next"]);
        for row in rows {
            let owner = match (&row.owner, &row.note) {
                (Some(owner), _) => format!("{} {}", owner.employee_number, owner.display_name).into(),
                (None, Some(note)) if self.which.unbound() => Cell::toned(note, Tone::Warn),
                (None, _) => Cell::toned("nobody known", Tone::Warn),
            };
            let mut cells = own_cells(house, &row.account);
            cells.push(owner);
            cells.push(ways_on(house, &row.account, row.owner.as_ref().map(|owner| owner.employee_number.as_str())));
            table.row(cells);
        }
        table
    }
}

/// Says below the table which accounts of a page no run closes or deletes by itself.
async fn note_protected(context: &mut Context, house: &House, page: &[AccountRow]) -> Result<(), CliError> {
    for row in page {
        if let Some(why) = house.store().why_protected(&row.account).await? {
            context.out.line(format!("{}:{} is protected: {why}.", row.account.system, row.account.external_id))?;
        }
    }
    Ok(())
}

fn own_cells(house: &House, account: &Account) -> Vec<Cell> {
    let last = account.last_sign_in.map(|at| moment::moment(crate::clock::from_millis(at), &house.zone));
    vec![
        format!("{}:{}", account.system, account.external_id).into(),
        account.login.as_str().into(),
        tones::account(account.status),
        text(account, "role").unwrap_or_default().into(),
        last.unwrap_or_default().into(),
    ]
}

fn ways_on(house: &House, account: &Account, person: Option<&str>) -> Cell {
    let ways: Vec<String> = next(account, person).iter().map(|next| next.words(house)).collect();
    ways.join("; ").into()
}

/// A text that the system says of an account.
pub(super) fn text<'a>(account: &'a Account, attribute: &str) -> Option<&'a str> {
    account.attributes.get(attribute).and_then(Value::as_str)
}

/// The accounts of one person as a table.
pub(in crate::cli) fn table(house: &House, accounts: &[Account], person: &str) -> Table {
    let mut table = Table::new(["account", "signs in as", "status", "role", "last sign-in", "next"]);
    for account in accounts {
        let mut cells = own_cells(house, account);
        cells.push(ways_on(house, account, Some(person)));
        table.row(cells);
    }
    table
}

fn document(house: &House, row: &AccountRow) -> Value {
    let mut value =
        account_document(house, &row.account, row.owner.as_ref().map(|owner: &Owner| owner.employee_number.as_str()));
    value["bound_by"] = json!(row.bound_by);
    value["why_unbound"] = json!(row.note.as_ref().filter(|_| row.owner.is_none()));
    value
}

/// An account as JSON.
pub(in crate::cli) fn account_document(house: &House, account: &Account, owner: Option<&str>) -> Value {
    json!({
        "system": account.system,
        "id": account.external_id,
        "login": account.login,
        "person": owner,
        "status": account.status,
        "role": text(account, "role"),
        "attributes": account.attributes,
        "last_sign_in": account.last_sign_in.map(|at| house.millis(at)),
        "purge_due": account.purge_due.map(|at| house.millis(at)),
        "next": next(account, owner).iter().map(|next| next.document(house)).collect::<Vec<_>>(),
    })
}
