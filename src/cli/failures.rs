//! What the rooms below answer, as errors of the command line.

use super::error::{CliError, Exit};
use crate::store::StoreError;

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { .. } => Self::not_found(message),
            StoreError::Refused(_) => Self::refused("refused", message),
            StoreError::Illegal(_) => Self::refused("state", message),
            StoreError::Version { help, .. } => Self::environment("database_version", message).help(help),
            StoreError::Conflict(_) => Self::new(Exit::Refused, "conflict", message).help("try again"),
            _ => Self::environment("database", message),
        }
    }
}
