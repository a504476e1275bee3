//! A database that does not answer: how long it is waited for, and what is known afterwards (guarantees 13 and 15).
//!
//! A connection whose other end is gone without a word looks like one to a server that thinks. The kernel finds out
//! after a quarter of an hour. So whoever must not stand still gives up sooner, and goes on with another connection.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Dialect, Store, StoreError};

/// How long a piece of the daemon's work may take before the database counts as silent.
const SILENCE: Duration = Duration::from_secs(8);

/// Doublings of [`SILENCE`] at most: two minutes.
const MOST: u32 = 4;

/// How long one kind of work waits for the database. Work that is merely slow gets twice the time with each try.
#[derive(Debug, Default)]
pub struct Patience {
    silences: AtomicU32,
}

impl Patience {
    fn limit(&self) -> Duration {
        SILENCE.saturating_mul(1 << self.silences.load(Ordering::Relaxed).min(MOST))
    }
}

impl Store {
    /// `work`, unless the database keeps silent. What it had written until then is taken back by the database; whether
    /// a commit that was under way took place, nobody knows.
    ///
    /// # Errors
    /// Those of `work`, or [`StoreError::Unanswered`].
    pub async fn unless_silent<T, E: From<StoreError>>(
        &self,
        patience: &Patience,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.dialect() == Dialect::Sqlite {
            return work.await;
        }
        let limit = patience.limit();
        let Ok(outcome) = tokio::time::timeout(limit, work).await else {
            patience.silences.fetch_add(1, Ordering::Relaxed);
            let error = StoreError::Unanswered { reason: format!("no answer within {} s", limit.as_secs()) };
            self.note(Some(&error));
            return Err(error.into());
        };
        if outcome.is_ok() {
            patience.silences.store(0, Ordering::Relaxed);
        }
        outcome
    }
}

/// What a failed COMMIT means. A database that says no has kept nothing. One that says nothing may have kept all of it;
/// so may one that is told to stop while it waits for its standby (class 57P of PostgreSQL's codes).
pub(super) fn of_commit(error: sqlx::Error) -> StoreError {
    let reason = match &error {
        sqlx::Error::Database(said) if !said.code().is_some_and(|code| code.starts_with("57P")) => {
            return StoreError::Database(error);
        }
        other => super::plain(other),
    };
    StoreError::Unanswered { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_slow_gets_more_time_with_each_try() {
        let patience = Patience::default();
        let limits: Vec<u64> = (0..7)
            .map(|_| {
                let limit = patience.limit().as_secs();
                patience.silences.fetch_add(1, Ordering::Relaxed);
                limit
            })
            .collect();
        assert_eq!(limits, [8, 16, 32, 64, 128, 128, 128]);
    }

    #[test]
    fn a_commit_without_an_answer_is_neither_kept_nor_taken_back() {
        let cut = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(of_commit(cut), StoreError::Unanswered { .. }));
        assert!(of_commit(sqlx::Error::WorkerCrashed).is_outage());
    }
}
