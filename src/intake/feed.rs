//! An HR file, taken into the record: changed people are saved, and what changed becomes events. Piece by piece, so
//! that a file of any size needs little memory and keeps nobody waiting; each piece is durable when the next begins.

use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::people::{CsvProblem, HrFact, Judged, JudgedRows, PeopleFile, PersonRow, changes};
use crate::engine::Engine;
use crate::run::{Person, zone};
use crate::store::{Import, NewEvent, NewPassword, Piece, PieceTaken, RowOutcome, StoreError};
use crate::workflow::HrEvent;

/// Rows in the first piece; the later ones are as many as fit into [`ENOUGH`].
const FIRST_PIECE: usize = 100;

/// The most rows in one transaction.
const MOST: usize = 2000;

/// Rows that are read before what is being written meanwhile goes on.
const BREATH: usize = 50;

/// How long a transaction should take: a daemon beside it must not wait long for the file's lock (100 ms at most).
const ENOUGH: Duration = Duration::from_millis(50);

/// How a file is to be taken in.
#[derive(Clone, Copy)]
pub struct Taking<'a> {
    /// Where it comes from (`csv`).
    pub source: &'a str,
    /// Who does it.
    pub actor: &'a str,
    /// Asked between two pieces: whether to go on.
    pub go_on: &'a (dyn Fn() -> bool + Sync),
    /// Rows in a piece, instead of as many as fit into a moment.
    pub piece: Option<usize>,
}

impl std::fmt::Debug for Taking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taking").field("source", &self.source).field("piece", &self.piece).finish_non_exhaustive()
    }
}

/// What became of a file.
#[derive(Clone, Debug, Serialize)]
pub struct Taken {
    /// Rows of people in it.
    pub people: u64,
    /// People seen for the first time.
    pub new: u64,
    /// People with changed fields.
    pub changed: u64,
    /// People about whom it says nothing new.
    pub unchanged: u64,
    /// Rows with a mistake, left out.
    pub wrong: u64,
    /// What follows from it, accepted and durable: so many events.
    pub events: u64,
    /// Rows that an earlier import of the same file, which was interrupted, had taken in.
    pub before: u64,
    /// Whether all of it is taken in.
    pub complete: bool,
    /// The import, for what became of each row.
    #[serde(skip)]
    pub import: Import,
}

