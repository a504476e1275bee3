//! Accounts that are rows of a table, in SQLite or PostgreSQL, as Dovecot's `driver = sql` reads them. This is the protocol of a
//! foreign system: the record's own SQL is in `store`.
//!
//! Which table and which columns, the configuration says; what is written into them is bound. A change is made in a
//! transaction that is kept only where it met exactly one row.

mod error;
mod line;
#[cfg(test)]
mod tests;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Connection, Row};

pub use self::line::{Database, Postgres};
pub use self::words::{Columns, Identifier, TableName};

use self::error::{lost, words};
use self::line::{Line, Lines};
use self::words::Statements;
use super::name::UserName;
use super::note::Note;
use super::roster::{Field, Held, New, PAGE, Page, TAKEN};
use crate::connectors::ActionError;
use crate::store::Store;

/// A table whose rows are accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSettings {
    /// The database that it is in.
    pub database: Database,
    /// Its name.
    pub table: TableName,
    /// Its columns.
    pub columns: Columns,
}

/// The way to it.
pub(super) struct Table {
    lines: Lines,
    statements: Statements,
}

/// A row.
struct Found {
    /// The name as it is written there.
    name: String,
    /// The note as it is written there.
    written: String,
    held: Held,
}

type Statement<'q> = Query<'q, Any, AnyArguments>;

/// A statement that was made of judged identifiers.
fn statement<'q>(text: String) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(text))
}

impl Table {
    /// Nothing is connected before it is needed.
    pub(super) fn new(settings: &TableSettings, ca: Option<PathBuf>, limit: Duration) -> Self {
        let statements = Statements::new(&settings.table, &settings.columns);
        Self { lines: Lines::new(settings.database.clone(), ca, limit), statements }
    }

    /// Reads a password that is kept in the store from there.
    pub(super) fn with_store(self, store: Store) -> Self {
        Self { lines: self.lines.with_store(store), ..self }
    }

    /// How messages call it.
    pub(super) fn place(&self) -> String {
        self.lines.database.place()
    }

    /// The row of this name.
    pub(super) async fn find(&self, name: &UserName) -> Result<Option<Held>, ActionError> {
        let mut line = self.lines.open().await?;
        let found = self.row(&mut line, name).await?;
        self.lines.keep(line);
        Ok(found.map(|found| found.held))
    }

