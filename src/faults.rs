//! Faults on purpose. The calls that leave this process, to the database and to the systems, are boundaries, and each
//! has a name; at one of them something can be made to go wrong.
//!
//! Tests hand a [`Faults`] to a store and to a connector, arm it, and look at what was passed. Nothing else makes one,
//! and without one a call costs a look at an empty option.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What goes wrong at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strike {
    /// The call fails and has had no effect.
    ErrorBefore,
    /// It has its effect, and its answer is lost.
    ErrorAfter,
    /// The process is gone right before it.
    CrashBefore,
    /// The process is gone right after its effect.
    CrashAfter,
}

/// One fault: at which call of which boundary (from 1) what goes wrong, once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The boundary's name.
    pub boundary: String,
    /// Which of its calls, from 1.
    pub nth: u64,
    /// What happens there.
    pub strike: Strike,
}

/// The boundaries that were passed, and the faults that are still to come.
#[derive(Debug, Default)]
pub struct Faults {
    plan: Mutex<Plan>,
    crashed: Notify,
}

#[derive(Debug, Default)]
struct Plan {
    passed: BTreeMap<String, u64>,
    armed: BTreeSet<Fault>,
}

impl Faults {
    /// With these faults to come.
    pub fn armed(faults: impl IntoIterator<Item = Fault>) -> Self {
        let plan = Plan { passed: BTreeMap::new(), armed: faults.into_iter().collect() };
        Self { plan: Mutex::new(plan), crashed: Notify::new() }
    }

    /// How often each boundary was passed, by its name.
    pub fn passed(&self) -> BTreeMap<String, u64> {
        self.plan().passed.clone()
    }

    /// The faults that have not happened yet.
    pub fn left(&self) -> BTreeSet<Fault> {
        self.plan().armed.clone()
    }

    /// Makes `call` at `boundary`, with what is to go wrong there: `before` is how its caller hears that it failed
    /// without effect, `after` how it hears that nobody knows.
    ///
    /// # Errors
    /// Those of the call, and the two.
    pub async fn around<T, E>(
        &self,
        boundary: String,
        call: impl Future<Output = Result<T, E>>,
        before: E,
        after: E,
    ) -> Result<T, E> {
        match self.meet(boundary) {
            None => call.await,
            Some(Strike::ErrorBefore) => Err(before),
            Some(Strike::CrashBefore) => self.die().await,
            Some(Strike::ErrorAfter) => call.await.and(Err(after)),
            Some(Strike::CrashAfter) => {
                call.await?;
                self.die().await
            }
        }
    }

    /// Waits until the process is gone. Whoever hears of it drops everything that the process had.
    pub async fn crash(&self) {
        self.crashed.notified().await;
    }

    fn meet(&self, boundary: String) -> Option<Strike> {
        let mut plan = self.plan();
        let nth = plan.passed.entry(boundary.clone()).or_default();
        *nth += 1;
        let nth = *nth;
        let fault = plan.armed.iter().find(|fault| fault.boundary == boundary && fault.nth == nth).cloned()?;
        plan.armed.remove(&fault);
        Some(fault.strike)
    }

    /// Whoever calls goes no further.
    async fn die<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What became of the second of three calls, and how many had their effect.
    async fn struck(strike: Strike) -> (Option<Result<(), &'static str>>, usize) {
        let faults = Faults::armed([Fault { boundary: "here".to_owned(), nth: 2, strike }]);
        let effects = Cell::new(0);
        let call = || async {
            effects.set(effects.get() + 1);
            Ok(())
        };
        let mut second = None;
        for nth in 1..=3 {
            let answer = tokio::select! {
                biased;
                answer = faults.around("here".to_owned(), call(), "before", "after") => Some(answer),
                () = faults.crash() => None,
            };
            if nth == 2 {
                second = answer;
            } else {
                assert_eq!(answer, Some(Ok(())));
            }
        }
        assert_eq!((faults.left().len(), faults.passed()["here"]), (0, 3));
        (second, effects.get())
    }

    #[tokio::test]
    async fn a_fault_happens_once_at_its_call_and_with_or_without_the_effect() {
        assert_eq!(struck(Strike::ErrorBefore).await, (Some(Err("before")), 2));
        assert_eq!(struck(Strike::ErrorAfter).await, (Some(Err("after")), 3));
        assert_eq!(struck(Strike::CrashBefore).await, (None, 2));
        assert_eq!(struck(Strike::CrashAfter).await, (None, 3));
    }
}
