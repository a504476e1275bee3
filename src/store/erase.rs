//! Erasing a person: what usher knows of them goes, what it did stays provable.
//!
//! The person's data key is destroyed, and with it every word about them in the journal: the entries stay, chained and
//! covered by checkpoints, with `[erased]` where the words were. What stands in the tables in plain is written over. The
//! rows themselves stay, because others refer to them, under a number that says nothing.

use std::sync::{Arc, PoisonError};

use sqlx::Row;

use super::books::{Hold, STEPS_PER_RUN, json};
use super::sql::{Text, keys};
use super::{Dialect, Store, StoreError, Tx};
use crate::run::book::public_id;
use crate::run::journal::{ERASED, Fact};

/// What was erased.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// What the person's row is called from now on, in the place of the employee number.
    pub number: String,
    /// Runs whose words are gone.
    pub runs: usize,
    /// Accounts (all purged) whose names are gone.
    pub accounts: u64,
    /// Addresses of theirs that nobody else gets for a time; whose they were is not kept.
    pub reserved: i64,
}

/// What is written over or taken out, each with the person's key in `$1`. What runs and accounts are called by
/// themselves stays.
const OVER: [&str; 11] = [
    "DELETE FROM waits WHERE cause LIKE 'event:%' AND about IN (SELECT id FROM hr_events WHERE person_id = $1)",
    "UPDATE people SET manager_number = NULL
     WHERE manager_number = (SELECT p.employee_number FROM people p WHERE p.id = $1)",
    "UPDATE people SET employee_number = 'erased-' || CAST(id AS TEXT), given_name = '', family_name = '',
            display_name = '[erased]', email = NULL, private_email = NULL, manager_number = NULL, department = NULL,
            role = NULL, timezone = NULL, language = NULL, start_date = NULL, last_day = NULL, leave_from = NULL,
            leave_until = NULL, leave_reason = NULL, status = 'left', data_key = '' WHERE id = $1",
    "UPDATE accounts SET external_id = 'erased-' || CAST(id AS TEXT), login = '[erased]', attributes = '{}',
            last_sign_in = NULL, match_note = NULL, bound_by = NULL WHERE person_id = $1",
    "UPDATE runs SET inputs = '{}', trigger_key = NULL WHERE person_id = $1",
    "UPDATE hr_events SET event_key = 'erased-' || CAST(id AS TEXT), effective = NULL, facts = '{}', note = NULL,
            proposes = '[]', reason = NULL WHERE person_id = $1",
    "DELETE FROM sealed_secrets WHERE person_id = $1",
    "DELETE FROM mails WHERE run_id IN (SELECT id FROM runs WHERE person_id = $1)",
    "DELETE FROM chosen_names WHERE run_id IN (SELECT id FROM runs WHERE person_id = $1)",
    "UPDATE former_names SET person_id = NULL, why = '[erased]' WHERE person_id = $1",
    "UPDATE holds SET reason = '[erased]', end_reason = '[erased]' WHERE person_id = $1",
];

const LIVE: &str = "SELECT id FROM runs WHERE ended_at IS NULL AND (person_id = $1
    OR account_id IN (SELECT id FROM accounts WHERE person_id = $1)) ORDER BY id";
const HOLDS: &str = "SELECT COUNT(*) FROM holds WHERE person_id = $1 AND ended_at IS NULL";
const ACCOUNTS: &str = "SELECT system, external_id, status FROM accounts WHERE person_id = $1 AND status <> 'purged'
    ORDER BY system, external_id";
const EVENTS: &str = "SELECT COUNT(*) FROM hr_events WHERE person_id = $1 AND state IN ('accepted', 'parked')";

const CREDENTIALS: Text = keys!("DELETE FROM credentials WHERE step_id / 1024", "");
const STEP_WAITS: Text =
    keys!("DELETE FROM waits WHERE (cause LIKE 'step:%' OR cause LIKE 'cut:%') AND about / 1024", "");

const PERSON: Text = Text {
    sqlite: "SELECT display_name, status, erased_at, last_day FROM people WHERE id = $1",
    postgres: "SELECT display_name, status, erased_at, last_day FROM people WHERE id = $1 FOR UPDATE",
};

