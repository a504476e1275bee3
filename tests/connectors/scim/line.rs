//! A line to a server that is cut where a test says: a proxy that understands just enough of HTTP to know which requests
//! change something. The server answers one request on each connection.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::conformance::Cut;

/// What was seen since the line was last mended, and where it is cut.
#[derive(Default)]
struct State {
    cut: Option<Cut>,
    changed: bool,
    requests: Vec<String>,
}

pub struct Line {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl Line {
    /// A line to a server on this machine.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state: Arc<Mutex<State>> = Arc::default();
        let carried = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&carried)));
            }
        });
        Self { port, state }
    }

    /// Before a change: it does not arrive. After it: whatever looks at what has become of it does not.
    pub fn cut(&self, cut: Option<Cut>) {
        let mut state = self.state.lock().expect("the state");
        (state.cut, state.changed) = (cut, false);
    }

    /// The requests that came since the last time somebody asked.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("the state").requests)
    }
}

async fn carry(mut client: TcpStream, server: u16, state: Arc<Mutex<State>>) -> Option<()> {
    let request = request(&mut client).await?;
    let changes = !request.starts_with(b"GET ");
    let ends = {
        let mut state = state.lock().expect("the state");
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        state.requests.push(String::from_utf8_lossy(line).into_owned());
        let ends = match state.cut {
            None => false,
            Some(Cut::Before) => changes,
            Some(Cut::After) => state.changed && !changes,
        };
        state.changed |= changes;
        ends
    };
    if ends {
        return None;
    }
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    server.write_all(&request).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    client.write_all(&answer).await.ok()?;
    client.shutdown().await.ok()
}

/// One request: its head, and as much body as that tells of.
async fn request(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if from.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    while bytes.len() < head + length.unwrap_or(0) {
        if from.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(bytes)
}
