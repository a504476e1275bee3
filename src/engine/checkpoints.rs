//! Checkpoints in the daemon's round: made once an hour where anything happened, and also written where whoever may
//! write the database may not.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::Engine;
use crate::run::checkpoint::{TreeHead, notes_in};
use crate::store::{Checkpoint, StoreError};

/// How often a checkpoint is made, at most.
pub const EVERY: Duration = Duration::from_secs(60 * 60);

/// Checkpoints written at once.
const PAGE: i64 = 500;

/// Why a checkpoint could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file outside of it.
    #[error("the checkpoints cannot be written to {}: {error}; see `checkpoint_file` in [audit]", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The file system's own words.
        error: io::Error,
    },
    /// The file has heard of more than the record knows.
    #[error(
        "the checkpoint file {} covers {outside} heads of runs and the database's last checkpoint {inside}: checkpoints were cut off, or the database is an older copy; `usher audit verify --checkpoints FILE` tells more", path.display()
    )]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Heads that its last checkpoint covers.
        outside: i64,
        /// Heads that the record's last checkpoint covers.
        inside: i64,
    },
}

/// What the round remembers of checkpoints.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// The last one has not covered all runs that had gone on: the next one is not due in an hour, but now.
    follow: AtomicBool,
    /// The tree size of the one that was last looked at for the file outside.
    seen: AtomicI64,
}

/// What stands for a file that was not looked at yet.
const NOTHING_SEEN: i64 = -1;

impl Default for Checkpoints {
    fn default() -> Self {
        Self { follow: AtomicBool::new(false), seen: AtomicI64::new(NOTHING_SEEN) }
    }
}

impl Engine {
    /// Makes a checkpoint where one is due, and writes those that `[audit] checkpoint_file` has not heard of to its end.
    /// Answers whether the next one follows at once, because more runs have gone on than one covers.
    ///
    /// # Errors
    /// [`CheckpointError`]; what is made and not written is written the next time.
    pub async fn checkpoint(&self) -> Result<bool, CheckpointError> {
        let every = if self.inner.checkpoints.follow.load(Ordering::Relaxed) { Duration::ZERO } else { EVERY };
        let follows = self.store().checkpoint(every).await?.is_some_and(|made| made.more);
        self.inner.checkpoints.follow.store(follows, Ordering::Relaxed);
        self.keep_checkpoints().await?;
        Ok(follows)
    }

    async fn keep_checkpoints(&self) -> Result<(), CheckpointError> {
        let Some(path) = &self.inner.fittings.checkpoint_file else { return Ok(()) };
        let inside = self.store().last_checkpoint().await?.map_or(0, |last| last.tree_size);
        // Another daemon may have made one: each writes them all to its own file. What is wrong is told once.
        if self.inner.checkpoints.seen.swap(inside, Ordering::Relaxed) == inside {
            return Ok(());
        }
        let written = self.write_checkpoints(path, inside).await;
        if !matches!(written, Ok(()) | Err(CheckpointError::CutOff { .. })) {
            self.inner.checkpoints.seen.store(NOTHING_SEEN, Ordering::Relaxed);
        }
        written
    }

    async fn write_checkpoints(&self, path: &Path, inside: i64) -> Result<(), CheckpointError> {
        let failed = |error: io::Error| CheckpointError::File { path: path.to_owned(), error };
        let outside = last_size(path).map_err(failed)?;
        if inside < outside {
            return Err(CheckpointError::CutOff { path: path.to_owned(), outside, inside });
        }
        let mut behind = outside;
        loop {
            let page = self.store().checkpoints_after(behind, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            append(path, &page).map_err(failed)?;
            behind = last.tree_size;
        }
    }
}

/// The tree size of the last whole checkpoint in the file; 0 without one.
fn last_size(path: &Path) -> io::Result<i64> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        outcome => outcome?,
    };
    let size = |note: &String| TreeHead::parse(&note[..=note.find("\n\n")?]).map(|head| head.size);
    let last = notes_in(&text).iter().filter_map(size).max().unwrap_or_default();
    Ok(i64::try_from(last).unwrap_or(i64::MAX))
}

/// Writes notes to the end of the file, each behind an empty line, so that one that was cut off does not run into the
/// next. The file is only ever written to at its end: it may lie where nothing else is allowed.
fn append(path: &Path, checkpoints: &[Checkpoint]) -> io::Result<()> {
    let fresh = !path.exists();
    if let Some(folder) = path.parent().filter(|folder| fresh && !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // One more, so that what was cut off in the middle of a line is no part of what follows.
    let text: String =
        std::iter::once("\n".to_owned()).chain(checkpoints.iter().map(|one| format!("\n{}", one.note))).collect();
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(tree_size: i64) -> Checkpoint {
        let text = format!("usher/x\n{tree_size}\n{}=\n", "A".repeat(43));
        Checkpoint { tree_size, made_at: 0, note: format!("{text}\n\u{2014} usher/x {}\n", "B".repeat(91)) }
    }

    #[test]
    fn the_file_grows_and_its_last_checkpoint_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/checkpoints");
        assert_eq!(last_size(&path).unwrap(), 0);
        append(&path, &[checkpoint(3), checkpoint(5)]).unwrap();
        append(&path, &[checkpoint(12)]).unwrap();
        assert_eq!(last_size(&path).unwrap(), 12);
        let notes = notes_in(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(notes, [3, 5, 12].map(|size| checkpoint(size).note));
    }

    #[test]
    fn a_checkpoint_that_was_cut_off_is_written_again_and_spoils_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoints");
        let whole = format!("\n{}", checkpoint(12).note);
        for end in 1..whole.len() {
            if !whole.is_char_boundary(end) {
                continue;
            }
            std::fs::write(&path, format!("\n{}{}", checkpoint(3).note, &whole[..end])).unwrap();
            let behind = last_size(&path).unwrap();
            assert!(behind == 3 || behind == 12, "cut at {end}: {behind}");
            append(&path, &[checkpoint(12)]).unwrap();
            let notes = notes_in(&std::fs::read_to_string(&path).unwrap());
            let known = [checkpoint(3).note, checkpoint(12).note];
            assert!(
                notes.iter().all(|note| known.contains(note)) && notes.contains(&known[1]),
                "cut at {end}: {notes:?}"
            );
        }
    }
}
