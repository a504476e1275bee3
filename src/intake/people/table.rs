//! From text to rows: the delimiter found out, every row as wide as the heading, quotes balanced.

use super::problem::{CsvProblem, CsvProblems};

/// A file's heading and rows.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) headings: Vec<String>,
    pub(super) heading_line: u64,
    pub(super) rows: Vec<Row>,
    pub(super) delimiter: char,
}

/// One row and the line it starts on.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) cells: Vec<String>,
}

/// Splits `text`; every ragged row is named.
pub(super) fn split(text: &str) -> Result<Table, CsvProblems> {
    if let Some(line) = open_quote(text) {
        let message = "the quotation mark that opens here is never closed; is the file cut off?";
        return Err(CsvProblem::line(line, message).into());
    }
    let delimiter = delimiter_of(text);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| CsvProblem::file(format!("the file is not CSV: {error}")))?;
        let start = record.position().map_or(0, csv::Position::byte);
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(Row { line: line_at(text, start), cells });
        }
    }
    let heading = if rows.is_empty() { None } else { Some(rows.remove(0)) };
    let heading = heading.ok_or_else(|| CsvProblem::file("the file is empty"))?;
    refuse_ragged(&heading, &rows)?;
    Ok(Table { headings: heading.cells, heading_line: heading.line, rows, delimiter })
}

/// The line of the first byte of a record that is not a line end.
fn line_at(text: &str, start: u64) -> u64 {
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
    let skipped = text[start..].len() - text[start..].trim_start_matches(['\r', '\n']).len();
    text[..start + skipped].matches('\n').count() as u64 + 1
}

fn refuse_ragged(heading: &Row, rows: &[Row]) -> Result<(), CsvProblems> {
    let width = heading.cells.len();
    let ragged = rows.iter().enumerate().filter(|(_, row)| row.cells.len() != width);
    let problems: Vec<CsvProblem> = ragged
        .map(|(number, row)| {
            let last = number + 1 == rows.len() && row.cells.len() < width;
            let cut = if last { "; it is the last one: is the file cut off?" } else { "" };
            CsvProblem::line(row.line, format!("{} columns, the heading has {width}{cut}", row.cells.len()))
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(CsvProblems(problems)) }
}

/// The one of `;` `,` tab that the first line has most of, outside quotes.
fn delimiter_of(text: &str) -> char {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(';', 0), ('\t', 0), (',', 0)];
    for c in first.chars() {
        quoted ^= c == '"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && c == *delimiter);
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(',', |(delimiter, _)| delimiter)
}

/// The line of a quotation mark that opens a cell and is never closed.
fn open_quote(text: &str) -> Option<u64> {
    let mut line = 1;
    let mut opened = None;
    for c in text.chars() {
        match c {
            '"' => opened = if opened.is_some() { None } else { Some(line) },
            '\n' => line += 1,
            _ => {}
        }
    }
    opened
}
