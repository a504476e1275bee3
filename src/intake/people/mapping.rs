//! Which column holds which field.

use std::collections::BTreeMap;

use super::dates::DateOrder;
use super::fields::Field;
use super::problem::{CsvProblem, CsvProblems};
use super::table::Table;

/// What is said about a file beforehand (`--map`, `[people]` in the configuration); the rest is guessed from its
/// headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Heading and the field it holds; headings compare without regard to case. A later entry wins.
    pub columns: Vec<(String, Field)>,
    /// How dates with slashes are meant, where a file alone does not show it.
    pub dates: Option<DateOrder>,
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

/// The column of each field, and the headings nobody asked for.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) of: BTreeMap<Field, usize>,
    pub(super) ignored: Vec<String>,
}

/// Finds the columns; what is mapped by hand goes before what is guessed.
pub(super) fn columns(table: &Table, mapping: &Mapping) -> Result<Columns, CsvProblems> {
    let mut problems = Vec::new();
    let mut of = BTreeMap::new();
    for (column, field) in &mapping.columns {
        let wanted = column.to_lowercase();
        match table.headings.iter().position(|heading| heading.to_lowercase() == wanted) {
            Some(at) => drop(of.insert(*field, at)),
            None => {
                let known = table.headings.join("`, `");
                problems.push(CsvProblem::line(
                    table.heading_line,
                    format!("there is no column `{column}` for `{}`; the columns are `{known}`", field.as_str()),
                ));
            }
        }
    }
    let mut ignored = Vec::new();
    for (at, heading) in table.headings.iter().enumerate() {
        if of.values().any(|column| *column == at) {
            continue;
        }
        match Field::of_heading(heading) {
            Some(field) if mapping.columns.iter().any(|(_, mapped)| *mapped == field) => ignored.push(heading.clone()),
            Some(field) => match of.insert(field, at) {
                None => {}
                Some(first) => problems.push(CsvProblem::line(
                    table.heading_line,
                    format!(
                        "`{}` and `{heading}` both look like `{}`; choose one with --map '{heading}={}'",
                        table.headings[first],
                        field.as_str(),
                        field.as_str()
                    ),
                )),
            },
            None => ignored.push(heading.clone()),
        }
    }
    problems.extend(missing(&of, table));
    if problems.is_empty() { Ok(Columns { of, ignored }) } else { Err(CsvProblems(problems)) }
}

fn missing(of: &BTreeMap<Field, usize>, table: &Table) -> Option<CsvProblem> {
    let has = |field| of.contains_key(&field);
    let mut missing = Vec::new();
    if !has(Field::EmployeeNumber) {
        missing.push("employee_number");
    }
    let named = has(Field::DisplayName) || (has(Field::GivenName) && has(Field::FamilyName));
    if !named {
        missing.push("given_name and family_name (or display_name)");
    }
    let message = format!(
        "no column for {}; the columns are `{}`; say which is which with --map COLUMN=FIELD",
        missing.join(", nor for "),
        table.headings.join("`, `")
    );
    (!missing.is_empty()).then(|| CsvProblem::line(table.heading_line, message))
}
