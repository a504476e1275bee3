//! Time, and the only place that reads it.
//!
//! Everything else is handed a [`Clock`] (or an instant) and asks it. Tests use [`Clock::manual`]: time then
//! moves only when somebody moves it. The offset that a sandbox set-up may add (demo, rehearsal) is not kept
//! here but in the store, because every process on one database must see the same virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Where "now" comes from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The operating system's clock (on PostgreSQL the store asks the database instead, so that several
    /// daemons agree).
    #[default]
    System,
    /// Epoch milliseconds that stand still until [`Clock::set`] moves them.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    /// The present instant, in whole milliseconds (what the store keeps).
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::System => from_millis(Timestamp::now().as_millisecond()),
            Self::Manual(at) => from_millis(at.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock to `to`. The system's clock cannot be moved: the call is ignored.
    pub fn set(&self, to: Timestamp) {
        if let Self::Manual(at) = self {
            at.store(to.as_millisecond(), Ordering::SeqCst);
        }
    }
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
