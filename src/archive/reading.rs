//! Archives that are there: read, and held against what they were.

use std::collections::VecDeque;

use object_store::ObjectStoreExt;

use super::Kept;
use super::digest;
use super::error::ArchiveError;
use super::manifest::{MANIFEST, Manifest, PROGRESS, Part, Progress, path};
use super::name::ArchiveName;
use super::place::Shelf;

/// The longest manifest that is read: one of some 100,000 files.
const LONGEST: u64 = 32 * 1024 * 1024;

/// What an archive is, now that it has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There, and what it was.
    Whole(Kept),
    /// There, and not what it was; what differs.
    Spoilt(String),
    /// Not there, or never finished.
    Gone(String),
}

/// A finished archive, read piece by piece.
#[derive(Debug)]
pub struct Reading {
    shelf: Shelf,
    name: ArchiveName,
    manifest: Manifest,
    files: VecDeque<Part>,
    at: u64,
}

impl Reading {
    pub(super) async fn open(shelf: Shelf, name: &ArchiveName) -> Result<Self, ArchiveError> {
        let Some(text) = manifest(&shelf, name).await? else {
            return Err(ArchiveError::fail(&shelf, format!("there is no finished archive {name}")));
        };
        let manifest = read(&shelf, name, &text)?;
        let files = manifest.files.clone().into();
        Ok(Self { shelf, name: name.clone(), manifest, files, at: 0 })
    }

    /// What it is made of.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The next piece, of some megabytes at most; `None` at the end.
    ///
    /// # Errors
    /// When the place cannot be read, or a file is shorter than it was.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ArchiveError> {
        while let Some(file) = self.files.front() {
            if self.at >= file.bytes {
                self.files.pop_front();
                self.at = 0;
                continue;
            }
            let range = self.at..file.bytes.min(self.at + digest::PIECE);
            let piece = self.shelf.store.get_range(&path(&self.name, &file.file), range).await;
            let piece = piece.map_err(|why| ArchiveError::of(&self.shelf, &why))?;
            if piece.is_empty() {
                return Err(ArchiveError::fail(&self.shelf, format!("{}/{} is cut off", self.name, file.file)));
            }
            self.at += piece.len() as u64;
            return Ok(Some(piece.into()));
        }
        Ok(None)
    }
}

/// The manifest of an archive, as it lies there; `None` where the archive is not finished.
pub(super) async fn manifest(shelf: &Shelf, name: &ArchiveName) -> Result<Option<Vec<u8>>, ArchiveError> {
    small_file(shelf, name, MANIFEST).await
}

/// How far an archive has come that is not finished. What cannot be understood is nothing: it is begun anew.
pub(super) async fn progress(shelf: &Shelf, name: &ArchiveName) -> Result<Option<Progress>, ArchiveError> {
    let text = small_file(shelf, name, PROGRESS).await?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}

async fn small_file(shelf: &Shelf, name: &ArchiveName, file: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
    let path = path(name, file);
    let found = async {
        let size = shelf.store.head(&path).await?.size;
        // A range of nothing is refused.
        if size == 0 {
            Ok(Vec::new())
        } else {
            shelf.store.get_range(&path, 0..size.min(LONGEST)).await.map(Into::into)
        }
    };
    match found.await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(ArchiveError::of(shelf, &why)),
    }
}

fn read(shelf: &Shelf, name: &ArchiveName, text: &[u8]) -> Result<Manifest, ArchiveError> {
    serde_json::from_slice(text).map_err(|why| ArchiveError::fail(shelf, format!("the manifest of {name}: {why}")))
}

/// How closely an archive is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Its manifest, and the length of each file.
    Lengths,
    /// Every byte.
    Bytes,
}

/// Whether an archive is what it was.
pub(super) async fn verify(shelf: &Shelf, kept: &Kept, look: Look) -> Result<Verdict, ArchiveError> {
    let name = &kept.name;
    let Some(text) = manifest(shelf, name).await? else {
        return Ok(Verdict::Gone(format!("{name} is no longer there")));
    };
    let sha256 = digest::of(&text);
    if sha256 != kept.sha256 {
        return Ok(Verdict::Spoilt(format!("the manifest of {name} is not what it was (sha256:{sha256})")));
    }
    for part in read(shelf, name, &text)?.files {
        let file = path(name, &part.file);
        let found = match look {
            Look::Bytes => digest::of_file(shelf, &file).await,
            Look::Lengths => digest::length(shelf, &file).await.map(|bytes| Some((bytes?, part.sha256.clone()))),
        };
        match found.map_err(|why| ArchiveError::of(shelf, &why))? {
            Some((bytes, sum)) if bytes == part.bytes && sum == part.sha256 => {}
            Some((bytes, sum)) => {
                let why = format!("{name}/{} is not what it was ({bytes} bytes, sha256:{sum})", part.file);
                return Ok(Verdict::Spoilt(why));
            }
            None => return Ok(Verdict::Spoilt(format!("{name}/{} is no longer there", part.file))),
        }
    }
    Ok(Verdict::Whole(kept.clone()))
}
