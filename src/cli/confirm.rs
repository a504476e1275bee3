//! Asking a person before something is done that cannot be taken back.

use std::io::{self, BufRead, IsTerminal};

use super::context::Context;
use super::error::CliError;

impl Context {
    /// Asks `question`; `--yes` answers it.
    ///
    /// # Errors
    /// When the answer is no, or there is nobody to ask.
    pub fn confirm(&mut self, question: &str) -> Result<(), CliError> {
        if self.globals.yes {
            return Ok(());
        }
        if self.globals.json || !io::stdin().is_terminal() {
            let message = format!("{question} There is nobody to ask");
            return Err(CliError::refused("unconfirmed", message).help("add --yes if that is what you want"));
        }
        self.out.aside(format!("{question} [y/N]"));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" if read.is_ok() => Ok(()),
            _ => Err(CliError::refused("unconfirmed", "nothing was done")),
        }
    }
}
