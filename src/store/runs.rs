//! Runs: accepted once per key, changed under their lock, listed.

use std::sync::Arc;

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::{Hold, Key, Loaded, STEPS_PER_RUN, json};
use super::turn::usher;
use super::{Store, StoreError, Tx};
use crate::run::advance::{advance, begin};
use crate::run::book::{Book, Run, Step, public_id};
use crate::run::journal::{Fact, GENESIS};
use crate::run::{Plan, RunState};
use crate::workflow::{SubjectKind, Workflow};

/// A run to be accepted.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The definition.
    pub workflow: Arc<Workflow>,
    /// What it sets out to do.
    pub plan: Plan,
    /// The person it is about; also an account's person, where known.
    pub person: Option<i64>,
    /// The account it is about, for runs about one account.
    pub account: Option<i64>,
    /// The run whose effects it takes back.
    pub undoes: Option<i64>,
    /// Once per key: a second run with the same key is the first one.
    pub key: Option<String>,
    /// What started it (`cli`, `hr:csv`, `schedule:grace-purge`).
    pub trigger: String,
    /// Who asked for it.
    pub asked_by: String,
}

/// What became of a request to start a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// A new run.
    New(i64),
    /// The run that this key had started before.
    Existing(i64),
}

impl Started {
    /// The run's key.
    pub fn id(self) -> i64 {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// This one only.
    pub id: Option<i64>,
    /// In this state.
    pub state: Option<RunState>,
    /// About this person (employee number).
    pub person: Option<String>,
    /// Of this workflow.
    pub workflow: Option<String>,
    /// At most so many, newest first.
    pub limit: Option<i64>,
}

/// A run in a list.
#[derive(Clone, Debug, Serialize)]
pub struct RunRow {
    /// `run_12`.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// The employee number, `system:account`, or `organisation`.
    pub subject: String,
    /// Where it stands.
    pub state: RunState,
    /// What started it.
    pub trigger: String,
    /// Who asked for it.
    pub asked_by: String,
    /// When it started, epoch milliseconds.
    pub started_at: i64,
    /// When it ended, epoch milliseconds.
    pub ended_at: Option<i64>,
    /// When its next step is due, epoch milliseconds.
    pub next_due: Option<i64>,
    /// When its steps and its journal went into the archive, epoch milliseconds.
    pub archived_at: Option<i64>,
}

impl Store {
    /// Accepts a run. It is durable when this returns.
    ///
    /// # Errors
    /// When the person (or account) has an open run of the same workflow, or the database cannot be written.
    pub async fn start(&self, new: NewRun) -> Result<Started, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(existing) = self.by_key(&mut tx, new.key.as_deref()).await? {
            return Ok(Started::Existing(existing));
        }
        self.refuse_second(&mut tx, &new).await?;
        let result = self.insert(&mut tx, &new).await;
        let id = match result {
            Ok(id) => id,
            Err(StoreError::Database(sqlx::Error::Database(error))) if error.is_unique_violation() => {
                // Another daemon accepted the same key, or the same person, at the same moment.
                drop(tx);
                let mut tx = self.begin().await?;
                if let Some(existing) = self.by_key(&mut tx, new.key.as_deref()).await? {
                    return Ok(Started::Existing(existing));
                }
                self.refuse_second(&mut tx, &new).await?;
                return Err(StoreError::Conflict("the run".into()));
            }
            Err(error) => return Err(error),
        };
        self.commit(tx).await?;
        Ok(Started::New(id))
    }

    async fn by_key(&self, tx: &mut Tx, key: Option<&str>) -> Result<Option<i64>, StoreError> {
        let Some(key) = key else { return Ok(None) };
        Ok(sqlx::query_scalar("SELECT id FROM runs WHERE trigger_key = $1").bind(key).fetch_optional(tx.conn()).await?)
    }

