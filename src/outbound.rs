//! THE LINE OUT. How usher calls others: TLS that is always verified, authorities of one's own besides the machine's; over
//! HTTP no redirects and no proxies. Whoever calls says where to, and how the answer is judged.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A client in the making. `ca` is a file with further certificates (PEM) of authorities to trust; `timeout` holds for a
/// whole request, its answer included.
///
/// # Errors
/// What is wrong with the file of certificates.
pub fn client(ca: Option<&Path>, timeout: Duration) -> Result<ClientBuilder, String> {
    // One for the process; another that is installed already serves as well.
    rustls::crypto::ring::default_provider().install_default().ok();
    Ok(Client::builder()
        .user_agent(concat!("usher/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        // Answers are small and few: one protocol, the one that every server speaks.
        .http1_only()
        .timeout(timeout)
        .tls_certs_merge(further(ca)?))
}

/// Makes it; what goes wrong then is in the certificates, where there are any.
///
/// # Errors
/// What is wrong, in words.
pub fn build(client: ClientBuilder, ca: Option<&Path>) -> Result<Client, String> {
    client.build().map_err(|why| match ca {
        Some(path) => format!("{}: {}", path.display(), chain(&why)),
        None => chain(&why),
    })
}

fn further(ca: Option<&Path>) -> Result<Vec<Certificate>, String> {
    let Some(path) = ca else { return Ok(Vec::new()) };
    let pem = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|why| format!("{}: {}", path.display(), chain(&why)))?;
    if found.is_empty() {
        return Err(format!("{}: there is no certificate (PEM) in it", path.display()));
    }
    Ok(found)
}

/// How a connection that is not HTTP is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (`ldaps://`, `imaps://`).
    Tls,
    /// TLS after a first request in the clear (RFC 4511, 4.14; RFC 5804, 2.2); nothing goes on without it.
    StartTls,
    /// In the clear: to this machine only.
    None,
}

impl Security {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tls, Self::StartTls, Self::None];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::StartTls => "starttls",
            Self::None => "none",
        }
    }
}

/// Whom a connection that is not HTTP trusts: the machine's authorities, and those in `ca` (PEM). The server's name is
/// verified always.
///
/// # Errors
/// What is wrong with the file of certificates.
fn trust(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        let wrong = |why: String| format!("{}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|why| wrong(why.to_string()))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let found = found.map_err(|why| wrong(why.to_string()))?;
        if found.is_empty() {
            return Err(wrong("there is no certificate (PEM) in it".to_owned()));
        }
        for certificate in found {
            roots.add(certificate).map_err(|why| wrong(why.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|why| format!("TLS: {why}"))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What [`trust`] has found for one system, kept: the machine has hundreds of authorities, and each of its connections would
/// read them anew. It also remembers the server's tickets, so that later connections begin with fewer words (RFC 8446, 2.2).
#[derive(Debug, Default)]
pub struct Trust(OnceLock<Arc<ClientConfig>>);

impl Trust {
    /// Found when it is first asked for; authorities that are added later count from the next start on.
    ///
    /// # Errors
    /// What is wrong with the file of certificates; it is read again then.
    pub fn of(&self, ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
        if let Some(known) = self.0.get() {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(trust(ca)?);
        Ok(Arc::clone(self.0.get_or_init(|| found)))
    }
}

/// An error with its causes: the outermost words say little.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words = format!("{words}: {inner}");
        cause = inner.source();
    }
    words
}
