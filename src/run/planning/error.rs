//! Why there is no plan, each with the thing and the way out.

use super::MAX_STEPS;
use crate::run::anchor::AnchorError;
use crate::run::inputs::InputError;
use crate::run::instant::UnknownZone;

impl PlanError {
    /// A stable word for scripts and `usher help CODE`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongSubject { .. } => "wrong_subject",
            Self::Inputs(_) => "inputs",
            Self::ZoneExpression { .. } => "zone_expression",
            Self::Zone { .. } => "zone",
            Self::UnknownSystem { .. } => "unknown_system",
            Self::When { .. } => "when",
            Self::EndsFirst { .. } => "ends_first",
            Self::NoRule { .. } => "no_rule",
            Self::Policy { .. } => "policy",
            Self::NoWait { .. } => "no_wait",
            Self::NoEnding { .. } => "no_ending",
            Self::Order(_) => "order",
            Self::TooManySteps(_) => "too_many_steps",
            Self::Systems { .. } => "systems",
        }
    }
}

/// Why there is no plan. Nothing has happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The workflow is for something else.
    #[error("workflow `{workflow}` is for a subject of kind `{expected}`, not `{given}`; choose another workflow")]
    WrongSubject {
        /// The workflow.
        workflow: String,
        /// What it is for.
        expected: &'static str,
        /// What it was given.
        given: &'static str,
    },
    /// Inputs are missing or wrong: all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Inputs(Vec<InputError>),
    /// The workflow's `timezone` cannot be rendered.
    #[error("the `timezone` of workflow `{workflow}` fails: {why}; correct the expression")]
    ZoneExpression {
        /// The workflow.
        workflow: String,
        /// The expression's own error.
        why: String,
    },
    /// Not a zone.
    #[error("{error} ({origin})")]
    Zone {
        /// Which name it is.
        error: UnknownZone,
        /// Where the name comes from.
        origin: String,
    },
    /// A step names a system that is not configured.
    #[error("step `{step}` names system `{system}`, which is not configured; {way_out}")]
    UnknownSystem {
        /// The step.
        step: String,
        /// The name.
        system: String,
        /// The nearest name, or all of them.
        way_out: String,
    },
    /// The expression that names a step's system has no value.
    #[error("step `{step}`: `systems` cannot be filled: {why}")]
    Systems {
        /// The step.
        step: String,
        /// Why.
        why: String,
    },
    /// An instant or span of a step has no value.
    #[error("step `{step}`: `{text}`: {why}")]
    When {
        /// The step.
        step: String,
        /// What was written.
        text: String,
        /// What is wrong, and the way out.
        why: AnchorError,
    },
    /// It would end before it begins.
    #[error("step `{step}` would end ({end}) before it begins ({begin}); correct its `until` or its `at`")]
    EndsFirst {
        /// The step.
        step: String,
        /// Its local end.
        end: String,
        /// Its local begin.
        begin: String,
    },
    /// The configuration has no calendar or policy that the workflow names.
    #[error("workflow `{workflow}` names the {kind} `{name}`, which is not configured; {way_out}")]
    NoRule {
        /// The workflow.
        workflow: String,
        /// `calendar` or `policy`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The nearest name, or where to write it.
        way_out: String,
    },
    /// The jurisdiction's policy does not allow it.
    #[error("step `{step}`: {why}; {way_out}")]
    Policy {
        /// The step.
        step: String,
        /// What is not allowed, and by which policy.
        why: String,
        /// The way out.
        way_out: String,
    },
    /// A destructive step may not follow at once.
    #[error("step `{step}`: `{field}` is zero, but `{action}` loses data; give it a span of at least an hour")]
    NoWait {
        /// The step.
        step: String,
        /// `delay` or `grace`.
        field: &'static str,
        /// What would follow at once.
        action: &'static str,
    },
    /// `until` on an action that nothing takes back, or `grace` on one that is no deletion.
    #[error("step `{step}`: `{action}` does not take `{field}`; remove it")]
    NoEnding {
        /// The step.
        step: String,
        /// Its action.
        action: &'static str,
        /// `until` or `grace`.
        field: &'static str,
    },
    /// Steps wait for each other or for a step that does not exist.
    #[error("step `{0}` waits for itself or for a step that does not exist; correct its `after`")]
    Order(String),
    /// More steps than anybody can oversee.
    #[error("the plan has more than {MAX_STEPS} steps; name fewer systems in `systems`, or split workflow `{0}`")]
    TooManySteps(String),
}
