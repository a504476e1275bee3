//! Runs that this process has in mind from one turn to the next, so that a run under way is not read step by step for each
//! of its outcomes.
//!
//! Nothing is believed because it is remembered: the run's row is read (and locked) each time, and what stands on the
//! shelf counts only if the end of the run's chain, and the person's key, are still what they were. A run changes only
//! together with its chain (see [`super::flush`]), so the same head means the same steps, whoever has written.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::books::Loaded;

/// The most steps that are kept in mind: some megabytes.
const MOST_STEPS: usize = 32_768;

/// Runs in mind, by key.
#[derive(Default)]
pub(super) struct Shelf {
    runs: HashMap<i64, Loaded>,
    steps: usize,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("runs", &self.runs.len()).field("steps", &self.steps).finish()
    }
}

impl Shelf {
    /// Takes a run from the shelf, if it ends in `head` and its person's wrapped key is `data_key`. One that has changed
    /// goes too.
    pub(super) fn take(&mut self, run: i64, head: &str, data_key: Option<&str>) -> Option<Loaded> {
        let kept = self.runs.remove(&run)?;
        self.steps -= kept.book.steps.len();
        (kept.head == head && kept.data_key.as_deref() == data_key).then_some(kept)
    }

    /// Whether it has the run, as it is or was.
    pub(super) fn has(&self, run: i64) -> bool {
        self.runs.contains_key(&run)
    }

    /// Keeps runs that were read before their turn, as long as there is room. What is there already may be newer.
    pub(super) fn put_by(&mut self, read: Vec<Loaded>) {
        for loaded in read {
            let steps = loaded.book.steps.len();
            if self.steps + steps > MOST_STEPS {
                return;
            }
            if let Entry::Vacant(place) = self.runs.entry(loaded.book.run.id) {
                place.insert(loaded);
                self.steps += steps;
            }
        }
    }

    /// Keeps runs as they were just committed, unless they are over. A full shelf is cleared: what is still needed comes
    /// back with its next outcome.
    pub(super) fn keep(&mut self, committed: Vec<Loaded>) {
        for loaded in committed {
            let (run, steps) = (loaded.book.run.id, loaded.book.steps.len());
            if loaded.book.run.state.is_over() || loaded.book.changed() {
                continue;
            }
            if self.steps + steps > MOST_STEPS {
                self.runs.clear();
                self.steps = 0;
            }
            self.steps += steps;
            if let Some(before) = self.runs.insert(run, loaded) {
                self.steps -= before.book.steps.len();
            }
        }
    }
}
