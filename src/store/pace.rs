//! How much room the systems have whose pace is limited, seen in the claim's own transaction under the lock of the system's
//! row: however many daemons there are, together they start no more than the configuration says.
//!
//! A system without room is left out where candidates are looked for, so that its backlog is in nobody's way. Where no pace
//! is configured, nothing of this is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row;

use super::books::{Loaded, STEPS_PER_RUN, json, parse};
use super::claim::is_due;
use super::sql::{Text, gathered, keys, listed};
use super::turn::Completion;
use super::{Store, StoreError, Tx};
use crate::clock::plus;
use crate::run::StepState;
use crate::run::pace::{Pace, Starts};

/// How soon a system with too many attempts under way is looked at again, should nobody say that one has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Steps that wait, at the instant `$now`, for others of their batch, or for room on their system.
macro_rules! waits_for_room {
    ($now:literal) => {
        concat!(
            "(",
            waits_for_batch!($now),
            " OR (s.system IS NOT NULL AND s.system IN (SELECT name FROM systems WHERE paced_until > ",
            $now,
            ")))"
        )
    };
}
pub(super) use waits_for_room;

const PACED: Text = keys!("SELECT name, paced, paced_until FROM systems WHERE name", "", texts);

/// What is under way there, of whatever daemon.
macro_rules! under_way {
    ($dialect:ident) => {
        concat!(
            "SELECT ",
            gathered!(
                $dialect,
                [id, system],
                concat!(
                    "SELECT id, system FROM steps WHERE lease_until IS NOT NULL AND system IN ",
                    listed!($dialect, "$1", texts)
                )
            )
        )
    };
}

const UNDER_WAY: Text = Text { sqlite: under_way!(sqlite), postgres: under_way!(postgres) };

/// The room of the systems of a turn.
#[derive(Default)]
pub(super) struct Rooms(BTreeMap<String, Room>);

struct Room {
    pace: Pace,
    starts: Starts,
    under_way: u32,
    taken: u32,
    /// It had none when the turn began: others, who may be more urgent, wait for the place that is free now.
    closed: bool,
}

impl Room {
    fn left(&self) -> u32 {
        if self.closed { 0 } else { self.free() }
    }

    fn free(&self) -> u32 {
        self.pace.room(&self.starts, self.under_way).saturating_sub(self.taken)
    }
}

impl Rooms {
    /// Whether another attempt may start on a system. One that is limited, and whose row this turn does not have, is left
    /// to the next one.
    pub(super) fn has_room(&self, system: Option<&str>, paces: &BTreeMap<String, Pace>) -> bool {
        let Some(system) = system.filter(|system| paces.contains_key(*system)) else { return true };
        self.0.get(system).is_some_and(|room| room.left() > 0)
    }

    /// An attempt has started there.
    pub(super) fn take(&mut self, system: Option<&str>) {
        if let Some(room) = system.and_then(|system| self.0.get_mut(system)) {
            room.taken += 1;
        }
    }
}

impl Store {
    /// The systems with a limited pace on which something is due, or an attempt has just ended.
    pub(super) fn paced_systems(&self, books: &[Loaded], ended: &[Completion], now: Timestamp) -> BTreeSet<String> {
        let paces = &self.rules().paces;
        if paces.is_empty() {
            return BTreeSet::new();
        }
        let just_ended = |run: i64, ordinal: u16| ended.iter().any(|end| (end.run, end.ordinal) == (run, ordinal));
        let of = |loaded: &Loaded| {
            let run = loaded.book.run.id;
            let steps = loaded.book.steps.iter().filter(|step| is_due(step, now) || just_ended(run, step.ordinal));
            steps.filter_map(|step| step.system.clone()).filter(|system| paces.contains_key(system)).collect::<Vec<_>>()
        };
        books.iter().flat_map(of).collect()
    }

