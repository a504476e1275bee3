//! Files and environment, read once at the start into settings that cannot be wrong.
//!
//! Without any configuration everything has a default that works. Mistakes are all reported at once, each with
//! its place and the nearest thing that would have been right. Secrets are references; relative paths are relative
//! to the file that names them, and to the working directory in the environment.

mod alerts;
mod archive;
mod conventions;
mod database;
mod dav;
mod declared;
mod dovecot;
mod dovecot_accounts;
mod file;
mod judge;
mod keys;
mod ldap;
mod limits;
mod mail;
mod passwords;
mod problem;
mod raw;
mod retention;
mod rules;
mod schema;
mod scim;
mod settings;
mod sources;
mod surroundings;
mod workflow_files;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use database::{DatabasePlace, DatabaseSettings};
pub use problem::{ConfigError, Problem};
pub use retention::retention;
pub use schema::schema;
pub use settings::{
    AuditSettings, KeySettings, SandboxSettings, ServeSettings, SystemKind, SystemSettings, TimeSettings,
    WorkflowSettings,
};
pub use sources::Source;
pub use surroundings::Surroundings;
pub use workflow_files::{WorkflowFile, files_in, read_workflow};

use crate::archive::ArchiveSettings;
use crate::connectors::exec::ProgramSettings;
use crate::connectors::http::LineSettings;
use crate::engine::Passwords;
use crate::intake::people::Mapping;
use crate::mail::{MailSettings, WebhookSettings};
use crate::run::{Conventions, MatchRules, Rules};

/// The commented example that `usher init` writes.
pub const EXAMPLE: &str = include_str!("../../config/usher.toml");

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The record.
    pub database: DatabaseSettings,
    /// The master key.
    pub keys: KeySettings,
    /// What new passwords are like.
    pub passwords: Passwords,
    /// Where checkpoints of the journal go besides.
    pub audit: AuditSettings,
    /// Where archives are kept.
    pub archive: ArchiveSettings,
    /// Zone and holidays.
    pub time: TimeSettings,
    /// Calendars, policies and limits.
    pub rules: Rules,
    /// Where workflows are.
    pub workflows: WorkflowSettings,
    /// The daemon.
    pub serve: ServeSettings,
    /// The systems by name.
    pub systems: BTreeMap<String, SystemSettings>,
    /// Where steps of `http.request` may call.
    pub requests: Vec<LineSettings>,
    /// What steps of `exec` may run.
    pub programs: Vec<ProgramSettings>,
    /// How HR's files are read.
    pub people: Mapping,
    /// By which rules accounts find their person.
    pub matching: MatchRules,
    /// How new accounts are called, what departments give, who may ask for what stops everybody.
    pub conventions: Conventions,
    /// How mail is sent; not at all without the section.
    pub mail: Option<MailSettings>,
    /// Where alerts go besides mail; nowhere without the section.
    pub webhook: Option<WebhookSettings>,
    /// How long a source of HR's may say nothing before the administrators are told.
    pub silent_after: Option<Duration>,
    /// How long runs that are over stay among the others before they are archived; `None` is for ever.
    pub finished_runs: Option<Duration>,
    /// Where data lives by default.
    pub data_dir: PathBuf,
    sources: Vec<Source>,
}

impl Config {
    /// Reads `files` (without any, `usher.toml` in the working directory if it is there), then the environment;
    /// `database` is what the command line says.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load(files: &[PathBuf], database: Option<&str>, around: &Surroundings) -> Result<Self, ConfigError> {
        match Self::inspect(files, database, around) {
            (config, problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigError { problems }),
        }
    }

    /// As [`Config::load`], for those who look for mistakes: what is wrong has its default, and is named.
    pub fn inspect(files: &[PathBuf], database: Option<&str>, around: &Surroundings) -> (Self, Vec<Problem>) {
        let merged = sources::merge(files, database, around);
        let mut judge = judge::Judge { merged: &merged, around, problems: merged.problems.clone() };
        let database = judge.database();
        let time = judge.time();
        let config = Self {
            keys: judge.keys(&database.place),
            audit: judge.audit(),
            archive: judge.archive(&database.place),
            passwords: judge.passwords(),
            database,
            rules: Rules { limits: judge.limits(), paces: judge.paces(), ..judge.house_rules(&time.holidays) },
            time,
            workflows: judge.workflows(),
            serve: judge.serve(),
            systems: judge.systems(),
            requests: judge.requests(),
            programs: judge.programs(),
            people: judge.people(),
            matching: judge.matching(),
            conventions: judge.conventions(),
            mail: judge.mail(),
            webhook: judge.webhook(),
            silent_after: judge.silent_after(),
            finished_runs: judge.finished_runs(),
            data_dir: around.data_dir(),
            sources: merged.sources.clone(),
        };
        (config, judge.problems)
    }

    /// The rules of systems that have their own.
    pub fn matching_on(&self) -> BTreeMap<String, MatchRules> {
        let own = |system: &SystemSettings| Some((system.name.clone(), system.rules.clone()?));
        self.systems.values().filter_map(own).collect()
    }

    /// Where the settings come from, later ones over earlier ones.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

#[cfg(test)]
mod tests;
