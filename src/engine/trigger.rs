//! "Start workflow W for P with inputs I", once per key: resolve the subject, plan, accept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::Engine;
use crate::run::nearest::way_out;
use crate::run::{
    Account, AccountStatus, EventFacts, Holidays, PersonStatus, Plan, PlanError, PlanRequest, PlannedStep, Policy,
    SkipReason, Subject, SystemView, plan,
};
use crate::store::{NewRun, Started, StoreError};
use crate::workflow::{ActionKind, HrEvent, SubjectKind, Workflow};

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

/// A subject with its row keys.
struct Found {
    subject: Subject,
    person: Option<i64>,
    account: Option<i64>,
    accounts: Vec<Account>,
}

impl Engine {
    /// What a run would do. Changes nothing.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub async fn plan(&self, request: &Request) -> Result<Plan, TriggerError> {
        let workflow = self.workflow(&request.workflow)?;
        let found = self.find(request, workflow).await?;
        self.plan_for(request, workflow, &found).await
    }

    /// Starts a run. It is durable when this returns.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub async fn start(&self, request: Request) -> Result<Started, TriggerError> {
        // The key goes first: what has been started is started, even if it could not be planned again today.
        if let Some(key) = &request.key
            && let Some(existing) = self.store().run_with_key(key).await?
        {
            return Ok(Started::Existing(existing));
        }
        let workflow = self.workflow(&request.workflow)?;
        if let Some(why) = self.store().conventions().refusal(workflow, &request.asked_by) {
            return Err(StoreError::Refused(why).into());
        }
        let found = self.find(&request, workflow).await?;
        let plan = self.plan_for(&request, workflow, &found).await?;
        refuse_empty(&plan)?;
        let new = NewRun {
            workflow: std::sync::Arc::clone(workflow),
            plan,
            person: found.person,
            account: found.account,
            undoes: None,
            key: request.key,
            trigger: request.trigger,
            asked_by: request.asked_by,
        };
        Ok(self.store().start(new).await?)
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

    async fn find(&self, request: &Request, workflow: &Workflow) -> Result<Found, TriggerError> {
        match &request.subject {
            SubjectRef::Person(number) => {
                expect_subject(workflow, SubjectKind::Person)?;
                let dated = request.event.as_ref().is_some_and(|event| event.effective.is_some());
                self.find_person(number, workflow, dated).await
            }
            SubjectRef::Account { system, id } => {
                expect_subject(workflow, SubjectKind::Account)?;
                self.find_account(system, id).await
            }
            SubjectRef::Organisation => {
                expect_subject(workflow, SubjectKind::Organisation)?;
                Ok(Found { subject: Subject::Organisation, person: None, account: None, accounts: Vec::new() })
            }
        }
    }

    async fn find_person(&self, number: &str, workflow: &Workflow, told_by_hr: bool) -> Result<Found, TriggerError> {
        let person = self
            .store()
            .person(number)
            .await?
            .ok_or_else(|| TriggerError::NoSubject { kind: "person", key: number.to_owned() })?;
        let leaves = matches!(workflow.triggers.event, Some(HrEvent::Departure | HrEvent::Leave | HrEvent::Changed));
        // What HR says late is done late; what a person asks for again is a mistake.
        if leaves && !told_by_hr && person.status == PersonStatus::Left {
            return Err(TriggerError::HasLeft(number.to_owned()));
        }
        let manager = match &person.manager_number {
            Some(manager) => self.store().person(manager).await?,
            None => None,
        };
        let accounts = self.store().accounts(None, Some(person.id), None).await?;
        let accounts: Vec<Account> =
            accounts.into_iter().filter(|account| account.status != AccountStatus::Purged).collect();
        if let Some(pair) = accounts.windows(2).find(|pair| pair[0].system == pair[1].system) {
            let system = &pair[0].system;
            let mine = accounts.iter().filter(|account| account.system == *system);
            return Err(TriggerError::Ambiguous {
                person: number.to_owned(),
                system: system.clone(),
                candidates: mine
                    .map(|account| format!("{system}:{} ({})", account.external_id, account.login))
                    .collect(),
            });
        }
        Ok(Found {
            person: Some(person.id),
            account: None,
            subject: Subject::Person { person: Box::new(person), manager: manager.map(Box::new) },
            accounts,
        })
    }

    async fn find_account(&self, system: &str, id: &str) -> Result<Found, TriggerError> {
        let missing = || TriggerError::NoSubject { kind: "account", key: format!("{system}:{id}") };
        let found = self.store().accounts(Some(system), None, Some(id)).await?;
        let account = found.iter().find(|account| account.external_id == id).or_else(|| found.first());
        let account = account.cloned().ok_or_else(missing)?;
        Ok(Found {
            person: account.person_id,
            account: Some(account.id),
            accounts: vec![account.clone()],
            subject: Subject::Account(Box::new(account)),
        })
    }

    async fn plan_for(&self, request: &Request, workflow: &Workflow, found: &Found) -> Result<Plan, TriggerError> {
        let start = match request.start {
            Some(start) => start,
            None => self.store().now().await?,
        };
        let views = self.views(&found.accounts);
        let (holidays, policy) = self.rules_of(workflow)?;
        Ok(plan(&PlanRequest {
            workflow,
            subject: &found.subject,
            systems: &views,
            inputs: &request.inputs,
            event: request.event.as_ref(),
            start,
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

    /// Every configured system with the subject's account and its answers.
    fn views(&self, accounts: &[Account]) -> Vec<SystemView> {
        self.systems()
            .iter()
            .map(|(name, connector)| {
                let account = accounts.iter().find(|account| account.system == *name).cloned();
                let answer = |kind: &ActionKind| (*kind, connector.capability(*kind, account.as_ref()));
                SystemView {
                    name: name.clone(),
                    facets: connector.facets(),
                    capabilities: ActionKind::ALL.iter().map(answer).collect(),
                    account,
                }
            })
            .collect()
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

fn expect_subject(workflow: &Workflow, given: SubjectKind) -> Result<(), TriggerError> {
    let wanted = workflow.run_subject();
    if wanted == given {
        return Ok(());
    }
    let word = |kind: SubjectKind| match kind {
        SubjectKind::Person => "a person (--person KEY)",
        SubjectKind::Account => "an account (--account SYSTEM:ID)",
        SubjectKind::Organisation => "the organisation",
    };
    Err(TriggerError::WrongSubject { workflow: workflow.name.clone(), wanted: word(wanted), given: word(given) })
}
