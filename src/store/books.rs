//! Runs in hand: how a [`Book`] is read from the tables and written back with its journal entries.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde::Serialize;
use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::sql::{Text, keys, rows};
use super::{Store, StoreError, Tx};
use crate::clock::from_millis;
use crate::run::book::{Book, Decision, Run, Said, Step, public_id};
use crate::run::journal::{self, Entry};
use crate::run::{Fold, LocalInstant, RunState, StepState};
use crate::secret::{self, DataKey};
use crate::workflow::{ActionKind, Span, SubjectKind};

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
    /// The chain's end as it was read; zero for a run that is not stored yet.
    pub(super) seq: i64,
    pub(super) head: String,
    pub(super) urgent: bool,
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

/// A lease to write with the claims of a turn.
pub(super) struct Lease<'a> {
    pub(super) until: i64,
    pub(super) owner: &'a str,
}

#[derive(FromRow)]
struct RunColumns {
    id: i64,
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
    data_key: Option<String>,
}

const RUNS: Text = keys!(
    "SELECT r.id, r.version_id, r.subject, r.person_id, r.account_id, r.state, r.inputs, r.zone, r.started_at,
            r.started_by, r.asked_by, r.lane, r.seq, r.head, p.data_key
     FROM runs r LEFT JOIN people p ON p.id = r.person_id WHERE r.id",
    "ORDER BY r.id"
);

/// The run's row is the lock of the run: PostgreSQL takes it, SQLite has one writer.
const RUNS_LOCKED: Text = keys!(
    "SELECT r.id, r.version_id, r.subject, r.person_id, r.account_id, r.state, r.inputs, r.zone, r.started_at,
            r.started_by, r.asked_by, r.lane, r.seq, r.head, p.data_key
     FROM runs r LEFT JOIN people p ON p.id = r.person_id WHERE r.id",
    "ORDER BY r.id",
    lock: "FOR UPDATE OF r"
);

/// As [`RUNS_LOCKED`], but passes over runs that another daemon has in hand.
const RUNS_FREE: Text = keys!(
    "SELECT r.id, r.version_id, r.subject, r.person_id, r.account_id, r.state, r.inputs, r.zone, r.started_at,
            r.started_by, r.asked_by, r.lane, r.seq, r.head, p.data_key
     FROM runs r LEFT JOIN people p ON p.id = r.person_id WHERE r.id",
    "ORDER BY r.id",
    lock: "FOR UPDATE OF r SKIP LOCKED"
);

