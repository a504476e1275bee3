//! A run in hand: its row, its steps and what has been said about it since it was opened.
//!
//! Everything that changes a run goes through a [`Book`]: the store loads one, a pure function works on it, the store
//! writes back what changed together with the journal entries, in one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::journal::Fact;
use super::plan::{Lateness, LocalInstant, PlannedStep};
use super::state::{HoldReason, IllegalTransition, RunState, StepEvent, StepState};
use crate::workflow::{ActionKind, HrEvent, Span, StepDef, SubjectKind, Workflow};

/// The most steps a run may ever have; the store numbers steps by it.
pub const MOST_STEPS: usize = 1024;

/// A run's own facts.
#[derive(Clone, Debug)]
pub struct Run {
    /// Row key; shown as `run_ID`.
    pub id: i64,
    /// What people call it: the workflow's name, or `undo-NAME`.
    pub name: String,
    /// The run whose effects it takes back.
    pub undoes: Option<i64>,
    /// The definition it is pinned to.
    pub workflow: Arc<Workflow>,
    /// What kind of subject.
    pub subject: SubjectKind,
    /// The person it is about (also for an account whose person is known).
    pub person: Option<i64>,
    /// The account it is about, for runs about one account.
    pub account: Option<i64>,
    /// Where it stands.
    pub state: RunState,
    /// The frozen inputs.
    pub inputs: Map<String, Value>,
    /// Zone of its local times.
    pub zone: String,
    /// The start, by the store's clock.
    pub start: Timestamp,
    /// What started it.
    pub trigger: String,
    /// Who asked for it.
    pub asked_by: String,
    /// Number of the last journal entry.
    pub seq: i64,
    /// Hash of the last journal entry.
    pub head: String,
}

impl Run {
    /// The id that people see.
    pub fn public_id(&self) -> String {
        public_id(self.id)
    }

    /// Whether it is a run of a workflow that HR's `event` starts; one that takes a run back is not.
    pub fn listens_for(&self, event: HrEvent) -> bool {
        self.undoes.is_none() && self.workflow.triggers.event == Some(event)
    }
}

/// `run_12`.
pub fn public_id(id: i64) -> String {
    format!("run_{id}")
}

/// The row key in `run_12` (or plain `12`).
pub fn parse_public_id(text: &str) -> Option<i64> {
    text.strip_prefix("run_").unwrap_or(text).parse().ok().filter(|id| *id > 0)
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Position in its run, from 0; never changes.
    pub ordinal: u16,
    /// Name in the plan (`delete.purge`).
    pub name: String,
    /// What it does.
    pub action: ActionKind,
    /// Where.
    pub system: Option<String>,
    /// On which account.
    pub account: Option<i64>,
    /// Ordinals of the steps it waits for.
    pub needs: Vec<u16>,
    /// Not before this instant.
    pub at: Option<LocalInstant>,
    /// Time between the end of what it needs and this step.
    pub delay: Option<Span>,
    /// The step whose effect it ends or follows up.
    pub of: Option<u16>,
    /// In a run that undoes another: the step, by ordinal in that run, whose effect this one takes back.
    pub undoes: Option<u16>,
    /// Where it stands.
    pub state: StepState,
    /// Attempts so far; also the last fence.
    pub attempts: i64,
    /// When it could first be claimed: what lateness and the patience of cuts count from.
    pub first_due: Option<Timestamp>,
    /// Progress and decisions of persons.
    pub decision: Decision,
}

/// What the file and persons have decided about a step so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Ticked points of a checklist, from 1.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ticked: BTreeSet<usize>,
    /// The approval given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// It comes late and the file says `late: hold`: it is held once, until a person lets it go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Until when an approval that is asked for may be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_by: Option<Timestamp>,
    /// A person lets it cut the access of a protected account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overridden: bool,
}

/// An approval, bound to what it approves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who gave it.
    pub by: String,
    /// SHA-256 of what it gates.
    pub plan_hash: String,
    /// Until when it holds.
    pub valid_until: Timestamp,
    /// Who the manager was, where the run hands something over to the manager; empty where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// The batch it was given with, where many were approved at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}

impl Step {
    /// A planned step at the start of a run.
    pub fn new(planned: &PlannedStep) -> Self {
        Self {
            ordinal: planned.ordinal,
            name: planned.name.clone(),
            action: planned.action,
            system: planned.system.clone(),
            account: planned.account,
            needs: planned.needs.clone(),
            at: planned.at.clone(),
            delay: planned.delay.clone(),
            of: planned.of,
            undoes: planned.undoes,
            state: StepState::Blocked,
            attempts: 0,
            first_due: None,
            decision: Decision { late: planned.late == Some(Lateness::Held), ..Decision::default() },
        }
    }

    /// Now, or the step's own time where that is still to come: letting go of a held step makes nothing early.
    pub fn not_before(&self, now: Timestamp) -> Timestamp {
        self.first_due.map_or(now, |due| due.max(now))
    }

    /// The name of the step in the file: without `.end`, `.purge`, `.again`, `.undo`.
    pub fn file_name(&self) -> &str {
        self.name.split('.').next().unwrap_or(&self.name)
    }

