//! Why the store could not do something.

use super::connect::plain;
use crate::run::IllegalTransition;
use crate::secret::SealError;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database's own words.
    #[error("the database: {}", plain(.0))]
    Database(#[from] sqlx::Error),
    /// The database did not say how a commit ended, or said nothing at all: it may have been kept or not.
    #[error("the database did not answer ({reason}): whether it has kept this is not known")]
    Unanswered {
        /// What came instead of an answer.
        reason: String,
    },
    /// The database is of another version.
    #[error("{message}")]
    Version {
        /// What is wrong.
        message: String,
        /// The way out.
        help: String,
    },
    /// It cannot be opened.
    #[error("cannot open the database {url}: {reason}")]
    Open {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {kind} {key}")]
    NotFound {
        /// What kind of thing.
        kind: &'static str,
        /// Its key.
        key: String,
    },
    /// A rule forbids it.
    #[error("{0}")]
    Refused(String),
    /// It takes somebody else.
    #[error("{why}")]
    NotTheirs {
        /// Why.
        why: String,
        /// What to do.
        help: String,
    },
    /// A state does not allow it.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// Two writers met; the write was taken back and may be tried again.
    #[error("another writer changed {0} in the meantime")]
    Conflict(String),
    /// A stored value cannot be read.
    #[error("the database holds a {what} that cannot be read: {why}")]
    Corrupt {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The master keys at hand are not those that are needed.
    #[error("{0}")]
    Keys(String),
    /// Sealing or opening failed.
    #[error("{0}")]
    Seal(#[from] SealError),
}

impl StoreError {
    pub(crate) fn corrupt(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Corrupt { what, why: why.to_string() }
    }

    /// Whether the database itself is in trouble (away, full, busy), so that trying again later is right.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Database(sqlx::Error::Database(error)) => {
                !(error.is_unique_violation() || error.is_check_violation() || error.is_foreign_key_violation())
            }
            Self::Database(_) | Self::Unanswered { .. } | Self::Open { .. } => true,
            _ => false,
        }
    }
}
