//! What tells a daemon that a step may have become due: its own commits, other processes' commits, other daemons'.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use sqlx::postgres::PgListener;

use super::connect::sqlite_path;
use super::{CHANNEL, Dialect, Store, StoreError, Tx};
use crate::clock;
use crate::secret::KeyRing;

/// When the first of some steps is due, and the first of those in the urgent lane (epoch milliseconds), where any is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DueTimes {
    first: Option<i64>,
    urgent: Option<i64>,
}

impl DueTimes {
    /// One more step.
    pub(super) fn note(&mut self, due: Option<i64>, urgent: bool) {
        *self = self.or(Self { first: due, urgent: due.filter(|_| urgent) });
    }

    /// Of both.
    pub(super) fn or(self, other: Self) -> Self {
        let earlier = |one: Option<i64>, other: Option<i64>| one.into_iter().chain(other).min();
        Self { first: earlier(self.first, other.first), urgent: earlier(self.urgent, other.urgent) }
    }
}

/// What a transaction makes due at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MadeDue {
    any: bool,
    urgent: bool,
}

/// What has just become due, until the claimer has asked.
#[derive(Debug, Default)]
pub(super) struct JustDue {
    any: AtomicBool,
    urgent: AtomicBool,
}

/// What a notification says of what is urgent, behind the name of whoever tells.
const URGENT: &str = " urgent";

/// Watches for writes by others. SQLite has no way to tell: every commit goes into the file of its log, whose time and
/// length are looked at twice a second, and only where they have changed is the database asked for its version.
/// PostgreSQL notifies; behind that stands [`Store::glance`], so that a lost notification costs seconds at most.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sqlite {
        conn: Box<sqlx::pool::PoolConnection<sqlx::Any>>,
        version: i64,
        log: Log,
    },
    /// `told` is what the connection has said of the master keys at hand.
    Postgres {
        listener: Box<PgListener>,
        told: String,
    },
}

const POLL: Duration = Duration::from_millis(500);

/// So long the log's time and length are believed: a file system may tell the time so coarsely that two commits look like
/// one.
const BELIEVED: Duration = Duration::from_secs(5);

/// SQLite's write-ahead log, as it was last looked at.
#[derive(Debug)]
struct Log {
    path: Option<PathBuf>,
    seen: Option<(SystemTime, u64)>,
    asked: Instant,
}

impl Log {
    fn of(url: &str) -> Self {
        let path = sqlite_path(url).map(|path| {
            let mut path = path.into_os_string();
            path.push("-wal");
            path.into()
        });
        Self { path, seen: None, asked: Instant::now() }
    }

    /// Whether something may have been written since this was asked last; yes where it cannot be seen.
    fn may_have_grown(&mut self) -> bool {
        let look = |path: &PathBuf| {
            let about = std::fs::metadata(path).ok()?;
            Some((about.modified().ok()?, about.len()))
        };
        let seen = self.path.as_ref().and_then(look);
        if seen.is_some() && seen == self.seen && self.asked.elapsed() < BELIEVED {
            return false;
        }
        (self.seen, self.asked) = (seen, Instant::now());
        true
    }
}

/// After so long without a notification the connection is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(15);

/// How long it may take to say so.
const ANSWER: Duration = Duration::from_secs(2);

impl Store {
    /// Waits until this process has committed something besides its turns, or another may have.
    pub async fn committed(&self) {
        self.inner.wake.notified().await;
    }

    /// Whether a commit of this process has made something due since this was last asked: then nobody need ask the database.
    pub fn made_due(&self) -> bool {
        self.inner.due.any.swap(false, Ordering::AcqRel)
    }

    /// Whether something urgent was made due since this was last asked, by a commit of this process, or by another that has
    /// told.
    pub fn made_urgent(&self) -> bool {
        self.inner.due.urgent.swap(false, Ordering::AcqRel)
    }

    /// After a commit: wakes the claimer.
    pub(super) fn wake(&self, made: MadeDue) {
        self.inner.due.any.fetch_or(made.any, Ordering::AcqRel);
        self.inner.due.urgent.fetch_or(made.urgent, Ordering::AcqRel);
        self.inner.wake.notify_one();
    }

    /// Grows with every commit of this process, and whenever others may have written something: while it stays the same,
    /// whatever was read of the record would be read again. Without a [`Watch`] others are not seen.
    pub fn changes(&self) -> u64 {
        self.commits().wrapping_add(self.inner.others.load(Ordering::Relaxed))
    }

