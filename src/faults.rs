//! Faults on purpose. The calls that leave this process, to the database and to the systems, each have a name; at one
//! of them something can be made to go wrong.
//!
//! Tests hand a [`Faults`] to a store or to a simulated company, arm it, and look at what was passed. Nothing else
//! makes one, and without one a call costs a look at an empty option.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// It fails and has had no effect.
    ErrorBefore,
    /// It has its effect, and its answer is lost.
    ErrorAfter,
    /// The process is gone right before it.
    CrashBefore,
    /// The process is gone right after its effect.
    CrashAfter,
}

/// The calls that were passed, and the one at which something goes wrong.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
    crashed: Notify,
}

#[derive(Debug, Default)]
struct Plan {
    passed: BTreeMap<String, u64>,
    armed: Option<(String, u64, Strike)>,
}

impl Faults {
    /// The `nth` call (from 1) at `boundary` from now on goes wrong, once.
    pub fn arm(&self, boundary: &str, nth: u64, strike: Strike) {
        let mut plan = self.plan();
        plan.passed.clear();
        plan.armed = Some((boundary.to_owned(), nth, strike));
    }

    /// How often each boundary was passed, by its name.
    pub fn passed(&self) -> BTreeMap<String, u64> {
        self.plan().passed.clone()
    }

    /// Whether what was armed has not gone wrong yet.
    pub fn is_armed(&self) -> bool {
        self.plan().armed.is_some()
    }

    /// A call is about to be made: what is to go wrong with it.
    pub fn meet(&self, boundary: String) -> Option<Strike> {
        let mut plan = self.plan();
        let count = plan.passed.entry(boundary.clone()).or_default();
        *count += 1;
        let count = *count;
        let (_, _, strike) = plan.armed.take_if(|(name, nth, _)| *name == boundary && *nth == count)?;
        Some(strike)
    }

    /// The process is gone: whoever calls goes no further. The test that hears of it by [`Faults::crash`] drops
    /// everything the process had.
    pub async fn die(&self) {
        self.crashed.notify_one();
        std::future::pending().await
    }

    /// Waits until the process is gone.
    pub async fn crash(&self) {
        self.crashed.notified().await;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
