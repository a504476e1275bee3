//! Runs that this process has in mind from one turn to the next, so that a run under way is not read step by step for each
//! of its outcomes.
//!
//! Nothing is believed because it is remembered: the run's row is read (and locked) each time, and what stands on the
//! shelf counts only if the end of the run's chain, and the person's key, are still what they were. A run changes only
//! together with its chain (see [`super::flush`]), so the same head means the same steps, whoever has written.

use std::collections::HashMap;

use super::books::Loaded;

/// The most steps that are kept in mind: some megabytes.
const MOST_STEPS: usize = 32_768;

/// Runs in mind, by key: those that came last, and those before them, which go when the last ones are as many as there is room
/// for. What is touched again is among the last.
#[derive(Default)]
pub(super) struct Shelf {
    last: Runs,
    before: Runs,
}

#[derive(Default)]
struct Runs {
    runs: HashMap<i64, Loaded>,
    steps: usize,
}

impl Runs {
    fn insert(&mut self, loaded: Loaded) {
        self.steps += loaded.book.steps.len();
        if let Some(replaced) = self.runs.insert(loaded.book.run.id, loaded) {
            self.steps -= replaced.book.steps.len();
        }
    }

    fn remove(&mut self, run: i64) -> Option<Loaded> {
        let loaded = self.runs.remove(&run)?;
        self.steps -= loaded.book.steps.len();
        Some(loaded)
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [runs, steps] = [self.last.runs.len() + self.before.runs.len(), self.last.steps + self.before.steps];
        f.debug_struct("Shelf").field("runs", &runs).field("steps", &steps).finish()
    }
}

impl Shelf {
    /// Takes a run from the shelf, if it ends in `head` and its person's wrapped key is `data_key`. One that has changed
    /// goes too.
    pub(super) fn take(&mut self, run: i64, head: &str, data_key: Option<&str>) -> Option<Loaded> {
        let before = self.before.remove(run);
        let kept = self.last.remove(run).or(before)?;
        (kept.head == head && kept.data_key.as_deref() == data_key).then_some(kept)
    }

    /// Whether it has the run, as it is or was.
    pub(super) fn has(&self, run: i64) -> bool {
        self.last.runs.contains_key(&run) || self.before.runs.contains_key(&run)
    }

    /// Keeps runs that were read before their turn. What is there already may be newer.
    pub(super) fn put_by(&mut self, read: Vec<Loaded>) {
        for loaded in read {
            if !self.has(loaded.book.run.id) {
                self.put(loaded);
            }
        }
    }

    /// Keeps runs as they were just committed, unless they are over.
    pub(super) fn keep(&mut self, committed: Vec<Loaded>) {
        for loaded in committed {
            if !loaded.book.run.state.is_over() && !loaded.book.changed() {
                self.put(loaded);
            }
        }
    }

    fn put(&mut self, loaded: Loaded) {
        if self.last.steps + loaded.book.steps.len() > MOST_STEPS / 2 {
            self.before = std::mem::take(&mut self.last);
        }
        self.last.insert(loaded);
    }
}

#[cfg(test)]
mod tests {
    use super::super::books::Key;
    use super::*;
    use crate::run::sample::{Case, Story, departure};

    /// A run with as many steps as may be.
    fn run(id: i64) -> Loaded {
        let mut book = Story::of(&Case::of(departure()).given("last_day", "2027-01-29")).book;
        book.run.id = id;
        let step = book.steps[0].clone();
        book.steps = vec![step; 1024];
        book.said.clear();
        book.dirty.clear();
        let head = format!("head {id}");
        Loaded { book, key: Key::Nobody, data_key: None, seq: 1, head, urgent: false, archived: false }
    }

    fn take(shelf: &mut Shelf, id: i64) -> bool {
        shelf.take(id, &format!("head {id}"), None).is_some()
    }

    #[test]
    fn what_is_under_way_stays_while_others_come_and_go() {
        let mut shelf = Shelf::default();
        shelf.keep(vec![run(1), run(2)]);
        for other in 3..=100 {
            shelf.put_by(vec![run(other)]);
            if other % 10 == 0 {
                assert!(take(&mut shelf, 1), "{other}");
                shelf.keep(vec![run(1)]);
            }
        }
        assert!(take(&mut shelf, 1) && take(&mut shelf, 100));
        assert!(!take(&mut shelf, 2) && !take(&mut shelf, 3), "for too long nobody has asked for them");
        assert!(shelf.last.steps + shelf.before.steps <= MOST_STEPS);
    }

    #[test]
    fn nothing_is_believed_that_has_another_end() {
        let mut shelf = Shelf::default();
        shelf.keep(vec![run(1), run(2), run(3)]);
        assert!(shelf.take(1, "another head", None).is_none());
        assert!(!take(&mut shelf, 1), "it is gone");
        assert!(shelf.take(2, "head 2", Some("another key")).is_none());
        // What was read before its turn replaces nothing.
        let mut stale = run(3);
        stale.head = "before".to_owned();
        shelf.put_by(vec![stale]);
        assert!(take(&mut shelf, 3));
        assert_eq!(shelf.last.steps + shelf.before.steps, 0);
    }
}
