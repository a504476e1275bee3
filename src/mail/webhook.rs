//! The webhook: what is told to people by mail, told to a program.
//!
//! Signed as the Standard Webhooks specification 1.0 says: the receiver computes HMAC-SHA256 over `id.timestamp.body`
//! with the shared secret and compares. Every attempt has the same `webhook-id`, so what arrives twice is known as the
//! same; the timestamp is the attempt's own, so what arrives late from somebody else is not believed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use serde_json::{Value, json};
use sha2::Sha256;

use super::transport::Refusal;
use crate::outbound::{self, chain};
use crate::secret::{Secret, SecretRef};
use crate::store::{self, Carrier, NewMail, Store, TakenMail};

/// `[alerts.webhook]`, once everything in it is known to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Where messages are posted; see [`webhook_url`].
    pub url: String,
    /// The shared secret: `whsec_` and base64 of 24 to 64 bytes.
    pub secret: SecretRef,
    /// A file with further certificates (PEM) of authorities to trust.
    pub ca: Option<std::path::PathBuf>,
    /// The longest an attempt may take, 1 to 60 s; default 15 s.
    pub timeout: Duration,
}

impl WebhookSettings {
    /// The default of `timeout`: the specification asks for 15 to 30 s.
    pub const TIMEOUT: Duration = Duration::from_secs(15);
}

/// The largest message; the specification asks for less than 20 KiB.
const LARGEST: usize = 20 * 1024;

/// Whether messages can be posted to this address: HTTPS, or HTTP on this machine; no login, since the signature is what
/// the receiver goes by.
///
/// # Errors
/// What is wrong with it, in words that do not repeat it: a path may be a secret.
pub fn webhook_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|why| format!("it is no address: {why}"))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        "http" => return Err("over plain http anybody on the way reads along; write `https://…`".to_owned()),
        other => return Err(format!("`{other}` is not spoken; write `https://…`")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a login; leave it out, the receiver goes by the signature".to_owned());
    }
    Ok(url)
}

/// Posts messages to one address.
#[derive(Debug)]
pub struct Webhook {
    settings: WebhookSettings,
    store: Option<Store>,
    ready: Result<(Client, Url), String>,
}

impl Webhook {
    /// Nothing is connected, and the secret is not read, before the first message.
    pub fn open(settings: WebhookSettings) -> Self {
        let ready = client(&settings).and_then(|client| Ok((client, webhook_url(&settings.url)?)));
        Self { settings, store: None, ready }
    }

    /// The same, asking this store for the secret where it is `{ stored = "NAME" }`.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// Whether its secret is kept in the store.
    pub fn needs_store(&self) -> bool {
        self.settings.secret.stored_name().is_some()
    }

    /// Where messages go, without path and query, which may be secrets.
    pub fn place(&self) -> String {
        match &self.ready {
            Ok((_, url)) => url.origin().ascii_serialization(),
            Err(_) => "the webhook".to_owned(),
        }
    }

    /// A message as the outbox keeps it: posted once per key. `timestamp` is when what it tells of happened.
    pub fn message(&self, key: String, kind: &str, timestamp: Timestamp, data: &Value) -> NewMail {
        NewMail {
            carrier: Carrier::Webhook,
            key,
            kind: kind.to_owned(),
            to: self.place(),
            subject: kind.to_owned(),
            body: Secret::new(body(kind, timestamp, data)),
            domain: String::new(),
            step: None,
        }
    }

