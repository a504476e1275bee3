//! What waits for what. Between steps on systems the join is per system, to the nearest step before it *on that
//! system*: a slow or failing system delays only itself. A step in the house waits for all systems of what it
//! follows, and what follows it waits for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::plan::PlannedStep;
use crate::workflow::StepDef;

/// Where the steps planned so far stand.
#[derive(Debug, Default)]
pub(super) struct Joins {
    placed: BTreeMap<String, Placed>,
}

#[derive(Debug, Default)]
struct Placed {
    after: Vec<String>,
    house: bool,
    ordinals: BTreeMap<Option<String>, u16>,
}

impl Placed {
    /// What a step on `system` waits for here; a step in the house stands in everybody's way.
    fn on(&self, system: &str) -> Option<u16> {
        let key = if self.house { None } else { Some(system.to_owned()) };
        self.ordinals.get(&key).copied()
    }
}

impl Joins {
    /// Makes a step of the file known, before its places.
    pub(super) fn enter(&mut self, def: &StepDef, house: bool) {
        let placed = Placed { after: def.after.clone(), house, ordinals: BTreeMap::new() };
        self.placed.insert(def.id.clone(), placed);
    }

    /// Notes the ordinal of `step` on `system`.
    pub(super) fn place(&mut self, step: &str, system: Option<&str>, ordinal: u16) {
        if let Some(placed) = self.placed.get_mut(step) {
            placed.ordinals.insert(system.map(str::to_owned), ordinal);
        }
    }

    /// The ordinals that `def` on `system` waits for.
    ///
    /// A step that is left out is over at once, so whoever waits for it waits for what it would have waited for too.
    pub(super) fn needs(&self, def: &StepDef, system: Option<&str>, steps: &[PlannedStep]) -> BTreeSet<u16> {
        let nearest = match system {
            None => self.everywhere(&def.after),
            Some(system) => self.nearest(&def.after, system),
        };
        let left_out = |ordinal: &u16| steps.get(usize::from(*ordinal)).filter(|step| step.skip.is_some());
        let behind: Vec<u16> = nearest.iter().filter_map(left_out).flat_map(|step| step.needs.clone()).collect();
        nearest.into_iter().chain(behind).collect()
    }

    fn everywhere(&self, names: &[String]) -> BTreeSet<u16> {
        names
            .iter()
            .filter_map(|name| self.placed.get(name))
            .flat_map(|placed| placed.ordinals.values())
            .copied()
            .collect()
    }

    /// Walks back along `after` until every path meets a step on `system`, or one in the house.
    fn nearest(&self, names: &[String], system: &str) -> BTreeSet<u16> {
        let mut open: Vec<&str> = names.iter().map(String::as_str).collect();
        let (mut met, mut seen) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = open.pop() {
            let Some(placed) = self.placed.get(name).filter(|_| seen.insert(name)) else { continue };
            match placed.on(system) {
                Some(ordinal) => {
                    met.insert(ordinal);
                }
                None => open.extend(placed.after.iter().map(String::as_str)),
            }
        }
        met
    }
}
