//! WHAT HAPPENS. Pure: plans, states, verdicts and the journal's form; no clock, no I/O.

pub mod capability;
pub mod plan;
pub mod state;
pub mod subject;

pub use capability::{Capability, Evidence, EvidenceKind};
pub use plan::{Fold, Lateness, LocalInstant, Plan, PlannedStep};
pub use state::{HoldReason, IllegalTransition, RunState, SkipReason, StepEvent, StepState};
pub use subject::{Account, AccountStatus, Person, PersonStatus, Subject, SystemView};
