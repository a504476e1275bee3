//! How a [`Book`](crate::run::book::Book) is written back: what changed, with its journal entries, in one transaction.

use serde::Serialize;

use super::books::{Key, Loaded, json, place};
use super::columns::{StepColumns, columns};
use super::sql::{Text, rows};
use super::{Store, StoreError, Tx};
use crate::run::book::{Run, Said, public_id};
use crate::run::journal::{self, Entry, Fact};
use crate::secret;

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
    /// Where they are others now.
    inputs: Option<String>,
}

const UPDATE_RUNS: Text = rows!(
    "UPDATE runs SET seq = v.seq, head = v.head, state = v.state, ended_at = COALESCE(runs.ended_at, v.ended_at),
            inputs = COALESCE(v.inputs, runs.inputs), checkpointed = 0 FROM",
    { id BIGINT, old_seq BIGINT, old_head TEXT, seq BIGINT, head TEXT, state TEXT, ended_at BIGINT, inputs TEXT },
    "WHERE runs.id = v.id AND runs.seq = v.old_seq AND runs.head = v.old_head RETURNING runs.id"
);

const UPDATE_STEPS: Text = rows!(
    "UPDATE steps SET state = v.state, due_at = v.due_at, fence = v.fence, observe = v.observe,
            lease_until = v.lease_until, lease_owner = v.lease_owner, data = v.data, first_due = v.first_due,
            decision = v.decision, account_id = v.account_id, at_instant = v.at_instant, at_local = v.at_local,
            at_fold = v.at_fold, delay = v.delay, lapses_at = v.lapses_at FROM",
    { id BIGINT, state TEXT, due_at BIGINT, fence BIGINT, observe BIGINT, lease_until BIGINT, lease_owner TEXT,
      data TEXT, first_due BIGINT, decision TEXT, account_id BIGINT, at_instant BIGINT, at_local TEXT, at_fold TEXT,
      delay TEXT, lapses_at BIGINT },
    "WHERE steps.id = v.id"
);

const INSERT_STEPS: Text = rows!(
    "INSERT INTO steps (id, run_id, name, action, system, account_id, needs, at_instant, at_local, at_fold, delay,
            of_step, undoes, lane, state, due_at, fence, observe, lease_until, lease_owner, data, first_due, decision)
     SELECT id, run_id, name, action, system, account_id, needs, at_instant, at_local, at_fold, delay,
            of_step, undoes, lane, state, due_at, fence, observe, lease_until, lease_owner, data, first_due, decision FROM",
    { id BIGINT, run_id BIGINT, name TEXT, action TEXT, system TEXT, account_id BIGINT, needs TEXT, at_instant BIGINT,
      at_local TEXT, at_fold TEXT, delay TEXT, of_step BIGINT, undoes BIGINT, lane BIGINT, state TEXT, due_at BIGINT, fence BIGINT,
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
        let rescheduled = said.iter().any(|said| matches!(said.fact, Fact::Rescheduled { .. }));
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
            inputs: rescheduled.then(|| json(&book.run.inputs)),
        });
        loaded.seq = loaded.book.run.seq;
        Ok(())
    }
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
