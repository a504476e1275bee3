//! WHAT PEOPLE WRITE. Pure: text in, typed [`Workflow`] or a list of mistakes out.
//!
//! A file's way through the room: `yaml` makes a tree that knows its places, `parse` reads the top, `inputs`,
//! `triggers` and `steps` (with `at`, `systems`, `with`, `names`) its parts, `check` what holds between steps, `lint`
//! what is probably not meant. All of them write into one `report`, which becomes `diagnostic`s.

pub mod action;
pub mod at;
mod check;
pub mod codes;
pub mod definition;
pub mod diagnostic;
pub mod inputs;
mod lint;
pub mod messages;
mod names;
pub mod params;
pub mod parse;
mod report;
pub mod schedule;
pub mod schema;
pub mod select;
pub mod shipped;
pub mod span;
mod steps;
mod syntax;
mod systems;
pub mod template;
#[cfg(test)]
mod tests;
mod triggers;
mod with;
pub mod yaml;

pub use action::{ActionKind, Class, Facet, Nature, Place};
pub use codes::Code;
pub use definition::*;
pub use diagnostic::{Diagnostic, Severity};
pub use names::PERSON;
pub use params::Params;
pub use parse::{Checked, check_all, parse};
pub use schedule::next_after;
pub use select::{AccountSelection, PersonSelection, Selector};
pub use shipped::SHIPPED;
pub use span::Span;
pub use systems::{Known, check_mail_templates, check_names};
pub use template::{Condition, Scope, Template, TemplateError};
