//! Legal holds: nothing of a person's is destroyed while one is on. Claims read them in their own transaction; a row
//! stays for ever, with who released it and why.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::{Hold, json};
use super::sql::{Text, keys};
use super::{Store, StoreError, Tx};
use crate::clock::from_millis;
use crate::run::{HoldReason, Person, StepState};

/// A legal hold, on or over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRow {
    /// Its key; shown as `hold_ID`.
    pub id: i64,
    /// The person's employee number.
    pub employee_number: String,
    /// What the person is called.
    pub display_name: String,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub set_by: String,
    /// When, by the store's clock.
    pub set_at: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<HoldEnd>,
}

/// How a legal hold ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HoldEnd {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Who released it; `usher` where its time was over.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl HoldRow {
    /// `hold_7`.
    pub fn public_id(&self) -> String {
        format!("hold_{}", self.id)
    }

    /// Whether it stops anything at an instant.
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.until.is_none_or(|until| until > now)
    }

    /// What it says of a step that it stops.
    pub fn words(&self) -> String {
        let until = self.until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{} on {}{until}, set by {}: {}", self.public_id(), self.employee_number, self.set_by, self.reason)
    }
}

/// Which holds are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// This one.
    One(i64),
    /// All that are on a person.
    AllOf(i64),
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT h.id, h.person_id, p.employee_number, p.display_name, h.reason, h.set_by, h.set_at, h.until_at,
                    h.ended_at, h.ended_by, h.end_reason
             FROM holds h JOIN people p ON p.id = h.person_id ",
            $rest
        )
    };
}

const ON: Text = keys!(select!("WHERE h.ended_at IS NULL AND h.person_id"), "ORDER BY h.id");

/// Steps that wait for a hold that is over: whoever released it was stopped before they were let go. The list of states is the
/// index's.
pub(super) const FREE: &str = "SELECT COUNT(*) FROM steps s JOIN runs r ON r.id = s.run_id
     WHERE s.state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person') AND s.state = 'held'
       AND s.data LIKE '%\"guard\":\"legal_hold\"%' AND r.ended_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.ended_at IS NULL AND h.person_id = r.person_id)";

impl Store {
    /// Puts a hold on a person: no destructive step of theirs starts from the moment this returns.
    ///
    /// # Errors
    /// When its end has passed, or the database cannot be written.
    pub async fn add_hold(
        &self,
        person: &Person,
        reason: &str,
        until: Option<Timestamp>,
        by: &str,
    ) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        if let Some(until) = until.filter(|until| *until <= tx.now) {
            return Err(StoreError::Refused(format!("a hold until {until} would be over already")));
        }
        self.bar_claims(&mut tx).await?;
        let id = self.take_keys(&mut tx, "hold", 1).await?;
        let now = tx.now.as_millisecond();
        sqlx::query(
            "INSERT INTO holds (id, person_id, reason, set_by, set_at, until_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(person.id)
        .bind(reason)
        .bind(by)
        .bind(now)
        .bind(until.map(|until| until.as_millisecond()))
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(id)
    }

