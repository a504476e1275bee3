//! Lists for others: where an export goes, and what is said when it cannot.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

use super::counted::counted;
use super::{CliError, Context};
use crate::report::{Draft, Format, ReportError, Sheet};

/// Where a list goes, and how it is written.
#[derive(Debug, Args)]
pub(super) struct Listing {
    /// csv, xlsx or json; without it, what the file's name says, else csv
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<Format>,
    /// Writes into this file, whole or not at all; without it, to standard output (csv, json)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Begins CSV with a byte-order mark, so that Excel takes it for UTF-8
    #[arg(long)]
    bom: bool,
}

fn formats() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::as_str)).try_map(|word| Format::from_name(&word).ok_or("unknown"))
}

impl Listing {
    fn format(&self, context: &Context) -> Format {
        let by_name = self.out.as_ref().and_then(|out| Format::from_name(out.extension()?.to_str()?));
        let by_default = if context.out.is_json() && self.out.is_none() { Format::Json } else { Format::Csv };
        self.format.or(by_name).unwrap_or(by_default)
    }

    /// Begins the list.
    ///
    /// # Errors
    /// When the place cannot be written, or a workbook is to go through a pipe.
    pub(super) fn begin<'a>(
        &self,
        context: &'a mut Context,
        columns: &'static [&'static str],
    ) -> Result<Sheet<'a>, CliError> {
        let format = self.format(context);
        match &self.out {
            None if format == Format::Xlsx => {
                Err(CliError::usage("a workbook is written into a file").help("name it: --out accounts.xlsx"))
            }
            None => Sheet::stream(format, columns, self.bom, context.out.stream()).map_err(|error| broken(&error)),
            Some(out) => {
                let path = context.around.folder.join(out);
                let draft = Draft::begin(&path).map_err(|error| unwritten(&path, &error.into()))?;
                Sheet::file(format, columns, self.bom, draft).map_err(|error| unwritten(&path, &error))
            }
        }
    }

    /// What went wrong with a list that has begun.
    pub(super) fn failed(&self, error: &ReportError) -> CliError {
        self.out.as_ref().map_or_else(|| broken(error), |out| unwritten(out, error))
    }

    /// Says that a file is written.
    ///
    /// # Errors
    /// When it cannot be said.
    pub(super) fn say(&self, context: &mut Context, rows: u64) -> Result<(), CliError> {
        match &self.out {
            None => Ok(()),
            Some(out) if context.out.is_json() => {
                context.out.document(&json!({ "file": out.display().to_string(), "rows": rows }), false)
            }
            Some(out) => context.out.line(format!("{} holds {}.", out.display(), counted(rows, "row", "rows"))),
        }
    }
}

/// A JSON array as an answer, one object a line, whatever its length.
#[derive(Debug, Default)]
pub(super) struct JsonRows {
    begun: bool,
}

impl JsonRows {
    /// Says one row.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn row(&mut self, context: &mut Context, row: &Value) -> Result<(), CliError> {
        let before = if std::mem::replace(&mut self.begun, true) { ",\n " } else { "[\n " };
        context.out.answer(&format!("{before}{row}"))
    }

    /// Ends the array.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn end(self, context: &mut Context) -> Result<(), CliError> {
        context.out.line(if self.begun { "\n]" } else { "[]" })
    }
}

/// A file that cannot be written.
pub(super) fn unwritten(path: &Path, error: &ReportError) -> CliError {
    CliError::environment("file", format!("{} cannot be written: {error}", path.display()))
}

fn broken(error: &ReportError) -> CliError {
    match error {
        ReportError::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe => CliError::reader_gone(),
        error => CliError::environment("output", format!("the output cannot be written: {error}")),
    }
}
