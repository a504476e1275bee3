//! The key ring: master keys outside the database wrap the data keys inside it, one per person, mail, and so on.
//!
//! Forgetting a person's wrapped key forgets everything sealed with it, in every backup too. Master keys are numbered:
//! one of them wraps what is new, the others only open, so that a key can be changed while daemons are at work.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Secret;
use super::keyfile::{self, KeyFileError, MasterKeys};
use super::seal::{DataKey, KEY_BYTES, SealError, open_bytes, random_key, seal_bytes};

/// What a wrapped data key says it is, so that it cannot pass for a sealed field.
const WRAPPED: &str = "usher data key";

/// Holds the master keys. Clones share them: a key that one has read again, all have.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<RwLock<Keys>>,
    /// Where they can be read again; nowhere for keys that came from the environment.
    file: Option<Arc<PathBuf>>,
}

struct Keys {
    masters: MasterKeys,
    /// The one that wraps what is new.
    wrapping: u32,
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
        keyfile::read(path).map(|masters| Self::of(masters, Some(path)))
    }

    /// As [`KeyRing::open`], but makes the file with a new key where there is none: only for a database that has not
    /// sealed anything yet (see [`KeyRing::wrap_with`]).
    ///
    /// # Errors
    /// When the file cannot be made, is readable by others, or holds no key.
    pub fn open_or_create(path: &Path) -> Result<Self, KeyFileError> {
        keyfile::read_or_create(path).map(|masters| Self::of(masters, Some(path)))
    }

    /// The ring of master keys that the configuration refers to, in the form of the file.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_secret(masters: &Secret) -> Result<Self, KeyFileError> {
        let place = "the secret of [keys] in the configuration";
        keyfile::decode(masters.expose(), place).map(|masters| Self::of(masters, None))
    }

    fn of(masters: MasterKeys, file: Option<&Path>) -> Self {
        let wrapping = newest(&masters);
        let file = file.map(|path| Arc::new(path.to_owned()));
        Self { keys: Arc::new(RwLock::new(Keys { masters, wrapping })), file }
    }

    fn with<T>(&self, look: impl FnOnce(&Keys) -> T) -> T {
        look(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A name for the master key that wraps what is new; it says nothing about the key. The store keeps it, and refuses
    /// to work with a ring that does not have it.
    pub fn fingerprint(&self) -> String {
        self.with(|keys| keys.masters.get(&keys.wrapping).map(fingerprint)).unwrap_or_default()
    }

    /// Wraps what is new with the key of this fingerprint from now on; false where the ring does not have it.
    pub fn wrap_with(&self, print: &str) -> bool {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let found = keys.masters.iter().find(|(_, key)| fingerprint(key) == print).map(|(version, _)| *version);
        if let Some(version) = found {
            keys.wrapping = version;
        }
        found.is_some()
    }

    /// The number of the key that wraps what is new.
    pub fn wrapping(&self) -> u32 {
        self.with(|keys| keys.wrapping)
    }

    /// The newest key's number and fingerprint.
    pub fn newest(&self) -> (u32, String) {
        self.with(|keys| {
            let version = newest(&keys.masters);
            (version, keys.masters.get(&version).map(fingerprint).unwrap_or_default())
        })
    }

    /// The numbers of all keys, ascending.
    pub fn versions(&self) -> Vec<u32> {
        self.with(|keys| keys.masters.keys().copied().collect())
    }

    /// Which keys there are, as a daemon tells the others: `usher keys 1 2`.
    pub fn label(&self) -> String {
        let versions = self.versions().into_iter().map(|version| format!(" {version}"));
        format!("usher keys{}", versions.collect::<String>())
    }

    /// The file that the keys are in, where they are in one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref().map(PathBuf::as_path)
    }

    /// Reads the file again: another process may have put a new key into it. Keys that are gone from it are forgotten,
    /// but for the one that wraps.
    ///
    /// # Errors
    /// When it cannot be read; then the ring stays as it is.
    pub fn reload(&self) -> Result<(), KeyFileError> {
        let Some(path) = self.file() else { return Ok(()) };
        let read = keyfile::read(path)?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let wrapping = keys.wrapping;
        let old = std::mem::replace(&mut keys.masters, read);
        if let Some(key) = old.get(&wrapping) {
            keys.masters.entry(wrapping).or_insert_with(|| key.clone());
        }
        Ok(())
    }

    /// Puts a new master key into the file, beside those that are there; answers its number. It wraps nothing yet.
    ///
    /// # Errors
    /// When the keys are in no file, or it cannot be written.
    pub fn add_key(&self) -> Result<u32, KeyFileError> {
        let path = self.file().ok_or(KeyFileError::NoFile)?;
        let version = keyfile::add(path)?;
        self.reload()?;
        Ok(version)
    }

    /// Takes all keys but the one that wraps out of the file; answers their numbers.
    ///
    /// # Errors
    /// When the keys are in no file, or it cannot be written.
    pub fn drop_old_keys(&self) -> Result<Vec<u32>, KeyFileError> {
        let path = self.file().ok_or(KeyFileError::NoFile)?;
        let kept = self.wrapping();
        let dropped = self.versions().into_iter().filter(|version| *version != kept).collect();
        keyfile::keep_only(path, kept)?;
        self.reload()?;
        Ok(dropped)
    }

    /// A new data key, and its wrapped form for the store; `place` names the table and the row (`people:42`).
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new_data_key(&self, place: &str) -> Result<(DataKey, String), SealError> {
        let key = DataKey(random_key()?);
        let wrapped = self.wrap(place, &key)?;
        Ok((key, wrapped))
    }

    /// `v2.` + the master key's number + `.` + the sealed key. Place and number are authenticated.
    fn wrap(&self, place: &str, key: &DataKey) -> Result<String, SealError> {
        self.with(|keys| {
            let master = keys.masters.get(&keys.wrapping).ok_or(SealError::NoSuchKey(keys.wrapping))?;
            let sealed = seal_bytes(master, &about(place, keys.wrapping), &*key.0)?;
            Ok(format!("v2.{}.{sealed}", keys.wrapping))
        })
    }

    /// The data key in its wrapped form, at its place.
    ///
    /// # Errors
    /// When another ring wrapped it, it stands at another place, or it has been changed.
    pub fn unwrap(&self, place: &str, wrapped: &str) -> Result<DataKey, SealError> {
        match self.unwrap_now(place, wrapped) {
            // Another process may have begun to use a new key.
            Err(SealError::NoSuchKey(_)) if self.reload().is_ok() => self.unwrap_now(place, wrapped),
            outcome => outcome,
        }
    }

    fn unwrap_now(&self, place: &str, wrapped: &str) -> Result<DataKey, SealError> {
        let (version, about, sealed) = match wrapped.strip_prefix("v1.") {
            // As versions before 0010 of the schema wrote it: the first master key, no place.
            Some(sealed) => (1, WRAPPED.to_owned(), sealed),
            None => {
                let (version, sealed) =
                    wrapped.strip_prefix("v2.").and_then(|rest| rest.split_once('.')).ok_or(SealError::Form)?;
                let version = version.parse().map_err(|_| SealError::Form)?;
                (version, about(place, version), sealed)
            }
        };
        let bytes = self.with(|keys| {
            let master = keys.masters.get(&version).ok_or(SealError::NoSuchKey(version))?;
            open_bytes(master, &about, sealed)
        })?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| SealError::Form)?;
        Ok(DataKey(Zeroizing::new(bytes)))
    }

    /// The same data key, wrapped by the key that wraps now; `None` where it is so already.
    ///
    /// # Errors
    /// As [`KeyRing::unwrap`].
    pub fn rewrap(&self, place: &str, wrapped: &str) -> Result<Option<String>, SealError> {
        if wrapped.starts_with(&self.wrapped_prefix()) {
            return Ok(None);
        }
        let key = self.unwrap(place, wrapped)?;
        self.wrap(place, &key).map(Some)
    }

    /// What every data key begins with that the present key has wrapped.
    pub fn wrapped_prefix(&self) -> String {
        format!("v2.{}.", self.wrapping())
    }
}

