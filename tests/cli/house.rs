//! A house to command: the sandbox company in a folder of its own, and the daemon as a child.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::{said, usher};

/// The longest that anything here may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `usher init` wrote, in a folder of its own.
pub(crate) struct House {
    folder: TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Everything that was said, on both streams.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// With this exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// With these words on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.err.contains(words), "{words:?} is not in {self:?}");
        self
    }

    /// With these words on stdout.
    #[track_caller]
    pub(crate) fn shows(self, words: &str) -> Self {
        assert!(self.out.contains(words), "{words:?} is not in {self:?}");
        self
    }
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        usher(folder.path()).arg("init").assert().success();
        Self { folder }
    }

    /// With everybody of people.csv taken in: departures of 1005, 1011 and 1013 are planned.
    pub(crate) fn with_people() -> Self {
        let house = Self::new();
        house.run(&["people", "import", "people.csv"]).ends(0);
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        let (code, out, err) =
            said(usher(self.folder.path()).env("USHER__SERVE__LISTEN", "127.0.0.1:0").args(arguments));
        Answer { code, out, err }
    }

    /// With this on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Answer {
        let (code, out, err) = said(usher(self.folder.path()).args(arguments).write_stdin(input));
        Answer { code, out, err }
    }

    /// A command that is left to itself.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        std::process::Command::new(assert_cmd::cargo::cargo_bin("usher"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("TZ", "UTC")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// A number out of the database, behind usher's back.
    pub(crate) fn number(&self, sql: &'static str) -> i64 {
        let url = format!("sqlite:{}", self.path("usher.db").display());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            use sqlx::Connection;
            let mut conn = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let number = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
            conn.close().await.unwrap();
            number
        })
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let answer = self.run(&[&["--json"], arguments].concat()).ends(0);
        serde_json::from_str(&answer.out).unwrap_or_else(|why| panic!("{why}: {}", answer.out))
    }

    /// The daemon, ready.
    pub(crate) fn serve(&self) -> Daemon {
        Daemon::start(self.folder.path(), "info")
    }

    /// The daemon, ready, which logs everything.
    pub(crate) fn serve_loudly(&self) -> Daemon {
        Daemon::start(self.folder.path(), "trace")
    }

    /// Asks `look` until it answers.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not happen");
            std::thread::yield_now();
        }
    }

    /// The state of a step.
    pub(crate) fn step(&self, run: &str, step: &str) -> String {
        let run = self.json(&["run", "show", run]);
        let steps = run["steps"].as_array().unwrap();
        let found = steps.iter().find(|one| one["step"] == step);
        found.unwrap_or_else(|| panic!("no {step} in {run}"))["state"].as_str().unwrap().to_owned()
    }

    /// Changes the database behind usher's back.
    pub(crate) fn tamper(&self, sql: &'static str) {
        let url = format!("sqlite:{}", self.path("usher.db").display());
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            use sqlx::{Connection, Executor};
            let mut conn = sqlx::SqliteConnection::connect(&url).await.unwrap();
            conn.execute(sql).await.unwrap();
            conn.close().await.unwrap();
        });
    }
}

/// `usher serve` as a child; ended when dropped.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: String,
}

impl Daemon {
    fn start(folder: &Path, log: &str) -> Self {
        // The port may be taken between asking and using it: then another one is asked for.
        for _ in 0..5 {
            let mut daemon = Self::spawn(folder, log);
            if daemon.becomes_ready() {
                return daemon;
            }
        }
        panic!("the daemon does not become ready");
    }

    fn spawn(folder: &Path, log: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("usher"))
            .arg("serve")
            .current_dir(folder)
            .env_clear()
            .env("TZ", "UTC")
            .env("USHER__SERVE__LISTEN", &address)
            .env("USHER_LOG", log)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("serve.log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    fn becomes_ready(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.get("/health/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    /// RFC 9112, as little of it as there is.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// SIGTERM; gives the exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
