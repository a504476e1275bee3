//! One request and its answer: signed in, sent only to the configured server, read only so far.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use reqwest::{Body, Client, Method, Response, Url};

use super::error::{Answer, Effect, of_cut};
use super::settings::DavSettings;
use crate::connectors::ActionError;
use crate::connectors::declared::{Opened, Vault, one_line};
use crate::connectors::http::address::Guard;
use crate::outbound;
use crate::secret::Secret;
use crate::store::Store;

/// The longest answer that is kept in memory, in bytes: a list of some 50,000 things, or one event with its attachments.
const LONGEST: usize = 32 * 1024 * 1024;

/// How long what moves much may take; an attempt ends before (`timeout` of its step).
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of the one secret.
const PASSWORD: &str = "password";

/// A way in that is kept between calls, with its connections.
#[derive(Debug)]
pub(super) struct Door {
    settings: Arc<DavSettings>,
    guard: Guard,
    vault: Vault,
    client: Result<Client, String>,
}

impl Door {
    /// Nothing is connected, and no secret is read, before the first request.
    pub(super) fn new(settings: Arc<DavSettings>) -> Self {
        let guard = Guard::new(&settings.networks);
        let ca = settings.ca.as_deref();
        let client = outbound::client(ca, settings.timeout).and_then(|builder| {
            // Less than the whole: a connection that is not made in time is certainly no effect.
            let builder = builder.connect_timeout(settings.timeout / 2).dns_resolver(guard.clone());
            outbound::build(builder.pool_idle_timeout(Duration::from_secs(15)), ca)
        });
        let vault = Vault::new(BTreeMap::from([(PASSWORD.to_owned(), settings.password.clone())]));
        Self { settings, guard, vault, client }
    }

    pub(super) fn with_store(self, store: Store) -> Self {
        Self { vault: self.vault.with_store(store), ..self }
    }

    /// The server, for one call.
    pub(super) async fn enter(&self) -> Result<Server<'_>, ActionError> {
        let client = self.client.as_ref().map_err(ActionError::retry)?;
        self.guard.check_literal(&self.settings.url).map_err(ActionError::retry)?;
        let secrets = self.vault.open().await?;
        Ok(Server { settings: &self.settings, client, secrets, has_changed: AtomicBool::new(false) })
    }
}

/// What is asked of a server.
pub(super) struct Ask<'a> {
    method: &'static str,
    to: &'a Url,
    headers: Vec<(&'static str, String)>,
    body: Option<Body>,
    effect: Effect,
    long: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn looks(method: &'static str, to: &'a Url) -> Self {
        Self { method, to, headers: Vec::new(), body: None, effect: Effect::Looks, long: false }
    }

    pub(super) fn changes(method: &'static str, to: &'a Url) -> Self {
        Self { effect: Effect::Changes, ..Self::looks(method, to) }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(self, kind: &str, body: impl Into<Body>) -> Self {
        let with = self.header("content-type", kind);
        Self { body: Some(body.into()), ..with }
    }

    /// It may take longer than an answer usually does.
    pub(super) fn long(self) -> Self {
        Self { long: true, ..self }
    }
}

/// A server to which usher's user signs in with every request.
pub(super) struct Server<'a> {
    pub(super) settings: &'a DavSettings,
    client: &'a Client,
    secrets: Opened,
    has_changed: AtomicBool,
}

