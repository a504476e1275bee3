//! Guards that have tripped and wait for a person. A claim reads them in its own transaction.

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::{Store, StoreError, Tx};
use crate::run::trip::{Stops, Trip, TripKind, public_id};

/// A trip as it is kept.
#[derive(Clone, Debug, Serialize)]
pub struct TripRow {
    /// What tripped, and what it stops.
    #[serde(flatten)]
    pub trip: Trip,
    /// When, epoch milliseconds of the store's clock.
    pub tripped_at: i64,
    /// Who released it.
    pub released_by: Option<String>,
    /// When, epoch milliseconds of the store's clock.
    pub released_at: Option<i64>,
    /// Why.
    pub reason: Option<String>,
}

/// The columns of a [`TripRow`].
macro_rules! trip_columns {
    () => {
        "id, kind, system, stops, words, tripped_at, released_by, released_at, reason"
    };
}

impl Store {
    /// A guard trips: from the moment this returns no destructive step starts on this system (without one: anywhere),
    /// on any daemon, until a person releases it. Where it has tripped already, nothing is added. Answers the trip and
    /// whether it is new.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn trip(&self, kind: TripKind, system: Option<&str>, words: &str) -> Result<(Trip, bool), StoreError> {
        let mut tx = self.begin().await?;
        self.bar_claims(&mut tx).await?;
        let opened = self.open_trip(&mut tx, kind, system, Stops::Destructive, words).await?;
        self.commit(tx).await?;
        Ok(opened)
    }

    /// As [`Store::trip`], in the caller's transaction, which has barred claims of these steps.
    pub(super) async fn open_trip(
        &self,
        tx: &mut Tx,
        kind: TripKind,
        system: Option<&str>,
        stops: Stops,
        words: &str,
    ) -> Result<(Trip, bool), StoreError> {
        // Whoever opens one has the counter: two never open the same one twice.
        let id = self.take_keys(tx, "trip", 1).await?;
        let open = self.trips_open(tx.conn()).await?;
        let system = system.map(str::to_owned);
        let same = |trip: &Trip| trip.kind == kind && trip.stops == stops && trip.system == system;
        if let Some(row) = open.into_iter().find(|row| same(&row.trip)) {
            return Ok((row.trip, false));
        }
        let trip = Trip { id, kind, system, stops, words: words.to_owned() };
        let now = tx.now.as_millisecond();
        sqlx::query("INSERT INTO trips (id, kind, system, stops, words, tripped_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(id)
            .bind(kind.as_str())
            .bind(trip.system.clone())
            .bind(stops.as_str())
            .bind(words)
            .bind(now)
            .execute(tx.conn())
            .await?;
        tracing::warn!(trip = %trip.public_id(), guard = kind.as_str(), scope = %trip.scope(), "a guard has tripped: {words}");
        Ok((trip, true))
    }

    /// Releases a trip for a reason, and lets go what it held: each step is judged again at its claim. Answers the trip
    /// and how many steps go on.
    ///
    /// # Errors
    /// When there is no such trip, somebody has released it already and nothing is left to let go, or the database
    /// cannot be written.
    pub async fn release_trip(&self, id: i64, reason: &str, by: &str) -> Result<(TripRow, usize), StoreError> {
        let mut tx = self.begin().await?;
        self.bar_claims(&mut tx).await?;
        let found = trip_on(tx.conn(), id).await?;
        let before = found.released_by.clone();
        if before.is_none() {
            let now = tx.now.as_millisecond();
            sqlx::query("UPDATE trips SET released_by = $1, released_at = $2, reason = $3 WHERE id = $4")
                .bind(by)
                .bind(now)
                .bind(reason)
                .bind(id)
                .execute(tx.conn())
                .await?;
            if let Some(system) = &found.trip.system {
                self.count_anew(&mut tx, system, found.trip.stops).await?;
            }
        }
        let row = trip_on(tx.conn(), id).await?;
        self.commit(tx).await?;
        // Claims that saw it open are written by now, and those to come see it released. Who was stopped in between
        // says it once more.
        let order = format!("release {}", row.trip.public_id());
        let released = self.let_go("guard", by, Some((&order, reason)), |_, reason| row.trip.holds(reason)).await?;
        match before {
            Some(by) if released == 0 => {
                Err(StoreError::Refused(format!("{} was released already, by {by}", row.trip.public_id())))
            }
            _ => Ok((row, released)),
        }
    }

    /// Trips, newest first: those that are open, or all of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn trips(&self, all: bool) -> Result<Vec<TripRow>, StoreError> {
        let mut conn = self.reader().await?;
        if !all {
            return self.trips_open(&mut conn).await;
        }
        let text = concat!("SELECT ", trip_columns!(), " FROM trips ORDER BY id DESC LIMIT 10000");
        let rows = sqlx::query(text).fetch_all(&mut *conn).await?;
        rows.iter().map(trip).collect()
    }

    pub(super) async fn trips_open(&self, conn: &mut AnyConnection) -> Result<Vec<TripRow>, StoreError> {
        let text = concat!("SELECT ", trip_columns!(), " FROM trips WHERE released_at IS NULL ORDER BY id DESC");
        sqlx::query(text).fetch_all(conn).await?.iter().map(trip).collect()
    }
}

async fn trip_on(conn: &mut AnyConnection, id: i64) -> Result<TripRow, StoreError> {
    let text = concat!("SELECT ", trip_columns!(), " FROM trips WHERE id = $1");
    let row = sqlx::query(text).bind(id).fetch_optional(conn).await?;
    row.as_ref().map(trip).transpose()?.ok_or_else(|| StoreError::NotFound { kind: "trip", key: public_id(id) })
}

fn trip(row: &AnyRow) -> Result<TripRow, StoreError> {
    let (kind, stops): (String, String) = (row.try_get("kind")?, row.try_get("stops")?);
    Ok(TripRow {
        trip: Trip {
            id: row.try_get("id")?,
            kind: TripKind::from_name(&kind).ok_or_else(|| StoreError::corrupt("trip's kind", &kind))?,
            system: row.try_get("system")?,
            stops: Stops::from_name(&stops).ok_or_else(|| StoreError::corrupt("trip's reach", &stops))?,
            words: row.try_get("words")?,
        },
        tripped_at: row.try_get("tripped_at")?,
        released_by: row.try_get("released_by")?,
        released_at: row.try_get("released_at")?,
        reason: row.try_get("reason")?,
    })
}
