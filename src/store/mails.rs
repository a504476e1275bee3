//! The outbox: mails as durable rows. Posted once per key, taken under a lease, ended by their latest attempt.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::json;
use super::mail_list::MailRow;
use super::sql::{Text, keys, rows};
use super::{Store, StoreError, Tx};
use crate::clock::{from_millis, plus};
use crate::secret::{self, DataKey, Secret};

/// Longer than any attempt takes (`[mail] timeout` is at most a minute): whoever holds a mail past it is gone.
const LEASE: Duration = Duration::from_secs(120);

/// How something leaves the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// By mail.
    Mail,
    /// To the webhook.
    Webhook,
}

impl Carrier {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    pub(super) fn of(word: &str) -> Result<Self, StoreError> {
        let found = [Self::Mail, Self::Webhook].into_iter().find(|carrier| carrier.as_str() == word);
        found.ok_or_else(|| StoreError::corrupt("carrier", word))
    }

    /// Made from the row: its key's sealed form is random and never changes.
    fn message_id(self, id: i64, data_key: &str, domain: &str) -> String {
        let digest = Sha256::new().chain_update(id.to_be_bytes()).chain_update(data_key).finalize();
        let digest = hex::encode(&digest[..10]);
        match self {
            Self::Mail => format!("<{digest}.{id}@{domain}>"),
            Self::Webhook => format!("msg_{digest}{id}"),
        }
    }
}

/// A mail to be posted, or a message for the webhook.
#[derive(Clone, Debug)]
pub struct NewMail {
    /// How it leaves the house.
    pub carrier: Carrier,
    /// Once per key.
    pub key: String,
    /// The template's name, or `message`.
    pub kind: String,
    /// Who receives it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its parts, as the mail room writes and reads them.
    pub body: Secret,
    /// The domain of its Message-ID.
    pub domain: String,
    /// The step that sends it, for mails of a run.
    pub step: Option<(i64, u16)>,
}

/// A mail in hand: an attempt has started.
#[derive(Clone, Debug)]
pub struct TakenMail {
    /// Row key.
    pub id: i64,
    /// The attempt's number.
    pub fence: i64,
    /// The same for every attempt: of a mail with its angle brackets (RFC 5322 §3.6.4), of the webhook the `webhook-id`.
    pub message_id: String,
    /// Who receives it.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its parts.
    pub body: Secret,
    /// When it was posted.
    pub queued_at: Timestamp,
    /// The store's clock at the take.
    pub now: Timestamp,
    /// Real time at the take.
    pub real: Timestamp,
    key: DataKey,
}

/// How an attempt at a mail ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailEnd {
    /// The server took it; its words.
    Sent(String),
    /// Not now.
    Later {
        /// When it is tried again.
        due: Timestamp,
        /// The server's words.
        why: String,
    },
    /// It will not be tried again by itself; the server's words.
    Failed(String),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) to: String,
    pub(super) subject: String,
}

#[derive(Serialize)]
struct Columns<'a> {
    id: i64,
    carrier: &'static str,
    mail_key: &'a str,
    kind: &'a str,
    message_id: String,
    run_id: Option<i64>,
    step: Option<i64>,
    due_at: i64,
    data_key: String,
    envelope: String,
    body: String,
    queued_at: i64,
}

const INSERT: Text = rows!(
    "INSERT INTO mails (id, carrier, mail_key, kind, message_id, run_id, step, state, due_at, attempts, data_key, envelope, body,
            queued_at)
     SELECT id, carrier, mail_key, kind, message_id, run_id, step, 'queued', due_at, 0, data_key, envelope, body, queued_at FROM",
    { id BIGINT, carrier TEXT, mail_key TEXT, kind TEXT, message_id TEXT, run_id BIGINT, step BIGINT, due_at BIGINT, data_key TEXT,
      envelope TEXT, body TEXT, queued_at BIGINT },
    "WHERE 1 = 1 ON CONFLICT (mail_key) DO NOTHING"
);

/// Mails whose time has come and that nobody has in hand. Row locks are PostgreSQL's only.
const READY: Text = Text {
    sqlite: "SELECT id FROM mails WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $2) AND carrier = $4
             ORDER BY due_at, id LIMIT $3",
    postgres: "SELECT id FROM mails WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $2) AND carrier = $4
               ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED",
};

/// As [`READY`], among the mails of one step.
const READY_OF_STEP: Text = Text {
    sqlite: "SELECT id FROM mails WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $2)
               AND run_id = $4 AND step = $5 ORDER BY due_at, id LIMIT $3",
    postgres: "SELECT id FROM mails WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $2)
                 AND run_id = $4 AND step = $5 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED",
};

const TAKE: Text = keys!("UPDATE mails SET attempts = attempts + 1, lease_until = $2 WHERE id", "");

