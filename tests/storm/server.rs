//! PostgreSQL servers of the test's own: started, restarted, killed, followed by a standby that takes over.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use usher::clock;

use crate::daemon::{free_port, signal};

/// How a server goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fall {
    /// SIGINT: sessions are told, and what is in memory is written.
    Fast,
    /// SIGQUIT: everything stops at once; the next start recovers from the log.
    Immediate,
    /// SIGKILL of the server's first process: nobody is told anything.
    Killed,
}

impl Fall {
    pub(crate) const ALL: [Self; 3] = [Self::Fast, Self::Immediate, Self::Killed];
}

/// A server in a folder of its own. It ends with this value, however the test ends.
pub(crate) struct Server {
    kept: tempfile::TempDir,
    data: PathBuf,
    port: u16,
    process: Option<Child>,
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// A fresh server, ready.
    pub(crate) async fn start() -> Self {
        let mut server = Self::in_a_folder();
        let data = server.data.display().to_string();
        server.run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        server.up().await;
        server
    }

    /// A standby of `self`, ready; from here on `self` answers a commit once the standby has it too.
    pub(crate) async fn standby(&self) -> Self {
        let mut standby = Self::in_a_folder();
        let (data, port) = (standby.data.display().to_string(), self.port.to_string());
        standby.run(
            "pg_basebackup",
            &[
                "-D",
                &data,
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "postgres",
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
                "--no-sync",
            ],
        );
        standby.up().await;
        self.wait_for_standbys("*").await;
        standby
    }

    /// The standby becomes the primary. It answers for itself until it has a standby of its own.
    pub(crate) async fn promote(&self) {
        self.ask("SELECT CAST(pg_promote(true, 30) AS TEXT)").await;
        self.wait_for_standbys("").await;
    }

    /// Its standby is no longer needed: commits do not wait for one.
    pub(crate) async fn alone(&self, standby: Self) {
        self.wait_for_standbys("").await;
        drop(standby);
    }

    async fn wait_for_standbys(&self, which: &str) {
        self.ask(&format!("ALTER SYSTEM SET synchronous_standby_names = '{which}'")).await;
        self.ask("SELECT CAST(pg_reload_conf() AS TEXT)").await;
        let seen = format!("SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND '{which}' <> ''");
        let setting = format!(
            "SELECT COUNT(*) FROM pg_settings WHERE name = 'synchronous_standby_names' AND setting = '{which}'"
        );
        let began = Instant::now();
        loop {
            let follows = which.is_empty() || self.number(&seen).await == Some(1);
            if follows && self.number(&setting).await == Some(1) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the standby follows; see {}", self.log());
            clock::pause(Duration::from_millis(20)).await;
        }
    }

    fn in_a_folder() -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(kept.path(), Some(user), Some(group)).expect("gives the folder to the server");
        }
        let data = kept.path().join("data");
        Self { data, kept, port: free_port(), process: None }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(programs().join(program));
        command.current_dir(self.kept.path()).stdin(Stdio::null());
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = self.command(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.kept.path().join("log")).unwrap_or_default()
    }

    /// Starts it and waits until it answers. After a kill the old processes may still have the memory for a moment.
    pub(crate) async fn up(&mut self) {
        let began = Instant::now();
        loop {
            self.launch();
            while self.lives() {
                if self.number("SELECT 1").await == Some(1) {
                    return;
                }
                assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL starts:\n{}", self.log());
                clock::pause(Duration::from_millis(20)).await;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL starts:\n{}", self.log());
            clock::pause(Duration::from_millis(50)).await;
        }
    }

    fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.kept.path().join("log")).expect("opens the log");
        // Processes are killed here, never the machine: what the kernel has is safe.
        let settings = ["fsync=off", "listen_addresses=127.0.0.1", "max_connections=100", "shared_buffers=32MB"];
        let mut command = self.command("postgres");
        command.arg("-D").arg(&self.data).arg("-p").arg(self.port.to_string()).arg("-k").arg(self.kept.path());
        command.args(settings.iter().flat_map(|setting| ["-c", setting])).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("starts postgres"));
    }

    fn lives(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().expect("is looked at").is_none())
    }

    /// Takes it down.
    pub(crate) fn down(&mut self, fall: Fall) {
        let Some(mut process) = self.process.take() else { return };
        match fall {
            Fall::Fast => signal(process.id(), "INT"),
            Fall::Immediate => signal(process.id(), "QUIT"),
            Fall::Killed => signal(process.id(), "KILL"),
        }
        process.wait().expect("is reaped");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of a fresh database on it.
    pub(crate) async fn database(&self) -> String {
        let name = format!("storm_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.ask(&format!("CREATE DATABASE {name}")).await;
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    pub(crate) async fn ask(&self, sql: &str) {
        let mut conn = self.connect().await.expect("reaches the server");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut conn).await.expect(sql);
        conn.close().await.ok();
    }

    pub(crate) async fn number(&self, sql: &str) -> Option<i64> {
        let mut conn = self.connect().await.ok()?;
        let found = sqlx::query_scalar(AssertSqlSafe(format!("SELECT CAST(({sql}) AS BIGINT)"))).fetch_one(&mut conn);
        found.await.ok()
    }

    async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        // SIGQUIT takes the server's other processes along.
        Command::new("kill").args(["-QUIT", &process.id().to_string()]).status().ok();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if matches!(process.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::yield_now();
        }
        process.kill().ok();
        process.wait().ok();
    }
}

/// The newest folder that has PostgreSQL's programs; Debian keeps them off the PATH.
fn programs() -> PathBuf {
    let has = |folder: &PathBuf| ["initdb", "postgres", "pg_basebackup"].iter().all(|name| folder.join(name).exists());
    let mut found: Vec<PathBuf> = ["/usr/lib/postgresql", "/usr"]
        .iter()
        .filter_map(|place| Path::new(place).read_dir().ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(has)
        .collect();
    found.sort();
    let on_the_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).find(has));
    found.pop().or(on_the_path.flatten()).expect(
        "PostgreSQL's programs (initdb, postgres, pg_basebackup) are missing: tests/run.sh installs them on Debian and Ubuntu",
    )
}

/// PostgreSQL refuses to run as root: then it runs as somebody else.
fn other_user() -> Option<(u32, u32)> {
    let me = Command::new("id").arg("-u").output().expect("says who runs this");
    if String::from_utf8_lossy(&me.stdout).trim() != "0" {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("reads the users");
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    Some(of("postgres").or_else(|| of("nobody")).expect("a user postgres or nobody: PostgreSQL does not run as root"))
}
