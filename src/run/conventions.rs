//! What this house does by default: how new accounts are called, and what a department gives its people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::naming::Naming;
use super::protected::Protected;
use super::state::{HoldReason, SkipReason};
use super::subject::Person;
use super::two_people::Users;
use crate::workflow::{ActionKind, Workflow};

/// The conventions of a house.
#[derive(Clone, Debug, Default)]
pub struct Conventions {
    /// How new accounts are called.
    pub naming: Naming,
    /// What departments give.
    pub departments: Departments,
    /// Operating-system users who may ask for what stops a whole product; `None` is everybody who may run usher.
    pub administrators: Option<BTreeSet<String>>,
    /// Which person each of those users is.
    pub users: Users,
    /// Accounts that nobody deletes.
    pub protected: Protected,
}

impl Conventions {
    /// Why somebody may not start a workflow by hand. HR's events and schedules are the word of whoever wrote them.
    pub fn refusal(&self, workflow: &Workflow, asked_by: &str) -> Option<String> {
        let user = asked_by.strip_prefix("os:")?;
        let step = workflow.steps.iter().find(|step| stops_everybody(step.action))?;
        let named = |names: &BTreeSet<String>| names.contains(user) || names.contains(asked_by);
        (!self.administrators.as_ref().is_none_or(named)).then(|| {
            format!(
                "{} does `{}`, which only administrators may ask for, and {user} is none: [access] names them",
                workflow.name, step.action
            )
        })
    }
}

/// Whether an action is about everybody who uses a product.
pub const fn stops_everybody(action: ActionKind) -> bool {
    use ActionKind as A;
    matches!(action, A::ProductBlock | A::ProductUnblock | A::MailMaintenance | A::MailEndMaintenance)
}

/// What each department gives its people, by name.
#[derive(Clone, Debug, Default)]
pub struct Departments(BTreeMap<String, Department>);

/// `[departments.NAME]`: what everybody there has by right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Department {
    /// Groups.
    pub groups: BTreeSet<String>,
    /// The role of its people's accounts.
    pub role: Option<String>,
    /// Their storage limit, in bytes.
    pub quota: Option<u64>,
    /// The licences that their new accounts get, by system.
    pub licences: BTreeMap<String, String>,
}

/// Why a step that asks for what the department gives is not done as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// The department gives nothing of the kind.
    Skip(SkipReason),
    /// A person has to say what it gives.
    Hold(HoldReason),
}

impl Departments {
    /// The departments by name.
    pub fn of(departments: impl IntoIterator<Item = (String, Department)>) -> Self {
        Self(departments.into_iter().map(|(name, department)| (key(&name), department)).collect())
    }

    /// The groups that any department gives: only these are ever taken away by a change of department.
    pub fn managed(&self) -> BTreeSet<&str> {
        self.0.values().flat_map(|department| &department.groups).map(String::as_str).collect()
    }

