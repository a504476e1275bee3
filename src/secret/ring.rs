//! The key ring: one master key outside the database wraps one data key per person inside it.
//!
//! Forgetting a person's wrapped key forgets everything sealed with it, in every backup too.

use std::fmt;
use std::path::Path;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Secret;
use super::keyfile::{self, KeyFileError};
use super::seal::{DataKey, KEY_BYTES, SealError, open, random_key, seal};

/// What a wrapped data key says it is, so that it cannot pass for a sealed field.
const WRAPPED: &str = "usher data key";

/// Holds the master key.
#[derive(Clone)]
pub struct KeyRing {
    master: DataKey,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key ring]")
    }
}

impl KeyRing {
    /// The ring of the key file at `path`.
    ///
    /// # Errors
    /// When the file is missing, readable by others, or holds no key.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        keyfile::read(path).map(Self::of)
    }

    /// As [`KeyRing::open`], but makes the file with a new key where there is none: only for a database that has not
    /// sealed anything yet (see [`KeyRing::fingerprint`]).
    ///
    /// # Errors
    /// When the file cannot be made, is readable by others, or holds no key.
    pub fn open_or_create(path: &Path) -> Result<Self, KeyFileError> {
        keyfile::read_or_create(path).map(Self::of)
    }

    /// The ring of a master key that the configuration refers to: 64 hexadecimal digits.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_secret(master: &Secret) -> Result<Self, KeyFileError> {
        keyfile::decode(master.expose(), "the secret of [keys] in the configuration").map(Self::of)
    }

    fn of(master: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { master: DataKey(master) }
    }

    /// A name for the master key that says nothing about it: the store keeps it, and refuses to work with another
    /// ring than the one that sealed its fields.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update("usher master key fingerprint v1").chain_update(*self.master.0).finalize();
        hex::encode(&digest[..8])
    }

    /// A new data key, and its wrapped form for the store.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new_data_key(&self) -> Result<(DataKey, String), SealError> {
        let key = DataKey(random_key()?);
        let wrapped = seal(&self.master, WRAPPED, &*key.0)?;
        Ok((key, wrapped))
    }

    /// The data key in its wrapped form.
    ///
    /// # Errors
    /// When another ring wrapped it, or it has been changed.
    pub fn unwrap(&self, wrapped: &str) -> Result<DataKey, SealError> {
        let bytes = open(&self.master, WRAPPED, wrapped)?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| SealError::Form)?;
        Ok(DataKey(Zeroizing::new(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open_or_create(&folder.path().join("usher.key")).unwrap();
        (folder, ring)
    }

    #[test]
    fn a_wrapped_key_is_the_same_key() {
        let (folder, ring) = ring();
        let (key, wrapped) = ring.new_data_key().unwrap();
        let sealed = seal(&key, "place", b"Ada").unwrap();
        let again = KeyRing::open(&folder.path().join("usher.key")).unwrap();
        let unwrapped = again.unwrap(&wrapped).unwrap();
        assert_eq!(open(&unwrapped, "place", &sealed).unwrap().as_slice(), b"Ada");
        assert_eq!(again.fingerprint(), ring.fingerprint());
    }

    #[test]
    fn another_ring_unwraps_nothing() {
        let (_first, ring_one) = ring();
        let (_second, ring_two) = ring();
        let (_, wrapped) = ring_one.new_data_key().unwrap();
        assert_eq!(ring_two.unwrap(&wrapped).err(), Some(SealError::Refused));
        assert_ne!(ring_one.fingerprint(), ring_two.fingerprint());
        assert_eq!(format!("{ring_one:?}"), "[key ring]");
    }

    #[test]
    fn a_field_does_not_pass_for_a_key() {
        let (_folder, ring) = ring();
        let sealed = seal(&ring.master, "person:1:name", &[7; 32]).unwrap();
        assert!(ring.unwrap(&sealed).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, _ring) = ring();
        let path = folder.path().join("usher.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let message = KeyRing::open(&path).unwrap_err().to_string();
        assert!(message.contains("mode 640") && message.contains("chmod 600"), "{message}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_missing_or_broken_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usher.key");
        assert!(KeyRing::open(&path).unwrap_err().to_string().contains("restore it from your backup"));
        let secret = Secret::new("not a key");
        let message = KeyRing::from_secret(&secret).unwrap_err().to_string();
        assert!(message.contains("64 hexadecimal digits") && !message.contains("not a key"), "{message}");
        assert!(KeyRing::from_secret(&Secret::new(format!("{}\n", "ab".repeat(32)))).is_ok());
    }

    #[test]
    fn many_starts_at_once_end_with_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usher.key");
        let prints: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| KeyRing::open_or_create(&path).map(|r| r.fingerprint()))).collect();
            starts.into_iter().map(|start| start.join().unwrap().unwrap()).collect()
        });
        assert!(prints.iter().all(|print| *print == prints[0]));
    }
}
