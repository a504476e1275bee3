//! XChaCha20-Poly1305 over single fields: `v1.` + hex(nonce, 24 bytes, then ciphertext and tag).
//!
//! The nonce is random and 192 bits long, so one key may seal any number of fields. What the field belongs to goes
//! in as associated data: a sealed field moved to another row does not open.

use std::fmt;

use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// The form of what [`seal`] writes; another one is another version.
const VERSION: &str = "v1.";
const NONCE_BYTES: usize = 24;
pub(super) const KEY_BYTES: usize = 32;

/// One person's key: what it sealed is gone for good once every copy of it is.
#[derive(Clone)]
pub struct DataKey(pub(super) Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[data key]")
    }
}

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not written by [`seal`], or by a newer version.
    #[error("the sealed value is not in a form this version knows (`v1.…`); was it written by a newer usher?")]
    Form,
    /// Another key, another place, or changed since.
    #[error("the sealed value does not open: it belongs to another key or another place, or has been changed")]
    Refused,
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// A master key that this ring does not have; its number.
    #[error("it is sealed by master key {0}, which the key ring does not have; put that key back into the key file")]
    NoSuchKey(u32),
    /// Longer than the cipher takes (256 GiB).
    #[error("the value is too long to seal")]
    TooLong,
}

/// Seals `plaintext` with `key`; `aad` names the place it belongs to (`person:42:display_name`) and must be the same
/// to [`open`] it.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn seal(key: &DataKey, aad: &str, plaintext: &[u8]) -> Result<String, SealError> {
    Ok(format!("{VERSION}{}", seal_bytes(key, aad, plaintext)?))
}

/// As [`seal`], without the form's name in front.
pub(super) fn seal_bytes(key: &DataKey, aad: &str, plaintext: &[u8]) -> Result<String, SealError> {
    let nonce = XNonce::try_generate().map_err(|_| SealError::NoRandomness)?;
    let sealed =
        cipher(key).encrypt(&nonce, Payload { msg: plaintext, aad: aad.as_bytes() }).map_err(|_| SealError::TooLong)?;
    Ok(format!("{}{}", hex::encode(nonce), hex::encode(sealed)))
}

/// Opens what [`seal`] wrote with the same key and place.
///
/// # Errors
/// When it was not sealed so, or has been changed.
pub fn open(key: &DataKey, aad: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    open_bytes(key, aad, sealed.strip_prefix(VERSION).ok_or(SealError::Form)?)
}

/// As [`open`], without the form's name in front.
pub(super) fn open_bytes(key: &DataKey, aad: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let bytes = hex::decode(sealed).map_err(|_| SealError::Form)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(SealError::Form)?;
    let nonce = XNonce::try_from(nonce).map_err(|_| SealError::Form)?;
    cipher(key)
        .decrypt(&nonce, Payload { msg: sealed, aad: aad.as_bytes() })
        .map(Zeroizing::new)
        .map_err(|_| SealError::Refused)
}

fn cipher(key: &DataKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.0).into())
}

/// Fresh key bytes from the operating system.
pub(super) fn random_key() -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
    let key = chacha20poly1305::Key::try_generate().map_err(|_| SealError::NoRandomness)?;
    Ok(Zeroizing::new(key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey(random_key().unwrap())
    }

    #[test]
    fn what_is_sealed_opens_again() {
        let key = key();
        for text in ["", "Ada Lovelace", "Žofie Nováková", &"x".repeat(100_000)] {
            let sealed = seal(&key, "person:1:name", text.as_bytes()).unwrap();
            assert!(sealed.starts_with("v1."));
            assert_eq!(*open(&key, "person:1:name", &sealed).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn the_same_text_never_looks_the_same() {
        let key = key();
        assert_ne!(seal(&key, "a", b"Ada").unwrap(), seal(&key, "a", b"Ada").unwrap());
    }

    #[test]
    fn another_place_key_or_byte_does_not_open() {
        let first = key();
        let sealed = seal(&first, "person:1:name", b"Ada").unwrap();
        assert_eq!(open(&first, "person:2:name", &sealed), Err(SealError::Refused));
        assert_eq!(open(&key(), "person:1:name", &sealed), Err(SealError::Refused));
        for at in 3..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(open(&first, "person:1:name", &changed), Err(SealError::Refused), "byte {at}");
        }
    }

    #[test]
    fn what_is_no_sealed_value_is_said_so() {
        for text in ["", "v1.", "v1.00", "v1.zz", "v2.00", "Ada"] {
            assert_eq!(open(&key(), "a", text), Err(SealError::Form), "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", key()), "[data key]");
    }
}
