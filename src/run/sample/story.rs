//! A run on its way, told in a test: what happens, what follows, and what must hold after every word.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Case, ada_herself, instant};
use crate::clock::plus;
use crate::run::advance::{advance, begin, run_state};
use crate::run::book::{Book, Run, Said, Step};
use crate::run::guard::{self, Circumstances, Freeze, Verdict};
use crate::run::journal::{Begun, Fact, facts, join, replay, split};
use crate::run::limits::{Counted, Limits, Tally};
use crate::run::orders::{self, Refusal};
use crate::run::reschedule::{NewInputs, NotRescheduled, Rescheduled, reschedule};
use crate::run::rules::Rules;
use crate::run::settle::{self, Outcome};
use crate::run::trip::Trip;
use crate::run::{
    Account, Evidence, EvidenceKind, Holidays, Person, PersonStatus, RunState, StepEvent, StepState, Subject, Users,
    asking,
};

/// Who speaks in tests.
pub(crate) fn person() -> Arc<str> {
    Arc::from("os:grace")
}

/// A run in hand, with the clock and the circumstances beside it.
#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) book: Book,
    pub(crate) now: Timestamp,
    pub(crate) person: Option<Person>,
    pub(crate) accounts: BTreeMap<i64, Account>,
    pub(crate) freezes: Vec<Freeze>,
    pub(crate) trips: Vec<Trip>,
    pub(crate) limits: Limits,
    pub(crate) tally: Option<Tally>,
    pub(crate) counted: Counted,
    pub(crate) cut_needed: Option<String>,
    pub(crate) legal_hold: Option<String>,
    pub(crate) protected: Option<String>,
    pub(crate) users: Users,
    pub(crate) system_known: bool,
    pub(crate) calendar_known: bool,
    /// How many facts have been through the journal.
    written: Cell<usize>,
}

impl Story {
    /// The run that a case plans, accepted at the case's start. Ada has left.
    pub(crate) fn of(case: &Case) -> Self {
        let plan = case.plan().unwrap();
        let about_person = matches!(case.subject, Subject::Person { .. });
        let own = match &case.subject {
            Subject::Account(account) => Some(account.as_ref().clone()),
            _ => None,
        };
        let run = Run {
            id: 7,
            name: case.workflow.name.clone(),
            undoes: None,
            workflow: Arc::new(case.workflow.clone()),
            subject: plan.subject,
            person: about_person.then_some(1),
            account: own.as_ref().map(|account| account.id),
            state: RunState::Open,
            inputs: plan.inputs.clone(),
            zone: plan.zone.clone(),
            start: plan.start,
            trigger: "test".into(),
            asked_by: "hr".into(),
            seq: 0,
            head: String::new(),
        };
        let mut book = Book::new(run, plan.steps.iter().map(Step::new).collect());
        let started = Fact::Started {
            workflow: plan.workflow.clone(),
            version: plan.version.clone(),
            subject: "person:1".into(),
            trigger: "test".into(),
            start: plan.start,
            zone: plan.zone.clone(),
            inputs: serde_json::Value::Object(plan.inputs.clone()),
            steps: plan.steps.clone(),
            begun: Begun::default(),
        };
        book.say(None, started, &person(), plan.start);
        begin(&mut book, &plan.steps, &Holidays::default(), &person(), plan.start).unwrap();
        let accounts = case.systems.iter().filter_map(|system| system.account.clone()).chain(own);
        let gone = Person { status: PersonStatus::Left, ..ada_herself() };
        let story = Self {
            book,
            now: plan.start,
            person: about_person.then_some(gone),
            accounts: accounts.map(|account| (account.id, account)).collect(),
            freezes: vec![],
            trips: vec![],
            limits: Limits::default(),
            tally: None,
            counted: Counted::default(),
            cut_needed: None,
            legal_hold: None,
            protected: None,
            users: Users::default(),
            system_known: true,
            calendar_known: true,
            written: Cell::new(0),
        };
        story.check();
        story
    }

    pub(crate) fn step(&self, label: &str) -> &Step {
        let found = self.book.steps.iter().find(|step| step.label() == label);
        found.unwrap_or_else(|| panic!("no step {label}"))
    }

