//! `[archive]`: where archives are kept.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::SecretRef;

/// `[archive]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// Where.
    pub place: Place,
    /// How long one request to it may take; default 60 s.
    pub timeout: Duration,
}

/// The kinds of place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A collection of a WebDAV server.
    WebDav(DavPlace),
    /// A bucket of a store that speaks S3.
    S3(S3Place),
}

/// A collection of a WebDAV server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DavPlace {
    /// Its address, without a slash at the end.
    pub url: String,
    /// Who signs in, and with which password; nobody, where the server asks for nobody.
    pub login: Option<(String, SecretRef)>,
    /// A certificate authority to trust besides the machine's.
    pub ca: Option<PathBuf>,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Place {
    /// The server's address, where it is not Amazon's of that region.
    pub url: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// Its region; default `us-east-1`.
    pub region: String,
    /// The access key's id.
    pub user: String,
    /// The access key's secret.
    pub password: SecretRef,
    /// For how long nobody can take away or replace what was written (object lock, in compliance mode).
    pub retain: Option<Duration>,
    /// A certificate authority to trust besides the machine's.
    pub ca: Option<PathBuf>,
}

impl ArchiveSettings {
    /// How long one request may take, where nothing is written.
    pub const TIMEOUT: Duration = Duration::from_secs(60);

    /// Archives in a folder.
    pub const fn folder(folder: PathBuf) -> Self {
        Self { place: Place::Folder(folder), timeout: Self::TIMEOUT }
    }
}

impl Place {
    /// The words in the configuration.
    pub const KINDS: [&str; 3] = ["folder", "webdav", "s3"];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::WebDav(dav) => f.write_str(&dav.url),
            Self::S3(S3Place { url: Some(url), bucket, .. }) => write!(f, "bucket {bucket} of {url}"),
            Self::S3(S3Place { bucket, region, .. }) => write!(f, "bucket {bucket} in {region}"),
        }
    }
}
