//! Planning: definition + subject + systems + now -> steps with due times.
//!
//! Pure: the same request gives the same plan. [`plan`] reads as the way it goes: inputs, zone, then every step in
//! an order in which what it needs stands before it. Each step goes to its [`sites`], gets its [`timing`] and its
//! [`joins`]; `until` and `grace` add the steps that end or follow up ([`endings`]).

mod endings;
mod error;
mod joins;
mod order;
mod project;
mod retime;
mod sites;
mod timing;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

pub use endings::{END, PURGE};
pub use error::PlanError;
pub use project::{Projected, project};
pub(super) use retime::{Retimed, retime};
pub use sites::NO_MAIL;
pub use timing::DESTRUCTIVE_WAIT_DAYS;

use self::joins::Joins;
use self::sites::Site;
use self::timing::Timing;
use super::anchor::Anchors;
use super::business::Holidays;
use super::inputs::{EventFacts, resolve_inputs};
use super::instant::zone;
use super::plan::{Plan, PlannedStep};
use super::policy::Policy;
use super::prepare::{RunFacts, scope};
use super::subject::{Person, Subject, SystemView};
use crate::workflow::{Scope, StepDef, SubjectKind, Workflow};

/// The most steps a plan may have: half of what a run may have, so that late cuts can be followed up (`.again`).
pub const MAX_STEPS: usize = super::book::MOST_STEPS / 2;

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The definition.
    pub workflow: &'a Workflow,
    /// Who or what it is about.
    pub subject: &'a Subject,
    /// Every configured system, in configured order, with the subject's account there.
    pub systems: &'a [SystemView],
    /// The inputs as given: text, or already typed.
    pub inputs: &'a BTreeMap<String, Value>,
    /// What the HR event says that starts the run, if one does.
    pub event: Option<&'a EventFacts>,
    /// When the run starts.
    pub start: Timestamp,
    /// The configured zone, for workflows and people without one.
    pub default_zone: &'a str,
    /// The working days of the workflow's calendar.
    pub holidays: &'a Holidays,
    /// What the workflow's jurisdiction allows.
    pub policy: &'a Policy,
    /// Whether mail can be sent.
    pub mail: bool,
}

/// Makes the plan.
///
/// # Errors
/// [`PlanError`], which names the thing and the way out.
pub fn plan(request: &PlanRequest<'_>) -> Result<Plan, PlanError> {
    let workflow = request.workflow;
    fits_subject(request)?;
    let facts = RunFacts { id: None, workflow: workflow.name.clone(), started: request.start };
    let mut scope = scope(request.subject, &Map::new(), None, &facts);
    let inputs = resolve_inputs(workflow, request.inputs, request.event, &mut scope).map_err(PlanError::Inputs)?;
    let zone = zone_of(request, &scope)?;

    let mut planner = Planner::new(request, &zone, &inputs, &scope, request.start);
    for def in order::by_need(&workflow.steps)? {
        planner.add(def)?;
    }
    let steps = planner.steps;
    let plan = Plan {
        workflow: workflow.name.clone(),
        version: workflow.version.clone(),
        subject: given_subject(request),
        zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        start: request.start,
        inputs,
        urgent: workflow.urgent,
        steps,
    };
    request.policy.judge(workflow, &plan, &scope, request.holidays)?;
    Ok(plan)
}

fn given_subject(request: &PlanRequest<'_>) -> SubjectKind {
    match request.subject {
        Subject::Person { .. } => SubjectKind::Person,
        Subject::Account(_) => SubjectKind::Account,
        Subject::Organisation => SubjectKind::Organisation,
    }
}

/// A workflow with `for_each` has one run for each of its subjects.
fn fits_subject(request: &PlanRequest<'_>) -> Result<(), PlanError> {
    let given = given_subject(request);
    if given == request.workflow.run_subject() {
        return Ok(());
    }
    Err(PlanError::WrongSubject {
        workflow: request.workflow.name.clone(),
        expected: request.workflow.run_subject().as_str(),
        given: given.as_str(),
    })
}

