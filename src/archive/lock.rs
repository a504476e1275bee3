//! Object lock: what is written to a bucket says until when nobody may take it away or replace it. The headers are part of
//! the request that writes, so nothing is there without its lock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use object_store::HeaderValue;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};

use super::manifest::PROGRESS;
use super::reach::PROBE;
use crate::clock::Clock;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const DIGEST: &str = "x-amz-content-sha256";

/// For how long what is written is locked, and who signs.
#[derive(Clone)]
pub(super) struct Lock {
    credential: Arc<AwsCredential>,
    region: String,
    retain: Duration,
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("region", &self.region).field("retain", &self.retain).finish_non_exhaustive()
    }
}

impl Lock {
    pub(super) fn new(credential: AwsCredential, region: String, retain: Duration) -> Self {
        Self { credential: Arc::new(credential), region, retain }
    }

    pub(super) const fn over(self, line: HttpClient) -> Locking {
        Locking { lock: self, line }
    }

    /// Adds the lock to a request that makes an object, and signs it anew: every `x-amz-` header is part of the signature.
    fn add(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let wrong = |why: Box<dyn std::error::Error + Send + Sync>| HttpError::new_boxed(HttpErrorKind::Unknown, why);
        let until = (Clock::System.now() + self.retain).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let until = HeaderValue::from_str(&until).map_err(|why| wrong(why.into()))?;
        let digest = request.headers().get(DIGEST).and_then(|value| hex::decode(value.as_bytes()).ok());
        request.headers_mut().insert(MODE, HeaderValue::from_static("COMPLIANCE"));
        request.headers_mut().insert(UNTIL, until);
        let signer = AwsAuthorizer::new(&self.credential, "s3", &self.region);
        signer.try_authorize(request, digest.as_deref()).map_err(|why| wrong(why.into()))
    }
}

/// A line over which everything that is written is locked.
#[derive(Debug)]
pub(super) struct Locking {
    lock: Lock,
    line: HttpClient,
}

/// Whether a request makes an object that stays: a whole one, or the beginning of one in pieces. The notes on how far an
/// archive has come, and what a test writes, go away again.
fn makes(request: &HttpRequest) -> bool {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let passing = path.ends_with(PROGRESS) || path.contains(PROBE);
    let whole = request.method().as_str() == "PUT" && !query.contains("partNumber");
    let begins = request.method().as_str() == "POST" && query.contains("uploads");
    (whole || begins) && !passing
}

impl HttpService for Locking {
    fn call<'line, 'call>(
        &'line self,
        mut request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'line: 'call,
        Self: 'call,
    {
        Box::pin(async move {
            if makes(&request) {
                self.lock.add(&mut request)?;
            }
            self.line.execute(request).await
        })
    }
}
