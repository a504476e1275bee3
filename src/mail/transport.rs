//! What carries a mail: a server, a folder, or memory.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use lettre::Message;

use super::folder;
use super::settings::Means;
use super::smtp::Smtp;
use crate::store::Store;

/// What carries mails.
#[derive(Debug)]
pub enum Transport {
    /// A mail server.
    Smtp(Box<Smtp>),
    /// A folder of `.eml` files.
    File(PathBuf),
    /// Kept in this process, as they would have gone out.
    Memory(Arc<Mutex<Vec<String>>>),
}

/// Why a mail was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not now: the server is away or busy, or does not let us in. Trying again may help.
    #[error("{0}")]
    Later(String),
    /// Never: the server refuses this mail for good (5xx, RFC 5321 §4.2.1).
    #[error("{0}")]
    Never(String),
}

impl Transport {
    pub(super) fn open(means: &Means) -> Self {
        match means {
            Means::Smtp(settings) => Self::Smtp(Box::new(Smtp::new(settings.clone()))),
            Means::File(folder) => Self::File(folder.clone()),
            Means::Memory => Self::Memory(Arc::default()),
        }
    }

    pub(super) fn with_store(self, store: Store) -> Self {
        match self {
            Self::Smtp(smtp) => Self::Smtp(Box::new(smtp.with_store(store))),
            other => other,
        }
    }

    /// Hands a mail over. What comes back is what took it, in its own words; it has the mail then.
    ///
    /// # Errors
    /// [`Refusal`]. After a cut connection nobody knows whether the server has the mail: it counts as not taken.
    pub async fn send(&self, message: &Message, name: &str) -> Result<String, Refusal> {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::File(path) => folder::write(path, name, &message.formatted()),
            Self::Memory(kept) => {
                let text = String::from_utf8_lossy(&message.formatted()).into_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                Ok("accepted by memory".to_owned())
            }
        }
    }

    /// Whether it can be used now: the server answers, takes our login; the folder can be written. What was found.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn test(&self) -> Result<String, String> {
        match self {
            Self::Smtp(smtp) => smtp.test().await,
            Self::File(path) => folder::test(path),
            Self::Memory(_) => Ok("memory".to_owned()),
        }
    }

    /// The mails that memory has, as they would have gone out; none of other transports.
    pub fn kept(&self) -> Vec<String> {
        match self {
            Self::Memory(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::Smtp(_) | Self::File(_) => Vec::new(),
        }
    }
}
