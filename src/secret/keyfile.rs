//! The file that holds the master key: 64 hexadecimal digits, readable by nobody else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::seal::{KEY_BYTES, SealError, random_key};

type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Why the master key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// There is none.
    #[error("the key file {} does not exist; without it what the database has sealed cannot be read: restore it from your backup", .0.display())]
    Missing(PathBuf),
    /// Others can read it.
    #[error("the key file {} can be read by others (mode {mode:03o}); run `chmod 600 {}`, and where others may have read it, change the key", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key.
    #[error(
        "{0} does not hold a key: 64 hexadecimal digits (256 bits) were expected, as `openssl rand -hex 32` prints them"
    )]
    NotAKey(String),
    /// The file system's own words.
    #[error("the key file {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// No random bytes for a new one.
    #[error(transparent)]
    Random(#[from] SealError),
}

/// Reads the key; refuses a file that others can read.
pub(super) fn read(path: &Path) -> Result<Key, KeyFileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), error },
    };
    let file = File::open(path).map_err(failed)?;
    refuse_exposed(path, &file)?;
    let mut text = Zeroizing::new(String::with_capacity(128));
    match file.take(1024).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(KeyFileError::NotAKey(path.display().to_string()))
        }
        Err(error) => Err(failed(error)),
        Ok(_) => decode(&text, &path.display().to_string()),
    }
}

/// Reads the key, or makes the file with a new one. Two processes that start at once end with one key: the file
/// appears whole or not at all.
pub(super) fn read_or_create(path: &Path) -> Result<Key, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Missing(_)) => create(path).and_then(|()| read(path)),
        outcome => outcome,
    }
}

/// The key that `text` spells; `place` is what a message calls it.
pub(super) fn decode(text: &str, place: &str) -> Result<Key, KeyFileError> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    hex::decode_to_slice(text.trim(), &mut *key).map_err(|_| KeyFileError::NotAKey(place.to_owned()))?;
    Ok(key)
}

fn create(path: &Path) -> Result<(), KeyFileError> {
    let key = random_key()?;
    let mut text = Zeroizing::new(hex::encode(*key));
    text.push('\n');
    let draft = path.with_extension(format!("key-{}", hex::encode(&random_key()?[..8])));
    write_new(path, &draft, text.as_bytes()).map_err(|error| KeyFileError::Io { path: path.to_owned(), error })
}

/// Writes a draft beside the place, then links it there: a link never replaces what another process has put there.
fn write_new(path: &Path, draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(draft).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let linked = written.and_then(|()| match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    });
    fs::remove_file(draft).ok();
    linked?;
    File::open(folder)?.sync_all()
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|error| KeyFileError::Io { path: path.to_owned(), error })?;
    match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(KeyFileError::Exposed { path: path.to_owned(), mode }),
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path, _file: &File) -> Result<(), KeyFileError> {
    Ok(())
}
