//! A daemon as a process of its own, to be killed.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(crate) struct Daemon {
    child: Child,
}

impl Daemon {
    /// Starts `usher serve` in `folder`, with whatever configuration lies there. Its log is appended to `serve.log`.
    pub(crate) fn start(folder: &Path) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(folder.join("serve.log")).expect("opens the log");
        let child = Command::new(env!("CARGO_BIN_EXE_usher"))
            .arg("serve")
            .current_dir(folder)
            .env("USHER_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("starts usher");
        Self { child }
    }

    /// SIGKILL: nothing is tidied up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("is reaped");
    }

    /// SIGTERM: it drains and ends well.
    pub(crate) fn terminate(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("sends SIGTERM");
        assert!(sent.success());
        let status = self.child.wait().expect("is reaped");
        assert!(status.success(), "the daemon drained and ended with {status}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
