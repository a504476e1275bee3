//! What a plan means beyond its steps: who becomes an administrator, and what new accounts will be called.

use serde_json::{Map, Value};

use super::Engine;
use crate::run::naming::NamingError;
use crate::run::{Account, Person, Plan, PlannedStep, RunFacts, Subject, render_params, scope};
use crate::store::StoreError;
use crate::workflow::{ActionKind, Scope, StepDef};

impl Engine {
    /// The steps of a plan that give somebody an administrator's role, in words. Which roles are administrative is
    /// for the system to say.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn promotions(&self, plan: &Plan, person: Option<&Person>) -> Result<Vec<String>, StoreError> {
        let mut promoted = Vec::new();
        for step in plan.steps.iter().filter(|step| step.action == ActionKind::RoleSet && step.skip.is_none()) {
            let account = match step.account {
                Some(id) => self.store().account(id).await?,
                None => None,
            };
            if let (Some(role), Some(system)) = (self.promotion(plan, step, person, account.as_ref()), &step.system) {
                promoted.push(format!(
                    "{} makes somebody {role} of {system}: administrators manage all users",
                    step.label()
                ));
            }
        }
        Ok(promoted)
    }

    /// The administrator's role that a step gives, if it does.
    fn promotion(
        &self,
        plan: &Plan,
        step: &PlannedStep,
        person: Option<&Person>,
        account: Option<&Account>,
    ) -> Option<String> {
        let scope = scope_of(plan, person, account);
        let ruled_out = self.definition(plan, step)?.when.as_ref().is_some_and(|when| when.holds(&scope) == Ok(false));
        let mut with = self.parameters(plan, step, &scope);
        let departments = &self.store().conventions().departments;
        departments.fill(step.action, step.system.as_deref(), person, &mut with).ok()?;
        let role = with.get("role")?.as_str()?;
        let system = self.systems().get(step.system.as_deref()?)?;
        (!ruled_out && system.is_administrative(role)).then(|| role.to_owned())
    }

    /// The work address that the accounts of a plan would get now; `None` where it makes none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn new_address(
        &self,
        plan: &Plan,
        person: Option<&Person>,
    ) -> Result<Option<Result<String, NamingError>>, StoreError> {
        let creates = |step: &&PlannedStep| {
            step.action == ActionKind::AccountCreate && step.skip.is_none() && step.account.is_none()
        };
        let (Some(step), Some(person)) = (plan.steps.iter().find(creates), person) else { return Ok(None) };
        let with = self.parameters(plan, step, &scope_of(plan, Some(person), None));
        let given = with.get("address").and_then(Value::as_str);
        Ok(Some(self.store().proposed_address(person, given).await?))
    }

    fn definition(&self, plan: &Plan, step: &PlannedStep) -> Option<&StepDef> {
        self.library().get(&plan.workflow).and_then(|workflow| workflow.step(&step.name))
    }

    /// What the file gives a step, as far as it can be said before its time comes.
    fn parameters(&self, plan: &Plan, step: &PlannedStep, scope: &Scope) -> Map<String, Value> {
        let with = self.definition(plan, step).and_then(|definition| render_params(&definition.with, scope).ok());
        with.unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()).collect()
    }
}

fn scope_of(plan: &Plan, person: Option<&Person>, account: Option<&Account>) -> Scope {
    let subject = match person {
        Some(person) => Subject::Person { person: Box::new(person.clone()), manager: None },
        None => Subject::Organisation,
    };
    let facts = RunFacts { id: None, workflow: plan.workflow.clone(), started: plan.start };
    scope(&subject, &plan.inputs, account, &facts)
}
