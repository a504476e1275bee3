//! HR's file of people: read whole, judged whole, then compared with what is known.
//!
//! [`read_people`] gives every row or every mistake, never a part. [`changes`] says what a row means against the
//! person as known: absence from a file never means anything.

mod changes;
mod dates;
mod fields;
mod headings;
mod leave;
mod mapping;
mod problem;
mod rows;
mod table;
mod text;

pub use changes::{HrFact, changes};
pub use dates::DateOrder;
pub use fields::Field;
pub use mapping::Mapping;
pub use problem::{CsvProblem, CsvProblems};
pub use rows::{Feed, PersonRow, Told, read_people};

#[cfg(test)]
mod tests;
