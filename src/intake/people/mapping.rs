//! Which column holds which field.

use std::collections::BTreeMap;

use super::dates::DateOrder;
use super::fields::Field;
use super::key::KeyFrom;
use super::problem::{CsvProblem, CsvProblems};

/// What is said about a file beforehand (`--map`, `[people]` in the configuration); the rest is guessed from its
/// headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Heading and the field it holds; headings compare without regard to case. A later entry wins.
    pub columns: Vec<(String, Field)>,
    /// How dates with slashes are meant, where a file alone does not show it.
    pub dates: Option<DateOrder>,
    /// What stands in for an employee number where a file has no column for one.
    pub key_from: Option<KeyFrom>,
}

impl Mapping {
    /// Adds one `COLUMN=FIELD` of the command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let (column, name) = text
            .rsplit_once('=')
            .ok_or_else(|| format!("`{text}` is not COLUMN=FIELD, as `Staff no=employee_number`"))?;
        let field = Field::from_name(name.trim()).ok_or_else(|| {
            let names = Field::ALL.map(Field::as_str).join(", ");
            format!("`{}` is no field of a person; the fields are {names}", name.trim())
        })?;
        self.columns.push((column.trim().to_owned(), field));
        Ok(())
    }
}

/// A file's heading.
#[derive(Debug)]
pub(super) struct Heading {
    pub(super) line: u64,
    pub(super) columns: Vec<String>,
}

/// The column of each field, and the headings nobody asked for.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) of: BTreeMap<Field, usize>,
    pub(super) ignored: Vec<String>,
}

/// Finds the columns; what is mapped by hand goes before what is guessed.
pub(super) fn columns(heading: &Heading, mapping: &Mapping) -> Result<Columns, CsvProblems> {
    let mut problems = Vec::new();
    let mut of = BTreeMap::new();
    for (column, field) in &mapping.columns {
        let wanted = column.to_lowercase();
        match heading.columns.iter().position(|column| column.to_lowercase() == wanted) {
            Some(at) => drop(of.insert(*field, at)),
            None => {
                let known = heading.columns.join("`, `");
                problems.push(CsvProblem::line(
                    heading.line,
                    format!("there is no column `{column}` for `{}`; the columns are `{known}`", field.as_str()),
                ));
            }
        }
    }
    let mut ignored = Vec::new();
    for (at, column) in heading.columns.iter().enumerate() {
        if of.values().any(|taken| *taken == at) {
            continue;
        }
        match Field::of_heading(column) {
            Some(field) if mapping.columns.iter().any(|(_, mapped)| *mapped == field) => ignored.push(column.clone()),
            Some(field) => match of.insert(field, at) {
                None => {}
                Some(first) => problems.push(CsvProblem::line(
                    heading.line,
                    format!(
                        "`{}` and `{column}` both look like `{}`; choose one with --map '{column}={}'",
                        heading.columns[first],
                        field.as_str(),
                        field.as_str()
                    ),
                )),
            },
            None => ignored.push(column.clone()),
        }
    }
    problems.extend(missing(&of, heading, mapping.key_from));
    if problems.is_empty() { Ok(Columns { of, ignored }) } else { Err(CsvProblems(problems)) }
}

fn missing(of: &BTreeMap<Field, usize>, heading: &Heading, key_from: Option<KeyFrom>) -> Option<CsvProblem> {
    let has = |field| of.contains_key(&field);
    let named = has(Field::DisplayName) || (has(Field::GivenName) && has(Field::FamilyName));
    let mut missing = Vec::new();
    match key_from {
        _ if has(Field::EmployeeNumber) => {}
        None => missing.push("employee_number"),
        Some(KeyFrom::Email) if !has(Field::Email) => missing.push("email (the key, as asked for)"),
        Some(KeyFrom::Email | KeyFrom::Name) => {}
    }
    if !named {
        missing.push("given_name and family_name (or display_name)");
    }
    let keyless = if missing.contains(&"employee_number") {
        "; where HR has no numbers, --key-from email or --key-from name makes the key"
    } else {
        ""
    };
    let message = format!(
        "no column for {}; the columns are `{}`; say which is which with --map COLUMN=FIELD{keyless}",
        missing.join(", nor for "),
        heading.columns.join("`, `")
    );
    (!missing.is_empty()).then(|| CsvProblem::line(heading.line, message))
}