    /// Releases holds; what they held is judged again. Answers how many holds and how many steps.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_holds(&self, which: Release, reason: &str, by: &str) -> Result<(usize, usize), StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let (column, key) = match which {
            Release::One(id) => (
                "UPDATE holds SET ended_at = $1, ended_by = $2, end_reason = $3 WHERE ended_at IS NULL AND id = $4",
                id,
            ),
            Release::AllOf(person) => (
                "UPDATE holds SET ended_at = $1, ended_by = $2, end_reason = $3
                 WHERE ended_at IS NULL AND person_id = $4",
                person,
            ),
        };
        let query = sqlx::query(column).bind(now).bind(by).bind(reason).bind(key);
        let released = query.execute(tx.conn()).await?.rows_affected();
        self.commit(tx).await?;
        let steps = if released == 0 { 0 } else { self.judge_held_again().await? };
        Ok((usize::try_from(released).unwrap_or(usize::MAX), steps))
    }

    /// Writes down the end of holds whose time is over by the store's clock, and lets what no hold stops any more be
    /// judged again. Nothing is written where there is none. Answers how many holds ended.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn end_holds(&self) -> Result<usize, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0.as_millisecond();
        let over: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM holds WHERE ended_at IS NULL AND until_at <= $1")
            .bind(now)
            .fetch_one(&mut *conn)
            .await?;
        let free: i64 = sqlx::query_scalar(FREE).fetch_one(&mut *conn).await?;
        drop(conn);
        let mut ended = 0;
        if over > 0 {
            let mut tx = self.begin().await?;
            let query = sqlx::query(
                "UPDATE holds SET ended_at = $1, ended_by = 'usher', end_reason = 'its time is over'
                 WHERE ended_at IS NULL AND until_at <= $1",
            );
            ended = query.bind(tx.now.as_millisecond()).execute(tx.conn()).await?.rows_affected();
            self.commit(tx).await?;
        }
        if over + free > 0 {
            self.judge_held_again().await?;
        }
        Ok(usize::try_from(ended).unwrap_or(usize::MAX))
    }

    /// Lets the steps go that a hold had stopped: their next claim judges them.
    async fn judge_held_again(&self) -> Result<usize, StoreError> {
        self.let_go("legal_hold", "usher", None, |_, reason| matches!(reason, HoldReason::LegalHold(_))).await
    }

    /// Holds, newest first: those that are on, or all there ever were; of one person, or of everybody.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn holds(&self, person: Option<i64>, ended_too: bool) -> Result<Vec<HoldRow>, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        let rows = sqlx::query(select!(
            "WHERE (CAST($1 AS BIGINT) IS NULL OR h.person_id = $1) AND ($2 = 1 OR h.ended_at IS NULL) ORDER BY h.id DESC"
        ))
        .bind(person)
        .bind(i64::from(ended_too))
        .fetch_all(&mut *conn)
        .await?;
        let found: Vec<HoldRow> = rows.iter().map(hold).collect::<Result<_, _>>()?;
        Ok(found.into_iter().filter(|hold| ended_too || hold.is_on(now)).collect())
    }

    /// The holds that are on these people now, in words, by person.
    pub(super) async fn holds_on(
        &self,
        tx: &mut Tx,
        people: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, String>, StoreError> {
        let mut on = BTreeMap::new();
        for row in sqlx::query(ON.of(self.dialect())).bind(json(people)).fetch_all(tx.conn()).await? {
            let (person, hold): (i64, HoldRow) = (row.try_get("person_id")?, hold(&row)?);
            if hold.is_on(tx.now) {
                on.entry(person).or_insert_with(|| hold.words());
            }
        }
        Ok(on)
    }

    /// Destructive attempts on a person's accounts that are under way: they may still have their effect.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn in_flight_of(&self, person: i64) -> Result<Vec<String>, StoreError> {
        let mut conn = self.reader().await?;
        let runs: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT s.run_id FROM steps s JOIN runs r ON r.id = s.run_id
             WHERE s.lease_until IS NOT NULL AND r.person_id = $1 ORDER BY s.run_id",
        )
        .bind(person)
        .fetch_all(&mut *conn)
        .await?;
        let mut under_way = Vec::new();
        for book in self.load(&mut conn, &runs, Hold::No).await?.iter().map(|loaded| &loaded.book) {
            let leased = book.steps.iter().filter(|step| matches!(step.state, StepState::Leased { .. }));
            let leased = leased.filter(|step| step.action.is_destructive());
            under_way.extend(leased.map(|step| format!("{} {}", book.run.public_id(), step.label())));
        }
        Ok(under_way)
    }
}

fn hold(row: &AnyRow) -> Result<HoldRow, StoreError> {
    let ended: Option<i64> = row.try_get("ended_at")?;
    let until: Option<i64> = row.try_get("until_at")?;
    let ended = match ended {
        Some(at) => {
            Some(HoldEnd { at: from_millis(at), by: row.try_get("ended_by")?, reason: row.try_get("end_reason")? })
        }
        None => None,
    };
    Ok(HoldRow {
        id: row.try_get("id")?,
        employee_number: row.try_get("employee_number")?,
        display_name: row.try_get("display_name")?,
        reason: row.try_get("reason")?,
        set_by: row.try_get("set_by")?,
        set_at: from_millis(row.try_get("set_at")?),
        until: until.map(from_millis),
        ended,
    })
}

/// The key in `hold_7`. A bare number is an employee number, not a hold.
pub fn parse_hold_id(text: &str) -> Option<i64> {
    text.strip_prefix("hold_")?.parse().ok().filter(|id| *id > 0)
}
