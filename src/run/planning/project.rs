//! The timeline of a plan: when each step would be due if everything before it were done at once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::business::Holidays;
use crate::run::instant::{UnknownZone, after_delay, zone};
use crate::run::plan::Plan;

/// When a step would be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projected {
    /// The step.
    pub ordinal: u16,
    /// Its expected instant: the latest of its own time, the end of what it needs plus its delay, and the start.
    /// `None` where it is left out.
    pub due: Option<Timestamp>,
}

/// The timeline of `plan`, one entry per step, by ordinal.
///
/// # Errors
/// When this machine does not know the plan's zone.
pub fn project(plan: &Plan, holidays: &Holidays) -> Result<Vec<Projected>, UnknownZone> {
    let zone = zone(&plan.zone)?;
    let mut projected: Vec<Projected> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let ends = step.needs.iter().filter_map(|need| projected.get(usize::from(*need)).and_then(|need| need.due));
        let end = ends.max().unwrap_or(plan.start).max(plan.start);
        let free = match &step.delay {
            Some(delay) => after_delay(end, delay, &zone, holidays, step.action.is_destructive()),
            None => end,
        };
        let due = step.at.as_ref().map_or(free, |at| at.at.max(free));
        projected.push(Projected { ordinal: step.ordinal, due: step.skip.is_none().then_some(due) });
    }
    Ok(projected)
}
