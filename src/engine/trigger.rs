//! "Start workflow W for P with inputs I", once per key: resolve the subject, plan, accept. One request or ten thousand go
//! the same way: what plans are made from is read once for a stretch of them, and several are accepted with one commit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Engine;
use super::subjects::{Found, Subjects};
use crate::run::nearest::way_out;
use crate::run::{
    Account, EventFacts, Holidays, Plan, PlanError, PlanRequest, PlannedStep, Policy, SkipReason, SystemView, plan,
};
use crate::store::{Halves, NewRun, Started, StoreError};
use crate::workflow::{ActionKind, Workflow};

/// Requests whose subjects are read together.
const READ_AT_ONCE: usize = 500;

/// Steps that are accepted with one commit, or the steps of one run: nobody waits long for a lock behind them.
const STEPS_AT_ONCE: usize = 4096;

/// Runs that are accepted with one commit.
const RUNS_AT_ONCE: usize = 1000;

/// Who or what a run is to be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectRef {
    /// A person, by employee number.
    Person(String),
    /// An account, by system and immutable id (or sign-in name).
    Account {
        /// The system.
        system: String,
        /// The account.
        id: String,
    },
    /// The organisation.
    Organisation,
}

/// A request to start (or only plan) a run.
#[derive(Clone, Debug)]
pub struct Request {
    /// The workflow's name.
    pub workflow: String,
    /// About whom.
    pub subject: SubjectRef,
    /// Inputs as given.
    pub inputs: BTreeMap<String, Value>,
    /// What the HR event says, if one starts the run.
    pub event: Option<EventFacts>,
    /// When it starts; `None` is now.
    pub start: Option<Timestamp>,
    /// Idempotency key.
    pub key: Option<String>,
    /// What starts it (`cli`, `hr:csv`, …).
    pub trigger: String,
    /// Who asks.
    pub asked_by: String,
}

