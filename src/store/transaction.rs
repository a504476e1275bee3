//! A write transaction: how it begins, with its "now", and how it is made to last. Beginning and committing are boundaries, named
//! by where they are asked for; hence no `async fn`, which cannot know.

use std::future::Future;
use std::panic::Location;

use jiff::Timestamp;
use sqlx::{AnyConnection, AnyPool};

use super::wake::MadeDue;
use super::{Dialect, Store, StoreError, silence};
use crate::run::drift::Look;

/// A write transaction with its "now".
pub(crate) struct Tx {
    inner: sqlx::Transaction<'static, sqlx::Any>,
    /// The store's clock: real time plus the sandbox offset. Due times are judged by it.
    pub(crate) now: Timestamp,
    /// Real time: leases.
    pub(crate) real: Timestamp,
    /// All clocks, when it began.
    pub(super) look: Look,
    /// How far the database has come.
    pub(super) tide: i64,
    /// How far it was known to have come before it was asked.
    pub(super) known: i64,
    /// What it makes due.
    pub(super) due: MadeDue,
}

impl Tx {
    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// Ends it without a trace.
    pub(crate) async fn leave(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().await?)
    }
}

impl Store {
    /// Begins a write transaction. SQLite takes the write lock at once (`BEGIN IMMEDIATE`): a transaction that reads
    /// first and writes later would fail when two meet. PostgreSQL locks rows instead.
    #[track_caller]
    pub(crate) fn begin(&self) -> impl Future<Output = Result<Tx, StoreError>> + Send {
        self.begin_on(&self.inner.writer, Location::caller())
    }

    /// As [`Store::begin`], for turns.
    #[track_caller]
    pub(crate) fn begin_turn(&self) -> impl Future<Output = Result<Tx, StoreError>> + Send {
        self.begin_on(&self.inner.turns.writer, Location::caller())
    }

    async fn begin_on(&self, pool: &AnyPool, place: &'static Location<'static>) -> Result<Tx, StoreError> {
        let begun = self.passing(place, "begin", self.begin_now(pool)).await;
        if let Err(error) = &begun {
            self.note(Some(error));
        }
        begun
    }

    async fn begin_now(&self, pool: &AnyPool) -> Result<Tx, StoreError> {
        let mut inner = match self.inner.dialect {
            Dialect::Sqlite => pool.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => pool.begin().await?,
        };
        let (clock, known) = (&self.inner.clock, self.known_tide());
        let before = (clock.now().as_millisecond(), clock.steady());
        let (now, real, tide) = self.times_and_tide(&mut inner).await?;
        let after = (clock.now().as_millisecond(), clock.steady());
        let look = Look { real: real.as_millisecond(), machine: (before.0, after.0), steady: (before.1, after.1) };
        Ok(Tx { inner, now, real, look, tide, known, due: MadeDue::default() })
    }

    /// Makes a transaction last, and wakes the claimer: something may have become due.
    #[track_caller]
    pub(crate) fn commit(&self, tx: Tx) -> impl Future<Output = Result<(), StoreError>> + Send {
        let due = tx.due;
        let committed = self.commit_turn(tx);
        async move {
            committed.await?;
            self.wake(due);
            Ok(())
        }
    }

    /// As [`Store::commit`], for the claimer's own turn, of which it need not be told.
    #[track_caller]
    pub(super) fn commit_turn(&self, tx: Tx) -> impl Future<Output = Result<(), StoreError>> + Send {
        let place = Location::caller();
        async move {
            let mut tx = tx;
            if self.inner.tells
                && let Err(error) = self.notify(&mut tx).await
            {
                self.note(Some(&error));
                return Err(error);
            }
            let committed = self.passing(place, "commit", tx.inner.commit()).await;
            if let Err(error) = committed.map_err(silence::of_commit) {
                self.note(Some(&error));
                return Err(error);
            }
            self.note(None);
            self.inner.commits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        }
    }
}