impl Server<'_> {
    /// Sends, and reads the answer to its end.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Answer, ActionError> {
        let (asked, effect) = (self.called(&ask), ask.effect);
        let response = self.hand_over(ask).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if effect == Effect::Changes && response.status().is_success() {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        let body = self.whole(response, &asked, effect).await?;
        Ok(self.answer(status, headers, body, asked))
    }

    /// Whether anything was changed there since the call began: then no error says any more that there was no effect.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed.load(Ordering::Relaxed)
    }

    /// Sends, and leaves a good answer to be read bit by bit.
    pub(super) async fn open(&self, ask: Ask<'_>) -> Result<Result<Incoming, Answer>, ActionError> {
        let asked = self.called(&ask);
        let response = self.hand_over(ask.long()).await?;
        if response.status().is_success() {
            return Ok(Ok(Incoming { response, asked, patience: self.settings.timeout }));
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = self.whole(response, &asked, Effect::Looks).await?;
        Ok(Err(self.answer(status, headers, body, asked)))
    }

    fn answer(&self, status: u16, headers: HeaderMap, body: Vec<u8>, asked: String) -> Answer {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let words = if kind.contains("html") { String::new() } else { self.hide(&String::from_utf8_lossy(&body)) };
        Answer { status, words: one_line(&words), headers, body, asked }
    }

    fn called(&self, ask: &Ask<'_>) -> String {
        format!("{} at {}", ask.method, self.settings.url.host_str().unwrap_or_default())
    }

    async fn hand_over(&self, ask: Ask<'_>) -> Result<Response, ActionError> {
        let (asked, effect) = (self.called(&ask), ask.effect);
        let method = Method::from_bytes(ask.method.as_bytes()).map_err(ActionError::fail)?;
        let mut credentials =
            HeaderValue::from_str(&format!("Basic {}", self.credentials())).map_err(ActionError::fail)?;
        credentials.set_sensitive(true);
        let mut request = self.client.request(method, ask.to.clone()).header(AUTHORIZATION, credentials);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        if ask.long {
            request = request.timeout(LONG);
        }
        request.send().await.map_err(|why| self.without_secrets(of_cut(&asked, why, effect)))
    }

    async fn whole(&self, mut response: Response, asked: &str, effect: Effect) -> Result<Vec<u8>, ActionError> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST => {
                    return Err(effect.in_doubt(format!("{asked}: the answer has more than {LONGEST} bytes")));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(why) => return Err(self.without_secrets(of_cut(asked, why, effect))),
            }
        }
    }

    /// Name and password, as a request has them (RFC 7617 §2).
    fn credentials(&self) -> String {
        let password = self.secrets.named(PASSWORD).map(Secret::expose).unwrap_or_default();
        STANDARD.encode(format!("{}:{password}", self.settings.user))
    }

    /// A server may repeat what it was sent.
    fn hide(&self, words: &str) -> String {
        self.secrets.hide(&words.replace(&self.credentials(), "[secret]"))
    }

    fn without_secrets(&self, error: ActionError) -> ActionError {
        match error {
            ActionError::Retry { reason, after } => ActionError::Retry { reason: self.hide(&reason), after },
            ActionError::Fail { reason } => ActionError::Fail { reason: self.hide(&reason) },
            ActionError::Unknown { reason } => ActionError::Unknown { reason: self.hide(&reason) },
        }
    }
}

/// The content of one resource, as it comes.
#[derive(Debug)]
pub(super) struct Incoming {
    response: Response,
    asked: String,
    patience: Duration,
}

impl Incoming {
    /// Its version, where the server says one.
    pub(super) fn etag(&self) -> Option<String> {
        etag_in(self.response.headers())
    }

    /// Its length in bytes, where the server says it before.
    pub(super) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes; `None` at the end, which an answer that was cut does not have.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, ActionError> {
        match tokio::time::timeout(self.patience, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk.map(|bytes| bytes.to_vec())),
            Ok(Err(why)) => Err(of_cut(&self.asked, why, Effect::Looks)),
            Err(_) => Err(ActionError::retry(format!("{}: nothing came for {:?}", self.asked, self.patience))),
        }
    }
}

/// The version that headers name, fit to be asked for again.
fn etag_in(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(quoted)
}

/// Some servers leave out the quotes that RFC 9110 §8.8.3 asks for.
pub(super) fn quoted(etag: &str) -> String {
    let etag = etag.trim();
    if etag.ends_with('"') { etag.to_owned() } else { format!("\"{etag}\"") }
}
