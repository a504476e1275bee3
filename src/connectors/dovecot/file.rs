//! Files that Dovecot reads and usher changes: whole, under a lock, and never half-written.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock;
use crate::connectors::ActionError;

/// The longest file that is read, in bytes: a hundred thousand accounts and more.
const LONGEST: u64 = 64 * 1024 * 1024;

/// How often, and how long apart, a lock that somebody else holds is tried.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(100);

/// How long an attempt waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose turn it is to change a file. Attempts of this process wait here, in their order: many at once would only be in each
/// other's way at the file's lock, which is given up after a while.
#[derive(Debug, Default)]
pub(super) struct Turn(Mutex<()>);

impl Turn {
    /// As [`change`], once those who came before are done.
    ///
    /// # Errors
    /// When they are not for a while, or it could not be done: nothing was then.
    pub(super) async fn change(
        &self,
        path: &Path,
        how: impl FnOnce(&str) -> Result<String, ActionError> + Send + 'static,
    ) -> Result<(), ActionError> {
        let late = |_| ActionError::retry(format!("{}: others are still changing it", path.display()));
        let turn = tokio::time::timeout(PATIENCE, self.0.lock()).await.map_err(late)?;
        let done = change(path, how).await;
        drop(turn);
        done
    }
}

/// What is in the file.
///
/// # Errors
/// When it cannot be read: nothing has been done then.
pub(super) async fn read(path: &Path) -> Result<String, ActionError> {
    let at = path.to_owned();
    blocking(move || read_now(&at)).await
}

/// Changes the file to what `change` makes of it; nothing is written where that is the same.
///
/// # Errors
/// When it could not be done: as it is moved into its place whole, nothing was then.
async fn change(
    path: &Path,
    change: impl FnOnce(&str) -> Result<String, ActionError> + Send + 'static,
) -> Result<(), ActionError> {
    // Where the path is a link, what it leads to is replaced.
    let at = path.to_owned();
    let at = blocking(move || fs::canonicalize(&at).map_err(|why| wrong(&at, &why))).await?;
    let lock = locked(&at).await?;
    blocking(move || {
        let before = read_now(&at)?;
        let after = change(&before)?;
        let done = if after == before { Ok(()) } else { replace(&at, &after) };
        drop(lock);
        done
    })
    .await
}

/// Whether it could be changed: tried with a new file beside it, which is gone again at once.
///
/// # Errors
/// Why not.
pub(super) async fn may_change(path: &Path) -> Result<(), ActionError> {
    let at = path.to_owned();
    let at = blocking(move || fs::canonicalize(&at).map_err(|why| wrong(&at, &why))).await?;
    let lock = locked(&at).await?;
    blocking(move || {
        read_now(&at)?;
        let part = beside(&at, "usher");
        let tried = File::create(&part).and_then(|_| fs::remove_file(&part));
        drop(lock);
        tried.map_err(|why| wrong(&part, &why))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ActionError> + Send + 'static,
) -> Result<T, ActionError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|why| Err(ActionError::unknown(why)))
}

fn wrong(path: &Path, why: &io::Error) -> ActionError {
    let said = format!("{}: {why}", path.display());
    match why.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData => ActionError::fail(said),
        _ => ActionError::retry(said),
    }
}

fn read_now(path: &Path) -> Result<String, ActionError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text));
    read.map_err(|why| wrong(path, &why))?;
    if text.len() as u64 > LONGEST {
        return Err(ActionError::fail(format!("{} has more than {LONGEST} bytes", path.display())));
    }
    Ok(text)
}

/// The lock stands beside the file: the file itself is another one after each change.
async fn locked(path: &Path) -> Result<File, ActionError> {
    let beside = beside(path, "lock");
    for _ in 0..TRIES {
        let at = beside.clone();
        let tried = blocking(move || {
            let file = File::options().create(true).append(true).open(&at).map_err(|why| wrong(&at, &why))?;
            match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(why)) => Err(wrong(&at, &why)),
            }
        });
        if let Some(lock) = tried.await? {
            return Ok(lock);
        }
        clock::pause(BETWEEN).await;
    }
    Err(ActionError::retry(format!("{} is locked by somebody else", beside.display())))
}

/// `users` -> `users.lock`
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{ending}"));
    path.with_file_name(name)
}

/// The new file takes the old one's place in one move, with its owner and its rights.
fn replace(path: &Path, text: &str) -> Result<(), ActionError> {
    let part = beside(path, "usher");
    let written = write(path, &part, text);
    if let Err(why) = written {
        fs::remove_file(&part).ok();
        return Err(wrong(path, &why));
    }
    if let Some(folder) = path.parent() {
        // Behind the move: whether it outlives a power cut is open, and a look will show.
        let kept = File::open(folder).and_then(|folder| folder.sync_all());
        kept.map_err(|why| ActionError::unknown(format!("{}: {why}", folder.display())))?;
    }
    Ok(())
}

fn write(path: &Path, part: &Path, text: &str) -> io::Result<()> {
    let old = fs::metadata(path)?;
    fs::remove_file(part).or_else(|why| if why.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(why) })?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(part)?;
    fs::set_permissions(part, old.permissions())?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        chown(part, Some(old.uid()), Some(old.gid()))?;
        fs::set_permissions(part, old.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    // Dovecot takes a file of the same size and the same second for the one that it knows.
    if new.mtime() <= old.mtime() {
        file.set_modified(old.modified()? + Duration::from_secs(1))?;
    }
    file.sync_all()?;
    fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn users(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[tokio::test]
    async fn a_change_keeps_rights_and_follows_links_and_is_seen_by_its_time() {
        let (folder, path) = users("a\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let before = fs::metadata(&path).unwrap();
        change(&link, |text| Ok(text.replace('a', "b"))).await.unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!(read(&path).await.unwrap(), "b\n");
        assert_eq!(after.permissions().mode() & 0o777, 0o640);
        assert!(after.mtime() > before.mtime(), "the same size: Dovecot looks at the second");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        change(&path, |text| Ok(text.to_owned())).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), after.ino(), "nothing to write, nothing written");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "the file, the link and the lock");
    }

    #[tokio::test]
    async fn what_fails_leaves_the_file_as_it_was() {
        let (folder, path) = users("a\n");
        let refused = change(&path, |_| Err(ActionError::fail("no"))).await;
        assert_eq!(refused, Err(ActionError::fail("no")));
        let gone = change(&folder.path().join("none"), |_| Ok(String::new())).await;
        assert!(matches!(gone, Err(ActionError::Retry { .. })), "{gone:?}");
        fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(read(&path).await, Err(ActionError::Fail { .. })));
    }

    #[tokio::test]
    async fn changes_wait_for_each_other() {
        let (folder, path) = users("");
        let lock = File::options().create(true).append(true).open(folder.path().join("users.lock")).unwrap();
        lock.lock().unwrap();
        let told = change(&path, |_| Ok("x".to_owned())).await;
        assert!(matches!(&told, Err(ActionError::Retry { reason, .. }) if reason.contains("locked")), "{told:?}");
        lock.unlock().unwrap();
        let all = (0..20).map(|number| change(&path, move |text| Ok(format!("{text}{number}\n"))));
        for done in futures::future::join_all(all).await {
            done.unwrap();
        }
        assert_eq!(read(&path).await.unwrap().lines().count(), 20);
    }
}
