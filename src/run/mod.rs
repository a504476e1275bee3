//! WHAT HAPPENS. Pure: plans, states, verdicts and the journal's form; no clock, no I/O.

pub mod advance;
pub mod anchor;
pub mod answers;
pub mod asking;
pub mod batch;
pub mod book;
pub mod business;
pub mod capability;
pub mod checkpoint;
pub mod conventions;
pub mod drift;
pub mod guard;
pub mod inputs;
pub mod instant;
pub mod journal;
pub mod limits;
#[cfg(test)]
mod lives;
mod manager;
pub mod matching;
pub mod naming;
pub(crate) mod nearest;
pub mod orders;
pub mod pace;
pub mod plan;
pub mod planning;
pub mod policy;
pub mod prepare;
pub mod protected;
pub mod reschedule;
pub mod rules;
#[cfg(test)]
pub(crate) mod sample;
pub mod settle;
pub mod state;
pub mod subject;
pub mod trip;
pub mod two_people;
pub mod undo;

pub use business::Holidays;
pub use capability::{Capability, Evidence, EvidenceKind};
pub use conventions::{Conventions, Department, Departments};
pub use inputs::{EventFacts, InputError, resolve_inputs};
pub use instant::{UnknownZone, after_delay, zone};
pub use matching::{MatchField, MatchRule, MatchRules};
pub use plan::{Fold, Lateness, LocalInstant, Plan, PlannedStep};
pub use planning::{NO_MAIL, PlanError, PlanRequest, Projected, plan, project};
pub use policy::{Policy, RedirectRule};
pub use prepare::{RunFacts, digest, render_params, scope};
pub use protected::{Governing, LoginPattern, Protected, Protects, another_role};
pub use rules::Rules;
pub use state::{HoldReason, IllegalTransition, RunState, SkipReason, StepEvent, StepState};
pub use subject::{Account, AccountStatus, Person, PersonStatus, Subject, SystemView};
pub use two_people::{NotTheirs, Users};
