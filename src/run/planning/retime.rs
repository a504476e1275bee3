//! The times of a run under way, from other inputs. What the new inputs do not move keeps the time it has, however late
//! it was when the run started.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::timing::Timing;
use super::{PlanError, PlanRequest, Planner};
use crate::run::anchor::AnchorError;
use crate::run::instant::zone;
use crate::run::plan::LocalInstant;
use crate::run::prepare::{RunFacts, scope};
use crate::workflow::{Anchor, StepDef};

/// The steps of the file whose times differ.
pub(in crate::run) struct Retimed {
    /// By step.
    pub(in crate::run) steps: BTreeMap<String, Timing>,
    /// The earliest that what destroys may be.
    pub(in crate::run) earliest: LocalInstant,
}

/// The times that differ between the inputs `before` and `after`, judged at `now`. Of `request` only workflow, subject,
/// start and working days count; the zone is the run's own.
pub(in crate::run) fn retime(
    request: &PlanRequest<'_>,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    now: Timestamp,
) -> Result<Retimed, PlanError> {
    let origin = || "the zone of the run".to_owned();
    let zone = zone(request.default_zone).map_err(|error| PlanError::Zone { error, origin: origin() })?;
    let facts = RunFacts { id: None, workflow: request.workflow.name.clone(), started: request.start };
    let scopes = [before, after].map(|inputs| scope(request.subject, inputs, None, &facts));
    let old = Planner::new(request, &zone, before, &scopes[0], now);
    let new = Planner::new(request, &zone, after, &scopes[1], now);
    let mut steps = BTreeMap::new();
    for def in &request.workflow.steps {
        let stated = new.stated(def)?;
        if counts_from_person(def) || old.stated(def).ok().as_ref() != Some(&stated) {
            steps.insert(def.id.clone(), new.timing(def)?);
        }
    }
    let beyond =
        |why| PlanError::When { step: String::new(), text: "now + 7 days".into(), why: AnchorError::Beyond(why) };
    Ok(Retimed { steps, earliest: new.in_a_week().map_err(beyond)? })
}

/// HR may have moved a person's date without any input telling of it.
fn counts_from_person(def: &StepDef) -> bool {
    [&def.at, &def.until].into_iter().flatten().any(|at| matches!(at.anchor, Anchor::Person(_)))
}