    /// How people address it: `disable@ldap`, or the name alone where it has no system.
    pub fn label(&self) -> String {
        self.system.as_ref().map_or_else(|| self.name.clone(), |system| format!("{}@{system}", self.name))
    }
}

/// A fact not yet written.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// When, by the store's clock.
    pub at: Timestamp,
    /// About which step.
    pub step: Option<u16>,
    /// Who.
    pub actor: Arc<str>,
    /// What.
    pub fact: Fact,
}

/// A run in hand.
#[derive(Clone, Debug)]
pub struct Book {
    /// The run.
    pub run: Run,
    /// Its steps, by ordinal.
    pub steps: Vec<Step>,
    /// Ordinals of steps that changed since it was opened.
    pub dirty: BTreeSet<u16>,
    /// Steps from this ordinal on are not stored yet.
    pub stored: usize,
    /// What has been said since it was opened.
    pub said: Vec<Said>,
}

impl Book {
    /// A run as loaded.
    pub fn new(run: Run, steps: Vec<Step>) -> Self {
        let stored = steps.len();
        Self { run, steps, dirty: BTreeSet::new(), stored, said: Vec::new() }
    }

    /// The step at `ordinal`.
    pub fn step(&self, ordinal: u16) -> Option<&Step> {
        self.steps.get(usize::from(ordinal))
    }

    /// The step's definition in the file.
    pub fn definition(&self, step: &Step) -> Option<&StepDef> {
        self.run.workflow.step(step.file_name())
    }

    /// Lets `event` happen to a step.
    ///
    /// # Errors
    /// When the transition table does not allow it, there is no such step, or a claim's fence has been used before.
    pub fn apply(
        &mut self,
        ordinal: u16,
        event: StepEvent,
        actor: &Arc<str>,
        at: Timestamp,
    ) -> Result<(), IllegalTransition> {
        let missing = IllegalTransition { state: "missing", event: event.as_str() };
        let step = self.steps.get_mut(usize::from(ordinal)).ok_or(missing)?;
        let next = step.state.next(&event)?;
        match &event {
            StepEvent::Claimed { fence } if *fence <= step.attempts => {
                return Err(IllegalTransition { state: step.state.as_str(), event: event.as_str() });
            }
            StepEvent::Claimed { fence } => step.attempts = *fence,
            StepEvent::Ready { due } if step.first_due.is_none() => step.first_due = Some(*due),
            StepEvent::Moved { due } if step.attempts == 0 => step.first_due = Some(*due),
            StepEvent::Reblocked => {
                step.first_due = None;
                step.decision.approval = None;
            }
            StepEvent::Released { .. } if matches!(step.state, StepState::Held { reason: HoldReason::Late, .. }) => {
                step.decision.late = false;
            }
            _ => {}
        }
        step.decision.answer_by = None;
        step.state = next;
        self.dirty.insert(ordinal);
        self.say(Some(ordinal), Fact::Step { change: event }, actor, at);
        Ok(())
    }

    /// Gives a step the account that was not there when it was planned.
    pub fn bind(&mut self, ordinal: u16, account: i64, external_id: &str, actor: &Arc<str>, at: Timestamp) {
        if let Some(step) = self.steps.get_mut(usize::from(ordinal)) {
            step.account = Some(account);
            self.dirty.insert(ordinal);
            self.say(Some(ordinal), Fact::Bound { account: external_id.to_owned() }, actor, at);
        }
    }

    /// Records a fact that changes no step's state.
    pub fn say(&mut self, step: Option<u16>, fact: Fact, actor: &Arc<str>, at: Timestamp) {
        self.said.push(Said { at, step, actor: Arc::clone(actor), fact });
    }

    /// Adds a step while the run is under way.
    pub fn add(&mut self, planned: PlannedStep, why: &str, actor: &Arc<str>, at: Timestamp) {
        self.dirty.insert(planned.ordinal);
        self.steps.push(Step::new(&planned));
        self.say(Some(planned.ordinal), Fact::Added { step: planned, why: why.to_owned() }, actor, at);
    }

    /// Changes the run's state and says so, where it differs.
    pub fn set_state(&mut self, state: RunState, reason: Option<String>, actor: &Arc<str>, at: Timestamp) {
        if self.run.state != state {
            self.run.state = state;
            self.say(None, Fact::Run { state, reason }, actor, at);
        }
    }

    /// Whether anything must be written.
    pub fn changed(&self) -> bool {
        !self.said.is_empty()
    }

    /// Finds a step by what a person typed: `disable`, `disable@ldap`, `delete.purge@ldap`.
    ///
    /// # Errors
    /// The candidates, when none or several match.
    pub fn find(&self, typed: &str) -> Result<u16, Vec<String>> {
        let matching: Vec<&Step> = self.steps.iter().filter(|s| s.label() == typed || s.name == typed).collect();
        match matching.as_slice() {
            [one] => Ok(one.ordinal),
            [] => Err(self.steps.iter().map(Step::label).collect()),
            several => Err(several.iter().map(|s| s.label()).collect()),
        }
    }
}
