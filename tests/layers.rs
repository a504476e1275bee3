//! The floors of the house: a room uses only the rooms below it, and every outside crate only in its home.
//!
//! The order and the homes are the two tables below. Who needs to break a rule changes a table, and says why in review.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Low to high; the rooms of one line are strangers to each other.
const FLOORS: &[&[&str]] = &[
    &["clock", "faults", "outbound"],
    &["secret"],
    &["workflow"],
    &["run"],
    &["store"],
    &["archive"],
    &["connectors", "mail"],
    &["report"],
    &["queue"],
    &["engine"],
    &["intake"],
    &["web"],
    &["config"],
    &["daemon"],
    &["bench"],
    &["cli"],
    &["main"],
];

/// Where each outside crate lives: in a room, or in one folder of it. Every dependency in Cargo.toml stands here.
const HOMES: &[(&str, &[&str])] = &[
    ("annotate-snippets", &["workflow"]),
    ("anstream", &["cli"]),
    ("anstyle", &["workflow", "cli"]),
    ("apalis", &["queue"]),
    ("apalis-core", &["queue"]),
    ("async-imap", &["connectors"]),
    ("axum", &["web"]),
    ("base64", &["secret", "run", "archive", "connectors", "mail"]),
    ("chacha20poly1305", &["secret"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy-table", &["cli"]),
    ("config", &["config"]),
    ("cron", &["workflow"]),
    ("csv", &["report", "intake"]),
    ("deunicode", &["run"]),
    ("ed25519-dalek", &["secret"]),
    ("encoding_rs", &["intake"]),
    ("hmac", &["mail"]),
    ("icalendar", &["connectors"]),
    ("indicatif", &["cli"]),
    ("ldap3", &["connectors"]),
    ("lettre", &["mail"]),
    ("mimalloc", &["main"]),
    ("ipnet", &["connectors", "config"]),
    ("minijinja", &["workflow", "connectors", "mail"]),
    ("object_store", &["archive"]),
    ("percent-encoding", &["connectors"]),
    ("prometheus-client", &["web"]),
    ("quick-xml", &["connectors"]),
    ("reqwest", &["outbound", "archive", "connectors", "mail", "config"]),
    ("rpassword", &["cli"]),
    ("rust_xlsxwriter", &["report"]),
    ("rustix", &["connectors", "main"]),
    ("rustls", &["outbound", "connectors"]),
    ("rustls-native-certs", &["outbound"]),
    ("saphyr-parser", &["workflow"]),
    ("schemars", &["workflow", "connectors", "config"]),
    ("sd-notify", &["daemon"]),
    ("secrecy", &["secret"]),
    ("serde_path_to_error", &["config"]),
    ("sha-crypt", &["connectors"]),
    // The record is `store`'s alone. A mail host whose accounts are rows of a table is a foreign system that speaks SQL.
    ("sqlx", &["store", "connectors/dovecot/table"]),
    ("strsim", &["workflow", "run", "connectors", "config"]),
    ("tar", &["connectors"]),
    ("tokio-rustls", &["connectors"]),
    ("toml", &["connectors", "config"]),
    ("tower-layer", &["queue"]),
    ("tracing-subscriber", &["cli"]),
    ("ulid", &["queue"]),
    ("zeroize", &["secret", "cli"]),
    ("zip", &["connectors"]),
    ("zstd", &["connectors"]),
];

/// At home in every room: plain data, errors, logs, waiting.
const EVERYWHERE: &[&str] =
    &["futures", "hex", "jiff", "rand", "serde", "serde_json", "sha2", "thiserror", "tokio", "tracing"];

/// Tests may use these besides.
const IN_TESTS: &[&str] = &["assert_cmd", "calamine", "criterion", "jsonschema", "proptest", "rcgen", "tempfile"];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// `src/run/plan.rs` is of the room `run`.
fn room_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap_or(file);
    inside.split('/').next().map_or(inside, |first| first.strip_suffix(".rs").unwrap_or(first))
}

/// Everything a file does against the rules.
fn check(file: &str, text: &str) -> Vec<Violation> {
    let room = room_of(file);
    let code = without_comments_and_strings(text);
    let Some(own) = floor(room) else {
        let rule = format!("the room `{room}` is on no floor; give it one in tests/layers.rs and in ARCHITECTURE.md");
        return vec![Violation { file: file.to_owned(), line: 1, rule }];
    };
    let root = file == format!("src/{room}.rs") || file == format!("src/{room}/mod.rs");
    let mut found = Vec::new();
    for (line, used) in rooms_used(&code, room, root) {
        let rule = match floor(&used) {
            Some(floor) if floor < own || used == room => continue,
            Some(floor) if floor == own => format!("`{room}` and `{used}` are on one floor and must stay strangers"),
            Some(_) => format!("`{room}` must not use `{used}`, which is on a higher floor"),
            None => format!("`{room}` uses `crate::{used}`, which is no room"),
        };
        found.push(Violation { file: file.to_owned(), line, rule });
    }
    let declared = declared(&code);
    let is_test = file.contains("/tests/") || file.ends_with("/tests.rs");
    for (name, homes) in HOMES {
        let name = name.replace('-', "_");
        if is_test || homes.iter().any(|home| is_at_home(file, room, home)) || declared.contains(&name) {
            continue;
        }
        for line in uses_of_crate(&code, &name) {
            let rule = format!("the crate `{name}` is at home in {}, not in `{room}`", homes.join(", "));
            found.push(Violation { file: file.to_owned(), line, rule });
        }
    }
    found.sort_by_key(|violation| violation.line);
    found
}

/// Whether a file is in a home: a room, or a folder of one.
fn is_at_home(file: &str, room: &str, home: &str) -> bool {
    room == home || file.starts_with(&format!("src/{home}/"))
}

/// The same text with comments, strings and characters blanked; every line stays where it is.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = blank_length(rest, out.chars().next_back()).unwrap_or(0);
        if length == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The bytes of the comment, string or character that starts here.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if let Some(raw) = rest.strip_prefix('r').filter(|_| !in_word) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()));
        }
    }
    if let Some(body) = rest.strip_prefix('"') {
        return Some(1 + closing(body, '"'));
    }
    // A character; a lifetime has no closing mark.
    let body = rest.strip_prefix('\'')?;
    if body.starts_with('\\') {
        return Some(1 + closing(body, '\''));
    }
    let c = body.chars().next()?;
    body[c.len_utf8()..].starts_with('\'').then(|| 2 + c.len_utf8())
}

