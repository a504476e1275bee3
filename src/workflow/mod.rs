//! WHAT PEOPLE WRITE. Pure: text in, typed [`Workflow`] or a list of mistakes out.

pub mod action;
pub mod definition;
pub mod span;
pub mod template;

pub use action::{ActionKind, Class, Facet, Nature, Place};
pub use definition::*;
pub use span::Span;
pub use template::{Condition, Scope, Template, TemplateError};
