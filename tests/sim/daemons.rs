//! What daemons do, one step of their loop at a time, and the ways in which they die, stall and repeat themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use usher::engine::Engine;
use usher::intake::{events, schedules};
use usher::run::settle::Outcome;
use usher::store::{Claim, Completion, Seen, StoreError, TurnReport, TurnRequest};

use crate::checker;
use crate::world::World;

/// How long a lease lasts, and how much of it must be left for a request to be sent (as `queue/keeper.rs` has it).
pub(crate) const LEASE: Duration = Duration::from_secs(30);
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// A simulated daemon.
pub(crate) struct Daemon {
    pub(crate) name: String,
    /// `None` while it is down.
    pub(crate) engine: Option<Engine>,
    pub(crate) held: Vec<Held>,
}

/// An attempt that a daemon has in hand.
pub(crate) struct Held {
    pub(crate) claim: Claim,
    pub(crate) lease_until: Timestamp,
    pub(crate) outcome: Option<(Outcome, Option<Seen>)>,
}

impl Held {
    fn completion(&self) -> Option<Completion> {
        let (outcome, seen) = self.outcome.clone()?;
        let Claim { run, ordinal, fence, .. } = self.claim;
        Some(Completion { run, ordinal, fence, outcome, seen })
    }

    fn pair(&self) -> (i64, u16, i64) {
        (self.claim.run, self.claim.ordinal, self.claim.fence)
    }
}

impl Daemon {
    pub(crate) fn new(name: String, engine: Engine) -> Self {
        Self { name, engine: Some(engine), held: Vec::new() }
    }
}

impl World {
    fn engine(&self, at: usize) -> Engine {
        self.daemons[at].engine.clone().expect("up")
    }

    /// A turn: some of the outcomes at hand in any order, now and then one for the second time, and new claims. Now and
    /// then the daemon dies before it hears what was committed.
    pub(crate) async fn turn(&mut self, at: usize) {
        let (mut sent, mut completions) = (Vec::new(), Vec::new());
        for held in &self.daemons[at].held {
            if let Some(completion) = held.completion()
                && self.dice.percent(75)
            {
                sent.push(held.pair());
                completions.push(completion);
            }
        }
        let in_order = sent.clone();
        self.dice.shuffle(&mut completions);
        if completions.iter().map(|c| (c.run, c.ordinal, c.fence)).ne(in_order) {
            self.tally.count("outcomes out of order");
        }
        let first_time = completions.len();
        if self.dice.percent(15)
            && let Some(ghost) = self.dice.pick(&self.ghosts)
        {
            self.tally.count("duplicate outcome");
            completions.push(ghost);
        }
        let permits = self.dice.below(6);
        let report = self.turn_of(at, completions.clone(), permits).await;
        let ghosts = completions.len() - first_time;
        assert!(report.stale >= ghosts, "an outcome that was recorded before was recorded again");
        if report.stale > ghosts {
            self.tally.count("late outcome");
        }
        self.ghosts.extend(completions.into_iter().take(first_time));
        if self.dice.percent(4) {
            self.tally.count("crash with the commit's answer");
            return self.crash(at).await;
        }
        let daemon = &mut self.daemons[at];
        daemon.held.retain(|held| !sent.contains(&held.pair()));
        for claim in report.claims {
            daemon.held.push(Held { lease_until: claim.lease_until, claim, outcome: None });
        }
    }

    /// A turn without accidents: every outcome at hand, and as many claims as there are.
    pub(crate) async fn calm_turn(&mut self, at: usize) {
        let completions: Vec<Completion> = self.daemons[at].held.iter().filter_map(Held::completion).collect();
        let report = self.turn_of(at, completions, 32).await;
        let claims = report.claims.into_iter();
        self.daemons[at].held =
            claims.map(|claim| Held { lease_until: claim.lease_until, claim, outcome: None }).collect();
    }

    /// A turn of one daemon, and what is looked at after each.
    async fn turn_of(&mut self, at: usize, completions: Vec<Completion>, permits: usize) -> TurnReport {
        let (engine, owner) = (self.engine(at), self.daemons[at].name.clone());
        let words: Vec<String> = completions
            .iter()
            .map(|c| format!("run_{}/{}#{} {}", c.run, c.ordinal, c.fence, crate::people::kind_of(&c.outcome)))
            .collect();
        let request = TurnRequest {
            completions,
            permits,
            reserved: 0,
            owner: &owner,
            lease: LEASE,
            systems: &engine.system_names(),
        };
        let report = engine.store().turn(&request).await.unwrap_or_else(|why| panic!("a turn: {why}"));
        let claims: Vec<String> =
            report.claims.iter().map(|c| format!("run_{}/{}#{}", c.run, c.label, c.fence)).collect();
        if !words.is_empty() || !claims.is_empty() || report.settled > 0 {
            self.say(format!(
                "{owner} records {words:?} ({} stale), claims {claims:?}, settles {}",
                report.stale, report.settled
            ));
        }
        checker::claimed(self, engine.store(), &report.claims).await;
        report
    }

    /// One of the daemons that have an attempt in hand.
    pub(crate) fn someone_at_work(&mut self) -> Option<usize> {
        let open = |daemon: &Daemon| daemon.held.iter().any(|held| held.outcome.is_none());
        let at_work: Vec<usize> = (0..self.daemons.len()).filter(|at| open(&self.daemons[*at])).collect();
        self.dice.pick(&at_work)
    }

