//! From cells to what a file says about each person.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::dates::{self, DateOrder};
use super::fields::Field;
use super::mapping::{self, Columns, Mapping};
use super::problem::{CsvProblem, CsvProblems};
use super::table::{self, Row, Table};
use super::text;
use crate::run::PersonStatus;

/// The longest cell that is a name or an address.
const LONGEST: usize = 200;

/// What a file says about one field: a missing column says nothing, an empty cell says "none".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Told<T> {
    /// There is no such column: what is known stays.
    #[default]
    Silent,
    /// The cell is empty.
    Nothing,
    /// The cell says so.
    Said(T),
}

impl<T: Clone> Told<T> {
    /// What holds now, where `known` held before.
    pub fn over(&self, known: Option<T>) -> Option<T> {
        match self {
            Self::Silent => known,
            Self::Nothing => None,
            Self::Said(value) => Some(value.clone()),
        }
    }

    /// What the cell says.
    pub fn said(&self) -> Option<&T> {
        match self {
            Self::Said(value) => Some(value),
            Self::Silent | Self::Nothing => None,
        }
    }
}

/// One person as a file tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonRow {
    /// The line of the file.
    pub line: u64,
    /// The key.
    pub employee_number: String,
    /// First name or names.
    pub given_name: Told<String>,
    /// Last name.
    pub family_name: Told<String>,
    /// As shown to others.
    pub display_name: Told<String>,
    /// Work address.
    pub email: Told<String>,
    /// Private address.
    pub private_email: Told<String>,
    /// Employee number of the manager.
    pub manager_number: Told<String>,
    /// Department.
    pub department: Told<String>,
    /// What they do.
    pub role: Told<String>,
    /// IANA zone.
    pub timezone: Told<String>,
    /// BCP 47 language.
    pub language: Told<String>,
    /// First working day.
    pub start_date: Told<Date>,
    /// Last working day.
    pub last_day: Told<Date>,
    /// First day of a leave.
    pub leave_from: Told<Date>,
    /// First day back at work.
    pub leave_until: Told<Date>,
    /// Why they are away.
    pub leave_reason: Told<String>,
    /// Where they stand.
    pub status: Told<PersonStatus>,
}

/// A whole file, all right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Everybody in it, in the file's order.
    pub rows: Vec<PersonRow>,
    /// What is odd but no mistake.
    pub warnings: Vec<CsvProblem>,
    /// The heading that each field was read from.
    pub columns: Vec<(Field, String)>,
    /// Headings that hold no field of a person.
    pub ignored: Vec<String>,
    /// How the text was encoded.
    pub encoding: &'static str,
    /// What separates the cells.
    pub delimiter: char,
}

/// Reads HR's file.
///
/// # Errors
/// Every mistake in it with its line; nothing is to be taken in then.
pub fn read_people(bytes: &[u8], mapping: &Mapping) -> Result<Feed, CsvProblems> {
    let (text, encoding) = text::decode(bytes)?;
    let table = table::split(&text)?;
    let columns = mapping::columns(&table, mapping)?;
    if table.rows.is_empty() {
        return Err(CsvProblem::file("the file has a heading and no people").into());
    }
    let mut reader = Reader { table: &table, columns: &columns, problems: Vec::new(), warnings: Vec::new() };
    let orders = reader.orders(mapping.dates);
    let mut rows: Vec<PersonRow> = table.rows.iter().map(|row| reader.person(row, &orders)).collect();
    reader.duplicates(&rows);
    reader.managers(&mut rows);
    let Reader { mut problems, warnings, .. } = reader;
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.line);
        return Err(CsvProblems(problems));
    }
    let named = columns.of.iter().map(|(field, at)| (*field, table.headings[*at].clone())).collect();
    Ok(Feed { rows, warnings, columns: named, ignored: columns.ignored, encoding, delimiter: table.delimiter })
}

struct Reader<'a> {
    table: &'a Table,
    columns: &'a Columns,
    problems: Vec<CsvProblem>,
    warnings: Vec<CsvProblem>,
}

type Orders = BTreeMap<Field, DateOrder>;

