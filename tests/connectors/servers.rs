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
            if listens(self.process.id(), self.port) {
                return true;
            }
            usher::clock::pause(Duration::from_millis(20)).await;
        }
        false
    }
}

/// Whether it is this process that listens on a port. Another test's server may have taken it since it was free, and would
/// answer in its place.
fn listens(process: u32, port: u16) -> bool {
    let tables = ["tcp", "tcp6"].map(|table| std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default());
    let sockets: Vec<String> =
        tables.iter().flat_map(|table| table.lines()).filter_map(|line| listening(line, port)).collect();
    let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    let links = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
    links.map(|link| link.display().to_string()).any(|link| sockets.contains(&link))
}

/// The socket of a line of the kernel's table, `socket:[123]`, where somebody listens on this port (proc_pid_net(5)).
fn listening(line: &str, port: u16) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let own = words.get(1)?.ends_with(&format!(":{port:04X}")) && *words.get(3)? == "0A";
    own.then(|| words.get(9).map(|inode| format!("socket:[{inode}]"))).flatten()
}

#[tokio::test]
async fn nobody_else_is_taken_for_ones_own_server() {
    let stranger = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let taken = stranger.local_addr().expect("an address").port();
    assert!(listens(std::process::id(), taken));
    let mut other = Command::new("sleep").arg("60").spawn().expect("starts");
    assert!(!listens(other.id(), taken), "a port that another process has");
    other.kill().and_then(|()| other.wait()).expect("ends");
    assert!(!listens(std::process::id(), free_port()), "a port that nobody has");
}
