//! The order of planning: file order, except that what a step waits for stands before it.

use std::collections::BTreeSet;

use crate::run::planning::PlanError;
use crate::workflow::StepDef;

/// The steps, each behind all of its `after`, otherwise as in the file.
pub(super) fn by_need(steps: &[StepDef]) -> Result<Vec<&StepDef>, PlanError> {
    let mut left: Vec<&StepDef> = steps.iter().collect();
    let mut ordered = Vec::with_capacity(steps.len());
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(first) = left.first() {
        let ready = |step: &&StepDef| step.after.iter().all(|name| seen.contains(name.as_str()));
        let Some(index) = left.iter().position(ready) else {
            return Err(PlanError::Order(first.id.clone()));
        };
        let step = left.remove(index);
        seen.insert(&step.id);
        ordered.push(step);
    }
    Ok(ordered)
}