    /// Whether the secret can be had and fits, and the address can be used. Nothing is sent.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub async fn check(&self) -> Result<(), String> {
        self.ready.as_ref().map_err(Clone::clone)?;
        self.key().await.map(drop)
    }

    /// Sends a message past the outbox; the receiver's answer.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send_now(&self, kind: &str, data: &Value, now: Timestamp) -> Result<String, Refusal> {
        let id = format!("msg_{:032x}", rand::random::<u128>());
        self.send_as(&id, kind, now, data, now).await
    }

    /// As [`Webhook::send_now`], under an id of the caller's: for what may be tried again. `timestamp` is when what it
    /// tells of happened.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send_as(
        &self,
        id: &str,
        kind: &str,
        timestamp: Timestamp,
        data: &Value,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        self.post(id, now, body(kind, timestamp, data)).await
    }

    /// One attempt at a message of the outbox.
    pub(super) async fn attempt(&self, mail: &TakenMail) -> Result<String, Refusal> {
        self.post(&mail.message_id, mail.real, mail.body.expose().to_owned()).await
    }

    async fn key(&self) -> Result<Vec<u8>, String> {
        let secret = store::resolve(self.store.as_ref(), &self.settings.secret).await;
        key(&secret.map_err(|why| why.to_string())?)
    }

    async fn post(&self, id: &str, now: Timestamp, body: String) -> Result<String, Refusal> {
        if body.len() > LARGEST {
            return Err(Refusal::Never(format!("the message has {} bytes; {LARGEST} is the most", body.len())));
        }
        let (client, url) = self.ready.as_ref().map_err(|why| Refusal::Later(why.clone()))?;
        let key = self.key().await.map_err(Refusal::Later)?;
        let seconds = now.as_second();
        let request = client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature(&key, id, seconds, &body))
            .body(body);
        // The address is left out of the error: its path may be a secret.
        let answer = request.send().await.map_err(|why| Refusal::Later(chain(&why.without_url())))?;
        judge(answer.status())
    }
}

/// 2xx is taken; 410 asks never to be called again; everything else, redirects too, may be different later.
fn judge(status: StatusCode) -> Result<String, Refusal> {
    let words = format!("HTTP {status}");
    match status {
        status if status.is_success() => Ok(words),
        StatusCode::GONE => Err(Refusal::Never(words)),
        status if status.is_redirection() => Err(Refusal::Later(format!("{words}: redirects are not followed"))),
        _ => Err(Refusal::Later(words)),
    }
}

fn body(kind: &str, timestamp: Timestamp, data: &Value) -> String {
    json!({ "type": kind, "timestamp": timestamp.to_string(), "data": data }).to_string()
}

fn client(settings: &WebhookSettings) -> Result<Client, String> {
    let ca = settings.ca.as_deref();
    // Alerts are rare: a connection that is kept would be stale.
    outbound::build(outbound::client(ca, settings.timeout)?.pool_max_idle_per_host(0), ca)
}

/// The key's bytes. What is wrong is said without repeating it.
fn key(secret: &Secret) -> Result<Vec<u8>, String> {
    let encoded = secret.expose().strip_prefix("whsec_").ok_or("the webhook's secret does not begin with `whsec_`")?;
    let key = STANDARD.decode(encoded).map_err(|_| "what follows `whsec_` in the webhook's secret is no base64")?;
    if !(24..=64).contains(&key.len()) {
        return Err(format!("the webhook's secret has {} bytes; 24 to 64 are asked for", key.len()));
    }
    Ok(key)
}

/// `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body` (Standard Webhooks 1.0, symmetric signatures).
fn signature(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    // A key of any length is a key to HMAC (RFC 2104 §3).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification's own libraries are tested with.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn addresses_are_https_or_this_machines() {
        for good in
            ["https://alerts.example.org/hook?x=1", "http://127.0.0.1:8080/", "http://[::1]:1/", "http://localhost/"]
        {
            assert!(webhook_url(good).is_ok(), "{good}");
        }
        for bad in ["http://alerts.example.org/", "ftp://x/", "alerts", "https://me:pw@alerts.example.org/", ""] {
            let why = webhook_url(bad).unwrap_err();
            assert!(!why.contains("pw@"), "{why}");
        }
    }

    #[test]
    fn secrets_are_judged_without_being_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let judged = |text: &str| {
            let path = folder.path().join("secret");
            std::fs::write(&path, text).unwrap();
            key(&SecretRef::File(path).resolve().unwrap())
        };
        assert_eq!(judged("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap().len(), 24);
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8G", "whsec_***", "whsec_", &long] {
            let why = judged(bad).unwrap_err();
            assert!(!why.contains("MfKQ9r8G") && !why.contains("***"), "{why}");
        }
    }

    #[test]
    fn only_2xx_is_taken_and_only_410_is_for_ever() {
        assert!(judge(StatusCode::NO_CONTENT).is_ok());
        assert!(matches!(judge(StatusCode::GONE), Err(Refusal::Never(_))));
        for later in [301, 308, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(judge(StatusCode::from_u16(later).unwrap()), Err(Refusal::Later(_))), "{later}");
        }
    }
}
