//! Where a step takes place, and what the place answers.

use std::collections::BTreeSet;

use super::{PlanError, PlanRequest, Planner};
use crate::run::capability::Capability;
use crate::run::guard::in_use;
use crate::run::nearest::way_out;
use crate::run::plan::PlannedStep;
use crate::run::state::SkipReason;
use crate::run::subject::{Account, AccountStatus, Subject, SystemView};
use crate::workflow::{ActionKind, Facet, Param, Place, Scope, StepDef, Systems, Template};

/// One place of a step.
#[derive(Clone, Debug)]
pub(super) enum Site<'a> {
    /// In usher itself.
    House,
    /// On a system.
    On(&'a SystemView),
    /// Nowhere, and why: the plan shows it as a step that is left out.
    Nowhere(String),
}

impl<'a> Site<'a> {
    pub(super) fn system(&self) -> Option<&'a str> {
        match self {
            Self::On(view) => Some(&view.name),
            Self::House | Self::Nowhere(_) => None,
        }
    }
}

/// The places of a step, in configured order, or as named; never empty.
pub(super) fn of<'a>(def: &StepDef, request: &PlanRequest<'a>, scope: &Scope) -> Result<Vec<Site<'a>>, PlanError> {
    let place = def.action.place();
    if place == Place::House {
        return Ok(vec![Site::House]);
    }
    let mut views = match def.systems.as_ref().unwrap_or(&Systems::All) {
        Systems::All => takes_part(request.systems, place),
        Systems::Facet(facet) => with_facet(request.systems, *facet),
        Systems::Named(names) => named(def, names, request.systems)?,
        Systems::Given(template) => vec![find(def, &given(def, template, scope)?, request.systems)?],
    };
    if let Subject::Account(account) = request.subject {
        find(def, &account.system, request.systems)?;
        views.retain(|view| view.name == account.system);
    }
    if views.is_empty() {
        return Ok(vec![Site::Nowhere(nowhere(def, request.subject))]);
    }
    Ok(views.into_iter().map(Site::On).collect())
}

fn takes_part(systems: &[SystemView], place: Place) -> Vec<&SystemView> {
    match place {
        Place::On(facet) => with_facet(systems, facet),
        Place::Account | Place::System | Place::House => systems.iter().collect(),
    }
}

fn with_facet(systems: &[SystemView], facet: Facet) -> Vec<&SystemView> {
    systems.iter().filter(|view| view.facets.contains(&facet)).collect()
}

fn named<'a>(def: &StepDef, names: &[String], systems: &'a [SystemView]) -> Result<Vec<&'a SystemView>, PlanError> {
    let mut seen = BTreeSet::new();
    names.iter().filter(|name| seen.insert(name.as_str())).map(|name| find(def, name, systems)).collect()
}

/// The name that an expression gives: known now, so that a misspelt one is no step that quietly does nothing.
fn given(def: &StepDef, template: &Template, scope: &Scope) -> Result<String, PlanError> {
    let rendered =
        template.render_text(scope).map_err(|error| PlanError::Systems { step: def.id.clone(), why: error.message })?;
    Ok(rendered.trim().to_owned())
}

fn find<'a>(def: &StepDef, name: &str, systems: &'a [SystemView]) -> Result<&'a SystemView, PlanError> {
    systems.iter().find(|view| view.name == name).ok_or_else(|| PlanError::UnknownSystem {
        step: def.id.clone(),
        system: name.to_owned(),
        way_out: way_out(name, systems.iter().map(|view| view.name.as_str())),
    })
}

fn nowhere(def: &StepDef, subject: &Subject) -> String {
    if let Subject::Account(account) = subject {
        return format!("`{}` is not among the step's systems", account.system);
    }
    let facet = match (def.systems.as_ref(), def.action.place()) {
        (Some(Systems::Facet(facet)), _) => *facet,
        (_, Place::On(facet)) => facet,
        _ => return "no system is configured".to_owned(),
    };
    format!("no system offers {}", facet.as_str())
}

/// What a place says to an action.
pub(super) struct Answer {
    pub(super) account: Option<i64>,
    pub(super) capability: Capability,
    pub(super) skip: Option<SkipReason>,
}

