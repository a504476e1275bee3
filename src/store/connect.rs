//! Addresses and connections, and what is checked before the first use.

use std::future::Future;
use std::time::{Duration, Instant};

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, Connection};

use super::stalled::NAME;
use super::{Dialect, Opening, Store, StoreError};
use crate::clock;

/// How long a free connection, or a new one, is waited for.
const CONNECT: Duration = Duration::from_secs(6);

/// How long a connection may take to answer the shortest of questions.
const LOOK: Duration = Duration::from_secs(2);

/// So old, a connection to a server is replaced: what the server keeps for it only grows.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// How long a daemon that starts waits for its server.
const SERVER_STARTS: Duration = Duration::from_secs(10);

impl Store {
    /// What was asked for is read back (guarantee 1).
    pub(super) async fn check_durability(&self) -> Result<(), StoreError> {
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
    pub(super) async fn check_keys(&self) -> Result<(), StoreError> {
        let (_, ours) = self.inner.keys.newest();
        if self.meta("key_ring").await?.is_none() {
            // Of several daemons that meet a fresh database, the first says which key it is.
            let mut tx = self.begin().await?;
            sqlx::query("INSERT INTO meta (name, value) VALUES ('key_ring', $1) ON CONFLICT (name) DO NOTHING")
                .bind(&ours)
                .execute(tx.conn())
                .await?;
            self.commit(tx).await?;
        }
        match self.meta("key_ring").await? {
            Some(theirs) if !self.inner.keys.wrap_with(&theirs) => Err(StoreError::Version {
                message: format!("the key file does not belong to this database (key {ours}, the database was sealed under {theirs})"),
                help: "put the key file that was used with this database back (by default usher.key beside it), or name it in [keys]".into(),
            }),
            _ => Ok(()),
        }
    }
}

pub(super) fn dialect_of(url: &str) -> Result<Dialect, StoreError> {
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
pub(super) fn sqlite_url(url: &str) -> Result<String, StoreError> {
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

/// The first connection, made by hand and kept until the pools have theirs: a pool tries for seconds what cannot
/// succeed, and then tells of its own patience instead of the trouble.
pub(super) async fn knock(url: &str, dialect: Dialect, opening: Opening) -> Result<AnyConnection, sqlx::Error> {
    match dialect {
        Dialect::Sqlite => knock_on_a_file(url, opening).await,
        Dialect::Postgres => knock_on_a_server(url, opening).await,
    }
}

async fn knock_on_a_file(url: &str, opening: Opening) -> Result<AnyConnection, sqlx::Error> {
    let mut conn = AnyConnection::connect(url).await?;
    make_durable(&mut conn).await?;
    if opening == Opening::Migrate {
        // Who only looks may do so in a file that cannot be written; a daemon is of no use there.
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        // Only a write shows it. Nobody reads this number, and it is rolled back.
        sqlx::query("PRAGMA user_version = 0").execute(&mut *tx).await?;
        tx.rollback().await?;
    }
    Ok(conn)
}

/// A daemon waits for a server that starts at the same time, or is about to become the primary.
async fn knock_on_a_server(url: &str, opening: Opening) -> Result<AnyConnection, sqlx::Error> {
    let began = Instant::now();
    loop {
        let knocked = answered(CONNECT, async {
            let mut conn = AnyConnection::connect(url).await?;
            greet(&mut conn).await?;
            Ok(conn)
        });
        match knocked.await {
            Err(error) if opening == Opening::Migrate && may_pass(&error) && began.elapsed() < SERVER_STARTS => {
                clock::pause(Duration::from_millis(200)).await;
            }
            outcome => return outcome,
        }
    }
}

/// A server that is not there yet, or not yet the one to write to.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Configuration(said) => said.is::<ReadOnly>(),
        // "The database system is starting up", "… is shutting down".
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

/// A pool that nobody tidies up in the background. sqlx (0.9) goes over as many connections as it counts idle ones, and
/// where one comes back and is taken at the same time it counts one less than none: 2⁶⁴, and a core is busy for ever.
fn untended(size: u32) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(size).min_connections(0).idle_timeout(None).max_lifetime(None)
}

pub(super) fn sqlite_pool(size: u32) -> AnyPoolOptions {
    untended(size)
        .acquire_timeout(Duration::from_secs(10))
        // A file is not away; a ping would only be one more message to the connection's thread.
        .test_before_acquire(false)
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
        // Each update from a list of rows makes a table of them first: not in a file.
        "PRAGMA temp_store = MEMORY",
        // What is deleted (a secret that was used, an erased person) is overwritten.
        "PRAGMA secure_delete = ON",
    ] {
        sqlx::query(pragma).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Connections to PostgreSQL are looked at whenever they are handed out and whenever they come back, and no look takes
/// longer than [`LOOK`]: what does not answer, or can only be read, is dropped for a new one. So a server that was
/// restarted, a standby that has taken over and a network that has lost connections are found by the next who writes.
pub(super) fn postgres_pool(size: u32) -> AnyPoolOptions {
    untended(size)
        .acquire_timeout(CONNECT)
        // `may_write` asks more than a ping does, for the same round trip.
        .test_before_acquire(false)
        .after_connect(|conn, _| Box::pin(answered(LOOK, greet(conn))))
        .before_acquire(|conn, about| {
            Box::pin(answered(LOOK, async move { Ok(about.age < LIFETIME && may_write(conn).await?) }))
        })
        // Given up in the middle of a query, it may never answer: the pool's own ping would wait for that for ever.
        .after_release(|conn, _| Box::pin(answered(LOOK, async move { conn.ping().await.map(|()| true) })))
}

/// Connections for turns alone. PostgreSQL keeps its plans by connection and makes them anew the first five times: a pool
/// hands its connections out in turn, so with many of them most reactions of a quiet daemon would wait for plans, and some
/// for a connection. One is in use while the other comes back.
pub(super) fn turn_pool() -> AnyPoolOptions {
    postgres_pool(2)
}

/// What every connection is told first: a commit is on disk (and on the synchronous standbys, where there are some)
/// before it is answered. A process that was stopped, or is cut off, keeps nobody from the rows that it has locked. A page that
/// is looked for costs hardly more than the next one: PostgreSQL thinks of disks that turn, and reads a whole table of
/// thousands of rows for a hundred of them.
async fn greet(conn: &mut AnyConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SET synchronous_commit = on").execute(&mut *conn).await?;
    sqlx::query("SET idle_in_transaction_session_timeout = '5s'").execute(&mut *conn).await?;
    sqlx::query("SET random_page_cost = 1.1").execute(&mut *conn).await?;
    sqlx::query("SELECT set_config('application_name', $1, false)").bind(NAME).execute(&mut *conn).await?;
    if may_write(conn).await? { Ok(()) } else { Err(sqlx::Error::Configuration(Box::new(ReadOnly))) }
}

/// False on a standby, and where the server is set to refuse writes (SQLSTATE 25006).
async fn may_write(conn: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(&mut *conn).await?;
    Ok(read_only == "off")
}

/// The database can only be read.
#[derive(Debug, thiserror::Error)]
#[error("it is read-only")]
struct ReadOnly;

/// An answer that takes longer than that is none.
async fn answered<T>(
    limit: Duration,
    question: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, question).await.unwrap_or_else(|_| {
        let silence = format!("no answer within {} s", limit.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silence)))
    })
}

/// A URL without its password.
pub(super) fn shown(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}://{}", &url[..scheme], &url[at + 1..]),
        _ => url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc").to_owned(),
    }
}

/// A driver's error without its wrapping words.
pub(super) fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Opening;
    use super::*;
    use crate::clock::Clock;
    use crate::run::Holidays;
    use crate::secret::KeyRing;

    async fn store(folder: &std::path::Path) -> Store {
        let ring = KeyRing::open_or_create(&folder.join("usher.key")).unwrap();
        let url = format!("sqlite:{}", folder.join("usher.db").display());
        Store::open(&url, Opening::Migrate, Clock::System, ring, Holidays::default()).await.unwrap()
    }

    /// See [`untended`].
    #[test]
    fn no_pool_is_tended_in_the_background() {
        for pool in [sqlite_pool(1), sqlite_pool(4), postgres_pool(10), turn_pool()] {
            let tended = (pool.get_max_lifetime(), pool.get_idle_timeout(), pool.get_min_connections());
            assert_eq!(tended, (None, None, 0), "{pool:?}");
        }
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
