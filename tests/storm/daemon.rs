//! A daemon as a process of its own: to be killed, stopped, woken and ended. And commands beside it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use usher::clock;

/// What a daemon is given besides the configuration in its folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Surroundings {
    pub(crate) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), variables: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another way to the database than the one in `usher.toml`.
    pub(crate) fn database(self, url: &str) -> Self {
        self.with("USHER__DATABASE__URL", url)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usher"));
        command.current_dir(&self.folder).stdin(Stdio::null()).env("USHER_LOG", "warn");
        command.env("USHER_DATA_DIR", self.folder.join("data"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of usher to its end.
    pub(crate) async fn usher(&self, arguments: &[&str]) -> Output {
        let mut command = self.command();
        command.args(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("starts usher")).await.expect("waits for usher")
    }
}

pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts `usher serve` with whatever configuration lies in its folder, on a port of its own. Its log is appended to
    /// `serve.log`.
    pub(crate) fn start(around: &Surroundings) -> Self {
        let log = around.folder.join("serve.log");
        let log = OpenOptions::new().create(true).append(true).open(log).expect("opens the log");
        let child = around
            .command()
            .arg("serve")
            .env("USHER__SERVE__LISTEN", format!("127.0.0.1:{}", free_port()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("starts usher");
        Self { child }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("is reaped");
    }

    /// SIGSTOP: it stands still, with everything that it holds.
    pub(crate) fn stop(&self) {
        signal(self.child.id(), "STOP");
    }

    /// SIGCONT.
    pub(crate) fn wake(&self) {
        signal(self.child.id(), "CONT");
    }

    /// SIGTERM: it drains and ends well. Answers how long that took.
    pub(crate) async fn terminate(self) -> Duration {
        let (status, took) = self.end().await;
        assert!(status.success(), "the daemon drained and ended with {status}");
        took
    }

    /// SIGTERM, perhaps before it listens for that. Answers how it ended, and how long that took.
    pub(crate) async fn end(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        signal(self.child.id(), "TERM");
        let status = self.ended(Duration::from_secs(40)).await;
        (status, began.elapsed())
    }

    async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("is reaped") {
                return status;
            }
            assert!(began.elapsed() < limit, "the daemon did not end within {limit:?}");
            clock::pause(Duration::from_millis(10)).await;
        }
    }

    /// Whether it still runs.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().expect("is looked at").is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().expect("sends a signal");
    assert!(sent.success(), "SIG{name} reaches process {process}");
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}
