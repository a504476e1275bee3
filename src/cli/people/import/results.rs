//! What became of each row of a file, as a file.

use std::path::Path;

use super::super::super::house::House;
use super::super::super::{CliError, listing};
use crate::intake::feed::Taken;
use crate::intake::people::{CsvProblem, Judged, PeopleFile};
use crate::report::{Cell, Draft, Format, Sheet};
use crate::store::{EventRow, RowOutcome};

/// The columns, whatever the import.
pub(super) const COLUMNS: &[&str] = &["line", "key", "outcome", "message", "events"];

/// Begins a file of results.
pub(super) fn begin(path: &Path) -> Result<Sheet<'static>, CliError> {
    let draft = Draft::begin(path).map_err(|error| listing::unwritten(path, &error.into()))?;
    Sheet::file(Format::Csv, COLUMNS, false, draft).map_err(|error| listing::unwritten(path, &error))
}

/// One line of it.
pub(super) fn line(
    sheet: &mut Sheet<'_>,
    path: &Path,
    (line, key): (u64, &str),
    outcome: RowOutcome,
    message: String,
    events: Vec<String>,
) -> Result<(), CliError> {
    let line = i64::try_from(line).unwrap_or(i64::MAX);
    let cells = [Cell::Number(line), key.into(), outcome.as_str().into(), message.into(), Cell::Many(events)];
    sheet.row(&cells).map_err(|error| listing::unwritten(path, &error))
}

/// All mistakes of a row in one text.
pub(super) fn message(problems: &[CsvProblem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// The rows that are wrong, of a file that is refused.
pub(super) fn mistakes(file: &PeopleFile, path: &Path) -> Result<(), CliError> {
    let mut sheet = begin(path)?;
    let mut rows = file.judged().map_err(changed)?;
    while let Some(row) = rows.next_row().map_err(changed)? {
        if let Judged::Wrong { line: at, key, problems } = row {
            line(&mut sheet, path, (at, &key), RowOutcome::Error, message(&problems), Vec::new())?;
        }
    }
    sheet.end().map_err(|error| listing::unwritten(path, &error))?;
    Ok(())
}

/// Every row of a file that is taken in, with what it led to.
pub(super) async fn outcomes(house: &House, file: &PeopleFile, taken: &Taken, path: &Path) -> Result<(), CliError> {
    let mut sheet = begin(path)?;
    let mut rows = file.judged().map_err(changed)?;
    let mut first = 0;
    loop {
        let outcomes = house.store().row_outcomes(&taken.import, first).await?;
        if outcomes.is_empty() {
            break;
        }
        let end = first + outcomes.len() as u64;
        let events = house.store().events_of_rows(&taken.import, first, end).await?;
        let mut events = events.iter().peekable();
        for (number, outcome) in (first..).zip(outcomes) {
            let mut mine = Vec::new();
            while let Some((_, event)) = events.next_if(|(row, _)| *row == number) {
                mine.push(words(event));
            }
            match rows.next_row().map_err(changed)? {
                Some(Judged::Right(row)) => {
                    line(&mut sheet, path, (row.line, &row.employee_number), outcome, String::new(), mine)?;
                }
                Some(Judged::Wrong { line: at, key, problems }) => {
                    line(&mut sheet, path, (at, &key), RowOutcome::Error, message(&problems), mine)?;
                }
                None => break,
            }
        }
        first = end;
    }
    sheet.end().map_err(|error| listing::unwritten(path, &error))?;
    Ok(())
}

/// `departure: run_12`
fn words(event: &EventRow) -> String {
    let kind = event.kind.as_str();
    match (event.state.as_str(), event.note.as_deref()) {
        ("started", Some(runs)) => format!("{kind}: {runs}"),
        (state, Some(note)) => format!("{kind}: {state}, {note}"),
        (state, None) => format!("{kind}: {state}"),
    }
}

pub(super) fn changed(problem: CsvProblem) -> CliError {
    CliError::environment("file", problem.to_string())
}
