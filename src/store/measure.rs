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
    /// The entries that carrying it out has written, in their order.
    entries: Vec<PatternEntry>,
}

#[derive(Debug)]
struct PatternEntry {
    step: Option<i64>,
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
    step: Option<i64>,
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
    "INSERT INTO journal (run_id, seq, at, step, actor, body, sealed, hash)
     SELECT run, seq, at, step, actor, body, sealed, hash FROM",
    { run BIGINT, seq BIGINT, at BIGINT, step BIGINT, actor TEXT, body TEXT, sealed TEXT, hash TEXT },
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
        let rows = sqlx::query("SELECT step, actor, body, sealed, hash FROM journal WHERE run_id = $1 ORDER BY seq")
            .bind(run)
            .fetch_all(&mut *conn)
            .await?;
        let entry = |row: &sqlx::any::AnyRow| {
            Ok::<_, StoreError>(PatternEntry {
                step: row.try_get("step")?,
                actor: row.try_get("actor")?,
                body: row.try_get("body")?,
                sealed: row.try_get("sealed")?,
                hash: row.try_get("hash")?,
            })
        };
        let entries = rows.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Pattern { done, entries })
    }

    /// Writes, with one commit, what a turn must write at least that ends step `ordinal` of each of `runs` and begins the
    /// next: runs, steps twice, journal. Nothing is judged, sealed or chained, so what is left is no record of anything:
    /// only for databases that are thrown away.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn write_bare(&self, pattern: &Pattern, runs: &[i64], ordinal: u16) -> Result<(), StoreError> {
        let of_step = |entry: &&PatternEntry| entry.step == Some(i64::from(ordinal));
        let entries: Vec<&PatternEntry> = pattern.entries.iter().filter(of_step).collect();
        let each = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        let mut tx = self.begin().await?;
        let (now, dialect) = (tx.now.as_millisecond(), self.dialect());
        // Behind everything that accepting them has written.
        let base = STEPS_PER_RUN + i64::from(ordinal) * each;
        let head = entries.last().map_or("", |last| last.hash.as_str());
        let changed: Vec<BareRun<'_>> = runs.iter().map(|id| BareRun { id: *id, seq: base + each, head }).collect();
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
        let mut written = Vec::with_capacity(runs.len() * entries.len());
        for run in runs {
            for (seq, entry) in (base + 1..).zip(&entries) {
                let PatternEntry { step, actor, body, sealed, hash } = entry;
                written.push(BareEntry { run: *run, seq, at: now, step: *step, actor, body, sealed, hash });
            }
        }
        sqlx::query(JOURNAL.of(dialect)).bind(json(&written)).execute(tx.conn()).await?;
        self.commit(tx).await
    }
}

impl Pattern {
    /// How many steps it has.
    pub fn steps(&self) -> usize {
        self.done.len()
    }

    /// How many entries carrying out its steps has written.
    pub fn entries(&self) -> usize {
        self.entries.iter().filter(|entry| entry.step.is_some()).count()
    }
}
