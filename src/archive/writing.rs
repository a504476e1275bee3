//! An archive in the making: files one after the other, how far it has come, and the manifest at the end.

use object_store::{ObjectStoreExt, PutPayload};
use serde_json::Value;
use tokio::task::JoinSet;

use super::digest;
use super::error::ArchiveError;
use super::manifest::{MANIFEST, Manifest, PROGRESS, Part, Progress, numbered, path};
use super::name::{ArchiveName, fit};
use super::part::OpenPart;
use super::place::Shelf;
use super::{Kept, reading};
use crate::store::{KeptRow, Store};

/// What beginning an archive finds.
#[derive(Debug)]
pub enum Begun {
    /// It is finished already, and is what the record says.
    Kept(Kept),
    /// It is to be written, from its beginning or from where [`Writing::note`] says.
    Writing(Box<Writing>),
}

/// An archive that is being written. Dropped before [`Writing::finish`], it is not finished, and the next who begins it goes
/// on behind the last checkpoint that got through.
#[derive(Debug)]
pub struct Writing {
    shelf: Shelf,
    record: Store,
    name: ArchiveName,
    file: String,
    /// What was found, or has been finished since.
    parts: Vec<Part>,
    /// The note of the last checkpoint that got through.
    note: Option<Value>,
    open: Option<OpenPart>,
    /// The file before this one, while it is read back; with the note that holds once it is well.
    sealing: JoinSet<Result<(Part, Option<Value>), ArchiveError>>,
}

impl Writing {
    pub(super) async fn begin(
        shelf: Shelf,
        record: Store,
        name: &ArchiveName,
        file: &str,
    ) -> Result<Self, ArchiveError> {
        let progress = reading::progress(&shelf, name).await?;
        let (parts, note) = progress.map_or((Vec::new(), None), |found| (found.files, Some(found.note)));
        let (name, file) = (name.clone(), fit(file));
        Ok(Self { shelf, record, name, file, parts, note, open: None, sealing: JoinSet::new() })
    }

    /// Where an interrupted writer came to: the note of its last checkpoint. `None` at the very beginning.
    pub fn note(&self) -> Option<&Value> {
        self.note.as_ref()
    }

    /// Forgets what an interrupted attempt has written: it is written anew from its beginning.
    pub fn restart(&mut self) {
        self.parts.clear();
        self.note = None;
    }