    pub(crate) fn word(&self, label: &str) -> &'static str {
        self.step(label).state.as_str()
    }

    pub(crate) fn due(&self, label: &str) -> Timestamp {
        self.step(label).state.due().unwrap_or_else(|| panic!("{label} is {:?}", self.step(label).state))
    }

    pub(crate) fn run(&self) -> RunState {
        self.book.run.state
    }

    /// Moves the clock to an instant.
    pub(crate) fn at(&mut self, text: &str) -> &mut Self {
        self.now = instant(text);
        self
    }

    /// Moves the clock to when a step is due.
    pub(crate) fn when_due(&mut self, label: &str) -> &mut Self {
        self.now = self.now.max(self.due(label));
        self
    }

    pub(crate) fn pass(&mut self, seconds: u64) -> &mut Self {
        self.now = plus(self.now, Duration::from_secs(seconds));
        self
    }

    /// Lets an event happen to a step, and everything follow.
    pub(crate) fn event(&mut self, label: &str, event: StepEvent) -> &mut Self {
        let ordinal = self.step(label).ordinal;
        self.book.apply(ordinal, event, &person(), self.now).unwrap();
        self.follow()
    }

    pub(crate) fn follow(&mut self) -> &mut Self {
        advance(&mut self.book, &Holidays::default(), &person(), self.now).unwrap();
        self.check();
        self
    }

    /// Claims a step, whatever the guards say; gives the fence.
    pub(crate) fn claim(&mut self, label: &str) -> i64 {
        let fence = self.step(label).attempts + 1;
        self.event(label, StepEvent::Claimed { fence });
        fence
    }

    /// An attempt ends.
    pub(crate) fn end(&mut self, label: &str, outcome: Outcome) -> &mut Self {
        let step = self.step(label);
        let StepState::Leased { fence, .. } = step.state else { panic!("{label} is {:?}", step.state) };
        let event = settle::settle(&self.book, step, fence, outcome, self.now);
        self.event(label, event)
    }

    /// An attempt starts and reaches its goal.
    pub(crate) fn done(&mut self, label: &str) -> &mut Self {
        self.claim(label);
        self.end(label, Outcome::Done(Self::seen()))
    }

    pub(crate) fn seen() -> Evidence {
        Evidence { kind: EvidenceKind::ReadBack, detail: "disabled".into() }
    }

    pub(crate) fn verdict(&self, label: &str) -> Verdict {
        let step = self.step(label);
        let account = step.account.and_then(|id| self.accounts.get(&id));
        let scope = asking::step_scope(&self.book, self.person.as_ref(), None, account);
        guard::verdict(&Circumstances {
            book: &self.book,
            step,
            person: self.person.as_ref(),
            account,
            freezes: &self.freezes,
            trips: &self.trips,
            limits: &self.limits,
            tally: self.tally.as_ref(),
            counted: self.counted,
            cut_needed: self.cut_needed.clone(),
            system_known: self.system_known,
            legal_hold: self.legal_hold.clone(),
            protected: self.protected.clone(),
            users: &self.users,
            calendar_known: self.calendar_known,
            scope: &scope,
            now: self.now,
        })
    }

    /// A step's time has come: its verdict happens, as a claim lets it happen.
    pub(crate) fn consider(&mut self, label: &str) -> &mut Self {
        let event = match self.verdict(label) {
            Verdict::Proceed => StepEvent::Claimed { fence: self.step(label).attempts + 1 },
            Verdict::Hold(reason) => StepEvent::Held { reason },
            Verdict::Trip { kind, stops, words } => {
                let system = self.step(label).system.clone();
                let trip = Trip { id: 1 + self.trips.len() as i64, kind, system, stops, words };
                let reason = trip.hold();
                self.trips.push(trip);
                StepEvent::Held { reason }
            }
            Verdict::Later => return self,
            Verdict::Skip(reason) => StepEvent::Skipped { at: self.now, reason },
            Verdict::AskApproval => StepEvent::ApprovalAsked,
            Verdict::WaitAgain => StepEvent::Reblocked,
            Verdict::AskPerson(instruction) => StepEvent::PersonAsked { instruction },
        };
        self.event(label, event)
    }

    /// A person gives an order about a step.
    pub(crate) fn order<T>(
        &mut self,
        label: &str,
        order: impl FnOnce(&mut Book, u16, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let ordinal = self.step(label).ordinal;
        self.all(|book, now| order(book, ordinal, now))
    }

    /// A person gives an order about the run. A refused one leaves no trace.
    pub(crate) fn all<T>(
        &mut self,
        order: impl FnOnce(&mut Book, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let said = self.book.said.len();
        let answer = order(&mut self.book, self.now);
        if answer.is_err() {
            assert_eq!(self.book.said.len(), said, "a refused order says nothing");
        }
        self.follow();
        answer
    }

    /// Somebody gives the run other inputs. A refused change leaves no trace.
    pub(crate) fn reschedule(&mut self, inputs: &[(&str, &str)]) -> Result<Rescheduled, NotRescheduled> {
        let given = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let subject = super::ada();
        let rules = Rules::default();
        let new = NewInputs { given: &given, event: None, subject: &subject, rules: &rules, reason: Some("moved") };
        let said = self.book.said.len();
        let answer = reschedule(&mut self.book, &new, &person(), self.now);
        if answer.is_err() {
            assert_eq!(self.book.said.len(), said, "a refused change says nothing");
        }
        self.check();
        answer
    }

    pub(crate) fn retry(&mut self, label: &str) -> Result<(), Refusal> {
        self.order(label, |book, ordinal, now| orders::retry(book, ordinal, "again", &person(), now))
    }

    pub(crate) fn skip(&mut self, label: &str) -> Result<(), Refusal> {
        self.order(label, |book, ordinal, now| orders::skip(book, ordinal, "not here", &person(), now))
    }

    pub(crate) fn approve(&mut self, label: &str) -> Result<(), Refusal> {
        let about = self.person.clone();
        self.order(label, |book, ordinal, now| {
            let (by, users) = (person(), Users::default());
            let approver = orders::Approver { by: &by, users: &users, subject: about.as_ref(), batch: None };
            orders::approve(book, ordinal, None, "", &approver, now, &Holidays::default())
        })
    }

    pub(crate) fn deny(&mut self, label: &str) -> Result<(), Refusal> {
        self.order(label, |book, ordinal, now| orders::deny(book, ordinal, "no", &person(), now))
    }

    /// What must hold at every moment: the run's state is what its steps say, nothing more follows, every fact
    /// survives the way through the journal, and the journal replays to the same states.
    pub(crate) fn check(&self) {
        assert_eq!(self.book.run.state, run_state(&self.book));
        let mut again = self.book.clone();
        advance(&mut again, &Holidays::default(), &person(), self.now).unwrap();
        assert_eq!(again.said, self.book.said, "advance is a fixed point");
        through_the_journal(&self.book.said[self.written.replace(self.book.said.len())..]);
        let told = self.book.said.iter().zip(1..);
        let replayed = replay(told.map(|(said, seq)| (seq, said.step.map(usize::from), &said.fact))).unwrap();
        let states: Vec<StepState> = self.book.steps.iter().map(|step| step.state.clone()).collect();
        assert_eq!((replayed.run, replayed.steps), (self.book.run.state, states));
        assert_eq!(replayed.inputs, serde_json::Value::Object(self.book.run.inputs.clone()));
        let times = self.book.steps.iter().map(|step| (step.at.clone(), step.delay.clone()));
        assert_eq!(replayed.times, times.collect::<Vec<_>>());
        let labels: std::collections::BTreeSet<String> = self.book.steps.iter().map(Step::label).collect();
        assert_eq!(labels.len(), self.book.steps.len(), "people can address every step");
    }
}

/// Each fact by itself, and all of them as one entry.
fn through_the_journal(said: &[Said]) {
    let back = |(body, words): (serde_json::Value, Vec<serde_json::Value>), step: Option<u16>| {
        let stored: serde_json::Value = serde_json::from_str(&body.to_string()).unwrap();
        let told = facts(join(stored, Some(&words)), step.map(i64::from)).into_iter();
        told.map(|(step, fact)| (step, serde_json::from_value::<Fact>(fact).unwrap())).collect::<Vec<_>>()
    };
    let all: Vec<_> = said.iter().map(|one| (one.step, &one.fact)).collect();
    let expected: Vec<_> = said.iter().map(|one| (one.step.map(i64::from), one.fact.clone())).collect();
    assert_eq!(back(split(&all), None), expected);
    for (one, expected) in said.iter().zip(expected) {
        assert_eq!(back(split(&one.fact), one.step), [expected]);
    }
}
