//! What a command may touch.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use clap::Args;

use super::error::CliError;
use super::output::Output;
use crate::config::{Config, Surroundings};
use crate::store::Store;

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub struct Globals {
    /// Configuration file; may be given several times, later ones win [default: usher.toml here, where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Vec<PathBuf>,
    /// Database instead of the configured one: sqlite:PATH or postgres://USER@HOST/NAME
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub database: Option<String>,
    /// Print JSON: one document, or one object a line where things are followed
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Answer every question with yes
    #[arg(long, short = 'y', global = true, help_heading = "Everywhere")]
    pub yes: bool,
    /// Log more; twice, everything (USHER_LOG=FILTER says it in detail)
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub verbose: u8,
}

/// What a command may touch: its output, the configuration, the surroundings of the process.
#[derive(Debug)]
pub struct Context {
    /// What every command takes.
    pub globals: Globals,
    /// Where it says what it found.
    pub out: Output,
    /// Environment and working directory.
    pub around: Surroundings,
    /// The databases that were opened.
    opened: Mutex<Vec<Store>>,
}

impl Context {
    /// The context of this process.
    pub fn of_process(globals: Globals) -> Self {
        Self {
            out: Output::standard(globals.json),
            around: Surroundings::of_process(),
            globals,
            opened: Mutex::default(),
        }
    }

    /// A database that is closed when the command has ended, however it ends.
    pub(super) fn keep(&self, store: &Store) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(store.clone());
    }

    /// Leaves every database that was opened.
    pub(super) async fn leave(&mut self) {
        for store in std::mem::take(self.opened.get_mut().unwrap_or_else(PoisonError::into_inner)) {
            store.close().await;
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// All its mistakes at once.
    pub fn config(&self) -> Result<Config, CliError> {
        Ok(Config::load(&self.globals.config, self.globals.database.as_deref(), &self.around)?)
    }
}
