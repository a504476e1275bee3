//! Checksums of what is there, read in pieces.

use object_store::ObjectStoreExt;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::place::Shelf;

/// How much is read with one request.
pub(super) const PIECE: u64 = 512 * 1024;

/// SHA-256 of some bytes, as 64 hexadecimal digits.
pub(super) fn of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The length of a file as it lies there; `None` where there is none.
pub(super) async fn length(shelf: &Shelf, file: &Path) -> Result<Option<u64>, object_store::Error> {
    match shelf.store.head(file).await {
        Ok(found) => Ok(Some(found.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(why) => Err(why),
    }
}

/// Length and checksum of a file as it lies there; `None` where there is none.
pub(super) async fn of_file(shelf: &Shelf, file: &Path) -> Result<Option<(u64, String)>, object_store::Error> {
    let Some(bytes) = length(shelf, file).await? else { return Ok(None) };
    let mut sum = Sha256::new();
    let mut at = 0;
    while at < bytes {
        let piece = shelf.store.get_range(file, at..bytes.min(at + PIECE)).await?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        sum.update(&piece);
    }
    Ok(Some((at, hex::encode(sum.finalize()))))
}
