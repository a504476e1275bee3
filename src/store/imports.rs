//! How far files have been taken in: piece by piece, each row once, also with several readers of one file.

use std::collections::HashMap;

use jiff::civil::Date;
use serde::Serialize;
use sqlx::{AnyConnection, Row};

use super::books::json;
use super::events::NewEvent;
use super::growth::Growing;
use super::people::{BY_NUMBER, people_in};
use super::secrets::NewPassword;
use super::sql::{Text, rows};
use super::{EventRow, Store, StoreError, Tx};
use crate::run::Person;

/// What happened to rows is kept for a day after an import has ended.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// An import that has not gone on for so long has been left: what follows from its rows need not wait for its end.
pub(super) const LEFT_MS: i64 = 5 * 60 * 1000;

/// An import that has begun, or goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Row key.
    pub id: i64,
    /// The local date at its beginning.
    pub told_on: Date,
    /// Rows that are taken in.
    pub done: u64,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// Somebody seen for the first time.
    New,
    /// Somebody with other fields than before.
    Changed,
    /// Nothing new.
    Unchanged,
    /// It has a mistake and was left out.
    Error,
}

impl RowOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::New, Self::Changed, Self::Unchanged, Self::Error];

    /// The word in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Error => "error",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::New => 'n',
            Self::Changed => 'c',
            Self::Unchanged => 'u',
            Self::Error => 'w',
        }
    }
}

/// What a piece of a file changes.
#[derive(Debug, Default)]
pub struct Piece {
    /// One for each row of the piece, in the file's order.
    pub outcomes: Vec<RowOutcome>,
    /// People to add or change.
    pub people: Vec<Person>,
    /// What HR says about them, and by which row of the file (from 0).
    pub events: Vec<(u64, NewEvent)>,
    /// First passwords.
    pub passwords: Vec<NewPassword>,
}

/// What became of a piece.
#[derive(Debug)]
pub enum PieceTaken {
    /// It is durable; so many events were new.
    Taken(usize),
    /// Somebody else takes the same file in and has come further: to this row.
    Ahead(u64),
}

#[derive(Serialize)]
struct EventOfRow {
    row_number: i64,
    event_id: i64,
}

const EVENTS_OF_ROWS: Text = rows!(
    "INSERT INTO import_events (import_id, row_number, event_id) SELECT CAST($2 AS BIGINT), row_number, event_id FROM",
    { row_number BIGINT, event_id BIGINT },
    "WHERE 1 = 1 ON CONFLICT DO NOTHING"
);

