//! PostgreSQL keeps the plan of a prepared statement until something tells it that a table is another by now. A plan that
//! was made when a table was nearly empty reads all of it, and goes on doing so among a million rows. Autovacuum tells it
//! about once a minute; what is taken in by the thousand must not wait for that.

use sqlx::Connection;

use super::{Dialect, Store, StoreError};

/// Below this, reading a whole table costs nothing.
const SMALL: i64 = 64;

/// What grows by the thousand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Growing {
    Runs,
    People,
}

impl Growing {
    const fn analyze(self) -> &'static str {
        match self {
            Self::Runs => "ANALYZE runs, steps",
            Self::People => "ANALYZE people",
        }
    }
}

impl Store {
    /// After rows with the numbers from `first` to `last` have been written: each time there are twice as many, statements
    /// are planned anew. That is for speed alone, so that what was written counts though it fails.
    pub(super) async fn has_grown(&self, what: Growing, first: i64, last: i64) {
        if self.dialect() == Dialect::Sqlite || !doubled(first, last) {
            return;
        }
        if let Err(error) = self.analyze(what).await {
            tracing::warn!(%error, "statements cannot be planned anew; they may be slow until autovacuum has been here");
        }
    }

    async fn analyze(&self, what: Growing) -> Result<(), StoreError> {
        let mut conn = self.reader().await?;
        let mut tx = conn.begin().await?;
        // What matters is how many rows there are: a sample of 3,000 tells it as well as one of 30,000, in a tenth of the time.
        sqlx::query("SET LOCAL default_statistics_target = 10").execute(&mut *tx).await?;
        sqlx::query(what.analyze()).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}

/// Whether a power of two is among these numbers.
fn doubled(first: i64, last: i64) -> bool {
    last >= SMALL && (first - 1).max(1).ilog2() < last.ilog2()
}

#[cfg(test)]
mod tests {
    use super::doubled;

    #[test]
    fn each_doubling_is_noticed_once() {
        let noticed: Vec<i64> = (1..=1030).filter(|number| doubled(*number, *number)).collect();
        assert_eq!(noticed, [64, 128, 256, 512, 1024]);
        assert!(doubled(1, 5000) && doubled(1000, 1024) && doubled(65, 128));
        assert!(!doubled(1, 63) && !doubled(65, 127) && !doubled(1025, 2047));
    }
}
