//! What is looked at before anything is claimed: whether the clocks can be believed (guarantee 6), and whether the
//! database is older than what has happened (guarantee 17). Where not, a guard trips, with a commit of its own, before
//! the claims of that turn are judged.
//!
//! The database's tide grows for ever: at most once a second, when something was written. Every process remembers how
//! far it has seen it come, and a [`MarkPlace`] outside the database does so over restarts.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::AnyConnection;

use super::mark::{Mark, MarkPlace, MarkStanding};
use super::{Store, StoreError, Tx};
use crate::run::drift::{Clocks, Look, away};
use crate::run::trip::{Stops, TripKind};

/// How often a process shows that it is alive though it has nothing to write.
const SIGN_OF_LIFE_MS: i64 = 60_000;

/// For so long a look that the queue has made anyhow is as good as one of one's own.
const LATELY: Duration = Duration::from_secs(5);

/// What a process remembers from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    clocks: Clocks,
    /// The furthest that the tide was seen.
    tide: i64,
    /// The first look has been.
    begun: bool,
    /// Why nobody can say whether this is the newest copy; until that is told.
    unmarked: Option<String>,
    /// The file, the database's id, and the tide that the file shows.
    mark: Option<(PathBuf, String, i64)>,
    /// The file could not be written.
    mark_failing: bool,
    /// The last rise: by the steady clock, and how many commits there had been.
    risen: Option<(i64, u64)>,
    /// The last sign of life, by the steady clock.
    alive: Option<i64>,
}

/// What is wrong.
enum Alarm {
    /// The database shows less than was seen.
    Older { known: i64, words: String },
    /// There is nothing to compare it with.
    Unmarked(String),
    /// A clock cannot be believed.
    Clock(String),
}

impl Store {
    /// Begins a transaction that may claim. What is wrong with clocks or database has been told when it begins.
    pub(super) async fn begin_watched(&self) -> Result<Tx, StoreError> {
        loop {
            let mut tx = self.begin_turn().await?;
            let look = tx.look;
            match self.alarm(&mut tx).await? {
                None => return Ok(tx),
                Some(alarm) => {
                    drop(tx);
                    self.sound(alarm, &look).await?;
                }
            }
        }
    }

    async fn alarm(&self, tx: &mut Tx) -> Result<Option<Alarm>, StoreError> {
        let begun = {
            let vigil = self.vigil();
            // What became known while this transaction began, it need not see.
            if tx.tide < tx.known {
                let words = format!("the database is an older copy: it stands at {}, and was at {}", tx.tide, tx.known);
                return Ok(Some(Alarm::Older { known: tx.known, words }));
            }
            if let Some(words) = &vigil.unmarked {
                return Ok(Some(Alarm::Unmarked(words.clone())));
            }
            if let Some(words) = vigil.clocks.judge(&tx.look) {
                return Ok(Some(Alarm::Clock(words)));
            }
            vigil.begun
        };
        if !begun {
            let alive: Option<String> =
                sqlx::query_scalar("SELECT value FROM meta WHERE name = 'alive'").fetch_optional(tx.conn()).await?;
            let alive = alive.and_then(|at| at.parse().ok());
            if let Some(words) = alive.and_then(|at| away(at, tx.look.real)) {
                return Ok(Some(Alarm::Clock(words)));
            }
        }
        let mut vigil = self.vigil();
        vigil.begun = true;
        vigil.clocks.believe(&tx.look);
        vigil.tide = vigil.tide.max(tx.tide);
        Ok(None)
    }

