//! A line to a server that is cut after so many bytes from the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct Cutting {
    pub port: u16,
    left: Arc<AtomicU64>,
}

impl Cutting {
    /// To the server on this port of this machine, which takes any number of bytes until [`Cutting::after`].
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let counted = Arc::clone(&left);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&counted)));
            }
        });
        Self { port, left }
    }

    /// From now on so many bytes get through, on all connections together; then they end, and no others come about.
    pub fn after(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: u16, left: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await.ok() });
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read) = from_client.read(&mut bytes).await {
        let some = left.load(Ordering::SeqCst);
        if read == 0 || some < read as u64 {
            break;
        }
        if some != u64::MAX {
            left.fetch_sub(read as u64, Ordering::SeqCst);
        }
        if to_server.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    back.abort();
}
