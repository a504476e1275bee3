//! Retention: the steps and the journal of runs that have been over for long move into tables of their own, a few runs in
//! each transaction, so that what the work reads and writes stays small.
//!
//! A run's row stays. Its key is still refused a second time by the same unique index, the end of its chain is still
//! what checkpoints cover, and who it was about is still found. Whoever reads a run that is over looks into both tables
//! in one statement; whoever changes one takes it out of the archive first, in the same transaction.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row;

use super::books::{Loaded, json};
use super::sql::{Text, keys};
use super::{Store, StoreError, Tx};
use crate::clock::minus;

/// At most so many runs move in one transaction.
const MOST_RUNS: usize = 50;

/// And no more of them than have so many entries in their journals, unless the first alone has more: a few milliseconds
/// of writing.
const MOST_ENTRIES: i64 = 1_000;

/// A batch of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutAway {
    /// Runs that were moved.
    pub runs: u64,
    /// The entries of their journals.
    pub entries: u64,
}

/// Runs that ended before `$1`, the oldest end first, found by their index. One with something that can still be claimed
/// stays, whatever its row says.
macro_rules! ended_before {
    ($select:literal, $tail:literal) => {
        concat!(
            $select,
            " FROM runs r WHERE r.ended_at IS NOT NULL AND r.archived_at IS NULL AND r.ended_at < $1
               AND NOT EXISTS (SELECT 1 FROM steps s WHERE s.id >= r.id * 1024 AND s.id < r.id * 1024 + 1024
                    AND (s.due_at IS NOT NULL OR s.lease_until IS NOT NULL)) ",
            $tail
        )
    };
}

const OLD: Text = Text {
    sqlite: ended_before!("SELECT r.id, r.seq", "ORDER BY r.ended_at LIMIT $2"),
    postgres: ended_before!("SELECT r.id, r.seq", "ORDER BY r.ended_at LIMIT $2 FOR UPDATE OF r SKIP LOCKED"),
};
const COUNT: &str = ended_before!("SELECT COUNT(*)", "");
const ANY: &str = ended_before!("SELECT r.id", "ORDER BY r.ended_at LIMIT 1");

/// Whoever has this row moves runs; the others let them. SQLite has one writer.
const MINE: Text = Text {
    sqlite: "SELECT value FROM counters WHERE name = 'archive'",
    postgres: "SELECT value FROM counters WHERE name = 'archive' FOR UPDATE SKIP LOCKED",
};

const MARK: Text = keys!("UPDATE runs SET archived_at = $2 WHERE id", "");

/// The steps of runs, one run after the other, as the queue reads them (see `RUNS_AND_STEPS` in `books`).
macro_rules! copy_steps {
    ($from:literal, $to:literal) => {
        Text {
            sqlite: concat!(
                "INSERT INTO ",
                $to,
                " SELECT s.* FROM json_each($1) AS k CROSS JOIN ",
                $from,
                " s ON s.id >= k.value * 1024 AND s.id < k.value * 1024 + 1024 RETURNING id"
            ),
            postgres: concat!(
                "INSERT INTO ",
                $to,
                " SELECT s.* FROM (SELECT CAST(value AS BIGINT) AS value
                    FROM json_array_elements_text(CAST($1 AS json))) AS k CROSS JOIN LATERAL (SELECT f.* FROM ",
                $from,
                " f WHERE f.id >= k.value * 1024 AND f.id < k.value * 1024 + 1024 OFFSET 0) AS s RETURNING id"
            ),
        }
    };
}

/// From one pair of tables into the other.
struct Move {
    copy_steps: Text,
    drop_steps: Text,
    copy_entries: Text,
    drop_entries: Text,
}

const AWAY: Move = Move {
    copy_steps: copy_steps!("steps", "archived_steps"),
    drop_steps: keys!("DELETE FROM steps WHERE id", ""),
    copy_entries: keys!("INSERT INTO archived_journal SELECT j.* FROM journal j WHERE j.run_id", ""),
    drop_entries: keys!("DELETE FROM journal WHERE run_id", ""),
};

const BACK: Move = Move {
    copy_steps: copy_steps!("archived_steps", "steps"),
    drop_steps: keys!("DELETE FROM archived_steps WHERE id", ""),
    copy_entries: keys!("INSERT INTO journal SELECT j.* FROM archived_journal j WHERE j.run_id", ""),
    drop_entries: keys!("DELETE FROM archived_journal WHERE run_id", ""),
};

impl Store {
    /// Runs are never archived sooner than this after their end: by then no window of a threshold reaches back to them,
    /// no lease of theirs is left, and nobody looks at their failed steps any more.
    pub const ARCHIVED_AT_THE_EARLIEST: Duration = Duration::from_secs(30 * 86_400);

