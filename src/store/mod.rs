//! THE RECORD. All SQL, one text for SQLite and PostgreSQL; where the dialects must part, see [`sql`].
//!
//! A run is changed in one way: load its [`Book`](crate::run::book::Book) (which locks the run), let a pure function
//! work on it, write what changed together with the journal's entries, commit. [`Store::turn`] does that for many
//! runs at once and hands out the attempts that may start.

mod accounts;
mod books;
mod freezes;
mod journal;
mod lock;
mod migrate;
mod people;
mod runs;
mod schedules;
mod sql;
mod tasks;
mod turn;
mod versions;
mod wake;
mod ways_out;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, Connection, Row};

pub use accounts::{Binding, SyncCount};
pub use freezes::FreezeRow;
pub use journal::{AuditEntry, Verified};
pub use lock::FileLock;
pub use people::{EventRow, NewEvent};
pub use runs::{NewRun, RunFilter, RunRow, Started};
pub use tasks::{Waiting, reason_words};
pub use turn::{Claim, Completion, Seen, TurnReport, TurnRequest};
pub use wake::Watch;

use crate::clock::{self, Clock};
use crate::run::IllegalTransition;
use crate::run::business::Holidays;
use crate::secret::{DataKey, KeyRing, SealError};
use crate::workflow::Workflow;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded: one writer, one daemon per file.
    Sqlite,
    /// Any number of daemons.
    Postgres,
}

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database's own words.
    #[error("the database: {}", plain(.0))]
    Database(#[from] sqlx::Error),
    /// The database is of another version.
    #[error("{message}")]
    Version {
        /// What is wrong.
        message: String,
        /// The way out.
        help: String,
    },
    /// It cannot be opened.
    #[error("cannot open the database {url}: {reason}")]
    Open {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {kind} {key}")]
    NotFound {
        /// What kind of thing.
        kind: &'static str,
        /// Its key.
        key: String,
    },
    /// A rule forbids it.
    #[error("{0}")]
    Refused(String),
    /// A state does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Two writers met; the write was taken back and may be tried again.
    #[error("another writer changed {0} in the meantime")]
    Conflict(String),
    /// A stored value cannot be read.
    #[error("the database holds a {what} that cannot be read: {why}")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Sealing or opening failed.
    #[error("{0}")]
    Seal(#[from] SealError),
}

impl StoreError {
    pub(crate) fn corrupt(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, why: why.to_string() }
    }

    /// Whether the database itself is in trouble (away, full, busy), so that trying again later is right.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                !(error.is_unique_violation() || error.is_check_violation() || error.is_foreign_key_violation())
            }
            Self::Database(_) | Self::Open { .. } => true,
            _ => false,
        }
    }
}

/// What failed is tried again every few seconds; a trouble that is not heard of again is over.
const TROUBLE_LASTS: Duration = Duration::from_secs(30);

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Creates and migrates: the daemon, `init`, `demo`, tests.
    Migrate,
    /// Refuses another schema version: commands beside a daemon. Creates a database where there is none.
    Existing,
}

/// The store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    dialect: Dialect,
    writer: AnyPool,
    reader: AnyPool,
    clock: Clock,
    keys: KeyRing,
    holidays: Holidays,
    versions: Mutex<HashMap<i64, Arc<Workflow>>>,
    data_keys: Mutex<HashMap<i64, DataKey>>,
    /// Told after every commit of this process that may have made a step due.
    wake: tokio::sync::Notify,
    commits: std::sync::atomic::AtomicU64,
    /// Why the last write could not be made, until one is.
    trouble: Mutex<Option<(Instant, String)>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dialect", &self.inner.dialect).finish_non_exhaustive()
    }
}

/// A write transaction with its "now".
pub(crate) struct Tx {
    inner: sqlx::Transaction<'static, sqlx::Any>,
    /// The store's clock: real time plus the sandbox offset. Due times are judged by it.
    pub(crate) now: Timestamp,
    /// Real time: leases.
    pub(crate) real: Timestamp,
}

