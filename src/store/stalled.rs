//! What a person orders does not wait for a process that stands still in the middle of a transaction (guarantee 8).
//!
//! Such a process (stopped, swapped out, cut off from the network) keeps what it has locked until PostgreSQL ends its
//! transaction, after five seconds of silence (see `greet` in `connect.rs`). Whoever waits for a freeze, a pause or a
//! hold does not wait that long: what stands in its way and has said nothing for a while is ended at once. Nothing is
//! lost by that. What a transaction has not committed has not happened, no request has left for a system, and when the
//! process wakes up it begins anew.

use std::future::Future;
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe};

use super::{Dialect, Store, StoreError, Tx};
use crate::clock;

/// So long a transaction may say nothing while a person's order waits for it.
const SILENT_MS: u64 = 700;

/// How often it is looked whether somebody stands in the way.
const LOOK: Duration = Duration::from_millis(100);

/// The connections of usher are known by it.
pub(super) const NAME: &str = "usher";

impl Store {
    /// Who a transaction is to the server, for [`unhindered`](Self::unhindered). `None` on SQLite: a file has one writer
    /// at a time, on one machine, and whoever dies lets it go.
    pub(super) async fn session(&self, tx: &mut Tx) -> Result<Option<i64>, StoreError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        Ok(Some(sqlx::query_scalar("SELECT CAST(pg_backend_pid() AS BIGINT)").fetch_one(tx.conn()).await?))
    }

    /// `work` of a [`session`](Self::session), which waits for locks. Sessions of usher that keep it waiting, near or far,
    /// and stand still in a transaction, are ended.
    pub(super) async fn unhindered<T>(
        &self,
        session: Option<i64>,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Some(session) = session else { return work.await };
        tokio::select! {
            biased;
            outcome = work => outcome,
            never = self.clear_the_way(session) => match never {},
        }
    }

    async fn clear_the_way(&self, session: i64) -> std::convert::Infallible {
        loop {
            clock::pause(LOOK).await;
            let ended = async {
                let mut conn = self.reader().await?;
                end_stalled(&mut conn, session).await
            };
            match ended.await {
                Ok(0) => {}
                Ok(ended) => tracing::warn!(
                    ended,
                    "a process that stood still in a transaction was in the way: the database has ended its session"
                ),
                // PostgreSQL ends it by itself in a few seconds.
                Err(error) => tracing::debug!(%error, "who stands in the way cannot be ended"),
            }
        }
    }
}

/// Ends what a session waits for, and what that waits for in turn, as far as it is usher's and silent in a transaction.
async fn end_stalled(conn: &mut AnyConnection, session: i64) -> Result<i64, StoreError> {
    let text = format!(
        "WITH RECURSIVE way(pid) AS (
             SELECT unnest(pg_blocking_pids(CAST($1 AS INTEGER)))
             UNION SELECT unnest(pg_blocking_pids(way.pid)) FROM way)
         SELECT CAST(COUNT(*) FILTER (WHERE pg_terminate_backend(a.pid)) AS BIGINT)
         FROM way JOIN pg_stat_activity a ON a.pid = way.pid
         WHERE a.application_name = '{NAME}' AND a.state LIKE 'idle in transaction%'
           AND a.state_change < clock_timestamp() - INTERVAL '{SILENT_MS} milliseconds'"
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(text)).bind(session).fetch_one(conn).await?)
}
