//! Runs whose turn comes next are read while the turn before is being written: with many that begin, half of a turn would
//! pass with reading them.
//!
//! Nothing hangs on it. What is read goes on the [shelf](super::shelf), where nothing is believed without its chain's end.

use super::books::{Hold, parse};
use super::flush::PIECE;
use super::sql::{Text, gathered};
use super::{Store, StoreError};

/// How many turns ahead.
const TURNS: usize = 4;

macro_rules! next_due {
    ($dialect:ident) => {
        concat!(
            "SELECT ",
            gathered!(
                $dialect,
                [run_id, due_at],
                "SELECT run_id, due_at FROM steps WHERE lane = 1 AND due_at <= $1 ORDER BY due_at LIMIT $2"
            )
        )
    };
}

const NEXT_DUE: Text = Text { sqlite: next_due!(sqlite), postgres: next_due!(postgres) };

impl Store {
    /// Reads the runs that come after the next `turn` ones.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read_ahead(&self, turn: usize) -> Result<(), StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        let most = i64::try_from(turn.saturating_mul(TURNS)).unwrap_or(i64::MAX);
        let due: String = sqlx::query_scalar(NEXT_DUE.of(self.dialect()))
            .bind(now.as_millisecond())
            .bind(most)
            .fetch_one(&mut *conn)
            .await?;
        let due: Vec<(i64, i64)> = parse("runs that come next", &due)?;
        let mut runs: Vec<i64> = due.into_iter().skip(turn).map(|(run, _)| run).collect();
        runs.sort_unstable();
        runs.dedup();
        {
            let shelf = self.shelf();
            runs.retain(|run| !shelf.has(*run));
        }
        // A few at a time: a turn that has its answer meanwhile goes first.
        for some in runs.chunks(PIECE) {
            let mut books = Vec::with_capacity(some.len());
            self.read(&mut conn, some, Hold::WaitReadable, &mut books).await?;
            self.shelf().put_by(books);
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
