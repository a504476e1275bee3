//! How a run begins: what its plan says of its steps comes true at once, and is told with the plan, in the run's first
//! entry. A plan of fifty steps that wait is one entry, not fifty-one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fact, ReplayError};
use crate::run::book::Said;
use crate::run::plan::PlannedStep;
use crate::run::state::{StepEvent, StepState};

/// What becomes of steps as their run begins, each by its ordinal. Entries of older versions tell it step by step, behind
/// the entry that has the plan, and have nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Those that are left out, for the reasons that the plan gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skipped: Option<Together>,
    /// Those that wait for the instant that the plan gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ready: Vec<u16>,
    /// Those that wait for another instant, because of what comes before them, or because they have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    due: Vec<Together>,
}

/// Steps that have an instant in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Together {
    at: Timestamp,
    steps: Vec<u16>,
}

impl Begun {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many steps it leaves out, and how many it makes wait for their time.
    pub fn counts(&self) -> (usize, usize) {
        let waiting = self.ready.len() + self.due.iter().map(|together| together.steps.len()).sum::<usize>();
        (self.skipped.as_ref().map_or(0, |together| together.steps.len()), waiting)
    }

    /// Takes in what has happened to a step; answers whether it can be told here.
    fn takes(&mut self, planned: &PlannedStep, event: &StepEvent) -> bool {
        let ordinal = planned.ordinal;
        match event {
            StepEvent::Ready { due } if planned.at.as_ref().is_some_and(|at| at.at == *due) => self.ready.push(ordinal),
            StepEvent::Ready { due } => match self.due.iter_mut().find(|together| together.at == *due) {
                Some(together) => together.steps.push(ordinal),
                None => self.due.push(Together { at: *due, steps: vec![ordinal] }),
            },
            StepEvent::Skipped { at, reason } if planned.skip.as_ref() == Some(reason) => {
                let skipped = self.skipped.get_or_insert_with(|| Together { at: *at, steps: Vec::new() });
                if skipped.at != *at {
                    return false;
                }
                skipped.steps.push(ordinal);
            }
            _ => return false,
        }
        true
    }

    /// Lets it happen to the steps of the plan, all of which are blocked before.
    pub(super) fn happen(&self, seq: i64, plan: &[PlannedStep], states: &mut [StepState]) -> Result<(), ReplayError> {
        let mut happens = |ordinal: u16, event: StepEvent| {
            let slot = states.get_mut(usize::from(ordinal)).ok_or_else(|| unknown(seq))?;
            *slot = slot.next(&event).map_err(|illegal| ReplayError { seq, why: illegal.to_string() })?;
            Ok(())
        };
        let planned = |ordinal: u16| plan.get(usize::from(ordinal)).ok_or_else(|| unknown(seq));
        if let Some(Together { at, steps }) = &self.skipped {
            for ordinal in steps {
                let reason = planned(*ordinal)?.skip.clone().ok_or_else(|| ReplayError {
                    seq,
                    why: "it leaves out a step for which the plan has no reason".into(),
                })?;
                happens(*ordinal, StepEvent::Skipped { at: *at, reason })?;
            }
        }
        for ordinal in &self.ready {
            let at = planned(*ordinal)?.at.as_ref().ok_or_else(|| ReplayError {
                seq,
                why: "it makes a step wait for an instant that the plan does not have".into(),
            })?;
            happens(*ordinal, StepEvent::Ready { due: at.at })?;
        }
        for Together { at, steps } in &self.due {
            steps.iter().try_for_each(|ordinal| happens(*ordinal, StepEvent::Ready { due: *at }))?;
        }
        Ok(())
    }
}

fn unknown(seq: i64) -> ReplayError {
    ReplayError { seq, why: "it speaks of a step that the run does not have".into() }
}

/// Moves what a run that is being started says of its steps into the entry that has its plan, up to the first fact that
/// has no place there.
pub fn tell_with_the_plan(said: &mut Vec<Said>) {
    let Some((Said { fact: Fact::Started { steps: plan, begun, .. }, .. }, rest)) = said.split_first_mut() else {
        return;
    };
    let told = rest.iter().take_while(|said| match (&said.fact, said.step) {
        (Fact::Step { change }, Some(ordinal)) => {
            plan.get(usize::from(ordinal)).is_some_and(|planned| begun.takes(planned, change))
        }
        _ => false,
    });
    let told = told.count();
    said.drain(1..=told);
}
