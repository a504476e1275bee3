//! What a jurisdiction allows: redirects of a leaver's mail, and how long an auto-reply may answer.
//!
//! A policy is enforced when a plan is made, so that what is not allowed is not even planned. What can change until a
//! step's time comes (its `when`, its reason, the policy itself) is judged once more at the claim.

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};

use super::business::Holidays;
use super::plan::{Plan, PlannedStep};
use super::planning::{PlanError, project};
use super::prepare::render_params;
use crate::workflow::{ActionKind, Scope, Span, StepDef, Workflow};

/// Whether mail may be sent on to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectRule {
    /// Never.
    Forbidden,
    /// Only where the workflow gives a reason.
    WithReason,
    /// As the workflow says.
    #[default]
    Allowed,
}

impl RedirectRule {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Forbidden, Self::WithReason, Self::Allowed];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::WithReason => "with_reason",
            Self::Allowed => "allowed",
        }
    }
}

/// `[policy]`, `[policies.NAME]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Its place in the configuration, `policy` or `policies.belgium`.
    pub name: String,
    /// Whether mail may be redirected.
    pub redirect: RedirectRule,
    /// Longest auto-reply; `None` is without limit.
    pub auto_reply_max: Option<Span>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { name: "policy".to_owned(), redirect: RedirectRule::Allowed, auto_reply_max: None }
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]: redirect {}, auto-reply ", self.name, self.redirect.as_str())?;
        match &self.auto_reply_max {
            Some(max) => write!(f, "at most {}", max.words()),
            None => f.write_str("without limit"),
        }
    }
}

impl Policy {
    /// Whether it limits anything.
    pub fn limits(&self) -> bool {
        self.redirect != RedirectRule::Allowed || self.auto_reply_max.is_some()
    }

    /// What is wrong with a redirect that has these parameters.
    pub fn redirect_problem(&self, with: &Map<String, Value>) -> Option<String> {
        let reason = with.get("reason").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        match self.redirect {
            RedirectRule::Forbidden => Some(format!("[{}] forbids to redirect mail", self.name)),
            RedirectRule::WithReason if reason.is_empty() => {
                Some(format!("[{}] asks for a reason to redirect mail, and there is none", self.name))
            }
            RedirectRule::WithReason | RedirectRule::Allowed => None,
        }
    }

    /// Refuses a plan that the policy does not allow. Steps that are already known not to take place do not count.
    ///
    /// # Errors
    /// [`PlanError::Policy`], which names policy, step and way out.
    pub fn judge(&self, workflow: &Workflow, plan: &Plan, scope: &Scope, holidays: &Holidays) -> Result<(), PlanError> {
        if !self.limits() {
            return Ok(());
        }
        let due = project(plan, holidays).map_err(|error| PlanError::Zone { error, origin: "the plan".to_owned() })?;
        for step in plan.steps.iter().filter(|step| step.skip.is_none() && step.of.is_none()) {
            let Some(def) = workflow.step(&step.name).filter(|def| takes_place(def, scope)) else { continue };
            match step.action {
                ActionKind::MailRedirect => self.judge_redirect(def, scope)?,
                ActionKind::MailAutoReply => {
                    let begin = due.get(usize::from(step.ordinal)).and_then(|step| step.due).unwrap_or(plan.start);
                    self.judge_reply(plan, step, begin)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn judge_redirect(&self, def: &StepDef, scope: &Scope) -> Result<(), PlanError> {
        // What cannot be rendered yet is judged at the claim.
        let with = render_params(&def.with, scope).unwrap_or_default();
        let Some(why) = self.redirect_problem(&with) else { return Ok(()) };
        let way_out = match self.redirect {
            RedirectRule::Forbidden => "take the step out, or leave it out with `when`",
            _ => "give it a `reason` in its `with`",
        };
        Err(PlanError::Policy { step: def.id.clone(), why, way_out: way_out.to_owned() })
    }

    fn judge_reply(&self, plan: &Plan, step: &PlannedStep, begin: jiff::Timestamp) -> Result<(), PlanError> {
        let Some(max) = &self.auto_reply_max else { return Ok(()) };
        let max_words = max.words();
        let refused = |why: String| {
            let way_out = format!("end it within {max_words} after it begins, with `until`");
            Err(PlanError::Policy { step: step.name.clone(), why, way_out })
        };
        let ending = plan.steps.iter().find(|other| other.of == Some(step.ordinal)).and_then(|end| end.at.as_ref());
        let Some(end) = ending else {
            return refused(format!("[{}] allows an auto-reply for {max_words}, and this one never ends", self.name));
        };
        let zone = super::instant::zone(&plan.zone).unwrap_or(TimeZone::UTC);
        let (first, last) = (zone.to_datetime(begin).date(), zone.to_datetime(end.at).date());
        let limit = match max {
            Span::Calendar(span) => first.checked_add(span.0).unwrap_or(jiff::civil::Date::MAX),
            Span::BusinessDays(days) => {
                Holidays::default().step(first, i64::from(*days)).unwrap_or(jiff::civil::Date::MAX)
            }
        };
        if last <= limit {
            return Ok(());
        }
        refused(format!(
            "[{}] allows an auto-reply for {max_words}, and this one answers from {first} to {last}",
            self.name
        ))
    }
}

/// Whether a step's `when` lets it take place, as far as can be said now: what cannot be decided yet may.
fn takes_place(def: &StepDef, scope: &Scope) -> bool {
    !def.when.as_ref().is_some_and(|when| matches!(when.holds(scope), Ok(false)))
}

#[cfg(test)]
mod tests;
