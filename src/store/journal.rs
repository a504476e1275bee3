//! Reading the journal back: for people, for verification, for replay.

use serde::Serialize;
use serde_json::Value;
use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::{Hold, Key, Loaded, parse, place};
use super::{Store, StoreError};
use crate::run::book::{Step, public_id};
use crate::run::journal::{self, Entry, Fact, Replayed};
use crate::run::{LocalInstant, StepState, advance};
use crate::secret;
use crate::workflow::Span;

/// What an entry says, for people: the words put back where their key is still there. An entry that says several things is
/// several of these.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEntry {
    /// Position in the run's chain.
    pub seq: i64,
    /// When, epoch milliseconds of the store's clock.
    pub at: i64,
    /// The step's label.
    pub step: Option<String>,
    /// Who.
    pub actor: String,
    /// What.
    pub fact: Value,
    /// The chain's hash up to and with this entry.
    pub hash: String,
}

/// What a verification found about one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The run.
    pub run: String,
    /// Entries read.
    pub entries: usize,
    /// What is broken, in words; `None` when the chain holds and replays to the run's present state.
    pub problem: Option<String>,
}

impl Store {
    /// A run's journal for people.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn audit(&self, run: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let mut conn = self.reader().await?;
        let loaded = self.look(&mut conn, run).await?;
        let label = |ordinal: Option<i64>| {
            let step = ordinal.and_then(|ordinal| loaded.book.step(u16::try_from(ordinal).ok()?));
            step.map(Step::label)
        };
        let mut told = Vec::new();
        for entry in entries(&mut conn, run).await? {
            let Entry { seq, at, .. } = entry;
            for (step, fact) in journal::facts(words_back(&entry, &loaded.key)?, entry.step) {
                let (actor, hash) = (entry.actor.clone(), entry.hash.clone());
                told.push(AuditEntry { seq, at, step: label(step), actor, fact, hash });
            }
        }
        Ok(told)
    }

    /// A run's journal as it is kept, words sealed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn journal(&self, run: i64) -> Result<Vec<Entry>, StoreError> {
        let mut conn = self.reader().await?;
        entries(&mut conn, run).await
    }

    /// Verifies a run: the chain holds, ends where the run's row says, and replays to the present states.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn verify(&self, run: i64) -> Result<Verified, StoreError> {
        let mut conn = self.reader().await?;
        // One statement's view of a live run may be older than the next one's: a mismatch is looked at again.
        let mut verified = self.verify_once(&mut conn, run).await?;
        for _ in 0..3 {
            if verified.problem.is_none() {
                break;
            }
            verified = self.verify_once(&mut conn, run).await?;
        }
        Ok(verified)
    }

    async fn verify_once(&self, conn: &mut AnyConnection, run: i64) -> Result<Verified, StoreError> {
        let loaded = self.look(conn, run).await?;
        let entries = entries(conn, run).await?;
        let chain = journal::verify(&entries, loaded.seq, &loaded.head).map_err(|broken| broken.to_string());
        let problem = match chain {
            Err(broken) => Some(broken),
            Ok(()) => replay_problem(&loaded, &entries)?,
        };
        Ok(Verified { run: public_id(run), entries: entries.len(), problem })
    }

    pub(super) async fn look(&self, conn: &mut AnyConnection, run: i64) -> Result<Loaded, StoreError> {
        let mut found = self.load(conn, &[run], Hold::No).await?;
        found.pop().ok_or_else(|| StoreError::NotFound { kind: "run", key: public_id(run) })
    }
}

/// A run's entries, in the archive or not: one statement, because they may move between two.
async fn entries(conn: &mut AnyConnection, run: i64) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query(
        "SELECT run_id, seq, at, step, actor, body, sealed, hash FROM journal WHERE run_id = $1
         UNION ALL SELECT run_id, seq, at, step, actor, body, sealed, hash FROM archived_journal WHERE run_id = $1
         ORDER BY seq",
    )
    .bind(run)
    .fetch_all(conn)
    .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &AnyRow) -> Result<Entry, StoreError> {
    Ok(Entry {
        run: row.try_get("run_id")?,
        seq: row.try_get("seq")?,
        at: row.try_get("at")?,
        step: row.try_get("step")?,
        actor: row.try_get("actor")?,
        body: row.try_get("body")?,
        sealed: row.try_get("sealed")?,
        hash: row.try_get("hash")?,
    })
}

