//! For `usher bench`: how large the database is, and how fast it takes rows like ours without the engine.

use serde::Serialize;
use sqlx::Row;

use super::books::{STEPS_PER_RUN, json, step_key};
use super::sql::{Text, rows};
use super::{Store, StoreError};

/// How many bytes a part of the database takes.
#[derive(Clone, Debug)]
pub struct Part {
    /// The table's or index's name.
    pub name: String,
    /// Bytes.
    pub bytes: i64,
}

/// How a database tells the sizes of its parts differs by necessity.
const PARTS: Text = Text {
    sqlite: "SELECT name, SUM(pgsize) AS bytes FROM dbstat WHERE aggregate = 1 GROUP BY name ORDER BY 2 DESC",
    postgres: "SELECT CAST(c.relname AS TEXT) AS name, pg_table_size(c.oid) AS bytes
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'i') ORDER BY 2 DESC",
};

/// A run that was carried out, row by row: what is written for others without an engine.
#[derive(Debug)]
pub struct Pattern {
    /// What its done steps carry, by ordinal.
    done: Vec<String>,
    /// The entry that was written as each of them was done, by ordinal.
    entries: Vec<PatternEntry>,
}

#[derive(Debug)]
struct PatternEntry {
    actor: String,
    body: String,
    sealed: String,
    hash: String,
}

#[derive(Serialize)]
struct BareRun<'a> {
    id: i64,
    seq: i64,
    head: &'a str,
}

#[derive(Serialize)]
struct BareStep<'a> {
    id: i64,
    state: &'static str,
    fence: i64,
    lease_until: Option<i64>,
    lease_owner: Option<&'static str>,
    data: Option<&'a str>,
}

#[derive(Serialize)]
struct BareEntry<'a> {
    run: i64,
    seq: i64,
    at: i64,
    actor: &'a str,
    body: &'a str,
    sealed: &'a str,
    hash: &'a str,
}

const RUNS: Text = rows!(
    "UPDATE runs SET seq = v.seq, head = v.head FROM",
    { id BIGINT, seq BIGINT, head TEXT },
    "WHERE runs.id = v.id"
);

const STEPS: Text = rows!(
    "UPDATE steps SET state = v.state, due_at = NULL, fence = v.fence, lease_until = v.lease_until,
            lease_owner = v.lease_owner, data = v.data FROM",
    { id BIGINT, state TEXT, fence BIGINT, lease_until BIGINT, lease_owner TEXT, data TEXT },
    "WHERE steps.id = v.id"
);

const JOURNAL: Text = rows!(
    "INSERT INTO journal (run_id, seq, at, actor, body, sealed, hash)
     SELECT run, seq, at, actor, body, sealed, hash FROM",
    { run BIGINT, seq BIGINT, at BIGINT, actor TEXT, body TEXT, sealed TEXT, hash TEXT },
    ""
);

impl Store {
    /// What takes how many bytes on disk, largest first. On PostgreSQL a table has its large values with it, on both its
    /// indexes are parts of their own.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn size_of_parts(&self) -> Result<Vec<Part>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(PARTS.of(self.dialect())).fetch_all(&mut *conn).await?;
        rows.iter().map(|row| Ok(Part { name: row.try_get("name")?, bytes: row.try_get("bytes")? })).collect()
    }

    /// What carrying out `run` has written; its steps are one after the other.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pattern(&self, run: i64) -> Result<Pattern, StoreError> {
        let mut conn = self.reader().await?;
        let (first, end) = (step_key(run, 0), step_key(run + 1, 0));
        let done =
            sqlx::query_scalar("SELECT data FROM steps WHERE id >= $1 AND id < $2 AND data IS NOT NULL ORDER BY id")
                .bind(first)
                .bind(end)
                .fetch_all(&mut *conn)
                .await?;
        let rows = sqlx::query("SELECT actor, body, sealed, hash FROM journal WHERE run_id = $1 ORDER BY seq")
            .bind(run)
            .fetch_all(&mut *conn)
            .await?;
        let mut entries = Vec::new();
        for row in &rows {
            let body: String = row.try_get("body")?;
            if body.contains("\"completed\"") {
                let (actor, sealed, hash) = (row.try_get("actor")?, row.try_get("sealed")?, row.try_get("hash")?);
                entries.push(PatternEntry { actor, body, sealed, hash });
            }
        }
        Ok(Pattern { done, entries })
    }

    /// Writes, with one commit, what a turn must write at least that ends step `ordinal` of each of `runs` and begins the
    /// next: runs, steps twice, journal. Nothing is judged, sealed or chained, so what is left is no record of anything:
    /// only for databases that are thrown away.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn write_bare(&self, pattern: &Pattern, runs: &[i64], ordinal: u16) -> Result<(), StoreError> {
        let Some(PatternEntry { actor, body, sealed, hash }) = pattern.entries.get(usize::from(ordinal)) else {
            return Err(StoreError::NotFound { kind: "entry of the pattern for step", key: ordinal.to_string() });
        };
        let mut tx = self.begin().await?;
        let (now, dialect) = (tx.now.as_millisecond(), self.dialect());
        // Behind everything that accepting them has written.
        let seq = STEPS_PER_RUN + i64::from(ordinal);
        let changed: Vec<BareRun<'_>> = runs.iter().map(|id| BareRun { id: *id, seq, head: hash }).collect();
        sqlx::query(RUNS.of(dialect)).bind(json(&changed)).execute(tx.conn()).await?;
        let data = pattern.done.get(usize::from(ordinal)).map(String::as_str);
        let ended = runs.iter().map(|run| BareStep {
            id: step_key(*run, ordinal),
            state: "done",
            fence: 1,
            lease_until: None,
            lease_owner: None,
            data,
        });
        sqlx::query(STEPS.of(dialect)).bind(json(&ended.collect::<Vec<_>>())).execute(tx.conn()).await?;
        if usize::from(ordinal) + 1 < pattern.done.len() {
            let begun = runs.iter().map(|run| BareStep {
                id: step_key(*run, ordinal + 1),
                state: "leased",
                fence: 1,
                lease_until: Some(now),
                lease_owner: Some("4711-0badcafe"),
                data: None,
            });
            sqlx::query(STEPS.of(dialect)).bind(json(&begun.collect::<Vec<_>>())).execute(tx.conn()).await?;
        }
        let written: Vec<BareEntry<'_>> =
            runs.iter().map(|run| BareEntry { run: *run, seq, at: now, actor, body, sealed, hash }).collect();
        sqlx::query(JOURNAL.of(dialect)).bind(json(&written)).execute(tx.conn()).await?;
        self.commit(tx).await
    }
}

impl Pattern {
    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.done.len()
    }

    /// How many entries were written as a step was done.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}
