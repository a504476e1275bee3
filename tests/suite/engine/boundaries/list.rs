//! The list of boundaries, read from the code: where the store talks to its database, and what is asked of systems.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A function of the store that talks to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) file: String,
    pub(super) name: String,
    /// First and last line.
    pub(super) lines: (usize, usize),
    /// Lines on which it begins, commits or takes a connection to read.
    pub(super) calls: Vec<(usize, &'static str)>,
}

/// Every function of `src/store` with a call to the database.
pub(super) fn functions() -> Vec<Function> {
    let mut found = Vec::new();
    for path in sources("src/store") {
        let text = std::fs::read_to_string(&path).expect("reads");
        let file = path.strip_prefix(root()).expect("inside").display().to_string();
        let mut open: Option<Function> = None;
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
            if line.starts_with("#[cfg(test)]") {
                break;
            }
            if let Some(name) = function_name(line) {
                found.extend(open.take());
                open = Some(Function { file: file.clone(), name, lines: (number, number), calls: Vec::new() });
            }
            if let Some(function) = &mut open {
                function.lines.1 = number;
                for (call, word) in [
                    ("self.begin()", "begin"),
                    ("self.commit(", "commit"),
                    ("self.reader()", "reader"),
                    ("self.store.reader()", "reader"),
                ] {
                    if line.contains(call) {
                        function.calls.push((number, word));
                    }
                }
            }
        }
        found.extend(open);
    }
    found.retain(|function| !function.calls.is_empty());
    found
}

/// `pub async fn take(` and the like, at the beginning of a line of an `impl`.
fn function_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    let rest = line
        .strip_prefix("pub(super) ")
        .or_else(|| line.strip_prefix("pub(crate) "))
        .or_else(|| line.strip_prefix("pub "))
        .unwrap_or(line);
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let name = rest.strip_prefix("fn ")?;
    Some(name.split(['(', '<']).next().unwrap_or_default().to_owned())
}

/// The names that the rooms of the daemon call on something: `store().turn(`, `self.store.until_due(`.
pub(super) fn called_by_the_daemon() -> BTreeSet<String> {
    let rooms = ["src/engine", "src/intake", "src/queue", "src/mail"];
    let mut files: Vec<PathBuf> = rooms.iter().flat_map(|room| sources(room)).collect();
    files.push(root().join("src/daemon.rs"));
    let mut names = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let text: String = text.split_whitespace().collect();
        for call in ["store().", "store."] {
            for rest in text.split(call).skip(1) {
                let end =
                    rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(rest.len());
                if rest[end..].starts_with('(') || rest[end..].starts_with("::<") {
                    names.insert(rest[..end].to_owned());
                }
            }
        }
    }
    names
}

/// The functions of the interface to systems that ask something of them.
pub(super) fn doors() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("src/connectors/mod.rs")).expect("reads");
    let inside = text.split("impl Connector {").nth(1).expect("the interface");
    inside.lines().filter(|line| line.trim_start().starts_with("pub async fn ")).filter_map(function_name).collect()
}

/// What was passed, by function of the store; the calls to systems by their own names.
pub(super) fn by_function(passed: &BTreeMap<String, u64>) -> (BTreeSet<(String, String, usize)>, BTreeSet<String>) {
    let (mut store, mut systems) = (BTreeSet::new(), BTreeSet::new());
    for boundary in passed.keys() {
        match boundary.rsplit_once(' ').and_then(|(place, _)| place.rsplit_once(':')) {
            Some((file, line)) => {
                let line: usize = line.parse().expect("a line");
                let function =
                    functions().into_iter().find(|one| one.file == file && (one.lines.0..=one.lines.1).contains(&line));
                let function = function.unwrap_or_else(|| panic!("no function at {file}:{line}"));
                store.insert((function.file, function.name, line));
            }
            None => drop(systems.insert(boundary.clone())),
        }
    }
    (store, systems)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("reads").map(|entry| entry.expect("reads").path()) {
            if entry.is_dir() {
                open.push(entry);
            } else if entry.extension() == Some(Path::new("rs").as_os_str())
                && entry.file_name() != Some(Path::new("tests.rs").as_os_str())
            {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}
