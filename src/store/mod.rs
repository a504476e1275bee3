//! THE RECORD. All SQL, one text for SQLite and PostgreSQL; where the dialects must part, see [`sql`].
//!
//! A run is changed in one way: load its [`Book`](crate::run::book::Book) (which locks the run), let a pure function
//! work on it, write what changed together with the journal's entries, commit. [`Store::turn`] does that for many
//! runs at once and hands out the attempts that may start.

mod accounts;
mod ahead;
mod archive;
mod batches;
mod books;
mod boundary;
mod bulk;
mod causes;
mod changes;
mod checkpoints;
mod claim;
mod columns;
mod connect;
mod credentials;
mod desk;
mod due;
mod erase;
mod error;
mod events;
mod figures;
mod filling;
mod flush;
mod freezes;
mod glance;
mod growth;
mod halves;
mod holds;
mod imports;
#[cfg(test)]
mod indexes;
mod journal;
mod judging;
mod kept;
mod late;
mod leases;
mod letting_go;
mod limits;
mod listings;
mod lock;
mod mail_list;
mod mails;
mod mark;
mod matches;
mod measure;
mod migrate;
mod names;
mod pace;
mod people;
mod populations;
mod proof;
mod protection;
mod rewrap;
mod runs;
mod schedules;
mod scratch;
mod secrets;
mod seen;
mod selections;
mod shelf;
mod silence;
mod sql;
mod stalled;
mod starting;
mod stored;
mod subjects;
mod tasks;
mod transaction;
mod trips;
mod turn;
mod unanswered;
mod versions;
mod vigil;
mod waits;
mod wake;
mod ways_out;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Connection, Row};

pub use accounts::{Binding, SyncCount};
pub use archive::PutAway;
pub use causes::{Expected, OVERDUE, SilentSource, UnreadSystem};
pub(crate) use changes::HR;
pub use checkpoints::{Checkpoint, MadeCheckpoint};
pub use connect::sqlite_path;
use connect::{dialect_of, knock, plain, postgres_pool, shown, sqlite_pool, sqlite_url, turn_pool};
pub use erase::Erased;
pub use error::StoreError;
pub use events::{Closing, EventFilter, EventRow, EventState, NewEvent, parse_event_id};
pub use figures::Figures;
pub use freezes::FreezeRow;
pub use glance::Glance;
pub(crate) use halves::Halves;
pub use holds::{HoldEnd, HoldRow, Release, parse_hold_id};
pub use imports::{Import, Piece, PieceTaken, RowOutcome};
pub use journal::{AuditEntry, Verified};
pub use kept::KeptRow;
pub use listings::{AccountFilter, AccountRow, Owner};
pub use lock::FileLock;
pub use mail_list::MailRow;
pub use mails::{Carrier, MailEnd, NewMail, TakenMail};
pub use mark::{MarkPlace, MarkStanding};
pub use matches::{Candidate, MatchNote};
pub use measure::{Part, Pattern};
pub use proof::{Doubt, Proof};
pub use rewrap::Pass;
pub use runs::{RunFilter, RunRow};
pub use schedules::{SchedulePause, ScheduleRow};
pub use scratch::Scratch;
pub use secrets::NewPassword;
pub use seen::Seen;
pub use selections::{PeopleBy, SelectedAccount, SelectedPerson};
pub use silence::Patience;
pub use starting::{NewRun, Started};
pub use stored::{StoredRow, resolve};
pub use subjects::Called;
pub use tasks::{Scene, Waiting, reason_words};
pub(crate) use transaction::Tx;
pub use trips::TripRow;
pub use turn::{Archived, Claim, Completion, TurnReport, TurnRequest};
pub use waits::{About, Told, Wait, WaitKind};
pub use wake::Watch;

use crate::clock::{self, Clock};
use crate::faults::Faults;
use crate::run::book::Book;
use crate::run::{Conventions, Governing, Holidays, Rules};
use crate::secret::{DataKey, KeyRing};
use crate::workflow::Workflow;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded: one writer, one daemon per file.
    Sqlite,
    /// Any number of daemons.
    Postgres,
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
    conventions: Arc<Conventions>,
    /// What a test makes go wrong; nothing otherwise.
    faults: Option<Arc<Faults>>,
}

/// Where turns, and what is asked right before them, have their connections.
struct Turns {
    writer: AnyPool,
    reader: AnyPool,
}

