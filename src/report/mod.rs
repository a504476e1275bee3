//! LISTS FOR OTHERS. Rows out as CSV, XLSX or JSON, one at a time: a list of any length needs little memory. What HR or
//! a system wrote never becomes a formula in somebody's spreadsheet.

mod draft;
mod sheet;
mod xlsx;

pub use draft::Draft;
pub use sheet::{Cell, Sheet};

use std::io;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated text in UTF-8 (RFC 4180), lines ended by a line feed.
    Csv,
    /// A workbook (ISO/IEC 29500), every cell a text or a number.
    Xlsx,
    /// One array of objects (RFC 8259).
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Xlsx, Self::Json];

    /// The word, which is also how file names end.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Json => "json",
        }
    }

    /// The format called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// Why a list cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file, the folder, the pipe.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The workbook.
    #[error("the workbook cannot be written: {0}")]
    Workbook(String),
}
