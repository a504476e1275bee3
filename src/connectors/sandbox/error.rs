//! What can go wrong between the sandbox and its files.

use std::path::PathBuf;

use crate::connectors::ActionError;

/// Why a sandbox company could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The description's file could not be read.
    #[error("cannot read the sandbox company {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// The description is not what a company looks like.
    #[error("the sandbox company is not valid: {0}")]
    Company(String),
    /// The ledger's file could not be opened, read, locked or written.
    #[error("sandbox ledger {path}: {source}", path = path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A line of the ledger makes no sense.
    #[error(
        "sandbox ledger {path}, line {line}: {reason}; restore the file, or delete it to start the company afresh",
        path = path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger tells the story of another company.
    #[error(
        "sandbox ledger {path} belongs to another company description (`{theirs}`, this one is `{ours}`); \
         give this company its own ledger file, or delete that one to start afresh",
        path = path.display()
    )]
    OtherCompany {
        /// The file.
        path: PathBuf,
        /// The company in the ledger: name and short hash.
        theirs: String,
        /// The company at hand: name and short hash.
        ours: String,
    },
    /// A simulated system said no to a simulated person.
    #[error("{0}")]
    Refused(String),
}

impl From<SandboxError> for ActionError {
    /// A sandbox that cannot reach its own files behaves as a system that does not answer: nothing had an effect.
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Refused(reason) => Self::fail(reason),
            other => Self::retry(other),
        }
    }
}
