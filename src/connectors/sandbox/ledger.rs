//! The ledger of effects: an append-only file of JSON lines that is the company's only memory.
//!
//! State = description + ledger. Several processes share the file. Whoever wants anything takes the lock, reads what
//! others have appended since, acts, appends one line with one write and lets go. A last line without its line feed
//! was cut off by a kill: it never took effect and is removed by the next who holds the lock. A killed process loses
//! nothing it was told was done; a power cut may, because a simulation need not pay for `fsync`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::error::SandboxError;
use crate::workflow::ActionKind;

/// One request to a simulated system, and whether it changed anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Virtual time of the request.
    pub at: Timestamp,
    /// The system.
    pub system: String,
    /// The account's immutable id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The action; `None` for what people and senders did in the simulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionKind>,
    /// Idempotency key of the request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The attempt.
    #[serde(default)]
    pub fence: i64,
    /// Whether it had an effect.
    pub changed: bool,
    /// What was asked, free of secrets.
    pub(super) change: Change,
}

/// The first line: which company the story is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) usher_sandbox: u32,
    pub(super) company: String,
    pub(super) description_sha256: String,
}

impl Header {
    fn short(&self) -> String {
        format!("{} {}", self.company, self.description_sha256.get(..12).unwrap_or_default())
    }
}

/// The open file, and how far it has been read.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: Arc<File>,
    offset: u64,
    lines: u64,
}

/// The lock on the file; dropping it lets go.
#[derive(Debug)]
pub(super) struct Held(Arc<File>);

impl Drop for Held {
    fn drop(&mut self) {
        // The lock also ends with the file handle, so a failure here has no way of lasting.
        let _ = self.0.unlock();
    }
}

impl Ledger {
    /// Opens or begins the ledger of the company in `header`.
    pub(super) fn open(path: &Path, header: &Header) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Ledger { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        let mut ledger = Self { path: path.to_owned(), file: Arc::new(file), offset: 0, lines: 0 };
        let held = ledger.hold()?;
        let lines = ledger.new_lines(Some(1))?;
        match lines.first() {
            None => ledger.append_line(header)?,
            Some(first) => ledger.check(first, header)?,
        }
        drop(held);
        Ok(ledger)
    }

    fn check(&self, first: &str, ours: &Header) -> Result<(), SandboxError> {
        let theirs: Header = serde_json::from_str(first).map_err(|error| self.corrupt(1, &error))?;
        if theirs == *ours {
            return Ok(());
        }
        Err(SandboxError::OtherCompany { path: self.path.clone(), theirs: theirs.short(), ours: ours.short() })
    }

    /// Waits for the file's lock and takes it.
    pub(super) fn hold(&self) -> Result<Held, SandboxError> {
        self.file.lock().map_err(|source| self.failed(source))?;
        Ok(Held(Arc::clone(&self.file)))
    }

    /// What others have appended since the last look. The lock must be held.
    pub(super) fn catch_up(&mut self) -> Result<Vec<Entry>, SandboxError> {
        let (offset, before) = (self.offset, self.lines);
        let lines = self.new_lines(None)?;
        let parsed = lines
            .iter()
            .zip(before + 1..)
            .map(|(line, number)| serde_json::from_str(line).map_err(|error| self.corrupt(number, &error)));
        let entries: Result<Vec<Entry>, _> = parsed.collect();
        if entries.is_err() {
            (self.offset, self.lines) = (offset, before);
        }
        entries
    }

    /// Appends one line with a single write. The lock must be held and the file read to its end.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), SandboxError> {
        self.append_line(entry)
    }

    /// Every entry from the beginning. The lock must be held.
    pub(super) fn all(&self) -> Result<Vec<Entry>, SandboxError> {
        let mut whole = Self { path: self.path.clone(), file: Arc::clone(&self.file), offset: 0, lines: 0 };
        whole.new_lines(Some(1))?;
        whole.catch_up()
    }

    fn append_line(&mut self, line: &impl Serialize) -> Result<(), SandboxError> {
        let mut text = serde_json::to_vec(line).map_err(|error| self.failed(error.into()))?;
        text.push(b'\n');
        if let Err(source) = (&*self.file).write_all(&text) {
            // Half a line (a full disk) must not stay: it never took effect.
            let _ = self.file.set_len(self.offset);
            return Err(self.failed(source));
        }
        self.offset += text.len() as u64;
        self.lines += 1;
        Ok(())
    }

    /// Reads whole lines from the offset on, at most `limit`; cuts off a torn last one.
    fn new_lines(&mut self, limit: Option<usize>) -> Result<Vec<String>, SandboxError> {
        let end = self.file.metadata().map_err(|source| self.failed(source))?.len();
        if end == self.offset {
            return Ok(Vec::new());
        }
        if end < self.offset {
            return Err(self.failed(std::io::Error::other("the file has become shorter under way; start again")));
        }
        let mut tail = Vec::new();
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.offset)).map_err(|source| self.failed(source))?;
        file.read_to_end(&mut tail).map_err(|source| self.failed(source))?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < tail.len() {
            self.file.set_len(self.offset + whole as u64).map_err(|source| self.failed(source))?;
        }
        self.take_lines(&tail[..whole], limit)
    }

    fn take_lines(&mut self, bytes: &[u8], limit: Option<usize>) -> Result<Vec<String>, SandboxError> {
        let text = std::str::from_utf8(bytes).map_err(|error| self.corrupt(self.lines + 1, &error))?;
        let lines: Vec<String> =
            text.split_inclusive('\n').take(limit.unwrap_or(usize::MAX)).map(str::to_owned).collect();
        self.offset += lines.iter().map(|line| line.len() as u64).sum::<u64>();
        self.lines += lines.len() as u64;
        Ok(lines)
    }

    fn failed(&self, source: std::io::Error) -> SandboxError {
        SandboxError::Ledger { path: self.path.clone(), source }
    }

    fn corrupt(&self, line: u64, reason: &dyn std::fmt::Display) -> SandboxError {
        SandboxError::Corrupt { path: self.path.clone(), line, reason: reason.to_string() }
    }
}
