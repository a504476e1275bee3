//! The common course of a scenario: towns are filled, something goes wrong as often as asked for, everything runs to its
//! end and is counted.

use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::{Mutex, MutexGuard};

use crate::count::{Count, report};
use crate::town::Town;

/// A setting of this process, or its default.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Departures in a wave.
pub(crate) fn departures() -> usize {
    setting("USHER_STORM_DEPARTURES", 6)
}

static TURN: Mutex<()> = Mutex::const_new(());

/// Scenarios take turns: times are measured, and the machine may be small.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

/// A while to live before something goes wrong: from before a daemon is ready to deep in the work.
pub(crate) fn a_while(longest_ms: u64) -> Duration {
    Duration::from_millis(rand::rng().random_range(1..longest_ms))
}

/// A scenario under way.
pub(crate) struct Storm {
    name: String,
    began: Instant,
    tries: usize,
    done: usize,
    count: Count,
    /// What was measured, by name.
    times: Vec<(&'static str, Vec<Duration>)>,
}

/// So many things go wrong in one town, then everything is counted and there is another one.
const TRIES_IN_A_TOWN: usize = 50;

impl Storm {
    pub(crate) fn new(name: impl Into<String>, tries: usize) -> Self {
        Self { name: name.into(), began: Instant::now(), tries, done: 0, count: Count::default(), times: Vec::new() }
    }

    /// Whether more is to go wrong at all.
    pub(crate) fn goes_on(&self) -> bool {
        self.done < self.tries
    }

    /// Lives in `town` for a while; true when something is to go wrong in it now, false when it is time for the end.
    pub(crate) async fn strikes(&mut self, town: &Town, longest_ms: u64, here: &mut usize) -> bool {
        if self.done >= self.tries || *here >= TRIES_IN_A_TOWN {
            return false;
        }
        if town.live(a_while(longest_ms)).await && !town.more_departures().await {
            return false;
        }
        *here += 1;
        self.done += 1;
        true
    }

    pub(crate) fn measured(&mut self, what: &'static str, took: Duration) {
        match self.times.iter_mut().find(|(name, _)| *name == what) {
            Some((_, all)) => all.push(took),
            None => self.times.push((what, vec![took])),
        }
    }

    /// Lets everything run to its end and counts it.
    pub(crate) async fn ends(&mut self, town: &Town) {
        self.ends_while(town, async {}).await;
    }

    /// As [`Storm::ends`], with something to look at in between.
    pub(crate) async fn ends_while(&mut self, town: &Town, look: impl Future<Output = ()>) {
        town.live_to_the_end().await;
        look.await;
        self.count += town.count().await;
    }

    /// Tells what was counted; nothing may be wrong.
    pub(crate) fn report(self) {
        let times: Vec<String> = self.times.iter().map(|(name, all)| format!("{name} {}", longest(all))).collect();
        report(&self.name, self.done, &self.count, self.began.elapsed(), &times.join(", "));
        self.count.assert_right();
        assert!(self.done >= self.tries, "{} of {} were tried", self.done, self.tries);
    }
}

fn longest(all: &[Duration]) -> String {
    let mut sorted = all.to_vec();
    sorted.sort();
    let seconds = |at: usize| sorted.get(at).map_or(0.0, Duration::as_secs_f64);
    format!(
        "{:.1} s at most (half of {} within {:.1} s)",
        seconds(sorted.len().saturating_sub(1)),
        sorted.len(),
        seconds(sorted.len() / 2)
    )
}
