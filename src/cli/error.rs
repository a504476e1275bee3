//! How a command ends when it does not end well.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::ConfigError;

/// The exit codes that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the thing asked about is not right.
    NotRight,
    /// 2: usage, configuration.
    Usage,
    /// 3: not found.
    NotFound,
    /// 4: refused by a rule: guard, state, permission.
    Refused,
    /// 5: the environment: database, file, network.
    Environment,
    /// 130: stopped with Ctrl-C, as shells count it.
    Interrupted,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotRight => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Environment => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CliError {
    /// A word for scripts: `not_found`, `config`, `file_exists`.
    pub code: &'static str,
    /// One line that names the thing and what was expected.
    pub message: String,
    /// What to do, one line each.
    pub help: Vec<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl CliError {
    /// An error that ends with `exit`.
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: Vec::new(), exit }
    }

    /// The thing asked about is not right.
    pub fn not_right(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::NotRight, code, message)
    }

    /// Asked in a way that cannot be answered.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, "not_found", message)
    }

    /// A rule forbids it.
    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, code, message)
    }

    /// Database, file or network.
    pub fn environment(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Environment, code, message)
    }

    /// With one more line of help.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// Whoever reads our output has gone away: nothing to say, nobody to say it to.
    pub(super) fn reader_gone() -> Self {
        Self::new(Exit::Done, "reader_gone", "")
    }

    /// The document of `--json`.
    pub fn document(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "help": self.help } })
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        match error.problems.as_slice() {
            [one] => {
                let base = Self::new(Exit::Usage, "config", format!("{}: {}", one.place, one.message));
                one.help.iter().fold(base, |error, help| error.help(help.clone()))
            }
            many => {
                let base = Self::new(Exit::Usage, "config", format!("the configuration has {} mistakes", many.len()));
                many.iter().fold(base, |error, problem| error.help(problem.to_string()))
            }
        }
    }
}