fn closing(body: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    body.len()
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn identifier(text: &str) -> &str {
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}

/// Every place where `word` stands as a word of its own that begins a path.
fn starts_of<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(word).filter_map(move |(at, _)| {
        let before = code[..at].trim_end_matches(char::is_whitespace);
        let within = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '\'');
        let after = &code[at + word.len()..];
        let longer = after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        (!within && !before.ends_with("::") && !longer).then_some((at, after))
    })
}

/// The rooms named by `crate::…`, and by `super::…` in a room's own front file.
fn rooms_used(code: &str, room: &str, root: bool) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (at, after) in starts_of(code, "crate") {
        let Some(path) = after.trim_start().strip_prefix("::") else { continue };
        let line = line_of(code, at);
        used.extend(first_names(path.trim_start()).into_iter().map(|name| (line, name)));
    }
    if root {
        for (at, after) in starts_of(code, "super") {
            let Some(path) = after.trim_start().strip_prefix("::") else { continue };
            let rooms = first_names(path.trim_start()).into_iter().filter(|name| name != room && floor(name).is_some());
            used.extend(rooms.map(|name| (line_of(code, at), name)));
        }
    }
    used
}

/// `run::Plan` gives `run`; `{run::Plan, clock}` gives both.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return vec![identifier(path).to_owned()] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(identifier(group[start..at].trim_start()).to_owned());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Names that mean something of this file: its modules, and what it imports under that name.
fn declared(code: &str) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        starts_of(code, "mod").map(|(_, after)| identifier(after.trim_start()).to_owned()).collect();
    // `use crate::config::{self, Config};`
    for (at, _) in code.match_indices("::{self") {
        let start = code[..at].rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |before| before + 1);
        names.insert(code[start..at].to_owned());
    }
    for (_, after) in starts_of(code, "use") {
        let statement = &after[..after.find(';').unwrap_or(after.len())];
        for part in statement.split([',', '{', '}']) {
            if let Some((_, last)) = part.trim().rsplit_once("::") {
                names.insert(identifier(last).to_owned());
            } else if statement.contains('{') {
                names.insert(identifier(part.trim()).to_owned());
            }
        }
    }
    names
}

