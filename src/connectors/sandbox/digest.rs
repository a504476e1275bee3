//! Fingerprints: the same parts give the same hex, on every machine.

use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// SHA-256 of `bytes` in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 over `parts`, each closed by a zero byte so that no two lists run into each other.
pub(super) fn of_parts(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().into()
}

/// A short name for a password nobody knows: what the sandbox keeps instead of one.
pub(super) fn generation(parts: &[&str]) -> String {
    hex::encode(&of_parts(parts)[..8])
}

/// The name of a password that was given.
pub(super) fn password(password: &Secret) -> String {
    generation(&[password.expose()])
}
