//! What waits for somebody, as the tables show it now: each cause of a wait once.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row};

use super::books::{STEPS_PER_RUN, json};
use super::sql::{Text, keys};
use super::waits::{About, WaitKind};
use super::{Store, StoreError};
use crate::clock::minus;
use crate::workflow::ActionKind;

/// An access cut that is not done so long after it was first due is overdue (guarantee 7).
pub const OVERDUE: Duration = Duration::from_secs(300);

/// So long before an approval lapses those who may give it again are reminded.
const LAPSES_SOON: Duration = Duration::from_secs(3 * 86_400);

/// Every cut that is not over has been tried, or is tried, within so long from now: `settle` caps their backoff far below.
const SURELY_TRIED_MS: i64 = 3_600_000;

/// At most so many of a kind are looked at.
const MOST: i64 = 5000;

/// What is expected besides what the tables show.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The configured systems: what is said of others is of no interest any more.
    pub systems: BTreeSet<String>,
    /// How long a source of HR's may say nothing.
    pub silent_after: Option<Duration>,
}

/// A cause as the tables show it now.
pub(super) struct Cause {
    pub(super) cause: String,
    pub(super) kind: WaitKind,
    pub(super) about: i64,
    pub(super) urgent: bool,
}

impl Cause {
    fn new(about: &About, kind: WaitKind, urgent: bool) -> Self {
        Self { cause: about.cause(), kind, about: about.key(), urgent }
    }
}

impl About {
    /// What the table calls it.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Step(run, ordinal, state) => format!("step:{}:{state}", super::books::step_key(*run, *ordinal)),
            Self::Cut(run, ordinal) => format!("cut:{}", super::books::step_key(*run, *ordinal)),
            Self::Trip(id) => format!("trip:{id}"),
            Self::Event(id) => format!("event:{id}"),
            Self::Silent(source) => format!("silent:{source}"),
            Self::Unread(system) => format!("unread:{system}"),
        }
    }

    fn key(&self) -> i64 {
        match self {
            Self::Step(run, ordinal, _) | Self::Cut(run, ordinal) => super::books::step_key(*run, *ordinal),
            Self::Event(id) | Self::Trip(id) => *id,
            Self::Silent(_) | Self::Unread(_) => 0,
        }
    }

    /// Read back from [`About::cause`].
    pub(super) fn parse(cause: &str) -> Result<Self, StoreError> {
        let wrong = || StoreError::corrupt("wait", cause);
        let (word, rest) = cause.split_once(':').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<i64>().map_err(|_| wrong());
        let step = |text: &str| {
            let key = number(text)?;
            Ok::<_, StoreError>((key / STEPS_PER_RUN, u16::try_from(key % STEPS_PER_RUN).map_err(|_| wrong())?))
        };
        Ok(match word {
            "step" => {
                let (key, state) = rest.split_once(':').ok_or_else(wrong)?;
                let (run, ordinal) = step(key)?;
                Self::Step(run, ordinal, state.to_owned())
            }
            "cut" => {
                let (run, ordinal) = step(rest)?;
                Self::Cut(run, ordinal)
            }
            "trip" => Self::Trip(number(rest)?),
            "event" => Self::Event(number(rest)?),
            "silent" => Self::Silent(rest.to_owned()),
            "unread" => Self::Unread(rest.to_owned()),
            _ => return Err(wrong()),
        })
    }
}

/// Cuts that were first due before `$2` and are not over. Those that can be claimed stand at the front of the index by
/// due time; the others are in small indexes of their own.
macro_rules! open_steps {
    ($columns:literal, $first_due:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM steps s JOIN runs r ON r.id = s.run_id
             WHERE s.id IN (
                 SELECT id FROM steps WHERE lane = 0 AND due_at <= $3 AND due_at IS NOT NULL
                 UNION ALL SELECT id FROM steps WHERE lane = 1 AND due_at <= $3 AND due_at IS NOT NULL
                 UNION ALL SELECT id FROM steps WHERE lease_until IS NOT NULL
                 UNION ALL SELECT id FROM steps
                     WHERE state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person'))
               AND s.first_due ",
            $first_due,
            " AND r.ended_at IS NULL AND s.action"
        )
    };
}

const LATE_CUTS: Text = keys!(open_steps!("s.id, s.state", "<= $2"), "ORDER BY s.id LIMIT 5000", texts);

/// When the first of those that are not late yet was first due.
const FIRST_CUT: Text = keys!(open_steps!("MIN(s.first_due)", "> $2"), "", texts);

/// The actions that cut access, as these statements want them.
fn cuts() -> String {
    json(&ActionKind::ALL.iter().filter(|action| action.is_cut()).map(|action| action.name()).collect::<Vec<_>>())
}