    /// Starts watching for writes by others.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn watch(&self) -> Result<Watch, StoreError> {
        // What was written until now nobody has seen.
        self.inner.others.fetch_add(1, Ordering::Relaxed);
        let kind = match self.inner.dialect {
            Dialect::Sqlite => {
                let mut conn = Box::new(self.reader().await?);
                let version = data_version(&mut conn).await?;
                Kind::Sqlite { conn, version, log: Log::of(&self.inner.url) }
            }
            Dialect::Postgres => {
                let mut listener = PgListener::connect(&self.inner.url).await?;
                let told = tell_keys(&mut listener, &self.inner.keys).await?;
                Kind::Postgres { listener: Box::new(listener), told }
            }
        };
        Ok(Watch { store: self.clone(), kind })
    }

    /// How many daemons listen on this database. Only PostgreSQL knows; on SQLite the file's lock tells.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn listeners(&self) -> Result<Option<i64>, StoreError> {
        if self.inner.dialect == Dialect::Sqlite {
            return Ok(None);
        }
        let mut conn = self.reader().await?;
        let count = sqlx::query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'usher keys %'",
        );
        Ok(Some(count.fetch_one(&mut *conn).await?))
    }

    /// What the daemons on this PostgreSQL say of their master keys.
    pub(super) async fn daemon_labels(&self) -> Result<Vec<String>, StoreError> {
        let mut conn = self.reader().await?;
        let labels = sqlx::query_scalar(
            "SELECT application_name FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'usher keys %'",
        );
        Ok(labels.fetch_all(&mut *conn).await?)
    }

    /// In the transaction that gives steps a due time: the other daemons are told, and this process's claimer, where it has
    /// come.
    pub(super) async fn tell_due(&self, tx: &mut Tx, due: DueTimes) -> Result<(), StoreError> {
        if due.first.is_none() {
            return Ok(());
        }
        let come = |due: Option<i64>| due.is_some_and(|due| due <= tx.now.as_millisecond());
        let made = MadeDue { any: tx.due.any || come(due.first), urgent: tx.due.urgent || come(due.urgent) };
        tx.due = made;
        self.notify_of(tx, if made.urgent { URGENT } else { "" }).await
    }

    /// Tells the other daemons, in the transaction that makes something due: they hear it when it commits.
    pub(super) async fn notify(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.notify_of(tx, "").await
    }

    async fn notify_of(&self, tx: &mut Tx, what: &str) -> Result<(), StoreError> {
        if self.inner.dialect == Dialect::Postgres {
            let notify = sqlx::query("SELECT CAST(pg_notify($1, $2) AS TEXT)").bind(CHANNEL);
            notify.bind(format!("{}{what}", self.inner.name)).execute(tx.conn()).await?;
        }
        Ok(())
    }
}

/// Listens, and lets everybody see that a daemon is there and which master keys it has: in its connection's name, which
/// is gone when the daemon is.
async fn tell_keys(listener: &mut PgListener, keys: &KeyRing) -> Result<String, StoreError> {
    let label = keys.label();
    sqlx::query("SELECT set_config('application_name', $1, false)").bind(&label).execute(&mut *listener).await?;
    listener.listen(CHANNEL).await?;
    Ok(label)
}

impl Watch {
    /// Waits for the next write by another process and wakes the claimer.
    ///
    /// # Errors
    /// When the connection is lost; the caller starts a new watch.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        let inner = &self.store.inner;
        // The claimer hears of this process's commits by themselves, and knows what they have made due: this may come before.
        let mut own = false;
        match &mut self.kind {
            Kind::Sqlite { conn, version, log } => loop {
                clock::pause(POLL).await;
                if !log.may_have_grown() {
                    continue;
                }
                let seen = data_version(conn).await?;
                if seen != *version {
                    *version = seen;
                    break;
                }
            },
            Kind::Postgres { listener, told } => {
                let said = heard(listener).await?;
                if said.is_none() || *told != self.store.inner.keys.label() {
                    *told = tell_keys(listener, &self.store.inner.keys).await?;
                }
                let from = said.as_deref().unwrap_or_default();
                let urgent = from.ends_with(URGENT);
                own = from.trim_end_matches(URGENT) == inner.name;
                inner.due.urgent.fetch_or(urgent && !own, Ordering::AcqRel);
            }
        }
        inner.others.fetch_add(1, Ordering::Relaxed);
        if !own {
            inner.wake.notify_one();
        }
        inner.mail.notify_one();
        Ok(())
    }
}

/// Waits for a notification, or for a lost connection that was made again: then one may have been missed. A connection
/// on which nothing comes is asked from time to time whether it is still there. Answers what was said; nothing where the
/// connection was made again.
async fn heard(listener: &mut PgListener) -> Result<Option<String>, StoreError> {
    loop {
        if let Ok(heard) = tokio::time::timeout(QUIET, listener.try_recv()).await {
            return Ok(heard?.map(|heard| heard.payload().to_owned()));
        }
        let asked = tokio::time::timeout(ANSWER, sqlx::query("SELECT 1").execute(&mut *listener)).await;
        asked.map_err(|_| StoreError::Unanswered { reason: format!("no answer within {} s", ANSWER.as_secs()) })??;
    }
}

async fn data_version(conn: &mut sqlx::pool::PoolConnection<sqlx::Any>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut **conn).await?)
}