    /// How many bytes of it are finished and read back.
    pub fn resumed_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Takes bytes of the archive, in order. Memory stays bounded, however many they are.
    ///
    /// # Errors
    /// When the place does not take them.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let open = self.open().await?;
            let room = open.1.saturating_sub(open.0.bytes());
            let (now, later) = rest.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(rest.len()));
            open.0.write(now).await?;
            rest = later;
            if !rest.is_empty() {
                self.seal(None).await?;
            }
        }
        Ok(())
    }

    /// The file that is open, and how long it may become at most.
    async fn open(&mut self) -> Result<(&mut OpenPart, u64), ArchiveError> {
        if self.open.is_none() {
            // The one before gets its number first.
            self.settle().await?;
            let file = numbered(&self.file, self.parts.len());
            self.open = Some(OpenPart::new(self.shelf.clone(), self.name.clone(), file));
        }
        let most = self.shelf.longest;
        match &mut self.open {
            Some(open) => Ok((open, most)),
            None => Err(ArchiveError::retry(&self.shelf, "no file is open")),
        }
    }

    /// Whether the open file is long enough to end: the time for a [`Writing::checkpoint`].
    pub fn is_ripe(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.bytes() >= self.shelf.ripe)
    }

    /// Ends the open file here. Once it has been read back, whoever comes after an interruption is told `note`, and goes on
    /// from here.
    ///
    /// # Errors
    /// When the place did not take this file, or the one before.
    pub async fn checkpoint(&mut self, note: Value) -> Result<(), ArchiveError> {
        self.seal(Some(note)).await
    }

    async fn seal(&mut self, note: Option<Value>) -> Result<(), ArchiveError> {
        self.settle().await?;
        if let Some(open) = self.open.take() {
            self.sealing.spawn(async move { Ok((open.seal().await?, note)) });
        }
        Ok(())
    }

    /// Waits until the file before is well, and writes down how far it has come.
    async fn settle(&mut self) -> Result<(), ArchiveError> {
        while let Some(ended) = self.sealing.join_next().await {
            let (part, note) = ended.map_err(|why| ArchiveError::retry(&self.shelf, why))??;
            self.parts.push(part);
            if let Some(note) = note {
                self.note = Some(note.clone());
                let progress = Progress { files: self.parts.clone(), note };
                self.put(PROGRESS, json(&progress)?).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, file: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let ended = self.shelf.store.put(&path(&self.name, file), PutPayload::from(bytes)).await;
        ended.map(|_| ()).map_err(|why| ArchiveError::of(&self.shelf, &why))
    }

    /// Finishes the archive: the last file, the record's line, and the manifest, which is read back. `content` says what is
    /// in it.
    ///
    /// # Errors
    /// When the place or the record does not take it, or another archive has got the name meanwhile.
    pub async fn finish(mut self, content: Value) -> Result<Kept, ArchiveError> {
        // One that holds nothing has one empty file.
        if self.parts.is_empty() && self.sealing.is_empty() {
            self.open().await?;
        }
        self.seal(None).await?;
        self.settle().await?;
        self.look_again().await?;
        self.take_away_leftovers().await?;
        let bytes = self.resumed_bytes();
        let manifest = Manifest { archive: self.name.to_string(), files: self.parts.clone(), bytes, content };
        let text = json(&manifest)?;
        let kept = Kept { name: self.name.clone(), bytes, sha256: digest::of(&text) };
        // First the record: from the moment in which the archive looks finished, its checksum is known.
        let row = KeptRow { sha256: kept.sha256.clone(), bytes };
        self.record.keep_archive(self.name.as_str(), &row).await?;
        self.shelf.create(&path(&self.name, MANIFEST), text).await?;
        match reading::manifest(&self.shelf, &self.name).await? {
            Some(found) if digest::of(&found) == kept.sha256 => {}
            Some(_) => return Err(ArchiveError::taken(&self.shelf, &self.name)),
            None => return Err(ArchiveError::retry(&self.shelf, format!("{} has no manifest after all", self.name))),
        }
        // Nobody needs it any more; where it cannot be taken away, it says nothing that is wrong.
        self.shelf.store.delete(&path(&self.name, PROGRESS)).await.ok();
        Ok(kept)
    }

    /// An attempt that was interrupted may have come further: what it left behind is no part of this archive.
    async fn take_away_leftovers(&self) -> Result<(), ArchiveError> {
        for index in self.parts.len().. {
            let file = path(&self.name, &numbered(&self.file, index));
            if digest::length(&self.shelf, &file).await.map_err(|why| ArchiveError::of(&self.shelf, &why))?.is_none() {
                break;
            }
            self.shelf.store.delete(&file).await.map_err(|why| ArchiveError::of(&self.shelf, &why))?;
        }
        Ok(())
    }

    /// The files of an earlier attempt are still there, as long as they were.
    async fn look_again(&self) -> Result<(), ArchiveError> {
        for part in &self.parts {
            let found = digest::length(&self.shelf, &path(&self.name, &part.file)).await;
            let found = found.map_err(|why| ArchiveError::of(&self.shelf, &why))?.unwrap_or(0);
            if found != part.bytes {
                let why = format!("{}/{} has {found} bytes instead of {}", self.name, part.file, part.bytes);
                return Err(ArchiveError::retry(&self.shelf, why));
            }
        }
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, ArchiveError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|why| ArchiveError::Fail(why.to_string()))?;
    text.push(b'\n');
    Ok(text)
}
