//! A workflow after parsing: the types that everything above this room works with.
//!
//! A [`Workflow`] in hand has passed every check: names are known, references resolve, there is no cycle, spans are
//! in bounds, templates compile and parameters fit their action.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use super::action::{ActionKind, Facet};
use super::select::Selector;
use super::span::Span;
use super::template::{Condition, Template};

/// One workflow file.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its name, as used in commands and URLs: lower-case words joined by hyphens.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// What a run of it is about.
    pub subject: SubjectKind,
    /// Whether its steps go before everything else that is due (`priority: urgent`).
    pub urgent: bool,
    /// What starts it.
    pub triggers: Triggers,
    /// Typed inputs, in file order.
    pub inputs: Vec<Input>,
    /// Zone for local times; without it, or where it renders empty, the configured zone.
    pub timezone: Option<Template>,
    /// The calendar of its business days; without it the configured one (`[time]`).
    pub calendar: Option<String>,
    /// The jurisdiction's policy; without it the configured one (`[policy]`).
    pub policy: Option<String>,
    /// For scheduled workflows of the organisation: one child run per subject.
    pub for_each: Option<Selector>,
    /// Steps in file order.
    pub steps: Vec<StepDef>,
    /// SHA-256 of the source, hex: the version that runs are pinned to.
    pub version: String,
    /// The file as written.
    pub source: Arc<str>,
}

impl Workflow {
    /// What one run of it is about: with `for_each`, one of the subjects selected.
    pub const fn run_subject(&self) -> SubjectKind {
        match &self.for_each {
            None => self.subject,
            Some(selector) => selector.subject(),
        }
    }

    /// The step called `name`.
    pub fn step(&self, name: &str) -> Option<&StepDef> {
        self.steps.iter().find(|step| step.id == name)
    }

    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|input| input.name == name)
    }

    /// Everything that a run of it may ask of a system: what its steps do, what ends them, and what follows them up.
    pub fn actions(&self) -> BTreeSet<ActionKind> {
        let of_step = |step: &StepDef| {
            let end = step.until.as_ref().and_then(|_| step.action.inverse());
            let purge = step.grace.as_ref().map(|_| ActionKind::AccountPurge);
            [Some(step.action), end, purge]
        };
        self.steps.iter().flat_map(of_step).flatten().collect()
    }
}

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A person known from HR, with all their accounts.
    Person,
    /// One account on one system.
    Account,
    /// The organisation.
    Organisation,
}

impl SubjectKind {
    /// The word used in workflow files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Account => "account",
            Self::Organisation => "organisation",
        }
    }
}

/// What starts a workflow.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    /// An event from HR.
    pub event: Option<HrEvent>,
    /// For [`HrEvent::Changed`]: the fields of the person of which one must have changed; none is any.
    pub fields: Vec<String>,
    /// A person, by command, API or UI.
    pub manual: bool,
    /// A durable schedule.
    pub schedule: Option<Schedule>,
}

/// What HR can tell us about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HrEvent {
    /// A new person.
    Joined,
    /// Names, department, manager or role changed.
    Changed,
    /// Somebody leaves; the event's date is the last working day.
    Departure,
    /// Somebody goes on leave; the event's date is the first day away.
    Leave,
    /// Somebody comes back from leave.
    Return,
    /// A departure is taken back.
    Rescinded,
    /// Somebody who had left is hired again.
    Rehired,
}

impl HrEvent {
    /// All events.
    pub const ALL: [Self; 7] =
        [Self::Joined, Self::Changed, Self::Departure, Self::Leave, Self::Return, Self::Rescinded, Self::Rehired];

    /// The word used in workflow files and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Changed => "changed",
            Self::Departure => "departure",
            Self::Leave => "leave",
            Self::Return => "return",
            Self::Rescinded => "rescinded",
            Self::Rehired => "rehired",
        }
    }
}

/// `on: { schedule: … }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// A five-field cron expression, weekdays by the Unix numbering.
    pub cron: String,
    /// IANA zone; without it the configured one.
    pub timezone: Option<String>,
    /// What happens with ticks that passed while no daemon ran.
    pub missed: Missed,
}

/// What a schedule does with ticks that passed while no daemon ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// One run for all of them.
    #[default]
    Once,
    /// One run each.
    All,
    /// None.
    Skip,
}