impl Store {
    /// Begins to take a file in, or goes on where the same file was left. `today` is the local date of whoever reads.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_import(
        &self,
        fingerprint: &str,
        source: &str,
        today: Date,
        actor: &str,
    ) -> Result<Import, StoreError> {
        let mut tx = self.begin().await?;
        // The counter's lock goes first: of two who begin with one file, the second finds the first one's import.
        let id = self.take_keys(&mut tx, "import", 1).await?;
        let now = tx.now.as_millisecond();
        let running =
            sqlx::query("SELECT id, told_on, rows_done FROM imports WHERE fingerprint = $1 AND state = 'running'")
                .bind(fingerprint)
                .fetch_optional(tx.conn())
                .await?;
        if let Some(row) = running {
            let told_on: String = row.try_get("told_on")?;
            let told_on = told_on.parse().map_err(|why| StoreError::corrupt("date", why))?;
            self.commit(tx).await?;
            let done: i64 = row.try_get("rows_done")?;
            return Ok(Import { id: row.try_get("id")?, told_on, done: done.unsigned_abs() });
        }
        self.clear_imports(&mut tx, now).await?;
        sqlx::query(
            "INSERT INTO imports (id, fingerprint, source, told_on, state, rows_done, started_by, started_at, updated_at)
             VALUES ($1, $2, $3, $4, 'running', 0, $5, $6, $6)",
        )
        .bind(id)
        .bind(fingerprint)
        .bind(source)
        .bind(today.to_string())
        .bind(actor)
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(Import { id, told_on: today, done: 0 })
    }

    /// A file that was left and then overtaken by another one is not gone on with: its rest would say old things. What
    /// is known of the rows of old imports goes.
    async fn clear_imports(&self, tx: &mut Tx, now: i64) -> Result<(), StoreError> {
        sqlx::query("UPDATE imports SET state = 'superseded' WHERE state = 'running'").execute(tx.conn()).await?;
        for text in [
            "DELETE FROM import_pieces WHERE import_id IN (SELECT id FROM imports WHERE updated_at < $1)",
            "DELETE FROM import_events WHERE import_id IN (SELECT id FROM imports WHERE updated_at < $1)",
            "DELETE FROM imports WHERE updated_at < $1",
        ] {
            sqlx::query(text).bind(now - KEPT_MS).execute(tx.conn()).await?;
        }
        Ok(())
    }

    /// Takes the rows from `first` on in, in one transaction: `judge` is handed those of `keys` who are known, and says
    /// what changes. Everybody who saves people waits meanwhile, so that what is judged is what is there.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing has happened.
    pub async fn take_piece(
        &self,
        import: &Import,
        first: u64,
        keys: &[String],
        judge: impl FnOnce(&HashMap<String, Person>) -> Piece,
    ) -> Result<PieceTaken, StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let mine = sqlx::query("UPDATE imports SET updated_at = $1 WHERE id = $2 AND rows_done = $3")
            .bind(now)
            .bind(import.id)
            .bind(row_number(first))
            .execute(tx.conn())
            .await?;
        if mine.rows_affected() == 0 {
            let done: Option<i64> = sqlx::query_scalar("SELECT rows_done FROM imports WHERE id = $1")
                .bind(import.id)
                .fetch_optional(tx.conn())
                .await?;
            let gone =
                || StoreError::Refused("the import has been overtaken by a later one; import the file again".into());
            return Ok(PieceTaken::Ahead(done.ok_or_else(gone)?.unsigned_abs()));
        }
        // The counter's lock: no other file changes the same people between here and the commit.
        let next = self.take_keys(&mut tx, "person", 0).await?;
        let known = self.by_number(tx.conn(), keys).await?;
        let piece = judge(&known);
        self.save(&mut tx, next, &piece.people).await?;
        let events = self.write_piece(&mut tx, import.id, first, &piece).await?;
        self.commit(tx).await?;
        let new = piece.people.iter().filter(|person| person.id == 0).count();
        let new = i64::try_from(new).unwrap_or(i64::MAX);
        self.has_grown(Growing::People, next, next.saturating_add(new) - 1).await;
        Ok(PieceTaken::Taken(events))
    }

    async fn write_piece(&self, tx: &mut Tx, import: i64, first: u64, piece: &Piece) -> Result<usize, StoreError> {
        self.keep_passwords(tx, &piece.passwords).await?;
        let events: Vec<&NewEvent> = piece.events.iter().map(|(_, event)| event).collect();
        let accepted = self.accept(tx, &events).await?;
        let of_rows: Vec<EventOfRow> = accepted
            .iter()
            .filter_map(|(index, event)| {
                Some(EventOfRow { row_number: row_number(piece.events.get(*index)?.0), event_id: event.id })
            })
            .collect();
        if !of_rows.is_empty() {
            let text = EVENTS_OF_ROWS.of(self.dialect());
            sqlx::query(text).bind(json(&of_rows)).bind(import).execute(tx.conn()).await?;
        }
        sqlx::query("INSERT INTO import_pieces (import_id, first_row, outcomes) VALUES ($1, $2, $3)")
            .bind(import)
            .bind(row_number(first))
            .bind(piece.outcomes.iter().map(|outcome| outcome.letter()).collect::<String>())
            .execute(tx.conn())
            .await?;
        sqlx::query("UPDATE imports SET rows_done = $1 WHERE id = $2")
            .bind(row_number(first + piece.outcomes.len() as u64))
            .bind(import)
            .execute(tx.conn())
            .await?;
        Ok(of_rows.len())
    }

    /// Says that all of a file is taken in.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_import(&self, import: &Import) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        sqlx::query("UPDATE imports SET state = 'done', updated_at = $1 WHERE id = $2")
            .bind(now)
            .bind(import.id)
            .execute(tx.conn())
            .await?;
        sqlx::query(
            "INSERT INTO heard (source, at) SELECT source, $1 FROM imports WHERE id = $2
             ON CONFLICT (source) DO UPDATE SET at = excluded.at",
        )
        .bind(now)
        .bind(import.id)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await
    }

    /// What became of the rows from `first` on, as far as one piece goes; nothing behind the last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn row_outcomes(&self, import: &Import, first: u64) -> Result<Vec<RowOutcome>, StoreError> {
        let mut conn = self.reader().await?;
        let letters: Option<String> =
            sqlx::query_scalar("SELECT outcomes FROM import_pieces WHERE import_id = $1 AND first_row = $2")
                .bind(import.id)
                .bind(row_number(first))
                .fetch_optional(&mut *conn)
                .await?;
        let outcome = |letter| RowOutcome::ALL.into_iter().find(|outcome| outcome.letter() == letter);
        letters
            .unwrap_or_default()
            .chars()
            .map(|letter| outcome(letter).ok_or_else(|| StoreError::corrupt("outcome of a row", letter)))
            .collect()
    }

    /// The events that the rows from `first` to before `end` led to, with their rows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events_of_rows(
        &self,
        import: &Import,
        first: u64,
        end: u64,
    ) -> Result<Vec<(u64, EventRow)>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT i.row_number, e.id, e.source, e.kind, p.employee_number, e.effective, e.facts, e.received_at,
                    COALESCE(e.ended, e.state) AS state, e.note, e.proposes, e.settled_by, e.settled_at, e.reason
             FROM import_events i JOIN hr_events e ON e.id = i.event_id JOIN people p ON p.id = e.person_id
             WHERE i.import_id = $1 AND i.row_number >= $2 AND i.row_number < $3 ORDER BY i.row_number, e.id",
        )
        .bind(import.id)
        .bind(row_number(first))
        .bind(row_number(end))
        .fetch_all(&mut *conn)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get::<i64, _>("row_number")?.unsigned_abs(), super::events::event(row)?)))
            .collect()
    }

    /// Those of `keys` who are known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn known_people(&self, keys: &[String]) -> Result<HashMap<String, Person>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let mut conn = self.reader().await?;
        self.by_number(&mut conn, keys).await
    }

    pub(super) async fn by_number(
        &self,
        conn: &mut AnyConnection,
        keys: &[String],
    ) -> Result<HashMap<String, Person>, StoreError> {
        let text = BY_NUMBER.of(self.dialect());
        let gathered: String = sqlx::query_scalar(text).bind(json(&keys)).fetch_one(conn).await?;
        let people = people_in(&gathered)?;
        Ok(people.into_iter().map(|person| (person.employee_number.clone(), person)).collect())
    }
}

fn row_number(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}