/// Why a run cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// No such workflow.
    #[error("there is no workflow called {name}")]
    NoWorkflow {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such person or account.
    #[error("there is no {kind} {key}")]
    NoSubject {
        /// `person` or `account`.
        kind: &'static str,
        /// What was asked for.
        key: String,
    },
    /// A workflow about one kind of subject was asked for another.
    #[error("{workflow} is about {wanted}, not about {given}")]
    WrongSubject {
        /// The workflow.
        workflow: String,
        /// What it is about.
        wanted: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The person has left.
    #[error("{0} has left already")]
    HasLeft(String),
    /// Several accounts of one person on one system: none of them is taken.
    #[error("{person} has {} accounts on {system}: {}", candidates.len(), candidates.join(", "))]
    Ambiguous {
        /// The person.
        person: String,
        /// The system.
        system: String,
        /// The accounts.
        candidates: Vec<String>,
    },
    /// Without mail there is nothing left of it.
    #[error("nothing would be done: {}", .0.join("; "))]
    NothingToDo(Vec<String>),
    /// The plan cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// What a run would do. Changes nothing.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub async fn plan(&self, request: &Request) -> Result<Plan, TriggerError> {
        let workflow = self.workflow(&request.workflow)?;
        let subjects = Subjects::read(self.store(), &[request]).await?;
        let found = subjects.find(request, workflow)?;
        self.plan_for(request, workflow, &found, subjects.now)
    }

    /// Starts a run. It is durable when this returns.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub async fn start(&self, request: Request) -> Result<Started, TriggerError> {
        let started = self.start_many(&[request]).await?.pop();
        started.unwrap_or_else(|| Err(StoreError::corrupt("answer", "there is none").into()))
    }

    /// Starts runs, each as if it were asked for alone, in their order: who cannot be helped stops nobody else. They are
    /// durable when this returns. While some are being written, those behind them are planned.
    ///
    /// # Errors
    /// When the database is in trouble; some may have been started then, and with a key can be asked for again.
    pub async fn start_many(&self, requests: &[Request]) -> Result<Vec<Result<Started, TriggerError>>, StoreError> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut left = requests;
        while !left.is_empty() {
            let (some, rest) = left.split_at(with_different_keys(left));
            left = rest;
            let (hand_over, prepared) = mpsc::channel(1);
            let (read, written) = tokio::join!(self.prepare_all(some, hand_over), self.write_all(prepared));
            read?;
            answers.extend(written?);
        }
        Ok(answers)
    }

    /// Reads and plans, and hands over what can be written with one commit. Ends early where nobody takes it any more.
    async fn prepare_all(&self, requests: &[Request], hand_over: Sender<Batch>) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        for stretch in requests.chunks(READ_AT_ONCE) {
            // Where one of them cannot be read, the others are.
            let mut halves = Halves::of(stretch);
            while let Some(some) = halves.next() {
                let (runs, subjects) = match self.read_for(some).await {
                    Ok(read) => read,
                    Err(error) if error.is_outage() => return Err(error),
                    Err(_) if halves.again(some) => continue,
                    Err(error) => {
                        batch.push(Prepared::Answered(Err(error.into())));
                        continue;
                    }
                };
                for request in some {
                    batch.push(self.prepared(request, &runs, &subjects));
                    if batch.is_full() && hand_over.send(std::mem::take(&mut batch)).await.is_err() {
                        return Ok(());
                    }
                    // What is being written goes on meanwhile.
                    tokio::task::yield_now().await;
                }
            }
        }
        // Where nobody takes it, whoever writes says why.
        hand_over.send(batch).await.ok();
        Ok(())
    }

    fn prepared(&self, request: &Request, runs: &HashMap<String, i64>, subjects: &Subjects) -> Prepared {
        match request.key.as_ref().and_then(|key| runs.get(key)) {
            Some(run) => Prepared::Answered(Ok(Started::Existing(*run))),
            None => match self.new_run(request, subjects) {
                Ok(new) => Prepared::New(Box::new(new)),
                Err(error) => Prepared::Answered(Err(error)),
            },
        }
    }

    async fn write_all(&self, mut prepared: Receiver<Batch>) -> Result<Vec<Result<Started, TriggerError>>, StoreError> {
        let mut answers = Vec::new();
        while let Some(Batch { prepared, .. }) = prepared.recv().await {
            let (mut new, mut places) = (Vec::new(), Vec::new());
            for (place, prepared) in (answers.len()..).zip(prepared) {
                match prepared {
                    Prepared::Answered(answer) => answers.push(Some(answer)),
                    Prepared::New(run) => {
                        new.push(*run);
                        places.push(place);
                        answers.push(None);
                    }
                }
            }
            for (place, answer) in places.into_iter().zip(self.store().start_many(&new).await?) {
                answers[place] = Some(answer.map_err(TriggerError::from));
            }
        }
        let missing = || Err(StoreError::corrupt("answer", "there is none").into());
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect())
    }

    /// The runs that were started with the keys of requests, and what the others are about. What has been started is
    /// started, even if it could not be planned again today.
    async fn read_for(&self, requests: &[Request]) -> Result<(HashMap<String, i64>, Subjects), StoreError> {
        let keys: Vec<&str> = requests.iter().filter_map(|request| request.key.as_deref()).collect();
        let runs = self.store().runs_with_keys(&keys).await?;
        let is_new = |request: &&Request| request.key.as_ref().is_none_or(|key| !runs.contains_key(key));
        let new: Vec<&Request> = requests.iter().filter(is_new).collect();
        let subjects = if new.is_empty() { Subjects::default() } else { Subjects::read(self.store(), &new).await? };
        Ok((runs, subjects))
    }

    fn new_run(&self, request: &Request, subjects: &Subjects) -> Result<NewRun, TriggerError> {
        let workflow = self.workflow(&request.workflow)?;
        if let Some(why) = self.store().conventions().refusal(workflow, &request.asked_by) {
            return Err(StoreError::Refused(why).into());
        }
        let found = subjects.find(request, workflow)?;
        let plan = self.plan_for(request, workflow, &found, subjects.now)?;
        refuse_empty(&plan)?;
        Ok(NewRun {
            workflow: Arc::clone(workflow),
            plan,
            person: found.person,
            account: found.account,
            undoes: None,
            key: request.key.clone(),
            trigger: request.trigger.clone(),
            asked_by: request.asked_by.clone(),
        })
    }

    /// The current version of a workflow.
    ///
    /// # Errors
    /// When there is none of that name; the names there are come with it.
    pub fn workflow(&self, name: &str) -> Result<&std::sync::Arc<Workflow>, TriggerError> {
        self.library().get(name).ok_or_else(|| TriggerError::NoWorkflow {
            name: name.to_owned(),
            known: self.library().keys().cloned().collect(),
        })
    }

    fn plan_for(
        &self,
        request: &Request,
        workflow: &Workflow,
        found: &Found,
        now: Timestamp,
    ) -> Result<Plan, TriggerError> {
        let views = self.views(workflow, &found.accounts);
        let (holidays, policy) = self.rules_of(workflow)?;
        Ok(plan(&PlanRequest {
            workflow,
            subject: &found.subject,
            systems: &views,
            inputs: &request.inputs,
            event: request.event.as_ref(),
            start: request.start.unwrap_or(now),
            default_zone: self.zone(),
            holidays,
            policy,
            mail: self.mail().is_some(),
        })?)
    }

    /// The working days and the policy that a workflow is planned by.
    fn rules_of(&self, workflow: &Workflow) -> Result<(&Holidays, &Policy), PlanError> {
        let rules = self.house_rules();
        let missing = |kind, name: &Option<String>, known: Vec<&str>| {
            let name = name.clone().unwrap_or_default();
            let way_out = match known.as_slice() {
                [] => "the configuration has none".to_owned(),
                _ => way_out(&name, known),
            };
            PlanError::NoRule { workflow: workflow.name.clone(), kind, name, way_out }
        };
        let (calendar, policy) = (&workflow.calendar, &workflow.policy);
        let holidays = rules
            .calendar(calendar.as_deref())
            .ok_or_else(|| missing("calendar", calendar, rules.calendars.keys().map(String::as_str).collect()))?;
        let policy = rules
            .policy(policy.as_deref())
            .ok_or_else(|| missing("policy", policy, rules.policies.keys().map(String::as_str).collect()))?;
        Ok((holidays, policy))
    }

    /// Every configured system with the subject's account and its answers to what the workflow may ask for.
    fn views(&self, workflow: &Workflow, accounts: &[Account]) -> Vec<SystemView> {
        let asks: BTreeSet<ActionKind> = workflow.actions();
        self.systems()
            .iter()
            .map(|(name, connector)| {
                let account = accounts.iter().find(|account| account.system == *name).cloned();
                let answer = |kind: &ActionKind| (*kind, connector.capability(*kind, account.as_ref()));
                SystemView {
                    name: name.clone(),
                    facets: connector.facets(),
                    capabilities: asks.iter().map(answer).collect(),
                    account,
                }
            })
            .collect()
    }
}