/// What a wrapped key is bound to: what it is, where it stands, and which master key wrapped it.
fn about(place: &str, version: u32) -> String {
    format!("{WRAPPED} of {place} by {version}")
}

fn newest(masters: &BTreeMap<u32, DataKey>) -> u32 {
    masters.keys().next_back().copied().unwrap_or_default()
}

fn fingerprint(key: &DataKey) -> String {
    let digest = Sha256::new().chain_update("usher master key fingerprint v1").chain_update(*key.0).finalize();
    hex::encode(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::super::seal::{open, seal};
    use super::*;

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open_or_create(&folder.path().join("usher.key")).unwrap();
        (folder, ring)
    }

    #[test]
    fn a_wrapped_key_is_the_same_key() {
        let (folder, ring) = ring();
        let (key, wrapped) = ring.new_data_key("people:1").unwrap();
        let sealed = seal(&key, "place", b"Ada").unwrap();
        let again = KeyRing::open(&folder.path().join("usher.key")).unwrap();
        let unwrapped = again.unwrap("people:1", &wrapped).unwrap();
        assert_eq!(open(&unwrapped, "place", &sealed).unwrap().as_slice(), b"Ada");
        assert_eq!(again.fingerprint(), ring.fingerprint());
    }

    #[test]
    fn another_ring_unwraps_nothing() {
        let (_first, ring_one) = ring();
        let (_second, ring_two) = ring();
        let (_, wrapped) = ring_one.new_data_key("people:1").unwrap();
        assert_eq!(ring_two.unwrap("people:1", &wrapped).err(), Some(SealError::Refused));
        assert_ne!(ring_one.fingerprint(), ring_two.fingerprint());
        assert_eq!(format!("{ring_one:?}"), "[key ring]");
    }

    #[test]
    fn a_field_does_not_pass_for_a_key() {
        let (_folder, ring) = ring();
        let master = ring.with(|keys| keys.masters[&1].clone());
        let sealed = seal(&master, "person:1:name", &[7; 32]).unwrap();
        assert!(ring.unwrap("people:1", &sealed).is_err());
        assert!(ring.unwrap("people:1", &sealed.replacen("v1.", "v2.1.", 1)).is_err());
    }

    #[test]
    fn a_wrapped_key_opens_only_at_its_place_and_under_its_number() {
        let (_folder, ring) = ring();
        let (_, wrapped) = ring.new_data_key("people:1").unwrap();
        assert!(wrapped.starts_with("v2.1.") && ring.unwrap("people:1", &wrapped).is_ok());
        assert_eq!(ring.unwrap("people:2", &wrapped).err(), Some(SealError::Refused));
        assert_eq!(ring.unwrap("mails:1", &wrapped).err(), Some(SealError::Refused));
        ring.add_key().unwrap();
        let renumbered = wrapped.replacen("v2.1.", "v2.2.", 1);
        assert_eq!(ring.unwrap("people:1", &renumbered).err(), Some(SealError::Refused));
        let unknown = wrapped.replacen("v2.1.", "v2.9.", 1);
        assert_eq!(ring.unwrap("people:1", &unknown).err(), Some(SealError::NoSuchKey(9)));
        // The number is authenticated too, where two numbers have one key.
        let twice = Secret::new(format!("1 {0}\n2 {0}\n", "ab".repeat(32)));
        let twice = KeyRing::from_secret(&twice).unwrap();
        let (_, wrapped) = twice.new_data_key("people:1").unwrap();
        let renumbered = wrapped.replacen("v2.2.", "v2.1.", 1);
        assert_eq!(twice.unwrap("people:1", &renumbered).err(), Some(SealError::Refused));
    }

    #[test]
    fn what_an_older_usher_wrapped_opens_and_is_wrapped_anew() {
        let (_folder, ring) = ring();
        let master = ring.with(|keys| keys.masters[&1].clone());
        let old = seal(&master, WRAPPED, &[7; 32]).unwrap();
        assert_eq!(*ring.unwrap("people:1", &old).unwrap().0, [7; 32]);
        let new = ring.rewrap("people:1", &old).unwrap().unwrap();
        assert!(new.starts_with("v2.1."));
        assert_eq!(*ring.unwrap("people:1", &new).unwrap().0, [7; 32]);
        assert_eq!(ring.rewrap("people:1", &new), Ok(None));
    }

    #[test]
    fn a_new_key_is_seen_by_rings_that_were_opened_before() {
        let (folder, ring) = ring();
        let daemon = KeyRing::open(&folder.path().join("usher.key")).unwrap();
        let (_, old) = ring.new_data_key("people:1").unwrap();
        assert_eq!(ring.add_key().unwrap(), 2);
        assert_eq!((ring.wrapping(), ring.versions()), (1, vec![1, 2]), "it wraps nothing yet");
        assert!(ring.wrap_with(&ring.newest().1));
        let new = ring.rewrap("people:1", &old).unwrap().unwrap();
        assert!(new.starts_with("v2.2.") && daemon.versions() == [1]);
        assert_eq!(*daemon.unwrap("people:1", &new).unwrap().0, *ring.unwrap("people:1", &old).unwrap().0);
        assert_eq!(ring.drop_old_keys().unwrap(), [1]);
        assert_eq!(ring.unwrap("people:1", &old).err(), Some(SealError::NoSuchKey(1)));
        assert_eq!(KeyRing::open(&folder.path().join("usher.key")).unwrap().versions(), [2]);
        assert!(!ring.wrap_with("0000000000000000"));
        assert!(KeyRing::from_secret(&Secret::new("ab".repeat(32))).unwrap().add_key().is_err());
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
        let keys = |text: &str| KeyRing::from_secret(&Secret::new(text.replace('x', &"ab".repeat(32))));
        assert!(keys("x\n").is_ok() && keys("# kept by Nils\n3 x\n1 x\n").is_ok());
        for wrong in ["0 x", "1 x\n1 x", "x\nx", "one x", "1 xab", "", "# x"] {
            assert!(keys(wrong).is_err(), "{wrong}");
        }
    }

    /// Two who change the key file at once come one after the other, and no key is lost.
    #[test]
    fn many_new_keys_at_once_are_all_kept() {
        let (folder, _ring) = ring();
        let path = folder.path().join("usher.key");
        let mut made: Vec<u32> = std::thread::scope(|scope| {
            let adds: Vec<_> =
                (0..8).map(|_| scope.spawn(|| KeyRing::open(&path).unwrap().add_key().unwrap())).collect();
            adds.into_iter().map(|add| add.join().unwrap()).collect()
        });
        made.sort_unstable();
        assert_eq!(made, (2..=9).collect::<Vec<_>>());
        assert_eq!(KeyRing::open(&path).unwrap().versions(), (1..=9).collect::<Vec<_>>());
    }

    /// Somebody has put another file in its place: the key that wraps is not forgotten, nor is the file emptied.
    #[test]
    fn the_key_that_wraps_stays_though_the_file_has_lost_it() {
        let (folder, ring) = ring();
        let path = folder.path().join("usher.key");
        let (_, wrapped) = ring.new_data_key("people:1").unwrap();
        let other = format!("2 {}\n", "cd".repeat(32));
        std::fs::write(&path, &other).unwrap();
        ring.reload().unwrap();
        assert_eq!(ring.versions(), [1, 2]);
        assert!(ring.unwrap("people:1", &wrapped).is_ok() && ring.new_data_key("people:2").is_ok());
        assert!(ring.drop_old_keys().unwrap_err().to_string().contains("does not hold a key"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
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
