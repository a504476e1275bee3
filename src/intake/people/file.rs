//! HR's file: looked at whole before anything of it counts, read row by row, never held in memory.
//!
//! What is kept while a file is read: eight bytes a row (to find keys that come twice), one entry for each manager,
//! and as many mistakes as anybody reads.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::check::{self, Tally};
use super::dates::{DateOrder, Slashes};
use super::fields::Field;
use super::mapping::{self, Columns, Heading, Mapping};
use super::problem::{CsvProblem, CsvProblems};
use super::rows::{Orders, PersonRow, Shape, Told};
use super::source::Source;
use super::table::{self, Rows};
use super::text::{self, Writing};

/// A file of people, its shape known.
#[derive(Debug)]
pub struct PeopleFile {
    source: Source,
    writing: Writing,
    shape: Shape,
    /// The heading that each field is read from.
    pub columns: Vec<(Field, String)>,
    /// Headings that hold no field of a person.
    pub ignored: Vec<String>,
    /// What separates the cells.
    pub delimiter: char,
    /// People in it, wrong rows among them.
    pub rows: u64,
    /// What was found when it was checked.
    pub tally: Tally,
    /// Keys that stand on several rows, and the first line of each.
    repeated: BTreeMap<String, u64>,
    /// Managers by what the file calls them: their key, where they are in it.
    managers: HashMap<String, String>,
    /// Names the file and how it is read.
    pub fingerprint: String,
}

/// A row, judged.
#[derive(Debug)]
pub enum Judged {
    /// What it says.
    Right(Box<PersonRow>),
    /// What is wrong with it.
    Wrong {
        /// Its line.
        line: u64,
        /// The person it is about, as far as it says so.
        key: String,
        /// Everything that is wrong.
        problems: Vec<CsvProblem>,
    },
}

/// Reads what is in memory and refuses it with any mistake.
///
/// # Errors
/// Every mistake with its line; nothing is to be taken in then.
pub fn read_people(bytes: &[u8], mapping: &Mapping) -> Result<PeopleFile, CsvProblems> {
    PeopleFile::of_bytes(bytes.to_vec(), mapping)?.without_mistake()
}

impl PeopleFile {
    /// The file at `path`, checked. Mistakes of single rows are in [`PeopleFile::tally`].
    ///
    /// # Errors
    /// When it cannot be read at all.
    pub fn open(path: &Path, mapping: &Mapping) -> Result<Self, CsvProblems> {
        let source = Source::of_file(path).map_err(|error: io::Error| super::source::unreadable(&error))?;
        Self::of(source, mapping)
    }

    /// What came through a pipe, checked.
    ///
    /// # Errors
    /// As [`PeopleFile::open`].
    pub fn of_bytes(bytes: Vec<u8>, mapping: &Mapping) -> Result<Self, CsvProblems> {
        Self::of(Source::Memory(bytes.into()), mapping)
    }

    fn of(source: Source, mapping: &Mapping) -> Result<Self, CsvProblems> {
        let writing = text::examine(&source)?;
        let delimiter = table::delimiter_of(&source, &writing)?;
        let Survey { heading, columns, slashes, managers, rows } = survey(&source, &writing, delimiter, mapping)?;
        let orders = orders(&heading, &columns, &slashes, mapping.dates)?;
        let named = columns.of.iter().map(|(field, at)| (*field, heading.columns[*at].clone())).collect();
        let fingerprint = fingerprint(&writing, &named, &orders, mapping);
        let ignored = columns.ignored.clone();
        let shape = Shape { columns, width: heading.columns.len(), orders, key_from: mapping.key_from };
        let mut file = Self {
            source,
            writing,
            shape,
            columns: named,
            ignored,
            delimiter,
            rows,
            tally: Tally::default(),
            repeated: BTreeMap::new(),
            managers: HashMap::new(),
            fingerprint,
        };
        file.check(managers)?;
        Ok(file)
    }

    fn check(&mut self, managers: check::Managers) -> Result<(), CsvProblems> {
        let mut check = check::Check::new(self.rows, managers);
        self.each(&mut |person, problems| check.see(person, problems))?;
        if let Some(mut suspects) = check.suspects() {
            self.each(&mut |person, _| suspects.see(person))?;
            self.repeated = suspects.repeated();
        }
        let (mut tally, managers) = check.finish();
        self.managers = managers;
        if !self.repeated.is_empty() {
            tally = Tally { warnings: tally.warnings, ..Tally::default() };
            let mut rows = self.judged()?;
            while let Some(row) = rows.next_row()? {
                tally.count(&row);
            }
        }
        self.tally = tally;
        Ok(())
    }

    /// Every row with what is wrong with it alone.
    fn each(&self, see: &mut dyn FnMut(&PersonRow, &[CsvProblem])) -> Result<(), CsvProblem> {
        let mut rows = self.table()?;
        let mut left = self.rows;
        while let Some(row) = rows.next()? {
            left = left.saturating_sub(1);
            let (person, mut problems) = self.shape.person(&row);
            if left == 0 && row.width() < self.shape.width {
                cut_off(&mut problems);
            }
            see(&person, &problems);
        }
        Ok(())
    }

    /// The rows behind the heading.
    fn table(&self) -> Result<Rows, CsvProblem> {
        let mut rows = Rows::new(&self.source, &self.writing, self.delimiter)?;
        rows.next()?;
        Ok(rows)
    }

    /// The file, where no row is wrong.
    ///
    /// # Errors
    /// The mistakes, as many as are kept.
    pub fn without_mistake(self) -> Result<Self, CsvProblems> {
        if self.tally.wrong == 0 { Ok(self) } else { Err(CsvProblems(self.tally.mistakes)) }
    }

