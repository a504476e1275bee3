//! The one writer of a process: outcomes in, claims out, as many as are waiting in one commit, never a timer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::attempt::Report;
use super::keeper::Keeper;
use super::{Attempt, Counts, Settings};
use crate::clock;
use crate::run::settle::Outcome;
use crate::store::{Completion, Patience, Store, StoreError, TurnReport, TurnRequest};

/// The most outcomes in one transaction.
const BATCH: usize = 500;

/// As many runs that begin in one turn say that there are more.
const MANY: usize = 16;

/// How often others may go on without an outcome coming of it, before the outcomes that are there are written.
const TURNS_TO_TELL: u32 = 8;

/// How long an outcome of what is under way is waited for before the database is asked what else is due: mostly, the
/// outcome comes, and its turn looks for itself.
const BREATH: Duration = Duration::from_millis(2);

/// The longest wait after the database failed: with the time for a new connection it stays within the ten seconds of
/// guarantee 15.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

pub(super) struct Claimer {
    store: Store,
    settings: Settings,
    owner: String,
    systems: Arc<BTreeSet<String>>,
    counts: Arc<Counts>,
    keeper: Keeper,
    permits: Arc<Semaphore>,
    /// Where attempts go; closed by a drain.
    hands: Option<mpsc::Sender<Attempt>>,
    reports: mpsc::UnboundedReceiver<Report>,
    reporter: mpsc::UnboundedSender<Report>,
    closing: Arc<Notify>,
    /// Outcomes that are not recorded yet.
    waiting: Vec<Report>,
    /// The worker has ended: nothing more will be reported.
    closed: bool,
    /// The last turn found nothing to do though something is due (its account is busy): only an event wakes us.
    quiet: bool,
    /// Time until the next step is due, as last seen.
    until_due: Option<Duration>,
    /// Reads runs whose turn comes next.
    ahead: Option<JoinHandle<()>>,
    /// Failures of the database in a row.
    failures: u32,
    /// The last turn may have been kept though it failed: then it has claimed what nobody was handed.
    unsure: bool,
    patience: Patience,
}

/// Tells the claimer that the worker has ended.
pub(super) struct Closing(Arc<Notify>);

impl Closing {
    pub(super) fn close(&self) {
        self.0.notify_one();
    }
}

impl Claimer {
    pub(super) fn new(
        store: Store,
        settings: Settings,
        owner: String,
        systems: Arc<BTreeSet<String>>,
        counts: Arc<Counts>,
        keeper: Keeper,
        hands: mpsc::Sender<Attempt>,
    ) -> (Self, Closing) {
        let (reporter, reports) = mpsc::unbounded_channel();
        let closing = Arc::new(Notify::new());
        let claimer = Self {
            permits: Arc::new(Semaphore::new(settings.concurrency.max(1))),
            closing: Arc::clone(&closing),
            hands: Some(hands),
            waiting: Vec::new(),
            closed: false,
            quiet: false,
            until_due: None,
            ahead: None,
            failures: 0,
            unsure: false,
            patience: Patience::default(),
            store,
            settings,
            owner,
            systems,
            counts,
            keeper,
            reports,
            reporter,
        };
        (claimer, Closing(closing))
    }

