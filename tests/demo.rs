//! The demo from outside, on both databases: the main job from an HR file to the purge, with its evidence.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Executor};

/// usher in a folder of its own, which is also where its temporary files go.
fn usher(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("usher").unwrap();
    command
        .current_dir(folder)
        .env_clear()
        .env("USHER_DATA_DIR", folder.join("data"))
        .env("TMPDIR", folder)
        .env("TZ", "UTC")
        .args(arguments);
    command
}

fn said(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What is left of the demo's folders.
fn left_over(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("usher-demo-")).collect()
}

/// A database of its own on the server that `USHER_TEST_POSTGRES` names.
struct Database {
    server: String,
    name: String,
}

impl Database {
    async fn create() -> Self {
        let server = std::env::var("USHER_TEST_POSTGRES").expect(
            "USHER_TEST_POSTGRES is not set: run `tests/run.sh`, which starts a throw-away server, or name one whose \
             user may create databases",
        );
        let server = server.trim_end_matches("/postgres").trim_end_matches('/').to_owned();
        let database = Self { server, name: format!("usher_demo_{:08x}", rand::random::<u32>()) };
        database.administer(format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    async fn drop_it(self) {
        self.administer(format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }

    async fn administer(&self, sql: String) {
        let server = PgConnection::connect(&format!("{}/postgres", self.server)).await;
        server.expect("USHER_TEST_POSTGRES cannot be reached").execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    }
}

/// Three departures, each step of them done with its evidence and never early, or left out with its reason.
fn is_as_promised(document: &Value) {
    assert_eq!(document["ok"], true, "{}", document["problems"]);
    assert_eq!(document["problems"], Value::Array(Vec::new()));
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!((run["state"].as_str(), run["verified"].as_bool()), (Some("completed"), Some(true)), "{run}");
        let steps = run["steps"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["action"] == "account.purge" && step["state"] == "done"), "{run}");
        steps.iter().for_each(ended_well);
    }
    assert!(document["days"].as_i64().unwrap() > 200, "months have passed: {}", document["days"]);
    let gone = |change: &&Value| change["field"] == "account" && change["after"].is_null();
    let purged = document["changes"].as_array().unwrap().iter().filter(gone).count();
    assert_eq!(purged, 12, "three people on four systems; badges are kept by hand");
}

fn ended_well(step: &Value) {
    match step["state"].as_str().unwrap() {
        "done" => {
            assert!(!step["evidence"]["detail"].as_str().unwrap().is_empty(), "{step}");
            let instant = |name: &str| step[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
            assert!(instant("due") <= instant("done"), "{step}");
        }
        "skipped" => assert!(!step["reason"].is_null(), "{step}"),
        other => panic!("{other}: {step}"),
    }
}

#[test]
fn on_sqlite_every_step_ends_with_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(usher(folder.path(), &["demo", "--json"]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    is_as_promised(&serde_json::from_str(&out).expect("one document and nothing else"));
    assert_eq!(left_over(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn on_postgresql_it_is_the_same_and_a_database_in_use_is_refused() {
    let database = Database::create().await;
    let (url, folder) = (database.url(), tempfile::tempdir().unwrap());
    let (code, out, err) = said(usher(folder.path(), &["demo", "--json", "--database", &url]));
    assert_eq!(code, 0, "{out}{err}");
    is_as_promised(&serde_json::from_str(&out).expect("one document and nothing else"));
    assert!(err.contains("keeps the demo's record"), "{err}");

    let pool = PgPool::connect(&url).await.unwrap();
    let clock = "SELECT value FROM meta WHERE name = 'clock_offset'";
    let before: String = sqlx::query_scalar(clock).fetch_one(&pool).await.unwrap();
    let (code, out, err) = said(usher(folder.path(), &["demo", "--database", &url]));
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.contains("is in use") && err.contains("help: "), "{err}");
    let after: String = sqlx::query_scalar(clock).fetch_one(&pool).await.unwrap();
    assert_eq!(before, after, "the clock of a database in use must not move");
    pool.close().await;
    assert_eq!(left_over(folder.path()), Vec::<String>::new());
    database.drop_it().await;
}

#[test]
fn without_json_it_is_a_plain_log_that_ends_with_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(usher(folder.path(), &["demo", "--keep"]));
    assert_eq!(code, 0, "{out}{err}");
    assert!(!out.contains('\u{1b}'), "no colour in a log");
    let told = [
        "Ada Keller, last day Friday 29 January 2027",
        "Friday 29 January 2027, day 9",
        "disable@directory",
        "delete.purge@directory",
        "What changed on each system, read back",
        "ada.keller         is purged",
        "received 3606 files from ada.keller (14.6 GB)",
        "has the folder “From Ada Keller” with 14238 mails (1.9 GB)",
        "has 2 calendars more",
        "run_3",
        "chain verified",
        "over 247 days in",
        "The evidence:",
    ];
    let mut rest = out.as_str();
    for words in told {
        // In any order within the table of changes.
        let from = if words.starts_with(char::is_lowercase) { out.as_str() } else { rest };
        let at = from.find(words).unwrap_or_else(|| panic!("`{words}` is missing in:\n{out}"));
        rest = &from[at..];
    }
    assert!(!out.contains("u-0005"), "accounts are called by their sign-in names:\n{out}");
    let kept = left_over(folder.path());
    assert_eq!(kept.len(), 1);
    assert!(err.contains(&kept[0]), "{err}");
    let record = format!("sqlite:{}", folder.path().join(&kept[0]).join("usher.db").display());
    let (code, out, err) = said(usher(folder.path(), &["--database", &record, "audit", "verify"]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("every chain holds"), "{out}");
    let (code, _, err) = said(usher(folder.path(), &["demo", "--database", &record]));
    assert_eq!(code, 4, "{err}");
}

#[test]
fn stopped_in_the_middle_it_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = usher(folder.path(), &["demo", "--speed", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.any(|line| line.contains("disable@directory")), "the first departure begins");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let rest: Vec<String> = log.collect();
    assert!(!rest.iter().any(|line| line.contains("The evidence:")), "{rest:?}");
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("error: stopped on the demo's") && err.contains("nothing is kept"), "{err}");
    assert_eq!(left_over(folder.path()), Vec::<String>::new());
}
