//! A list, row by row, in the format asked for.

use std::io::{BufWriter, Write};

use serde::Serialize;

use super::xlsx::Workbook;
use super::{Draft, Format, ReportError};

/// What Excel takes for UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// One cell of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing is known.
    #[default]
    Nothing,
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Several texts: an array in JSON, separated by semicolons elsewhere.
    Many(Vec<String>),
}

impl Cell {
    /// As one text, for formats that have nothing else.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Many(texts) => texts.join("; "),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// A list being written.
pub struct Sheet<'a> {
    columns: &'static [&'static str],
    form: Form<'a>,
    rows: u64,
}

enum Form<'a> {
    Csv(Box<csv::Writer<Box<dyn Write + 'a>>>),
    CsvFile(Box<csv::Writer<Draft>>),
    Json(BufWriter<Box<dyn Write + 'a>>),
    JsonFile(BufWriter<Draft>),
    Xlsx(Box<Workbook>, Draft),
}

impl std::fmt::Debug for Sheet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sheet").field("columns", &self.columns).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl<'a> Sheet<'a> {
    /// A list into a pipe. CSV with `mark` begins with a byte-order mark, which Excel needs to take it for UTF-8.
    ///
    /// # Errors
    /// When it cannot be written. A workbook is a file: [`Sheet::file`].
    pub fn stream(
        format: Format,
        columns: &'static [&'static str],
        mark: bool,
        mut to: impl Write + 'a,
    ) -> Result<Self, ReportError> {
        let form = match format {
            Format::Csv => {
                to.write_all(if mark { BYTE_ORDER_MARK } else { b"" })?;
                Form::Csv(Box::new(csv::Writer::from_writer(Box::new(to))))
            }
            Format::Json => Form::Json(BufWriter::new(Box::new(to))),
            Format::Xlsx => return Err(ReportError::Workbook("a workbook is written into a file".into())),
        };
        Self { columns, form, rows: 0 }.headed()
    }

    /// A list into a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(
        format: Format,
        columns: &'static [&'static str],
        mark: bool,
        mut draft: Draft,
    ) -> Result<Self, ReportError> {
        let form = match format {
            Format::Csv => {
                draft.write_all(if mark { BYTE_ORDER_MARK } else { b"" })?;
                Form::CsvFile(Box::new(csv::Writer::from_writer(draft)))
            }
            Format::Json => Form::JsonFile(BufWriter::new(draft)),
            Format::Xlsx => Form::Xlsx(Box::new(Workbook::new(columns, draft.folder())?), draft),
        };
        Self { columns, form, rows: 0 }.headed()
    }

    fn headed(mut self) -> Result<Self, ReportError> {
        match &mut self.form {
            Form::Csv(csv) => csv.write_record(self.columns).map_err(io)?,
            Form::CsvFile(csv) => csv.write_record(self.columns).map_err(io)?,
            Form::Json(out) => out.write_all(b"[")?,
            Form::JsonFile(out) => out.write_all(b"[")?,
            Form::Xlsx(..) => {}
        }
        Ok(self)
    }

    /// Adds a row, its cells in the order of the columns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn row(&mut self, cells: &[Cell]) -> Result<(), ReportError> {
        let (first, columns) = (self.rows == 0, self.columns);
        match &mut self.form {
            Form::Csv(csv) => csv.write_record(cells.iter().map(|cell| harmless(cell.text()))).map_err(io)?,
            Form::CsvFile(csv) => csv.write_record(cells.iter().map(|cell| harmless(cell.text()))).map_err(io)?,
            Form::Json(out) => object(out, first, columns, cells)?,
            Form::JsonFile(out) => object(out, first, columns, cells)?,
            Form::Xlsx(workbook, _) => workbook.row(cells)?,
        }
        self.rows += 1;
        Ok(())
    }

    /// Ends the list: a file is in its place now.
    ///
    /// # Errors
    /// When it cannot be written; then a file that was there before is there still.
    pub fn end(self) -> Result<u64, ReportError> {
        match self.form {
            Form::Csv(mut csv) => csv.flush()?,
            Form::CsvFile(csv) => csv.into_inner().map_err(|error| error.into_error())?.keep()?,
            Form::Json(mut out) => {
                out.write_all(b"\n]\n")?;
                out.flush()?;
            }
            Form::JsonFile(mut out) => {
                out.write_all(b"\n]\n")?;
                out.into_inner().map_err(std::io::IntoInnerError::into_error)?.keep()?;
            }
            Form::Xlsx(workbook, mut draft) => {
                workbook.save(&mut draft)?;
                draft.keep()?;
            }
        }
        Ok(self.rows)
    }
}

