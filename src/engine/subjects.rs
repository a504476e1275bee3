//! Whom and what requests are about: read once for many of them, then found for each.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::trigger::{Request, SubjectRef, TriggerError};
use crate::run::{Account, AccountStatus, Person, PersonStatus, Subject};
use crate::store::{Called, Store, StoreError};
use crate::workflow::{HrEvent, SubjectKind, Workflow};

/// A subject with its row keys.
pub(super) struct Found {
    pub(super) subject: Subject,
    pub(super) person: Option<i64>,
    pub(super) account: Option<i64>,
    pub(super) accounts: Vec<Account>,
}

/// What many requests are about.
#[derive(Default)]
pub(super) struct Subjects {
    /// The store's clock when it was read.
    pub(super) now: Timestamp,
    /// People and their managers, by employee number.
    people: HashMap<String, Person>,
    /// The accounts of people, by person.
    accounts: BTreeMap<i64, Vec<Account>>,
    /// Single accounts, by what they were asked for as.
    called: HashMap<(String, String), Vec<Account>>,
}

impl Subjects {
    /// Reads what `requests` are about.
    pub(super) async fn read(store: &Store, requests: &[&Request]) -> Result<Self, StoreError> {
        let (mut numbers, mut called) = (Vec::new(), Vec::new());
        for request in requests {
            match &request.subject {
                SubjectRef::Person(number) => numbers.push(number.clone()),
                SubjectRef::Account { system, id } => called.push(Called { system, name: id }),
                SubjectRef::Organisation => {}
            }
        }
        let now = store.now().await?;
        let mut people = store.known_people(&numbers).await?;
        let keys: Vec<i64> = people.values().map(|person| person.id).collect();
        let (accounts, found) = store.accounts_about(&keys, &called).await?;
        let manager = |person: &Person| person.manager_number.clone().filter(|number| !people.contains_key(number));
        let managers: Vec<String> = people.values().filter_map(manager).collect();
        people.extend(store.known_people(&managers).await?);
        let named = |(place, accounts): (usize, Vec<Account>)| {
            let called: &Called<'_> = called.get(place)?;
            Some(((called.system.to_owned(), called.name.to_owned()), accounts))
        };
        Ok(Self { now, people, accounts, called: found.into_iter().filter_map(named).collect() })
    }

    /// What one of them is about.
    pub(super) fn find(&self, request: &Request, workflow: &Workflow) -> Result<Found, TriggerError> {
        match &request.subject {
            SubjectRef::Person(number) => {
                expect_subject(workflow, SubjectKind::Person)?;
                let dated = request.event.as_ref().is_some_and(|event| event.effective.is_some());
                self.person(number, workflow, dated)
            }
            SubjectRef::Account { system, id } => {
                expect_subject(workflow, SubjectKind::Account)?;
                self.account(system, id)
            }
            SubjectRef::Organisation => {
                expect_subject(workflow, SubjectKind::Organisation)?;
                Ok(Found { subject: Subject::Organisation, person: None, account: None, accounts: Vec::new() })
            }
        }
    }

    fn person(&self, number: &str, workflow: &Workflow, told_by_hr: bool) -> Result<Found, TriggerError> {
        let missing = || TriggerError::NoSubject { kind: "person", key: number.to_owned() };
        let person = self.people.get(number).ok_or_else(missing)?;
        let leaves = matches!(workflow.triggers.event, Some(HrEvent::Departure | HrEvent::Leave | HrEvent::Changed));
        // What HR says late is done late; what a person asks for again is a mistake.
        if leaves && !told_by_hr && person.status == PersonStatus::Left {
            return Err(TriggerError::HasLeft(number.to_owned()));
        }
        let manager = person.manager_number.as_ref().and_then(|manager| self.people.get(manager));
        let accounts = self.accounts.get(&person.id).into_iter().flatten();
        let accounts: Vec<Account> =
            accounts.filter(|account| account.status != AccountStatus::Purged).cloned().collect();
        one_on_each_system(number, &accounts)?;
        Ok(Found {
            person: Some(person.id),
            account: None,
            subject: Subject::Person {
                person: Box::new(person.clone()),
                manager: manager.map(|manager| Box::new(manager.clone())),
            },
            accounts,
        })
    }

    fn account(&self, system: &str, id: &str) -> Result<Found, TriggerError> {
        let missing = || TriggerError::NoSubject { kind: "account", key: format!("{system}:{id}") };
        let found = self.called.get(&(system.to_owned(), id.to_owned())).ok_or_else(missing)?;
        let account = found.iter().find(|account| account.external_id == id).or_else(|| found.first());
        let account = account.cloned().ok_or_else(missing)?;
        Ok(Found {
            person: account.person_id,
            account: Some(account.id),
            accounts: vec![account.clone()],
            subject: Subject::Account(Box::new(account)),
        })
    }
}

/// Accounts stand by system: none of several on one is taken.
fn one_on_each_system(number: &str, accounts: &[Account]) -> Result<(), TriggerError> {
    let Some(pair) = accounts.windows(2).find(|pair| pair[0].system == pair[1].system) else { return Ok(()) };
    let system = &pair[0].system;
    let mine = accounts.iter().filter(|account| account.system == *system);
    Err(TriggerError::Ambiguous {
        person: number.to_owned(),
        system: system.clone(),
        candidates: mine.map(|account| format!("{system}:{} ({})", account.external_id, account.login)).collect(),
    })
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
