//! A line to one of the mail host's servers: TCP, and TLS from the first byte or later. Everything on it is bounded in time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::DovecotSystem;
use super::settings::Server;
use crate::connectors::ActionError;
use crate::outbound::Security;

/// A connection, in the clear or not.
#[derive(Debug)]
pub(super) enum Line {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to a server, with TLS where that comes first. Nothing that fails here has had an effect.
pub(super) async fn connect(at: &DovecotSystem, server: &Server) -> Result<Line, ActionError> {
    let place = format!("{}:{}", server.host, server.port);
    let connected = within(at.settings.timeout, TcpStream::connect((server.host.as_str(), server.port))).await;
    let stream = connected.map_err(|why| ActionError::retry(format!("{place} cannot be reached: {why}")))?;
    stream.set_nodelay(true).ok();
    match server.security {
        Security::Tls => secure(at, server, stream).await,
        Security::StartTls | Security::None => Ok(Line::Clear(stream)),
    }
}

/// TLS on a line that the server is ready for; its name is verified.
pub(super) async fn secure(at: &DovecotSystem, server: &Server, stream: TcpStream) -> Result<Line, ActionError> {
    let place = format!("{}:{}", server.host, server.port);
    let trust = at.trust.of(at.settings.ca.as_deref()).map_err(ActionError::retry)?;
    let name = ServerName::try_from(server.host.clone());
    let name = name.map_err(|why| ActionError::fail(format!("{place}: {why}")))?;
    let secured = within(at.settings.timeout, TlsConnector::from(trust).connect(name, stream)).await;
    let secured = secured.map_err(|why| ActionError::retry(format!("{place}: TLS: {why}")))?;
    Ok(Line::Tls(Box::new(secured)))
}

/// What takes longer is given up.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => {
            let said = format!("no answer within {} s", limit.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, said))
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
