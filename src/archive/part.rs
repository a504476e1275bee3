//! One file of an archive on its way: sent in pieces, finished whole, and read back.

use std::sync::{Mutex, PoisonError};

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::digest;
use super::error::ArchiveError;
use super::manifest::{MANIFEST, Part, path};
use super::name::ArchiveName;
use super::place::Shelf;

/// A file that is being written. Dropped before its end, it is not there.
#[derive(Debug)]
pub(super) struct OpenPart {
    shelf: Shelf,
    name: ArchiveName,
    path: Path,
    file: String,
    bytes: u64,
    sum: Sha256,
    piece: Vec<u8>,
    /// Nobody shares it; within the lock it is fit to be held while others wait.
    upload: Option<Mutex<Box<dyn MultipartUpload>>>,
    /// The piece before this one: at most one is on its way.
    sent: JoinSet<object_store::Result<()>>,
}

impl OpenPart {
    pub(super) fn new(shelf: Shelf, name: ArchiveName, file: String) -> Self {
        let path = path(&name, &file);
        let (sum, sent) = (Sha256::new(), JoinSet::new());
        Self { shelf, name, path, file, bytes: 0, sum, piece: Vec::new(), upload: None, sent }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes bytes; no more than a piece is kept in hand, where the place takes a file in pieces.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        if let Some(most) = self.shelf.piece {
            while self.piece.len() + rest.len() > most {
                let (now, later) = rest.split_at(most - self.piece.len());
                self.take(now, most);
                self.send().await?;
                rest = later;
            }
        }
        self.take(rest, self.shelf.piece.unwrap_or(0));
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], room: usize) {
        if self.piece.capacity() == 0 {
            // At once: one that grows is copied, and both are there meanwhile.
            self.piece.reserve_exact(room);
        }
        self.piece.extend_from_slice(bytes);
    }

    async fn send(&mut self) -> Result<(), ArchiveError> {
        let piece = PutPayload::from(std::mem::take(&mut self.piece));
        self.arrived().await?;
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let begun = self.shelf.store.put_multipart(&self.path).await;
                self.upload.insert(Mutex::new(begun.map_err(|why| ArchiveError::of(&self.shelf, &why))?))
            }
        };
        let upload = upload.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.sent.spawn(upload.put_part(piece));
        Ok(())
    }

    async fn arrived(&mut self) -> Result<(), ArchiveError> {
        while let Some(ended) = self.sent.join_next().await {
            let ended = ended.map_err(|why| ArchiveError::retry(&self.shelf, why))?;
            ended.map_err(|why| ArchiveError::of(&self.shelf, &why))?;
        }
        Ok(())
    }

    /// Finishes the file, and reads back what has become of it.
    pub(super) async fn seal(mut self) -> Result<Part, ArchiveError> {
        if self.upload.is_some() {
            self.send().await?;
            self.arrived().await?;
        }
        nobody_was_faster(&self.shelf, &self.name).await?;
        let ended = match self.upload.take() {
            Some(upload) => upload.into_inner().unwrap_or_else(PoisonError::into_inner).complete().await,
            None => self.shelf.store.put(&self.path, PutPayload::from(std::mem::take(&mut self.piece))).await,
        };
        ended.map_err(|why| ArchiveError::of(&self.shelf, &why))?;
        let sha256 = hex::encode(self.sum.finalize());
        let found = digest::of_file(&self.shelf, &self.path).await;
        match found.map_err(|why| ArchiveError::of(&self.shelf, &why))? {
            Some((bytes, found)) if bytes == self.bytes && found == sha256 => {
                Ok(Part { file: self.file, bytes: self.bytes, sha256 })
            }
            Some((bytes, _)) => {
                let why = format!("{} reads back otherwise than it was written ({bytes} bytes)", self.path);
                Err(ArchiveError::retry(&self.shelf, why))
            }
            None => Err(ArchiveError::retry(&self.shelf, format!("{} was written and is not there", self.path))),
        }
    }
}

/// Where somebody else has finished the archive meanwhile, none of its files is replaced any more.
async fn nobody_was_faster(shelf: &Shelf, name: &ArchiveName) -> Result<(), ArchiveError> {
    let manifest = digest::length(shelf, &path(name, MANIFEST)).await;
    match manifest.map_err(|why| ArchiveError::of(shelf, &why))? {
        Some(_) => Err(ArchiveError::taken(shelf, name)),
        None => Ok(()),
    }
}
