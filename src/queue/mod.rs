//! THE HANDS. Steps whose time has come are claimed in batches and handed to apalis' worker, which executes them.
//!
//! There is no enqueue: a state that makes a step due *is* the enqueue (see [`crate::store::Store::turn`]). One
//! [`claimer`] per process writes outcomes and takes claims in one transaction; the [`backend`] hands attempts to the
//! worker; the [`keeper`] renews the leases of what is in flight. This is the only room that knows apalis.

mod attempt;
mod backend;
mod claimer;
mod keeper;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use apalis::layers::WorkerBuilderExt;
use apalis::prelude::{Monitor, ParallelizeExt, WorkerBuilder};
use tokio::sync::{mpsc, watch};

pub use attempt::Attempt;

use crate::clock;
use crate::run::settle::Outcome;
use crate::store::{Seen, Store};

/// How the queue works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Attempts at the same time.
    pub concurrency: usize,
    /// How long a lease lasts without being renewed; renewed every third of it.
    pub lease: Duration,
    /// How soon the claimer looks again at what is due and cannot start. With nothing due it sleeps until something is, or
    /// until it is woken, thirty times as long at most.
    pub poll: Duration,
    /// How long a drain waits for attempts that are under way.
    pub drain: Duration,
}

/// How long a drain tries to record the last outcomes in a database that cannot be used.
const LAST_WORD: Duration = Duration::from_millis(1500);

impl Settings {
    /// Hands kept free for what is urgent: slow systems may hold all others for as long as their time-outs.
    fn reserved(&self) -> usize {
        if self.concurrency > 1 { (self.concurrency / 8).max(1) } else { 0 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 256,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            drain: Duration::from_secs(25),
        }
    }
}

/// What the queue has done so far in this process.
#[derive(Debug, Default)]
pub struct Counts {
    /// Attempts handed out.
    pub claimed: AtomicU64,
    /// Outcomes recorded.
    pub recorded: AtomicU64,
    /// Outcomes that came too late.
    pub stale: AtomicU64,
    /// Turns: write transactions of the claimer.
    pub turns: AtomicU64,
    /// When the last turn ended well, by the store's steady clock in milliseconds; 0 where none has.
    pub last_turn: AtomicI64,
}

impl Counts {
    /// Commits of the claimer per recorded step.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn commits_per_step(&self) -> f64 {
        let steps = self.recorded.load(Ordering::Relaxed).max(1);
        self.turns.load(Ordering::Relaxed) as f64 / steps as f64
    }
}

/// Runs the queue until `shutdown` turns true, then drains: no new claim, attempts under way get their time, claims
/// that were not started go back.
///
/// `perform` does the work of one attempt and answers how it ended. If it panics, the outcome is unknown.
pub async fn run<P, F>(
    store: Store,
    settings: Settings,
    owner: String,
    systems: Arc<BTreeSet<String>>,
    counts: Arc<Counts>,
    perform: P,
    shutdown: watch::Receiver<bool>,
) where
    P: Fn(Arc<Attempt>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = (Outcome, Option<Seen>)> + Send + 'static,
{
    let (hands, attempts) = mpsc::channel(settings.concurrency.max(1));
    let keeper = keeper::Keeper::new(settings.lease);
    let (claimer, reports) =
        claimer::Claimer::new(store.clone(), settings.clone(), owner, systems, counts, keeper.clone(), hands);
    let mut claiming = tokio::spawn(claimer.run(shutdown.clone()));
    let keeping = [tokio::spawn(keeper.clone().run(store.clone())), tokio::spawn(keeper.inherit(store))];
    let (asked, limit) = (shutdown.clone(), settings.drain + LAST_WORD);
    let overdue = tokio::spawn(async move {
        wait_for(asked).await;
        clock::pause(limit).await;
    });

    let backend = backend::Attempts::new(attempts);
    let slot = std::sync::Mutex::new(Some(backend));
    let monitor = Monitor::new()
        .register(move |_restarts| {
            let backend = slot.lock().ok().and_then(|mut slot| slot.take()).unwrap_or_else(backend::Attempts::closed);
            let perform = perform.clone();
            WorkerBuilder::new("usher").backend(backend).enable_tracing().catch_panic().parallelize(tokio::spawn).build(
                move |attempt: Arc<Attempt>| {
                    let perform = perform.clone();
                    async move {
                        let (outcome, seen) = perform(Arc::clone(&attempt)).await;
                        attempt.report(outcome, seen);
                    }
                },
            )
        })
        .shutdown_timeout(settings.drain);
    let stop = async move {
        wait_for(shutdown).await;
        Ok(())
    };
    if let Err(error) = monitor.run_with_signal(stop).await {
        tracing::error!(%error, "the worker ended with an error");
    }
    reports.close();
    tokio::select! {
        _ = &mut claiming => {}
        _ = overdue => {
            tracing::error!("the last outcomes cannot be recorded: whoever takes up their leases looks first");
            claiming.abort();
        }
    }
    keeping.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Waits until a shutdown is asked for.
pub(crate) async fn wait_for(mut shutdown: watch::Receiver<bool>) {
    // An error means that whoever could ask is gone: that is a shutdown too.
    shutdown.wait_for(|asked| *asked).await.ok();
}
