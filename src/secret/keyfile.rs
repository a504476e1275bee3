//! The file that holds the master keys, readable by nobody else: a line each, its number and 64 hexadecimal digits.
//! Digits without a number are key 1.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::seal::{DataKey, KEY_BYTES, SealError, random_key};

/// Master keys by number.
pub(super) type MasterKeys = BTreeMap<u32, DataKey>;

/// The longest file: a hundred keys.
const LONGEST: u64 = 8 * 1024;

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
        "{0} does not hold a key: 64 hexadecimal digits (256 bits) were expected, as `openssl rand -hex 32` prints them, with a number in front where there are several"
    )]
    NotAKey(String),
    /// The keys come from the environment: usher cannot write there.
    #[error(
        "the master keys come from [keys] secret, which usher cannot change: add a line `2 DIGITS` to it where it is kept, and start the daemons again"
    )]
    NoFile,
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

/// Reads the keys; refuses a file that others can read.
pub(super) fn read(path: &Path) -> Result<MasterKeys, KeyFileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), error },
    };
    let file = File::open(path).map_err(failed)?;
    refuse_exposed(path, &file)?;
    let mut text = Zeroizing::new(String::with_capacity(1024));
    match file.take(LONGEST).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(KeyFileError::NotAKey(path.display().to_string()))
        }
        Err(error) => Err(failed(error)),
        Ok(_) => decode(&text, &path.display().to_string()),
    }
}

/// Reads the keys, or makes the file with a new one. Two processes that start at once end with one key: the file
/// appears whole or not at all.
pub(super) fn read_or_create(path: &Path) -> Result<MasterKeys, KeyFileError> {
    match read(path) {
        Err(KeyFileError::Missing(_)) => create(path).and_then(|()| read(path)),
        outcome => outcome,
    }
}

/// The keys that `text` spells; `place` is what a message calls it.
pub(super) fn decode(text: &str, place: &str) -> Result<MasterKeys, KeyFileError> {
    let wrong = || KeyFileError::NotAKey(place.to_owned());
    let mut keys = MasterKeys::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (number, digits) = line.split_once(char::is_whitespace).unwrap_or(("1", line));
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(digits.trim(), &mut *key).map_err(|_| wrong())?;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        if number == 0 || keys.insert(number, DataKey(key)).is_some() {
            return Err(wrong());
        }
    }
    if keys.is_empty() { Err(wrong()) } else { Ok(keys) }
}

/// Adds a new key to the file; answers its number. The file changes whole or not at all.
pub(super) fn add(path: &Path) -> Result<u32, KeyFileError> {
    let _alone = alone(path)?;
    let mut keys = read(path)?;
    let version = keys.keys().next_back().copied().unwrap_or_default() + 1;
    keys.insert(version, DataKey(random_key()?));
    replace(path, &keys)?;
    Ok(version)
}

/// Takes all keys but this one out of the file.
pub(super) fn keep_only(path: &Path, version: u32) -> Result<(), KeyFileError> {
    let _alone = alone(path)?;
    let mut keys = read(path)?;
    if !keys.contains_key(&version) {
        return Err(KeyFileError::NotAKey(path.display().to_string()));
    }
    keys.retain(|number, _| *number == version);
    replace(path, &keys)
}

/// Two who change the file at once come one after the other: a lock on its folder, as the file itself is replaced.
fn alone(path: &Path) -> Result<File, KeyFileError> {
    let folder = File::open(folder_of(path));
    folder
        .and_then(|folder| folder.lock().map(|()| folder))
        .map_err(|error| KeyFileError::Io { path: path.to_owned(), error })
}

fn replace(path: &Path, keys: &MasterKeys) -> Result<(), KeyFileError> {
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * 80));
    for (number, key) in keys {
        let digits = Zeroizing::new(hex::encode(*key.0));
        for part in [&number.to_string(), " ", digits.as_str(), "\n"] {
            text.push_str(part);
        }
    }
    let draft = draft_of(path)?;
    let written = write_draft(&draft, text.as_bytes()).and_then(|()| fs::rename(&draft, path));
    let synced = written.and_then(|()| File::open(folder_of(path))?.sync_all());
    synced.map_err(|error| {
        fs::remove_file(&draft).ok();
        KeyFileError::Io { path: path.to_owned(), error }
    })
}

fn create(path: &Path) -> Result<(), KeyFileError> {
    let key = random_key()?;
    let mut text = Zeroizing::new(hex::encode(*key));
    text.push('\n');
    let draft = draft_of(path)?;
    write_new(path, &draft, text.as_bytes()).map_err(|error| KeyFileError::Io { path: path.to_owned(), error })
}

fn draft_of(path: &Path) -> Result<PathBuf, KeyFileError> {
    Ok(path.with_extension(format!("key-{}", hex::encode(&random_key()?[..8]))))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file for its owner only.
fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a draft beside the place, then links it there: a link never replaces what another process has put there.
fn write_new(path: &Path, draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)?;
    let linked = write_draft(draft, bytes).and_then(|()| match fs::hard_link(draft, path) {
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
