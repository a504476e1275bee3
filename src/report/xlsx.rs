//! A workbook written row by row. Every text is a text cell, whatever it begins with.

use std::io::{Seek, Write};
use std::path::Path;

use rust_xlsxwriter::{Format, Workbook as Book, XlsxError};

use super::ReportError;
use super::sheet::Cell;

/// Rows of one sheet, the heading among them (ISO/IEC 29500 has no limit, Excel has this one).
const MOST_ROWS: u32 = 1_048_576;

/// Characters of one cell.
const LONGEST: usize = 32_767;

/// A workbook being written. Rows lie in a file of their own meanwhile, not in memory.
pub(super) struct Workbook {
    book: Book,
    columns: &'static [&'static str],
    next: u32,
}

impl Workbook {
    /// With the heading; its draft lies in `folder`.
    pub(super) fn new(columns: &'static [&'static str], folder: &Path) -> Result<Self, ReportError> {
        let mut book = Book::new();
        book.set_tempdir(folder).map_err(wrong)?;
        let mut workbook = Self { book, columns, next: 0 };
        workbook.begin_sheet()?;
        Ok(workbook)
    }

    fn begin_sheet(&mut self) -> Result<(), ReportError> {
        let bold = Format::new().set_bold();
        let sheet = self.book.add_worksheet_with_constant_memory().map_err(wrong)?;
        for (at, column) in (0..).zip(self.columns) {
            sheet.write_string_with_format(0, at, *column, &bold).map_err(wrong)?;
        }
        self.next = 1;
        Ok(())
    }

    /// Adds a row; where a sheet is full, the next one begins.
    pub(super) fn row(&mut self, cells: &[Cell]) -> Result<(), ReportError> {
        if self.next == MOST_ROWS {
            self.begin_sheet()?;
        }
        let (row, last) = (self.next, self.book.worksheets().len().saturating_sub(1));
        let sheet = self.book.worksheet_from_index(last).map_err(wrong)?;
        for (at, cell) in (0..).zip(cells) {
            let written = match cell {
                Cell::Nothing => continue,
                #[expect(clippy::cast_precision_loss, reason = "a workbook has no other numbers")]
                Cell::Number(number) => sheet.write_number(row, at, *number as f64),
                Cell::Text(_) | Cell::Many(_) => {
                    sheet.write_string(row, at, cell.text().chars().take(LONGEST).collect::<String>())
                }
            };
            written.map_err(wrong)?;
        }
        self.next += 1;
        Ok(())
    }

    pub(super) fn save(mut self, to: impl Write + Seek + Send) -> Result<(), ReportError> {
        self.book.save_to_writer(to).map_err(wrong)
    }
}

fn wrong(error: XlsxError) -> ReportError {
    match error {
        XlsxError::IoError(error) => ReportError::Io(error),
        other => ReportError::Workbook(other.to_string()),
    }
}
