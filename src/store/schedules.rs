//! Durable schedules: which tick of a scheduled workflow was dealt with last, and who has paused it.

use jiff::Timestamp;
use sqlx::Row;

use super::{Store, StoreError};
use crate::clock::from_millis;

/// What the record knows of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Up to here ticks have been dealt with; at first, when the schedule was seen for the first time.
    pub last_tick: Timestamp,
    /// The last tick that was fired.
    pub fired: Option<Timestamp>,
    /// The pause that is on.
    pub paused: Option<SchedulePause>,
}

/// Why a schedule does not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulePause {
    /// Who paused it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

impl Store {
    /// A schedule; at its first sight it is noted, with everything up to now dealt with.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn schedule(&self, workflow: &str) -> Result<ScheduleRow, StoreError> {
        if let Some(known) = self.known_schedule(workflow).await? {
            return Ok(known);
        }
        let mut tx = self.begin().await?;
        let now = tx.now;
        sqlx::query("INSERT INTO schedules (workflow, last_tick) VALUES ($1, $2) ON CONFLICT (workflow) DO NOTHING")
            .bind(workflow)
            .bind(now.as_millisecond())
            .execute(tx.conn())
            .await?;
        self.commit(tx).await?;
        // Another daemon may have been first: what is written counts.
        let known = self.known_schedule(workflow).await?;
        Ok(known.unwrap_or(ScheduleRow { last_tick: now, fired: None, paused: None }))
    }

    /// A schedule as the record knows it; `None` where no daemon has looked at it yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn known_schedule(&self, workflow: &str) -> Result<Option<ScheduleRow>, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query(
            "SELECT last_tick, fired_at, paused_at, paused_by, paused_reason FROM schedules WHERE workflow = $1",
        )
        .bind(workflow)
        .fetch_optional(&mut *conn)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let paused_at: Option<i64> = row.try_get("paused_at")?;
        let paused = match paused_at {
            Some(at) => Some(SchedulePause {
                by: row.try_get("paused_by")?,
                reason: row.try_get("paused_reason")?,
                at: from_millis(at),
            }),
            None => None,
        };
        let fired: Option<i64> = row.try_get("fired_at")?;
        Ok(Some(ScheduleRow {
            last_tick: from_millis(row.try_get("last_tick")?),
            fired: fired.map(from_millis),
            paused,
        }))
    }

    /// Moves a schedule on from `from` to `to`, of which `fired` was the last tick that started something (or would
    /// have); false when another daemon did so first, or somebody has paused it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn tick(
        &self,
        workflow: &str,
        from: Timestamp,
        to: Timestamp,
        fired: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let moved = sqlx::query(
            "UPDATE schedules SET last_tick = $1, fired_at = COALESCE(CAST($2 AS BIGINT), fired_at)
             WHERE workflow = $3 AND last_tick = $4",
        )
        .bind(to.as_millisecond())
        .bind(fired.map(Timestamp::as_millisecond))
        .bind(workflow)
        .bind(from.as_millisecond())
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Notes that somebody had a schedule fire at `at`, outside of its ticks.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn fired_by_hand(&self, workflow: &str, at: Timestamp) -> Result<(), StoreError> {
        self.schedule(workflow).await?;
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE schedules SET fired_at = $1 WHERE workflow = $2")
            .bind(at.as_millisecond())
            .bind(workflow)
            .execute(tx.conn())
            .await?;
        self.commit(tx).await
    }

    /// Pauses a schedule: from the moment this returns none of its ticks starts anything, on any daemon, after any
    /// restart. False when it is paused already.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn pause_schedule(&self, workflow: &str, by: &str, reason: &str) -> Result<bool, StoreError> {
        self.schedule(workflow).await?;
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let paused = sqlx::query(
            "UPDATE schedules SET paused_at = $1, paused_by = $2, paused_reason = $3
             WHERE workflow = $4 AND paused_at IS NULL",
        )
        .bind(now)
        .bind(by)
        .bind(reason)
        .bind(workflow)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(paused.rows_affected() == 1)
    }

    /// Lets a paused schedule go on from now: what it has not fired meanwhile is not made up for. False when it is not
    /// paused.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn resume_schedule(&self, workflow: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let resumed = sqlx::query(
            "UPDATE schedules SET paused_at = NULL, paused_by = NULL, paused_reason = NULL,
                    last_tick = CASE WHEN last_tick < $1 THEN $1 ELSE last_tick END
             WHERE workflow = $2 AND paused_at IS NOT NULL",
        )
        .bind(now)
        .bind(workflow)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(resumed.rows_affected() == 1)
    }

    /// The runs of `workflow` that `trigger` has started: how many, and the key of the first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn started_by(&self, workflow: &str, trigger: &str) -> Result<(i64, Option<i64>), StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query("SELECT COUNT(*), MIN(id) FROM runs WHERE workflow = $1 AND started_by = $2")
            .bind(workflow)
            .bind(trigger)
            .fetch_one(&mut *conn)
            .await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}
