//! One daemon per SQLite file: a lock on a file beside it, held as long as the daemon lives.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

/// The lock; let go when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Whether a daemon holds the lock beside `database`.
    pub fn is_held(database: &Path) -> bool {
        let file = File::open(path_beside(database));
        // Shared with others who only look; let go at once.
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the lock beside `database`.
    ///
    /// # Errors
    /// When another daemon holds it (its process id is named), or the file cannot be made.
    pub fn take(database: &Path) -> Result<Self, StoreError> {
        let path = path_beside(database);
        let failed = |reason: String| StoreError::Open { url: database.display().to_string(), reason };
        if let Some(folder) = database.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        match file.try_lock() {
            Ok(()) => {
                let mut write = || {
                    file.set_len(0)?;
                    file.rewind()?;
                    write!(file, "{}", std::process::id())
                };
                write().map_err(|error| failed(format!("{}: {error}", path.display())))?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).ok();
                let who = if holder.is_empty() {
                    "another daemon".into()
                } else {
                    format!("another daemon (process {holder})")
                };
                Err(StoreError::Refused(format!(
                    "{who} is already serving {}; one SQLite file has one daemon. Stop it first, or use PostgreSQL for several",
                    database.display()
                )))
            }
            Err(TryLockError::Error(error)) => Err(failed(format!("{}: {error}", path.display()))),
        }
    }
}

fn path_beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_seen_and_a_forgotten_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("usher.db");
        assert!(!FileLock::is_held(&database));
        let lock = FileLock::take(&database).unwrap();
        assert!(FileLock::is_held(&database));
        let refusal = FileLock::take(&database).unwrap_err().to_string();
        assert!(refusal.contains(&std::process::id().to_string()), "{refusal}");
        drop(lock);
        assert!(!FileLock::is_held(&database), "looking lets go again");
        FileLock::take(&database).unwrap();
    }
}