struct Inner {
    url: String,
    dialect: Dialect,
    writer: AnyPool,
    reader: AnyPool,
    /// For turns, and for the question that precedes them; see [`connect::turn_pool`].
    turns: Turns,
    clock: Clock,
    keys: KeyRing,
    rules: Rules,
    versions: Mutex<HashMap<i64, Arc<Workflow>>>,
    data_keys: Mutex<HashMap<i64, DataKey>>,
    /// How far the round has come with wrapping data keys anew.
    rewrapping: Mutex<Option<Pass>>,
    /// Which master keys the other daemons were told of.
    told_keys: Mutex<Option<String>>,
    /// Runs with something that this binary cannot read: passed over, so that they stop nobody else.
    unreadable: Mutex<BTreeSet<i64>>,
    /// Runs that are under way here.
    shelf: Mutex<shelf::Shelf>,
    /// Told after every commit of this process that may have made a step due.
    wake: tokio::sync::Notify,
    /// What this process has made due since its claimer looked.
    due: wake::JustDue,
    /// What this process is called where it tells others: it need not hear of itself.
    name: String,
    /// Told when a mail may have been posted.
    mail: tokio::sync::Notify,
    commits: std::sync::atomic::AtomicU64,
    /// How often others may have written something: as `watch` has seen it, or because it could not look.
    others: std::sync::atomic::AtomicU64,
    /// A command beside the daemons: each of its commits is told.
    tells: bool,
    /// The last look at what others may have left.
    glanced: Mutex<Option<glance::Seen>>,
    /// Why the last write could not be made, until one is.
    trouble: Mutex<Option<(Instant, String)>>,
    /// What is remembered from one look at clocks and tide to the next.
    vigil: Mutex<vigil::Vigil>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dialect", &self.inner.dialect).finish_non_exhaustive()
    }
}

