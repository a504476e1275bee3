//! From cells to what a file says about each person.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::dates::{self, DateOrder};
use super::fields::Field;
use super::key::{self, KeyFrom};
use super::mapping::Columns;
use super::problem::CsvProblem;
use super::table::Row;
use super::values;
use crate::run::PersonStatus;
use crate::secret::Secret;

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
#[derive(Clone, Debug, Default)]
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
    /// A first password.
    pub password: Option<Secret>,
}

/// How dates are meant in each column of dates.
pub(super) type Orders = BTreeMap<Field, DateOrder>;

/// What is known of a file before its rows are read.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) columns: Columns,
    pub(super) width: usize,
    pub(super) orders: Orders,
    pub(super) key_from: Option<KeyFrom>,
}

impl Shape {
    /// What a row says, and what is wrong with it.
    pub(super) fn person(&self, row: &Row) -> (PersonRow, Vec<CsvProblem>) {
        let mut reader = RowReader { shape: self, row, problems: Vec::new() };
        let person = reader.person();
        (person, reader.problems)
    }
}

struct RowReader<'a> {
    shape: &'a Shape,
    row: &'a Row,
    problems: Vec<CsvProblem>,
}

impl RowReader<'_> {
    fn person(&mut self) -> PersonRow {
        if self.row.width() != self.shape.width {
            self.wrong(format!("{} columns, the heading has {}", self.row.width(), self.shape.width));
            return PersonRow { line: self.row.line, ..PersonRow::default() };
        }
        let mut person = PersonRow {
            line: self.row.line,
            employee_number: String::new(),
            given_name: self.text(Field::GivenName),
            family_name: self.text(Field::FamilyName),
            display_name: self.text(Field::DisplayName),
            email: self.checked(Field::Email, values::email),
            private_email: self.checked(Field::PrivateEmail, values::email),
            manager_number: self.text(Field::ManagerNumber),
            department: self.text(Field::Department),
            role: self.text(Field::Role),
            timezone: self.checked(Field::Timezone, values::zone),
            language: self.checked(Field::Language, values::language),
            start_date: self.date(Field::StartDate),
            last_day: self.date(Field::LastDay),
            leave_from: self.date(Field::LeaveFrom),
            leave_until: self.back_at_work(),
            leave_reason: self.text(Field::LeaveReason),
            status: self.checked(Field::Status, values::status),
            password: self.password(),
        };
        person.employee_number = self.key(&person);
        let says = |field| matches!(self.cell(field), Told::Said(_));
        let named = says(Field::DisplayName) || says(Field::FamilyName);
        if !named && !person.employee_number.is_empty() {
            self.wrong("no name");
        }
        person
    }

    /// The employee number, or what stands in for it.
    fn key(&mut self, person: &PersonRow) -> String {
        let (key, what) = match self.shape.key_from {
            _ if self.shape.columns.of.contains_key(&Field::EmployeeNumber) => {
                (self.text(Field::EmployeeNumber).said().cloned(), "employee number")
            }
            Some(KeyFrom::Email) => (person.email.said().map(|address| address.to_lowercase()), "mail address"),
            Some(KeyFrom::Name) | None => {
                let names = match (person.given_name.said(), person.family_name.said()) {
                    (None, None) => vec![person.display_name.said()],
                    (given, family) => vec![given, family],
                };
                (Some(key::of_names(names.into_iter().flatten().map(String::as_str))), "name")
            }
        };
        let key = key.unwrap_or_default();
        if key.is_empty() {
            self.wrong(format!("no {what}"));
        }
        key
    }

    fn wrong(&mut self, message: impl Into<String>) {
        self.problems.push(CsvProblem::line(self.row.line, message));
    }

    fn cell(&self, field: Field) -> Told<&str> {
        match self.shape.columns.of.get(&field).map(|at| self.row.cell(*at)) {
            None => Told::Silent,
            Some("") => Told::Nothing,
            Some(cell) => Told::Said(cell),
        }
    }

    fn checked<T>(&mut self, field: Field, read: impl FnOnce(&str) -> Result<T, String>) -> Told<T> {
        let read = match self.cell(field) {
            Told::Silent => return Told::Silent,
            Told::Nothing => return Told::Nothing,
            Told::Said(cell) => read(cell),
        };
        match read {
            Ok(value) => Told::Said(value),
            Err(message) => {
                self.wrong(format!("{}: {message}", field.as_str()));
                Told::Nothing
            }
        }
    }

    fn text(&mut self, field: Field) -> Told<String> {
        self.checked(field, values::text)
    }

    fn date(&mut self, field: Field) -> Told<Date> {
        // Without an order there is no such column.
        let Some(order) = self.shape.orders.get(&field).copied() else { return Told::Silent };
        // What several HR systems write for "no end".
        let ends = matches!(field, Field::LastDay | Field::LeaveUntil | Field::LeaveLastDay);
        match self.cell(field) {
            Told::Said(cell) if ends && cell.contains("9999") => Told::Nothing,
            _ => self.checked(field, |cell| dates::parse(cell, order)),
        }
    }

    /// The first day back at work: said, or the day after the last one away.
    fn back_at_work(&mut self) -> Told<Date> {
        let back = self.date(Field::LeaveUntil);
        let after = match self.date(Field::LeaveLastDay) {
            Told::Said(last) => Told::Said(last.tomorrow().unwrap_or(last)),
            other => other,
        };
        match (back, after) {
            (Told::Said(back), Told::Said(after)) if back != after => {
                self.wrong(format!("leave_until: {back} is not the day after the last day of the leave"));
                Told::Said(back)
            }
            (Told::Silent | Told::Nothing, after @ Told::Said(_)) | (Told::Silent, after) => after,
            (back, _) => back,
        }
    }

    /// What is wrong with a password is said without saying the password.
    fn password(&mut self) -> Option<Secret> {
        let fits = |cell: &str| {
            let fits = cell.chars().count() <= 200 && !cell.chars().any(char::is_control);
            if fits {
                Ok(Secret::new(cell))
            } else {
                Err("is longer than 200 characters or has a line break".to_owned())
            }
        };
        match self.checked(Field::Password, fits) {
            Told::Said(password) => Some(password),
            Told::Silent | Told::Nothing => None,
        }
    }
}
