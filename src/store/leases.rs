//! Leases: renewed by their holder, taken up by others once they have lapsed.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::books::{Hold, Loaded, STEPS_PER_RUN, json};
use super::sql::{Text, rows};
use super::turn::usher;
use super::{Store, StoreError};
use crate::clock::plus;
use crate::run::advance::advance;
use crate::run::settle::{self, Outcome};
use crate::run::{StepEvent, StepState};
use crate::workflow::Class;

impl Store {
    /// Renews leases, each by its (step, fence) pair; answers those that still stand.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn renew(&self, held: &[(i64, u16, i64)], lease: Duration) -> Result<Vec<(i64, u16, i64)>, StoreError> {
        #[derive(Serialize)]
        struct Pair {
            id: i64,
            fence: i64,
            lease_until: i64,
        }
        const RENEW: Text = rows!(
            "UPDATE steps SET lease_until = v.lease_until FROM",
            { id BIGINT, fence BIGINT, lease_until BIGINT },
            "WHERE steps.id = v.id AND steps.fence = v.fence AND steps.state = 'leased' RETURNING steps.id"
        );
        let mut tx = self.begin().await?;
        let lease_until = plus(tx.real, lease).as_millisecond();
        let pairs: Vec<Pair> = held
            .iter()
            .map(|(run, ordinal, fence)| Pair {
                id: super::books::step_key(*run, *ordinal),
                fence: *fence,
                lease_until,
            })
            .collect();
        let renewed: Vec<i64> =
            sqlx::query_scalar(RENEW.of(self.dialect())).bind(json(&pairs)).fetch_all(tx.conn()).await?;
        self.commit(tx).await?;
        let stands = |pair: &&(i64, u16, i64)| renewed.contains(&super::books::step_key(pair.0, pair.1));
        Ok(held.iter().filter(stands).copied().collect())
    }

    /// Attempts whose holder is gone become unknown: the next attempt observes first. With `all`, every lease is taken
    /// to be abandoned (a SQLite file whose lock we hold has no other daemon). Answers how many there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn recover(&self, all: bool) -> Result<usize, StoreError> {
        let horizon = if all { i64::MAX } else { self.real_now().await?.as_millisecond() };
        let lapsed = self.lapsed(horizon).await?;
        if lapsed.is_empty() {
            return Ok(0);
        }
        let runs: BTreeSet<i64> = lapsed.iter().map(|key| key / STEPS_PER_RUN).collect();
        let mut tx = self.begin().await?;
        let runs: Vec<i64> = runs.into_iter().collect();
        let mut books = self.load(tx.conn(), &runs, Hold::WaitReadable).await?;
        // Looked at again under the locks: a holder may have renewed or finished in between.
        let still: HashSet<i64> = lapsed_on(tx.conn(), horizon).await?.into_iter().collect();
        let mut count = 0;
        for loaded in &mut books {
            count += abandon(loaded, &still, tx.now)?;
            let holidays = self.holidays_of(&loaded.book);
            advance(&mut loaded.book, holidays, &usher(), tx.now)?;
        }
        self.flush(&mut tx, &mut books, None).await?;
        self.commit(tx).await?;
        Ok(count)
    }

    async fn lapsed(&self, horizon: i64) -> Result<Vec<i64>, StoreError> {
        let mut conn = self.reader().await?;
        lapsed_on(&mut conn, horizon).await
    }

    async fn real_now(&self) -> Result<Timestamp, StoreError> {
        let mut conn = self.reader().await?;
        Ok(self.times(&mut conn).await?.1)
    }
}

async fn lapsed_on(conn: &mut sqlx::AnyConnection, horizon: i64) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM steps WHERE lease_until IS NOT NULL AND lease_until < $1 ORDER BY id LIMIT 5000",
    )
    .bind(horizon)
    .fetch_all(conn)
    .await?)
}

/// A step that ends its process again and again backs off; the first time it is looked at right away.
fn abandon(loaded: &mut Loaded, lapsed: &HashSet<i64>, now: Timestamp) -> Result<usize, StoreError> {
    let book = &mut loaded.book;
    let mut lost = Vec::new();
    for step in &book.steps {
        let StepState::Leased { fence, .. } = step.state else { continue };
        if !lapsed.contains(&super::books::step_key(book.run.id, step.ordinal)) {
            continue;
        }
        let due = match fence {
            1 | 2 => now,
            _ => plus(now, settle::backoff(&settle::retry_policy(book, step), book.run.id, step.ordinal, fence - 2)),
        };
        let reason = "the process that held the attempt is gone".to_owned();
        let may_repeat = step.action.class() != Class::U;
        let event = if may_repeat {
            StepEvent::Lost { fence, due, reason }
        } else {
            settle::settle(book, step, fence, Outcome::Unknown(reason), now)
        };
        lost.push((step.ordinal, event));
    }
    let count = lost.len();
    for (ordinal, event) in lost {
        book.apply(ordinal, event, &usher(), now)?;
    }
    Ok(count)
}
