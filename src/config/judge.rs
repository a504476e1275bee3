//! From what was written to what holds: defaults, ranges and names, all mistakes at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::database::{DatabasePlace, DatabaseSettings};
use super::keys::{SYSTEM_KINDS, SYSTEMS, system_keys};
use super::problem::{Problem, suggestion};
use super::raw::{RawPeople, RawSystem};
use super::settings::{
    AuditSettings, KeySettings, SandboxSettings, ServeSettings, SystemKind, SystemSettings, TimeSettings,
    WorkflowSettings,
};
use super::sources::Merged;
use super::surroundings::Surroundings;
use crate::intake::people::{DateOrder, Field, KeyFrom, Mapping};
use crate::run::{MatchRule, MatchRules};
use crate::secret::SecretRef;

const LISTEN: &str = "127.0.0.1:7627";
const WORKERS: i64 = 256;
const MOST_WORKERS: i64 = 1024;
const LEASE: Duration = Duration::from_secs(30);

/// Judges a merged configuration, section by section.
pub(super) struct Judge<'a> {
    pub(super) merged: &'a Merged,
    pub(super) around: &'a Surroundings,
    pub(super) problems: Vec<Problem>,
}

impl Judge<'_> {
    pub(super) fn wrong(&mut self, key: &str, message: impl std::fmt::Display) {
        self.problems.push(Problem::new(self.merged.place(key), format!("`{key}`: {message}")));
    }

    /// Paths of files are absolute by now; those of the environment are relative to the working directory.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.around.folder.join(path)
    }

    pub(super) fn database(&mut self) -> DatabaseSettings {
        let raw = &self.merged.raw.database;
        let default = DatabasePlace::Sqlite(self.around.data_dir().join("usher.db"));
        let place = match raw.url.as_deref().map(|url| DatabasePlace::parse(url, &self.around.folder)) {
            None => default,
            Some(Ok(place)) => place,
            Some(Err(message)) => {
                self.wrong("database.url", message);
                default
            }
        };
        self.not_stored("database.password", raw.password.as_ref());
        DatabaseSettings { place, password: raw.password.clone() }
    }

    pub(super) fn keys(&mut self, database: &DatabasePlace) -> KeySettings {
        let raw = &self.merged.raw.keys;
        self.not_stored("keys.secret", raw.secret.as_ref());
        match (&raw.file, &raw.secret) {
            (Some(_), Some(_)) => {
                self.wrong("keys.secret", "`keys.file` is set too, and there is one master key; leave one of them out");
                KeySettings::File(PathBuf::new())
            }
            (None, Some(secret)) => KeySettings::Secret(secret.clone()),
            (Some(file), None) => KeySettings::File(self.path(file)),
            (None, None) => {
                let beside = match database {
                    DatabasePlace::Sqlite(file) => file.parent().map(Path::to_owned),
                    DatabasePlace::Postgres(_) => None,
                };
                KeySettings::File(beside.unwrap_or_else(|| self.around.data_dir()).join("usher.key"))
            }
        }
    }

    fn not_stored(&mut self, key: &str, reference: Option<&SecretRef>) {
        if reference.is_some_and(|reference| reference.stored_name().is_some()) {
            self.wrong(key, SecretRef::NOT_IN_THE_STORE);
        }
    }

    pub(super) fn audit(&self) -> AuditSettings {
        AuditSettings { checkpoint_file: self.merged.raw.audit.checkpoint_file.as_deref().map(|path| self.path(path)) }
    }

    pub(super) fn time(&mut self) -> TimeSettings {
        let raw = &self.merged.raw.time;
        let system = || TimeZone::try_system().ok().filter(|zone| zone.iana_name().is_some());
        let zone = match raw.zone.as_deref().map(|name| (name, TimeZone::get(name))) {
            None => system().unwrap_or(TimeZone::UTC),
            Some((_, Ok(zone))) => zone,
            Some((name, Err(_))) => {
                let near = nearest_zone(name).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.wrong("time.zone", format!("`{name}` is no IANA time zone, as `Europe/Zurich` is one{near}"));
                TimeZone::UTC
            }
        };
        let holidays = self.days("time.holidays", raw.holidays.as_deref().unwrap_or_default());
        TimeSettings { zone, holidays: holidays.into_iter().collect() }
    }

    pub(super) fn workflows(&mut self) -> WorkflowSettings {
        WorkflowSettings { folder: self.merged.raw.workflows.folder.as_deref().map(|folder| self.path(folder)) }
    }

    pub(super) fn serve(&mut self) -> ServeSettings {
        let raw = &self.merged.raw.serve;
        let listen = raw.listen.as_deref().unwrap_or(LISTEN);
        let address = listen.parse().unwrap_or_else(|_| {
            self.wrong(
                "serve.listen",
                format!("`{listen}` is no address with a port, as `{LISTEN}` and `[::1]:7627` are"),
            );
            std::net::SocketAddr::from(([127, 0, 0, 1], 7627))
        });
        let workers = raw.workers.unwrap_or(WORKERS);
        if !(1..=MOST_WORKERS).contains(&workers) {
            self.wrong("serve.workers", format!("{workers} is not between 1 and {MOST_WORKERS}"));
        }
        ServeSettings { listen: address, workers: usize::try_from(workers).unwrap_or(1), lease: self.lease() }
    }

    fn lease(&mut self) -> Duration {
        let Some(text) = self.merged.raw.serve.lease.as_deref() else { return LEASE };
        let read = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
        match read.filter(|lease| (5..=35).contains(&lease.as_secs())) {
            Some(lease) => lease,
            None => {
                self.wrong("serve.lease", format!("`{text}` is not between `5 s` and `35 s`"));
                LEASE
            }
        }
    }

    pub(super) fn people(&mut self) -> Mapping {
        let RawPeople { columns, dates, key_from, .. } = &self.merged.raw.people;
        let mut mapping = Mapping::default();
        for (column, name) in columns.iter().flatten() {
            match Field::from_name(name) {
                Some(field) => mapping.columns.push((column.clone(), field)),
                None => {
                    let help = suggestion(name, &Field::ALL.map(Field::as_str));
                    self.wrong("people.columns", format!("`{name}` is no field of a person; {help}"));
                }
            }
        }
        if let Some(name) = dates {
            mapping.dates = DateOrder::from_name(name);
            if mapping.dates.is_none() {
                self.wrong("people.dates", format!("`{name}` is unknown; write `day-first` or `month-first`"));
            }
        }
        if let Some(name) = key_from {
            mapping.key_from = KeyFrom::from_name(name);
            if mapping.key_from.is_none() {
                self.wrong("people.key_from", format!("`{name}` is unknown; write `email` or `name`"));
            }
        }
        mapping
    }

    pub(super) fn matching(&mut self) -> MatchRules {
        let merged = self.merged;
        let written = merged.raw.people.rules.as_deref();
        self.match_rules("people.match", written).unwrap_or_default()
    }

    fn match_rules(&mut self, key: &str, written: Option<&[String]>) -> Option<MatchRules> {
        let mut rules = Vec::new();
        for text in written? {
            match MatchRule::parse(text) {
                Ok(rule) => rules.push(rule),
                Err(message) => self.wrong(key, message),
            }
        }
        if written.is_some_and(<[String]>::is_empty) {
            self.wrong(key, "without any rule no account finds its person; leave it out for the usual ones");
        }
        Some(MatchRules(rules))
    }

    pub(super) fn systems(&mut self) -> BTreeMap<String, SystemSettings> {
        let systems = self.merged.raw.systems.iter();
        systems.filter_map(|(name, raw)| Some((name.clone(), self.system(name, raw)?))).collect()
    }

    fn system(&mut self, name: &str, raw: &RawSystem) -> Option<SystemSettings> {
        let section = format!("{SYSTEMS}.{name}");
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || name == "all" || !name.chars().all(fits) {
            self.wrong(&section, "a system's name is lower-case letters, digits, `-` and `_`, and not `all`");
            return None;
        }
        let Some(kind) = raw.kind.as_deref() else {
            self.wrong(&section, "what kind of system is it? Write `kind = \"…\"`");
            return None;
        };
        self.of_its_kind(&section, kind, raw);
        let kind = match kind {
            "sandbox" => SystemKind::Sandbox(self.sandbox(name, raw)?),
            "http" => {
                let own = self.own(name, raw)?;
                SystemKind::Http(Box::new(self.http(name, &own)?))
            }
            "exec" => {
                let own = self.own(name, raw)?;
                SystemKind::Exec(Box::new(self.exec(name, &own)?))
            }
            "ldap" => {
                let own = self.own(name, raw)?;
                SystemKind::Ldap(Box::new(self.ldap(name, &own)?))
            }
            "scim" => {
                let own = self.own(name, raw)?;
                SystemKind::Scim(Box::new(self.scim(name, &own)?))
            }
            "dovecot" => {
                let own = self.own(name, raw)?;
                SystemKind::Dovecot(Box::new(self.dovecot(name, &own)?))
            }
            "dav" => {
                let own = self.own(name, raw)?;
                SystemKind::Dav(Box::new(self.dav(name, &own)?))
            }
            kind => {
                let kinds: Vec<&str> = SYSTEM_KINDS.iter().map(|(kind, _)| *kind).collect();
                let help = suggestion(kind, &kinds);
                self.wrong(&format!("{section}.kind"), format!("`{kind}` is no kind of system; {help}"));
                return None;
            }
        };
        let rules = self.match_rules(&format!("{section}.match"), raw.rules.as_deref());
        Some(SystemSettings { name: name.to_owned(), rules, kind })
    }

    /// Files are checked key by key when they are read, the environment only here, where the kind is known.
    fn of_its_kind(&mut self, section: &str, kind: &str, raw: &RawSystem) {
        let known = system_keys(Some(kind));
        for key in raw.own.keys().filter(|key| known.iter().all(|(name, _)| name != key)) {
            self.wrong(&format!("{section}.{key}"), format!("a system of kind `{kind}` has no such key"));
        }
    }

    /// What only the kind of a system takes.
    fn own<T: serde::de::DeserializeOwned>(&mut self, name: &str, raw: &RawSystem) -> Option<T> {
        let wrong = |error| self.wrong(&format!("{SYSTEMS}.{name}"), error);
        serde_json::from_value(raw.own.clone().into()).map_err(wrong).ok()
    }

    fn sandbox(&mut self, name: &str, raw: &RawSystem) -> Option<SandboxSettings> {
        let Some(company) = raw.company.as_deref().map(|path| self.path(path)) else {
            if self.has_been_named(name) {
                return None;
            }
            self.wrong(
                &format!("{SYSTEMS}.{name}"),
                "`company` is missing: the file that describes the sandbox company",
            );
            return None;
        };
        let state = raw.state.as_deref().map_or_else(|| company.with_extension("ledger"), |path| self.path(path));
        Some(SandboxSettings { company, state, system: raw.system.clone().unwrap_or_else(|| name.to_owned()) })
    }
}

impl Judge<'_> {
    /// Whether something else is wrong with this system already: then what is missing is probably misspelt.
    pub(super) fn has_been_named(&self, system: &str) -> bool {
        self.has_been_named_in(&format!("{SYSTEMS}.{system}"))
    }

    pub(super) fn has_been_named_in(&self, section: &str) -> bool {
        let section = format!("[{section}]");
        self.merged.problems.iter().any(|problem| problem.message.contains(&section))
    }
}

/// The known zone nearest to `name`: its city is what people remember.
fn nearest_zone(name: &str) -> Option<String> {
    let names: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    super::problem::nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}