/// The lines that begin a path with the crate `name`, or import it.
fn uses_of_crate(code: &str, name: &str) -> Vec<usize> {
    let imported = |at: usize| code[..at].trim_end().ends_with("use");
    let hits = starts_of(code, name).filter(|(at, after)| after.starts_with("::") || imported(*at));
    hits.map(|(at, _)| line_of(code, at)).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

mod house {
    use super::*;

    fn project() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn every_room_uses_only_lower_floors_and_its_own_crates() {
        let mut broken = Vec::new();
        for path in sources(&project().join("src")) {
            let file = path.strip_prefix(project()).unwrap().to_string_lossy().replace('\\', "/");
            if file != "src/lib.rs" {
                broken.extend(check(&file, &fs::read_to_string(&path).unwrap()));
            }
        }
        let list: Vec<String> = broken.iter().map(ToString::to_string).collect();
        assert!(list.is_empty(), "{} broken rules:\n{}", list.len(), list.join("\n"));
    }

    #[test]
    fn every_dependency_has_a_home() {
        let manifest: toml::Table = fs::read_to_string(project().join("Cargo.toml")).unwrap().parse().unwrap();
        let names =
            |section: &str| -> BTreeSet<String> { manifest[section].as_table().unwrap().keys().cloned().collect() };
        let homes: BTreeMap<&str, &[&str]> = HOMES.iter().copied().collect();
        for name in names("dependencies") {
            let known = homes.contains_key(name.as_str()) || EVERYWHERE.contains(&name.as_str());
            assert!(known, "the dependency `{name}` has no home; give it one in tests/layers.rs");
        }
        for name in names("dev-dependencies") {
            assert!(IN_TESTS.contains(&name.as_str()), "the test dependency `{name}` is not listed in tests/layers.rs");
        }
        for (name, rooms) in HOMES {
            for home in *rooms {
                let is_there = project().join("src").join(home).exists() || !home.contains('/');
                assert!(floor(room_of(home)).is_some() && is_there, "the home `{home}` of `{name}` is no room");
            }
        }
    }
}

mod the_check_itself {
    use super::*;

    fn rules(file: &str, text: &str) -> Vec<String> {
        check(file, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lower_floors_are_free() {
        let text = "use crate::{clock::Clock, run::{Plan, state::StepState}};\nfn f() { crate::workflow::x() }";
        assert_eq!(rules("src/store/runs.rs", text), Vec::<String>::new());
        assert_eq!(rules("src/run/mod.rs", "mod plan;\nuse crate::run::plan::Plan;"), Vec::<String>::new());
    }

    #[test]
    fn higher_floors_and_neighbours_are_named_with_file_and_line() {
        assert_eq!(
            rules("src/run/plan.rs", "\nuse crate::store::Store;"),
            ["src/run/plan.rs:2: `run` must not use `store`, which is on a higher floor"]
        );
        assert_eq!(
            rules("src/mail/mod.rs", "use crate::{clock,\n connectors::Call};"),
            ["src/mail/mod.rs:1: `mail` and `connectors` are on one floor and must stay strangers"]
        );
        assert_eq!(rules("src/clock.rs", "fn f(p: &crate::run::Plan) {}").len(), 1);
        assert_eq!(rules("src/secret/mod.rs", "use super::workflow::Span;").len(), 1);
        assert!(rules("src/run/plan.rs", "use crate::util::x;")[0].contains("is no room"));
        assert!(rules("src/util/mod.rs", "")[0].contains("is on no floor"));
    }

    #[test]
    fn comments_strings_and_lifetimes_do_not_count() {
        let text = "//! see [`crate::store`]\n/* crate::web */ const A: &str = \"crate::web::x sqlx::query\";\n\
                    const B: &str = r#\"\" crate::web \"#; const C: char = '\"'; fn f<'a>(x: &'a str) {}\n\
                    const D: char = '\\'';\nuse crate::web::Api;";
        assert_eq!(
            rules("src/run/x.rs", text),
            ["src/run/x.rs:5: `run` must not use `web`, which is on a higher floor"]
        );
    }

    #[test]
    fn outside_crates_stay_at_home() {
        assert_eq!(rules("src/store/x.rs", "use sqlx::Any;"), Vec::<String>::new());
        assert_eq!(
            rules("src/engine/x.rs", "\n\nfn f(pool: &sqlx::AnyPool) {}"),
            ["src/engine/x.rs:3: the crate `sqlx` is at home in store, connectors/dovecot/table, not in `engine`"]
        );
        assert_eq!(rules("src/connectors/dovecot/table/x.rs", "use sqlx::Any;"), Vec::<String>::new());
        assert_eq!(rules("src/connectors/dovecot/x.rs", "use sqlx::Any;").len(), 1);
        assert_eq!(rules("src/connectors/dovecot/table.rs", "use sqlx::Any;").len(), 1);
        assert_eq!(rules("src/run/x.rs", "use clap;").len(), 1);
        assert_eq!(rules("src/connectors/sandbox/tests/x.rs", "use csv::Reader;"), Vec::<String>::new());
        assert_eq!(rules("src/run/x.rs", "#[derive(clap::Parser)]\nstruct A;").len(), 1);
        assert_eq!(rules("src/store/x.rs", "use sd_notify::NotifyState;").len(), 1);
    }

    #[test]
    fn own_modules_may_be_called_like_a_crate() {
        assert_eq!(rules("src/cli/x.rs", "use crate::config;\nfn f() { config::load() }"), Vec::<String>::new());
        let with_self = "use crate::config::{self, Config};\nfn f() { config::load() }";
        assert_eq!(rules("src/cli/x.rs", with_self), Vec::<String>::new());
        assert_eq!(rules("src/connectors/x.rs", "mod config;\nfn f() { config::load() }"), Vec::<String>::new());
        assert_eq!(
            rules("src/cli/x.rs", "fn f() { self.csv::<u8>(); my_csv::x(); a::csv::b() }"),
            Vec::<String>::new()
        );
        assert_eq!(rules("src/cli/x.rs", "fn f() { config::load() }").len(), 1);
    }
}