    /// Moves some of the runs that have been over for longer than `age` into the archive, in one short transaction;
    /// none where another process is doing that just now. A look is all it costs where there are none.
    ///
    /// # Errors
    /// When the database cannot be used. Then nothing has moved.
    pub async fn archive_some(&self, age: Duration) -> Result<PutAway, StoreError> {
        let mut conn = self.reader().await?;
        let before = ended_by(self.times(&mut conn).await?.0, age);
        let any: Option<i64> = sqlx::query_scalar(ANY).bind(before).fetch_optional(&mut *conn).await?;
        drop(conn);
        if any.is_none() {
            return Ok(PutAway::default());
        }
        let mut tx = self.begin().await?;
        let mine: Option<i64> = sqlx::query_scalar(MINE.of(self.dialect())).fetch_optional(tx.conn()).await?;
        if mine.is_none() {
            tx.leave().await?;
            return Ok(PutAway::default());
        }
        let (runs, entries) = self.old_runs(&mut tx, age).await?;
        if runs.is_empty() {
            // Whoever moves next finds the row free, not only when the pool gets round to it.
            tx.leave().await?;
            return Ok(PutAway::default());
        }
        let moved = self.carry(&mut tx, &AWAY, &runs).await?;
        if moved != entries {
            let words = format!("{moved} entries of {} runs, which say that they have {entries}", runs.len());
            tracing::warn!("archived {words}; `usher audit verify` tells more");
        }
        let now = tx.now.as_millisecond();
        sqlx::query(MARK.of(self.dialect())).bind(json(&runs)).bind(now).execute(tx.conn()).await?;
        self.commit(tx).await?;
        Ok(PutAway { runs: runs.len() as u64, entries: moved.unsigned_abs() })
    }

    /// How many runs are still to be archived that have been over for longer than `age`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn to_archive(&self, age: Duration) -> Result<u64, StoreError> {
        let mut conn = self.reader().await?;
        let before = ended_by(self.times(&mut conn).await?.0, age);
        let count: i64 = sqlx::query_scalar(COUNT).bind(before).fetch_one(&mut *conn).await?;
        Ok(count.unsigned_abs())
    }

    /// The oldest runs, as many as fit into one batch, and how many entries their rows say they have. They are locked.
    async fn old_runs(&self, tx: &mut Tx, age: Duration) -> Result<(Vec<i64>, i64), StoreError> {
        let limit = i64::try_from(MOST_RUNS).unwrap_or(i64::MAX);
        let before = ended_by(tx.now, age);
        let rows = sqlx::query(OLD.of(self.dialect())).bind(before).bind(limit).fetch_all(tx.conn()).await?;
        let (mut runs, mut entries) = (Vec::new(), 0);
        for row in &rows {
            let (run, seq): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            if !runs.is_empty() && entries + seq > MOST_ENTRIES {
                break;
            }
            runs.push(run);
            entries += seq;
        }
        Ok((runs, entries))
    }

    /// Takes archived runs that are about to change out of the archive. They are locked, and go back by the same policy.
    pub(super) async fn bring_back(&self, tx: &mut Tx, books: &mut [Loaded]) -> Result<(), StoreError> {
        let mut runs = Vec::new();
        for loaded in books.iter_mut().filter(|loaded| loaded.archived && loaded.book.changed()) {
            loaded.archived = false;
            runs.push(loaded.book.run.id);
        }
        if runs.is_empty() {
            return Ok(());
        }
        self.carry(tx, &BACK, &runs).await?;
        sqlx::query(MARK.of(self.dialect())).bind(json(&runs)).bind(None::<i64>).execute(tx.conn()).await?;
        Ok(())
    }

    /// Moves the rows of runs; answers how many entries there were. As many leave one table as have come into the other.
    async fn carry(&self, tx: &mut Tx, text: &Move, runs: &[i64]) -> Result<i64, StoreError> {
        let (dialect, list) = (self.dialect(), json(&runs));
        let steps: Vec<i64> = sqlx::query_scalar(text.copy_steps.of(dialect)).bind(&list).fetch_all(tx.conn()).await?;
        let left = sqlx::query(text.drop_steps.of(dialect)).bind(json(&steps)).execute(tx.conn()).await?;
        let came = sqlx::query(text.copy_entries.of(dialect)).bind(&list).execute(tx.conn()).await?.rows_affected();
        let went = sqlx::query(text.drop_entries.of(dialect)).bind(&list).execute(tx.conn()).await?.rows_affected();
        if (left.rows_affected(), went) != (steps.len() as u64, came) {
            return Err(StoreError::Conflict("the archive".to_owned()));
        }
        Ok(i64::try_from(went).unwrap_or(i64::MAX))
    }
}

/// Runs that ended before this, in the store's milliseconds, are older than `age`.
fn ended_by(now: Timestamp, age: Duration) -> i64 {
    minus(now, age.max(Store::ARCHIVED_AT_THE_EARLIEST)).as_millisecond()
}
