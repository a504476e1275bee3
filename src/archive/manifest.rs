//! What is written beside an archive's files: its manifest, last; and before that, how far it has come.

use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::name::ArchiveName;

/// The manifest's file, in the folder of an archive.
pub(super) const MANIFEST: &str = "manifest.json";

/// The file that says how far an archive has come that is not finished.
pub(super) const PROGRESS: &str = "progress.json";

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name, in the folder of the archive.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, 64 hexadecimal digits.
    pub sha256: String,
}

/// What an archive is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// What it is called.
    pub archive: String,
    /// Its files, in order; one after the other they are its content.
    pub files: Vec<Part>,
    /// The length of them together, in bytes.
    pub bytes: u64,
    /// What is in it, in the words of who wrote it.
    pub content: Value,
}

/// How far an archive has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// What is written, and was read back.
    pub(super) files: Vec<Part>,
    /// Where to go on, in the words of who writes it.
    pub(super) note: Value,
}

/// The path of a file of an archive.
pub(super) fn path(name: &ArchiveName, file: &str) -> Path {
    Path::from(format!("{name}/{file}"))
}

/// What the file at `index` (from 0) is called.
pub(super) fn numbered(file: &str, index: usize) -> String {
    match index {
        0 => file.to_owned(),
        more => format!("{file}.{:06}", more + 1),
    }
}
