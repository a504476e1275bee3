//! How a [`Book`](crate::run::book::Book) is written back: what changed, with its journal entries, in one transaction.

use std::sync::LazyLock;

use serde::Serialize;
use sqlx::query::Query;

use super::books::{Key, Loaded, json, place};
use super::bulk::Texts;
use super::columns::{NEW_STEP, NewStep, StepChange, StepTimes};
use super::sql::{Text, rows};
use super::wake::DueTimes;
use super::{Dialect, Store, StoreError, Tx};
use crate::run::book::{Run, Said, public_id};
use crate::run::journal::{self, Entry, Fact};
use crate::secret;

/// Runs that are written with one message to the database.
pub(super) const PIECE: usize = 64;

/// A lease to write with the claims of a turn.
pub(super) struct Lease<'a> {
    pub(super) until: i64,
    pub(super) owner: &'a str,
}

impl Store {
    /// Writes back what changed, with the journal, in the caller's transaction.
    pub(super) async fn flush(
        &self,
        tx: &mut Tx,
        books: &mut [Loaded],
        lease: Option<&Lease<'_>>,
    ) -> Result<(), StoreError> {
        self.bring_back(tx, books).await?;
        let now = tx.now.as_millisecond();
        let pieces = books.chunks_mut(PIECE);
        let mut left = pieces.len();
        let mut pieces = pieces.map(|piece| Changes::of(piece, lease, now));
        let (mut due, mut begun, mut added) = (DueTimes::default(), Vec::new(), Vec::new());
        let mut piece = pieces.next().transpose()?;
        while let Some(mut changes) = piece {
            left -= 1;
            due = due.or(changes.due);
            begun.append(&mut changes.leased);
            added.append(&mut changes.inserted);
            let leases = if left == 0 { std::mem::take(&mut begun) } else { Vec::new() };
            // While the database writes these, the next ones are sealed and put into words.
            let (written, next) = tokio::join!(self.write(tx, &changes, &leases), async { pieces.next().transpose() });
            written?;
            piece = next?;
        }
        // Last: an attempt at a step that has just been added may begin where another's lease has just ended.
        if !added.is_empty() {
            let (insert, rows) =
                (sqlx::query(INSERT_STEPS.of(self.dialect())), NEW_STEP.values(self.dialect(), &added)?);
            rows.into_iter().fold(insert, Query::bind).execute(tx.conn()).await?;
        }
        self.tell_due(tx, due).await
    }

