//! THE ARCHIVE STORE. Where archives of mailboxes, files and calendars are kept: a folder, a WebDAV server, or a store that
//! speaks S3. What is written is read back; what is finished has a manifest, written last, whose checksum is in the record;
//! and nothing that is there is written over.
//!
//! An archive is a folder of its own: its files, and `manifest.json` with the length and the SHA-256 of each. One that grows
//! beyond what a single file may be is continued in further files, `mail.tar.zst`, `mail.tar.zst.000002`, …: put together
//! again by `cat mail.tar.zst*`. Whoever is interrupted goes on behind the last file that was finished.

mod digest;
mod error;
mod lock;
mod manifest;
mod name;
mod part;
mod place;
mod reach;
mod reading;
mod settings;
#[cfg(test)]
mod tests;
mod writing;

pub use error::ArchiveError;
pub use manifest::{Manifest, Part};
pub use name::ArchiveName;
pub use reading::{Reading, Verdict};
pub use settings::{ArchiveSettings, DavPlace, Place, S3Place};
pub use writing::{Begun, Writing};

use place::Shelf;
use reading::Look;

use crate::store::{KeptRow, Store};

/// The archive store of a house.
#[derive(Clone, Debug)]
pub struct ArchiveStore {
    settings: ArchiveSettings,
    record: Store,
}

/// A finished archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it is called.
    pub name: ArchiveName,
    /// The length of its files together, in bytes.
    pub bytes: u64,
    /// SHA-256 of its manifest, which has those of all its files; 64 hexadecimal digits.
    pub sha256: String,
}

impl Kept {
    fn of(name: &ArchiveName, row: KeptRow) -> Self {
        Self { name: name.clone(), bytes: row.bytes, sha256: row.sha256 }
    }
}

impl std::fmt::Display for Kept {
    /// As evidence says it: `NAME, N bytes, manifest sha256:…`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} bytes, manifest sha256:{}", self.name, self.bytes, self.sha256)
    }
}

impl ArchiveStore {
    /// The archive store that `settings` describe; `record` remembers what was kept. Nothing is connected before it is
    /// needed, and secrets are read anew each time.
    pub fn new(settings: ArchiveSettings, record: Store) -> Self {
        Self { settings, record }
    }

    /// Where archives are kept, as a person would say it.
    pub fn place(&self) -> String {
        self.settings.place.to_string()
    }

    /// Begins the archive called `name`, whose content is called `file` (`mail.tar.zst`), or goes on with it where somebody
    /// was interrupted. One that is finished, and is what the record says, is answered as it is.
    ///
    /// # Errors
    /// When the place does not answer, or has something else under this name.
    pub async fn begin(&self, name: &ArchiveName, file: &str) -> Result<Begun, ArchiveError> {
        let shelf = self.shelf().await?;
        if let Some(found) = reading::manifest(&shelf, name).await? {
            return match self.record.kept_archive(name.as_str()).await? {
                Some(row) if row.sha256 == digest::of(&found) => Ok(Begun::Kept(Kept::of(name, row))),
                _ => Err(ArchiveError::taken(&shelf, name)),
            };
        }
        Ok(Begun::Writing(Box::new(Writing::begin(shelf, self.record.clone(), name, file).await?)))
    }

    /// Whether the archive called `name` is there and what it was when it was finished: every byte of it is read.
    ///
    /// # Errors
    /// When the place, or the record, cannot be asked.
    pub async fn verify(&self, name: &ArchiveName) -> Result<Verdict, ArchiveError> {
        self.looked_at(name, Look::Bytes).await
    }

    /// As [`ArchiveStore::verify`], and soon: of its files only the lengths are asked.
    ///
    /// # Errors
    /// When the place, or the record, cannot be asked.
    pub async fn look(&self, name: &ArchiveName) -> Result<Verdict, ArchiveError> {
        self.looked_at(name, Look::Lengths).await
    }

    async fn looked_at(&self, name: &ArchiveName, look: Look) -> Result<Verdict, ArchiveError> {
        let Some(row) = self.record.kept_archive(name.as_str()).await? else {
            return Ok(Verdict::Gone(format!("no archive {name} was ever finished")));
        };
        reading::verify(&self.shelf().await?, &Kept::of(name, row), look).await
    }

    /// What the record knows of the archive called `name`; the place is not asked.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn kept(&self, name: &ArchiveName) -> Result<Option<Kept>, ArchiveError> {
        Ok(self.record.kept_archive(name.as_str()).await?.map(|row| Kept::of(name, row)))
    }

    /// Opens a finished archive to be read, its files in order as if they were one.
    ///
    /// # Errors
    /// When it is not there, or the place cannot be asked.
    pub async fn read(&self, name: &ArchiveName) -> Result<Reading, ArchiveError> {
        Reading::open(self.shelf().await?, name).await
    }

    /// Whether archives can be kept there: a file is written, read back and taken away again.
    ///
    /// # Errors
    /// What does not work, in words.
    pub async fn test(&self) -> Result<String, ArchiveError> {
        match &self.settings.place {
            Place::Folder(folder) if !folder.exists() => {
                Ok(format!("{} is made with the first archive", folder.display()))
            }
            _ => reach::test(&self.shelf().await?).await,
        }
    }

    async fn shelf(&self) -> Result<Shelf, ArchiveError> {
        Shelf::open(&self.settings, &self.record).await
    }
}