const TAKEN: Text =
    keys!("SELECT id, attempts, message_id, data_key, envelope, body, queued_at FROM mails WHERE id", "ORDER BY id");

/// At most so many mails are in one process's hand for one step.
const OF_A_STEP: i64 = 64;

impl Store {
    /// Posts mails; those whose key is there already stay as they are.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn post(&self, mails: &[NewMail]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        self.insert_mails(&mut tx, mails).await?;
        self.notify(&mut tx).await?;
        self.commit(tx).await?;
        self.inner.mail.notify_one();
        Ok(())
    }

    /// Posts a step's mails and takes them in hand with the same commit, so that nobody else sends them meanwhile.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn post_of_step(&self, run: i64, ordinal: u16, mails: &[NewMail]) -> Result<Vec<TakenMail>, StoreError> {
        let mut tx = self.begin().await?;
        self.insert_mails(&mut tx, mails).await?;
        let ready = sqlx::query_scalar(READY_OF_STEP.of(self.dialect()))
            .bind(tx.now.as_millisecond())
            .bind(tx.real.as_millisecond())
            .bind(OF_A_STEP)
            .bind(run)
            .bind(i64::from(ordinal))
            .fetch_all(tx.conn())
            .await?;
        let taken = self.lease_mails(&mut tx, ready).await?;
        self.commit(tx).await?;
        self.inner.mail.notify_one();
        Ok(taken)
    }

    /// Takes up to `limit` mails in hand whose time has come and that leave this way.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take_mails(&self, carrier: Carrier, limit: i64) -> Result<Vec<TakenMail>, StoreError> {
        // Most looks find nothing: they need no write transaction.
        if self.until_mail_due(carrier).await?.is_none_or(|until| !until.is_zero()) {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let ready: Vec<i64> = sqlx::query_scalar(READY.of(self.dialect()))
            .bind(tx.now.as_millisecond())
            .bind(tx.real.as_millisecond())
            .bind(limit)
            .bind(carrier.as_str())
            .fetch_all(tx.conn())
            .await?;
        if ready.is_empty() {
            return Ok(Vec::new());
        }
        let taken = self.lease_mails(&mut tx, ready).await?;
        self.commit(tx).await?;
        Ok(taken)
    }

    pub(super) async fn insert_mails(&self, tx: &mut Tx, mails: &[NewMail]) -> Result<(), StoreError> {
        if mails.is_empty() {
            return Ok(());
        }
        let first = self.take_keys(tx, "mail", i64::try_from(mails.len()).unwrap_or(i64::MAX)).await?;
        let now = tx.now.as_millisecond();
        let columns = (first..).zip(mails).map(|(id, mail)| {
            let (key, data_key) = self.inner.keys.new_data_key(&key_place(id))?;
            let envelope = Envelope { to: mail.to.clone(), subject: mail.subject.clone() };
            Ok(Columns {
                id,
                carrier: mail.carrier.as_str(),
                mail_key: &mail.key,
                kind: &mail.kind,
                message_id: mail.carrier.message_id(id, &data_key, &mail.domain),
                run_id: mail.step.map(|(run, _)| run),
                step: mail.step.map(|(_, ordinal)| i64::from(ordinal)),
                due_at: now,
                envelope: secret::seal(&key, &place(id, "envelope"), json(&envelope).as_bytes())?,
                body: secret::seal(&key, &place(id, "body"), mail.body.expose().as_bytes())?,
                data_key,
                queued_at: now,
            })
        });
        let columns: Vec<Columns<'_>> = columns.collect::<Result<_, StoreError>>()?;
        sqlx::query(INSERT.of(self.dialect())).bind(json(&columns)).execute(tx.conn()).await?;
        Ok(())
    }

    async fn lease_mails(&self, tx: &mut Tx, ready: Vec<i64>) -> Result<Vec<TakenMail>, StoreError> {
        let (list, now, real) = (json(&ready), tx.now, tx.real);
        let until = plus(tx.real, LEASE).as_millisecond();
        sqlx::query(TAKE.of(self.dialect())).bind(&list).bind(until).execute(tx.conn()).await?;
        let rows = sqlx::query(TAKEN.of(self.dialect())).bind(&list).fetch_all(tx.conn()).await?;
        // One that cannot be read stays where it is, and stops no other; it is looked at again when its lease is over.
        let readable = |row: &AnyRow| match self.taken_mail(row, now, real) {
            Ok(mail) => Some(mail),
            Err(error) => {
                let id: Option<i64> = row.try_get("id").ok();
                tracing::error!(mail.id = id, %error, "this mail cannot be read and is not sent");
                None
            }
        };
        Ok(rows.iter().filter_map(readable).collect())
    }

    fn taken_mail(&self, row: &AnyRow, now: Timestamp, real: Timestamp) -> Result<TakenMail, StoreError> {
        let id: i64 = row.try_get("id")?;
        let key = self.inner.keys.unwrap(&key_place(id), row.try_get("data_key")?)?;
        let envelope = envelope(row, id, &key)?;
        let body = words(&key, id, "body", row.try_get("body")?)?;
        Ok(TakenMail {
            id,
            fence: row.try_get("attempts")?,
            message_id: row.try_get("message_id")?,
            to: envelope.to,
            subject: envelope.subject,
            body: Secret::new(body),
            queued_at: from_millis(row.try_get("queued_at")?),
            now,
            real,
            key,
        })
    }

    /// Writes down how an attempt ended; false when a later attempt has the mail.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn end_mail(&self, mail: &TakenMail, end: &MailEnd) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let (state, due, said) = match end {
            MailEnd::Sent(said) => ("sent", None, said),
            MailEnd::Later { due, why } => ("queued", Some(due.as_millisecond()), why),
            MailEnd::Failed(why) => ("failed", None, why),
        };
        let answer = secret::seal(&mail.key, &place(mail.id, "answer"), said.as_bytes())?;
        let ended = sqlx::query(
            "UPDATE mails SET state = $1, due_at = $2, lease_until = NULL, answer = $3, ended_at = $4,
                    body = CASE WHEN $1 = 'sent' THEN NULL ELSE body END
             WHERE id = $5 AND attempts = $6 AND state = 'queued'",
        )
        .bind(state)
        .bind(due)
        .bind(answer)
        .bind(if due.is_none() { Some(tx.now.as_millisecond()) } else { None })
        .bind(mail.id)
        .bind(mail.fence)
        .execute(tx.conn())
        .await?;
        self.commit(tx).await?;
        Ok(ended.rows_affected() == 1)
    }

    /// Tries a mail again that was given up, or does not wait for its next time; answers it as it stands now.
    ///
    /// # Errors
    /// When there is none of this number, it is sent, or the database cannot be written.
    pub async fn retry_mail(&self, id: i64) -> Result<MailRow, StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        // Its days begin anew.
        let again = sqlx::query(
            "UPDATE mails SET state = 'queued', due_at = $1, queued_at = $1, ended_at = NULL
             WHERE id = $2 AND state <> 'sent'",
        )
        .bind(now)
        .bind(id)
        .execute(tx.conn())
        .await?;
        if again.rows_affected() == 0 {
            let row = self.mail(id).await?;
            return Err(StoreError::Refused(format!("mail {} is sent already", row.id)));
        }
        self.notify(&mut tx).await?;
        self.commit(tx).await?;
        self.inner.mail.notify_one();
        self.mail(id).await
    }

    /// How long until the next mail is due that leaves this way: zero when one is due now, `None` when none waits. One that
    /// somebody has in hand may be due once that lease has ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn until_mail_due(&self, carrier: Carrier) -> Result<Option<Duration>, StoreError> {
        let mut conn = self.reader().await?;
        let (now, real) = self.times(&mut conn).await?;
        let row = sqlx::query(
            "SELECT MIN(CASE WHEN lease_until IS NULL OR lease_until <= $1 THEN due_at END) AS due_at,
                    MIN(CASE WHEN lease_until > $1 THEN lease_until END) AS lease_until
             FROM mails WHERE due_at IS NOT NULL AND carrier = $2",
        )
        .bind(real.as_millisecond())
        .bind(carrier.as_str())
        .fetch_one(&mut *conn)
        .await?;
        let until = |column: &str, now: Timestamp| {
            let at: Option<i64> = row.try_get(column)?;
            let left = |at: i64| at.saturating_sub(now.as_millisecond()).max(0).unsigned_abs();
            Ok::<_, StoreError>(at.map(|at| Duration::from_millis(left(at))))
        };
        Ok([until("due_at", now)?, until("lease_until", real)?].into_iter().flatten().min())
    }

    /// Waits until a mail may have been posted.
    pub async fn mail_posted(&self) {
        self.inner.mail.notified().await;
    }
}

/// Where a mail's wrapped key stands.
pub(super) fn key_place(id: i64) -> String {
    format!("mails:{id}")
}

fn place(id: i64, field: &str) -> String {
    format!("mail:{id}:{field}")
}

pub(super) fn envelope(row: &AnyRow, id: i64, key: &DataKey) -> Result<Envelope, StoreError> {
    super::books::parse("mail's envelope", &words(key, id, "envelope", row.try_get("envelope")?)?)
}

pub(super) fn words(key: &DataKey, id: i64, field: &str, sealed: &str) -> Result<String, StoreError> {
    let opened = secret::open(key, &place(id, field), sealed)?;
    String::from_utf8(opened.to_vec()).map_err(|why| StoreError::corrupt("sealed mail", why))
}