/// How many requests there are before one has the key of another: what the first has started is known when the second
/// one's turn comes.
fn with_different_keys(requests: &[Request]) -> usize {
    let mut keys = HashSet::new();
    let again = requests.iter().position(|request| request.key.as_ref().is_some_and(|key| !keys.insert(key)));
    again.unwrap_or(requests.len())
}

/// A request that has been looked at.
enum Prepared {
    /// What is to be written for it.
    New(Box<NewRun>),
    /// Nothing is to be written.
    Answered(Result<Started, TriggerError>),
}

/// What is written with one commit, in the order of the requests.
#[derive(Default)]
struct Batch {
    prepared: Vec<Prepared>,
    steps: usize,
}

impl Batch {
    fn push(&mut self, prepared: Prepared) {
        if let Prepared::New(run) = &prepared {
            self.steps += run.plan.steps.len();
        }
        self.prepared.push(prepared);
    }

    fn is_full(&self) -> bool {
        self.steps >= STEPS_AT_ONCE || self.prepared.len() >= RUNS_AT_ONCE
    }
}

/// A run whose only point was a mail must not pass for one that was carried out.
fn refuse_empty(plan: &Plan) -> Result<(), TriggerError> {
    let reason = |step: &PlannedStep| match &step.skip {
        Some(SkipReason::NotApplicable(why)) => Some(format!("{} would be left out, {why}", step.label())),
        Some(_) => Some(format!("{} would be left out", step.label())),
        None => None,
    };
    let no_mail =
        |step: &PlannedStep| matches!(&step.skip, Some(SkipReason::NotApplicable(why)) if why == crate::run::NO_MAIL);
    let reasons: Option<Vec<String>> = plan.steps.iter().map(reason).collect();
    match reasons {
        Some(reasons) if plan.steps.iter().any(no_mail) => Err(TriggerError::NothingToDo(reasons)),
        _ => Ok(()),
    }
}
