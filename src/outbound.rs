//! THE LINE OUT. How usher calls others over HTTP: TLS that is always verified, authorities of one's own besides the
//! machine's, no redirects, no proxies. Whoever calls says where to, and how the answer is judged.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

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
