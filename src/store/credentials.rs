//! Credentials that somebody hands over: kept sealed, shown once, then gone.

use sqlx::Row;

use super::books::{Hold, step_key};
use super::{Store, StoreError};
use crate::run::book::public_id;
use crate::run::journal::Fact;
use crate::secret::{self, Secret};

impl Store {
    /// Keeps a step's credentials until somebody opens them. Those of an earlier attempt that nobody has opened are
    /// replaced: the system knows the later ones.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_credentials(&self, run: i64, ordinal: u16, credentials: &Secret) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let id = step_key(run, ordinal);
        let (key, data_key) = self.inner.keys.new_data_key(&place(id))?;
        let sealed = secret::seal(&key, &place(id), credentials.expose().as_bytes())?;
        sqlx::query(
            "INSERT INTO credentials (step_id, data_key, sealed, sealed_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (step_id) DO UPDATE SET data_key = excluded.data_key, sealed = excluded.sealed,
                    sealed_at = excluded.sealed_at, opened_at = NULL, opened_by = NULL",
        )
        .bind(id)
        .bind(data_key)
        .bind(sealed)
        .bind(tx.now.as_millisecond())
        .execute(tx.conn())
        .await?;
        self.commit(tx).await
    }

    /// Whether a step's credentials are kept (or were, and have been opened).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn keeps_credentials(&self, run: i64, ordinal: u16) -> Result<bool, StoreError> {
        let mut conn = self.reader().await?;
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM credentials WHERE step_id = $1")
            .bind(step_key(run, ordinal))
            .fetch_one(&mut *conn)
            .await?;
        Ok(count > 0)
    }

    /// Takes a step's credentials out: they are gone from the record, and the journal says who has them and why, when
    /// this returns.
    ///
    /// # Errors
    /// When there are none, somebody has opened them, or the database cannot be written.
    pub async fn open_credentials(&self, run: i64, ordinal: u16, reason: &str, by: &str) -> Result<Secret, StoreError> {
        let mut tx = self.begin().await?;
        let id = step_key(run, ordinal);
        // The run's row is the lock: two who open at once come one after the other.
        let mut loaded = self.load(tx.conn(), &[run], Hold::Wait).await?;
        let Some(one) = loaded.first_mut() else {
            return Err(StoreError::NotFound { kind: "run", key: public_id(run) });
        };
        let row = sqlx::query("SELECT data_key, sealed, opened_by FROM credentials WHERE step_id = $1")
            .bind(id)
            .fetch_optional(tx.conn())
            .await?;
        let label = one.book.step(ordinal).map(crate::run::book::Step::label).unwrap_or_default();
        let Some(row) = row else {
            return Err(StoreError::Refused(format!("{label} of {} keeps no credentials", public_id(run))));
        };
        let (data_key, sealed): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let (Some(data_key), Some(sealed)) = (data_key, sealed) else {
            let by: Option<String> = row.try_get(2)?;
            let by = by.unwrap_or_default();
            return Err(StoreError::Refused(format!("the credentials of {label} were opened already, by {by}")));
        };
        let opened = secret::open(&self.inner.keys.unwrap(&place(id), &data_key)?, &place(id), &sealed)?;
        let credentials = std::str::from_utf8(&opened).map_err(|why| StoreError::corrupt("credentials", why))?;
        let credentials = Secret::new(credentials);
        let fact = Fact::Ordered { order: "credentials opened".to_owned(), reason: reason.to_owned() };
        one.book.say(Some(ordinal), fact, &std::sync::Arc::from(by), tx.now);
        sqlx::query(
            "UPDATE credentials SET data_key = NULL, sealed = NULL, opened_at = $1, opened_by = $2 WHERE step_id = $3",
        )
        .bind(tx.now.as_millisecond())
        .bind(by)
        .bind(id)
        .execute(tx.conn())
        .await?;
        self.flush(&mut tx, &mut loaded, None).await?;
        self.commit(tx).await?;
        Ok(credentials)
    }
}

/// What credentials and their key are bound to.
pub(super) fn place(step: i64) -> String {
    format!("credentials:{step}")
}
