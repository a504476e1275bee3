//! Where the servers of `tests/servers.txt` are, and a port and a process for each.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of the programs that `tests/servers.sh` has installed.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("USHER_TEST_SERVERS") {
        return folder.into();
    }
    // The test is at target/debug/deps/connectors-…; with another profile or target still beside `deps`' folder's parent.
    let test = std::env::current_exe().expect("the test's own path");
    let found = test.ancestors().map(|folder| folder.join("test-servers/bin")).find(|folder| folder.is_dir());
    found.unwrap_or_else(|| test.ancestors().nth(3).unwrap_or(Path::new("target")).join("test-servers/bin"))
}

/// One of those programs.
pub fn program(name: &str) -> PathBuf {
    let program = folder().join(name);
    assert!(
        program.exists(),
        "{name} is not in {}: run tests/servers.sh TARGET/test-servers, or set USHER_TEST_SERVERS",
        folder().display()
    );
    program
}

/// A port that was free a moment ago. Whoever starts a server on it tries again with another when it is lost.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A server that ends with its test.
#[derive(Debug)]
pub struct Server {
    process: Child,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Server {
    /// Starts what `command` makes for a port, and waits until something listens there. Its words go to `log`.
    pub async fn start(log: &Path, command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let words = std::fs::File::create(log).expect("a log");
            let process = command(port)
                .stdin(Stdio::null())
                .stdout(words.try_clone().expect("a log"))
                .stderr(words)
                .spawn()
                .expect("starts");
            let mut server = Self { process, port };
            if server.listens().await {
                return server;
            }
        }
        panic!("a server does not start: {}", std::fs::read_to_string(log).unwrap_or_default());
    }

    async fn listens(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end && self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return self.process.try_wait().is_ok_and(|ended| ended.is_none());
            }
            usher::clock::pause(Duration::from_millis(20)).await;
        }
        false
    }
}