    /// A guard trips. What was wrong is forgotten only once that is written: until then every turn finds it again.
    async fn sound(&self, alarm: Alarm, look: &Look) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        self.bar_claims(&mut tx).await?;
        match &alarm {
            Alarm::Older { known, words } => {
                // From here on it is as far as the mark: the trip alone says what happened, to everybody.
                sqlx::query("UPDATE counters SET value = $1 WHERE name = 'tide' AND value < $1")
                    .bind(known.saturating_add(1))
                    .execute(tx.conn())
                    .await?;
                self.open_trip(&mut tx, TripKind::Restore, None, Stops::Everything, words).await?;
            }
            Alarm::Unmarked(words) => {
                self.open_trip(&mut tx, TripKind::Restore, None, Stops::Everything, words).await?;
            }
            Alarm::Clock(words) => {
                self.open_trip(&mut tx, TripKind::Clock, None, Stops::Destructive, words).await?;
            }
        }
        self.commit(tx).await?;
        let mut vigil = self.vigil();
        match alarm {
            Alarm::Older { .. } => {}
            Alarm::Unmarked(_) => vigil.unmarked = None,
            Alarm::Clock(_) => {
                vigil.begun = true;
                vigil.clocks.believe(look);
            }
        }
        Ok(())
    }

    /// Remembers how far the database had come when this machine last saw it, and keeps that written down from here on.
    /// To be called before the first turn. Without a mark a SQLite file that was at work before counts as restored: who
    /// brings it to another machine brings its mark along, or says that it is the newest.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn keep_mark(&self, place: &MarkPlace) -> Result<(), StoreError> {
        let database = self.database_id().await?;
        let (path, standing) = self.mark_standing(place).await?;
        let shown = path.display().to_string();
        let tide = self.tide().await?;
        if standing == MarkStanding::Missing && tide == 0 {
            // Before the tide rises for the first time: whoever dies right after that has not lost a mark.
            self.write_mark(path.clone(), Mark { database: database.clone(), tide }).await;
        }
        let mut vigil = self.vigil();
        match standing {
            MarkStanding::Fits => {}
            MarkStanding::Older(_, known) => vigil.tide = vigil.tide.max(known),
            MarkStanding::Foreign => {
                tracing::warn!(mark = shown, "the mark beside is another database's; it is replaced")
            }
            MarkStanding::Missing if tide == 0 => {}
            MarkStanding::Missing | MarkStanding::Unreadable(_) => {
                let words = format!(
                    "{shown} is not there or cannot be read: nobody can say whether this database is the newest copy"
                );
                tracing::warn!("{words}");
                vigil.unmarked = matches!(place, MarkPlace::Beside(_)).then_some(words);
            }
        }
        vigil.mark = Some((path, database, 0));
        Ok(())
    }

    /// Where the mark of this database is, and how it stands to it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn mark_standing(&self, place: &MarkPlace) -> Result<(PathBuf, MarkStanding), StoreError> {
        // One that no daemon has opened yet has no id.
        let database = self.meta("database_id").await?.unwrap_or_default();
        let path = place.path(&database);
        let standing = MarkStanding::of(&path, &database, self.tide().await?);
        Ok((path, standing))
    }

    /// How far the database has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tide(&self) -> Result<i64, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar("SELECT value FROM counters WHERE name = 'tide'").fetch_one(&mut *conn).await?)
    }

    /// The same for every copy of this database: made once, or, where it was at work before there was one, from the
    /// first entry of its journals, which every copy has.
    async fn database_id(&self) -> Result<String, StoreError> {
        if let Some(id) = self.meta("database_id").await? {
            return Ok(id);
        }
        let mut tx = self.begin().await?;
        let first = first_entry(tx.conn()).await?;
        let id = first.unwrap_or_else(|| format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()));
        // Of several daemons that meet a fresh database, the first says how it is called.
        sqlx::query("INSERT INTO meta (name, value) VALUES ('database_id', $1) ON CONFLICT (name) DO NOTHING")
            .bind(&id)
            .execute(tx.conn())
            .await?;
        self.commit(tx).await?;
        Ok(self.meta("database_id").await?.unwrap_or(id))
    }

    /// Once a second: lets the tide grow where this process has written something, shows once a minute that it is alive,
    /// and keeps the mark. Answers the tide where it has grown. It is also how an outage of the database is noticed, and
    /// its end, when nothing else is written.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn show_life(&self) -> Result<Option<i64>, StoreError> {
        // One from before the last rise says nothing of what has happened since.
        let seen = match self.glanced_tide(LATELY).filter(|tide| *tide >= self.known_tide()) {
            Some(tide) => tide,
            None => self.tide().await?,
        };
        let (steady, commits) = (self.inner.clock.steady(), self.commits());
        let (grow, alive) = {
            let vigil = self.vigil();
            let alive = vigil.alive.is_none_or(|last| steady.saturating_sub(last) >= SIGN_OF_LIFE_MS);
            let news = vigil.risen.is_none_or(|(_, before)| before != commits) || seen < vigil.tide;
            (news || alive || self.trouble().is_some(), alive)
        };
        if !grow {
            return Ok(None);
        }
        let mut tx = self.begin_watched().await?;
        let tide: i64 = sqlx::query_scalar("UPDATE counters SET value = value + 1 WHERE name = 'tide' RETURNING value")
            .fetch_one(tx.conn())
            .await?;
        if alive {
            let now = tx.look.real.to_string();
            self.set_meta(&mut tx, "alive", &now).await?;
        }
        self.commit(tx).await?;
        let mark = {
            let mut vigil = self.vigil();
            vigil.tide = vigil.tide.max(tide);
            vigil.risen = Some((steady, self.commits()));
            vigil.alive = if alive { Some(steady) } else { vigil.alive };
            let (tide, mark) = (vigil.tide, &mut vigil.mark);
            mark.as_mut().filter(|(_, _, shown)| *shown < tide).map(|(path, database, shown)| {
                *shown = tide;
                (path.clone(), Mark { database: database.clone(), tide })
            })
        };
        if let Some((path, mark)) = mark {
            self.write_mark(path, mark).await;
        }
        Ok(Some(tide))
    }

    /// A mark that cannot be written stops nothing: it is said once, shows in the figures, and is written with the next
    /// rise that can.
    async fn write_mark(&self, path: PathBuf, mark: Mark) {
        let place = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || mark.write(&path)).await;
        let failure = match written {
            Ok(outcome) => outcome.err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let mut vigil = self.vigil();
        if let Some(error) = &failure
            && !vigil.mark_failing
        {
            tracing::error!(error, mark = place, "how far the database has come cannot be written down outside it");
        }
        vigil.mark_failing = failure.is_some();
    }

    /// Whether the mark could not be written when that was tried last.
    pub fn mark_fails(&self) -> bool {
        self.vigil().mark_failing
    }

    /// Milliseconds of a clock that goes on evenly and that nobody sets. Only differences mean anything.
    pub fn steady(&self) -> i64 {
        self.inner.clock.steady()
    }

    /// The furthest that the database is known to have come.
    pub(super) fn known_tide(&self) -> i64 {
        self.vigil().tide
    }

    fn vigil(&self) -> std::sync::MutexGuard<'_, Vigil> {
        self.inner.vigil.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The hash of the first entry that was ever written into a journal.
async fn first_entry(conn: &mut AnyConnection) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT hash FROM (
             SELECT * FROM (SELECT run_id, seq, hash FROM journal ORDER BY run_id, seq LIMIT 1) AS live
             UNION ALL
             SELECT * FROM (SELECT run_id, seq, hash FROM archived_journal ORDER BY run_id, seq LIMIT 1) AS archived
         ) AS firsts ORDER BY run_id, seq LIMIT 1",
    )
    .fetch_optional(conn)
    .await?)
}
