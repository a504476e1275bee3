//! One short question in place of many: what others may have left to this daemon, and how far the database has come.
//!
//! While nothing happens it is nearly all that a daemon asks (see [`crate::queue`]). What it answers is only a hint to look
//! properly.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use sqlx::Row;

use super::sql::Text;
use super::{Store, StoreError, instant};

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Attempts are under way, of whatever daemon.
    pub leases: bool,
    /// The lease of one of them has ended.
    pub lapsed: bool,
}

/// How far the database had come, and when that was seen.
pub(super) type Seen = (Instant, i64);

/// The first lease that ends, and the first step that is due: each is the first row of its index.
const GLANCE: Text = instant!(
    ", (SELECT MIN(lease_until) FROM steps WHERE lease_until IS NOT NULL) AS lease_until,
       (SELECT MIN(due_at) FROM steps WHERE lane = 0 AND due_at IS NOT NULL) AS urgent_at,
       (SELECT MIN(due_at) FROM steps WHERE lane = 1 AND due_at IS NOT NULL) AS due_at"
);

impl Store {
    /// Looks once; wakes the claimer where something is due, which it may not have been told of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn glance(&self) -> Result<Glance, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query(GLANCE.of(self.clock_of())).fetch_one(&mut *conn).await?;
        drop(conn);
        let (now, real, tide) = self.told(&row)?;
        *self.inner.glanced.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), tide));
        let first = |column: &str| row.try_get::<Option<i64>, _>(column);
        if [first("urgent_at")?, first("due_at")?].into_iter().flatten().any(|due| due <= now.as_millisecond()) {
            self.inner.wake.notify_one();
        }
        let lease = first("lease_until")?;
        Ok(Glance { leases: lease.is_some(), lapsed: lease.is_some_and(|until| until < real.as_millisecond()) })
    }

    /// How far the database had come when this process last looked, where that was less than `age` ago.
    pub(super) fn glanced_tide(&self, age: Duration) -> Option<i64> {
        let seen = *self.inner.glanced.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| at.elapsed() < age).map(|(_, tide)| tide)
    }
}
