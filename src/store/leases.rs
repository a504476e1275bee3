//! Leases: renewed by their holder, taken up by others once they have lapsed.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::books::{Hold, Loaded, STEPS_PER_RUN, json, step_key};
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
            .map(|(run, ordinal, fence)| Pair { id: step_key(*run, *ordinal), fence: *fence, lease_until })
            .collect();
        let renewed: Vec<i64> =
            sqlx::query_scalar(RENEW.of(self.dialect())).bind(json(&pairs)).fetch_all(tx.conn()).await?;
        self.commit(tx).await?;
        let stands = |pair: &&(i64, u16, i64)| renewed.contains(&step_key(pair.0, pair.1));
        Ok(held.iter().filter(stands).copied().collect())
    }

    /// Attempts whose holder is gone become unknown: the next attempt observes first. With `all`, every lease is taken
    /// to be abandoned (a SQLite file whose lock we hold has no other daemon). Answers how many there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn recover(&self, all: bool) -> Result<usize, StoreError> {
        let horizon = if all { i64::MAX } else { self.real_now().await?.as_millisecond() };
        self.take_up(horizon, &HashSet::new()).await
    }

    /// As [`Store::recover`], but not what this process itself has `in_flight` (run, step, fence): it knows that those
    /// attempts live, whatever the clock or an outage has made of their leases.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn recover_all_but(&self, in_flight: &[(i64, u16, i64)]) -> Result<usize, StoreError> {
        let mine = in_flight.iter().map(|(run, ordinal, fence)| (step_key(*run, *ordinal), *fence)).collect();
        self.take_up(self.real_now().await?.as_millisecond(), &mine).await
    }

    async fn take_up(&self, horizon: i64, but: &HashSet<(i64, i64)>) -> Result<usize, StoreError> {
        let lapsed = {
            let mut conn = self.reader().await?;
            lapsed_on(&mut conn, horizon, but).await?
        };
        if lapsed.is_empty() {
            return Ok(0);
        }
        let runs: BTreeSet<i64> = lapsed.iter().map(|key| key / STEPS_PER_RUN).collect();
        let mut tx = self.begin().await?;
        let runs: Vec<i64> = runs.into_iter().collect();
        let mut books = self.load(tx.conn(), &runs, Hold::WaitReadable).await?;
        // Looked at again under the locks: a holder may have renewed or finished in between.
        let still = lapsed_on(tx.conn(), horizon, but).await?;
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

    /// The attempts (run, step, fence) that the record says `owner` has under way.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn leases_of(&self, owner: &str) -> Result<Vec<(i64, u16, i64)>, StoreError> {
        let mut conn = self.reader().await?;
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, fence FROM steps WHERE lease_until IS NOT NULL AND lease_owner = $1 ORDER BY id",
        )
        .bind(owner)
        .fetch_all(&mut *conn)
        .await?;
        let attempt = |(key, fence): (i64, i64)| {
            let ordinal = u16::try_from(key % STEPS_PER_RUN).map_err(|why| StoreError::corrupt("step's key", why))?;
            Ok((key / STEPS_PER_RUN, ordinal, fence))
        };
        rows.into_iter().map(attempt).collect()
    }

    async fn real_now(&self) -> Result<Timestamp, StoreError> {
        let mut conn = self.reader().await?;
        Ok(self.times(&mut conn).await?.1)
    }
}

/// Steps with a lease that ended before `horizon`, without the attempts in `but` (step, fence).
async fn lapsed_on(
    conn: &mut sqlx::AnyConnection,
    horizon: i64,
    but: &HashSet<(i64, i64)>,
) -> Result<HashSet<i64>, StoreError> {
    let lapsed: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT id, fence FROM steps WHERE lease_until IS NOT NULL AND lease_until < $1 ORDER BY id LIMIT 5000",
    )
    .bind(horizon)
    .fetch_all(conn)
    .await?;
    Ok(lapsed.into_iter().filter(|attempt| !but.contains(attempt)).map(|(key, _)| key).collect())
}

/// A step that ends its process again and again backs off; the first time it is looked at right away.
fn abandon(loaded: &mut Loaded, lapsed: &HashSet<i64>, now: Timestamp) -> Result<usize, StoreError> {
    let book = &mut loaded.book;
    let mut lost = Vec::new();
    for step in &book.steps {
        let StepState::Leased { fence, .. } = step.state else { continue };
        if !lapsed.contains(&step_key(book.run.id, step.ordinal)) {
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