const STEPS: Text = Text {
    sqlite: "SELECT s.* FROM json_each($1) AS k JOIN steps s
             ON s.id >= k.value * 1024 AND s.id < k.value * 1024 + 1024 ORDER BY s.id",
    postgres:
        "SELECT s.* FROM (SELECT CAST(value AS BIGINT) AS value FROM json_array_elements_text(CAST($1 AS json))) AS k
               JOIN steps s ON s.id >= k.value * 1024 AND s.id < k.value * 1024 + 1024 ORDER BY s.id",
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
    /// To change; passes over those that somebody has, and those that cannot be read.
    Skip,
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
        let text = match hold {
            Hold::No => RUNS,
            Hold::Wait | Hold::WaitReadable => RUNS_LOCKED,
            Hold::Skip => RUNS_FREE,
        };
        let list = json(&ids);
        let runs: Vec<RunColumns> = sqlx::query_as(text.of(self.dialect())).bind(list).fetch_all(&mut *conn).await?;
        let held: Vec<i64> = runs.iter().map(|run| run.id).collect();
        let steps = sqlx::query(STEPS.of(self.dialect())).bind(json(&held)).fetch_all(&mut *conn).await?;
        let mut by_run: BTreeMap<i64, Vec<Result<Step, StoreError>>> = BTreeMap::new();
        for row in &steps {
            by_run.entry(row.try_get("run_id")?).or_default().push(step(row));
        }
        let mut loaded = Vec::with_capacity(runs.len());
        for columns in runs {
            let id = columns.id;
            let steps: Result<Vec<Step>, StoreError> = by_run.remove(&id).unwrap_or_default().into_iter().collect();
            let one = match steps {
                Ok(steps) => self.loaded(conn, columns, steps).await,
                Err(error) => Err(error),
            };
            match one {
                Ok(one) => loaded.push(one),
                Err(error) if matches!(hold, Hold::Skip | Hold::WaitReadable) && !error.is_outage() => {
                    self.pass_over(id, &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(loaded)
    }

    /// Nothing of a run that cannot be read starts until another binary, or a repair, can read it; all others go on.
    fn pass_over(&self, run: i64, error: &StoreError) {
        let mut unreadable = self.inner.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if unreadable.insert(run) {
            tracing::error!(run.id = run, %error, "this run cannot be read and stands still; start again once it is repaired");
        }
    }

    /// Runs that are passed over, as a JSON array.
    pub(super) fn unreadable(&self) -> String {
        json(&*self.inner.unreadable.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn loaded(&self, conn: &mut AnyConnection, row: RunColumns, steps: Vec<Step>) -> Result<Loaded, StoreError> {
        let key = self.key_of(row.person_id, row.data_key.as_deref())?;
        let run = Run {
            id: row.id,
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
        Ok(Loaded { seq: row.seq, head: row.head, key, urgent: row.lane == 0, book: Book::new(run, steps) })
    }

    pub(super) fn key_of(&self, person: Option<i64>, wrapped: Option<&str>) -> Result<Key, StoreError> {
        Ok(match (person, wrapped) {
            (Some(person), Some(wrapped)) if !wrapped.is_empty() => Key::Of(Box::new(self.data_key(person, wrapped)?)),
            (Some(_), _) => Key::Erased,
            (None, _) => Key::Nobody,
        })
    }

    /// Writes back what changed, with the journal, in the caller's transaction.
    pub(super) async fn flush(
        &self,
        tx: &mut Tx,
        books: &mut [Loaded],
        lease: Option<&Lease<'_>>,
    ) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        for loaded in books.iter_mut().filter(|loaded| loaded.book.changed()) {
            changes.take(loaded, lease, tx.now.as_millisecond())?;
        }
        if changes.runs.is_empty() {
            return Ok(());
        }
        let dialect = self.dialect();
        let written = sqlx::query(UPDATE_RUNS.of(dialect)).bind(json(&changes.runs)).fetch_all(tx.conn()).await?;
        if written.len() != changes.runs.len() {
            return Err(StoreError::Conflict(
                changes.runs.iter().map(|r| public_id(r.id)).collect::<Vec<_>>().join(", "),
            ));
        }
        // Leases that end are written before leases that begin: one account has one at a time.
        for updated in [&changes.settled, &changes.leased].into_iter().filter(|rows| !rows.is_empty()) {
            sqlx::query(UPDATE_STEPS.of(dialect)).bind(json(updated)).execute(tx.conn()).await?;
        }
        if !changes.inserted.is_empty() {
            sqlx::query(INSERT_STEPS.of(dialect)).bind(json(&changes.inserted)).execute(tx.conn()).await?;
        }
        sqlx::query(INSERT_JOURNAL.of(dialect)).bind(json(&changes.entries)).execute(tx.conn()).await?;
        if changes.due {
            self.notify(tx).await?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct RunChange {
    id: i64,
    old_seq: i64,
    old_head: String,
    seq: i64,
    head: String,
    state: &'static str,
    ended_at: Option<i64>,
}

const UPDATE_RUNS: Text = rows!(
    "UPDATE runs SET seq = v.seq, head = v.head, state = v.state, ended_at = COALESCE(runs.ended_at, v.ended_at) FROM",
    { id BIGINT, old_seq BIGINT, old_head TEXT, seq BIGINT, head TEXT, state TEXT, ended_at BIGINT },
    "WHERE runs.id = v.id AND runs.seq = v.old_seq AND runs.head = v.old_head RETURNING runs.id"
);

/// A step's columns, as written.
#[derive(Serialize)]
struct StepColumns {
    id: i64,
    run_id: i64,
    name: String,
    action: &'static str,
    system: Option<String>,
    account_id: Option<i64>,
    needs: String,
    at_instant: Option<i64>,
    at_local: Option<String>,
    at_fold: Option<&'static str>,
    delay: Option<String>,
    of_step: Option<i64>,
    lane: i64,
    state: &'static str,
    due_at: Option<i64>,
    fence: i64,
    observe: i64,
    lease_until: Option<i64>,
    lease_owner: Option<String>,
    data: Option<String>,
    first_due: Option<i64>,
    decision: Option<String>,
}

const UPDATE_STEPS: Text = rows!(
    "UPDATE steps SET state = v.state, due_at = v.due_at, fence = v.fence, observe = v.observe,
            lease_until = v.lease_until, lease_owner = v.lease_owner, data = v.data, first_due = v.first_due,
            decision = v.decision FROM",
    { id BIGINT, state TEXT, due_at BIGINT, fence BIGINT, observe BIGINT, lease_until BIGINT, lease_owner TEXT,
      data TEXT, first_due BIGINT, decision TEXT },
    "WHERE steps.id = v.id"
);

const INSERT_STEPS: Text = rows!(
    "INSERT INTO steps (id, run_id, name, action, system, account_id, needs, at_instant, at_local, at_fold, delay,
            of_step, lane, state, due_at, fence, observe, lease_until, lease_owner, data, first_due, decision)
     SELECT id, run_id, name, action, system, account_id, needs, at_instant, at_local, at_fold, delay,
            of_step, lane, state, due_at, fence, observe, lease_until, lease_owner, data, first_due, decision FROM",
    { id BIGINT, run_id BIGINT, name TEXT, action TEXT, system TEXT, account_id BIGINT, needs TEXT, at_instant BIGINT,
      at_local TEXT, at_fold TEXT, delay TEXT, of_step BIGINT, lane BIGINT, state TEXT, due_at BIGINT, fence BIGINT,
      observe BIGINT, lease_until BIGINT, lease_owner TEXT, data TEXT, first_due BIGINT, decision TEXT },
    ""
);

const INSERT_JOURNAL: Text = rows!(
    "INSERT INTO journal (run_id, seq, at, step, actor, body, sealed, hash)
     SELECT run, seq, at, step, actor, body, sealed, hash FROM",
    { run BIGINT, seq BIGINT, at BIGINT, step BIGINT, actor TEXT, body TEXT, sealed TEXT, hash TEXT },
    ""
);

#[derive(Default)]
struct Changes {
    runs: Vec<RunChange>,
    settled: Vec<StepColumns>,
    leased: Vec<StepColumns>,
    inserted: Vec<StepColumns>,
    entries: Vec<Entry>,
    due: bool,
}

impl Changes {
    fn take(&mut self, loaded: &mut Loaded, lease: Option<&Lease<'_>>, now: i64) -> Result<(), StoreError> {
        let (key, urgent) = (&loaded.key, loaded.urgent);
        let book = &mut loaded.book;
        let said = std::mem::take(&mut book.said);
        for said in said {
            let entry = entry(&book.run, &said, key)?;
            book.run.seq = entry.seq;
            book.run.head.clone_from(&entry.hash);
            self.entries.push(entry);
        }
        for ordinal in std::mem::take(&mut book.dirty) {
            let Some(step) = book.step(ordinal) else { continue };
            let columns = columns(book.run.id, step, urgent, lease)?;
            self.due |= columns.due_at.is_some();
            if usize::from(ordinal) >= book.stored {
                self.inserted.push(columns);
            } else if columns.lease_until.is_some() {
                self.leased.push(columns);
            } else {
                self.settled.push(columns);
            }
        }
        book.stored = book.steps.len();
        self.runs.push(RunChange {
            id: book.run.id,
            old_seq: loaded.seq,
            old_head: std::mem::replace(&mut loaded.head, book.run.head.clone()),
            seq: book.run.seq,
            head: book.run.head.clone(),
            state: book.run.state.as_str(),
            ended_at: book.run.state.is_over().then_some(now),
        });
        loaded.seq = loaded.book.run.seq;
        Ok(())
    }
}

/// What a sealed entry belongs to: it does not open anywhere else.
pub(super) fn place(run: i64, seq: i64) -> String {
    format!("journal:{run}:{seq}")
}

fn entry(run: &Run, said: &Said, key: &Key) -> Result<Entry, StoreError> {
    let seq = run.seq + 1;
    let (body, sealed) = match key {
        Key::Nobody => (json(&said.fact), String::new()),
        Key::Erased => (journal::split(&said.fact).0.to_string(), String::new()),
        Key::Of(key) => {
            let (body, words) = journal::split(&said.fact);
            let sealed = match words.as_slice() {
                [] => String::new(),
                words => secret::seal(key, &place(run.id, seq), json(&words).as_bytes())?,
            };
            (body.to_string(), sealed)
        }
    };
    let mut entry = Entry {
        run: run.id,
        seq,
        at: said.at.as_millisecond(),
        step: said.step.map(i64::from),
        actor: said.actor.to_string(),
        body,
        sealed,
        hash: String::new(),
    };
    entry.hash = entry.chain(&run.head);
    Ok(entry)
}

fn columns(run: i64, step: &Step, urgent: bool, lease: Option<&Lease<'_>>) -> Result<StepColumns, StoreError> {
    let leased = matches!(step.state, StepState::Leased { .. });
    let lease = match (leased, lease) {
        (true, None) => return Err(StoreError::corrupt("lease", "an attempt without a holder")),
        (true, Some(lease)) => Some(lease),
        (false, _) => None,
    };
    let observe = match &step.state {
        StepState::Leased { observe, .. } | StepState::Held { observe, .. } => *observe,
        StepState::Unknown { .. } => true,
        _ => false,
    };
    let carries_data = matches!(
        step.state,
        StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Held { .. }
            | StepState::AwaitingPerson { .. }
            | StepState::Skipped { .. }
    );
    Ok(StepColumns {
        id: step_key(run, step.ordinal),
        run_id: run,
        name: step.name.clone(),
        action: step.action.name(),
        system: step.system.clone(),
        account_id: step.account,
        needs: json(&step.needs),
        at_instant: step.at.as_ref().map(|at| at.at.as_millisecond()),
        at_local: step.at.as_ref().map(|at| at.local.to_string()),
        at_fold: step.at.as_ref().map(|at| fold_name(at.fold)),
        delay: step.delay.as_ref().map(ToString::to_string),
        of_step: step.of.map(i64::from),
        lane: i64::from(!urgent),
        state: step.state.as_str(),
        due_at: step.state.due().map(|due| due.as_millisecond()),
        fence: step.attempts,
        observe: i64::from(observe),
        lease_until: lease.map(|lease| lease.until),
        lease_owner: lease.map(|lease| lease.owner.to_owned()),
        data: carries_data.then(|| json(&step.state)),
        first_due: step.first_due.map(|due| due.as_millisecond()),
        decision: (step.decision != Decision::default()).then(|| json(&step.decision)),
    })
}

const fn fold_name(fold: Fold) -> &'static str {
    match fold {
        Fold::None => "none",
        Fold::Gap => "gap",
        Fold::Overlap => "overlap",
    }
}

fn step(row: &AnyRow) -> Result<Step, StoreError> {
    let key: i64 = row.try_get("id")?;
    let ordinal = u16::try_from(key % STEPS_PER_RUN).map_err(|why| StoreError::corrupt("step key", why))?;
    let action: String = row.try_get("action")?;
    let at_instant: Option<i64> = row.try_get("at_instant")?;
    let delay: Option<String> = row.try_get("delay")?;
    let decision: Option<String> = row.try_get("decision")?;
    let needs: String = row.try_get("needs")?;
    let of: Option<i64> = row.try_get("of_step")?;
    let first_due: Option<i64> = row.try_get("first_due")?;
    Ok(Step {
        ordinal,
        name: row.try_get("name")?,
        action: ActionKind::from_name(&action).ok_or_else(|| StoreError::corrupt("action", action))?,
        system: row.try_get("system")?,
        account: row.try_get("account_id")?,
        needs: parse("step's needs", &needs)?,
        at: at_instant.map(|at| local_instant(row, at)).transpose()?,
        delay: delay.map(|text| Span::parse(&text).map_err(|why| StoreError::corrupt("delay", why))).transpose()?,
        of: of.and_then(|of| u16::try_from(of).ok()),
        state: state(row)?,
        attempts: row.try_get("fence")?,
        first_due: first_due.map(from_millis),
        decision: decision.map_or_else(|| Ok(Decision::default()), |text| parse("decision", &text))?,
    })
}

fn local_instant(row: &AnyRow, at: i64) -> Result<LocalInstant, StoreError> {
    let local: String = row.try_get("at_local")?;
    let fold: String = row.try_get("at_fold")?;
    Ok(LocalInstant {
        at: from_millis(at),
        local: local.parse().map_err(|why| StoreError::corrupt("local time", why))?,
        fold: parse("fold", &format!("\"{fold}\""))?,
    })
}

fn state(row: &AnyRow) -> Result<StepState, StoreError> {
    let name: String = row.try_get("state")?;
    let due: Option<i64> = row.try_get("due_at")?;
    let data: Option<String> = row.try_get("data")?;
    let observe: i64 = row.try_get("observe")?;
    Ok(match (name.as_str(), due, data) {
        ("blocked", ..) => StepState::Blocked,
        ("cancelled", ..) => StepState::Cancelled,
        ("awaiting_approval", ..) => StepState::AwaitingApproval,
        ("waiting", Some(due), _) => StepState::Waiting { due: from_millis(due) },
        ("unknown", Some(due), _) => StepState::Unknown { due: from_millis(due) },
        ("leased", ..) => StepState::Leased { fence: row.try_get("fence")?, observe: observe != 0 },
        (_, _, Some(data)) => parse("step state", &data)?,
        (other, ..) => return Err(StoreError::corrupt("step state", other)),
    })
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