impl Tx {
    pub(crate) fn conn(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// The channel that daemons on one PostgreSQL listen to.
pub(crate) const CHANNEL: &str = "usher_due";

impl Store {
    /// Opens the database at `url` (`sqlite:PATH`, `sqlite::memory:` is not offered; `postgres://…`).
    ///
    /// # Errors
    /// When it cannot be reached, is read-only, sealed by another key, or of another version.
    pub async fn open(
        url: &str,
        opening: Opening,
        clock: Clock,
        keys: KeyRing,
        holidays: Holidays,
    ) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = dialect_of(url)?;
        let url = if dialect == Dialect::Sqlite { sqlite_url(url)? } else { url.to_owned() };
        let failed = |error: sqlx::Error| StoreError::Open { url: shown(&url), reason: plain(&error) };
        let (writer, reader) = match dialect {
            Dialect::Sqlite => {
                // A pool would try for ten seconds, and then tell of its own patience instead of the disk's trouble.
                let mut first = AnyConnection::connect(&url).await.map_err(failed)?;
                make_durable(&mut first).await.map_err(failed)?;
                let pools = (
                    sqlite_pool(1).connect(&url).await.map_err(failed)?,
                    sqlite_pool(4).connect(&url).await.map_err(failed)?,
                );
                first.close().await.ok();
                pools
            }
            Dialect::Postgres => {
                if opening == Opening::Existing {
                    // A pool would knock for ten seconds at a door that nobody opens; somebody is waiting.
                    AnyConnection::connect(&url).await.map_err(failed)?.close().await.ok();
                }
                let pool = postgres_pool().connect(&url).await.map_err(failed)?;
                (pool.clone(), pool)
            }
        };
        let store = Self {
            inner: Arc::new(Inner {
                url,
                dialect,
                writer,
                reader,
                clock,
                keys,
                holidays,
                versions: Mutex::default(),
                data_keys: Mutex::default(),
                wake: tokio::sync::Notify::new(),
                commits: std::sync::atomic::AtomicU64::new(0),
                trouble: Mutex::default(),
            }),
        };
        migrate::bring_up(&store, opening).await?;
        store.check_durability().await?;
        store.check_keys().await?;
        Ok(store)
    }

    /// Which database.
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Where the database is, without credentials.
    pub fn place(&self) -> String {
        shown(&self.inner.url)
    }

    /// Write transactions committed by this process.
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.inner.reader.close().await;
        self.inner.writer.close().await;
    }

