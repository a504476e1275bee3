//! Workflows, people and systems built by hand, for the tests of this room.

mod story;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time, date};
use serde_json::Value;

use crate::run::{
    Account, AccountStatus, Capability, Holidays, Person, Plan, PlanError, PlanRequest, PlannedStep, Policy, Subject,
    SystemView, plan,
};
use crate::workflow::*;

pub(crate) use story::{Story, person};

/// An instant in ISO form.
pub(crate) fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `inputs.NAME`, `start` or `person.FIELD`, to be moved by [`At::plus`], [`At::minus`], and set to a time.
pub(crate) fn from(anchor: &str) -> At {
    let anchor_kind = match anchor.split_once('.') {
        Some(("person", field)) => Anchor::Person(field.into()),
        _ if anchor == "start" => Anchor::Start,
        _ => Anchor::Input(anchor.into()),
    };
    At { anchor: anchor_kind, offsets: vec![], time: None, text: anchor.into() }
}

/// A literal span, or a duration input (`inputs.NAME`).
pub(crate) fn amount(text: &str) -> Amount {
    match text.strip_prefix("inputs.") {
        Some(name) => Amount::Input(name.into()),
        None => Amount::Literal(Span::parse(text).unwrap()),
    }
}

impl At {
    pub(crate) fn plus(self, span: &str) -> Self {
        self.moved(Sign::Plus, " + ", span)
    }

    pub(crate) fn minus(self, span: &str) -> Self {
        self.moved(Sign::Minus, " - ", span)
    }

    fn moved(mut self, sign: Sign, word: &str, span: &str) -> Self {
        self.offsets.push((sign, amount(span)));
        self.text = format!("{}{word}{span}", self.text);
        self
    }

    pub(crate) fn time(mut self, hour: i8, minute: i8) -> Self {
        self.time = Some(Time::constant(hour, minute, 0, 0));
        self
    }
}

/// A step; on all systems unless its action takes place in the house.
pub(crate) fn step(id: &str, action: &str) -> StepDef {
    let action = ActionKind::from_name(action).unwrap();
    StepDef {
        id: id.into(),
        action,
        systems: (action.place() != Place::House).then_some(Systems::All),
        after: vec![],
        at: None,
        delay: None,
        until: None,
        when: None,
        grace: None,
        late: Late::ByNature,
        retry: None,
        timeout: None,
        on_failure: None,
        on_unknown: None,
        with: BTreeMap::new(),
        line: 1,
    }
}

impl StepDef {
    pub(crate) fn after(mut self, names: &[&str]) -> Self {
        self.after = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub(crate) fn on(mut self, names: &[&str]) -> Self {
        self.systems = Some(Systems::Named(names.iter().map(|name| (*name).to_owned()).collect()));
        self
    }

    pub(crate) fn facet(mut self, facet: Facet) -> Self {
        self.systems = Some(Systems::Facet(facet));
        self
    }

    pub(crate) fn at(mut self, at: At) -> Self {
        self.at = Some(at);
        self
    }

    pub(crate) fn delay(mut self, span: &str) -> Self {
        self.delay = Some(amount(span));
        self
    }

    pub(crate) fn until(mut self, at: At) -> Self {
        self.until = Some(at);
        self
    }

    pub(crate) fn grace(mut self, span: &str) -> Self {
        self.grace = Some(amount(span));
        self
    }

    pub(crate) fn when(mut self, condition: &str) -> Self {
        self.when = Some(Condition::parse(condition).unwrap());
        self
    }

    pub(crate) fn late(mut self, late: Late) -> Self {
        self.late = late;
        self
    }
}

/// An optional input.
pub(crate) fn input(name: &str, kind: InputType) -> Input {
    Input {
        name: name.into(),
        kind,
        required: false,
        required_if: None,
        from: None,
        default: None,
        min: None,
        max: None,
        choices: vec![],
        help: None,
    }
}

impl Input {
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) fn default(mut self, template: &str) -> Self {
        self.default = Some(Template::parse(template).unwrap());
        self
    }
}

/// A workflow for a person.
pub(crate) fn workflow(name: &str, inputs: Vec<Input>, steps: Vec<StepDef>) -> Workflow {
    Workflow {
        name: name.into(),
        title: name.into(),
        subject: SubjectKind::Person,
        urgent: false,
        triggers: Triggers::default(),
        inputs,
        timezone: Some(Template::parse("{{ person.timezone }}").unwrap()),
        calendar: None,
        policy: None,
        for_each: None,
        steps,
        version: "0".repeat(64),
        source: "".into(),
    }
}

/// Ada Lovelace, with Charles Babbage as her manager.
pub(crate) fn ada() -> Subject {
    let manager = Person {
        id: 2,
        employee_number: "1002".into(),
        display_name: "Charles Babbage".into(),
        email: Some("charles@example.test".into()),
        ..Person::default()
    };
    Subject::Person { person: Box::new(ada_herself()), manager: Some(Box::new(manager)) }
}

/// Ada without her manager.
pub(crate) fn ada_herself() -> Person {
    Person {
        id: 1,
        employee_number: "1001".into(),
        given_name: "Ada".into(),
        family_name: "Lovelace".into(),
        display_name: "Ada Lovelace".into(),
        email: Some("ada@example.test".into()),
        start_date: Some(date(2020, 1, 6)),
        ..Person::default()
    }
}

