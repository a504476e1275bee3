//! The high-water mark: a small file outside the database that says how far the database has come. A database that says
//! less is an older copy (guarantee 17).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the mark of a database is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkPlace {
    /// Beside a SQLite file: `usher.db.mark`.
    Beside(PathBuf),
    /// In a folder of this machine, by the database's id: several machines share a PostgreSQL database.
    In(PathBuf),
}

impl MarkPlace {
    /// The mark of the database with this id.
    pub(super) fn path(&self, database: &str) -> PathBuf {
        match self {
            Self::Beside(file) => {
                let mut name = file.as_os_str().to_owned();
                name.push(".mark");
                name.into()
            }
            Self::In(folder) => folder.join(format!("usher-{}.mark", database.get(..16).unwrap_or(database))),
        }
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Which database: a random id of its own.
    pub(super) database: String,
    /// How far it has come.
    pub(super) tide: i64,
}

impl Mark {
    /// The mark at `path`; `None` where there is none.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the place of the mark at `path`, whole or not at all, and is on the disk when this returns.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let mut file = File::create(&fresh)?;
        writeln!(file, "{}", serde_json::to_string(self).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    }
}

/// How a mark stands to its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkStanding {
    /// The database is as far as the mark, or further.
    Fits,
    /// There is none.
    Missing,
    /// It is there and says nothing that can be understood.
    Unreadable(String),
    /// It is another database's.
    Foreign,
    /// The database is an older copy: how far it is, and how far it was.
    Older(i64, i64),
}

impl MarkStanding {
    /// How the mark at `path` stands to the database of this id that has come so far.
    pub(super) fn of(path: &Path, database: &str, tide: i64) -> Self {
        match Mark::read(path) {
            Ok(None) => Self::Missing,
            Ok(Some(mark)) if mark.database != database => Self::Foreign,
            Ok(Some(mark)) if mark.tide > tide => Self::Older(tide, mark.tide),
            Ok(Some(_)) => Self::Fits,
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_replaced_whole_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = MarkPlace::Beside(folder.path().join("usher.db")).path("abc");
        assert!(path.ends_with("usher.db.mark"));
        assert_eq!(MarkStanding::of(&path, "abc", 0), MarkStanding::Missing);
        for tide in [7, 9] {
            Mark { database: "abc".into(), tide }.write(&path).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(MarkStanding::of(&path, "abc", 9), MarkStanding::Fits);
        assert_eq!(MarkStanding::of(&path, "abc", 8), MarkStanding::Older(8, 9));
        assert_eq!(MarkStanding::of(&path, "xyz", 8), MarkStanding::Foreign);
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(MarkStanding::of(&path, "abc", 8), MarkStanding::Unreadable(_)));
    }

    #[test]
    fn databases_of_one_machine_have_marks_of_their_own() {
        let place = MarkPlace::In("/var/lib/usher".into());
        assert_eq!(place.path(&"a1".repeat(32)), PathBuf::from("/var/lib/usher/usher-a1a1a1a1a1a1a1a1.mark"));
    }
}