impl Planner<'_> {
    /// The account the action would be done to, whether it can be done, and whether there is anything to do.
    pub(super) fn answer(&self, def: &StepDef, site: &Site<'_>, needs: &BTreeSet<u16>) -> Answer {
        let mut answer = self.answer_of(def.action, site, needs);
        if !self.request.mail && answer.skip.is_none() && needs_mail(def) {
            // A notice is a courtesy; an account without credentials is not.
            answer.skip =
                (def.action == ActionKind::NotifyEmail).then(|| SkipReason::NotApplicable(NO_MAIL.to_owned()));
            answer.capability = Capability::Unsupported(NO_MAIL.to_owned());
        }
        answer
    }

    /// The same for an action that the plan itself adds.
    pub(super) fn answer_of(&self, action: ActionKind, site: &Site<'_>, needs: &BTreeSet<u16>) -> Answer {
        let view = match site {
            Site::House => return Answer { account: None, capability: Capability::Supported, skip: None },
            Site::Nowhere(why) => {
                let capability = Capability::Unsupported(why.clone());
                return Answer { account: None, capability, skip: Some(SkipReason::NotApplicable(why.clone())) };
            }
            Site::On(view) => *view,
        };
        let capability = capability(view, action);
        // Who comes back gets what was theirs, and who is there already needs nothing new.
        let on_account = action.place() != Place::System || action == ActionKind::AccountCreate;
        let account = if on_account { self.account_on(view) } else { None };
        let there = account.filter(|_| action == ActionKind::AccountCreate).and_then(in_use).map(SkipReason::NotNeeded);
        let why = missing(view, action, account)
            .and_then(|why| if account.is_some() { Some(why) } else { self.without_account(view, needs, why) })
            .or_else(|| unsupported(action, &capability));
        let skip = why.map(SkipReason::NotApplicable).or(there);
        Answer { account: account.map(|account| account.id), capability, skip }
    }

    fn account_on<'s>(&'s self, view: &'s SystemView) -> Option<&'s Account> {
        let own = match self.request.subject {
            Subject::Account(account) if account.system == view.name => Some(account.as_ref()),
            _ => None,
        };
        own.or(view.account.as_ref()).filter(|account| account.status != AccountStatus::Purged)
    }

    /// Why a step finds no account there: `why`, unless an earlier step of this plan makes it. What a person makes by
    /// hand comes complete from that person.
    fn without_account(&self, view: &SystemView, needs: &BTreeSet<u16>, why: String) -> Option<String> {
        match self.creation(view, needs).map(|create| &create.capability) {
            Some(Capability::Manual(_)) => {
                Some(format!("a person makes the account on `{}`, with all that belongs to it", view.name))
            }
            Some(_) => None,
            None => Some(why),
        }
    }

    /// The earlier step of this plan that creates the account there.
    fn creation(&self, view: &SystemView, needs: &BTreeSet<u16>) -> Option<&PlannedStep> {
        let mut open: Vec<u16> = needs.iter().copied().collect();
        let mut seen = BTreeSet::new();
        while let Some(step) = open.pop().and_then(|ordinal| self.steps.get(usize::from(ordinal))) {
            let here = step.system.as_deref() == Some(view.name.as_str());
            if here && step.action == ActionKind::AccountCreate && step.skip.is_none() {
                return Some(step);
            }
            open.extend(step.needs.iter().filter(|need| seen.insert(**need)));
        }
        None
    }
}

/// Why steps that send mail are left out.
pub const NO_MAIL: &str = "no mail server is configured";

/// Whether a step cannot be done without mail.
fn needs_mail(def: &StepDef) -> bool {
    let method = match def.with.get("method") {
        Some(Param::Literal(value)) => value.as_str(),
        Some(Param::Template(template)) => Some(template.source()),
        _ => None,
    };
    match def.action {
        ActionKind::NotifyEmail => true,
        ActionKind::CredentialsSend => method != Some("sealed"),
        ActionKind::PasswordReset => method == Some("link"),
        _ => false,
    }
}

fn capability(view: &SystemView, action: ActionKind) -> Capability {
    view.capabilities
        .get(&action)
        .cloned()
        .unwrap_or_else(|| Capability::Unsupported(format!("`{}` does not know `{action}`", view.name)))
}

/// What the action needs there and does not find.
fn missing(view: &SystemView, action: ActionKind, account: Option<&Account>) -> Option<String> {
    match action.place() {
        Place::On(facet) if !view.facets.contains(&facet) => {
            Some(format!("`{}` offers no {}", view.name, facet.as_str()))
        }
        Place::On(_) | Place::Account if account.is_none() => Some(format!("no account on `{}`", view.name)),
        _ => None,
    }
}

/// Why an action that cannot be done there is left out. `account.disable` never is: a door that cannot be closed must
/// be seen. The other cuts belong to some kinds of system only (a badge reader has no sessions).
fn unsupported(action: ActionKind, capability: &Capability) -> Option<String> {
    match capability {
        Capability::Unsupported(why) if action != ActionKind::AccountDisable => Some(why.clone()),
        _ => None,
    }
}
