//! The conversation with a mail server (RFC 5321), by lettre.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{AsyncSmtpTransport, Error};
use lettre::{AsyncTransport, Message, Tokio1Executor};

use super::settings::{SmtpSettings, SmtpTls};
use super::transport::Refusal;
use crate::store::{self, Store};

/// The whole of one mail: connecting, the login, the mail. Below the time the outbox gives an attempt.
const WHOLE: Duration = Duration::from_secs(90);

/// A mail server. Password and certificates are read before the first mail: commands that send none need neither.
pub struct Smtp {
    settings: SmtpSettings,
    store: Option<Store>,
    /// Forgotten when the server does not let us in: the password may be another one by then.
    server: Mutex<Option<Server>>,
}

type Server = AsyncSmtpTransport<Tokio1Executor>;

impl std::fmt::Debug for Smtp {
    /// By name: what is inside holds the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("host", &self.settings.host).finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(settings: SmtpSettings) -> Self {
        Self { settings, store: None, server: Mutex::default() }
    }

    pub(super) fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let host = &self.settings.host;
        // What cannot be had now may be had later: the mail waits.
        let server = self.server().await.map_err(Refusal::Later)?;
        match tokio::time::timeout(WHOLE, server.send(message.clone())).await {
            Ok(Ok(response)) => Ok(format!("accepted by {host}: {}", words(&response))),
            Ok(Err(error)) => Err(self.refusal(&error)),
            Err(_) => Err(Refusal::Later(format!("{host}: no answer within {} s", WHOLE.as_secs()))),
        }
    }

    pub(super) async fn test(&self) -> Result<String, String> {
        let SmtpSettings { host, port, tls, login, .. } = &self.settings;
        let login = login.as_ref().map_or("no login".to_owned(), |(user, _)| format!("as {user}"));
        let how = format!("{host}:{port} ({}, {login})", tls.as_str());
        match tokio::time::timeout(WHOLE, self.server().await?.test_connection()).await {
            Ok(Ok(true)) => Ok(format!("{how} answers")),
            Ok(Ok(false)) => Err(format!("{how} answers, and does not go on")),
            Ok(Err(error)) => Err(format!("{how}: {error}")),
            Err(_) => Err(format!("{how}: no answer within {} s", WHOLE.as_secs())),
        }
    }

    async fn server(&self) -> Result<Server, String> {
        let known = self.server.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(server) = known {
            return Ok(server);
        }
        let server = build(&self.settings, self.store.as_ref()).await?;
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.clone());
        Ok(server)
    }

    /// A server that does not let us in says nothing about the mail: that is mended in the configuration, and the mail
    /// waits for it.
    fn refusal(&self, error: &Error) -> Refusal {
        let words = format!("{}: {error}", self.settings.host);
        match error.status().map(u16::from) {
            Some(530 | 534 | 535 | 538) => {
                *self.server.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Refusal::Later(words)
            }
            _ if error.is_permanent() => Refusal::Never(words),
            _ => Refusal::Later(words),
        }
    }
}

fn words(response: &Response) -> String {
    format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "))
}

async fn build(settings: &SmtpSettings, store: Option<&Store>) -> Result<Server, String> {
    let tls = match settings.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::StartTls => Tls::Required(parameters(settings)?),
        SmtpTls::Implicit => Tls::Wrapper(parameters(settings)?),
    };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.as_str())
        .port(settings.port)
        .timeout(Some(settings.timeout))
        .tls(tls);
    let Some((user, password)) = &settings.login else { return Ok(builder.build()) };
    let password = store::resolve(store, password).await.map_err(|error| format!("[mail] password: {error}"))?;
    Ok(builder.credentials(Credentials::new(user.clone(), password.expose().to_owned())).build())
}

fn parameters(settings: &SmtpSettings) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(path) = &settings.ca {
        let wrong = |why: String| format!("[mail] ca, {}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| format!("[mail] TLS to {}: {error}", settings.host))
}
