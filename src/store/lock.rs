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
    /// Takes the lock beside `database`.
    ///
    /// # Errors
    /// When another daemon holds it (its process id is named), or the file cannot be made.
    pub fn take(database: &Path) -> Result<Self, StoreError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let failed = |reason: String| StoreError::Open { url: database.display().to_string(), reason };
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