/// The zone of local times: the workflow's, or the configured one where that is absent or empty.
fn zone_of(request: &PlanRequest<'_>, scope: &Scope) -> Result<TimeZone, PlanError> {
    let written = match &request.workflow.timezone {
        Some(template) => template.render_text(scope).map_err(|error| PlanError::ZoneExpression {
            workflow: request.workflow.name.clone(),
            why: error.message,
        })?,
        None => String::new(),
    };
    let (name, origin) = if written.trim().is_empty() {
        (request.default_zone, "the configured `timezone`".to_owned())
    } else {
        (written.as_str(), format!("the `timezone` of workflow `{}`", request.workflow.name))
    };
    zone(name).map_err(|error| PlanError::Zone { error, origin })
}

/// A plan in the making.
struct Planner<'a> {
    request: &'a PlanRequest<'a>,
    zone: &'a TimeZone,
    inputs: &'a Map<String, Value>,
    scope: &'a Scope,
    /// What has passed by then is late.
    judged: Timestamp,
    steps: Vec<PlannedStep>,
    joins: Joins,
}

impl<'a> Planner<'a> {
    fn new(
        request: &'a PlanRequest<'a>,
        zone: &'a TimeZone,
        inputs: &'a Map<String, Value>,
        scope: &'a Scope,
        judged: Timestamp,
    ) -> Self {
        Self { request, zone, inputs, scope, judged, steps: vec![], joins: Joins::default() }
    }

    /// Plans one step of the file: on each of its sites, then what ends it or follows it up.
    fn add(&mut self, def: &StepDef) -> Result<(), PlanError> {
        let sites = sites::of(def, self.request, self.scope)?;
        let timing = self.timing(def)?;
        self.joins.enter(def, matches!(sites.as_slice(), [Site::House]));
        let mut added = Vec::with_capacity(sites.len());
        for site in sites {
            let ordinal = self.push(|planner, ordinal| planner.place(def, &site, &timing, ordinal))?;
            self.joins.place(&def.id, site.system(), ordinal);
            added.push((ordinal, site));
        }
        for (ordinal, site) in added {
            self.add_endings(def, &site, &timing, ordinal)?;
        }
        Ok(())
    }

    fn place(&self, def: &StepDef, site: &Site<'_>, timing: &Timing, ordinal: u16) -> PlannedStep {
        let needs = self.joins.needs(def, site.system(), &self.steps);
        let answer = self.answer(def, site, &needs);
        PlannedStep {
            ordinal,
            name: def.id.clone(),
            action: def.action,
            system: site.system().map(str::to_owned),
            account: answer.account,
            needs: needs.into_iter().collect(),
            at: timing.at.clone(),
            delay: timing.delay.clone(),
            of: None,
            undoes: None,
            late: if answer.skip.is_some() { None } else { timing.late },
            capability: answer.capability,
            when: def.when.as_ref().map(|when| when.source().to_owned()),
            skip: answer.skip.or_else(|| timing.skip.clone()),
        }
    }

    /// Appends a step, and gives its ordinal.
    fn push(&mut self, make: impl FnOnce(&Self, u16) -> PlannedStep) -> Result<u16, PlanError> {
        let too_many = || PlanError::TooManySteps(self.request.workflow.name.clone());
        if self.steps.len() >= MAX_STEPS {
            return Err(too_many());
        }
        let ordinal = u16::try_from(self.steps.len()).map_err(|_| too_many())?;
        let step = make(self, ordinal);
        self.steps.push(step);
        Ok(ordinal)
    }

    fn anchors(&self) -> Anchors<'a> {
        Anchors { inputs: self.inputs, person: self.person(), start: self.request.start }
    }

    fn person(&self) -> Option<&'a Person> {
        match self.request.subject {
            Subject::Person { person, .. } => Some(person),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
