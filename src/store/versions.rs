//! Versions of workflows: each run is pinned to one; a version is compiled once per process.

use std::sync::{Arc, PoisonError};

use sqlx::AnyConnection;
use sqlx::Row;

use super::{Store, StoreError, Tx};
use crate::workflow::{self, Workflow};

impl Store {
    /// The key of a version, stored at its first use.
    pub(super) async fn keep_version(&self, tx: &mut Tx, workflow: &Arc<Workflow>) -> Result<i64, StoreError> {
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM workflow_versions WHERE version = $1")
            .bind(&workflow.version)
            .fetch_optional(tx.conn())
            .await?;
        if let Some(id) = known {
            return Ok(id);
        }
        let id = self.take_keys(tx, "version", 1).await?;
        let now = tx.now.as_millisecond();
        sqlx::query("INSERT INTO workflow_versions (id, name, version, source, added_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(&workflow.name)
            .bind(&workflow.version)
            .bind(workflow.source.as_ref())
            .bind(now)
            .execute(tx.conn())
            .await?;
        Ok(id)
    }

    /// The compiled version with this key.
    pub(super) async fn version(&self, conn: &mut AnyConnection, id: i64) -> Result<Arc<Workflow>, StoreError> {
        if let Some(known) = self.inner.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Arc::clone(known));
        }
        let row =
            sqlx::query("SELECT name, source FROM workflow_versions WHERE id = $1").bind(id).fetch_one(conn).await?;
        let (name, source): (String, String) = (row.try_get("name")?, row.try_get("source")?);
        let (compiled, _) = workflow::parse(&name, &source).map_err(|mistakes| {
            StoreError::corrupt("workflow version", mistakes.first().map_or(String::new(), |m| m.message.clone()))
        })?;
        let compiled = Arc::new(compiled);
        self.inner.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&compiled));
        Ok(compiled)
    }
}
