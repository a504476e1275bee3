//! What goes wrong with archives, and whether another attempt may help. An archive that is not finished is none: whatever
//! goes wrong before that had no effect.

use object_store::Error;

use super::name::ArchiveName;
use super::place::Shelf;
use crate::outbound::chain;
use crate::secret::SecretError;
use crate::store::StoreError;

/// The longest message that is repeated, in characters.
const LONGEST: usize = 400;

/// Why an archive could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Another attempt may help: the place is away, busy, or full.
    #[error("{0}")]
    Retry(String),
    /// Another attempt does not help: a right is missing, or something else is there.
    #[error("{0}")]
    Fail(String),
}

impl ArchiveError {
    pub(super) fn retry(shelf: &Shelf, why: impl std::fmt::Display) -> Self {
        Self::Retry(format!("the archive store ({}): {why}", shelf.place))
    }

    pub(super) fn fail(shelf: &Shelf, why: impl std::fmt::Display) -> Self {
        Self::Fail(format!("the archive store ({}): {why}", shelf.place))
    }

    /// Something that is not this archive has its name.
    pub(super) fn taken(shelf: &Shelf, name: &ArchiveName) -> Self {
        Self::fail(shelf, format!("{name} is there, and is not what the record knows of it; it is not written over"))
    }

    /// The place's own words.
    pub(super) fn of(shelf: &Shelf, error: &Error) -> Self {
        let words: String = chain(error).split_whitespace().collect::<Vec<_>>().join(" ");
        let words: String = words.chars().take(LONGEST).collect();
        match error {
            Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::InvalidPath { .. }
            | Error::NotSupported { .. }
            | Error::NotImplemented { .. }
            | Error::UnknownConfigurationKey { .. } => Self::fail(shelf, words),
            _ => Self::retry(shelf, words),
        }
    }
}

impl From<StoreError> for ArchiveError {
    fn from(why: StoreError) -> Self {
        Self::Retry(format!("what is kept of archives cannot be read or written: {why}"))
    }
}

impl From<SecretError> for ArchiveError {
    fn from(why: SecretError) -> Self {
        Self::Retry(format!("the archive store's password: {why}"))
    }
}
