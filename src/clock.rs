//! Time, and the only place that reads it.
//!
//! Everything else is handed a [`Clock`] (or an instant) and asks it. Tests use [`Clock::manual`]: time then
//! moves only when somebody moves it. The offset that a sandbox set-up may add (demo, rehearsal) is not kept
//! here but in the store, because every process on one database must see the same virtual time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where "now" comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The operating system's clock (on PostgreSQL the store asks the database instead, so that several
    /// daemons agree).
    #[default]
    System,
    /// Stands still until [`Clock::set`] moves it.
    Manual(Arc<Hands>),
    /// The operating system's clock, as a machine would have it whose clock is wrong by so many milliseconds. For tests.
    Wrong(Arc<AtomicI64>),
}

/// What a manual clock shows, in milliseconds.
#[derive(Debug)]
pub struct Hands {
    /// Since the epoch.
    wall: AtomicI64,
    /// As a steady clock counts, which nobody sets.
    steady: AtomicI64,
}

impl Clock {
    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(Hands { wall: AtomicI64::new(start.as_millisecond()), steady: AtomicI64::new(0) }))
    }

    /// The present instant, in whole milliseconds (what the store keeps).
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => from_millis(machine()),
            Self::Manual(hands) => from_millis(hands.wall.load(Ordering::SeqCst)),
            Self::Wrong(by) => from_millis(machine().saturating_add(by.load(Ordering::SeqCst))),
        }
    }

    /// Milliseconds of a clock that goes on evenly and that nobody sets. Only differences mean anything.
    pub fn steady(&self) -> i64 {
        static BEGAN: OnceLock<Instant> = OnceLock::new();
        match self {
            Self::Manual(hands) => hands.steady.load(Ordering::SeqCst),
            Self::System | Self::Wrong(_) => {
                i64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
            }
        }
    }

    /// Moves a manual clock to `to`, as if that time had gone by. The system's clock cannot be moved: the call is ignored.
    pub fn set(&self, to: Timestamp) {
        if let Self::Manual(hands) = self {
            let before = hands.wall.swap(to.as_millisecond(), Ordering::SeqCst);
            hands.steady.fetch_add(to.as_millisecond().saturating_sub(before), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock to `to`, as somebody sets the clock of a machine: no time goes by. Of a wrong clock, this is
    /// what it is wrong by.
    pub fn leap(&self, to: Timestamp) {
        match self {
            Self::System => {}
            Self::Manual(hands) => hands.wall.store(to.as_millisecond(), Ordering::SeqCst),
            Self::Wrong(by) => by.store(to.as_millisecond().saturating_sub(machine()), Ordering::SeqCst),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn machine() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The instant at `ms` epoch milliseconds; values beyond what a calendar can hold are clamped to its ends.
pub fn from_millis(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `at` moved by `by`, clamped to what a calendar can hold.
pub fn plus(at: Timestamp, by: Duration) -> Timestamp {
    from_millis(at.as_millisecond().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// `at` moved back by `by`, clamped likewise.
pub fn minus(at: Timestamp, by: Duration) -> Timestamp {
    from_millis(at.as_millisecond().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// Waits for `how_long` of real time: latency, backoff and polling, never a step's due time.
#[expect(clippy::disallowed_methods, reason = "the one place that waits")]
pub async fn pause(how_long: Duration) {
    tokio::time::sleep(how_long).await;
}
