//! Files, environment and command line, merged in that order: later wins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat};
use toml::{Table, Value};

use super::file::{self, ReadFile};
use super::keys::{self, DEPARTMENTS, Key, Kind, SYSTEMS};
use super::problem::{Problem, suggestion};
use super::raw::Raw;
use super::surroundings::Surroundings;

const PREFIX: &str = "USHER__";

/// One place the configuration comes from (for `usher doctor`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// `--database`.
    CommandLine,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::CommandLine => f.write_str("--database"),
        }
    }
}

/// The merged sources.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) raw: Raw,
    pub(super) sources: Vec<Source>,
    pub(super) problems: Vec<Problem>,
    places: BTreeMap<String, String>,
}

impl Merged {
    /// Where `key` (`section.key`) was set last.
    pub(super) fn place(&self, key: &str) -> String {
        self.places.get(key).cloned().unwrap_or_else(|| "default".to_owned())
    }
}

/// Reads and merges; what is wrong is left out, and named.
pub(super) fn merge(files: &[PathBuf], database: Option<&str>, around: &Surroundings) -> Merged {
    let mut places = BTreeMap::new();
    let mut problems = Vec::new();
    let mut tables = Vec::new();
    let files = files_of(files, around);
    for path in &files {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let ReadFile { table, places: own, problems: wrong } = file::read(path, around.shown(path), &text);
                refuse_literal_password(&table, &own, &mut problems);
                places.extend(own);
                problems.extend(wrong);
                tables.push(table);
            }
            Err(error) => problems
                .push(Problem::new(around.shown(path).display().to_string(), format!("cannot be read: {error}"))),
        }
    }
    let mut variables: config::Map<String, String> = around
        .variables
        .iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let mut names: Vec<String> = variables.keys().cloned().collect();
    names.sort();
    for name in &names {
        match known_variable(name) {
            Ok(key) => drop(places.insert(key, format!("environment variable {name}"))),
            Err(problem) => {
                problems.push(problem);
                variables.remove(name);
            }
        }
    }
    let sources = files.iter().cloned().map(Source::File);
    let mut sources: Vec<Source> = sources.chain(names.into_iter().map(Source::Variable)).collect();
    if database.is_some() {
        places.insert("database.url".to_owned(), "--database".to_owned());
        sources.push(Source::CommandLine);
    }
    forget_replaced_secrets(&mut tables);
    let raw = build(&tables, variables, database).unwrap_or_else(|error| {
        // What the checks leave to go wrong: types in the environment.
        problems.push(Problem::new("environment", error.to_string()));
        Raw::default()
    });
    Merged { raw, sources, problems, places }
}

/// Those named, else `usher.toml` in the working directory where there is one.
fn files_of(named: &[PathBuf], around: &Surroundings) -> Vec<PathBuf> {
    if named.is_empty() {
        return Some(around.folder.join("usher.toml")).filter(|path| path.exists()).into_iter().collect();
    }
    named.iter().map(|path| around.folder.join(path)).collect()
}

fn build(
    tables: &[Table],
    variables: config::Map<String, String>,
    database: Option<&str>,
) -> Result<Raw, config::ConfigError> {
    let mut builder = config::Config::builder();
    for table in tables {
        builder = builder.add_source(File::from_str(&table.to_string(), FileFormat::Toml));
    }
    let environment =
        Environment::with_prefix("USHER").prefix_separator("__").separator("__").list_separator(",").try_parsing(true);
    // `time.holidays` stands for there being a list at all: without one, every text would be split.
    let lists = variables.keys().filter_map(|name| list_key(name)).chain(["time.holidays".to_owned()]);
    let environment = lists.fold(environment, |environment, key| environment.with_list_parse_key(&key));
    builder = builder.add_source(environment.source(Some(variables)));
    builder.set_override_option("database.url", database)?.build()?.try_deserialize()
}

/// `USHER__CALENDARS__GENEVA__DAYS` -> `calendars.geneva.days`, where that takes a list.
fn list_key(name: &str) -> Option<String> {
    let path = name.strip_prefix(PREFIX)?.to_lowercase();
    let parts: Vec<&str> = path.split("__").collect();
    let (known, key) = match parts.as_slice() {
        [section, key] => (keys::section_keys(section)?, key),
        [section, _, key] => (keys::named_keys(section)?, key),
        _ => return None,
    };
    known.iter().any(|(name, kind)| name == key && *kind == Kind::Texts).then(|| parts.join("."))
}

