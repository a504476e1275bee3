//! How many accounts each system has, and which systems are to be read again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Store, StoreError};
use crate::clock::minus;
use crate::run::HoldReason;
use crate::run::guard::POPULATION;
use crate::run::limits::Tally;

/// A daemon that reads a system says so; others leave it alone for so long.
const READING: Duration = Duration::from_secs(900);

impl Store {
    /// A system was read completely and has so many accounts. What waited for that goes on: each step is judged again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_population(&self, system: &str, accounts: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        sqlx::query(
            "INSERT INTO systems (name, population, read_at) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET population = excluded.population, read_at = excluded.read_at,
                    reading_since = NULL",
        )
        .bind(system)
        .bind(accounts)
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        let waited = |step: &crate::run::book::Step, reason: &HoldReason| {
            step.system.as_deref() == Some(system)
                && matches!(reason, HoldReason::Guard { name, .. } if name == POPULATION)
        };
        self.let_go("guard", "usher", None, waited).await?;
        Ok(())
    }

    /// Takes it upon this daemon to read a system whose last complete reading is older than `age` (or that was never
    /// read), unless another one does just now.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take_reading(&self, system: &str, age: Duration) -> Result<bool, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        let (stale, left) = (minus(now, age).as_millisecond(), minus(now, READING).as_millisecond());
        let fresh: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM systems WHERE name = $1 AND (COALESCE(read_at, 0) > $2 OR COALESCE(reading_since, 0) > $3)",
        )
        .bind(system)
        .bind(stale)
        .bind(left)
        .fetch_one(&mut *conn)
        .await?;
        drop(conn);
        if fresh > 0 {
            return Ok(false);
        }
        let mut tx = self.begin().await?;
        let taken = sqlx::query(
            "INSERT INTO systems (name, reading_since) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET reading_since = excluded.reading_since
             WHERE COALESCE(systems.reading_since, 0) <= $3 AND COALESCE(systems.read_at, 0) <= $4",
        )
        .bind(system)
        .bind(now.as_millisecond())
        .bind(left)
        .bind(stale)
        .execute(tx.conn())
        .await?
        .rows_affected();
        self.commit(tx).await?;
        Ok(taken > 0)
    }

    /// What has started on these systems lately, to look at.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn lately(&self, systems: &BTreeSet<String>) -> Result<BTreeMap<String, Tally>, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        self.tallies_on(&mut conn, systems, now, &[]).await
    }
}
