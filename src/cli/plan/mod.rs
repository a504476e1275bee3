//! `usher plan`

mod notes;
mod page;

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::about::About;
use super::house::House;
use super::inventory::read_unread;
use super::outlook::Outlook;
use super::{CliError, Context, Exit, moment};
use crate::engine::trigger::{Request, SubjectRef};
use crate::run::guard::Freeze;
use crate::run::plan::maker;
use crate::run::{Person, Plan, PlannedStep, Policy, project, zone};
use crate::store::HoldRow;

pub(super) use notes::left_out;

/// Shows what a workflow would do, and when; changes nothing
///
/// Every step with its system and the instant it is expected at, if everything before it goes well at once: what
/// cannot be done by usher and becomes a task, what is late, what is left out and why, and what would stop it now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher plan departure --person 1005 --set last_day=2027-01-29
  usher plan departure --person 1005 --set last_day=2027-01-29 --set 'retention=240 days'
  usher plan emergency-block --person 1005 --json
  usher plan departure --person 1005 --set last_day=2027-03-31 --at 2027-03-20   as if started then")]
pub struct PlanCommand {
    /// The workflow's name
    workflow: String,
    #[command(flatten)]
    about: About,
    /// As if started then [default: now]
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
}

/// A plan with everything the page says beside it.
struct View<'a> {
    plan: &'a Plan,
    subject: String,
    person: Option<Person>,
    due: Vec<Option<Timestamp>>,
    freezes: Vec<Freeze>,
    /// What the jurisdiction allows, where that is less than everything.
    policy: Option<Policy>,
    calendar: Option<String>,
    accounts: BTreeMap<i64, String>,
    /// Why accounts are protected.
    protected: BTreeMap<i64, String>,
    /// Legal holds on the person, or on whoever the account belongs to.
    holds: Vec<HoldRow>,
    /// What deserves to be read twice.
    warnings: Vec<String>,
    /// What new accounts would be called.
    address: Option<String>,
    outlook: Outlook,
}

impl PlanCommand {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        let subject = self.about.subject()?;
        let start = match &self.at {
            Some(text) => Some(moment::coming(text, &house.zone, house.store().now().await?)?),
            None => None,
        };
        let request = Request {
            workflow: self.workflow,
            subject: subject.clone(),
            inputs: self.about.inputs()?,
            event: None,
            start,
            key: None,
            trigger: "plan".to_owned(),
            asked_by: context.actor(),
        };
        house.workflow(&request.workflow)?;
        read_unread(context, &house).await?;
        let plan = match house.engine.plan(&request).await {
            Ok(plan) => plan,
            Err(error) => return Err(house.explain(error).await),
        };
        let view = View::new(&house, &plan, &subject).await?;
        if context.out.is_json() {
            context.out.document(&view.document(), false)?;
        } else {
            view.page(context)?;
        }
        Ok(Exit::Done)
    }
}

/// The systems on which a plan destroys something.
fn destroyed_on(plan: &Plan) -> BTreeSet<String> {
    let steps = plan.steps.iter().filter(|step| step.action.is_destructive() && step.skip.is_none());
    steps.filter_map(|step| step.system.clone()).collect()
}

