//! Secrets: types that do not show themselves, references instead of literals, and the key ring that seals
//! personal fields in the store.
//!
//! Nothing in here prints, logs or serialises a secret; `Debug` of every type says only that there is one.

mod keyfile;
mod note;
mod password;
mod reference;
mod ring;
mod seal;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

pub use keyfile::KeyFileError;
pub use note::{NoteError, NoteSigner, NoteVerifier, open_note};
pub use password::{PasswordPolicy, SignClass};
pub use reference::{SecretError, SecretRef};
pub use ring::KeyRing;
pub use seal::{DataKey, SealError, open, seal};

/// A password, token or key. Wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes `text` into keeping.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself: only where it is sent or compared.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