    /// One open run per workflow and subject.
    pub(super) async fn refuse_second(&self, tx: &mut Tx, new: &NewRun) -> Result<(), StoreError> {
        let kind = new.plan.subject.as_str();
        // Each text is answered by the index that keeps the rule.
        let (text, subject) = match new.plan.subject {
            SubjectKind::Person => (
                "SELECT id FROM runs WHERE person_id = $2 AND workflow = $1 AND ended_at IS NULL AND subject = 'person'",
                new.person,
            ),
            SubjectKind::Account => (
                "SELECT id FROM runs WHERE account_id = $2 AND workflow = $1 AND ended_at IS NULL AND subject = 'account'",
                new.account,
            ),
            SubjectKind::Organisation => return Ok(()),
        };
        let open: Option<i64> =
            sqlx::query_scalar(text).bind(&new.plan.workflow).bind(subject).fetch_optional(tx.conn()).await?;
        match open {
            None => Ok(()),
            Some(open) => Err(StoreError::Refused(format!(
                "{} is an open run of {} for the same {kind}; cancel it first, or let it end",
                public_id(open),
                new.plan.workflow
            ))),
        }
    }

    pub(super) async fn insert(&self, tx: &mut Tx, new: &NewRun) -> Result<i64, StoreError> {
        let id = self.take_keys(tx, "run", 1).await?;
        if id > i64::MAX / STEPS_PER_RUN - 1 {
            return Err(StoreError::corrupt("counter", id));
        }
        let version = self.keep_version(tx, &new.workflow).await?;
        let wrapped: Option<String> = match new.person {
            Some(person) => {
                sqlx::query_scalar("SELECT data_key FROM people WHERE id = $1")
                    .bind(person)
                    .fetch_optional(tx.conn())
                    .await?
            }
            None => None,
        };
        let key = self.key_of(new.person, wrapped.as_deref())?;
        let mut loaded = fresh(id, new, key, wrapped);
        let actor: Arc<str> = Arc::from(new.asked_by.as_str());
        loaded.book.say(None, started(new), &actor, new.plan.start);
        sqlx::query(
            "INSERT INTO runs (id, workflow, version_id, subject, person_id, account_id, state, trigger_key, started_by,
                    asked_by, inputs, zone, started_at, lane, seq, head, undoes)
             VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10, $11, $12, $13, 0, $14, $15)",
        )
        .bind(id)
        .bind(&new.plan.workflow)
        .bind(version)
        .bind(new.plan.subject.as_str())
        .bind(new.person)
        .bind(new.account)
        .bind(new.key.clone())
        .bind(&new.trigger)
        .bind(&new.asked_by)
        .bind(json(&new.plan.inputs))
        .bind(&new.plan.zone)
        .bind(new.plan.start.as_millisecond())
        .bind(i64::from(!new.plan.urgent))
        .bind(GENESIS)
        .bind(new.undoes)
        .execute(tx.conn())
        .await?;
        let holidays = self.holidays_of(&loaded.book);
        begin(&mut loaded.book, &new.plan.steps, holidays, &usher(), tx.now)?;
        self.flush(tx, std::slice::from_mut(&mut loaded), None).await?;
        Ok(id)
    }

    /// Changes a run under its lock: `order` works on the book, everything follows, one commit.
    ///
    /// # Errors
    /// When there is no such run, `order` refuses, or the database cannot be written.
    pub async fn order<T>(
        &self,
        run: i64,
        order: impl FnOnce(&mut Book, jiff::Timestamp) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let mut tx = self.begin().await?;
        let mut one = self.take(&mut tx, run).await?;
        let answer = order(&mut one.book, tx.now)?;
        let holidays = self.holidays_of(&one.book);
        advance(&mut one.book, holidays, &usher(), tx.now)?;
        self.flush(&mut tx, std::slice::from_mut(&mut one), None).await?;
        self.commit(tx).await?;
        Ok(answer)
    }

    /// A run under its lock.
    pub(super) async fn take(&self, tx: &mut Tx, run: i64) -> Result<Loaded, StoreError> {
        let session = self.session(tx).await?;
        let mut loaded = self.unhindered(session, self.load(tx.conn(), &[run], Hold::Wait)).await?;
        loaded.pop().ok_or_else(|| StoreError::NotFound { kind: "run", key: public_id(run) })
    }

    /// A run as it stands, to look at.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn book(&self, run: i64) -> Result<Book, StoreError> {
        let mut conn = self.reader().await?;
        Ok(self.look(&mut conn, run).await?.book)
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT r.id, r.workflow, r.state, r.started_by, r.asked_by, r.started_at, r.ended_at, r.archived_at,
                    p.employee_number, a.system, a.external_id,
                    (SELECT MIN(s.due_at) FROM steps s WHERE s.id >= r.id * 1024 AND s.id < r.id * 1024 + 1024) AS next_due
             FROM runs r LEFT JOIN people p ON p.id = r.person_id LEFT JOIN accounts a ON a.id = r.account_id
             WHERE (CAST($1 AS TEXT) IS NULL OR r.state = $1) AND (CAST($2 AS TEXT) IS NULL OR p.employee_number = $2)
               AND (CAST($3 AS TEXT) IS NULL OR r.workflow = $3) AND (CAST($4 AS BIGINT) IS NULL OR r.id = $4)
             ORDER BY r.id DESC LIMIT $5",
        )
        .bind(filter.state.map(|state| state.as_str().to_owned()))
        .bind(filter.person.clone())
        .bind(filter.workflow.clone())
        .bind(filter.id)
        .bind(filter.limit.unwrap_or(1000))
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(row).collect()
    }

    /// The run that was started with this idempotency key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn run_with_key(&self, key: &str) -> Result<Option<i64>, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT id FROM runs WHERE trigger_key = $1")
            .bind(key)
            .fetch_optional(&mut *conn)
            .await?)
    }

    /// The keys of all runs, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn run_ids(&self) -> Result<Vec<i64>, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT id FROM runs ORDER BY id").fetch_all(&mut *conn).await?)
    }

    /// Steps whose time came before `instant` and that nobody has started.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn due_before(&self, instant: jiff::Timestamp) -> Result<i64, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM steps WHERE due_at IS NOT NULL AND due_at < $1")
            .bind(instant.as_millisecond())
            .fetch_one(&mut *conn)
            .await?)
    }

    /// How many runs and steps there are in each state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn census(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT 'run' AS kind, state, COUNT(*) AS count FROM runs GROUP BY state
             UNION ALL SELECT 'step', state, COUNT(*) FROM steps GROUP BY state ORDER BY 1, 2",
        )
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }
}

