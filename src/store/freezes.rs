//! Stops on everything, a system or a workflow. A claim reads them in its own transaction.

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::Hold;
use super::{Store, StoreError};
use crate::run::guard::Freeze;
use crate::run::{HoldReason, StepState};

/// A freeze that is on.
#[derive(Clone, Debug, Serialize)]
pub struct FreezeRow {
    /// Its key.
    pub id: i64,
    /// What it stops.
    #[serde(flatten)]
    pub freeze: Freeze,
    /// Who set it.
    pub set_by: String,
    /// When, epoch milliseconds of the store's clock.
    pub set_at: i64,
}

impl Store {
    /// Freezes: no step that it covers starts from the moment this returns.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn freeze(&self, freeze: &Freeze, by: &str) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let session = self.session(&mut tx).await?;
        let id = self.unhindered(session, self.take_keys(&mut tx, "freeze", 1)).await?;
        let now = tx.now.as_millisecond();
        sqlx::query(
            "INSERT INTO freezes (id, system, workflow, all_steps, reason, set_by, set_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(freeze.system.clone())
        .bind(freeze.workflow.clone())
        .bind(i64::from(freeze.all))
        .bind(&freeze.reason)
        .bind(by)
        .bind(now)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(id)
    }

    /// Lifts the freezes of this scope and lets go what they held. Answers how many freezes and how many steps.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn unfreeze(
        &self,
        system: Option<&str>,
        workflow: Option<&str>,
        by: &str,
    ) -> Result<(usize, usize), StoreError> {
        let mut tx = self.begin().await?;
        self.bar_claims(&mut tx).await?;
        let now = tx.now.as_millisecond();
        let lifted = sqlx::query(
            "UPDATE freezes SET lifted_by = $1, lifted_at = $2 WHERE lifted_at IS NULL
               AND COALESCE(system, '') = $3 AND COALESCE(workflow, '') = $4",
        )
        .bind(by)
        .bind(now)
        .bind(system.unwrap_or_default())
        .bind(workflow.unwrap_or_default())
        .execute(tx.conn())
        .await?
        .rows_affected();
        self.commit(tx).await?;
        // Everything a freeze held is judged again; what another freeze covers is held again at its claim.
        let released =
            self.let_go("freeze", "usher", None, |_, reason| matches!(reason, HoldReason::Freeze(_))).await?;
        Ok((usize::try_from(lifted).unwrap_or(usize::MAX), released))
    }

    /// The freezes that are on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn freezes(&self) -> Result<Vec<FreezeRow>, StoreError> {
        let mut conn = self.reader().await?;
        self.freezes_on(&mut conn).await
    }

    /// Attempts under way that a freeze would have stopped: they may still have their effect.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn in_flight_under(&self, freeze: &Freeze) -> Result<Vec<String>, StoreError> {
        let mut conn = self.reader().await?;
        let runs: Vec<i64> =
            sqlx::query_scalar("SELECT DISTINCT run_id FROM steps WHERE lease_until IS NOT NULL ORDER BY run_id")
                .fetch_all(&mut *conn)
                .await?;
        let books = self.load(&mut conn, &runs, Hold::No).await?;
        let mut under_way = Vec::new();
        for book in books.iter().map(|loaded| &loaded.book) {
            let leased = book.steps.iter().filter(|step| matches!(step.state, StepState::Leased { .. }));
            let covered = leased.filter(|step| freeze.covers(book, step));
            under_way.extend(covered.map(|step| format!("{} {}", book.run.public_id(), step.label())));
        }
        Ok(under_way)
    }

    pub(super) async fn freezes_on(&self, conn: &mut AnyConnection) -> Result<Vec<FreezeRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, system, workflow, all_steps, reason, set_by, set_at FROM freezes WHERE lifted_at IS NULL ORDER BY id",
        )
        .fetch_all(conn)
        .await?;
        rows.iter().map(freeze).collect()
    }
}

fn freeze(row: &AnyRow) -> Result<FreezeRow, StoreError> {
    Ok(FreezeRow {
        id: row.try_get("id")?,
        freeze: Freeze {
            system: row.try_get("system")?,
            workflow: row.try_get("workflow")?,
            all: row.try_get::<i64, _>("all_steps")? != 0,
            reason: row.try_get("reason")?,
        },
        set_by: row.try_get("set_by")?,
        set_at: row.try_get("set_at")?,
    })
}
