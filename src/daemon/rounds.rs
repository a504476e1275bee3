//! What a daemon does beside its queue: it listens to others, sends mails, keeps the inventory, shows that it lives, and
//! looks round: a second after anything has changed, and where something is due by the clock alone.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock;
use crate::engine::Engine;
use crate::engine::outage::Outage;
use crate::intake::{events, schedules};
use crate::store::{Patience, Store, StoreError};

/// How soon after a change a daemon looks round.
pub(super) const ROUND: Duration = Duration::from_secs(1);

/// How often it looks round though nothing has changed: time alone ends holds and answers, and makes reminders due.
const QUIET: Duration = Duration::from_secs(60);

/// How often the age of the inventory is looked at.
const INVENTORY: Duration = Duration::from_secs(60);

/// The longest the sender of mails sleeps: writes by others that nobody told of.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// How soon an outbox is tried again that could not be used.
const OUTBOX_AGAIN: Duration = Duration::from_secs(5);

/// Writes by others wake the claimer; a lost connection is made again.
pub(super) async fn watch_others(store: Store) {
    loop {
        match store.watch().await {
            Ok(mut watch) => loop {
                if let Err(error) = watch.next().await {
                    tracing::warn!(%error, "writes by others cannot be seen for a moment");
                    break;
                }
            },
            Err(error) => tracing::warn!(%error, "writes by others cannot be seen"),
        }
        clock::pause(ROUND).await;
    }
}

/// Sends what is due in the outbox: woken by what is posted, and by the next due time.
pub(super) async fn send_mails(engine: Engine, mut shutdown: watch::Receiver<bool>) {
    if !engine.tells_somebody() {
        return;
    }
    while !*shutdown.borrow() {
        let nap = match engine.deliver_due().await {
            Ok(next) => next.unwrap_or(LONGEST_NAP).min(LONGEST_NAP),
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be used; trying again");
                OUTBOX_AGAIN
            }
        };
        tokio::select! {
            () = engine.store().mail_posted() => {}
            () = clock::pause(nap) => {}
            _ = shutdown.changed() => {}
        }
    }
}

/// Thresholds are shares of how many accounts a system has: that is known, and not too old.
pub(super) async fn keep_inventory(engine: Engine) {
    loop {
        if let Err(error) = engine.keep_inventory().await {
            tracing::warn!(%error, "how old the inventory is cannot be seen");
        }
        clock::pause(INVENTORY).await;
    }
}

/// Shows every second that this process lives and how far the record has come, and tells when it cannot be written.
pub(super) async fn keep_watch(engine: Engine, shutdown: watch::Receiver<bool>) {
    let mut outage = Outage::default();
    while !*shutdown.borrow() {
        // A database that does not answer is as good as none.
        let ticked = engine.store().unless_silent(&Patience::default(), engine.store().show_life()).await;
        engine.watch_record(&mut outage, ticked.as_ref().err(), engine.store().steady()).await;
        clock::pause(ROUND).await;
    }
}

/// Once in a while: events that were accepted and not dealt with, schedules, secrets that nobody used, legal holds whose
/// time is over, approvals that nobody has answered, reminders, checkpoints, the archive. What fails stops none of the others, and is
/// tried again after a longer while: a system that does not answer is not to be hammered. Where nothing has been written
/// since, and nothing is due, nothing is asked.
pub(super) async fn go_round(engine: Engine, shutdown: watch::Receiver<bool>) {
    let mut round = Round::of(engine);
    while !*shutdown.borrow() {
        if !round.is_due() {
            clock::pause(ROUND).await;
            continue;
        }
        round.once().await;
        for error in &round.failures {
            tracing::warn!(%error, "a round failed in part; trying again");
        }
        clock::pause(if round.failures.is_empty() { ROUND } else { ROUND * 5 }).await;
    }
}

/// One round alone; answers what failed.
pub async fn round(engine: &Engine) -> Vec<String> {
    let mut round = Round::of(engine.clone());
    round.once().await;
    round.failures
}