fn fresh(id: i64, new: &NewRun, key: Key, data_key: Option<String>) -> Loaded {
    let run = Run {
        id,
        name: new.plan.workflow.clone(),
        undoes: new.undoes,
        workflow: Arc::clone(&new.workflow),
        subject: new.plan.subject,
        person: new.person,
        account: new.account,
        state: RunState::Open,
        inputs: new.plan.inputs.clone(),
        zone: new.plan.zone.clone(),
        start: new.plan.start,
        trigger: new.trigger.clone(),
        asked_by: new.asked_by.clone(),
        seq: 0,
        head: GENESIS.to_owned(),
    };
    let steps: Vec<Step> = new.plan.steps.iter().map(Step::new).collect();
    let mut book = Book::new(run, steps);
    book.stored = 0;
    book.dirty = book.steps.iter().map(|step| step.ordinal).collect();
    Loaded { book, key, data_key, seq: 0, head: GENESIS.to_owned(), urgent: new.plan.urgent, archived: false }
}

fn started(new: &NewRun) -> Fact {
    let subject = match new.plan.subject {
        SubjectKind::Person => format!("person:{}", new.person.unwrap_or_default()),
        SubjectKind::Account => format!("account:{}", new.account.unwrap_or_default()),
        SubjectKind::Organisation => "organisation".to_owned(),
    };
    Fact::Started {
        workflow: new.plan.workflow.clone(),
        version: new.workflow.version.clone(),
        subject,
        trigger: new.trigger.clone(),
        start: new.plan.start,
        zone: new.plan.zone.clone(),
        inputs: serde_json::Value::Object(new.plan.inputs.clone()),
        steps: new.plan.steps.clone(),
    }
}

fn row(row: &AnyRow) -> Result<RunRow, StoreError> {
    let state: String = row.try_get("state")?;
    let person: Option<String> = row.try_get("employee_number")?;
    let (system, account): (Option<String>, Option<String>) = (row.try_get("system")?, row.try_get("external_id")?);
    Ok(RunRow {
        id: public_id(row.try_get("id")?),
        workflow: row.try_get("workflow")?,
        subject: match (system, account, person) {
            (Some(system), Some(account), _) => format!("{system}:{account}"),
            (_, _, Some(person)) => person,
            _ => "organisation".to_owned(),
        },
        state: RunState::from_name(&state).ok_or_else(|| StoreError::corrupt("run state", &state))?,
        trigger: row.try_get("started_by")?,
        asked_by: row.try_get("asked_by")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        next_due: row.try_get("next_due")?,
        archived_at: row.try_get("archived_at")?,
    })
}
