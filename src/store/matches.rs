//! What matching accounts to people reads and writes. Everything in pages: a system may have a million accounts.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use sqlx::Row;

use super::accounts::{account, account_columns};
use super::books::json;
use super::sql::{Text, keys, rows};
use super::{Store, StoreError};
use crate::run::{Account, MatchField};

/// Somebody an account may belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Row key.
    pub id: i64,
    /// The employee number.
    pub employee_number: String,
}

/// Why an account belongs to nobody.
#[derive(Clone, Debug, Serialize)]
pub struct MatchNote {
    /// The account's row key.
    pub id: i64,
    /// In words, with the candidates; nothing where it has found its person.
    pub note: Option<String>,
    /// Whether there are several candidates (1) or none (0).
    pub several: i64,
}

const BY_NUMBER: Text = keys!(
    "SELECT id, employee_number, employee_number AS compared FROM people WHERE employee_number",
    "ORDER BY id",
    texts
);
const BY_EMAIL: Text =
    keys!("SELECT id, employee_number, lower(email) AS compared FROM people WHERE lower(email)", "ORDER BY id", texts);
const BY_NAME: Text = keys!(
    "SELECT id, employee_number, lower(display_name) AS compared FROM people WHERE lower(display_name)",
    "ORDER BY id",
    texts
);

const TAKEN: Text = keys!(
    "SELECT person_id, external_id FROM accounts WHERE system = $2 AND status <> 'purged' AND person_id",
    "ORDER BY id"
);

const NOTES: Text = rows!(
    "UPDATE accounts SET match_note = v.note, match_several = v.several FROM",
    { id BIGINT, note TEXT, several BIGINT },
    "WHERE accounts.id = v.id AND (accounts.match_note IS NULL) <> (v.note IS NULL)
        OR accounts.id = v.id AND accounts.match_note <> v.note"
);

impl Store {
    /// Accounts of a system that belong to nobody and of which no person has said so, behind `after`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unmatched_accounts(&self, system: &str, after: i64, most: i64) -> Result<Vec<Account>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(concat!(
            "SELECT ",
            account_columns!(),
            " FROM accounts a WHERE a.system = $1 AND a.person_id IS NULL AND a.bound_by IS NULL
                AND a.status <> 'purged' AND a.id > $2 ORDER BY a.id LIMIT $3"
        ))
        .bind(system)
        .bind(after)
        .bind(most)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(account).collect()
    }

    /// The people of whom a field has one of these values, by value.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn candidates(
        &self,
        field: MatchField,
        values: &BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<Candidate>>, StoreError> {
        let text = match field {
            MatchField::EmployeeNumber => BY_NUMBER,
            MatchField::Email => BY_EMAIL,
            MatchField::DisplayName => BY_NAME,
        };
        let mut conn = self.reader().await?;
        let rows = sqlx::query(text.of(self.dialect())).bind(json(values)).fetch_all(&mut *conn).await?;
        let mut found: HashMap<String, Vec<Candidate>> = HashMap::new();
        for row in rows {
            let candidate = Candidate { id: row.try_get("id")?, employee_number: row.try_get("employee_number")? };
            found.entry(row.try_get("compared")?).or_default().push(candidate);
        }
        Ok(found)
    }

    /// The accounts that people have on a system already, by person.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn accounts_of_people(&self, system: &str, people: &[i64]) -> Result<HashMap<i64, String>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(TAKEN.of(self.dialect())).bind(json(&people)).bind(system).fetch_all(&mut *conn).await?;
        rows.iter().map(|row| Ok((row.try_get("person_id")?, row.try_get("external_id")?))).collect()
    }

    /// Keeps why accounts belong to nobody.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_matches(&self, notes: &[MatchNote]) -> Result<(), StoreError> {
        if notes.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        sqlx::query(NOTES.of(self.dialect())).bind(json(&notes)).execute(tx.conn()).await?;
        self.commit(tx).await
    }

    /// Accounts that belong to nobody known: all, and those that several people or accounts match.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unbound_count(&self) -> Result<(i64, i64), StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query(
            "SELECT COUNT(*), COALESCE(CAST(SUM(match_several) AS BIGINT), 0) FROM accounts
             WHERE person_id IS NULL AND bound_by IS NULL AND status <> 'purged'",
        )
        .fetch_one(&mut *conn)
        .await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}
