//! Secrets of the house, kept in the record: what the configuration calls `{ stored = "NAME" }`. Each is sealed with a
//! key of its own, which the master key wraps.

use serde::Serialize;
use sqlx::Row;

use super::{Store, StoreError};
use crate::secret::{Secret, SecretError, SecretRef, open, seal};

/// A stored secret as it is listed: never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredRow {
    /// Its name.
    pub name: String,
    /// When it was set, epoch milliseconds of the store's clock.
    pub set_at: i64,
    /// By whom.
    pub set_by: String,
}

impl Store {
    /// Keeps a secret under a name; one that is there is replaced. Answers whether one was.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_secret(&self, name: &str, secret: &Secret, by: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let place = place(name);
        let (key, data_key) = self.inner.keys.new_data_key(&place)?;
        let sealed = seal(&key, &place, secret.expose().as_bytes())?;
        let replaced = sqlx::query("DELETE FROM stored_secrets WHERE name = $1").bind(name).execute(tx.conn()).await?;
        sqlx::query("INSERT INTO stored_secrets (name, data_key, sealed, set_at, set_by) VALUES ($1, $2, $3, $4, $5)")
            .bind(name)
            .bind(data_key)
            .bind(sealed)
            .bind(tx.now.as_millisecond())
            .bind(by)
            .execute(tx.conn())
            .await?;
        self.commit(tx).await?;
        Ok(replaced.rows_affected() > 0)
    }

    /// The stored secrets, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn stored_secrets(&self) -> Result<Vec<StoredRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows =
            sqlx::query("SELECT name, set_at, set_by FROM stored_secrets ORDER BY name").fetch_all(&mut *conn).await?;
        rows.iter()
            .map(|row| Ok(StoredRow { name: row.try_get(0)?, set_at: row.try_get(1)?, set_by: row.try_get(2)? }))
            .collect()
    }

    /// Takes a secret out.
    ///
    /// # Errors
    /// When there is none of this name, or the database cannot be written.
    pub async fn remove_secret(&self, name: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query("DELETE FROM stored_secrets WHERE name = $1").bind(name).execute(tx.conn()).await?;
        if gone.rows_affected() == 0 {
            return Err(StoreError::NotFound { kind: "stored secret", key: name.to_owned() });
        }
        self.commit(tx).await
    }

    /// The secret of this name.
    ///
    /// # Errors
    /// When there is none, it does not open, or the database cannot be read.
    pub async fn stored_secret(&self, name: &str) -> Result<Secret, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query("SELECT data_key, sealed FROM stored_secrets WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *conn)
            .await?;
        let row = row.ok_or_else(|| StoreError::NotFound { kind: "stored secret", key: name.to_owned() })?;
        let (data_key, sealed): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let place = place(name);
        let bytes = open(&self.inner.keys.unwrap(&place, &data_key)?, &place, &sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|why| StoreError::corrupt("stored secret", why))?;
        Ok(Secret::new(text))
    }
}

/// What a reference refers to; the store is asked for what it keeps, where one is at hand.
///
/// # Errors
/// When it is not there.
pub async fn resolve(store: Option<&Store>, reference: &SecretRef) -> Result<Secret, SecretError> {
    match (store, reference.stored_name()) {
        (Some(store), Some(name)) => store.stored_secret(name).await.map_err(|error| match error {
            StoreError::NotFound { .. } => SecretError::NotStored(name.to_owned()),
            other => SecretError::Store(other.to_string()),
        }),
        _ => reference.resolve(),
    }
}

/// What a stored secret and its key are bound to.
pub(super) fn place(name: &str) -> String {
    format!("stored_secrets:{name}")
}
