//! Runs in hand: how a [`Book`] is read from the tables and written back with its journal entries.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::AnyConnection;

use super::columns::StepRow;
use super::shelf::Shelf;
use super::sql::{Text, gathered, listed};
use super::{Store, StoreError};
use crate::clock::from_millis;
use crate::run::RunState;
use crate::run::book::{Book, Run, Step};
use crate::secret::DataKey;
use crate::workflow::SubjectKind;

/// Steps that one run can have; a step's key is the run's times this, plus its ordinal.
pub(super) const STEPS_PER_RUN: i64 = 1024;

/// The key of a step.
pub(super) fn step_key(run: i64, ordinal: u16) -> i64 {
    run * STEPS_PER_RUN + i64::from(ordinal)
}

/// A run in hand, with what the store needs to write it back.
pub(super) struct Loaded {
    pub(super) book: Book,
    pub(super) key: Key,
    /// The person's key as it is stored, wrapped.
    pub(super) data_key: Option<String>,
    /// The chain's end as it was read; zero for a run that is not stored yet.
    pub(super) seq: i64,
    pub(super) head: String,
    pub(super) urgent: bool,
    /// Its steps and its journal are in the archive.
    pub(super) archived: bool,
}

/// Under what a run's personal words are sealed.
pub(super) enum Key {
    /// It is about no person: there are no personal words.
    Nobody,
    /// The person's key.
    Of(Box<DataKey>),
    /// The person was erased: words are not kept at all.
    Erased,
}

#[derive(Deserialize)]
struct RunColumns {
    id: i64,
    workflow: String,
    undoes: Option<i64>,
    version_id: i64,
    subject: String,
    person_id: Option<i64>,
    account_id: Option<i64>,
    state: String,
    inputs: String,
    zone: String,
    started_at: i64,
    started_by: String,
    asked_by: String,
    lane: i64,
    seq: i64,
    head: String,
    archived_at: Option<i64>,
    data_key: Option<String>,
}

/// The run's row is the lock of the run: PostgreSQL takes it, SQLite has one writer.
macro_rules! locked {
    ($dialect:ident, $lock:literal) => {
        concat!(
            "SELECT ",
            gathered!(
                $dialect,
                [id, head, data_key],
                concat!(
                    "SELECT r.id, r.head, p.data_key FROM runs r LEFT JOIN people p ON p.id = r.person_id WHERE r.id IN ",
                    listed!($dialect, "$1"),
                    " ORDER BY r.id",
                    $lock
                )
            )
        )
    };
}

const LOCKED: Text = Text { sqlite: locked!(sqlite, ""), postgres: locked!(postgres, " FOR UPDATE OF r") };

/// Runs and their steps, in the archive or not: one statement, because they may move between two. Steps lie side by side
/// under their key. Both databases have to be told to look for each run's, because they would read all steps there are
/// instead: SQLite to have them in order (`CROSS JOIN` keeps the runs outside), PostgreSQL thinking of a hundred runs
/// (`OFFSET 0` keeps it from folding the inner query in).
macro_rules! runs_and_steps {
    ($dialect:ident, $steps:literal) => {
        concat!(
            "SELECT ",
            gathered!(
                $dialect,
                [id, workflow, undoes, version_id, subject, person_id, account_id, state, inputs, zone, started_at,
                 started_by, asked_by, lane, seq, head, archived_at, data_key],
                concat!(
                    "SELECT r.id, r.workflow, r.undoes, r.version_id, r.subject, r.person_id, r.account_id, r.state,
                            r.inputs, r.zone, r.started_at, r.started_by, r.asked_by, r.lane, r.seq, r.head, r.archived_at, p.data_key
                     FROM runs r LEFT JOIN people p ON p.id = r.person_id WHERE r.id IN ",
                    listed!($dialect, "$1"),
                    " ORDER BY r.id"
                )
            ),
            ", ",
            gathered!(
                $dialect,
                [id, name, action, system, account_id, needs, at_instant, at_local, at_fold, delay, of_step, undoes,
                 state, due_at, fence, observe, data, first_due, decision],
                $steps
            )
        )
    };
}

const RUNS_AND_STEPS: Text = Text {
    sqlite: runs_and_steps!(
        sqlite,
        "SELECT s.* FROM json_each($1) AS k CROSS JOIN steps s
             ON s.id >= k.value * 1024 AND s.id < k.value * 1024 + 1024
         UNION ALL SELECT s.* FROM json_each($1) AS k CROSS JOIN archived_steps s
             ON s.id >= k.value * 1024 AND s.id < k.value * 1024 + 1024"
    ),
    postgres: runs_and_steps!(
        postgres,
        "SELECT s.* FROM (SELECT CAST(value AS BIGINT) AS value FROM json_array_elements_text(CAST($1 AS json))) AS k
             CROSS JOIN LATERAL (SELECT * FROM (SELECT * FROM steps
                    WHERE steps.id >= k.value * 1024 AND steps.id < k.value * 1024 + 1024 OFFSET 0) AS live
                UNION ALL SELECT * FROM (SELECT * FROM archived_steps a
                    WHERE a.id >= k.value * 1024 AND a.id < k.value * 1024 + 1024 OFFSET 0) AS old) AS s"
    ),
};

/// How runs are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// To look at.
    No,
    /// To change; waits for whoever has them.
    Wait,
    /// As [`Hold::Wait`], and passes over those that cannot be read.
    WaitReadable,
}