    async fn row(&self, line: &mut Line, name: &UserName) -> Result<Option<Found>, ActionError> {
        let asked = statement(self.statements.find()).bind(name.to_string());
        let rows = self.lines.within(asked.fetch_all(&mut line.conn)).await.map_err(|why| self.lost(&why))?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => self.found(row).map(Some),
            _ => Err(ActionError::fail(format!("{}: the account has two rows: leave one of them", self.place()))),
        }
    }

    /// The rows behind the name `from`, in the order of the database. A name that could mean something else is left out.
    pub(super) async fn page(&self, from: Option<String>) -> Result<Page, ActionError> {
        let mut line = self.lines.open().await?;
        let asked = statement(self.statements.page()).bind(from.unwrap_or_default()).bind(PAGE as i64);
        let rows = self.lines.within(asked.fetch_all(&mut line.conn)).await.map_err(|why| self.lost(&why))?;
        self.lines.keep(line);
        let mut page = Page::default();
        for row in &rows {
            let Found { name, held, .. } = self.found(row)?;
            page.next = (rows.len() == PAGE).then(|| name.clone());
            page.accounts.extend(UserName::parse(&name).map(|name| (name, held)));
        }
        Ok(page)
    }

    fn found(&self, row: &AnyRow) -> Result<Found, ActionError> {
        let read = || -> Result<_, sqlx::Error> {
            let (name, note): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            let (quota, active): (Option<i64>, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
            Ok((name, note, quota, active))
        };
        let (name, written, quota, active) = read().map_err(|why| self.lost(&why))?;
        let written = written.unwrap_or_default();
        let note = Note::read(&written);
        let open = match (self.statements.locks(), active.as_deref()) {
            (false, _) => None,
            (true, Some("1" | "t" | "true")) => Some(true),
            (true, Some("0" | "f" | "false")) => Some(false),
            (true, other) => {
                let holds = other.map_or("nothing".to_owned(), |other| format!("`{}`", other.escape_debug()));
                let said = "the column `active` of an account holds";
                return Err(ActionError::fail(format!("{}: {said} {holds}, and neither 1 nor 0", self.place())));
            }
        };
        let quota = quota.and_then(|bytes| u64::try_from(bytes).ok());
        Ok(Found { name, written, held: Held { made_by: note.made_by.clone(), note, quota, open } })
    }

    /// Changes one field of the row.
    pub(super) async fn set(&self, name: &UserName, field: Field) -> Result<(), ActionError> {
        let mut line = self.lines.open().await?;
        let asked = match field {
            Field::Password(hash) => statement(self.statements.set_password()).bind(name.to_string()).bind(hash),
            Field::Quota(bytes) => {
                let bytes = i64::try_from(bytes).map_err(ActionError::fail)?;
                let text = self.statements.set_quota().ok_or_else(|| self.no_column("quota"))?;
                statement(text).bind(name.to_string()).bind(bytes)
            }
            Field::Open(open) => {
                let text = self.statements.set_active(open).ok_or_else(|| self.no_column("active"))?;
                statement(text).bind(name.to_string())
            }
            Field::Deleted(deleted) => {
                let gone = || ActionError::fail(format!("{} has no such account any more", self.place()));
                let Found { written, held, .. } = self.row(&mut line, name).await?.ok_or_else(gone)?;
                let new = Note { deleted, ..held.note };
                let text = self.statements.set_note().ok_or_else(|| self.no_column("note"))?;
                statement(text).bind(name.to_string()).bind(new.write()).bind(written)
            }
        };
        self.commit(line, asked, 1..=1).await
    }

    /// A new row. What is there already is left alone.
    pub(super) async fn add(&self, new: &New) -> Result<(), ActionError> {
        let mut line = self.lines.open().await?;
        match self.row(&mut line, &new.name).await? {
            None => {}
            Some(found) if found.held.made_by == new.note.made_by => return Ok(()),
            Some(_) => return Err(ActionError::fail(TAKEN)),
        }
        let quota = new.quota.map(i64::try_from).transpose().map_err(ActionError::fail)?;
        let quota = quota.filter(|_| self.statements.set_quota().is_some());
        let text = self.statements.insert(new.open, quota.is_some()).ok_or_else(|| self.no_column("note"))?;
        let mut asked = statement(text).bind(new.name.to_string()).bind(new.hash.clone()).bind(new.note.write());
        if let Some(quota) = quota {
            asked = asked.bind(quota);
        }
        let (local_part, domain) = new.name.as_str().split_once('@').unwrap_or((new.name.as_str(), ""));
        for part in self.statements.parts(local_part, domain) {
            asked = asked.bind(part);
        }
        self.commit(line, asked, 1..=1).await
    }

    /// The row goes; one that is gone already is as good.
    pub(super) async fn remove(&self, name: &UserName) -> Result<(), ActionError> {
        let line = self.lines.open().await?;
        self.commit(line, statement(self.statements.delete()).bind(name.to_string()), 0..=1).await
    }

    /// Does it, and keeps it where it met as many rows as it should. Before the commit nothing has had an effect; behind
    /// it nobody knows, until it is answered.
    async fn commit(
        &self,
        mut line: Line,
        asked: Statement<'_>,
        rows: std::ops::RangeInclusive<u64>,
    ) -> Result<(), ActionError> {
        let mut tx = self.lines.within(line.conn.begin()).await.map_err(|why| self.lost(&why))?;
        let done = self.lines.within(asked.execute(&mut *tx)).await.map_err(|why| self.lost(&why))?;
        if !rows.contains(&done.rows_affected()) {
            let met = done.rows_affected();
            return Err(ActionError::retry(format!(
                "{}: the account has {met} rows that are as they were when they were read; nothing was changed",
                self.place()
            )));
        }
        let kept = self.lines.within(tx.commit()).await;
        kept.map_err(|why| ActionError::unknown(format!("{}: {}", self.place(), words(&why))))?;
        self.lines.keep(line);
        Ok(())
    }

    /// Tries what can be tried without changing anything: each column is read, and each change is asked for nobody.
    pub(super) async fn test(&self) -> Result<(), ActionError> {
        let nobody = "";
        let mut line = self.lines.open().await?;
        let failed = |why: sqlx::Error| self.lost(&why);
        self.lines
            .within(statement(self.statements.find()).bind(nobody).fetch_all(&mut line.conn))
            .await
            .map_err(failed)?;
        let mut tx = self.lines.within(line.conn.begin()).await.map_err(failed)?;
        let mut changes = vec![statement(self.statements.set_password()).bind(nobody).bind(nobody)];
        changes.extend(self.statements.set_active(false).map(|text| statement(text).bind(nobody)));
        changes.extend(self.statements.set_quota().map(|text| statement(text).bind(nobody).bind(0_i64)));
        if let Some(text) = self.statements.set_note() {
            changes.push(statement(text).bind(nobody).bind(nobody).bind(nobody));
            changes.push(statement(self.statements.delete()).bind(nobody));
        }
        for change in changes {
            self.lines.within(change.execute(&mut *tx)).await.map_err(failed)?;
        }
        self.lines.within(tx.rollback()).await.map_err(failed)?;
        self.lines.keep(line);
        Ok(())
    }

    fn no_column(&self, which: &str) -> ActionError {
        ActionError::fail(format!("the accounts of {} have no `columns.{which}`", self.place()))
    }

    fn lost(&self, why: &sqlx::Error) -> ActionError {
        lost(&self.lines.database, why)
    }
}