    /// One of the attempts at hand is carried out. Like the daemon's own, it asks right before it sends whether the lease
    /// still stands.
    pub(crate) async fn carry_out(&mut self, at: usize) {
        let open: Vec<usize> =
            (0..self.daemons[at].held.len()).filter(|nth| self.daemons[at].held[*nth].outcome.is_none()).collect();
        let Some(nth) = self.dice.pick(&open) else { return };
        let held = &self.daemons[at].held[nth];
        let (claim, stands) = (held.claim.clone(), self.now() + MARGIN < held.lease_until);
        let before = checker::before_attempt(self, &claim);
        let (outcome, seen) = self.engine(at).execute(&claim, || stands).await;
        if outcome == Outcome::Returned {
            self.tally.count("lease refused an attempt");
        }
        self.say(format!(
            "{} carries out run_{}/{}#{}: {}",
            self.daemons[at].name,
            claim.run,
            claim.label,
            claim.fence,
            crate::people::kind_of(&outcome)
        ));
        checker::attempted(self, &claim, stands, before, &outcome).await;
        self.daemons[at].held[nth].outcome = Some((outcome, seen));
    }

    /// The process is gone, with everything it had in memory.
    pub(crate) async fn crash(&mut self, at: usize) {
        let daemon = &mut self.daemons[at];
        let Some(engine) = daemon.engine.take() else { return };
        engine.store().close().await;
        let kind = match daemon.held.as_slice() {
            [] => "crash at rest",
            held if held.iter().any(|held| held.outcome.is_some()) => "crash between attempt and record",
            _ => "crash before the attempt",
        };
        daemon.held.clear();
        let name = daemon.name.clone();
        self.tally.count(kind);
        self.say(format!("{name}: {kind}"));
    }

    pub(crate) async fn start_again(&mut self, at: usize) {
        if self.daemons[at].engine.is_none() {
            self.daemons[at].engine = Some(self.house.engine().await);
            self.say(format!("{} starts", self.daemons[at].name));
            self.recover(at).await;
        }
    }

    pub(crate) async fn recover(&mut self, at: usize) {
        let store = self.engine(at).store().clone();
        let lapsed = store.recover(false).await.unwrap_or_else(|why| panic!("recover: {why}"));
        if lapsed > 0 {
            self.tally.count("lease lapsed");
            self.say(format!("{} takes up {lapsed}", self.daemons[at].name));
        }
    }

    /// Time passes. Daemons renew their leases meanwhile, but for those that stall: their leases lapse.
    pub(crate) async fn pass(&mut self, to: Timestamp) {
        let now = self.now();
        let how_long = Duration::try_from(to.duration_since(now)).unwrap_or_default();
        for at in 0..self.daemons.len() {
            if self.daemons[at].engine.is_none() || self.daemons[at].held.is_empty() {
                continue;
            }
            if self.dice.percent(30) {
                if how_long > LEASE {
                    self.tally.count("stall past the lease");
                }
                continue;
            }
            let pairs: Vec<_> = self.daemons[at].held.iter().map(Held::pair).collect();
            let store = self.engine(at).store().clone();
            let renewed: BTreeSet<_> =
                store.renew(&pairs, LEASE + how_long).await.expect("renews").into_iter().collect();
            for held in self.daemons[at].held.iter_mut().filter(|held| renewed.contains(&held.pair())) {
                held.lease_until = now + SignedDuration::try_from(LEASE + how_long).expect("fits");
            }
        }
        self.house.clock.set(to);
        self.say("time has passed");
    }

    /// What a daemon does once a second.
    pub(crate) async fn round(&mut self, at: usize) {
        let engine = self.engine(at);
        self.recover(at).await;
        match events::dispatch(&engine).await {
            Ok(led_to) if !led_to.is_empty() => {
                let words: Vec<String> = led_to
                    .iter()
                    .map(|one| {
                        format!(
                            "{} {}: {:?} {:?} {:?}",
                            one.employee_number,
                            one.event.as_str(),
                            one.runs,
                            one.noted,
                            one.parked
                        )
                    })
                    .collect();
                self.say(format!("{} deals with {words:?}", self.daemons[at].name));
            }
            Ok(_) | Err(StoreError::Refused(_)) => {}
            Err(why) => panic!("dispatch: {why}"),
        }
        let fired = schedules::fire(&engine).await.unwrap_or_else(|why| panic!("fire: {why}"));
        if fired > 0 {
            self.tally.count("scheduled run");
            self.say(format!("schedules start {fired}"));
        }
        let unanswered = engine.store().lapse_unanswered().await.unwrap_or_else(|why| panic!("lapse: {why}"));
        if unanswered > 0 {
            self.tally.count("approval that nobody answers");
            self.say(format!("{unanswered} approvals were not answered in time"));
        }
        if self.house.posts() {
            let told = engine.remind().await.unwrap_or_else(|why| panic!("remind: {why}"));
            engine.mail().expect("a mail room").deliver_due(engine.store()).await.expect("delivers");
            if told > 0 {
                self.tally.count("reminder");
                self.say(format!("reminds {told}"));
            }
        }
    }
}
