//! How many statements reach the database. The driver tells each of them to the log (target `sqlx::query`); `usher bench`
//! listens for that, and nobody else does: counting costs nothing in `serve`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What the driver calls its log of statements.
pub const TARGET: &str = "sqlx::query";

static COUNTING: AtomicBool = AtomicBool::new(false);
static COUNTED: AtomicU64 = AtomicU64::new(0);

/// Whether a statement that the driver tells of is of interest now.
pub fn counting() -> bool {
    COUNTING.load(Ordering::Relaxed)
}

/// Counts a statement.
pub fn count() {
    COUNTED.fetch_add(1, Ordering::Relaxed);
}

/// A count that has begun; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Count {
    began: u64,
}

impl Count {
    /// `None` where nobody listens to the driver: then nothing is counted.
    pub(super) fn begin() -> Option<Self> {
        COUNTING.store(true, Ordering::Relaxed);
        let count = Self { began: COUNTED.load(Ordering::Relaxed) };
        tracing::enabled!(target: TARGET, tracing::Level::DEBUG).then_some(count)
    }

    /// How many there were so far.
    pub(super) fn so_far(&self) -> u64 {
        COUNTED.load(Ordering::Relaxed) - self.began
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        COUNTING.store(false, Ordering::Relaxed);
    }
}
