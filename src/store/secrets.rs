//! Secrets about people, kept until they are used: sealed with the person's own data key, taken out once, gone after
//! thirty days (guarantee 18).

use std::collections::HashMap;

use serde::Serialize;
use sqlx::Row;

use super::books::json;
use super::sql::{Text, keys, rows};
use super::{Store, StoreError, Tx};
use crate::secret::{Secret, open, seal};

/// How long a secret that nobody uses is kept.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// What a first password is for.
const INITIAL_PASSWORD: &str = "initial_password";

/// A first password as HR gave it.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Whose.
    pub employee_number: String,
    /// The password.
    pub password: Secret,
    /// The person begins anew: an earlier one that was used stands in no way.
    pub anew: bool,
}

#[derive(Serialize)]
struct Columns {
    person_id: i64,
    sealed: String,
    anew: i64,
}

const OWNERS: Text = keys!("SELECT id, employee_number, data_key FROM people WHERE employee_number", "", texts);

const UPSERT: Text = rows!(
    "INSERT INTO sealed_secrets (person_id, purpose, sealed, created_at)
     SELECT v.person_id, CAST($2 AS TEXT), v.sealed, CAST($3 AS BIGINT) FROM",
    { person_id BIGINT, sealed TEXT, anew BIGINT },
    "LEFT JOIN sealed_secrets s ON s.person_id = v.person_id AND s.purpose = $2
     WHERE s.person_id IS NULL OR s.spent_at IS NULL OR v.anew = 1
     ON CONFLICT (person_id, purpose) DO UPDATE SET sealed = excluded.sealed, spent_at = NULL,
            created_at = CASE WHEN sealed_secrets.spent_at IS NULL THEN sealed_secrets.created_at
                              ELSE excluded.created_at END"
);

impl Store {
    /// Keeps first passwords, sealed. One that was used or has lapsed is not replaced: a file that is read every night
    /// does not bring it back.
    pub(super) async fn keep_passwords(&self, tx: &mut Tx, passwords: &[NewPassword]) -> Result<(), StoreError> {
        if passwords.is_empty() {
            return Ok(());
        }
        let numbers: Vec<&str> = passwords.iter().map(|one| one.employee_number.as_str()).collect();
        let rows = sqlx::query(OWNERS.of(self.dialect())).bind(json(&numbers)).fetch_all(tx.conn()).await?;
        let mut owners: HashMap<String, (i64, String)> = HashMap::new();
        for row in rows {
            owners.insert(row.try_get("employee_number")?, (row.try_get("id")?, row.try_get("data_key")?));
        }
        let mut columns = Vec::new();
        for one in passwords {
            let Some((id, wrapped)) = owners.get(&one.employee_number) else { continue };
            let key = self.data_key(*id, wrapped)?;
            let sealed = seal(&key, &place(*id), one.password.expose().as_bytes())?;
            columns.push(Columns { person_id: *id, sealed, anew: i64::from(one.anew) });
        }
        let now = tx.now.as_millisecond();
        let text = UPSERT.of(self.dialect());
        sqlx::query(text).bind(json(&columns)).bind(INITIAL_PASSWORD).bind(now).execute(tx.conn()).await?;
        Ok(())
    }

    /// The first password that HR gave for a person, for one account to be made with: it is looked at, and stays until
    /// [`Store::take_initial_password`] says that it was used.
    ///
    /// # Errors
    /// When the database cannot be read, or the password does not open.
    pub async fn initial_password(&self, person: i64) -> Result<Option<Secret>, StoreError> {
        let now = self.now().await?.as_millisecond();
        let mut conn = self.reader().await?;
        let row = sqlx::query(SELECT)
            .bind(person)
            .bind(INITIAL_PASSWORD)
            .bind(now - KEPT_MS)
            .fetch_optional(&mut *conn)
            .await?;
        row.map(|row| self.opened(person, &row.try_get::<String, _>("sealed")?, &row.try_get::<String, _>("data_key")?))
            .transpose()
    }

    /// Takes the first password of a person out of the record: it is handed out once, to nobody again.
    ///
    /// # Errors
    /// When the database cannot be written, or the password does not open; then it stays.
    pub async fn take_initial_password(&self, person: i64) -> Result<Option<Secret>, StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let row = sqlx::query(SELECT)
            .bind(person)
            .bind(INITIAL_PASSWORD)
            .bind(now - KEPT_MS)
            .fetch_optional(tx.conn())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (sealed, wrapped): (String, String) = (row.try_get("sealed")?, row.try_get("data_key")?);
        let password = self.opened(person, &sealed, &wrapped)?;
        let taken = sqlx::query(
            "UPDATE sealed_secrets SET sealed = NULL, spent_at = $1
             WHERE person_id = $2 AND purpose = $3 AND sealed = $4",
        )
        .bind(now)
        .bind(person)
        .bind(INITIAL_PASSWORD)
        .bind(sealed)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok((taken.rows_affected() == 1).then_some(password))
    }

    /// Takes out what has lain unused for thirty days. Answers how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn expire_secrets(&self) -> Result<u64, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0.as_millisecond();
        let due: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM sealed_secrets WHERE sealed IS NOT NULL AND created_at <= $1")
                .bind(now - KEPT_MS)
                .fetch_one(&mut *conn)
                .await?;
        drop(conn);
        if due == 0 {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let gone = sqlx::query(
            "UPDATE sealed_secrets SET sealed = NULL, spent_at = $1 WHERE sealed IS NOT NULL AND created_at <= $2",
        )
        .bind(now)
        .bind(now - KEPT_MS)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(gone.rows_affected())
    }

    fn opened(&self, person: i64, sealed: &str, wrapped: &str) -> Result<Secret, StoreError> {
        let key = self.data_key(person, wrapped)?;
        let bytes = open(&key, &place(person), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|why| StoreError::corrupt("sealed secret", why))?;
        Ok(Secret::new(text))
    }
}

const SELECT: &str = "SELECT s.sealed, p.data_key FROM sealed_secrets s JOIN people p ON p.id = s.person_id
     WHERE s.person_id = $1 AND s.purpose = $2 AND s.sealed IS NOT NULL AND s.created_at > $3";

/// What a sealed secret is bound to: moved to another row it does not open.
fn place(person: i64) -> String {
    format!("secret:{INITIAL_PASSWORD}:{person}")
}
