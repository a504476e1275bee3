//! Leases of attempts in flight, renewed every third of their length, each by its (step, fence) pair.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::store::{Claim, Store};

/// What is in flight in this process.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    lease: Duration,
    born: Instant,
    held: Arc<Mutex<InFlight>>,
}

/// By run and step: the fence and the lease.
type InFlight = HashMap<(i64, u16), (i64, Lease)>;

/// Until when a lease stands, on this process' own steady clock: a process that was stopped and woken sees it.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    born: Instant,
    until_ms: Arc<AtomicU64>,
}

impl Lease {
    /// Whether there are at least two seconds left.
    pub(super) fn stands(&self) -> bool {
        millis(self.born.elapsed() + Duration::from_secs(2)) < self.until_ms.load(Ordering::SeqCst)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Keeper {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, born: Instant::now(), held: Arc::default() }
    }

    /// When a lease taken or renewed by a write that begins now will end. Asked before the write.
    pub(super) fn horizon(&self) -> u64 {
        millis(self.born.elapsed() + self.lease)
    }

    pub(super) fn hold(&self, claim: &Claim, horizon: u64) -> Lease {
        let lease = Lease { born: self.born, until_ms: Arc::new(AtomicU64::new(horizon)) };
        self.lock().insert((claim.run, claim.ordinal), (claim.fence, lease.clone()));
        lease
    }

    pub(super) fn let_go(&self, run: i64, ordinal: u16, fence: i64) {
        let mut held = self.lock();
        if held.get(&(run, ordinal)).is_some_and(|(mine, _)| *mine == fence) {
            held.remove(&(run, ordinal));
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lock().len()
    }

    pub(super) async fn run(self, store: Store) {
        loop {
            clock::pause(self.lease / 3).await;
            let pairs: Vec<(i64, u16, i64)> =
                self.lock().iter().map(|((run, ordinal), (fence, _))| (*run, *ordinal, *fence)).collect();
            if pairs.is_empty() {
                continue;
            }
            let horizon = self.horizon();
            match store.renew(&pairs, self.lease).await {
                Ok(renewed) => {
                    self.extend(&renewed, horizon);
                    let lapsed = pairs.iter().filter(|pair| !renewed.contains(pair) && self.holds(pair)).count();
                    if lapsed > 0 {
                        tracing::warn!(lapsed, "leases had lapsed; the outcomes of their attempts will not count");
                    }
                }
                Err(error) => tracing::warn!(%error, "leases could not be renewed; trying again"),
            }
        }
    }

    /// Whether it is still in flight: an attempt that ended while its lease was being renewed has none to lose.
    fn holds(&self, (run, ordinal, fence): &(i64, u16, i64)) -> bool {
        self.lock().get(&(*run, *ordinal)).is_some_and(|(mine, _)| mine == fence)
    }

    fn extend(&self, pairs: &[(i64, u16, i64)], horizon: u64) {
        let held = self.lock();
        for (run, ordinal, fence) in pairs {
            if let Some((_, lease)) = held.get(&(*run, *ordinal)).filter(|(mine, _)| mine == fence) {
                lease.until_ms.store(horizon, Ordering::SeqCst);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, InFlight> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
