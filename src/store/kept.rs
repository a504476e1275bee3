//! What is known here of archives that are kept elsewhere: their checksums, written down before an archive looks finished.

use sha2::{Digest, Sha256};
use sqlx::Row;

use super::{Store, StoreError};

/// The checksum of an archive, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    /// SHA-256 of its manifest, which has those of all its files; 64 hexadecimal digits.
    pub sha256: String,
    /// The length of its files together, in bytes.
    pub bytes: u64,
}

impl Store {
    /// Writes down what the archive called `name` is; what was known of an archive of this name is replaced.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_archive(&self, name: &str, kept: &KeptRow) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO archives (place, sha256, bytes, kept_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (place) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes, kept_at = excluded.kept_at",
        )
        .bind(place(name))
        .bind(&kept.sha256)
        .bind(i64::try_from(kept.bytes).unwrap_or(i64::MAX))
        .bind(tx.now.as_millisecond())
        .execute(tx.conn())
        .await?;
        self.commit(tx).await
    }

    /// What is known of the archive called `name`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn kept_archive(&self, name: &str) -> Result<Option<KeptRow>, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query("SELECT sha256, bytes FROM archives WHERE place = $1")
            .bind(place(name))
            .fetch_optional(&mut *conn)
            .await?;
        row.map(|row| {
            let bytes: i64 = row.try_get(1)?;
            let bytes = u64::try_from(bytes).map_err(|why| StoreError::corrupt("archive", why))?;
            Ok(KeptRow { sha256: row.try_get(0)?, bytes })
        })
        .transpose()
    }
}

fn place(name: &str) -> String {
    hex::encode(Sha256::digest(name.as_bytes()))
}