/// `USHER__TIME__ZONE` -> `time.zone`, if there is such a key.
fn known_variable(name: &str) -> Result<String, Problem> {
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    let parts: Vec<&str> = path.split("__").collect();
    let problem =
        |message: String, help: String| Problem::new(format!("environment variable {name}"), message).help(help);
    let (known, key) = match parts.as_slice() {
        [SYSTEMS, system, key, ..] if !system.is_empty() => (keys::system_keys(None), key),
        [DEPARTMENTS, ..] => {
            let help = "write [departments.NAME] into a file: names of departments do not fit into a variable's name";
            return Err(problem("departments are not set by the environment".to_owned(), help.to_owned()));
        }
        [section, name, key] if !name.is_empty() && keys::named_keys(section).is_some() => {
            (keys::named_keys(section).unwrap_or_default().to_vec(), key)
        }
        [section, key, ..] => match keys::section_keys(section) {
            Some(keys) => (keys.to_vec(), key),
            None => {
                let help = suggestion(section, &keys::section_names());
                return Err(problem(format!("unknown section `{section}`"), help));
            }
        },
        _ => return Err(problem("names no key".to_owned(), "write USHER__SECTION__KEY".to_owned())),
    };
    if known.iter().any(|(name, _)| name == key) {
        return Ok(parts.join("."));
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(problem(format!("unknown key `{key}`"), suggestion(key, &names)))
}

/// A password within a URL is a literal too.
fn refuse_literal_password(table: &Table, places: &[(String, String)], problems: &mut Vec<Problem>) {
    let url = table.get("database").and_then(|section| section.get("url")).and_then(Value::as_str);
    let place = url.and_then(|url| super::DatabasePlace::parse(url, Path::new("")).ok());
    if place.is_some_and(|place| place.password().is_some()) {
        let at = places.iter().find(|(key, _)| key == "database.url").map_or("database.url", |(_, at)| at);
        let help = "leave it out of the address and write `password = { env = \"NAME\" }` or \
                    `password = { file = \"PATH\" }` below";
        problems.push(Problem::new(at, "`database.url` holds a password").help(help));
    }
}

/// A reference in a later file replaces an earlier one of another form, instead of being merged with it.
fn forget_replaced_secrets(tables: &mut [Table]) {
    let of = |path: &str, known: &[Key]| {
        let secrets = known.iter().filter(|(_, kind)| *kind == Kind::Secret);
        secrets.map(|(key, _)| format!("{path}.{key}")).collect::<Vec<_>>()
    };
    for later in (1..tables.len()).rev() {
        let (earlier, rest) = tables.split_at_mut(later);
        let mut paths: Vec<String> = keys::SECTIONS.iter().flat_map(|(section, known)| of(section, known)).collect();
        for (section, known) in keys::NAMED {
            let named = rest[0].get(*section).and_then(Value::as_table).into_iter().flat_map(|table| table.keys());
            paths.extend(named.flat_map(|name| of(&format!("{section}.{name}"), known)));
        }
        let systems = rest[0].get(SYSTEMS).and_then(Value::as_table).into_iter().flat_map(|table| table.keys());
        paths.extend(systems.flat_map(|name| of(&format!("{SYSTEMS}.{name}"), &keys::system_keys(None))));
        for path in paths {
            let parts: Vec<&str> = path.split('.').collect();
            if within(&mut rest[0], &parts).is_some_and(|(table, key)| table.contains_key(key)) {
                for table in earlier.iter_mut() {
                    if let Some((table, key)) = within(table, &parts) {
                        table.remove(key);
                    }
                }
            }
        }
    }
}

/// The table that the last of these names belongs into.
fn within<'t, 'p>(table: &'t mut Table, parts: &[&'p str]) -> Option<(&'t mut Table, &'p str)> {
    match parts {
        [] => None,
        [key] => Some((table, key)),
        [name, rest @ ..] => within(table.get_mut(*name)?.as_table_mut()?, rest),
    }
}
