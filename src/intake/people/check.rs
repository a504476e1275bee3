//! What can only be said of a file as a whole: keys that come twice, managers who are not in it, and how many of its
//! rows are wrong.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::file::Judged;
use super::problem::CsvProblem;
use super::rows::PersonRow;

/// Mistakes and warnings that are kept to be shown; the results file has all of them.
const KEPT: usize = 1000;

/// What was found in a file.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rows with a mistake.
    pub wrong: u64,
    /// The first mistakes, by line.
    pub mistakes: Vec<CsvProblem>,
    /// What is odd but no mistake; the first ones.
    pub warnings: Vec<CsvProblem>,
}

impl Tally {
    /// Counts a row.
    pub(super) fn count(&mut self, row: &Judged) {
        if let Judged::Wrong { problems, .. } = row {
            self.add(problems);
        }
    }

    fn add(&mut self, problems: &[CsvProblem]) {
        self.wrong += u64::from(!problems.is_empty());
        let room = KEPT.saturating_sub(self.mistakes.len());
        self.mistakes.extend(problems.iter().take(room).cloned());
    }

    fn warn(&mut self, line: u64, message: String) {
        if self.warnings.len() < KEPT {
            self.warnings.push(CsvProblem::line(line, message));
        }
    }
}

/// Managers by [`manager_key`]: the first line that names them, and who they are once they are found.
pub(super) type Managers = HashMap<String, (u64, Option<String>)>;

/// How managers are compared: addresses without regard to case, numbers as they are.
pub(super) fn manager_key(called: &str) -> String {
    if called.contains('@') { called.to_lowercase() } else { called.to_owned() }
}

/// The first reading of all rows.
#[derive(Debug)]
pub(super) struct Check {
    tally: Tally,
    /// A number for each key: eight bytes a row. Two different keys may share one.
    keys: Vec<u64>,
    managers: Managers,
}

impl Check {
    /// For so many rows, with the managers that they name.
    pub(super) fn new(rows: u64, managers: Managers) -> Self {
        let keys = Vec::with_capacity(usize::try_from(rows).unwrap_or(0));
        Self { tally: Tally::default(), keys, managers }
    }

    /// Looks at one row.
    pub(super) fn see(&mut self, person: &PersonRow, problems: &[CsvProblem]) {
        self.tally.add(problems);
        if person.employee_number.is_empty() {
            return;
        }
        self.keys.push(number_of(&person.employee_number));
        let address = person.email.said().map(|address| address.to_lowercase());
        for called in [Some(&person.employee_number), address.as_ref()].into_iter().flatten() {
            if let Some((_, found)) = self.managers.get_mut(called) {
                *found = Some(person.employee_number.clone());
            }
        }
        let manager = person.manager_number.said().map(|manager| manager_key(manager));
        if manager.is_some() && (manager.as_ref() == Some(&person.employee_number) || manager == address) {
            self.tally.warn(person.line, "is their own manager".to_owned());
        }
    }

    /// A second reading, where keys may come twice.
    pub(super) fn suspects(&mut self) -> Option<Suspects> {
        self.keys.sort_unstable();
        let twice = self.keys.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let suspects = Suspects { numbers: twice.collect(), lines: HashMap::new() };
        self.keys = Vec::new();
        (!suspects.numbers.is_empty()).then_some(suspects)
    }

    /// What was found, and who the managers are.
    pub(super) fn finish(mut self) -> (Tally, HashMap<String, String>) {
        let mut unknown: Vec<(u64, &String)> = self
            .managers
            .iter()
            .filter(|(_, (_, found))| found.is_none())
            .map(|(name, (line, _))| (*line, name))
            .collect();
        unknown.sort_unstable();
        for (line, manager) in unknown.into_iter().take(KEPT) {
            self.tally.warn(line, format!("manager `{manager}` is not in this file"));
        }
        self.tally.warnings.sort_by_key(|warning| warning.line);
        let found = self.managers.into_iter().filter_map(|(called, (_, found))| Some((called, found?)));
        (self.tally, found.collect())
    }
}

/// Keys that share their number with another.
#[derive(Debug)]
pub(super) struct Suspects {
    numbers: HashSet<u64>,
    /// The first line of each key, and whether it came again.
    lines: HashMap<String, (u64, bool)>,
}

impl Suspects {
    /// Looks at one row.
    pub(super) fn see(&mut self, person: &PersonRow) {
        let key = &person.employee_number;
        if key.is_empty() || !self.numbers.contains(&number_of(key)) {
            return;
        }
        match self.lines.get_mut(key) {
            Some((_, again)) => *again = true,
            None => drop(self.lines.insert(key.clone(), (person.line, false))),
        }
    }

    /// The keys that really come twice, with their first line.
    pub(super) fn repeated(self) -> BTreeMap<String, u64> {
        self.lines.into_iter().filter(|(_, (_, again))| *again).map(|(key, (line, _))| (key, line)).collect()
    }
}

fn number_of(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