impl Reader<'_> {
    /// The order of each column of dates; one that does not show its own follows another of the same file.
    fn orders(&mut self, said: Option<DateOrder>) -> Orders {
        let columns = self.columns.of.iter().filter(|(field, _)| field.is_date());
        let found: Vec<_> = columns
            .map(|(field, at)| {
                (*field, *at, dates::order_of(self.table.rows.iter().map(|row| row.cells[*at].as_str())))
            })
            .collect();
        let shown = found.iter().find(|(_, at, order)| order.is_ok() && self.has_slashes(*at));
        let fallback = said.or(shown.and_then(|(_, _, order)| order.as_ref().ok().copied()));
        let mut orders = Orders::new();
        for (field, at, order) in found {
            match (said, order, fallback) {
                (Some(order), ..) | (None, Ok(order), _) | (None, Err(_), Some(order)) => {
                    orders.insert(field, order);
                }
                (None, Err(message), None) => {
                    let heading = &self.table.headings[at];
                    self.problems.push(CsvProblem::file(format!("column `{heading}`: {message}")));
                }
            }
        }
        orders
    }

    fn has_slashes(&self, at: usize) -> bool {
        self.table.rows.iter().any(|row| row.cells[at].contains('/'))
    }

    fn person(&mut self, row: &Row, orders: &Orders) -> PersonRow {
        let number = self.text(row, Field::EmployeeNumber);
        if number.said().is_none() {
            self.problems.push(CsvProblem::line(row.line, "no employee number"));
        }
        let person = PersonRow {
            line: row.line,
            employee_number: number.over(None).unwrap_or_default(),
            given_name: self.text(row, Field::GivenName),
            family_name: self.text(row, Field::FamilyName),
            display_name: self.text(row, Field::DisplayName),
            email: self.checked(row, Field::Email, email),
            private_email: self.checked(row, Field::PrivateEmail, email),
            manager_number: self.text(row, Field::ManagerNumber),
            department: self.text(row, Field::Department),
            role: self.text(row, Field::Role),
            timezone: self.checked(row, Field::Timezone, zone),
            language: self.checked(row, Field::Language, language),
            start_date: self.date(row, Field::StartDate, orders),
            last_day: self.date(row, Field::LastDay, orders),
            leave_from: self.date(row, Field::LeaveFrom, orders),
            leave_until: self.back_at_work(row, orders),
            leave_reason: self.text(row, Field::LeaveReason),
            status: self.checked(row, Field::Status, status),
        };
        let says = |field| matches!(self.cell(row, field), Told::Said(_));
        let named = says(Field::DisplayName) || says(Field::FamilyName);
        if !named && number.said().is_some() {
            self.problems.push(CsvProblem::line(row.line, "no name"));
        }
        person
    }

    fn cell<'r>(&self, row: &'r Row, field: Field) -> Told<&'r str> {
        match self.columns.of.get(&field).map(|at| row.cells[*at].as_str()) {
            None => Told::Silent,
            Some("") => Told::Nothing,
            Some(cell) => Told::Said(cell),
        }
    }

    fn checked<T>(&mut self, row: &Row, field: Field, read: impl FnOnce(&str) -> Result<T, String>) -> Told<T> {
        match self.cell(row, field) {
            Told::Silent => Told::Silent,
            Told::Nothing => Told::Nothing,
            Told::Said(cell) => match read(cell) {
                Ok(value) => Told::Said(value),
                Err(message) => {
                    self.problems.push(CsvProblem::line(row.line, format!("{}: {message}", field.as_str())));
                    Told::Nothing
                }
            },
        }
    }

    fn text(&mut self, row: &Row, field: Field) -> Told<String> {
        self.checked(row, field, |cell| match cell.chars().count() {
            ..=LONGEST if !cell.contains(['\n', '\r', '\t']) => Ok(cell.to_owned()),
            ..=LONGEST => Err("has a line break".to_owned()),
            length => Err(format!("{length} characters; {LONGEST} is the most")),
        })
    }

    fn date(&mut self, row: &Row, field: Field, orders: &Orders) -> Told<Date> {
        // Without an order the column's own mistake has been said.
        let Some(order) = orders.get(&field).copied() else { return Told::Silent };
        // What several HR systems write for "no end".
        let ends = matches!(field, Field::LastDay | Field::LeaveUntil | Field::LeaveLastDay);
        let for_ever = |cell: &str| ends && cell.contains("9999");
        match self.cell(row, field) {
            Told::Said(cell) if for_ever(cell) => Told::Nothing,
            _ => self.checked(row, field, |cell| dates::parse(cell, order)),
        }
    }

    /// The first day back at work: said, or the day after the last one away.
    fn back_at_work(&mut self, row: &Row, orders: &Orders) -> Told<Date> {
        let back = self.date(row, Field::LeaveUntil, orders);
        let after = match self.date(row, Field::LeaveLastDay, orders) {
            Told::Said(last) => Told::Said(last.tomorrow().unwrap_or(last)),
            other => other,
        };
        match (back, after) {
            (Told::Said(back), Told::Said(after)) if back != after => {
                let message = format!("leave_until: {back} is not the day after the last day of the leave");
                self.problems.push(CsvProblem::line(row.line, message));
                Told::Said(back)
            }
            (Told::Silent | Told::Nothing, after @ Told::Said(_)) | (Told::Silent, after) => after,
            (back, _) => back,
        }
    }

    fn duplicates(&mut self, rows: &[PersonRow]) {
        let mut first: BTreeMap<&str, u64> = BTreeMap::new();
        for row in rows.iter().filter(|row| !row.employee_number.is_empty()) {
            match first.get(row.employee_number.as_str()) {
                None => drop(first.insert(&row.employee_number, row.line)),
                Some(line) => {
                    let message = format!("employee number {} is on line {line} already", row.employee_number);
                    self.problems.push(CsvProblem::line(row.line, message));
                }
            }
        }
    }

    /// Managers named by address become numbers; unknown ones are odd, but may be known from an earlier file.
    fn managers(&mut self, rows: &mut [PersonRow]) {
        let numbers: BTreeMap<String, String> = rows
            .iter()
            .flat_map(|row| {
                let address = row.email.said().map(|address| address.to_lowercase());
                address.into_iter().chain([row.employee_number.clone()]).map(|key| (key, row.employee_number.clone()))
            })
            .collect();
        for row in rows {
            let Told::Said(manager) = &row.manager_number else { continue };
            let found = numbers.get(manager).or_else(|| numbers.get(&manager.to_lowercase()));
            match found {
                Some(number) if *number == row.employee_number => {
                    self.warnings.push(CsvProblem::line(row.line, "is their own manager"));
                }
                Some(number) => row.manager_number = Told::Said(number.clone()),
                None => {
                    let message = format!("manager `{manager}` is not in this file");
                    self.warnings.push(CsvProblem::line(row.line, message));
                }
            }
        }
    }
}

