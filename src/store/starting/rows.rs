//! What is written of a run that begins.

use std::sync::LazyLock;

use serde::Serialize;

use super::NewRun;
use crate::store::Dialect;
use crate::store::books::{Loaded, json};
use crate::store::bulk::{Columns, Texts};
use crate::store::columns::NEW_STEP;

/// The columns of [`RunColumns`].
pub(super) const RUN: Columns = Columns(&[
    ("id", "BIGINT"),
    ("workflow", "TEXT"),
    ("version_id", "BIGINT"),
    ("subject", "TEXT"),
    ("person_id", "BIGINT"),
    ("account_id", "BIGINT"),
    ("state", "TEXT"),
    ("trigger_key", "TEXT"),
    ("started_by", "TEXT"),
    ("asked_by", "TEXT"),
    ("inputs", "TEXT"),
    ("zone", "TEXT"),
    ("started_at", "BIGINT"),
    ("ended_at", "BIGINT"),
    ("lane", "BIGINT"),
    ("seq", "BIGINT"),
    ("head", "TEXT"),
    ("undoes", "BIGINT"),
]);

/// The columns of an entry of the journal.
pub(super) const ENTRY: Columns = Columns(&[
    ("run", "BIGINT"),
    ("seq", "BIGINT"),
    ("at", "BIGINT"),
    ("step", "BIGINT"),
    ("actor", "TEXT"),
    ("body", "TEXT"),
    ("sealed", "TEXT"),
    ("hash", "TEXT"),
]);

/// Runs, their steps, and the beginning of their journals, in one message.
pub(super) static INSERT: LazyLock<Texts> = LazyLock::new(|| {
    Texts::new(|dialect| {
        let (to_steps, to_journal) =
            (1 + RUN.parameters(dialect), 1 + RUN.parameters(dialect) + NEW_STEP.parameters(dialect));
        let runs = RUN.insert(dialect, "runs", 1);
        let steps = NEW_STEP.insert(dialect, "steps", to_steps);
        let entries = ENTRY.rows(dialect, to_journal);
        let journal = format!(
            "INSERT INTO journal (run_id, seq, at, step, actor, body, sealed, hash)
             SELECT run, seq, at, step, actor, body, sealed, hash FROM {entries}"
        );
        match dialect {
            Dialect::Sqlite => format!("{runs}; {steps}; {journal}"),
            // References are looked at when all of it has happened.
            Dialect::Postgres => format!("WITH r AS ({runs}), s AS ({steps}) {journal}"),
        }
    })
});

#[derive(Serialize)]
pub(super) struct RunColumns<'a> {
    id: i64,
    workflow: &'a str,
    version_id: i64,
    subject: &'static str,
    person_id: Option<i64>,
    account_id: Option<i64>,
    state: &'static str,
    trigger_key: Option<&'a str>,
    started_by: &'a str,
    asked_by: &'a str,
    inputs: String,
    zone: &'a str,
    started_at: i64,
    ended_at: Option<i64>,
    lane: i64,
    seq: i64,
    head: &'a str,
    undoes: Option<i64>,
}

impl<'a> RunColumns<'a> {
    pub(super) fn of(loaded: &'a Loaded, new: &'a NewRun, version_id: i64, now: i64) -> Self {
        let run = &loaded.book.run;
        Self {
            id: run.id,
            workflow: &run.name,
            version_id,
            subject: run.subject.as_str(),
            person_id: run.person,
            account_id: run.account,
            state: run.state.as_str(),
            trigger_key: new.key.as_deref(),
            started_by: &run.trigger,
            asked_by: &run.asked_by,
            inputs: json(&run.inputs),
            zone: &run.zone,
            started_at: run.start.as_millisecond(),
            ended_at: run.state.is_over().then_some(now),
            lane: i64::from(!loaded.urgent),
            seq: run.seq,
            head: &run.head,
            undoes: run.undoes,
        }
    }
}