    /// The store's clock: the database's time (PostgreSQL) or this machine's (SQLite), plus the sandbox offset.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        let mut conn = self.reader().await?;
        Ok(self.times(&mut conn).await?.0)
    }

    /// Moves the store's clock ahead of real time, for sandbox set-ups (demo, rehearsal, tests).
    ///
    /// # Errors
    /// When an attempt is in flight, or the database cannot be written.
    pub async fn fast_forward(&self, to: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let leased: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM steps WHERE state = 'leased'").fetch_one(tx.conn()).await?;
        if leased > 0 {
            return Err(StoreError::Refused(format!("{leased} attempts are in flight; time jumps only between them")));
        }
        let offset = to.as_millisecond() - tx.real.as_millisecond();
        self.set_meta(&mut tx, "clock_offset", &offset.to_string()).await?;
        self.notify(&mut tx).await?;
        self.commit(tx).await
    }

    /// When the next step is due, by the store's clock.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut conn = self.reader().await?;
        let due: Option<i64> = sqlx::query_scalar(
            "SELECT MIN(due_at) FROM (SELECT (SELECT MIN(due_at) FROM steps WHERE lane = 0 AND due_at IS NOT NULL) AS due_at
             UNION ALL SELECT (SELECT MIN(due_at) FROM steps WHERE lane = 1 AND due_at IS NOT NULL)) AS lanes",
        )
        .fetch_one(&mut *conn)
        .await?;
        Ok(due.map(clock::from_millis))
    }

    /// How many attempts are under way, over all daemons.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn in_flight(&self) -> Result<i64, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL").fetch_one(&mut *conn).await?)
    }

    /// How long until the next step is due: zero when one is due now, `None` when none has a time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn until_due(&self) -> Result<Option<Duration>, StoreError> {
        let due = self.next_due().await?;
        let now = self.now().await?;
        let left = |due: Timestamp| due.as_millisecond().saturating_sub(now.as_millisecond()).max(0);
        Ok(due.map(|due| Duration::from_millis(left(due).unsigned_abs())))
    }

    pub(crate) async fn reader(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Any>, StoreError> {
        Ok(self.inner.reader.acquire().await?)
    }

    /// Begins a write transaction. SQLite takes the write lock at once (`BEGIN IMMEDIATE`): a transaction that reads
    /// first and writes later would fail when two meet. PostgreSQL locks rows instead.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let begun = self.begin_now().await;
        if let Err(error) = &begun {
            self.note(Some(error));
        }
        begun
    }

    async fn begin_now(&self) -> Result<Tx, StoreError> {
        let mut inner = match self.inner.dialect {
            Dialect::Sqlite => self.inner.writer.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.inner.writer.begin().await?,
        };
        let (now, real) = self.times(&mut inner).await?;
        Ok(Tx { inner, now, real })
    }

    pub(crate) async fn commit(&self, tx: Tx) -> Result<(), StoreError> {
        if let Err(error) = tx.inner.commit().await.map_err(StoreError::from) {
            self.note(Some(&error));
            return Err(error);
        }
        self.note(None);
        self.inner.commits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Why this process cannot write at the moment (a full disk, a database that is gone): nothing that changes
    /// anything is begun (guarantee 13). `None` again with the first write that succeeds.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        trouble.filter(|(since, _)| since.elapsed() < TROUBLE_LASTS).map(|(_, reason)| reason)
    }

    fn note(&self, trouble: Option<&StoreError>) {
        let trouble = trouble.filter(|error| error.is_outage()).map(|error| (Instant::now(), error.to_string()));
        *self.inner.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// (store's now, real now). How a database tells the time differs by necessity.
    async fn times(&self, conn: &mut AnyConnection) -> Result<(Timestamp, Timestamp), StoreError> {
        let (real, offset): (i64, i64) = match (self.inner.dialect, &self.inner.clock) {
            (Dialect::Postgres, Clock::System) => {
                let row = sqlx::query(TIME.postgres).fetch_one(conn).await?;
                (row.try_get(0)?, row.try_get(1)?)
            }
            (_, clock) => {
                let row = sqlx::query(TIME.sqlite).fetch_one(conn).await?;
                (clock.now().as_millisecond(), row.try_get(0)?)
            }
        };
        Ok((clock::from_millis(real.saturating_add(offset)), clock::from_millis(real)))
    }

    /// The next `count` keys of a kind; the first of them.
    pub(crate) async fn take_keys(&self, tx: &mut Tx, kind: &str, count: i64) -> Result<i64, StoreError> {
        let last: i64 = sqlx::query_scalar("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value")
            .bind(count)
            .bind(kind)
            .fetch_one(tx.conn())
            .await?;
        Ok(last - count + 1)
    }

    pub(crate) async fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(name).fetch_optional(&mut *conn).await?)
    }

    pub(crate) async fn set_meta(&self, tx: &mut Tx, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(tx.conn())
        .await?;
        Ok(())
    }

    /// What was asked for is read back (guarantee 1).
    async fn check_durability(&self) -> Result<(), StoreError> {
        let mut conn = self.inner.writer.acquire().await?;
        match self.inner.dialect {
            Dialect::Sqlite => {
                let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *conn).await?;
                let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *conn).await?;
                if synchronous < 2 || mode != "wal" {
                    return Err(StoreError::Open {
                        url: self.place(),
                        reason: format!(
                            "it runs with synchronous={synchronous}, journal_mode={mode}; FULL and wal are needed to be durable"
                        ),
                    });
                }
            }
            // Every connection is opened with `synchronous_commit = on` (see `postgres_pool`).
            Dialect::Postgres => {}
        }
        Ok(())
    }

    /// A database sealed under one key ring is never written under another.
    async fn check_keys(&self) -> Result<(), StoreError> {
        let ours = self.inner.keys.fingerprint();
        match self.meta("key_ring").await? {
            Some(theirs) if theirs != ours => Err(StoreError::Version {
                message: format!("the key file does not belong to this database (key {ours}, the database was sealed under {theirs})"),
                help: "put the key file that was used with this database back (by default usher.key beside it), or name it in [keys]".into(),
            }),
            Some(_) => Ok(()),
            None => {
                let mut tx = self.begin().await?;
                self.set_meta(&mut tx, "key_ring", &ours).await?;
                self.commit(tx).await
            }
        }
    }

    pub(crate) fn holidays(&self) -> &Holidays {
        &self.inner.holidays
    }

    /// The data key in its wrapped form, opened once per process.
    pub(crate) fn data_key(&self, person: i64, wrapped: &str) -> Result<DataKey, StoreError> {
        let mut cache = self.inner.data_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = cache.get(&person) {
            return Ok(key.clone());
        }
        let key = self.inner.keys.unwrap(wrapped)?;
        if cache.len() > 50_000 {
            cache.clear();
        }
        cache.insert(person, key.clone());
        Ok(key)
    }
}

