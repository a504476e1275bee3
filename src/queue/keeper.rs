//! Leases of attempts in flight, renewed every third of their length, each by its (step, fence) pair; and the leases
//! that others have left behind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::store::{Claim, Patience, Store, StoreError};

/// How soon what failed is tried again, and how often lapsed leases are looked for while there are any.
const SOON: Duration = Duration::from_secs(1);

/// How often it is looked whether others have anything under way: less than the shortest lease, so that none lapses unseen.
const GLANCE: Duration = Duration::from_secs(4);

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

    /// Renews what is in flight, for ever.
    pub(super) async fn run(self, store: Store) {
        let (mut pause, patience) = (self.lease / 3, Patience::default());
        loop {
            clock::pause(pause).await;
            pause = match self.renew(&store, &patience).await {
                Ok(()) => self.lease / 3,
                Err(error) => {
                    tracing::warn!(%error, "leases could not be renewed; trying again");
                    SOON
                }
            };
        }
    }

    async fn renew(&self, store: &Store, patience: &Patience) -> Result<(), StoreError> {
        let pairs = self.attempts();
        if pairs.is_empty() {
            return Ok(());
        }
        let horizon = self.horizon();
        let renewed = store.unless_silent(patience, store.renew(&pairs, self.lease)).await?;
        self.extend(&renewed, horizon);
        let lapsed = pairs.iter().filter(|pair| !renewed.contains(pair) && self.holds(pair)).count();
        if lapsed > 0 {
            tracing::warn!(lapsed, "leases had lapsed; the outcomes of their attempts will not count");
        }
        Ok(())
    }

    /// Takes up the attempts of daemons that are gone, for ever: looks once a second while anything is under way. The same
    /// look finds what is due and nobody told of.
    pub(super) async fn inherit(self, store: Store) {
        let patience = Patience::default();
        loop {
            let pause = match store.unless_silent(&patience, self.take_up(&store)).await {
                Ok(true) => SOON,
                Ok(false) => GLANCE,
                Err(error) => {
                    tracing::warn!(%error, "whether a daemon is gone cannot be seen; trying again");
                    SOON
                }
            };
            clock::pause(pause).await;
        }
    }

    /// Answers whether anything is under way.
    async fn take_up(&self, store: &Store) -> Result<bool, StoreError> {
        let glance = store.glance().await?;
        if glance.lapsed {
            let steps = store.recover_all_but(&self.attempts()).await?;
            if steps > 0 {
                tracing::warn!(steps, "attempts of a daemon that is gone are taken up");
            }
        }
        Ok(glance.leases)
    }

    /// What is in flight: run, step, fence.
    pub(super) fn attempts(&self) -> Vec<(i64, u16, i64)> {
        self.lock().iter().map(|((run, ordinal), (fence, _))| (*run, *ordinal, *fence)).collect()
    }

    /// Whether it is still in flight: an attempt that ended while its lease was being renewed has none to lose.
    pub(super) fn holds(&self, (run, ordinal, fence): &(i64, u16, i64)) -> bool {
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