    /// Every row, judged, from the first.
    ///
    /// # Errors
    /// When the file cannot be read any more, or is another by now.
    pub fn judged(&self) -> Result<JudgedRows<'_>, CsvProblem> {
        Ok(JudgedRows { file: self, rows: self.table()?, left: self.rows })
    }

    /// How the text is encoded.
    pub fn encoding(&self) -> &'static str {
        self.writing.encoding.name()
    }

    /// How dates with slashes are read, where the file has a column of dates.
    pub fn dates(&self) -> impl Iterator<Item = (Field, DateOrder)> + '_ {
        self.shape.orders.iter().map(|(field, order)| (*field, *order))
    }

    fn judge(&self, mut person: PersonRow, mut problems: Vec<CsvProblem>) -> Judged {
        match self.repeated.get(&person.employee_number) {
            Some(first) if *first == person.line => {
                let message = format!("employee number {} comes again on a later line", person.employee_number);
                problems.push(CsvProblem::line(person.line, message));
            }
            Some(first) => {
                let message = format!("employee number {} is on line {first} already", person.employee_number);
                problems.push(CsvProblem::line(person.line, message));
            }
            None => {}
        }
        if !problems.is_empty() {
            return Judged::Wrong { line: person.line, key: person.employee_number, problems };
        }
        if let Told::Said(manager) = &person.manager_number
            && let Some(number) = self.managers.get(&check::manager_key(manager))
            && *number != person.employee_number
        {
            person.manager_number = Told::Said(number.clone());
        }
        Judged::Right(Box::new(person))
    }
}

/// The rows of a file one by one.
#[derive(Debug)]
pub struct JudgedRows<'a> {
    file: &'a PeopleFile,
    rows: Rows,
    left: u64,
}

impl JudgedRows<'_> {
    /// The next one.
    ///
    /// # Errors
    /// When the file cannot be read any more, or has changed.
    pub fn next_row(&mut self) -> Result<Option<Judged>, CsvProblem> {
        let Some(row) = self.rows.next()? else {
            self.file.source.check_unchanged()?;
            return Ok(None);
        };
        self.left = self.left.saturating_sub(1);
        let (person, mut problems) = self.file.shape.person(&row);
        if self.left == 0 && row.width() < self.file.shape.width {
            cut_off(&mut problems);
        }
        Ok(Some(self.file.judge(person, problems)))
    }

    /// Passes over so many rows without judging them.
    ///
    /// # Errors
    /// As [`JudgedRows::next_row`].
    pub fn skip(&mut self, count: u64) -> Result<(), CsvProblem> {
        for _ in 0..count {
            self.rows.next()?;
            self.left = self.left.saturating_sub(1);
        }
        Ok(())
    }
}

fn cut_off(problems: &mut [CsvProblem]) {
    if let Some(first) = problems.first_mut() {
        first.message.push_str("; it is the last one: is the file cut off?");
    }
}

/// What one look over the whole table shows.
struct Survey {
    heading: Heading,
    columns: Columns,
    slashes: BTreeMap<Field, Slashes>,
    managers: check::Managers,
    rows: u64,
}

fn survey(source: &Source, writing: &Writing, delimiter: char, mapping: &Mapping) -> Result<Survey, CsvProblems> {
    let mut rows = Rows::new(source, writing, delimiter)?;
    let first = rows.next()?.ok_or_else(|| CsvProblem::file("the file is empty"))?;
    let heading = Heading { line: first.line, columns: first.cells().map(str::to_owned).collect() };
    let columns = mapping::columns(&heading, mapping)?;
    let dates = columns.of.iter().filter(|(field, _)| field.is_date());
    let mut slashes: BTreeMap<Field, Slashes> = dates.map(|(field, _)| (*field, Slashes::default())).collect();
    let manager = columns.of.get(&Field::ManagerNumber).copied();
    let mut managers = check::Managers::new();
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        for (field, seen) in &mut slashes {
            seen.see(columns.of.get(field).map_or("", |at| row.cell(*at)));
        }
        let called = manager.map(|at| row.cell(at)).filter(|called| !called.is_empty());
        if let Some(called) = called.map(check::manager_key).filter(|called| !managers.contains_key(called)) {
            managers.insert(called, (row.line, None));
        }
    }
    if count == 0 {
        return Err(CsvProblem::file("the file has a heading and no people").into());
    }
    Ok(Survey { heading, columns, slashes, managers, rows: count })
}

/// The order of each column of dates; one that does not show its own follows another of the same file.
fn orders(
    heading: &Heading,
    columns: &Columns,
    slashes: &BTreeMap<Field, Slashes>,
    said: Option<DateOrder>,
) -> Result<Orders, CsvProblems> {
    let shown = slashes.values().find(|seen| seen.shows()).and_then(|seen| seen.order().ok());
    let mut problems = Vec::new();
    let mut orders = Orders::new();
    for (field, seen) in slashes {
        match (said, seen.order(), shown) {
            (Some(order), ..) | (None, Ok(order), _) | (None, Err(_), Some(order)) => {
                orders.insert(*field, order);
            }
            (None, Err(message), None) => {
                let message =
                    format!("column `{}`: {message}", columns.of.get(field).map_or("", |at| &heading.columns[*at]));
                problems.push(CsvProblem::file(message));
            }
        }
    }
    if problems.is_empty() { Ok(orders) } else { Err(CsvProblems(problems)) }
}

/// The same file read in the same way has the same one.
fn fingerprint(writing: &Writing, columns: &Vec<(Field, String)>, orders: &Orders, mapping: &Mapping) -> String {
    let reading =
        format!("{}\n{}\n{columns:?}\n{orders:?}\n{:?}", writing.digest, writing.encoding.name(), mapping.key_from);
    hex::encode(Sha256::digest(reading))
}