impl<'a> View<'a> {
    async fn new(house: &'a House, plan: &'a Plan, subject: &SubjectRef) -> Result<Self, CliError> {
        let person = match subject {
            SubjectRef::Person(number) => house.store().person(number).await?,
            _ => None,
        };
        let rules = house.engine.house_rules();
        let workflow = std::sync::Arc::clone(house.workflow(&plan.workflow)?);
        let words = match (subject, &person) {
            (SubjectRef::Person(number), Some(person)) => format!("{number} {}", person.display_name),
            (SubjectRef::Account { system, id }, _) => format!("{system}:{id}"),
            _ => "the organisation".to_owned(),
        };
        let projected = project(plan, rules.holidays_of(&workflow));
        let projected = projected.map_err(|error| CliError::environment("zone", error.to_string()))?;
        let (mut accounts, mut protected, mut owner) = (BTreeMap::new(), BTreeMap::new(), None);
        for id in plan.steps.iter().filter_map(|step| step.account) {
            if accounts.contains_key(&id) {
                continue;
            }
            if let Some(account) = house.store().account(id).await? {
                protected.extend(house.store().why_protected(&account).await?.map(|why| (id, why)));
                owner = owner.or(account.person_id);
                accounts.insert(id, account.external_id);
            }
        }
        let mut warnings = house.engine.promotions(plan, person.as_ref()).await?;
        for (id, why) in &protected {
            let account = accounts.get(id).map(String::as_str).unwrap_or_default();
            warnings.push(format!(
                "account {account} is protected, {why}: it is not deleted, and its access is not cut by itself"
            ));
        }
        let holds = match person.as_ref().map(|person| person.id).or(owner) {
            Some(person) => house.store().holds(Some(person), false).await?,
            None => Vec::new(),
        };
        let address = match house.engine.new_address(plan, person.as_ref()).await? {
            Some(Ok(address)) => Some(address),
            Some(Err(why)) => {
                warnings.push(why.to_string());
                None
            }
            None => None,
        };
        Ok(Self {
            plan,
            subject: words,
            person,
            warnings,
            address,
            outlook: Outlook::on(house, &destroyed_on(plan)).await?,
            due: projected.into_iter().map(|step| step.due).collect(),
            policy: rules.policy(workflow.policy.as_deref()).filter(|policy| policy.limits()).cloned(),
            calendar: workflow.calendar.clone(),
            freezes: house.store().freezes().await?.into_iter().map(|row| row.freeze).collect(),
            accounts,
            protected,
            holds,
        })
    }

    fn due(&self, step: &PlannedStep) -> Option<Timestamp> {
        self.due.get(usize::from(step.ordinal)).copied().flatten()
    }

    /// What would stop the step if its time were now.
    fn stopped_by(&self, step: &PlannedStep) -> Option<String> {
        let freeze = self.freezes.iter().find(|f| f.stops(&self.plan.workflow, step.system.as_deref(), step.action));
        if let Some(freeze) = freeze {
            return Some(format!("frozen ({}): {}", freeze.scope(), freeze.reason));
        }
        let kept = self.holds.first().filter(|_| step.action.is_destructive());
        if let Some(hold) = kept {
            return Some(format!("under legal hold: {}", hold.words()));
        }
        let protected = step.account.and_then(|id| self.protected.get(&id));
        if let Some(why) = protected.filter(|_| step.action.is_destructive() || step.action.is_cut()) {
            return Some(format!("protected: {why}"));
        }
        if !step.action.is_destructive() || step.skip.is_some() {
            return None;
        }
        let staying = self.person.as_ref().filter(|person| !person.status.is_departed()).map(|person| {
            format!("{} is {}: HR must have said that they leave", person.employee_number, person.status.as_str())
        });
        let against = step.system.as_deref().and_then(|system| self.outlook.against(system, self.due(step)));
        let all: Vec<String> = staying.into_iter().chain(against).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// The plan, each step with what was computed for it.
    fn document(&self) -> Value {
        let zone = zone(&self.plan.zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let mut document = json!(self.plan);
        document["start"] = json!(super::instant(self.plan.start, &zone));
        let steps = self.plan.steps.iter().map(|step| {
            let mut value = json!(step);
            value["label"] = json!(step.label());
            value["account"] = json!(step.account.and_then(|id| self.accounts.get(&id)));
            value["due"] = json!(self.due(step).map(|due| super::instant(due, &zone)));
            value["stopped_by"] = json!(self.stopped_by(step));
            value["needs"] = json!(notes::needs(self.plan, step));
            value["made_by"] = json!(maker(self.plan, step).map(PlannedStep::label));
            value
        });
        document["steps"] = steps.collect();
        document["about"] = json!(self.subject);
        document["policy"] = json!(self.policy);
        document["calendar"] = json!(self.calendar);
        document["new_address"] = json!(self.address);
        document["warnings"] = json!(self.warnings);
        document["legal_holds"] = json!(self.holds.iter().map(HoldRow::words).collect::<Vec<_>>());
        document
    }
}
