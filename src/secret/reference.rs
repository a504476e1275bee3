//! Where a secret is kept, instead of the secret: `{ env = "NAME" }`, `{ file = "PATH" }`, `{ stored = "NAME" }`.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::Secret;

/// The longest secret anybody keeps in a file, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; where it does not exist, the file of that name among the service's systemd credentials
    /// (`$CREDENTIALS_DIRECTORY`).
    File(PathBuf),
    /// Sealed in the store.
    Stored(String),
}

/// Why a secret cannot be had. Never contains it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such variable.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// Not text.
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    /// Nothing in it.
    #[error("{0} is empty")]
    Empty(String),
    /// More than a secret.
    #[error("{} is longer than {LONGEST} bytes: that is no secret", .0.display())]
    TooLong(PathBuf),
    /// No such file.
    #[error("the secret's file {} does not exist{}", path.display(), if *.credentials { ", and the systemd credentials have none of that name" } else { "" })]
    NoFile {
        /// The file.
        path: PathBuf,
        /// Whether the credentials' folder was looked into.
        credentials: bool,
    },
    /// The file system's own words.
    #[error("the secret's file {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Not in the store.
    #[error("there is no stored secret `{0}`; `usher secret set {0}` keeps one")]
    NotStored(String),
    /// The store's own words.
    #[error("the stored secret cannot be read: {0}")]
    Store(String),
    /// The store is not open here.
    #[error("the stored secret `{0}` can only be read once the database is open")]
    NeedsStore(String),
}

impl SecretRef {
    /// How a literal is refused: what to write instead.
    pub const NO_LITERALS: &str = "a secret is never written into the configuration: say where it is kept, \
        { env = \"NAME\" } or { file = \"PATH\" }";

    /// Why the secrets that open the store are not in it.
    pub const NOT_IN_THE_STORE: &str = "it is needed to open the store, so it cannot be kept in there; write { env = \"NAME\" } or { file = \"PATH\" }";

    /// Reads the secret from where it is kept. Ask [`SecretRef::stored_name`] first where a store is at hand.
    ///
    /// # Errors
    /// When it is not there, empty, or in the store.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        self.resolve_with(|name| std::env::var_os(name))
    }

    /// The name of the secret in the store, for references to it.
    pub fn stored_name(&self) -> Option<&str> {
        match self {
            Self::Stored(name) => Some(name),
            Self::Env(_) | Self::File(_) => None,
        }
    }

    fn resolve_with(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => {
                let value = variable(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                let place = format!("the environment variable {name}");
                let text = value.into_string().map_err(|_| SecretError::NotText(place.clone()))?;
                kept(text, place)
            }
            Self::File(path) => read_file(path, variable("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref()),
            Self::Stored(name) => Err(SecretError::NeedsStore(name.clone())),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Stored(name) => write!(f, "stored secret {name}"),
        }
    }
}

fn read_file(path: &Path, credentials: Option<&Path>) -> Result<Secret, SecretError> {
    let credential = credentials.zip(path.file_name()).map(|(folder, name)| folder.join(name));
    let found = std::iter::once(path).chain(credential.as_deref()).find(|candidate| candidate.exists());
    let path =
        found.ok_or_else(|| SecretError::NoFile { path: path.to_owned(), credentials: credentials.is_some() })?;
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| SecretError::Io { path: path.to_owned(), error })?;
    if bytes.len() as u64 > LONGEST {
        return Err(SecretError::TooLong(path.to_owned()));
    }
    let place = format!("the secret's file {}", path.display());
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText(place.clone()))?;
    kept(text.to_owned(), place)
}

/// Without the line end that editors and `echo` leave behind.
fn kept(text: String, place: String) -> Result<Secret, SecretError> {
    let text = Zeroizing::new(text);
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SecretError::Empty(place)),
        secret => Ok(Secret::new(secret)),
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RefVisitor)
    }
}

