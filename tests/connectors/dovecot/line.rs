//! Lines to a mail host that are cut where a test says: a proxy that understands just enough of doveadm's HTTP interface and of
//! ManageSieve to know which requests change something.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::conformance::Cut;

/// What is spoken on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Http,
    ManageSieve,
}

/// Where all lines to one mail host are cut.
#[derive(Debug, Default)]
pub struct State {
    cut: Option<Cut>,
    /// Whether a request that changes something has gone by since.
    changed: bool,
    /// Files that are changed past the lines, and what was in them then.
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl State {
    /// Before the change: it does not arrive. After it: the first look behind it does not.
    pub fn cut(&mut self, cut: Option<Cut>, files: &[PathBuf]) {
        let read = |path: &PathBuf| (path.clone(), std::fs::read(path).unwrap_or_default());
        *self = Self { cut, changed: false, files: files.iter().map(read).collect() };
    }

    fn ends(&mut self, changes: bool, empties: bool) -> bool {
        let ends = match self.cut {
            None => false,
            Some(Cut::Before) => changes,
            Some(Cut::After) => {
                let written = self.files.iter().any(|(path, was)| std::fs::read(path).unwrap_or_default() != *was);
                !changes && (self.changed || written)
            }
        };
        // A purge looks whether everything is gone before it goes on: that is not its end yet.
        self.changed |= changes && !ends && !empties;
        ends
    }
}

pub struct Line {
    pub port: u16,
}

impl Line {
    /// A line to a server on this machine.
    pub async fn to(server: u16, speaks: Speaks, state: Arc<Mutex<State>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, speaks, Arc::clone(&state)));
            }
        });
        Self { port }
    }
}

async fn carry(client: TcpStream, server: u16, speaks: Speaks, state: Arc<Mutex<State>>) -> Option<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    let (asked, mut to_client) = client.into_split();
    let (mut answered, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        tokio::io::copy(&mut answered, &mut to_client).await.ok();
        to_client.shutdown().await.ok();
    });
    let cut = requests(BufReader::new(asked), &mut to_server, speaks, &state).await.is_some();
    to_server.shutdown().await.ok();
    if cut {
        answers.abort();
    }
    Some(())
}

/// Carries requests until the line is cut; `Some` where it was.
async fn requests(
    mut from: BufReader<OwnedReadHalf>,
    to: &mut OwnedWriteHalf,
    speaks: Speaks,
    state: &Mutex<State>,
) -> Option<()> {
    loop {
        let request = match speaks {
            Speaks::Http => http(&mut from).await?,
            Speaks::ManageSieve => command(&mut from).await?,
        };
        let text = String::from_utf8_lossy(&request);
        let empties = ["[[\"expunge\",", "[[\"mailboxDelete\","].iter().any(|command| text.contains(command));
        if state.lock().expect("the state").ends(changes(&text, speaks), empties) {
            return Some(());
        }
        to.write_all(&request).await.ok()?;
    }
}

fn changes(text: &str, speaks: Speaks) -> bool {
    match speaks {
        Speaks::ManageSieve => ["PUTSCRIPT", "SETACTIVE", "DELETESCRIPT"].iter().any(|word| text.starts_with(word)),
        Speaks::Http => [
            "kick",
            "aclSet",
            "aclDelete",
            "sievePut",
            "sieveActivate",
            "sieveDeactivate",
            "sieveDelete",
            "expunge",
            "mailboxDelete",
        ]
        .iter()
        .any(|command| text.contains(&format!("[[\"{command}\","))),
    }
}

/// A head, and a body of the length that it tells.
async fn http(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        request.extend_from_slice(line.as_bytes());
        if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).await.ok()?;
    request.extend(body);
    Some(request)
}

/// A line, and the literals that it tells.
async fn command(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let mut command = Vec::new();
    loop {
        let mut line = Vec::new();
        if from.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        command.extend_from_slice(&line);
        let text = String::from_utf8_lossy(&line);
        let length =
            text.trim_end().strip_suffix("+}").and_then(|text| text.rsplit_once('{')).map(|(_, length)| length);
        let Some(length) = length.and_then(|length| length.parse().ok()) else { return Some(command) };
        let mut literal = vec![0; length];
        from.read_exact(&mut literal).await.ok()?;
        command.extend(literal);
    }
}
