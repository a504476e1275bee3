//! A line to a server that is cut after so many bytes of the one side or the other, or stands still there for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How much one side may still say, and how much it has said.
#[derive(Debug, Default)]
struct Side {
    left: AtomicU64,
    said: AtomicU64,
    /// Behind so many bytes it stands still, where that is not 0.
    still_at: AtomicU64,
    stands_still: Notify,
    goes_on: Notify,
}

impl Side {
    /// Whether so many bytes more may pass.
    fn passes(&self, bytes: u64) -> bool {
        let left = self.left.load(Ordering::SeqCst);
        if left < bytes {
            return false;
        }
        if left != u64::MAX {
            self.left.fetch_sub(bytes, Ordering::SeqCst);
        }
        self.said.fetch_add(bytes, Ordering::SeqCst);
        true
    }

    async fn stand_still(&self) {
        let at = self.still_at.load(Ordering::SeqCst);
        if at != 0 && self.said.load(Ordering::SeqCst) >= at {
            self.still_at.store(0, Ordering::SeqCst);
            self.stands_still.notify_one();
            self.goes_on.notified().await;
        }
    }
}

pub struct Cutting {
    pub port: u16,
    there: Arc<Side>,
    back: Arc<Side>,
}

impl Cutting {
    /// To the server on this port of this machine, which takes any number of bytes until it is told otherwise.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let [there, back] = [(); 2].map(|()| Arc::new(Side { left: AtomicU64::new(u64::MAX), ..Side::default() }));
        let sides = (Arc::clone(&there), Arc::clone(&back));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, sides.clone()));
            }
        });
        Self { port, there, back }
    }

    /// From now on so many bytes of clients get through, on all connections together; then they end.
    pub fn after(&self, bytes: u64) {
        self.there.left.store(bytes, Ordering::SeqCst);
    }

    /// The same of the server's.
    pub fn back_after(&self, bytes: u64) {
        self.back.left.store(bytes, Ordering::SeqCst);
    }

    /// Lets so many bytes of the server's through, and then none while `meanwhile` happens.
    pub async fn still(&self, bytes: u64, meanwhile: impl Future<Output = ()>) {
        self.back.still_at.store(self.back() + bytes, Ordering::SeqCst);
        self.back.stands_still.notified().await;
        meanwhile.await;
        self.back.goes_on.notify_one();
    }

    /// How many bytes of the server's have got through.
    pub fn back(&self) -> u64 {
        self.back.said.load(Ordering::SeqCst)
    }
}

/// Whatever ends on one side ends on both.
async fn carry(client: TcpStream, server: u16, (there, back): (Arc<Side>, Arc<Side>)) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, &there) => {}
        () = pass(from_server, to_client, &back) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, side: &Side) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut bytes).await {
        side.stand_still().await;
        if read == 0 || !side.passes(read as u64) || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
