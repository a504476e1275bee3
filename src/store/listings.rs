//! Long lists of accounts and people, page by page in the order of a key.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::accounts::{account, account_columns};
use super::people::person;
use super::people::select;
use super::{Store, StoreError};
use crate::run::{Account, AccountStatus, Person, PersonStatus};

/// Rows on one page.
const PAGE: i64 = 1000;

/// Which accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// On this system.
    pub system: Option<String>,
    /// Of this person, by row key.
    pub person: Option<i64>,
    /// With this status.
    pub status: Option<AccountStatus>,
    /// Only those that belong to nobody known.
    pub unbound: bool,
    /// Only those that nobody has signed in to since then (epoch milliseconds), as far as is known.
    pub inactive_since: Option<i64>,
}

/// An account and whose it is.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// The account.
    pub account: Account,
    /// Its person.
    pub owner: Option<Owner>,
    /// How it came to belong to them: `match:email`, `os:alice`.
    pub bound_by: Option<String>,
    /// Why it belongs to nobody known.
    pub note: Option<String>,
}

/// What lists say about an account's person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Employee number.
    pub employee_number: String,
    /// As shown to others.
    pub display_name: String,
    /// Where they stand.
    pub status: PersonStatus,
    /// Department.
    pub department: Option<String>,
    /// Employee number of the manager.
    pub manager_number: Option<String>,
}

impl Store {
    /// The accounts behind `after` in the order of system and id, one page; nothing behind the last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn account_page(
        &self,
        filter: &AccountFilter,
        after: Option<&AccountRow>,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(concat!(
            "SELECT ",
            account_columns!(),
            ", a.bound_by, a.match_note, p.employee_number, p.display_name, p.status AS person_status, p.department,
               p.manager_number
             FROM accounts a LEFT JOIN people p ON p.id = a.person_id
             WHERE (CAST($1 AS TEXT) IS NULL OR a.system = $1)
               AND (CAST($2 AS BIGINT) IS NULL OR a.person_id = $2)
               AND (CAST($3 AS TEXT) IS NULL OR a.status = $3)
               AND ($4 = 0 OR a.person_id IS NULL)
               AND (CAST($5 AS BIGINT) IS NULL OR COALESCE(a.last_sign_in, 0) < $5)
               AND (a.system, a.external_id) > ($6, $7)
             ORDER BY a.system, a.external_id LIMIT $8"
        ))
        .bind(filter.system.clone())
        .bind(filter.person)
        .bind(filter.status.map(|status| status.as_str().to_owned()))
        .bind(i64::from(filter.unbound))
        .bind(filter.inactive_since)
        .bind(after.map_or("", |row| row.account.system.as_str()))
        .bind(after.map_or("", |row| row.account.external_id.as_str()))
        .bind(PAGE)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(account_row).collect()
    }

    /// The people behind `after` in the order of employee numbers, one page; nothing behind the last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn people_page(&self, status: Option<PersonStatus>, after: &str) -> Result<Vec<Person>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(select!(
            "WHERE (CAST($1 AS TEXT) IS NULL OR p.status = $1) AND p.employee_number > $2
             ORDER BY p.employee_number LIMIT $3"
        ))
        .bind(status.map(|status| status.as_str().to_owned()))
        .bind(after.to_owned())
        .bind(PAGE)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(person).collect()
    }

    /// How many people are known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_people(&self) -> Result<i64, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM people").fetch_one(&mut *conn).await?)
    }
}

fn account_row(row: &AnyRow) -> Result<AccountRow, StoreError> {
    let number: Option<String> = row.try_get("employee_number")?;
    Ok(AccountRow {
        account: account(row)?,
        owner: number.map(|number| owner(row, number)).transpose()?,
        bound_by: row.try_get("bound_by")?,
        note: row.try_get("match_note")?,
    })
}

fn owner(row: &AnyRow, employee_number: String) -> Result<Owner, StoreError> {
    let status: String = row.try_get("person_status")?;
    Ok(Owner {
        employee_number,
        display_name: row.try_get("display_name")?,
        status: PersonStatus::from_name(&status).ok_or_else(|| StoreError::corrupt("person's status", &status))?,
        department: row.try_get("department")?,
        manager_number: row.try_get("manager_number")?,
    })
}
