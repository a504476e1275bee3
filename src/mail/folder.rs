//! Mails as files: one `.eml` for each, whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::transport::Refusal;

/// Writes the mail called `name`; a second attempt writes the same file.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<String, Refusal> {
    let path = folder.join(format!("{name}.eml"));
    place(folder, &path, bytes)
        .map_err(|error| Refusal::Later(format!("{} cannot be written: {error}", path.display())))?;
    Ok(format!("written to {}", path.display()))
}

fn place(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // Mails may hold links that open accounts: they are for their owner only.
    let draft = path.with_extension("draft");
    let mut file = create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// Whether files can be written there.
pub(super) fn test(folder: &Path) -> Result<String, String> {
    let probe: PathBuf = folder.join(".usher-probe");
    let tried = fs::create_dir_all(folder).and_then(|()| create(&probe)).and_then(|_| fs::remove_file(&probe));
    tried.map_err(|error| format!("the folder {} cannot be written: {error}", folder.display()))?;
    Ok(format!("mails are written into {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_private_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("mail");
        for _ in 0..2 {
            assert!(write(&place, "7", b"Subject: x\r\n\r\ny").unwrap().ends_with("mail/7.eml"));
        }
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1, "no draft is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(place.join("7.eml")).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(test(&place).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("file");
        fs::write(&taken, "x").unwrap();
        assert!(matches!(write(&taken, "7", b"x"), Err(Refusal::Later(why)) if why.contains("file/7.eml")));
        assert!(test(&taken).is_err());
    }
}
