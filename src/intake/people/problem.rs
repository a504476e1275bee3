//! What is wrong with a file, line by line.

use std::fmt;

/// One mistake, or something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvProblem {
    /// The line of the file, from 1; `None` where it is about the whole file.
    pub line: Option<u64>,
    /// What is wrong and what to do.
    pub message: String,
}

impl CsvProblem {
    /// About the whole file.
    pub(super) fn file(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    /// About one line.
    pub(super) fn line(line: u64, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }
}

impl std::error::Error for CsvProblem {}

impl fmt::Display for CsvProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// All mistakes of a file; never empty. Nothing of it was taken in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CsvProblems(pub Vec<CsvProblem>);

impl fmt::Display for CsvProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if number > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl From<CsvProblem> for CsvProblems {
    fn from(problem: CsvProblem) -> Self {
        Self(vec![problem])
    }
}