/// Daemons on one PostgreSQL agree on the database's time; on SQLite there is one machine, and it is asked directly.
const TIME: sql::Text = sql::Text {
    sqlite: "SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'clock_offset'), 0)",
    postgres: "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT),
                      COALESCE((SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'clock_offset'), 0)",
};

fn dialect_of(url: &str) -> Result<Dialect, StoreError> {
    if url.starts_with("sqlite:") {
        Ok(Dialect::Sqlite)
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(Dialect::Postgres)
    } else {
        Err(StoreError::Open {
            url: shown(url),
            reason: "an address begins with `sqlite:` (a file's path follows) or `postgres://`".into(),
        })
    }
}

/// `sqlite:PATH` as the driver wants it, its folder made.
fn sqlite_url(url: &str) -> Result<String, StoreError> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or(path);
    let failed = |reason: String| StoreError::Open { url: path.to_owned(), reason };
    if path.is_empty() || path == ":memory:" {
        return Err(failed("a path is needed: what is in memory only is not durable".into()));
    }
    if let Some(folder) = std::path::Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    }
    Ok(format!("sqlite://{path}?mode=rwc"))
}

/// The path of the database file, for what lies beside it.
pub fn sqlite_path(url: &str) -> Option<std::path::PathBuf> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
    Some(path.split('?').next().unwrap_or(path).into())
}

fn sqlite_pool(size: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(size)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|conn, _| Box::pin(make_durable(conn)))
        // After a failed COMMIT (a full disk) SQLite has rolled back by itself, the driver's own ROLLBACK fails, and the
        // driver takes the connection for one within a transaction for ever after (guarantee 13).
        .before_acquire(|conn, _| Box::pin(async move { Ok(!conn.is_in_transaction()) }))
}

async fn make_durable(conn: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for pragma in [
        "PRAGMA busy_timeout = 10000",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ] {
        sqlx::query(pragma).execute(&mut *conn).await?;
    }
    Ok(())
}

/// A connection that landed on a standby is of no use: it is dropped before it is handed out.
fn postgres_pool() -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(12)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|conn, _| {
            Box::pin(async move {
                sqlx::query("SET synchronous_commit = on").execute(&mut *conn).await?;
                Ok(())
            })
        })
        .before_acquire(|conn, meta| {
            Box::pin(async move {
                if meta.idle_for < Duration::from_secs(1) {
                    return Ok(true);
                }
                conn.ping().await?;
                let read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(&mut *conn).await?;
                Ok(read_only == "off")
            })
        })
}

/// A URL without its password.
fn shown(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://{}", &url[..scheme], &url[at + 1..]),
        _ => url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc").to_owned(),
    }
}

/// A driver's error without its wrapping words.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store(folder: &std::path::Path) -> Store {
        let ring = KeyRing::open_or_create(&folder.join("usher.key")).unwrap();
        let url = format!("sqlite:{}", folder.join("usher.db").display());
        Store::open(&url, Opening::Migrate, Clock::System, ring, Holidays::default()).await.unwrap()
    }

    /// Guarantee 13: after a write that the disk had no room for, the next one goes through.
    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_wedges_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        for _ in 0..3 {
            let mut tx = store.begin().await.unwrap();
            // What SQLite does by itself when a COMMIT finds the disk full.
            sqlx::query("ROLLBACK").execute(tx.conn()).await.unwrap();
            assert!(store.commit(tx).await.is_err(), "a commit of nothing is no commit");
            assert!(store.trouble().is_some());
        }
        let now = store.now().await.unwrap();
        store.fast_forward(now).await.unwrap();
        assert_eq!(store.trouble(), None);
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_said_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open_or_create(&folder.path().join("usher.key")).unwrap();
        std::fs::write(folder.path().join("notes.txt"), "This is no database. ".repeat(100)).unwrap();
        let url = format!("sqlite:{}", folder.path().join("notes.txt").display());
        let opened = Store::open(&url, Opening::Existing, Clock::System, ring, Holidays::default());
        let error = tokio::time::timeout(Duration::from_secs(5), opened).await.expect("at once").unwrap_err();
        assert!(error.to_string().contains("file is not a database"), "{error}");
        assert!(error.way_out().is_some(), "{error}");
    }
}
