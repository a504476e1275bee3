//! Runs: changed under their lock, listed.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::books::{Hold, Loaded, json};
use super::sql::{Text, keys};
use super::turn::usher;
use super::{Dialect, Store, StoreError, Tx};
use crate::run::RunState;
use crate::run::advance::advance;
use crate::run::book::{Book, public_id};

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// This one only.
    pub id: Option<i64>,
    /// In this state.
    pub state: Option<RunState>,
    /// About this person (employee number).
    pub person: Option<String>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// At most so many, newest first.
    pub limit: Option<i64>,
}

/// A run in a list.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// `run_12`.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// The employee number, `system:account`, or `organisation`.
    pub subject: String,
    /// Where it stands.
    pub state: RunState,
    /// What started it.
    pub trigger: String,
    /// Who asked for it.
    pub asked_by: String,
    /// When it started, epoch milliseconds.
    pub started_at: i64,
    /// When it ended, epoch milliseconds.
    pub ended_at: Option<i64>,
    /// When its next step is due, epoch milliseconds.
    pub next_due: Option<i64>,
    /// When its steps and its journal went into the archive, epoch milliseconds.
    pub archived_at: Option<i64>,
}

impl Store {
    /// Changes a run under its lock: `order` works on the book, everything follows, one commit.
    ///
    /// # Errors
    /// When there is no such run, `order` refuses, or the database cannot be written.
    pub async fn order<T>(
        &self,
        run: i64,
        order: impl FnOnce(&mut Book, jiff::Timestamp) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let mut tx = self.begin().await?;
        let mut one = self.take(&mut tx, run).await?;
        let answer = order(&mut one.book, tx.now)?;
        let holidays = self.holidays_of(&one.book);
        advance(&mut one.book, holidays, &usher(), tx.now)?;
        self.flush(&mut tx, std::slice::from_mut(&mut one), None).await?;
        self.commit(tx).await?;
        Ok(answer)
    }

    /// A run under its lock.
    pub(super) async fn take(&self, tx: &mut Tx, run: i64) -> Result<Loaded, StoreError> {
        let session = self.session(tx).await?;
        let mut loaded = self.unhindered(session, self.load(tx.conn(), &[run], Hold::Wait)).await?;
        loaded.pop().ok_or_else(|| StoreError::NotFound { kind: "run", key: public_id(run) })
    }

    /// A run as it stands, to look at.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn book(&self, run: i64) -> Result<Book, StoreError> {
        let mut conn = self.reader().await?;
        Ok(self.look(&mut conn, run).await?.book)
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT r.id, r.workflow, r.state, r.started_by, r.asked_by, r.started_at, r.ended_at, r.archived_at,
                    p.employee_number, a.system, a.external_id,
                    (SELECT MIN(s.due_at) FROM steps s WHERE s.id >= r.id * 1024 AND s.id < r.id * 1024 + 1024) AS next_due
             FROM runs r LEFT JOIN people p ON p.id = r.person_id LEFT JOIN accounts a ON a.id = r.account_id
             WHERE (CAST($1 AS TEXT) IS NULL OR r.state = $1) AND (CAST($2 AS TEXT) IS NULL OR p.employee_number = $2)
               AND (CAST($3 AS TEXT) IS NULL OR r.workflow = $3) AND (CAST($4 AS BIGINT) IS NULL OR r.id = $4)
             ORDER BY r.id DESC LIMIT $5",
        )
        .bind(filter.state.map(|state| state.as_str().to_owned()))
        .bind(filter.person.clone())
        .bind(filter.workflow.clone())
        .bind(filter.id)
        .bind(filter.limit.unwrap_or(1000))
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(row).collect()
    }

    /// The runs that were started with these idempotency keys, by key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn runs_with_keys(&self, keys: &[&str]) -> Result<HashMap<String, i64>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let mut conn = self.reader().await?;
        by_key(&mut conn, self.dialect(), keys).await
    }

    /// The keys of all runs, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn run_ids(&self) -> Result<Vec<i64>, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT id FROM runs ORDER BY id").fetch_all(&mut *conn).await?)
    }

    /// Steps whose time came before `instant` and that nobody has started.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_before(&self, instant: jiff::Timestamp) -> Result<i64, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM steps WHERE due_at IS NOT NULL AND due_at < $1")
            .bind(instant.as_millisecond())
            .fetch_one(&mut *conn)
            .await?)
    }

    /// How many runs and steps there are in each state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn census(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT 'run' AS kind, state, COUNT(*) AS count FROM runs GROUP BY state
             UNION ALL SELECT 'step', state, COUNT(*) FROM steps GROUP BY state ORDER BY 1, 2",
        )
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }
}

const BY_KEY: Text = keys!("SELECT trigger_key, id FROM runs WHERE trigger_key", "", texts);

/// The runs that were started with these idempotency keys, by key.
pub(super) async fn by_key(
    conn: &mut AnyConnection,
    dialect: Dialect,
    keys: &[&str],
) -> Result<HashMap<String, i64>, StoreError> {
    let rows = sqlx::query(BY_KEY.of(dialect)).bind(json(&keys)).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn row(row: &AnyRow) -> Result<RunRow, StoreError> {
    let state: String = row.try_get("state")?;
    let person: Option<String> = row.try_get("employee_number")?;
    let (system, account): (Option<String>, Option<String>) = (row.try_get("system")?, row.try_get("external_id")?);
    Ok(RunRow {
        id: public_id(row.try_get("id")?),
        workflow: row.try_get("workflow")?,
        subject: match (system, account, person) {
            (Some(system), Some(account), _) => format!("{system}:{account}"),
            (_, _, Some(person)) => person,
            _ => "organisation".to_owned(),
        },
        state: RunState::from_name(&state).ok_or_else(|| StoreError::corrupt("run state", &state))?,
        trigger: row.try_get("started_by")?,
        asked_by: row.try_get("asked_by")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        next_due: row.try_get("next_due")?,
        archived_at: row.try_get("archived_at")?,
    })
}