/// An account of Ada's.
pub(crate) fn account(id: i64, system: &str) -> Account {
    Account {
        id,
        system: system.into(),
        external_id: format!("{system}-{id}"),
        login: "ada".into(),
        person_id: Some(1),
        status: AccountStatus::Enabled,
        attributes: BTreeMap::new(),
        last_sign_in: None,
        purge_due: None,
    }
}

/// A system that supports every action, with an account of Ada's.
pub(crate) fn system(id: i64, name: &str, facets: &[Facet]) -> SystemView {
    SystemView {
        name: name.into(),
        facets: facets.to_vec(),
        account: Some(account(id, name)),
        capabilities: ActionKind::ALL.iter().map(|action| (*action, Capability::Supported)).collect(),
    }
}

/// A directory, a mail host, and a cloud for files and calendars.
pub(crate) fn company() -> Vec<SystemView> {
    vec![
        system(11, "ldap", &[Facet::Directory]),
        system(12, "mailhost", &[Facet::Mail]),
        system(13, "cloud", &[Facet::Files, Facet::Calendars]),
    ]
}

/// A plan request that owns what it is made from.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) workflow: Workflow,
    pub(crate) subject: Subject,
    pub(crate) systems: Vec<SystemView>,
    pub(crate) inputs: BTreeMap<String, Value>,
    pub(crate) start: Timestamp,
    pub(crate) zone: String,
    pub(crate) policy: Policy,
}

impl Case {
    /// Ada in the sample company, Zurich, on 4 January 2027 at noon UTC.
    pub(crate) fn of(workflow: Workflow) -> Self {
        Self {
            workflow,
            subject: ada(),
            systems: company(),
            inputs: BTreeMap::new(),
            start: instant("2027-01-04T12:00:00Z"),
            zone: "Europe/Zurich".into(),
            policy: Policy::default(),
        }
    }

    pub(crate) fn given(mut self, name: &str, value: &str) -> Self {
        self.inputs.insert(name.into(), Value::String(value.into()));
        self
    }

    pub(crate) fn starting(mut self, start: &str) -> Self {
        self.start = instant(start);
        self
    }

    pub(crate) fn plan(&self) -> Result<Plan, PlanError> {
        plan(&PlanRequest {
            workflow: &self.workflow,
            subject: &self.subject,
            systems: &self.systems,
            inputs: &self.inputs,
            event: None,
            start: self.start,
            default_zone: &self.zone,
            holidays: &Holidays::default(),
            policy: &self.policy,
            mail: true,
        })
    }

    /// The message of the error that planning must give.
    pub(crate) fn error(&self) -> String {
        self.plan().unwrap_err().to_string()
    }
}

/// The step `name` on `system` (`""` for none).
pub(crate) fn find<'a>(plan: &'a Plan, name: &str, system: &str) -> &'a PlannedStep {
    let on = |step: &&PlannedStep| step.name == name && step.system.as_deref().unwrap_or_default() == system;
    plan.steps.iter().find(on).unwrap_or_else(|| panic!("no step {name}@{system}"))
}

/// What a step needs, as `name@system`.
pub(crate) fn needs(plan: &Plan, name: &str, system: &str) -> Vec<String> {
    let label = |need: &u16| {
        let step = &plan.steps[usize::from(*need)];
        format!("{}@{}", step.name, step.system.as_deref().unwrap_or_default())
    };
    find(plan, name, system).needs.iter().map(label).collect()
}

/// The shipped departure, built by hand: everything that `departure.yaml` plans.
pub(crate) fn departure() -> Workflow {
    let day = || from("last_day");
    let mut reason = input("redirect_reason", InputType::Text);
    reason.required_if = Some(Condition::parse("inputs.redirect").unwrap());
    let mut retention = input("retention", InputType::Duration).default("180 days");
    retention.min = Some("120 days".into());
    let mut last_day = input("last_day", InputType::Date).required();
    last_day.from = Some("event.effective".into());
    let inputs = vec![
        last_day,
        input("contact", InputType::Email).default("{{ person.manager.email }}"),
        input("redirect", InputType::Email),
        reason,
        retention,
    ];
    let steps = vec![
        step("disable", "account.disable").at(day().time(18, 0)),
        step("rotate-password", "password.rotate").after(&["disable"]),
        step("revoke-sessions", "sessions.revoke").after(&["rotate-password"]),
        step("auto-reply", "mail.auto_reply").facet(Facet::Mail).after(&["disable"]).until(day().plus("60 days")),
        step("redirect", "mail.redirect").when("inputs.redirect").after(&["disable"]).until(day().plus("90 days")),
        step("transfer-files", "files.transfer").after(&["redirect"]).at(day().plus("7 days")),
        step("transfer-mail", "mail.transfer").after(&["transfer-files"]).at(day().plus("7 days")),
        step("archive", "mail.archive").after(&["transfer-mail"]).at(day().plus("90 days")),
        step("checklist", "checklist").after(&["archive"]).at(day().plus("inputs.retention").minus("30 days")),
        step("approve-deletion", "approval")
            .after(&["archive", "checklist"])
            .at(day().plus("inputs.retention").minus("14 days")),
        step("delete", "account.delete")
            .after(&["approve-deletion"])
            .at(day().plus("inputs.retention"))
            .grace("30 days"),
    ];
    workflow("departure", inputs, steps)
}

/// A date, for tests that do not import jiff's.
pub(crate) fn day(year: i16, month: i8, day: i8) -> Date {
    date(year, month, day)
}
