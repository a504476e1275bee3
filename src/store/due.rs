//! What is due next, and whether anything is: the questions of whoever waits.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::limits::waits_for_batch;
use super::pace::waits_for_room;
use super::{Store, StoreError};
use crate::clock;

/// The first due step of each lane. What waits for others of its batch, or for room on its system, is looked at when they
/// should be over.
macro_rules! first_due {
    ($waits:expr, $until:literal) => {
        concat!(
            "SELECT MIN(due_at) FROM (
            SELECT (SELECT s.due_at FROM steps s WHERE s.lane = 0 AND s.due_at IS NOT NULL AND NOT ",
            $waits,
            " ORDER BY s.due_at LIMIT 1) AS due_at
            UNION ALL SELECT (SELECT s.due_at FROM steps s WHERE s.lane = 1 AND s.due_at IS NOT NULL AND NOT ",
            $waits,
            " ORDER BY s.due_at LIMIT 1)
            UNION ALL SELECT (SELECT MIN(canary_until) FROM systems WHERE canary_until > $1)",
            $until,
            ") AS firsts"
        )
    };
}

const FIRST_DUE: &str = first_due!(waits_for_batch!("$1"), "");

/// The same where the pace of systems is limited.
const FIRST_DUE_PACED: &str = first_due!(
    waits_for_room!("$1"),
    " UNION ALL SELECT (SELECT MIN(paced_until) FROM systems WHERE paced_until > $1)"
);

/// Whether anything is under way, due, or to be sent.
macro_rules! work {
    ($waits:expr) => {
        concat!(
            "SELECT (SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL)
                  + (SELECT COUNT(*) FROM steps s WHERE s.due_at IS NOT NULL AND s.due_at <= $1 AND NOT ",
            $waits,
            ") + (SELECT COUNT(*) FROM mails WHERE due_at IS NOT NULL AND due_at <= $1)",
        )
    };
}

const WORK: &str = work!(waits_for_batch!("$1"));

const WORK_PACED: &str = work!(waits_for_room!("$1"));

impl Store {
    /// When the next step is due, by the store's clock.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        self.first_due(&mut conn, now).await
    }

    /// Whether nothing is due and nothing under way, steps and mails: one look, because between two of them an outcome
    /// may make the next step due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn at_rest(&self) -> Result<bool, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0.as_millisecond();
        let text = if self.rules().paces.is_empty() { WORK } else { WORK_PACED };
        let busy: i64 = sqlx::query_scalar(text).bind(now).fetch_one(&mut *conn).await?;
        Ok(busy == 0)
    }

    /// How long until the next step is due: zero when one is due now, `None` when none has a time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn until_due(&self) -> Result<Option<Duration>, StoreError> {
        let mut conn = self.reader_of_turns().await?;
        let now = self.times(&mut conn).await?.0;
        let due = self.first_due(&mut conn, now).await?;
        let left = |due: Timestamp| due.as_millisecond().saturating_sub(now.as_millisecond()).max(0);
        Ok(due.map(|due| Duration::from_millis(left(due).unsigned_abs())))
    }

    async fn first_due(&self, conn: &mut AnyConnection, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let text = if self.rules().paces.is_empty() { FIRST_DUE } else { FIRST_DUE_PACED };
        let due: Option<i64> = sqlx::query_scalar(text).bind(now.as_millisecond()).fetch_one(conn).await?;
        Ok(due.map(clock::from_millis))
    }
}