    /// Writes a piece of what changed; then, with the last one, the leases that begin.
    pub(super) async fn write(&self, tx: &mut Tx, changes: &Changes, leases: &[StepChange]) -> Result<(), StoreError> {
        if changes.runs.is_empty() && leases.is_empty() {
            return Ok(());
        }
        let dialect = self.dialect();
        // What seldom changes is written by itself, and first: a lease counts for the account that the step has by then.
        if !changes.replanned.is_empty() {
            sqlx::query(REPLAN_STEPS.of(dialect)).bind(json(&changes.replanned)).execute(tx.conn()).await?;
        }
        // Where no lease ends, those that begin need not wait for that: one statement fewer on PostgreSQL.
        let (first, then) = match changes.settled.as_slice() {
            [] => (leases, [].as_slice()),
            settled => (settled, leases),
        };
        let (runs, first_rows, entries) = (json(&changes.runs), json(&first), json(&changes.entries));
        let written = match dialect {
            Dialect::Sqlite => {
                let all = sqlx::query(WRITE).bind(runs).bind(first_rows).bind(entries).bind(json(&then));
                i64::try_from(all.execute(tx.conn()).await?.rows_affected()).unwrap_or(i64::MAX)
            }
            Dialect::Postgres => {
                let before = sqlx::query_scalar(WRITE_FIRST).bind(runs).bind(first_rows).bind(entries);
                let mut written: i64 = before.fetch_one(tx.conn()).await?;
                if !then.is_empty() {
                    let begun = sqlx::query(WRITE_LEASES).bind(json(&then)).execute(tx.conn()).await?.rows_affected();
                    written += i64::try_from(begun).unwrap_or(i64::MAX);
                }
                written
            }
        };
        let rows = changes.runs.len() + changes.settled.len() + changes.entries.len() + leases.len();
        if i64::try_from(rows) != Ok(written) {
            let runs: Vec<String> = changes.runs.iter().map(|run| public_id(run.id)).collect();
            return Err(StoreError::Conflict(runs.join(", ")));
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
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<i64>,
    /// Where they are others now.
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<String>,
}

macro_rules! update_runs {
    ($dialect:ident, $parameter:literal) => {
        rows!(
            $dialect, $parameter,
            "UPDATE runs SET seq = v.seq, head = v.head, state = v.state, ended_at = COALESCE(runs.ended_at, v.ended_at),
                    inputs = COALESCE(v.inputs, runs.inputs), checkpointed = 0 FROM",
            { id BIGINT, old_seq BIGINT, old_head TEXT, seq BIGINT, head TEXT, state TEXT, ended_at BIGINT, inputs TEXT },
            "WHERE runs.id = v.id AND runs.seq = v.old_seq AND runs.head = v.old_head"
        )
    };
}

macro_rules! update_steps {
    ($dialect:ident, $parameter:literal) => {
        rows!(
            $dialect, $parameter,
            "UPDATE steps SET state = v.state, due_at = v.due_at, fence = v.fence, observe = v.observe,
                    lease_until = v.lease_until, lease_owner = v.lease_owner, data = v.data, first_due = v.first_due,
                    decision = v.decision, lapses_at = v.lapses_at FROM",
            { id BIGINT, state TEXT, due_at BIGINT, fence BIGINT, observe BIGINT, lease_until BIGINT, lease_owner TEXT,
              data TEXT, first_due BIGINT, decision TEXT, lapses_at BIGINT },
            "WHERE steps.id = v.id"
        )
    };
}

macro_rules! insert_journal {
    ($dialect:ident, $parameter:literal) => {
        rows!(
            $dialect, $parameter,
            "INSERT INTO journal (run_id, seq, at, step, actor, body, sealed, hash)
             SELECT run, seq, at, step, actor, body, sealed, hash FROM",
            { run BIGINT, seq BIGINT, at BIGINT, step BIGINT, actor TEXT, body TEXT, sealed TEXT, hash TEXT },
            ""
        )
    };
}

/// All of it in one message to the connection: runs, steps whose leases end, the journal, steps whose leases begin. Leases
/// that end are written before leases that begin, because one account has one at a time.
const WRITE: &str = concat!(
    update_runs!(sqlite, "$1"),
    ";",
    update_steps!(sqlite, "$2"),
    ";",
    insert_journal!(sqlite, "$3"),
    ";",
    update_steps!(sqlite, "$4")
);

/// As [`WRITE`], up to the leases that begin: PostgreSQL prepares one statement at a time, and lets parts of one happen in
/// any order. Answers how many rows were written.
const WRITE_FIRST: &str = concat!(
    "WITH r AS (",
    update_runs!(postgres, "$1"),
    " RETURNING 1), s AS (",
    update_steps!(postgres, "$2"),
    " RETURNING 1), j AS (",
    insert_journal!(postgres, "$3"),
    " RETURNING 1) SELECT (SELECT COUNT(*) FROM r) + (SELECT COUNT(*) FROM s) + (SELECT COUNT(*) FROM j)"
);

const WRITE_LEASES: &str = update_steps!(postgres, "$1");

const REPLAN_STEPS: Text = rows!(
    "UPDATE steps SET account_id = v.account_id, at_instant = v.at_instant, at_local = v.at_local, at_fold = v.at_fold,
            delay = v.delay FROM",
    { id BIGINT, account_id BIGINT, at_instant BIGINT, at_local TEXT, at_fold TEXT, delay TEXT },
    "WHERE steps.id = v.id"
);

static INSERT_STEPS: LazyLock<Texts> = LazyLock::new(|| Texts::new(|dialect| NEW_STEP.insert(dialect, "steps", 1)));

#[derive(Serialize)]
struct Replanned {
    id: i64,
    #[serde(flatten)]
    times: StepTimes,
}

/// What has changed in some books.
#[derive(Default)]
pub(super) struct Changes {
    runs: Vec<RunChange>,
    settled: Vec<StepChange>,
    pub(super) leased: Vec<StepChange>,
    pub(super) inserted: Vec<NewStep>,
    replanned: Vec<Replanned>,
    pub(super) entries: Vec<Entry>,
    /// When its steps are due.
    pub(super) due: DueTimes,
}

impl Changes {
    /// Takes from the books what is to be written.
    pub(super) fn of(books: &mut [Loaded], lease: Option<&Lease<'_>>, now: i64) -> Result<Self, StoreError> {
        let mut changes = Self::default();
        for loaded in books.iter_mut().filter(|loaded| loaded.book.changed()) {
            changes.take(loaded, lease, now)?;
        }
        Ok(changes)
    }

    pub(super) fn take(&mut self, loaded: &mut Loaded, lease: Option<&Lease<'_>>, now: i64) -> Result<(), StoreError> {
        let (key, urgent) = (&loaded.key, loaded.urgent);
        let book = &mut loaded.book;
        let said = std::mem::take(&mut book.said);
        let rescheduled = said.iter().any(|said| matches!(said.fact, Fact::Rescheduled { .. }));
        let replanned = rescheduled || said.iter().any(|said| matches!(said.fact, Fact::Bound { .. }));
        for together in said.chunk_by(|one, next| (one.at, &one.actor) == (next.at, &next.actor)) {
            let entry = entry(&book.run, together, key)?;
            book.run.seq = entry.seq;
            book.run.head.clone_from(&entry.hash);
            self.entries.push(entry);
        }
        for ordinal in std::mem::take(&mut book.dirty) {
            let Some(step) = book.step(ordinal) else { continue };
            let change = StepChange::of(book.run.id, step, lease)?;
            self.due.note(change.due_at, urgent);
            if usize::from(ordinal) >= book.stored {
                self.inserted.push(NewStep::of(book.run.id, step, urgent, change));
                continue;
            }
            if replanned {
                self.replanned.push(Replanned { id: change.id, times: StepTimes::of(step) });
            }
            if change.lease_until.is_some() {
                self.leased.push(change);
            } else {
                self.settled.push(change);
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
            inputs: rescheduled.then(|| json(&book.run.inputs)),
        });
        loaded.seq = loaded.book.run.seq;
        Ok(())
    }
}

/// What is said in one commit and in one actor's name is one entry: hashed, sealed and written once.
fn entry(run: &Run, said: &[Said], key: &Key) -> Result<Entry, StoreError> {
    let seq = run.seq + 1;
    let place = place(run.id, seq);
    let (step, (body, sealed)) = match said {
        [one] => (one.step.map(i64::from), sealed(&one.fact, key, &place)?),
        several => {
            let told: Vec<(Option<u16>, &Fact)> = several.iter().map(|one| (one.step, &one.fact)).collect();
            (None, sealed(&told, key, &place)?)
        }
    };
    let (at, actor) = said.first().map_or((0, ""), |first| (first.at.as_millisecond(), first.actor.as_ref()));
    let actor = actor.to_owned();
    let mut entry = Entry { run: run.id, seq, at, step, actor, body, sealed, hash: String::new() };
    entry.hash = entry.chain(&run.head);
    Ok(entry)
}

/// An entry's body, and the words about a person that are not in it, sealed.
fn sealed(told: &impl Serialize, key: &Key, place: &str) -> Result<(String, String), StoreError> {
    let Key::Of(of_person) = key else {
        let body = if matches!(key, Key::Nobody) { json(told) } else { journal::split(told).0.to_string() };
        return Ok((body, String::new()));
    };
    let (body, words) = journal::split(told);
    let sealed = match words.as_slice() {
        [] => String::new(),
        words => secret::seal(of_person, place, json(&words).as_bytes())?,
    };
    Ok((body.to_string(), sealed))
}