/// The parts of a round, each with its own patience: a connection that has fallen silent holds up none of them for long.
/// All of them begin anew where they were cut.
#[derive(Default)]
struct Patiences {
    hearing: Patience,
    schedules: Patience,
    secrets: Patience,
    holds: Patience,
    approvals: Patience,
    reminders: Patience,
    keys: Patience,
    rewrapping: Patience,
    checkpoints: Patience,
    archive: Patience,
    next: Patience,
}

struct Round {
    engine: Engine,
    patience: Patiences,
    failures: Vec<String>,
    /// What the record had come to before the last round, and when there is something to do though it stays so.
    last: Option<(u64, Instant)>,
}

impl Round {
    fn of(engine: Engine) -> Self {
        Self { engine, patience: Patiences::default(), failures: Vec::new(), last: None }
    }

    /// Whether anything was written since the last round, or its time has come.
    fn is_due(&self) -> bool {
        self.last.is_none_or(|(changes, next)| changes != self.engine.store().changes() || Instant::now() >= next)
    }

    async fn once(&mut self) {
        let Self { engine, patience, failures, last } = self;
        let store = engine.store();
        let before = store.changes();
        failures.clear();
        failures.extend(dispatch(engine, &patience.hearing).await.err().map(|error| error.to_string()));
        failures.extend(part(store, &patience.schedules, schedules::fire(engine)).await);
        failures.extend(part(store, &patience.secrets, store.expire_secrets()).await);
        failures.extend(part(store, &patience.holds, store.end_holds()).await);
        failures.extend(part(store, &patience.approvals, store.lapse_unanswered()).await);
        failures.extend(part(store, &patience.reminders, engine.remind()).await);
        failures.extend(part(store, &patience.keys, store.follow_keys()).await);
        let rewrapped = store.unless_silent(&patience.rewrapping, store.rewrap_in_passing()).await;
        // One small batch a round: whoever is waiting for the database waits for that at most.
        let checkpoint = store.unless_silent(&patience.checkpoints, engine.checkpoint()).await;
        let goes_on = *rewrapped.as_ref().unwrap_or(&false) || *checkpoint.as_ref().unwrap_or(&false);
        failures.extend(rewrapped.err().map(|error| error.to_string()));
        failures.extend(checkpoint.err().map(|error| error.to_string()));
        failures.extend(part(store, &patience.archive, engine.archive_some()).await);
        let next = match store.unless_silent(&patience.next, until_next(engine)).await {
            Ok(next) => next.unwrap_or(QUIET).min(QUIET),
            Err(error) => {
                failures.push(error.to_string());
                ROUND
            }
        };
        // What failed is not done.
        let soon = goes_on || !failures.is_empty();
        *last = Some((before, Instant::now() + if soon { ROUND } else { next }));
    }
}

/// How long until the clock alone brings something that cannot wait: a tick of a schedule, or an access cut that is overdue
/// from then on.
async fn until_next(engine: &Engine) -> Result<Option<Duration>, StoreError> {
    let tick = schedules::until_next(engine).await?;
    let late = if engine.tells_somebody() { engine.store().until_late_cut().await? } else { None };
    Ok(tick.into_iter().chain(late).min())
}

/// What is wrong with a part of a round, where it failed.
async fn part<T, E: Display + From<StoreError>>(
    store: &Store,
    patience: &Patience,
    work: impl Future<Output = Result<T, E>>,
) -> Option<String> {
    store.unless_silent(patience, work).await.err().map(|error| error.to_string())
}

/// Deals with HR's events. Whether there are any is asked with patience; once there are, whole systems are read, which
/// takes as long as it takes.
async fn dispatch(engine: &Engine, patience: &Patience) -> Result<(), StoreError> {
    let store = engine.store();
    if store.unless_silent(patience, store.open_events()).await?.is_empty() {
        return Ok(());
    }
    events::dispatch(engine).await.map(|_| ())
}
