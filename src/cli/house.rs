//! How a command enters the house: no more of it is opened than the command needs, so that a mistake in one corner
//! stops nobody elsewhere (least of all an emergency).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::context::Context;
use super::error::{CliError, Exit};
use super::output::instant;
use crate::clock::Clock;
use crate::config::{Config, DatabasePlace};
use crate::daemon::{self, StartError};
use crate::engine::Engine;
use crate::engine::library::Library;
use crate::store::{FileLock, Opening, Store};
use crate::workflow::{Diagnostic, Severity, Workflow};

/// The opened house.
#[derive(Debug)]
pub(super) struct House {
    /// The flow.
    pub(super) engine: Engine,
    /// The configuration.
    pub(super) config: Config,
    /// The zone that times are shown in.
    pub(super) zone: TimeZone,
    /// Mistakes of workflows, which are left out because of them.
    mistakes: Vec<Diagnostic>,
}

impl Context {
    /// The configured database.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) async fn store(&self, config: &Config) -> Result<Store, StartError> {
        let store = daemon::open_store(config, Opening::Existing, Clock::System).await?;
        self.keep(&store);
        Ok(store)
    }

    /// The record alone: for looking, and for orders to runs that are there.
    ///
    /// # Errors
    /// When the configuration is wrong or the database cannot be used.
    pub(super) async fn record(&self) -> Result<House, CliError> {
        let config = self.config()?;
        let store = self.store(&config).await?;
        Ok(House::new(daemon::assemble(&config, store, BTreeMap::new(), Library::default()), config))
    }

    /// The record, the systems, and the workflows that have no mistake.
    ///
    /// # Errors
    /// As [`Context::record`], and when a system or the folder of workflows cannot be opened.
    pub(super) async fn house(&self) -> Result<House, CliError> {
        let config = self.config()?;
        let library = daemon::open_library(&config)?;
        let systems = daemon::open_systems(&config)?;
        let store = self.store(&config).await?;
        let mistakes = library.diagnostics.iter().filter(|found| found.severity == Severity::Error).cloned().collect();
        let house = House::new(daemon::assemble(&config, store, systems, library), config);
        Ok(House { mistakes, ..house })
    }

    /// Everything, with every workflow right: what HR says must not go unheard because of a slip in a file.
    ///
    /// # Errors
    /// As [`Context::house`], and when any workflow has a mistake.
    pub(super) async fn whole_house(&self) -> Result<House, CliError> {
        let config = self.config()?;
        let engine = daemon::open_engine(&config, Opening::Existing, Clock::System).await?;
        self.keep(engine.store());
        Ok(House::new(engine, config))
    }
}

impl House {
    fn new(engine: Engine, config: Config) -> Self {
        Self { engine, zone: config.time.zone.clone(), config, mistakes: Vec::new() }
    }

    /// The record.
    pub(super) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// The workflow called `name`.
    ///
    /// # Errors
    /// When there is none, or its file has mistakes; they are named.
    pub(super) fn workflow(&self, name: &str) -> Result<&Arc<Workflow>, CliError> {
        let is_its = |found: &&Diagnostic| Path::new(&found.file).file_stem().is_some_and(|stem| stem == name);
        let mut mistakes = self.mistakes.iter().filter(is_its).peekable();
        match self.engine.workflow(name) {
            Err(_) if mistakes.peek().is_some() => {
                let brief = |found: &Diagnostic| format!("{}:{}: {}", found.file, found.line, found.message);
                let message = format!("the workflow {name} has mistakes in its file: nothing can be started by it");
                let error =
                    mistakes.take(3).map(brief).fold(CliError::new(Exit::Usage, "workflows", message), CliError::help);
                Err(error.help("`usher check` shows each with its place"))
            }
            outcome => Ok(outcome?),
        }
    }

    /// RFC 3339 in the configured zone, for JSON.
    pub(super) fn instant(&self, at: Timestamp) -> String {
        instant(at, &self.zone)
    }

    /// The same for the record's milliseconds.
    pub(super) fn millis(&self, at: i64) -> String {
        self.instant(crate::clock::from_millis(at))
    }

    /// Whether a daemon is at work on this database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn daemon_runs(&self) -> Result<bool, CliError> {
        match &self.config.database.place {
            DatabasePlace::Sqlite(path) => Ok(FileLock::is_held(path)),
            DatabasePlace::Postgres(_) => Ok(self.store().listeners().await?.unwrap_or(0) > 0),
        }
    }

    /// Says so, where nothing will happen because no daemon runs.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn warn_without_daemon(&self, context: &mut Context) -> Result<(), CliError> {
        if !self.daemon_runs().await? {
            context.out.aside("No daemon is at work on this database: nothing happens until `usher serve` runs.");
        }
        Ok(())
    }
}
