//! Where a file's bytes come from. It is read several times, a piece at a time, and never held whole.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::problem::CsvProblem;

/// A file, or what came through a pipe.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// On disk; opened anew for each reading, and refused once it is another.
    File { path: PathBuf, length: u64, modified: Option<SystemTime> },
    /// In memory.
    Memory(Arc<[u8]>),
}

impl Source {
    /// The file at `path` as it is now.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let (length, modified) = marks(&std::fs::metadata(path)?);
        Ok(Self::File { path: path.to_owned(), length, modified })
    }

    /// From the first byte.
    pub(super) fn open(&self) -> Result<Box<dyn Read + Send>, CsvProblem> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
            Self::File { path, .. } => {
                self.check_unchanged()?;
                Ok(Box::new(File::open(path).map_err(|error| unreadable(&error))?))
            }
        }
    }

    /// Refuses a file that is no longer the one that was looked at first.
    pub(super) fn check_unchanged(&self) -> Result<(), CsvProblem> {
        let Self::File { path, length, modified } = self else { return Ok(()) };
        let now = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
        if marks(&now) == (*length, *modified) {
            return Ok(());
        }
        Err(CsvProblem::file("the file has changed while it was being read; import it again once it is complete"))
    }
}

fn marks(found: &Metadata) -> (u64, Option<SystemTime>) {
    (found.len(), found.modified().ok())
}

pub(super) fn unreadable(error: &io::Error) -> CsvProblem {
    CsvProblem::file(format!("the file cannot be read: {error}"))
}
