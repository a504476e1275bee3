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
        self.ask(question, "[y/N]", |answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks `question` and wants `name` typed, so that nobody stops the wrong thing by habit; `--yes` answers it.
    ///
    /// # Errors
    /// When something else is typed, or there is nobody to ask.
    pub fn confirm_by_name(&mut self, question: &str, name: &str) -> Result<(), CliError> {
        self.ask(question, &format!("Type `{name}` to go on:"), |answer| answer == name)
    }

    fn ask(&mut self, question: &str, how: &str, agrees: impl Fn(&str) -> bool) -> Result<(), CliError> {
        if self.globals.yes {
            return Ok(());
        }
        if self.globals.json || !io::stdin().is_terminal() {
            let message = format!("{question} There is nobody to ask");
            return Err(CliError::refused("unconfirmed", message).help("add --yes if that is what you want"));
        }
        self.out.aside(format!("{question} {how}"));
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && agrees(answer.trim()) {
            return Ok(());
        }
        Err(CliError::refused("unconfirmed", "nothing was done"))
    }
}