    /// Their room, once their rows are locked.
    pub(super) async fn rooms(
        &self,
        tx: &mut Tx,
        systems: &BTreeSet<String>,
        books: &[Loaded],
    ) -> Result<Rooms, StoreError> {
        let mut rooms = BTreeMap::new();
        if systems.is_empty() {
            return Ok(Rooms(rooms));
        }
        let (now, names) = (tx.now, json(systems));
        for row in sqlx::query(PACED.of(self.dialect())).bind(&names).fetch_all(tx.conn()).await? {
            let name: String = row.try_get(0)?;
            let (starts, until): (Option<String>, Option<i64>) = (row.try_get(1)?, row.try_get(2)?);
            let Some(pace) = self.rules().paces.get(&name).copied() else { continue };
            let starts: Starts =
                starts.map(|starts| parse("what has started", &starts)).transpose()?.unwrap_or_default();
            let closed = until.is_some_and(|until| until > now.as_millisecond());
            let starts = starts.within(&pace, now);
            rooms.insert(name, Room { pace, starts, under_way: 0, taken: 0, closed });
        }
        let leased: String = sqlx::query_scalar(UNDER_WAY.of(self.dialect())).bind(&names).fetch_one(tx.conn()).await?;
        let leased: Vec<(i64, String)> = parse("attempts under way", &leased)?;
        for (key, system) in leased {
            // What this very turn has recorded is over, though the table does not show it yet.
            let in_hand = books.iter().find(|loaded| loaded.book.run.id == key / STEPS_PER_RUN);
            let step = u16::try_from(key % STEPS_PER_RUN).ok().and_then(|ordinal| in_hand?.book.step(ordinal));
            let over = step.is_some_and(|step| !matches!(step.state, StepState::Leased { .. }));
            if let Some(room) = rooms.get_mut(&system).filter(|_| !over) {
                room.under_way += 1;
            }
        }
        Ok(Rooms(rooms))
    }

    /// Takes a place for one page of a reading, which asks a system as an attempt does. How long there is none, where the
    /// rate leaves none. How many are under way is not asked: a reading has one page at a time.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn take_place(&self, system: &str) -> Result<Option<Duration>, StoreError> {
        if self.rules().paces.get(system).is_none_or(|pace| pace.rate.is_none()) {
            return Ok(None);
        }
        let systems = BTreeSet::from([system.to_owned()]);
        let mut tx = self.begin().await?;
        self.lock_systems(&mut tx, &systems.iter().collect()).await?;
        let mut rooms = self.rooms(&mut tx, &systems, &[]).await?;
        let next = rooms.0.get(system).and_then(|room| room.pace.next(&room.starts));
        if let Some(next) = next {
            let left = next.as_millisecond().saturating_sub(tx.now.as_millisecond()).max(0);
            return Ok(Some(Duration::from_millis(left.unsigned_abs())));
        }
        rooms.take(Some(system));
        self.note_rooms(&mut tx, &mut rooms).await?;
        self.commit(tx).await?;
        Ok(None)
    }

    /// Writes down what has started, and until when there is no room; how many systems have none since this turn.
    pub(super) async fn note_rooms(&self, tx: &mut Tx, rooms: &mut Rooms) -> Result<(bool, usize), StoreError> {
        let (mut noted, mut full) = (false, 0);
        for (name, room) in &mut rooms.0 {
            let none = room.free() == 0;
            room.starts.add(&room.pace, tx.now, room.taken);
            if room.taken == 0 && none == room.closed {
                continue;
            }
            let again = || plus(tx.now, LOOK_AGAIN);
            let until = none.then(|| room.pace.next(&room.starts).unwrap_or_else(again).as_millisecond());
            full += usize::from(none);
            noted = true;
            sqlx::query("UPDATE systems SET paced = $1, paced_until = $2 WHERE name = $3")
                .bind(room.pace.rate.map(|_| json(&room.starts)))
                .bind(until)
                .bind(name.as_str())
                .execute(tx.conn())
                .await?;
        }
        Ok((noted, full))
    }
}