/// RFC 5321's shape, no more: one `@`, a name before it, a domain with a dot after it, nothing that could end a header.
fn email(cell: &str) -> Result<String, String> {
    let strange = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')' | ':' | '\\');
    let domain_fits = |domain: &str| {
        domain.contains('.') && domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-'))
    };
    match cell.split_once('@') {
        Some((name, domain))
            if !name.is_empty()
                && !domain.contains('@')
                && domain_fits(domain)
                && cell.len() <= 254
                && !cell.contains(strange) =>
        {
            Ok(cell.to_owned())
        }
        _ => Err(format!("`{cell}` is no mail address")),
    }
}

fn zone(cell: &str) -> Result<String, String> {
    jiff::tz::TimeZone::get(cell)
        .map(|zone| zone.iana_name().unwrap_or(cell).to_owned())
        .map_err(|_| format!("`{cell}` is no IANA time zone, as `Europe/Zurich` is one"))
}

fn language(cell: &str) -> Result<String, String> {
    let mut parts = cell.split(['-', '_']);
    let first = parts.next().is_some_and(|part| (2..=3).contains(&part.len()));
    let fits = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if first && cell.split(['-', '_']).all(fits) {
        Ok(cell.replace('_', "-"))
    } else {
        Err(format!("`{cell}` is no language tag, as `de` or `fr-CH` are"))
    }
}

fn status(cell: &str) -> Result<PersonStatus, String> {
    let known = match cell.to_lowercase().as_str() {
        "prehire" | "pre-hire" | "future" | "hired" => Some(PersonStatus::Prehire),
        "active" | "employed" | "actif" | "active(e)" | "aktiv" | "angestellt" | "attivo" | "attiva" => {
            Some(PersonStatus::Active)
        }
        "on_leave" | "on leave" | "leave" | "en congé" | "abwesend" | "beurlaubt" | "in congedo" => {
            Some(PersonStatus::OnLeave)
        }
        "leaving" | "notice" | "gekündigt" | "en préavis" | "in uscita" => Some(PersonStatus::Leaving),
        "left" | "inactive" | "terminated" | "former" | "sorti" | "sortie" | "inactif" | "ausgetreten" | "inaktiv"
        | "cessato" | "cessata" | "uscito" | "uscita" | "inattivo" => Some(PersonStatus::Left),
        other => PersonStatus::from_name(other),
    };
    let words = PersonStatus::ALL.map(PersonStatus::as_str).join(", ");
    known.ok_or_else(|| format!("`{cell}` is no status; the statuses are {words}"))
}
