//! Secrets: types that do not show themselves, references instead of literals, and the key ring that seals
//! personal fields in the store.
//!
//! Nothing in here prints, logs or serialises a secret; `Debug` of every type says only that there is one.

mod keyfile;
mod note;
mod reference;
mod ring;
mod seal;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

pub use keyfile::KeyFileError;
pub use note::{NoteError, NoteSigner, NoteVerifier, open_note};
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

    /// A password that nobody knows and nobody guesses: 24 signs out of 57, drawn by the operating system's generator
    /// (about 140 bits). Signs that look alike are left out, for whoever has to type it once.
    pub fn random() -> Self {
        const SIGNS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let sign = |draw: u32| SIGNS.get(draw as usize % SIGNS.len()).map_or('2', |sign| char::from(*sign));
        // A draw out of 2^32 prefers no sign by more than one in 10^7.
        Self::new((0..24).map(|_| sign(rand::random::<u32>())).collect::<String>())
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
    fn random_passwords_are_long_typeable_and_never_the_same() {
        let drawn: std::collections::BTreeSet<String> =
            (0..500).map(|_| Secret::random().expose().to_owned()).collect();
        assert_eq!(drawn.len(), 500);
        assert!(drawn.iter().all(|text| text.len() == 24 && text.chars().all(|sign| sign.is_ascii_alphanumeric())));
        assert!(drawn.iter().all(|text| !text.contains(['0', 'O', '1', 'l', 'I'])));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
