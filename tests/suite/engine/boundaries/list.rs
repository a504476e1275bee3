//! The list of boundaries, read from the code: where the store talks to its database, and what is asked of systems.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Functions with a boundary that the story cannot lead to, and why that is no loss.
pub(super) const ELSEWHERE: [(&str, &str); 7] = [
    (
        "clear_the_way",
        "it looks who keeps a person's order waiting, again and again; without an answer PostgreSQL ends them a little later",
    ),
    ("check_keys", "a database is opened before it is handed its faults; who cannot open it starts again"),
    ("analyze", "it makes statements faster, with 64 runs and more; what was written counts though it fails"),
    (
        "keep_archive",
        "the story's systems keep their archives by themselves; without it an archive does not look finished, and is gone on with",
    ),
    ("read_ahead", "it makes turns shorter where many runs begin; without it a turn reads for itself"),
    (
        "take_place",
        "the story's systems have no rate; a reading that gets no answer here ends, keeps what it had, and begins anew at its time",
    ),
    ("write_bare", "only `usher bench` calls it, on a database that is thrown away"),
];

/// A call of the store to the database: `src/store/turn.rs:164 commit`.
struct Boundary {
    name: String,
    function: String,
    word: &'static str,
}

/// What the boundaries of the store are called where it asks for them.
const WORDS: [(&str, &str); 6] = [
    ("self.begin()", "begin"),
    ("self.begin_turn()", "begin"),
    ("self.reader_of_turns()", "reader"),
    ("self.commit(", "commit"),
    ("self.reader()", "reader"),
    ("self.store.reader()", "reader"),
];

/// Every place where the store begins and commits something that usher calls, and every place where it reads something
/// for the daemon; each with its function. What only a command reads is left out: whoever gets no answer asks again.
pub(super) fn of_the_store() -> BTreeMap<String, String> {
    let rooms = ["src/store", "src/engine", "src/intake", "src/queue", "src/mail", "src/daemon.rs", "src/daemon"];
    let by_the_daemon = called(&rooms);
    let by_anybody = called(&["src"]);
    let mut found = BTreeMap::new();
    for path in sources("src/store") {
        let file = path.strip_prefix(root()).expect("inside").display().to_string();
        for boundary in boundaries(&file, &text(&path)) {
            let by = if boundary.word == "reader" { &by_the_daemon } else { &by_anybody };
            if by.contains(&boundary.function) {
                found.insert(boundary.name, boundary.function);
            }
        }
    }
    found
}

/// The functions of the interface to systems that ask something of them. `usher systems test` asks whether one answers;
/// the daemon never does.
pub(super) fn of_systems() -> BTreeSet<String> {
    let text = text(&root().join("src/connectors/mod.rs"));
    let inside = text.split("impl Connector {").nth(1).expect("the interface");
    let asking = inside.lines().filter(|line| line.trim_start().starts_with("pub async fn "));
    asking.filter_map(function_name).filter(|name| name != "test").collect()
}

fn boundaries(file: &str, text: &str) -> Vec<Boundary> {
    let (mut found, mut function) = (Vec::new(), String::new());
    for (number, line) in (1..).zip(text.lines()) {
        function = function_name(line).unwrap_or(function);
        for (call, word) in WORDS {
            if line.contains(call) {
                found.push(Boundary { name: format!("{file}:{number} {word}"), function: function.clone(), word });
            }
        }
    }
    found
}

/// `pub async fn take(` and the like.
fn function_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    let line = ["pub(super) ", "pub(crate) ", "pub "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    Some(name.split(['(', '<']).next().unwrap_or_default().to_owned())
}

/// The names that are called in these rooms on something that may be the store: `.turn(`.
fn called(rooms: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rooms.iter().flat_map(|room| sources(room)) {
        for rest in text(&file).split('.').skip(1) {
            let end =
                rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).unwrap_or(rest.len());
            if rest[end..].starts_with('(') || rest[end..].starts_with("::<") {
                names.insert(rest[..end].to_owned());
            }
        }
    }
    names
}

/// A source file without its tests.
fn text(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("reads");
    text.split("#[cfg(test)]\nmod").next().unwrap_or_default().to_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(room: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(room)]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("reads").map(|entry| entry.expect("reads").path()));
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}
