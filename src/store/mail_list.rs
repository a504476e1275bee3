//! The outbox to look at: mails as they stand, without their parts.

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::mails::{Carrier, envelope, key_place, words};
use super::{Store, StoreError};
use crate::run::book::public_id;

/// A mail as it stands, without its parts.
#[derive(Clone, Debug, Serialize)]
pub struct MailRow {
    /// Row key, as people type it.
    #[serde(serialize_with = "as_text")]
    pub id: i64,
    /// How it leaves the house.
    pub carrier: Carrier,
    /// The template's name, or `message`; of the webhook, the message's type.
    pub kind: String,
    /// `queued`, `sent` or `failed`.
    pub state: String,
    /// Who receives it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its Message-ID.
    pub message_id: String,
    /// The run that sends it.
    pub run: Option<String>,
    /// How often it was tried.
    pub attempts: i64,
    /// What the server said last.
    pub answer: Option<String>,
    /// When it was posted, epoch milliseconds.
    pub queued_at: i64,
    /// When it is tried (again), epoch milliseconds.
    pub due_at: Option<i64>,
    /// When it was sent or given up, epoch milliseconds.
    pub ended_at: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn as_text<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

impl Store {
    /// One mail.
    ///
    /// # Errors
    /// When there is none of this number, or the database cannot be read.
    pub async fn mail(&self, id: i64) -> Result<MailRow, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query("SELECT * FROM mails WHERE id = $1").bind(id).fetch_optional(&mut *conn).await?;
        let row = row.ok_or_else(|| StoreError::NotFound { kind: "mail", key: id.to_string() })?;
        self.mail_row(&row)
    }

    /// Mails, newest first; `state` narrows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn mails(&self, state: Option<&str>, limit: i64) -> Result<Vec<MailRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows =
            sqlx::query("SELECT * FROM mails WHERE CAST($1 AS TEXT) IS NULL OR state = $1 ORDER BY id DESC LIMIT $2")
                .bind(state)
                .bind(limit)
                .fetch_all(&mut *conn)
                .await?;
        rows.iter().map(|row| self.mail_row(row)).collect()
    }

    /// The mails of one step, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn mails_of_step(&self, run: i64, ordinal: u16) -> Result<Vec<MailRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query("SELECT * FROM mails WHERE run_id = $1 AND step = $2 ORDER BY id")
            .bind(run)
            .bind(i64::from(ordinal))
            .fetch_all(&mut *conn)
            .await?;
        rows.iter().map(|row| self.mail_row(row)).collect()
    }

    /// How many there are in the outbox by carrier and state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn mail_census(&self) -> Result<Vec<(Carrier, String, i64)>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query("SELECT carrier, state, COUNT(*) FROM mails GROUP BY carrier, state ORDER BY 1, 2")
            .fetch_all(&mut *conn)
            .await?;
        rows.iter().map(|row| Ok((Carrier::of(row.try_get(0)?)?, row.try_get(1)?, row.try_get(2)?))).collect()
    }

    fn mail_row(&self, row: &AnyRow) -> Result<MailRow, StoreError> {
        let id: i64 = row.try_get("id")?;
        let key = self.inner.keys.unwrap(&key_place(id), row.try_get("data_key")?)?;
        let envelope = envelope(row, id, &key)?;
        let answer: Option<String> = row.try_get("answer")?;
        let run: Option<i64> = row.try_get("run_id")?;
        Ok(MailRow {
            id,
            carrier: Carrier::of(row.try_get("carrier")?)?,
            kind: row.try_get("kind")?,
            state: row.try_get("state")?,
            to: envelope.to,
            subject: envelope.subject,
            message_id: row.try_get("message_id")?,
            run: run.map(public_id),
            attempts: row.try_get("attempts")?,
            answer: answer.map(|answer| words(&key, id, "answer", &answer)).transpose()?,
            queued_at: row.try_get("queued_at")?,
            due_at: row.try_get("due_at")?,
            ended_at: row.try_get("ended_at")?,
        })
    }
}
