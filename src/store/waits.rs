//! Who waits for whom, since when, and when they were last told: what reminders and alerts are made from.
//!
//! A wait is one cause (see [`super::causes`]). It is found by looking at the tables it is about, so nothing that stops
//! can forget to say so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row};

use super::causes::{Cause, Expected};
use super::mails::NewMail;
use super::{Store, StoreError, Tx};
use crate::clock::from_millis;
use crate::secret;

/// Whose business a wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WaitKind {
    /// A task, a checklist, an approval: whoever is to do it.
    Task,
    /// Something stopped: the administrators.
    Alert,
}

impl WaitKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Alert => "alert",
        }
    }
}

/// What a wait is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum About {
    /// A step in a state: its run and ordinal.
    Step(i64, u16, String),
    /// An access cut that is overdue: its run and ordinal.
    Cut(i64, u16),
    /// A guard that has tripped.
    Trip(i64),
    /// An event of HR's.
    Event(i64),
    /// A source of HR's that says nothing.
    Silent(String),
    /// A system that cannot be read.
    Unread(String),
}

/// Something that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Row key.
    pub id: i64,
    /// Whose business it is.
    pub kind: WaitKind,
    /// What it is about.
    pub about: About,
    /// Whether it is told at once.
    pub urgent: bool,
    /// Since when it was seen.
    pub since: Timestamp,
    /// How often somebody was told.
    pub told: i64,
    /// When last.
    pub told_at: Option<Timestamp>,
    /// When it was over, where those who were told have not heard of it yet.
    pub over_at: Option<Timestamp>,
    /// What they were told it is.
    pub words: Option<String>,
}

/// A wait that somebody has been told of, and in which words.
#[derive(Clone, Debug)]
pub struct Told {
    /// The wait as it was read.
    pub wait: Wait,
    /// What it was called.
    pub words: String,
}

impl Store {
    /// Looks what waits now: writes down what is new and what is over. Nothing is written where nothing has changed.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn watch_waits(&self, expected: &Expected) -> Result<(), StoreError> {
        let mut conn = self.reader().await?;
        let instant = self.times(&mut conn).await?.0;
        let (now, known) = (self.causes(&mut conn, expected, instant).await?, known(&mut conn).await?);
        drop(conn);
        if !differs(&now, &known) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // Another daemon may have seen the same.
        let instant = tx.now;
        let known = known_for_update(self, &mut tx).await?;
        let now = self.causes(tx.conn(), expected, instant).await?;
        self.begin_waits(&mut tx, &now, &known).await?;
        self.end_waits(&mut tx, &now, &known).await?;
        self.commit(tx).await
    }

    async fn begin_waits(&self, tx: &mut Tx, now: &[Cause], known: &BTreeMap<String, Known>) -> Result<(), StoreError> {
        for cause in now {
            match known.get(&cause.cause) {
                Some(known) if !known.over && known.urgent == cause.urgent => {}
                // It has become urgent; or it was over for a moment, and is back before anybody heard of it.
                Some(known) => {
                    sqlx::query("UPDATE waits SET over_at = NULL, urgent = $2 WHERE id = $1")
                        .bind(known.id)
                        .bind(i64::from(cause.urgent))
                        .execute(tx.conn())
                        .await?;
                }
                None => {
                    let id = self.take_keys(tx, "wait", 1).await?;
                    let (_, data_key) = self.inner.keys.new_data_key(&key_place(id))?;
                    sqlx::query(
                        "INSERT INTO waits (id, cause, kind, about, since, told, data_key, urgent)
                         VALUES ($1, $2, $3, $4, $5, 0, $6, $7) ON CONFLICT (cause) DO NOTHING",
                    )
                    .bind(id)
                    .bind(&cause.cause)
                    .bind(cause.kind.as_str())
                    .bind(cause.about)
                    .bind(tx.now.as_millisecond())
                    .bind(data_key)
                    .bind(i64::from(cause.urgent))
                    .execute(tx.conn())
                    .await?;
                }
            }
        }
        Ok(())
    }

    /// Who was never told need not hear that it is over; a task that is done needs no all-clear.
    async fn end_waits(&self, tx: &mut Tx, now: &[Cause], known: &BTreeMap<String, Known>) -> Result<(), StoreError> {
        let open: BTreeSet<&str> = now.iter().map(|cause| cause.cause.as_str()).collect();
        for (_, gone) in known.iter().filter(|(cause, known)| !open.contains(cause.as_str()) && !known.over) {
            let query = if gone.told && gone.kind == WaitKind::Alert {
                sqlx::query("UPDATE waits SET over_at = $2 WHERE id = $1").bind(gone.id).bind(tx.now.as_millisecond())
            } else {
                sqlx::query("DELETE FROM waits WHERE id = $1").bind(gone.id)
            };
            query.execute(tx.conn()).await?;
        }
        Ok(())
    }

    /// All waits, the urgent ones first, then the oldest, with the store's "now".
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waits(&self) -> Result<(Vec<Wait>, Timestamp), StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id, kind, urgent, since, told, told_at, over_at, data_key, words, cause FROM waits
             ORDER BY urgent DESC, since, id",
        )
        .fetch_all(&mut *conn)
        .await?;
        let mut waits = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: i64 = row.try_get("id")?;
            let cause: String = row.try_get("cause")?;
            let words: Option<String> = row.try_get("words")?;
            let instant = |column: &str| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(from_millis));
            waits.push(Wait {
                id,
                kind: kind(row.try_get("kind")?)?,
                about: About::parse(&cause)?,
                urgent: row.try_get::<i64, _>("urgent")? != 0,
                since: from_millis(row.try_get("since")?),
                told: row.try_get("told")?,
                told_at: instant("told_at")?,
                over_at: instant("over_at")?,
                words: match words {
                    Some(sealed) => Some(self.wait_words(id, row.try_get("data_key")?, &sealed)?),
                    None => None,
                },
            });
        }
        Ok((waits, self.times(&mut conn).await?.0))
    }

    /// Whether anything must be told: it is urgent, has waited (or been over) for `gather`, or was last told `remind` ago.
    /// Tasks are looked at with `tasks_too`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waits_are_ripe(
        &self,
        gather: Duration,
        remind: Duration,
        tasks_too: bool,
    ) -> Result<bool, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0.as_millisecond();
        let before = |span: Duration| now.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
        let ripe: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM waits WHERE (kind = 'alert' OR $3 = 1) AND ((over_at IS NOT NULL AND over_at <= $1)
                OR (over_at IS NULL AND told_at IS NULL AND (since <= $1 OR urgent = 1))
                OR (over_at IS NULL AND told_at <= $2))",
        )
        .bind(before(gather))
        .bind(before(remind))
        .bind(i64::from(tasks_too))
        .fetch_one(&mut *conn)
        .await?;
        Ok(ripe > 0)
    }

    fn wait_words(&self, id: i64, data_key: &str, sealed: &str) -> Result<String, StoreError> {
        let opened = secret::open(&self.inner.keys.unwrap(&key_place(id), data_key)?, &place(id), sealed)?;
        String::from_utf8(opened.to_vec()).map_err(|why| StoreError::corrupt("sealed words of a wait", why))
    }

    /// Posts the mails that tell of waits, and writes down that they were told, with one commit. Does nothing, and
    /// says false, when another daemon has told of one of them in the meantime.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn tell(&self, mails: &[NewMail], told: &[Told]) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let mut told: Vec<&Told> = told.iter().collect();
        told.sort_by_key(|told| told.wait.id);
        for Told { wait, words } in told {
            let data_key: Option<String> = sqlx::query_scalar("SELECT data_key FROM waits WHERE id = $1")
                .bind(wait.id)
                .fetch_optional(tx.conn())
                .await?;
            let Some(data_key) = data_key else { return Ok(false) };
            let sealed = secret::seal(
                &self.inner.keys.unwrap(&key_place(wait.id), &data_key)?,
                &place(wait.id),
                words.as_bytes(),
            )?;
            let query = if wait.over_at.is_some() {
                sqlx::query("DELETE FROM waits WHERE id = $1 AND told = $2 AND over_at IS NOT NULL")
                    .bind(wait.id)
                    .bind(wait.told)
            } else {
                sqlx::query(
                    "UPDATE waits SET told = told + 1, told_at = $3, words = $4
                     WHERE id = $1 AND told = $2 AND over_at IS NULL",
                )
                .bind(wait.id)
                .bind(wait.told)
                .bind(now)
                .bind(sealed)
            };
            if query.execute(tx.conn()).await?.rows_affected() != 1 {
                return Ok(false);
            }
        }
        self.insert_mails(&mut tx, mails).await?;
        self.notify(&mut tx).await?;
        self.commit(tx).await?;
        self.inner.mail.notify_one();
        Ok(true)
    }
}

