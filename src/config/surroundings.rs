//! What the process finds around it: its environment, its working directory, whose it is. Handed in, so that tests
//! can make up their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The surroundings of a process.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// Environment variables that are text.
    pub variables: BTreeMap<String, String>,
    /// Working directory.
    pub folder: PathBuf,
    /// Whether the process belongs to the machine's administrator.
    pub root: bool,
}

impl std::fmt::Debug for Surroundings {
    /// Variables may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("folder", &self.folder).field("root", &self.root).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { variables: variables.collect(), folder: std::env::current_dir().unwrap_or_default(), root: is_root() }
    }

    /// Where data lives: `$USHER_DATA_DIR`, for the administrator `/var/lib/usher`, for others `usher` in the XDG data
    /// home. Without any of them the working directory.
    pub fn data_dir(&self) -> PathBuf {
        if let Some(named) = self.variable("USHER_DATA_DIR") {
            return self.folder.join(named);
        }
        if self.root {
            return PathBuf::from("/var/lib/usher");
        }
        let xdg = self.variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || self.variable("HOME").map(|home| Path::new(home).join(".local/share"));
        xdg.or_else(home).unwrap_or_else(|| self.folder.clone()).join("usher")
    }

    /// `path` as a reader in the working directory would call it.
    pub fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.folder).unwrap_or(path)
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}