impl Store {
    /// Loads runs, in the order of their keys.
    pub(super) async fn load(
        &self,
        conn: &mut AnyConnection,
        ids: &[i64],
        hold: Hold,
    ) -> Result<Vec<Loaded>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (mut loaded, ids) = match hold {
            Hold::No => (Vec::new(), ids.to_vec()),
            Hold::Wait | Hold::WaitReadable => {
                let locked: String =
                    sqlx::query_scalar(LOCKED.of(self.dialect())).bind(json(&ids)).fetch_one(&mut *conn).await?;
                self.in_mind(&locked)?
            }
        };
        self.read(conn, &ids, hold, &mut loaded).await?;
        loaded.sort_unstable_by_key(|loaded| loaded.book.run.id);
        Ok(loaded)
    }

    /// Of runs under their locks (key, end of the chain, the person's key): those that this process has in mind as they
    /// are, and the keys of the others.
    pub(super) fn in_mind(&self, locked: &str) -> Result<(Vec<Loaded>, Vec<i64>), StoreError> {
        let rows: Vec<(i64, String, Option<String>)> = parse("runs under their locks", locked)?;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        let mut shelf = self.shelf();
        for (id, head, data_key) in rows {
            match shelf.take(id, &head, data_key.as_deref()) {
                Some(loaded) => known.push(loaded),
                None => unknown.push(id),
            }
        }
        Ok((known, unknown))
    }

    /// Reads runs with their steps.
    pub(super) async fn read(
        &self,
        conn: &mut AnyConnection,
        ids: &[i64],
        hold: Hold,
        into: &mut Vec<Loaded>,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (runs, steps): (String, String) =
            sqlx::query_as(RUNS_AND_STEPS.of(self.dialect())).bind(json(&ids)).fetch_one(&mut *conn).await?;
        let mut by_run = by_run(&steps)?;
        for columns in parse::<Vec<RunColumns>>("runs", &runs)? {
            let id = columns.id;
            let steps: Result<Vec<Step>, StoreError> = by_run.remove(&id).unwrap_or_default().into_iter().collect();
            let one = match steps {
                Ok(steps) => self.loaded(conn, columns, steps).await,
                Err(error) => Err(error),
            };
            match one {
                Ok(one) => into.push(one),
                Err(error) if hold == Hold::WaitReadable && !error.is_outage() => {
                    self.pass_over(id, &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What this process has in mind.
    pub(super) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.inner.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing of a run that cannot be read starts until another binary, or a repair, can read it; all others go on.
    fn pass_over(&self, run: i64, error: &StoreError) {
        let mut unreadable = self.inner.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if unreadable.insert(run) {
            tracing::error!(run.id = run, %error, "this run cannot be read and stands still; start again once it is repaired");
        }
    }

    /// Runs that are passed over.
    pub(super) fn unreadable(&self) -> Vec<i64> {
        self.inner.unreadable.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    async fn loaded(&self, conn: &mut AnyConnection, row: RunColumns, steps: Vec<Step>) -> Result<Loaded, StoreError> {
        let key = self.key_of(row.person_id, row.data_key.as_deref())?;
        let run = Run {
            id: row.id,
            name: row.workflow,
            undoes: row.undoes,
            workflow: self.version(conn, row.version_id).await?,
            subject: subject(&row.subject)?,
            person: row.person_id,
            account: row.account_id,
            state: RunState::from_name(&row.state).ok_or_else(|| StoreError::corrupt("run state", &row.state))?,
            inputs: parse("run's inputs", &row.inputs)?,
            zone: row.zone,
            start: from_millis(row.started_at),
            trigger: row.started_by,
            asked_by: row.asked_by,
            seq: row.seq,
            head: row.head.clone(),
        };
        let (seq, head, urgent, archived) = (row.seq, row.head, row.lane == 0, row.archived_at.is_some());
        Ok(Loaded { seq, head, key, data_key: row.data_key, urgent, archived, book: Book::new(run, steps) })
    }

    pub(super) fn key_of(&self, person: Option<i64>, wrapped: Option<&str>) -> Result<Key, StoreError> {
        Ok(match (person, wrapped) {
            (Some(person), Some(wrapped)) if !wrapped.is_empty() => Key::Of(Box::new(self.data_key(person, wrapped)?)),
            (Some(_), _) => Key::Erased,
            (None, _) => Key::Nobody,
        })
    }
}

/// Steps by run.
fn by_run(steps: &str) -> Result<HashMap<i64, Vec<Result<Step, StoreError>>>, StoreError> {
    let mut by_run: HashMap<i64, Vec<Result<Step, StoreError>>> = HashMap::new();
    let mut rows: Vec<StepRow> = parse("steps", steps)?;
    // A step stands in its run at its ordinal; an aggregate promises no order.
    rows.sort_unstable_by_key(StepRow::key);
    for row in rows {
        by_run.entry(row.run()).or_default().push(row.step());
    }
    Ok(by_run)
}

/// What a sealed entry belongs to: it does not open anywhere else.
pub(super) fn place(run: i64, seq: i64) -> String {
    format!("journal:{run}:{seq}")
}

pub(super) fn subject(name: &str) -> Result<SubjectKind, StoreError> {
    [SubjectKind::Person, SubjectKind::Account, SubjectKind::Organisation]
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| StoreError::corrupt("subject", name))
}

/// JSON of a value that always has one.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string())
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|why| StoreError::corrupt(what, why))
}