/// Before when a cut must have been due first to be overdue at `now`.
fn late_before(now: Timestamp) -> i64 {
    minus(now, OVERDUE).as_millisecond()
}

impl Store {
    /// What waits according to the tables. A run that a person has paused waits for that person, but for its cuts that
    /// are overdue; what failed in a run that is over was left so.
    pub(super) async fn causes(
        &self,
        conn: &mut AnyConnection,
        expected: &Expected,
        now: Timestamp,
    ) -> Result<Vec<Cause>, StoreError> {
        let late = self.late_cuts_on(conn, now).await?;
        let late_keys: BTreeSet<i64> = late.iter().map(|(key, _)| *key).collect();
        let mut causes = Vec::new();
        for (key, state) in stopped(conn).await? {
            let kind = if state.starts_with("awaiting") { WaitKind::Task } else { WaitKind::Alert };
            let is_late = late_keys.contains(&key);
            // One alert for one step: that it is overdue weighs more than why.
            if !(is_late && kind == WaitKind::Alert) {
                let (run, ordinal) = at(key)?;
                causes.push(Cause::new(&About::Step(run, ordinal, state), kind, is_late));
            }
        }
        for (key, _) in late.iter().filter(|(_, state)| state != "awaiting_person") {
            let (run, ordinal) = at(*key)?;
            causes.push(Cause::new(&About::Cut(run, ordinal), WaitKind::Alert, true));
        }
        for key in lapsing(conn, now).await? {
            let (run, ordinal) = at(key)?;
            causes.push(Cause::new(&About::Step(run, ordinal, "lapsing".to_owned()), WaitKind::Task, false));
        }
        let parked: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM hr_events WHERE state = 'parked' ORDER BY id LIMIT $1")
                .bind(MOST)
                .fetch_all(&mut *conn)
                .await?;
        causes.extend(parked.into_iter().map(|id| Cause::new(&About::Event(id), WaitKind::Alert, false)));
        for row in self.trips_open(conn).await? {
            causes.push(Cause::new(&About::Trip(row.trip.id), WaitKind::Alert, true));
        }
        for row in silent(conn, expected.silent_after, now).await? {
            causes.push(Cause::new(&About::Silent(row.source), WaitKind::Alert, false));
        }
        for row in unread(conn).await?.into_iter().filter(|row| expected.systems.contains(&row.system)) {
            causes.push(Cause::new(&About::Unread(row.system), WaitKind::Alert, false));
        }
        Ok(causes)
    }

    /// The access cuts that are overdue, as keys of their steps, with their states.
    async fn late_cuts_on(&self, conn: &mut AnyConnection, now: Timestamp) -> Result<Vec<(i64, String)>, StoreError> {
        let rows = sqlx::query(LATE_CUTS.of(self.dialect()))
            .bind(cuts())
            .bind(late_before(now))
            .bind(now.as_millisecond().saturating_add(SURELY_TRIED_MS))
            .fetch_all(conn)
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// How long until the next access cut is overdue, as things stand.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn until_late_cut(&self) -> Result<Option<Duration>, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        let first: Option<i64> = sqlx::query_scalar(FIRST_CUT.of(self.dialect()))
            .bind(cuts())
            .bind(late_before(now))
            .bind(now.as_millisecond().saturating_add(SURELY_TRIED_MS))
            .fetch_one(&mut *conn)
            .await?;
        let left = |first: i64| first.saturating_sub(late_before(now)).max(0).unsigned_abs();
        Ok(first.map(|first| Duration::from_millis(left(first))))
    }

    /// How many access cuts are overdue: first due more than five minutes ago and not done.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn late_cuts(&self) -> Result<usize, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        Ok(self.late_cuts_on(&mut conn, now).await?.len())
    }

    /// The sources of HR's that have said nothing for longer than `after`, with when they last did.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn silent_sources(&self, after: Duration) -> Result<Vec<SilentSource>, StoreError> {
        let mut conn = self.reader().await?;
        let now = self.times(&mut conn).await?.0;
        silent(&mut conn, Some(after), now).await
    }

    /// The systems that could not be read when they were read last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unread_systems(&self) -> Result<Vec<UnreadSystem>, StoreError> {
        let mut conn = self.reader().await?;
        unread(&mut conn).await
    }

    /// Writes down that a system was read whole (`None`), or why it could not be.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_reading(&self, system: &str, failure: Option<&str>) -> Result<(), StoreError> {
        if failure.is_none() && self.unread_systems().await?.iter().all(|row| row.system != system) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let query = match failure {
            None => sqlx::query("DELETE FROM unread WHERE system = $1").bind(system),
            Some(why) => sqlx::query(
                "INSERT INTO unread (system, since, why) VALUES ($1, $2, $3)
                 ON CONFLICT (system) DO UPDATE SET why = excluded.why",
            )
            .bind(system)
            .bind(now)
            .bind(why),
        };
        query.execute(tx.conn()).await?;
        self.commit(tx).await
    }
}