struct RefVisitor;

impl<'de> Visitor<'de> for RefVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to a secret: { env = \"NAME\" }, { file = \"PATH\" } or { stored = \"NAME\" }")
    }

    /// The literal itself must not be repeated in the message.
    fn visit_str<E: serde::de::Error>(self, _literal: &str) -> Result<SecretRef, E> {
        Err(E::custom(SecretRef::NO_LITERALS))
    }

    fn visit_i64<E: serde::de::Error>(self, _literal: i64) -> Result<SecretRef, E> {
        Err(E::custom(SecretRef::NO_LITERALS))
    }

    fn visit_u64<E: serde::de::Error>(self, _literal: u64) -> Result<SecretRef, E> {
        Err(E::custom(SecretRef::NO_LITERALS))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<SecretRef, M::Error> {
        let Some((kind, value)) = map.next_entry::<String, String>()? else {
            return Err(M::Error::custom(SecretRef::NO_LITERALS));
        };
        if map.next_key::<String>()?.is_some() {
            return Err(M::Error::custom("a reference to a secret has one key: env, file or stored"));
        }
        match kind.as_str() {
            "env" => Ok(SecretRef::Env(value)),
            "file" => Ok(SecretRef::File(value.into())),
            "stored" => Ok(SecretRef::Stored(value)),
            other => Err(M::Error::unknown_field(other, &["env", "file", "stored"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SecretRef, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_literal_is_refused_with_the_way_to_do_it() {
        let message = parse(r#""hunter2""#).unwrap_err();
        assert!(message.contains("{ env = \"NAME\" }") && !message.contains("hunter2"), "{message}");
        assert!(parse("4711").unwrap_err().contains("{ file = \"PATH\" }"));
    }

    #[test]
    fn references_are_read() {
        assert_eq!(parse(r#"{"env": "PW"}"#), Ok(SecretRef::Env("PW".into())));
        assert_eq!(parse(r#"{"stored": "mail"}"#), Ok(SecretRef::Stored("mail".into())));
        assert!(parse(r#"{"env": "PW", "file": "x"}"#).unwrap_err().contains("one key"));
        assert!(parse(r#"{"vault": "x"}"#).unwrap_err().contains("unknown field `vault`"));
        assert!(parse("{}").is_err());
    }

    #[test]
    fn variables_lose_their_line_end_only() {
        let variable = |name: &str| (name == "PW").then(|| OsString::from(" s3cret \n"));
        let secret = SecretRef::Env("PW".into()).resolve_with(variable).unwrap();
        assert_eq!(secret.expose(), " s3cret ");
        let message = SecretRef::Env("NOPE".into()).resolve_with(variable).unwrap_err().to_string();
        assert_eq!(message, "the environment variable NOPE is not set");
    }

    #[test]
    fn files_are_also_looked_for_among_the_credentials() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mail"), "s3cret\r\n").unwrap();
        let credentials = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| folder.path().into());
        let elsewhere = SecretRef::File("/nowhere/mail".into());
        assert_eq!(elsewhere.resolve_with(credentials).unwrap().expose(), "s3cret");
        assert!(elsewhere.resolve_with(|_| None).unwrap_err().to_string().contains("/nowhere/mail does not exist"));
    }

    #[test]
    fn empty_and_stored_ones_are_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(SecretRef::File(path).resolve(), Err(SecretError::Empty(_))));
        assert!(matches!(SecretRef::Stored("x".into()).resolve(), Err(SecretError::NeedsStore(_))));
        for (length, fits) in [(LONGEST, true), (LONGEST + 1, false)] {
            let path = folder.path().join("long");
            std::fs::write(&path, "x".repeat(length as usize)).unwrap();
            let read = SecretRef::File(path).resolve();
            assert_eq!(read.is_ok(), fits, "{length}");
            assert!(fits || matches!(read, Err(SecretError::TooLong(_))));
        }
    }
}
