//! From text to rows: the delimiter found out, one row after the other, each with its line.

use std::fmt;
use std::io::Read;

use csv::StringRecord;

use super::problem::CsvProblem;
use super::source::{Source, unreadable};
use super::text::{Decoded, Writing};

/// One row and the line it starts on.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    cells: StringRecord,
}

impl Row {
    /// The cell in a column, without blanks around it; nothing in a row that is too short.
    pub(super) fn cell(&self, at: usize) -> &str {
        self.cells.get(at).unwrap_or_default()
    }

    pub(super) fn width(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter()
    }
}

/// The rows of a file that are not empty, the heading among them.
pub(super) struct Rows {
    reader: csv::Reader<Decoded>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[rows]")
    }
}

impl Rows {
    pub(super) fn new(source: &Source, writing: &Writing, delimiter: char) -> Result<Self, CsvProblem> {
        let reader = csv::ReaderBuilder::new()
            .delimiter(u8::try_from(delimiter).unwrap_or(b','))
            .terminator(csv::Terminator::Any(b'\n'))
            .has_headers(false)
            .flexible(true)
            .from_reader(Decoded::new(source, writing)?);
        Ok(Self { reader })
    }

    /// The next row.
    pub(super) fn next(&mut self) -> Result<Option<Row>, CsvProblem> {
        let mut cells = StringRecord::new();
        loop {
            let more = self
                .reader
                .read_record(&mut cells)
                .map_err(|error| CsvProblem::file(format!("the file is not CSV: {error}")))?;
            if !more {
                return Ok(None);
            }
            let inside: usize = cells.iter().map(|cell| cell.matches('\n').count()).sum();
            cells.trim();
            if cells.iter().any(|cell| !cell.is_empty()) {
                // The reader stands behind the row's own line end.
                let line = self.reader.position().line().saturating_sub(1 + inside as u64);
                return Ok(Some(Row { line, cells }));
            }
        }
    }
}

/// The one of `;` `,` tab that the first line has most of, outside quotes.
pub(super) fn delimiter_of(source: &Source, writing: &Writing) -> Result<char, CsvProblem> {
    let mut beginning = Vec::new();
    let text = Decoded::new(source, writing)?;
    text.take(64 * 1024).read_to_end(&mut beginning).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8_lossy(&beginning);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut quoted = false;
    let mut counts = [(';', 0), ('\t', 0), (',', 0)];
    for c in first.chars() {
        quoted ^= c == '"';
        for (delimiter, count) in &mut counts {
            *count += usize::from(!quoted && c == *delimiter);
        }
    }
    Ok(counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(',', |(delimiter, _)| delimiter))
}