    /// Claims until shutdown, then records what is still reported until nothing is in flight.
    pub(super) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut breathed = false;
        loop {
            self.gather().await;
            if self.unsure {
                self.give_back().await;
                continue;
            }
            if *shutdown.borrow() {
                self.hands = None;
                if self.closed {
                    self.give_up();
                }
                if self.waiting.is_empty() && (self.closed || self.keeper.in_flight() == 0) {
                    return;
                }
            }
            if self.hands.is_some() && self.store.made_urgent() {
                self.urgent_turn().await;
                if self.unsure {
                    continue;
                }
            }
            let permits = self.free_hands();
            if self.waiting.is_empty() && permits > 0 && !breathed && self.keeper.in_flight() > 0 {
                self.wait(BREATH, &mut shutdown).await;
                breathed = true;
                continue;
            }
            breathed = false;
            // With an outcome in hand there is a turn anyhow, and that looks for itself. What this process has made due need
            // not be asked for.
            let idle = self.waiting.is_empty() && permits > 0;
            let told = idle && self.store.made_due();
            let due = told || idle && !self.quiet && self.anything_due().await;
            if self.waiting.is_empty() && !due {
                // Without a free hand, only an outcome brings anything new.
                let until_due = if permits > 0 { self.until_due } else { None };
                self.sleep(until_due, &mut shutdown).await;
            } else {
                self.turn(permits).await;
                // Whether anything else is due has not been asked.
                self.quiet &= !told;
            }
        }
    }

    /// How many attempts may start: what is recorded in the same commit leaves its hand free. A drain starts nothing.
    fn free_hands(&self) -> usize {
        if self.hands.is_none() {
            return 0;
        }
        let ending = self.waiting.iter().filter(|report| report.permit.is_some()).count();
        self.permits.available_permits() + ending
    }

    /// Takes the outcomes that are there. As long as more of them come, those that are ready to be told may tell first:
    /// one commit for all of them. Nobody is waited for.
    async fn gather(&mut self) {
        let mut silent = 0;
        while silent < TURNS_TO_TELL {
            let before = self.waiting.len();
            while self.waiting.len() < BATCH {
                let Ok(report) = self.reports.try_recv() else { break };
                self.waiting.push(report);
            }
            if self.waiting.is_empty() || self.waiting.len() == BATCH {
                return;
            }
            silent = if self.waiting.len() == before { silent + 1 } else { 0 };
            tokio::task::yield_now().await;
        }
    }

    /// The drain is over, and these have no answer yet: whoever comes next looks first, and need not wait for their
    /// leases to lapse.
    fn give_up(&mut self) {
        let told: BTreeSet<(i64, u16)> =
            self.waiting.iter().map(|report| (report.completion.run, report.completion.ordinal)).collect();
        let open = self.keeper.attempts().into_iter().filter(|(run, ordinal, _)| !told.contains(&(*run, *ordinal)));
        let reports = open.map(|(run, ordinal, fence)| {
            let outcome = Outcome::Unknown("the daemon was stopped before the answer came".into());
            Report { completion: Completion { run, ordinal, fence, outcome, seen: None }, permit: None }
        });
        self.waiting.extend(reports);
    }

    /// Waits for an outcome, for a commit that may have made something due, or for the next due time.
    async fn sleep(&mut self, until_due: Option<Duration>, shutdown: &mut watch::Receiver<bool>) {
        let longest = self.settings.poll * 30;
        let pause = match (self.quiet, until_due) {
            (true, _) => self.settings.poll,
            (false, Some(until)) => until.min(longest),
            (false, None) => longest,
        };
        self.wait(pause, shutdown).await;
        self.quiet = false;
    }

    async fn wait(&mut self, pause: Duration, shutdown: &mut watch::Receiver<bool>) {
        let draining = self.hands.is_none();
        tokio::select! {
            Some(report) = self.reports.recv() => self.waiting.push(report),
            () = self.store.committed(), if !draining => {}
            _ = shutdown.changed(), if !draining => {}
            () = self.closing.notified() => self.closed = true,
            () = clock::pause(pause) => {}
        }
    }

    async fn anything_due(&mut self) -> bool {
        match self.store.unless_silent(&Patience::default(), self.store.until_due()).await {
            Ok(until) => {
                self.until_due = until;
                until.is_some_and(|until| until.is_zero())
            }
            Err(error) => {
                self.backoff(&error).await;
                false
            }
        }
    }

    /// A short turn for what is urgent alone: the next one, with all that has ended and all that goes on, takes many times
    /// as long.
    async fn urgent_turn(&mut self) {
        let (permits, horizon) = (self.permits.available_permits(), self.keeper.horizon());
        // Where no hand is free, the next turn frees some, and begins with what is urgent.
        if permits == 0 {
            return;
        }
        match self.write(Vec::new(), permits, permits).await {
            Ok(report) => self.hand_out(report, horizon).await,
            Err(error) => {
                self.unsure |= error.is_outage();
                self.backoff(&error).await;
            }
        }
    }

    async fn turn(&mut self, permits: usize) {
        let batch = std::mem::take(&mut self.waiting);
        let completions = batch.iter().map(|report| report.completion.clone()).collect();
        let horizon = self.keeper.horizon();
        match self.write(completions, permits, self.settings.reserved()).await {
            Ok(report) => {
                self.failures = 0;
                self.counts.last_turn.store(self.store.steady().max(1), Ordering::Relaxed);
                self.quiet = batch.is_empty() && report.claims.is_empty() && report.settled == 0 && report.full == 0;
                self.recorded(batch, report.stale);
                if report.others >= MANY {
                    self.read_ahead();
                }
                self.hand_out(report, horizon).await;
            }
            Err(error) if error.is_outage() => {
                self.waiting = batch;
                self.unsure = true;
                self.backoff(&error).await;
            }
            Err(error) => self.one_by_one(batch, &error).await,
        }
    }

    /// Where many runs begin, more of them may come next.
    fn read_ahead(&mut self) {
        if self.ahead.as_ref().is_some_and(|ahead| !ahead.is_finished()) {
            return;
        }
        let (store, turn) = (self.store.clone(), self.settings.concurrency);
        self.ahead = Some(tokio::spawn(async move {
            if let Err(error) = store.read_ahead(turn).await {
                tracing::debug!(%error, "runs could not be read before their turn");
            }
        }));
    }

    async fn write(
        &self,
        completions: Vec<Completion>,
        permits: usize,
        reserved: usize,
    ) -> Result<TurnReport, StoreError> {
        self.counts.turns.fetch_add(1, Ordering::Relaxed);
        let request = TurnRequest {
            completions,
            permits,
            reserved,
            owner: &self.owner,
            lease: self.settings.lease,
            systems: &self.systems,
        };
        self.store.unless_silent(&self.patience, self.store.turn(&request)).await
    }

    /// A commit whose answer was lost may have claimed what nobody was handed: that goes back, certainly without any
    /// effect, instead of waiting until its lease has lapsed.
    async fn give_back(&mut self) {
        let leases = match self.store.unless_silent(&Patience::default(), self.store.leases_of(&self.owner)).await {
            Ok(leases) => leases,
            Err(error) => return self.backoff(&error).await,
        };
        self.unsure = false;
        let forgotten = leases.into_iter().filter(|attempt| !self.keeper.holds(attempt));
        let reports = forgotten.map(|(run, ordinal, fence)| {
            let completion = Completion { run, ordinal, fence, outcome: Outcome::Returned, seen: None };
            Report { completion, permit: None }
        });
        self.waiting.extend(reports);
    }

    /// A batch that fails is split, so that one bad row stops nobody else. The bad one's lease lapses, and it is
    /// observed like any attempt without an answer.
    async fn one_by_one(&mut self, batch: Vec<Report>, error: &StoreError) {
        tracing::error!(%error, outcomes = batch.len(), "a batch could not be written; trying its outcomes one by one");
        if batch.is_empty() {
            self.backoff(error).await;
        }
        for report in batch {
            match self.write(vec![report.completion.clone()], 0, 0).await {
                Ok(written) => self.recorded(vec![report], written.stale),
                Err(error) if error.is_outage() => {
                    self.waiting.push(report);
                    self.unsure = true;
                }
                Err(error) => {
                    let Completion { run, ordinal, fence, .. } = report.completion;
                    tracing::error!(run.id = run, step.ordinal = ordinal, fence, %error, "this outcome cannot be written");
                    self.keeper.let_go(run, ordinal, fence);
                }
            }
        }
    }

    fn recorded(&self, batch: Vec<Report>, stale: usize) {
        self.counts.recorded.fetch_add(batch.len() as u64, Ordering::Relaxed);
        self.counts.stale.fetch_add(stale as u64, Ordering::Relaxed);
        for report in batch {
            let Completion { run, ordinal, fence, .. } = report.completion;
            self.keeper.let_go(run, ordinal, fence);
        }
    }

    async fn hand_out(&self, report: TurnReport, horizon: u64) {
        self.counts.claimed.fetch_add(report.claims.len() as u64, Ordering::Relaxed);
        // A drain claims nothing.
        let Some(hands) = &self.hands else { return };
        for claim in report.claims {
            let lease = self.keeper.hold(&claim, horizon);
            // Only this task takes permits, and the turn claimed no more than there were.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let attempt = Attempt::new(claim, lease, self.reporter.clone(), permit);
            if let Err(returned) = hands.send(attempt).await {
                returned.0.report(Outcome::Returned, None);
            }
        }
    }

    /// The database is away: said once in a while, tried again for ever.
    async fn backoff(&mut self, error: &StoreError) {
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_millis(50).saturating_mul(1 << self.failures.min(10)).min(LONGEST_BACKOFF);
        tracing::error!(%error, failures = self.failures, "the database cannot be used: nothing is started until it can; trying again");
        clock::pause(pause).await;
    }
}
