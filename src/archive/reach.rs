//! Whether archives can be kept there: tried out.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use super::digest;
use super::error::ArchiveError;
use super::place::Shelf;

/// Where a test writes.
pub(super) const PROBE: &str = "usher-test";

pub(super) async fn test(shelf: &Shelf) -> Result<String, ArchiveError> {
    let path = Path::from(format!("{PROBE}/{:016x}", rand::random::<u64>()));
    let bytes = rand::random::<[u8; 32]>().to_vec();
    let sum = digest::of(&bytes);
    let wrong = |why: &object_store::Error| ArchiveError::of(shelf, why);
    shelf.store.put(&path, PutPayload::from(bytes)).await.map_err(|why| wrong(&why))?;
    let found = digest::of_file(shelf, &path).await;
    let away = shelf.store.delete(&path).await;
    match found.map_err(|why| wrong(&why))? {
        Some((_, found)) if found == sum => {}
        _ => return Err(ArchiveError::fail(shelf, "what was written does not read back")),
    }
    Ok(match away {
        Ok(()) => format!("{} takes archives, and reads them back", shelf.place),
        Err(_) => format!("{} takes archives and reads them back; what is there cannot be taken away", shelf.place),
    })
}
