//! HR's file of people: looked at whole before anything of it counts, then compared with what is known.
//!
//! [`PeopleFile`] reads a file of any size in pieces, several times, and tells every mistake. [`changes`] says what a
//! row means against the person as known: absence from a file never means anything.

mod changes;
mod check;
mod dates;
mod fields;
mod file;
mod headings;
mod key;
mod leave;
mod mapping;
mod problem;
mod rows;
mod source;
mod table;
mod text;
mod values;

pub use changes::{HrFact, changes};
pub use check::Tally;
pub use dates::DateOrder;
pub use fields::Field;
pub use file::{Judged, JudgedRows, PeopleFile, read_people};
pub use key::KeyFrom;
pub use mapping::Mapping;
pub use problem::{CsvProblem, CsvProblems};
pub use rows::{PersonRow, Told};

#[cfg(test)]
mod tests;