/// How long leaving a database may take.
const LEAVE: Duration = Duration::from_secs(1);

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
        rules: impl Into<Rules>,
    ) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let dialect = dialect_of(url)?;
        let url = if dialect == Dialect::Sqlite { sqlite_url(url)? } else { url.to_owned() };
        let failed = |error: sqlx::Error| StoreError::Open { url: shown(&url), reason: plain(&error) };
        let first = knock(&url, dialect, opening).await.map_err(failed)?;
        let (writer, reader, turns) = match dialect {
            Dialect::Sqlite => {
                let writer = sqlite_pool(1).connect(&url).await.map_err(failed)?;
                let reader = sqlite_pool(4).connect(&url).await.map_err(failed)?;
                (writer.clone(), reader.clone(), Turns { writer, reader })
            }
            Dialect::Postgres => {
                // The first connection has shown that it can be reached: what happens from here on is an outage.
                let pool = postgres_pool(10).connect_lazy(&url).map_err(failed)?;
                let turns = turn_pool().connect_lazy(&url).map_err(failed)?;
                (pool.clone(), pool, Turns { writer: turns.clone(), reader: turns })
            }
        };
        first.close().await.ok();
        let store = Self {
            inner: Arc::new(Inner {
                url,
                dialect,
                writer,
                reader,
                turns,
                clock,
                keys,
                rules: rules.into(),
                versions: Mutex::default(),
                data_keys: Mutex::default(),
                rewrapping: Mutex::default(),
                told_keys: Mutex::default(),
                unreadable: Mutex::default(),
                shelf: Mutex::default(),
                wake: tokio::sync::Notify::new(),
                due: wake::JustDue::default(),
                name: format!("{:016x}", rand::random::<u64>()),
                mail: tokio::sync::Notify::new(),
                commits: std::sync::atomic::AtomicU64::new(0),
                others: std::sync::atomic::AtomicU64::new(0),
                tells: opening == Opening::Existing,
                glanced: Mutex::default(),
                trouble: Mutex::default(),
                vigil: Mutex::default(),
            }),
            conventions: Arc::default(),
            faults: None,
        };
        migrate::bring_up(&store, opening).await?;
        store.check_durability().await?;
        store.check_keys().await?;
        Ok(store)
    }

    /// The same store, keeping these conventions: how new accounts are called, and what departments give.
    #[must_use]
    pub fn with_conventions(self, conventions: Conventions) -> Self {
        Self { conventions: Arc::new(conventions), ..self }
    }

    /// The same store, knowing which roles govern which system.
    #[must_use]
    pub fn with_governing(self, governing: BTreeMap<String, Vec<Governing>>) -> Self {
        let mut conventions = Conventions::clone(&self.conventions);
        conventions.protected.governing = governing;
        self.with_conventions(conventions)
    }

    /// The conventions it keeps.
    pub fn conventions(&self) -> &Conventions {
        &self.conventions
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

    /// Ends all connections: a server is told, and SQLite's file is whole without its log. A database that does not answer
    /// holds nobody up for more than a second.
    pub async fn close(&self) {
        let Inner { reader, writer, turns, .. } = &*self.inner;
        let all = async { tokio::join!(reader.close(), writer.close(), turns.writer.close()) };
        tokio::time::timeout(LEAVE, all).await.ok();
    }

    /// The store's clock: the database's time (PostgreSQL) or this machine's (SQLite), plus the sandbox offset.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        let mut conn = self.reader().await?;
        Ok(self.times(&mut conn).await?.0)
    }

    /// Moves the store's clock ahead of real time, for sandbox set-ups (demo, rehearsal, tests). Once it was moved it only
    /// goes forward: an instant that has passed changes nothing.
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
        if tx.now != tx.real && to <= tx.now {
            // Once moved it does not go back. Whoever asked has read an older time: what was held back may be due again at an instant that has passed.
            return Ok(());
        }
        let offset = to.as_millisecond() - tx.real.as_millisecond();
        self.set_meta(&mut tx, "clock_offset", &offset.to_string()).await?;
        self.notify(&mut tx).await?;
        self.commit(tx).await
    }

    /// How many attempts are under way, over all daemons.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn in_flight(&self) -> Result<i64, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL").fetch_one(&mut *conn).await?)
    }

    // Each of the next two is a boundary, as are beginning and committing (`transaction.rs`), named by where it is asked for;
    // hence no `async fn`, which cannot know.

    /// A connection to read with.
    #[track_caller]
    pub(crate) fn reader(
        &self,
    ) -> impl Future<Output = Result<sqlx::pool::PoolConnection<sqlx::Any>, StoreError>> + Send {
        let place = Location::caller();
        async move { self.passing(place, "reader", async { Ok(self.inner.reader.acquire().await?) }).await }
    }

    /// As [`Store::reader`], for what is asked before a turn.
    #[track_caller]
    pub(crate) fn reader_of_turns(
        &self,
    ) -> impl Future<Output = Result<sqlx::pool::PoolConnection<sqlx::Any>, StoreError>> + Send {
        let place = Location::caller();
        async move { self.passing(place, "reader", async { Ok(self.inner.turns.reader.acquire().await?) }).await }
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

    /// (store's now, real now).
    async fn times(&self, conn: &mut AnyConnection) -> Result<(Timestamp, Timestamp), StoreError> {
        let (now, real, _) = self.times_and_tide(conn).await?;
        Ok((now, real))
    }

    /// (store's now, real now, how far the database has come). How a database tells the time differs by necessity.
    async fn times_and_tide(&self, conn: &mut AnyConnection) -> Result<(Timestamp, Timestamp, i64), StoreError> {
        let row = sqlx::query(TIME.of(self.clock_of())).fetch_one(conn).await?;
        self.told(&row)
    }

    /// The dialect whose way of telling the time is used: a clock that a test moves is asked here.
    fn clock_of(&self) -> Dialect {
        match (self.inner.dialect, &self.inner.clock) {
            (Dialect::Postgres, Clock::System | Clock::Wrong(_)) => Dialect::Postgres,
            (_, _) => Dialect::Sqlite,
        }
    }

    /// What [`instant!`] has asked for: (store's now, real now, how far the database has come).
    fn told(&self, row: &AnyRow) -> Result<(Timestamp, Timestamp, i64), StoreError> {
        let real: i64 = match self.clock_of() {
            Dialect::Postgres => row.try_get("real_now")?,
            Dialect::Sqlite => self.inner.clock.now().as_millisecond(),
        };
        let (ahead, tide): (i64, i64) = (row.try_get("ahead")?, row.try_get("tide")?);
        Ok((clock::from_millis(real.saturating_add(ahead)), clock::from_millis(real), tide))
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

    /// The configured calendars and policies.
    pub(crate) fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// The working days that a run's spans of business days count by.
    pub(crate) fn holidays_of(&self, book: &Book) -> &Holidays {
        self.rules().holidays_of(&book.run.workflow)
    }

    /// The data key in its wrapped form, opened once per process.
    pub(crate) fn data_key(&self, person: i64, wrapped: &str) -> Result<DataKey, StoreError> {
        let mut cache = self.inner.data_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = cache.get(&person) {
            return Ok(key.clone());
        }
        let key = self.inner.keys.unwrap(&people::key_place(person), wrapped)?;
        if cache.len() > 50_000 {
            cache.clear();
        }
        cache.insert(person, key.clone());
        Ok(key)
    }
}

/// Daemons on one PostgreSQL agree on the database's time; on SQLite there is one machine, and it is asked directly.
macro_rules! instant {
    ($rest:literal) => {
        $crate::store::sql::Text {
            sqlite: concat!(
                "SELECT COALESCE((SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'clock_offset'), 0) AS ahead,
                        (SELECT value FROM counters WHERE name = 'tide') AS tide",
                $rest
            ),
            postgres: concat!(
                "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS real_now,
                        COALESCE((SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'clock_offset'), 0) AS ahead,
                        (SELECT value FROM counters WHERE name = 'tide') AS tide",
                $rest
            ),
        }
    };
}

use instant;

const TIME: sql::Text = instant!("");