struct Known {
    id: i64,
    kind: WaitKind,
    urgent: bool,
    told: bool,
    over: bool,
}

fn differs(now: &[Cause], known: &BTreeMap<String, Known>) -> bool {
    let open: BTreeSet<&str> = now.iter().map(|cause| cause.cause.as_str()).collect();
    let same = |cause: &Cause, known: &Known| !known.over && known.urgent == cause.urgent;
    let new = now.iter().any(|cause| known.get(&cause.cause).is_none_or(|known| !same(cause, known)));
    new || known.iter().any(|(cause, known)| !known.over && !open.contains(cause.as_str()))
}

async fn known(conn: &mut AnyConnection) -> Result<BTreeMap<String, Known>, StoreError> {
    let rows = sqlx::query("SELECT id, cause, kind, told, over_at, urgent FROM waits").fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let known = Known {
                id: row.try_get(0)?,
                kind: kind(row.try_get(2)?)?,
                told: row.try_get::<i64, _>(3)? > 0,
                over: row.try_get::<Option<i64>, _>(4)?.is_some(),
                urgent: row.try_get::<i64, _>(5)? != 0,
            };
            Ok((row.try_get(1)?, known))
        })
        .collect()
}

/// Daemons on one PostgreSQL take turns here: the counter's row is the lock.
async fn known_for_update(store: &Store, tx: &mut Tx) -> Result<BTreeMap<String, Known>, StoreError> {
    store.take_keys(tx, "wait", 0).await?;
    known(tx.conn()).await
}

fn kind(name: &str) -> Result<WaitKind, StoreError> {
    let found = [WaitKind::Task, WaitKind::Alert].into_iter().find(|kind| kind.as_str() == name);
    found.ok_or_else(|| StoreError::corrupt("wait", name))
}

/// Where a wait's wrapped key stands.
pub(super) fn key_place(id: i64) -> String {
    format!("waits:{id}")
}

fn place(id: i64) -> String {
    format!("wait:{id}:words")
}