/// A source of HR's that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentSource {
    /// Its name.
    pub source: String,
    /// When it last said something.
    pub heard_at: Timestamp,
}

/// A system that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadSystem {
    /// Its name.
    pub system: String,
    /// Since when.
    pub since: Timestamp,
    /// In its own words.
    pub why: String,
}

fn at(key: i64) -> Result<(i64, u16), StoreError> {
    let ordinal = u16::try_from(key % STEPS_PER_RUN).map_err(|why| StoreError::corrupt("step", why))?;
    Ok((key / STEPS_PER_RUN, ordinal))
}

/// What a trip holds is told by the trip. What waits, held, for an approval that no longer counts is told by that
/// approval, as `lapsed`: once, whatever the number of systems, and instead of asking for it in peace.
async fn stopped(conn: &mut AnyConnection) -> Result<Vec<(i64, String)>, StoreError> {
    let rows = sqlx::query(
        "SELECT s.id, CASE WHEN s.state = 'awaiting_approval' AND s.lapses_at IS NOT NULL AND r.state <> 'paused'
                AND EXISTS (SELECT 1 FROM steps h WHERE h.id >= r.id * 1024 AND h.id < r.id * 1024 + 1024
                    AND h.state = 'held' AND h.data LIKE '%\"guard\":\"approval\"%') THEN 'lapsed' ELSE s.state END
         FROM steps s JOIN runs r ON r.id = s.run_id
         WHERE s.state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person') AND r.ended_at IS NULL
           AND (s.state <> 'held' OR r.state <> 'paused')
           AND NOT (s.state = 'held' AND EXISTS (
                SELECT 1 FROM trips t WHERE t.released_at IS NULL
                   AND s.data LIKE '%\"guard\":\"guard\"%' AND s.data LIKE '%\"trip_' || CAST(t.id AS TEXT) || ':%'))
           AND NOT (s.state = 'held' AND s.data LIKE '%\"guard\":\"approval\"%' AND EXISTS (
                SELECT 1 FROM steps a WHERE a.id >= r.id * 1024 AND a.id < r.id * 1024 + 1024
                   AND a.state = 'awaiting_approval' AND a.lapses_at IS NOT NULL))
         ORDER BY s.id LIMIT $1",
    )
    .bind(MOST)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Approvals that lapse soon over a deletion that has not started.
async fn lapsing(conn: &mut AnyConnection, now: Timestamp) -> Result<Vec<i64>, StoreError> {
    let now = now.as_millisecond();
    let soon = now.saturating_add(i64::try_from(LAPSES_SOON.as_millis()).unwrap_or(i64::MAX));
    Ok(sqlx::query_scalar(
        "SELECT s.id FROM steps s JOIN runs r ON r.id = s.run_id
         WHERE s.lapses_at IS NOT NULL AND s.lapses_at > $1 AND s.lapses_at <= $2 AND s.state = 'done'
           AND r.ended_at IS NULL
           AND EXISTS (SELECT 1 FROM steps d WHERE d.id >= r.id * 1024 AND d.id < r.id * 1024 + 1024
                AND d.action IN ('account.delete', 'account.purge') AND d.of_step IS NULL
                AND d.state IN ('blocked', 'waiting', 'held'))
         ORDER BY s.id LIMIT $3",
    )
    .bind(now)
    .bind(soon)
    .bind(MOST)
    .fetch_all(conn)
    .await?)
}

async fn silent(
    conn: &mut AnyConnection,
    after: Option<Duration>,
    now: Timestamp,
) -> Result<Vec<SilentSource>, StoreError> {
    let Some(after) = after else { return Ok(Vec::new()) };
    let rows = sqlx::query("SELECT source, at FROM heard WHERE at <= $1 ORDER BY source")
        .bind(now.as_millisecond().saturating_sub(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)))
        .fetch_all(conn)
        .await?;
    let source = |row: &sqlx::any::AnyRow| {
        Ok(SilentSource { source: row.try_get(0)?, heard_at: crate::clock::from_millis(row.try_get(1)?) })
    };
    rows.iter().map(source).collect()
}

async fn unread(conn: &mut AnyConnection) -> Result<Vec<UnreadSystem>, StoreError> {
    let rows = sqlx::query("SELECT system, since, why FROM unread ORDER BY system").fetch_all(conn).await?;
    let system = |row: &sqlx::any::AnyRow| {
        Ok(UnreadSystem {
            system: row.try_get(0)?,
            since: crate::clock::from_millis(row.try_get(1)?),
            why: row.try_get(2)?,
        })
    };
    rows.iter().map(system).collect()
}
