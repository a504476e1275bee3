//! Approvals that nobody has answered in time: the workflow says what becomes of them.

use super::books::Hold;
use super::turn::usher;
use super::{Store, StoreError};
use crate::run::advance::advance;
use crate::run::trip::TripKind;
use crate::run::{RunState, answers};

/// Approvals that may have been asked for too long ago. One that an older version asked for has no time, or that of an
/// earlier answer. (The first condition is that of the index.)
pub(super) const UNANSWERED: &str = "SELECT DISTINCT s.run_id FROM steps s JOIN runs r ON r.id = s.run_id
     WHERE s.state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person') AND s.state = 'awaiting_approval'
       AND (s.lapses_at IS NULL OR s.lapses_at <= $1) AND r.ended_at IS NULL AND r.state <> 'paused'
     ORDER BY s.run_id LIMIT 200";

impl Store {
    /// Follows the workflows for approvals that nobody has answered in time; answers how many there were. A paused run
    /// waits for whoever has paused it; and while nobody knows whether the clock or the database can be believed, nothing
    /// counts as too late.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn lapse_unanswered(&self) -> Result<usize, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        let runs = sqlx::query_scalar::<_, i64>(UNANSWERED).bind(now.as_millisecond()).fetch_all(&mut *conn).await?;
        drop(conn);
        if runs.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin_watched().await?;
        let in_doubt = |kind| matches!(kind, TripKind::Clock | TripKind::Restore);
        if self.trips_open(tx.conn()).await?.iter().any(|row| in_doubt(row.trip.kind)) {
            return Ok(0);
        }
        let runs: Vec<i64> = sqlx::query_scalar(UNANSWERED).bind(tx.now.as_millisecond()).fetch_all(tx.conn()).await?;
        let mut books = self.load(tx.conn(), &runs, Hold::WaitReadable).await?;
        let mut lapsed = 0;
        for loaded in &mut books {
            // Somebody may have paused it, or answered, while its lock was waited for.
            if loaded.book.run.state.is_over() || loaded.book.run.state == RunState::Paused {
                continue;
            }
            lapsed += answers::lapse(&mut loaded.book, &usher(), tx.now)?;
            let holidays = self.holidays_of(&loaded.book);
            advance(&mut loaded.book, holidays, &usher(), tx.now)?;
        }
        self.flush(&mut tx, &mut books, None).await?;
        self.commit(tx).await?;
        Ok(lapsed)
    }
}
