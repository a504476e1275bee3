//! What plans for many subjects are made from, read once for all of them.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::Row;

use super::accounts::{OF_PEOPLE, account, accounts_in};
use super::books::{Hold, json};
use super::sql::{Text, keys, rows};
use super::{Store, StoreError};
use crate::run::Account;
use crate::run::book::Book;

/// An account as somebody calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Called<'a> {
    /// The system.
    pub system: &'a str,
    /// The immutable id, or the sign-in name.
    pub name: &'a str,
}

const CALLED: Text = rows!(
    "SELECT v.place, a.id, a.system, a.external_id, a.login, a.person_id, a.status, a.attributes, a.last_sign_in,
            a.purge_due FROM",
    { place BIGINT, system TEXT, name TEXT },
    "CROSS JOIN accounts a WHERE a.system = v.system AND (a.external_id = v.name OR a.login = v.name)
     ORDER BY v.place, a.login, a.id"
);

const OPEN_RUNS: Text = keys!("SELECT id FROM runs WHERE ended_at IS NULL AND person_id", "ORDER BY id");

impl Store {
    /// The accounts of people, by person, and the accounts that are called so, by their place in `called`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn accounts_about(
        &self,
        people: &[i64],
        called: &[Called<'_>],
    ) -> Result<(BTreeMap<i64, Vec<Account>>, BTreeMap<usize, Vec<Account>>), StoreError> {
        #[derive(Serialize)]
        struct Row<'a> {
            place: usize,
            #[serde(flatten)]
            called: Called<'a>,
        }
        let mut conn = self.reader().await?;
        let (mut of_people, mut by_place) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        if !people.is_empty() {
            let text = OF_PEOPLE.of(self.dialect());
            let gathered: String = sqlx::query_scalar(text).bind(json(&people)).fetch_one(&mut *conn).await?;
            for account in accounts_in(&gathered)? {
                of_people.entry(account.person_id.unwrap_or_default()).or_default().push(account);
            }
        }
        if !called.is_empty() {
            let rows: Vec<Row<'_>> =
                called.iter().enumerate().map(|(place, called)| Row { place, called: *called }).collect();
            let rows = sqlx::query(CALLED.of(self.dialect())).bind(json(&rows)).fetch_all(&mut *conn).await?;
            for row in &rows {
                let place: i64 = row.try_get("place")?;
                by_place.entry(usize::try_from(place).unwrap_or(usize::MAX)).or_default().push(account(row)?);
            }
        }
        Ok((of_people, by_place))
    }

    /// The open runs about people, by person, oldest first; undoings too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_books_of(&self, people: &[i64]) -> Result<BTreeMap<i64, Vec<Book>>, StoreError> {
        let mut conn = self.reader().await?;
        let runs: Vec<i64> =
            sqlx::query_scalar(OPEN_RUNS.of(self.dialect())).bind(json(&people)).fetch_all(&mut *conn).await?;
        let mut books = BTreeMap::<_, Vec<_>>::new();
        for loaded in self.load(&mut conn, &runs, Hold::No).await? {
            books.entry(loaded.book.run.person.unwrap_or_default()).or_default().push(loaded.book);
        }
        Ok(books)
    }
}