impl Store {
    /// Erases a person who has left and has nothing open; `typed` must be their name.
    ///
    /// # Errors
    /// When something still needs them, in words; when the database cannot be written.
    pub async fn erase(&self, person: i64, typed: &str, reason: &str, by: &str) -> Result<Erased, StoreError> {
        let mut tx = self.begin().await?;
        self.may_be_erased(&mut tx, person, typed).await?;
        let runs: Vec<i64> = sqlx::query_scalar("SELECT id FROM runs WHERE person_id = $1 ORDER BY id")
            .bind(person)
            .fetch_all(tx.conn())
            .await?;
        let accounts: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM accounts WHERE person_id = $1")
            .bind(person)
            .fetch_one(tx.conn())
            .await?;
        let now = tx.now.as_millisecond();
        // What is not reserved any more need not be kept at all.
        sqlx::query("DELETE FROM former_names WHERE person_id = $1 AND until <= $2")
            .bind(person)
            .bind(now)
            .execute(tx.conn())
            .await?;
        let reserved: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM former_names WHERE person_id = $1")
            .bind(person)
            .fetch_one(tx.conn())
            .await?;
        let list = json(&runs);
        for text in [CREDENTIALS, STEP_WAITS] {
            sqlx::query(text.of(self.dialect())).bind(&list).execute(tx.conn()).await?;
        }
        for text in OVER {
            sqlx::query(text).bind(person).execute(tx.conn()).await?;
        }
        sqlx::query(
            "UPDATE people SET erased_at = $2, erased_by = $3, erased_reason = $4, updated_at = $2 WHERE id = $1",
        )
        .bind(person)
        .bind(now)
        .bind(by)
        .bind(reason)
        .execute(tx.conn())
        .await?;
        self.wordless(&mut tx, &runs, by).await?;
        self.commit(tx).await?;
        self.inner.data_keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&person);
        self.leave_no_trace().await?;
        Ok(Erased {
            number: format!("erased-{person}"),
            runs: runs.len(),
            accounts: u64::try_from(accounts).unwrap_or_default(),
            reserved,
        })
    }

    /// Everything that still needs the person is a reason not to.
    async fn may_be_erased(&self, tx: &mut Tx, person: i64, typed: &str) -> Result<(), StoreError> {
        let row = sqlx::query(PERSON.of(self.dialect())).bind(person).fetch_optional(tx.conn()).await?;
        let row = row.ok_or_else(|| StoreError::NotFound { kind: "person", key: person.to_string() })?;
        let (name, status, erased): (String, String, Option<i64>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let refused = |why: String| Err(StoreError::Refused(why));
        if erased.is_some() {
            return refused("this person is erased already".to_owned());
        }
        if name != typed {
            return refused(format!("`{typed}` does not match the name, which is `{name}`"));
        }
        // HR says "leaving" until it says more; the last day tells too.
        let last_day = super::people::date(&row, "last_day")?;
        let gone = last_day.is_some_and(|day| day < tx.now.to_zoned(jiff::tz::TimeZone::UTC).date());
        if status != "left" && !(status == "leaving" && gone) {
            return refused(format!("{name} is {status}: only who has left is erased"));
        }
        match self.still_needed(tx, person).await? {
            Some(why) => refused(format!("{name} {why}")),
            None => Ok(()),
        }
    }

    /// What still needs them, in words.
    async fn still_needed(&self, tx: &mut Tx, person: i64) -> Result<Option<String>, StoreError> {
        let live: Vec<i64> = sqlx::query_scalar(LIVE).bind(person).fetch_all(tx.conn()).await?;
        if !live.is_empty() {
            let live: Vec<String> = live.into_iter().map(public_id).collect();
            return Ok(Some(format!("has work going on: {}; let it end, or cancel it", live.join(", "))));
        }
        let holds: i64 = sqlx::query_scalar(HOLDS).bind(person).fetch_one(tx.conn()).await?;
        if holds > 0 {
            return Ok(Some("is under a legal hold: what is known of them must be kept".to_owned()));
        }
        let mut accounts = Vec::new();
        for row in sqlx::query(ACCOUNTS).bind(person).fetch_all(tx.conn()).await? {
            let (system, id, status): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            accounts.push(format!("{system}:{id} ({status})"));
        }
        if !accounts.is_empty() {
            return Ok(Some(format!(
                "still has accounts: {}; purge them first, or unbind what is not theirs",
                accounts.join(", ")
            )));
        }
        let events: i64 = sqlx::query_scalar(EVENTS).bind(person).fetch_one(tx.conn()).await?;
        Ok((events > 0).then(|| format!("has {events} of HR's events that are not dealt with: `usher events list`")))
    }

    /// The steps of ended runs without words, and an entry in each journal that says what happened to them.
    async fn wordless(&self, tx: &mut Tx, runs: &[i64], by: &str) -> Result<(), StoreError> {
        let by: Arc<str> = Arc::from(by);
        for some in runs.chunks(64) {
            // Read within this transaction: their key is gone already.
            let mut books = self.load(tx.conn(), some, Hold::Wait).await?;
            for loaded in &mut books {
                let book = &mut loaded.book;
                for step in &mut book.steps {
                    step.state = step.state.without_words();
                }
                book.dirty = book.steps.iter().map(|step| step.ordinal).collect();
                let fact = Fact::Ordered { order: "person erased".to_owned(), reason: ERASED.to_owned() };
                book.say(None, fact, &by, tx.now);
            }
            self.flush(tx, &mut books, None).await?;
        }
        Ok(())
    }

    /// What was deleted is overwritten in a SQLite file (`secure_delete`); its log is folded in, so that nothing stands
    /// there either. PostgreSQL's old versions of rows go with the next VACUUM.
    async fn leave_no_trace(&self) -> Result<(), StoreError> {
        let text = match self.dialect() {
            Dialect::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)",
            Dialect::Postgres => return Ok(()),
        };
        let mut conn = self.inner.writer.acquire().await?;
        sqlx::query(text).execute(&mut *conn).await?;
        Ok(())
    }
}

const _: () = assert!(STEPS_PER_RUN == 1024, "the statements above divide by it");
