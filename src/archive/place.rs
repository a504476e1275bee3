//! The place itself, opened: one interface over folder, WebDAV and S3, and what each of them can.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AwsCredential, Checksum};
use object_store::client::{HttpClient, HttpConnector};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, CopyMode, CopyOptions, Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig,
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::error::ArchiveError;
use super::lock::Lock;
use super::settings::{ArchiveSettings, DavPlace, Place, S3Place};
use crate::outbound;
use crate::store::{self, Store};

const MEBI: u64 = 1024 * 1024;

/// A place that is open.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) store: Arc<dyn ObjectStore>,
    /// As a person would call it.
    pub(super) place: String,
    /// How much is sent with one request, where a file can be sent in pieces and is only there when all have come.
    pub(super) piece: Option<usize>,
    /// From which length on a file ends at the next checkpoint.
    pub(super) ripe: u64,
    /// What no file exceeds.
    pub(super) longest: u64,
    /// Whether what is there can be kept from being written over by the place itself.
    creates: bool,
}

impl Shelf {
    pub(super) async fn open(settings: &ArchiveSettings, record: &Store) -> Result<Self, ArchiveError> {
        let place = settings.place.to_string();
        let wrong = |why: &dyn std::fmt::Display| ArchiveError::Retry(format!("the archive store ({place}): {why}"));
        // A file that a place takes in one request is in memory until it has taken it.
        let (ripe, longest, piece) = match &settings.place {
            Place::WebDav(_) => (8 * MEBI, 16 * MEBI, None),
            Place::Folder(_) => (64 * MEBI, 512 * MEBI, Some(256 * 1024)),
            // No piece of an upload but its last one is smaller, says S3.
            Place::S3(_) => (64 * MEBI, 512 * MEBI, Some(5 * 1024 * 1024)),
        };
        let store: Arc<dyn ObjectStore> = match &settings.place {
            Place::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(|why| wrong(&why))?;
                Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(|why| wrong(&why))?.with_fsync(true))
            }
            Place::WebDav(dav) => webdav(dav, settings.timeout, record).await?,
            Place::S3(s3) => bucket(s3, settings.timeout, record).await?,
        };
        let webdav = matches!(settings.place, Place::WebDav(_));
        Ok(Self { store, place, piece, ripe, longest, creates: !webdav })
    }

    /// Writes a small file where none is. The same bytes that are there already are as good as written.
    pub(super) async fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let ended = if self.creates {
            self.store.put_opts(path, PutPayload::from(bytes), PutMode::Create.into()).await.map(|_| ())
        } else {
            self.create_by_copy(path, bytes).await
        };
        match ended {
            // Whoever wrote it: what it is, is looked at next.
            Ok(()) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(why) => Err(ArchiveError::of(self, &why)),
        }
    }

    /// WebDAV writes over what is there, but does not copy over it (RFC 4918, 9.8.4).
    async fn create_by_copy(&self, path: &Path, bytes: Vec<u8>) -> Result<(), Error> {
        let aside = Path::from(format!("{path}.new"));
        self.store.put(&aside, PutPayload::from(bytes)).await?;
        let once = CopyOptions::new().with_mode(CopyMode::Create);
        let ended = self.store.copy_opts(&aside, path, once).await;
        self.store.delete(&aside).await.ok();
        ended
    }
}

/// Few and short: whoever asks tries again by itself.
fn retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 2, retry_timeout: Duration::from_secs(10) }
}

/// usher's own line out in the place of the library's.
#[derive(Debug)]
struct Line {
    client: reqwest::Client,
    lock: Option<Lock>,
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = HttpClient::new(self.client.clone());
        Ok(match &self.lock {
            Some(lock) => HttpClient::new(lock.clone().over(client)),
            None => client,
        })
    }
}

fn line(ca: Option<&FilePath>, timeout: Duration, headers: HeaderMap) -> Result<reqwest::Client, ArchiveError> {
    let builder = outbound::client(ca, timeout).map_err(ArchiveError::Retry)?;
    let builder = builder.connect_timeout(timeout / 2).default_headers(headers);
    outbound::build(builder, ca).map_err(ArchiveError::Retry)
}

async fn webdav(dav: &DavPlace, timeout: Duration, record: &Store) -> Result<Arc<dyn ObjectStore>, ArchiveError> {
    let mut headers = HeaderMap::new();
    if let Some((user, password)) = &dav.login {
        let password = store::resolve(Some(record), password).await?;
        headers.insert(AUTHORIZATION, basic(user, password.expose())?);
    }
    let client = line(dav.ca.as_deref(), timeout, headers)?;
    let store = HttpBuilder::new()
        .with_url(&dav.url)
        .with_retry(retries())
        .with_http_connector(Line { client, lock: None })
        .build()
        .map_err(|why| ArchiveError::Fail(outbound::chain(&why)))?;
    Ok(Arc::new(store))
}

/// RFC 7617.
fn basic(user: &str, password: &str) -> Result<HeaderValue, ArchiveError> {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {text}"))
        .map_err(|_| ArchiveError::Fail("the archive store's user or password cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn bucket(s3: &S3Place, timeout: Duration, record: &Store) -> Result<Arc<dyn ObjectStore>, ArchiveError> {
    let secret = store::resolve(Some(record), &s3.password).await?;
    let client = line(s3.ca.as_deref(), timeout, HeaderMap::new())?;
    let credential = AwsCredential { key_id: s3.user.clone(), secret_key: secret.expose().to_owned(), token: None };
    let lock = s3.retain.map(|retain| Lock::new(credential, s3.region.clone(), retain));
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_region(&s3.region)
        .with_access_key_id(&s3.user)
        .with_secret_access_key(secret.expose())
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(retries())
        .with_http_connector(Line { client, lock });
    if let Some(url) = &s3.url {
        builder = builder.with_endpoint(url).with_allow_http(true);
    }
    let store = builder.build().map_err(|why| ArchiveError::Fail(outbound::chain(&why)))?;
    Ok(Arc::new(store))
}