/// Why a file cannot be taken in, or not further.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The file is not what it was.
    #[error("{0}")]
    File(#[from] CsvProblem),
    /// The record cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a row would change.
#[derive(Debug)]
pub struct Foreseen {
    /// The line of the file.
    pub line: u64,
    /// The person as they would be; `id` is 0 for somebody new.
    pub person: Person,
    /// Whether anything would be saved.
    pub differs: bool,
    /// What HR says by it.
    pub facts: Vec<HrFact>,
}

/// What taking a file in would change, row by row. Changes nothing.
///
/// # Errors
/// When the file or the database cannot be read.
pub async fn preview(
    engine: &Engine,
    file: &PeopleFile,
    mut tell: impl FnMut(Result<Foreseen, Judged>),
) -> Result<(), TakeError> {
    let today = today(engine).await?;
    let mut rows = file.judged()?;
    loop {
        let piece = next_rows(&mut rows, MOST).await?;
        if piece.is_empty() {
            return Ok(());
        }
        let known = engine.store().known_people(&keys(&piece)).await?;
        for row in piece {
            let Judged::Right(row) = row else {
                tell(Err(row));
                continue;
            };
            let old = known.get(&row.employee_number);
            let (person, facts) = changes(old, &row, today);
            tell(Ok(Foreseen { line: row.line, differs: old != Some(&person), person, facts }));
        }
    }
}

/// Takes a file in, as [`take`] does, to its end.
///
/// # Errors
/// [`TakeError`].
pub async fn take_in(
    engine: &Engine,
    file: &PeopleFile,
    source: &str,
    progress: impl Fn(u64),
) -> Result<Taken, TakeError> {
    take(engine, file, &Taking { source, actor: "usher", go_on: &|| true, piece: None }, progress).await
}

/// Takes a file in; rows with a mistake are left out. One that was interrupted goes on behind its last piece, and ends
/// as if it had not been. Several may take in the same file at once: each row is taken in once. What is known already
/// is no change.
///
/// # Errors
/// [`TakeError`]; what is taken in until then stays.
pub async fn take(
    engine: &Engine,
    file: &PeopleFile,
    taking: &Taking<'_>,
    progress: impl Fn(u64),
) -> Result<Taken, TakeError> {
    let today = today(engine).await?;
    let import = engine.store().begin_import(&file.fingerprint, taking.source, today, taking.actor).await?;
    let mut rows = file.judged()?;
    rows.skip(import.done)?;
    let (mut at, mut events, mut size) = (import.done, 0, taking.piece.unwrap_or(FIRST_PIECE));
    let mut piece = next_rows(&mut rows, size).await?;
    while at < file.rows && !piece.is_empty() && (taking.go_on)() {
        let (began, count, keys) = (Instant::now(), piece.len() as u64, keys(&piece));
        let judge = |known: &_| judged(piece, at, known, &import, taking.source);
        // While a piece is being written, the next one is read.
        let (taken, next) =
            tokio::join!(engine.store().take_piece(&import, at, &keys, judge), next_rows(&mut rows, size));
        match taken? {
            PieceTaken::Taken(new) => {
                at += count;
                let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(import.id = import.id, rows = count, took_ms, "a piece is taken in");
                events += new as u64;
                size = taking.piece.unwrap_or_else(|| fitting(size, began.elapsed()));
                piece = next?;
            }
            PieceTaken::Ahead(done) => {
                // Ours lies before theirs or within it: the file is read from their end on.
                rows = file.judged()?;
                rows.skip(done)?;
                at = done;
                piece = next_rows(&mut rows, size).await?;
            }
        }
        progress(at);
    }
    let complete = at >= file.rows;
    if complete {
        engine.store().end_import(&import).await?;
    }
    summary(engine, file, import, events, complete).await
}

/// As many rows as would have taken [`ENOUGH`], at most twice as many as before.
fn fitting(size: usize, took: Duration) -> usize {
    let fitting = size as u128 * ENOUGH.as_micros() / took.as_micros().max(1);
    usize::try_from(fitting).unwrap_or(MOST).clamp(10, MOST.min(size * 2))
}

/// Counts what became of the rows, those of an interrupted import too.
async fn summary(
    engine: &Engine,
    file: &PeopleFile,
    import: Import,
    events: u64,
    complete: bool,
) -> Result<Taken, TakeError> {
    let before = import.done;
    let mut taken =
        Taken { people: file.rows, new: 0, changed: 0, unchanged: 0, wrong: 0, events, before, complete, import };
    let mut row = 0;
    loop {
        let outcomes = engine.store().row_outcomes(&taken.import, row).await?;
        if outcomes.is_empty() {
            return Ok(taken);
        }
        row += outcomes.len() as u64;
        let count = |wanted| outcomes.iter().filter(|outcome| **outcome == wanted).count() as u64;
        taken.new += count(RowOutcome::New);
        taken.changed += count(RowOutcome::Changed);
        taken.unchanged += count(RowOutcome::Unchanged);
        taken.wrong += count(RowOutcome::Error);
    }
}

async fn today(engine: &Engine) -> Result<Date, StoreError> {
    let now = engine.store().now().await?;
    Ok(zone(engine.zone()).unwrap_or(TimeZone::UTC).to_datetime(now).date())
}

async fn next_rows(rows: &mut JudgedRows<'_>, most: usize) -> Result<Vec<Judged>, CsvProblem> {
    let mut piece = Vec::new();
    while piece.len() < most {
        match rows.next_row()? {
            Some(row) => piece.push(row),
            None => break,
        }
        if piece.len() % BREATH == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(piece)
}

fn keys(piece: &[Judged]) -> Vec<String> {
    let key = |row: &Judged| match row {
        Judged::Right(row) => Some(row.employee_number.clone()),
        Judged::Wrong { .. } => None,
    };
    piece.iter().filter_map(key).collect()
}

/// What the rows from `first` on change against those who are known.
fn judged(
    rows: Vec<Judged>,
    first: u64,
    known: &std::collections::HashMap<String, Person>,
    import: &Import,
    source: &str,
) -> Piece {
    let mut piece = Piece::default();
    for (row, number) in rows.into_iter().zip(first..) {
        let Judged::Right(row) = row else {
            piece.outcomes.push(RowOutcome::Error);
            continue;
        };
        let old = known.get(&row.employee_number);
        let (person, facts) = changes(old, &row, import.told_on);
        piece.outcomes.push(match old {
            None => RowOutcome::New,
            Some(old) if *old != person || !facts.is_empty() => RowOutcome::Changed,
            Some(_) => RowOutcome::Unchanged,
        });
        piece.passwords.extend(password(&row, &facts));
        piece.events.extend(facts.iter().map(|fact| (number, event(&person, fact, source, import))));
        if old != Some(&person) {
            piece.people.push(person);
        }
    }
    piece
}

fn password(row: &PersonRow, facts: &[HrFact]) -> Option<NewPassword> {
    let password = row.password.clone()?;
    let anew = facts.iter().any(|fact| matches!(fact.event, HrEvent::Joined | HrEvent::Rehired));
    Some(NewPassword { employee_number: row.employee_number.clone(), password, anew })
}

fn event(person: &Person, fact: &HrFact, source: &str, import: &Import) -> NewEvent {
    let effective = fact.effective.map(|date| date.to_string()).unwrap_or_default();
    NewEvent {
        source: source.to_owned(),
        key: format!("{}:{}:{effective}:import {}", person.employee_number, fact.event.as_str(), import.id),
        kind: fact.event,
        employee_number: person.employee_number.clone(),
        facts: fact.told(person),
    }
}
