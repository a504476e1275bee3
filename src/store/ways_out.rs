//! What somebody can do about a database in trouble: the drivers' words say what, not what to do.

use super::StoreError;

const WAYS_OUT: [(&str, &str); 9] = [
    ("readonly", "usher needs to write the database file and its folder: see their owner and permissions"),
    ("read-only", "usher needs to write: see the permissions, and whether this is a standby"),
    ("unable to open database file", "see that its folder exists and that you may write in it"),
    ("file is not a database", "that file is something else: see `url` in [database], or --database"),
    ("disk is full", "make room on the disk; nothing was changed"),
    ("disk I/O error", "see whether the disk is full or ailing; nothing was changed"),
    ("Connection refused", "see that PostgreSQL runs at that address, or name another with --database"),
    ("password authentication failed", "see `password` in [database], and the user in the address"),
    ("does not exist", "make the database first (`createdb NAME`), or name another with --database"),
];

impl StoreError {
    /// What to do about it, where its own message does not say so.
    pub fn way_out(&self) -> Option<&str> {
        if let Self::Version { help, .. } | Self::NotTheirs { help, .. } = self {
            return Some(help);
        }
        let said = match self {
            Self::Open { reason, .. } => reason.clone(),
            Self::Database(error) => error.to_string(),
            _ => return None,
        };
        WAYS_OUT.iter().find(|(words, _)| said.contains(words)).map(|(_, way_out)| *way_out)
    }
}
