//! WHAT PEOPLE WRITE. Pure: text in, typed [`Workflow`] or a list of mistakes out.

pub mod action;
pub mod at;
pub mod definition;
pub mod diagnostic;
mod names;
pub mod params;
mod report;
pub mod schedule;
pub mod span;
pub mod template;
pub mod yaml;

pub use action::{ActionKind, Class, Facet, Nature, Place};
pub use definition::*;
pub use diagnostic::{Diagnostic, Severity};
pub use params::Params;
pub use schedule::next_after;
pub use span::Span;
pub use template::{Condition, Scope, Template, TemplateError};
/// TEMP until parser merged
pub fn parse(_f: &str, _t: &str) -> Result<(Workflow, Vec<Diagnostic>), Vec<Diagnostic>> {
    Err(vec![])
}