    /// Writes into the parameters of an action what the person's department gives, where the workflow says nothing.
    ///
    /// # Errors
    /// When it gives nothing of the kind, or is not among the configured ones: a misspelt department must not cost
    /// anybody their groups.
    pub fn fill(
        &self,
        action: ActionKind,
        system: Option<&str>,
        person: Option<&Person>,
        with: &mut Map<String, Value>,
    ) -> Result<(), Unfilled> {
        use ActionKind as A;
        match action {
            A::GroupsSync | A::GroupsAdd => {
                if !with.contains_key("groups") {
                    // Nobody is said to be in no department by saying nothing: what they have stays.
                    let department = self.given(person)?.ok_or_else(|| nothing("groups", person))?;
                    if department.groups.is_empty() && action == A::GroupsAdd {
                        return Err(nothing("groups", person));
                    }
                    with.insert("groups".to_owned(), json!(department.groups));
                }
                if action == A::GroupsSync {
                    with.insert("managed".to_owned(), json!(self.managed()));
                }
            }
            A::RoleSet if !with.contains_key("role") => {
                let role = self.given(person)?.and_then(|department| department.role.clone());
                with.insert("role".to_owned(), json!(role.ok_or_else(|| nothing("role", person))?));
            }
            A::QuotaSet if !with.contains_key("quota") => {
                let quota = self.given(person)?.and_then(|department| department.quota);
                with.insert("quota".to_owned(), json!(quota.ok_or_else(|| nothing("storage limit", person))?));
            }
            // Groups, role and quota are steps of their own, which also serve whoever returns.
            A::AccountCreate => {
                let licences = self.given(person)?.map(|department| &department.licences);
                if let Some(licence) = licences.zip(system).and_then(|(licences, system)| licences.get(system)) {
                    with.insert("licence".to_owned(), json!(licence));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The person's department; `None` for people without one, and where no department is configured at all.
    fn given(&self, person: Option<&Person>) -> Result<Option<&Department>, Unfilled> {
        let name = person.and_then(|person| person.department.as_deref()).filter(|name| !name.trim().is_empty());
        match name {
            Some(name) if !self.0.is_empty() => match self.0.get(&key(name)) {
                Some(department) => Ok(Some(department)),
                None => Err(Unfilled::Hold(HoldReason::Missing(format!(
                    "the configuration has no [departments.\"{name}\"]: add it (`groups = []` if it gives nothing), then `usher step retry`"
                )))),
            },
            _ => Ok(None),
        }
    }
}

fn nothing(what: &str, person: Option<&Person>) -> Unfilled {
    let department = person.and_then(|person| person.department.as_deref()).unwrap_or("no department");
    Unfilled::Skip(SkipReason::NotNeeded(format!("{department} gives no {what}")))
}

/// Departments are told apart as people tell them apart.
fn key(name: &str) -> String {
    name.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departments() -> Departments {
        let sales = Department {
            groups: ["crm".to_owned(), "staff".to_owned()].into(),
            role: Some("user".into()),
            quota: Some(5),
            licences: [("mail".to_owned(), "standard".to_owned())].into(),
        };
        let lab = Department { groups: ["lab".to_owned()].into(), ..Department::default() };
        let bare = ("Bare".to_owned(), Department::default());
        Departments::of([("Sales".to_owned(), sales), ("Lab".to_owned(), lab), bare])
    }

    fn of(department: Option<&str>) -> Person {
        Person { department: department.map(str::to_owned), ..Person::default() }
    }

    fn filled(action: ActionKind, department: Option<&str>, with: Value) -> Result<Value, Unfilled> {
        let mut with = with.as_object().cloned().unwrap();
        departments().fill(action, Some("mail"), Some(&of(department)), &mut with).map(|()| Value::Object(with))
    }

    #[test]
    fn a_department_gives_what_the_workflow_does_not_say() {
        let with = filled(ActionKind::GroupsSync, Some(" sales "), json!({})).unwrap();
        assert_eq!(with, json!({ "groups": ["crm", "staff"], "managed": ["crm", "lab", "staff"] }));
        let with = filled(ActionKind::GroupsSync, Some("Sales"), json!({ "groups": ["x"] })).unwrap();
        assert_eq!(with, json!({ "groups": ["x"], "managed": ["crm", "lab", "staff"] }));
        assert_eq!(filled(ActionKind::RoleSet, Some("Sales"), json!({})).unwrap(), json!({ "role": "user" }));
        let with = filled(ActionKind::AccountCreate, Some("Sales"), json!({})).unwrap();
        assert_eq!(with, json!({ "licence": "standard" }));
    }

    #[test]
    fn a_department_that_gives_nothing_of_the_kind_leaves_the_step_out() {
        for action in [ActionKind::RoleSet, ActionKind::QuotaSet] {
            let left_out = filled(action, Some("Lab"), json!({})).unwrap_err();
            assert!(matches!(left_out, Unfilled::Skip(_)), "{left_out:?}");
        }
        let nobody = filled(ActionKind::GroupsSync, None, json!({})).unwrap_err();
        assert!(matches!(nobody, Unfilled::Skip(_)), "who has no department keeps what there is: {nobody:?}");
        let none = filled(ActionKind::GroupsSync, Some("Bare"), json!({})).unwrap();
        assert_eq!(none["groups"], json!([]), "a department that gives none takes those of the others");
    }

    #[test]
    fn a_department_that_nobody_configured_holds_and_takes_nothing_away() {
        let held = filled(ActionKind::GroupsSync, Some("Saels"), json!({})).unwrap_err();
        let Unfilled::Hold(HoldReason::Missing(why)) = held else { panic!("{held:?}") };
        assert!(why.contains("[departments.\"Saels\"]"), "{why}");
        let mut with = Map::new();
        let unfilled = Departments::default().fill(ActionKind::GroupsSync, None, Some(&of(Some("Sales"))), &mut with);
        assert!(matches!(unfilled, Err(Unfilled::Skip(_))), "without any department nothing is given");
    }
}