fn io(error: csv::Error) -> ReportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ReportError::Io(error),
        other => ReportError::Io(std::io::Error::other(format!("{other:?}"))),
    }
}

/// One object a line.
fn object(out: &mut impl Write, first: bool, columns: &[&str], cells: &[Cell]) -> Result<(), ReportError> {
    let fields: serde_json::Map<String, serde_json::Value> =
        columns.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), serde_json::json!(cell))).collect();
    out.write_all(if first { b"\n " } else { b",\n " })?;
    serde_json::to_writer(out, &fields).map_err(|error| ReportError::Io(error.into()))
}

/// A spreadsheet takes cells that begin so for formulas: a quotation mark in front makes them text (OWASP, CSV
/// injection).
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[&str] = &["name", "groups", "count"];

    fn cells(name: &str) -> [Cell; 3] {
        [name.into(), Cell::Many(vec!["a".into(), "b".into()]), Cell::Number(7)]
    }

    fn written(format: Format, mark: bool, names: &[&str]) -> String {
        let mut out = Vec::new();
        let mut sheet = Sheet::stream(format, COLUMNS, mark, &mut out).unwrap();
        for name in names {
            sheet.row(&cells(name)).unwrap();
        }
        assert_eq!(sheet.end().unwrap(), names.len() as u64);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_is_plain_and_starts_no_formula() {
        assert_eq!(written(Format::Csv, false, &["Ada"]), "name,groups,count\nAda,a; b,7\n");
        assert!(written(Format::Csv, true, &[]).starts_with("\u{feff}name"));
        for evil in ["=1+1", "+41", "-2", "@sum", "\t=1", "\r=1"] {
            let text = written(Format::Csv, false, &[evil]);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let cell = reader.records().next().unwrap().unwrap()[0].to_owned();
            assert_eq!(cell, format!("'{evil}"));
        }
    }

    #[test]
    fn json_is_one_array_whatever_is_in_it() {
        let read = |names: &[&str]| serde_json::from_str::<serde_json::Value>(&written(Format::Json, false, names));
        assert_eq!(read(&[]).unwrap(), serde_json::json!([]));
        assert_eq!(
            read(&["=1", "Jürg \"J\""]).unwrap(),
            serde_json::json!([
                { "name": "=1", "groups": ["a", "b"], "count": 7 },
                { "name": "Jürg \"J\"", "groups": ["a", "b"], "count": 7 },
            ])
        );
    }

    #[test]
    fn a_workbook_reads_back_and_holds_no_formula() {
        use calamine::{Data, Reader, Xlsx, open_workbook};
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("list.xlsx");
        let mut sheet = Sheet::file(Format::Xlsx, COLUMNS, false, Draft::begin(&place).unwrap()).unwrap();
        for name in ["=HYPERLINK(\"http://evil\")", "Žofie", &"x".repeat(40_000)] {
            sheet.row(&cells(name)).unwrap();
        }
        sheet.end().unwrap();
        let mut book: Xlsx<_> = open_workbook(&place).unwrap();
        let range = book.worksheet_range("Sheet1").unwrap();
        let text = |row, column| range.get_value((row, column)).cloned();
        assert_eq!(text(0, 1), Some(Data::String("groups".into())));
        assert_eq!(text(1, 0), Some(Data::String("=HYPERLINK(\"http://evil\")".into())));
        assert_eq!(text(2, 0), Some(Data::String("Žofie".into())));
        assert_eq!(text(1, 2), Some(Data::Float(7.0)));
        assert!(matches!(text(3, 0), Some(Data::String(text)) if text.len() == 32_767), "as long as a cell may be");
        assert!(book.worksheet_formula("Sheet1").unwrap().is_empty());
    }
}
