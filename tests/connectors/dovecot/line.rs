//! Lines to a mail host, and to where its archives are kept, that are cut where a test says: a proxy that understands just
//! enough of doveadm's HTTP interface, ManageSieve, IMAP, WebDAV and PostgreSQL to know which requests change something.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::conformance::Cut;

/// What is spoken on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Doveadm,
    ManageSieve,
    Imap,
    WebDav,
    Postgres,
}

/// What a request is to the goal of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// It looks whether the goal is reached, as far as the line can tell.
    Looks,
    /// It changes something, and a look behind it is one behind the effect.
    Changes,
    /// It changes something, and looks follow before the effect is whole.
    Prepares,
    /// It reads what is to be moved.
    Reads,
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

    fn ends(&mut self, request: Request) -> bool {
        let ends = match self.cut {
            None => false,
            Some(Cut::Before) => matches!(request, Request::Changes | Request::Prepares),
            Some(Cut::After) => {
                let written = self.files.iter().any(|(path, was)| std::fs::read(path).unwrap_or_default() != *was);
                request == Request::Looks && (self.changed || written)
            }
        };
        self.changed |= request == Request::Changes && !ends;
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
            Speaks::Doveadm | Speaks::WebDav => http(&mut from).await?,
            Speaks::ManageSieve => command(&mut from).await?,
            Speaks::Imap => line(&mut from).await?,
            Speaks::Postgres => some(&mut from).await?,
        };
        let text = String::from_utf8_lossy(&request);
        if state.lock().expect("the state").ends(judged(&text, speaks)) {
            return Some(());
        }
        to.write_all(&request).await.ok()?;
        if speaks == Speaks::Imap {
            tokio::io::copy(&mut (&mut from).take(literal(&text).unwrap_or(0)), to).await.ok()?;
        }
    }
}

fn judged(text: &str, speaks: Speaks) -> Request {
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    let asks = |commands: &[&str]| commands.iter().any(|command| text.contains(&format!("[[\"{command}\",")));
    match speaks {
        Speaks::ManageSieve if begins(&["PUTSCRIPT", "SETACTIVE", "DELETESCRIPT"]) => Request::Changes,
        // A purge looks whether everything is gone before it goes on: that is not its end yet.
        Speaks::Doveadm if asks(&["expunge", "mailboxDelete"]) => Request::Prepares,
        Speaks::Doveadm
            if asks(&[
                "kick",
                "aclSet",
                "aclDelete",
                "sievePut",
                "sieveActivate",
                "sieveDeactivate",
                "sieveDelete",
            ]) =>
        {
            Request::Changes
        }
        // Behind the last folder it is doveadm that is asked whether all is there.
        Speaks::Imap => match text.split(' ').nth(1) {
            Some("CREATE" | "APPEND") => Request::Changes,
            _ => Request::Reads,
        },
        // The manifest comes last, and is moved into its place (RFC 4918, 9.8).
        Speaks::WebDav if begins(&["COPY"]) => Request::Changes,
        Speaks::WebDav if begins(&["PUT", "DELETE", "MKCOL"]) => Request::Prepares,
        // What a transaction has changed is only there when it ends (protocol 3.0, simple query).
        Speaks::Postgres if text.contains("COMMIT\0") => Request::Changes,
        Speaks::Postgres => Request::Reads,
        Speaks::Doveadm | Speaks::ManageSieve | Speaks::WebDav => Request::Looks,
    }
}

async fn some(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let some = from.fill_buf().await.ok()?.to_vec();
    from.consume(some.len());
    (!some.is_empty()).then_some(some)
}

async fn line(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    (from.read_until(b'\n', &mut line).await.ok()? > 0).then_some(line)
}

/// The length of what follows a line, `{5}` or `{5+}` at its end (RFC 3501, 4.3; RFC 7888).
fn literal(line: &str) -> Option<u64> {
    let told = line.trim_end().strip_suffix('}')?.rsplit_once('{')?.1;
    told.trim_end_matches('+').parse().ok()
}

/// A head, and a body of the length that it tells.
async fn http(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let (mut request, mut length) = (Vec::new(), 0);
    loop {
        let head = line(from).await?;
        request.extend_from_slice(&head);
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        if let Some(told) = head.strip_prefix("content-length:") {
            length = told.trim().parse().ok()?;
        }
        if head.trim().is_empty() {
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
        let line = line(from).await?;
        command.extend_from_slice(&line);
        let Some(length) = literal(&String::from_utf8_lossy(&line)) else { return Some(command) };
        let mut literal = vec![0; usize::try_from(length).ok()?];
        from.read_exact(&mut literal).await.ok()?;
        command.extend(literal);
    }
}