/// A declared input.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: InputType,
    /// Whether a run cannot start without it.
    pub required: bool,
    /// A condition under which it is required (`required_if`).
    pub required_if: Option<Condition>,
    /// Where its value comes from when an event starts the run (`from: event.effective`).
    pub from: Option<String>,
    /// Its value when nobody gives one. May refer to the person and to inputs above it.
    pub default: Option<Template>,
    /// Smallest duration or number allowed.
    pub min: Option<String>,
    /// Largest duration or number allowed.
    pub max: Option<String>,
    /// Allowed values of a choice.
    pub choices: Vec<String>,
    /// One line for people.
    pub help: Option<String>,
}

/// The type of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// A calendar date, `2027-01-29`.
    Date,
    /// A mail address.
    Email,
    /// Free text.
    Text,
    /// A span, `180 days`.
    Duration,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// One of a list.
    Choice,
    /// An employee number.
    Person,
}

/// One step as written.
#[derive(Clone, Debug)]
pub struct StepDef {
    /// Its name, unique in the workflow.
    pub id: String,
    /// What it does.
    pub action: ActionKind,
    /// Where; `None` for actions that take place in the house.
    pub systems: Option<Systems>,
    /// The steps it comes after, resolved: the step above it where the file is silent, empty for `after: []`.
    pub after: Vec<String>,
    /// Not before this instant.
    pub at: Option<At>,
    /// Time between the end of `after` and this step.
    pub delay: Option<Amount>,
    /// When the inverse action takes it back.
    pub until: Option<At>,
    /// Decided at the claim.
    pub when: Option<Condition>,
    /// For `account.delete`: time between its read-back and the purge.
    pub grace: Option<Amount>,
    /// What to do when its time had passed before the run started.
    pub late: Late,
    /// Overrides of the retry policy that the action's nature gives.
    pub retry: Option<Retry>,
    /// Longest time for one attempt.
    pub timeout: Option<Duration>,
    /// What a failure does to the steps behind it.
    pub on_failure: Option<OnFailure>,
    /// What an ambiguous attempt of an undetectable action does.
    pub on_unknown: Option<OnUnknown>,
    /// The action's parameters, unrendered. Keys and types have been checked against the action.
    pub with: BTreeMap<String, Param>,
    /// Line of the file (1-based), for messages.
    pub line: usize,
}

/// A parameter as written.
#[derive(Clone, Debug)]
pub enum Param {
    /// Text that may contain `{{ }}`.
    Template(Template),
    /// A literal that is not text.
    Literal(serde_json::Value),
    /// A list.
    List(Vec<Param>),
    /// A mapping.
    Map(BTreeMap<String, Param>),
}

/// Which systems a step runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Systems {
    /// Every system that can take part in the action.
    All,
    /// Every system with this facet.
    Facet(Facet),
    /// These, by name.
    Named(Vec<String>),
    /// The one that an expression names when the run is planned: `{{ inputs.product }}`.
    Given(Template),
}

/// An instant as written: `ANCHOR {± SPAN} [HH:MM]`.
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    /// What it counts from.
    pub anchor: Anchor,
    /// Offsets in order, each with its sign.
    pub offsets: Vec<(Sign, Amount)>,
    /// Local time of day; without it 09:00, except for `start`, which is an instant already.
    pub time: Option<Time>,
    /// As written, for messages and plans.
    pub text: String,
}

/// What an instant counts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// A date input.
    Input(String),
    /// The start of the run.
    Start,
    /// A date of the person's: `person.start_date`, `person.last_day`.
    Person(String),
}

/// Before or after the anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Later.
    Plus,
    /// Earlier.
    Minus,
}

/// A span, written out or taken from a duration input.
#[derive(Clone, Debug, PartialEq)]
pub enum Amount {
    /// Written out.
    Literal(Span),
    /// A duration input (`inputs.retention`).
    Input(String),
}

/// What to do with a step whose time had passed before the run started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// What the action's nature says: destructive steps wait until start + 7 days, all others run now.
    #[default]
    ByNature,
    /// Run now (refused for destructive steps at check time).
    Now,
    /// Do not run.
    Skip,
    /// Hold for a person.
    Hold,
}

/// `retry: { max: 5, backoff: 30 seconds, cap: 1 hour }`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts before the step fails; `None` for ever.
    pub max: Option<u32>,
    /// Wait after the first failed attempt; doubles each time.
    pub backoff: Duration,
    /// Longest wait.
    pub cap: Duration,
}

/// What a failure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The step is held for a person.
    Hold,
    /// The step fails and the steps behind it go on.
    Continue,
}

/// What an ambiguous attempt of an undetectable action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// Hold for a person (the default).
    Hold,
    /// Try again, accepting that it may happen twice.
    Retry,
}