fn words_back(entry: &Entry, key: &Key) -> Result<Value, StoreError> {
    let body: Value = parse("journal entry", &entry.body)?;
    if entry.sealed.is_empty() {
        return Ok(match key {
            Key::Nobody => body,
            Key::Of(_) | Key::Erased => journal::join(body, None),
        });
    }
    let Key::Of(key) = key else { return Ok(journal::join(body, None)) };
    let opened = secret::open(key, &place(entry.run, entry.seq), &entry.sealed)?;
    let words: Vec<Value> =
        serde_json::from_slice(&opened).map_err(|why| StoreError::corrupt("sealed journal entry", why))?;
    Ok(journal::join(body, Some(&words)))
}

/// Replays the entries; says where the result is not what the tables hold.
fn replay_problem(loaded: &Loaded, entries: &[Entry]) -> Result<Option<String>, StoreError> {
    if matches!(loaded.key, Key::Erased) {
        // The words are gone with the key, and states that carry words cannot be compared: the chain itself holds.
        return Ok(None);
    }
    let mut facts = Vec::with_capacity(entries.len());
    for entry in entries {
        for (step, fact) in journal::facts(words_back(entry, &loaded.key)?, entry.step) {
            let fact: Fact = match serde_json::from_value(fact) {
                Ok(fact) => fact,
                Err(why) => return Ok(Some(format!("entry {} cannot be read: {why}", entry.seq))),
            };
            facts.push((entry.seq, step.and_then(|ordinal| usize::try_from(ordinal).ok()), fact));
        }
    }
    let replayed = match journal::replay(facts.iter().map(|(seq, step, fact)| (*seq, *step, fact))) {
        Ok(replayed) => replayed,
        Err(error) => return Ok(Some(error.to_string())),
    };
    if replayed.run != loaded.book.run.state {
        let (journal, table) = (replayed.run.as_str(), loaded.book.run.state.as_str());
        return Ok(Some(format!("the journal leaves the run {journal}, the table says {table}")));
    }
    if let Some(problem) = moved_behind_its_back(loaded, &replayed) {
        return Ok(Some(problem));
    }
    let states: Vec<&StepState> = loaded.book.steps.iter().map(|step| &step.state).collect();
    let differs = replayed.steps.iter().zip(&states).position(|(one, other)| one != *other);
    Ok(match differs {
        _ if replayed.steps.len() != states.len() => Some("the journal and the table differ in their steps".into()),
        Some(index) => Some(format!(
            "the journal leaves {} {}, the table says {}",
            loaded.book.steps[index].label(),
            replayed.steps[index].as_str(),
            states[index].as_str()
        )),
        None => (advance::run_state(&loaded.book) != loaded.book.run.state).then(|| {
            format!(
                "the run is {} while its steps say {}",
                loaded.book.run.state.as_str(),
                advance::run_state(&loaded.book).as_str()
            )
        }),
    })
}

/// Inputs or times that the tables have and the journal does not tell of.
fn moved_behind_its_back(loaded: &Loaded, replayed: &Replayed) -> Option<String> {
    let book = &loaded.book;
    if replayed.inputs != Value::Object(book.run.inputs.clone()) {
        return Some("the run's inputs are not those that its journal tells of".to_owned());
    }
    let moved = |(step, times): &(&Step, &(Option<LocalInstant>, Option<Span>))| {
        (&step.at, &step.delay) != (&times.0, &times.1)
    };
    let (step, _) = book.steps.iter().zip(&replayed.times).find(moved)?;
    Some(format!("the time of {} is not the one that the journal tells of", step.label()))
}
