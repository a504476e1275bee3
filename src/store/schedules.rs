//! Durable schedules: which tick of a scheduled workflow was dealt with last.

use jiff::Timestamp;

use super::{Store, StoreError};
use crate::clock::from_millis;

impl Store {
    /// The last tick dealt with; at the first sight of a schedule, now.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn last_tick(&self, workflow: &str) -> Result<Timestamp, StoreError> {
        let mut conn = self.reader().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT last_tick FROM schedules WHERE workflow = $1")
            .bind(workflow)
            .fetch_optional(&mut *conn)
            .await?;
        drop(conn);
        if let Some(known) = known {
            return Ok(from_millis(known));
        }
        let mut tx = self.begin().await?;
        let now = tx.now;
        sqlx::query("INSERT INTO schedules (workflow, last_tick) VALUES ($1, $2) ON CONFLICT (workflow) DO NOTHING")
            .bind(workflow)
            .bind(now.as_millisecond())
            .execute(tx.conn())
            .await?;
        self.commit(tx).await?;
        Ok(now)
    }

    /// Moves a schedule on from `from` to `to`; false when another daemon did so first.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn tick(&self, workflow: &str, from: Timestamp, to: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let moved = sqlx::query("UPDATE schedules SET last_tick = $1 WHERE workflow = $2 AND last_tick = $3")
            .bind(to.as_millisecond())
            .bind(workflow)
            .bind(from.as_millisecond())
            .execute(tx.conn())
            .await?;
        self.commit(tx).await?;
        Ok(moved.rows_affected() == 1)
    }
}
