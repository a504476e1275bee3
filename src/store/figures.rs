//! How the work stands, in numbers: for `/metrics`.

use sqlx::Row;

use super::{Carrier, Store, StoreError};
use crate::run::trip::TripKind;

/// How the work stands.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Runs and steps: kind, state, how many.
    pub census: Vec<(String, String, i64)>,
    /// Access cuts that are overdue.
    pub late_cuts: i64,
    /// Attempts under way.
    pub leases: i64,
    /// What went into the outbox: carrier, state, how many.
    pub outbox: Vec<(Carrier, String, i64)>,
    /// Events that are parked.
    pub parked: i64,
    /// Freezes that are on.
    pub freezes: i64,
    /// Systems that cannot be read.
    pub unread: i64,
    /// How far the database has come.
    pub tide: i64,
    waits: Vec<(String, bool, i64)>,
    tripped: Vec<TripKind>,
}

impl Figures {
    /// How many waits there are of a kind: `task`, `alert`, or `urgent` for the urgent alerts among them.
    pub fn waits(&self, kind: &str) -> i64 {
        let of = |(is, urgent, _): &&(String, bool, i64)| is == kind || (kind == "urgent" && *urgent && is == "alert");
        self.waits.iter().filter(of).map(|(_, _, count)| count).sum()
    }

    /// How many guards of a kind have tripped.
    pub fn tripped(&self, kind: TripKind) -> i64 {
        i64::try_from(self.tripped.iter().filter(|is| **is == kind).count()).unwrap_or(i64::MAX)
    }
}

impl Store {
    /// How the work stands.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn figures(&self) -> Result<Figures, StoreError> {
        let count = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
        let (census, outbox) = (self.census().await?, self.mail_census().await?);
        let late_cuts = count(self.late_cuts().await?);
        let unread = count(self.unread_systems().await?.len());
        let freezes = count(self.freezes().await?.len());
        let tripped = self.trips(false).await?.into_iter().map(|row| row.trip.kind).collect();
        let mut conn = self.reader().await?;
        let rows = sqlx::query("SELECT kind, urgent, COUNT(*) FROM waits WHERE over_at IS NULL GROUP BY kind, urgent")
            .fetch_all(&mut *conn)
            .await?;
        let wait = |row: &sqlx::any::AnyRow| {
            Ok::<_, StoreError>((row.try_get(0)?, row.try_get::<i64, _>(1)? != 0, row.try_get(2)?))
        };
        let waits = rows.iter().map(wait).collect::<Result<_, StoreError>>()?;
        let parked =
            sqlx::query_scalar("SELECT COUNT(*) FROM hr_events WHERE state = 'parked'").fetch_one(&mut *conn).await?;
        drop(conn);
        let (leases, tide) = (self.in_flight().await?, self.tide().await?);
        Ok(Figures { census, late_cuts, leases, outbox, parked, freezes, unread, tide, waits, tripped })
    }
}
