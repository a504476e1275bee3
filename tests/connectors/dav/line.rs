//! A line to a server that is cut where a test says: a proxy that understands just enough of HTTP to know where a request
//! ends and what it asks for. Each connection carries one request, so that a cut is a cut.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A request with this method does not arrive.
    Before(&'static str),
    /// It arrives, and its answer does not.
    After(&'static str),
    /// It arrives only as far as this many bytes of its body, and the line is dead then.
    Within(&'static str, usize),
    /// It is answered with this, and does not arrive.
    Instead(&'static str, &'static str),
    /// Right before it arrives, somebody else writes this into that file.
    Meanwhile(&'static str, PathBuf, String),
}

impl Fault {
    fn method(&self) -> &'static str {
        match self {
            Self::Before(method)
            | Self::After(method)
            | Self::Within(method, _)
            | Self::Instead(method, _)
            | Self::Meanwhile(method, ..) => method,
        }
    }
}

#[derive(Default)]
struct State {
    /// What goes wrong each time.
    always: Option<Fault>,
    /// What goes wrong once, in this order, after so many requests of its method went well.
    once: VecDeque<(usize, Fault)>,
    /// In answers, this is replaced by that, which is as long.
    replaced: Option<(&'static str, &'static str)>,
    asked: Vec<String>,
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
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, port, Arc::clone(&shared)));
            }
        });
        Self { port, state }
    }

    /// From now on this goes wrong each time; `None` mends it.
    pub fn always(&self, fault: Option<Fault>) {
        self.state.lock().expect("the state").always = fault;
    }

    /// This goes wrong once, after `well` requests of its method.
    pub fn once(&self, well: usize, fault: Fault) {
        self.state.lock().expect("the state").once.push_back((well, fault));
    }

    /// Has the server say one thing for another.
    pub fn says(&self, this: &'static str, instead_of: &'static str) {
        assert_eq!(this.len(), instead_of.len(), "lengths stay what they are");
        self.state.lock().expect("the state").replaced = Some((instead_of, this));
    }

    /// What was asked since this was last called: `MOVE /jdoe/work/1.ics`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().expect("the state").asked)
    }
}

async fn carry(mut client: TcpStream, server: u16, own: u16, state: Arc<Mutex<State>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let method = text.split(' ').next()?.to_owned();
    let path = text.split(' ').nth(1)?.to_owned();
    let fault = {
        let mut state = state.lock().expect("the state");
        state.asked.push(format!("{method} {path}"));
        let due = state.once.front_mut().filter(|(_, fault)| fault.method() == method).map(|(well, _)| {
            let due = *well == 0;
            *well = well.saturating_sub(1);
            due
        });
        match due {
            Some(true) => state.once.pop_front().map(|(_, fault)| fault),
            _ => state.always.clone().filter(|fault| fault.method() == method),
        }
    };
    match &fault {
        Some(Fault::Before(_)) => return None,
        Some(Fault::Instead(_, answer)) => {
            client.write_all(answer.as_bytes()).await.ok()?;
            return client.shutdown().await.ok();
        }
        Some(Fault::Meanwhile(_, path, text)) => std::fs::write(path, text).expect("writes"),
        _ => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    // Places are named by where the client thinks they are; one request a connection.
    let head = text.replace(&format!("127.0.0.1:{own}"), &format!("127.0.0.1:{server}"));
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    upstream.write_all(head.as_bytes()).await.ok()?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = upstream.split();
    let up = async {
        let mut left = match &fault {
            Some(Fault::Within(_, bytes)) => *bytes,
            _ => usize::MAX,
        };
        let mut buffer = vec![0; 16 * 1024];
        while left > 0 {
            let most = left.min(buffer.len());
            let read = from_client.read(&mut buffer[..most]).await.ok()?;
            if read == 0 {
                break;
            }
            left -= read;
            to_server.write_all(&buffer[..read]).await.ok()?;
        }
        Some(())
    };
    let down = async {
        let mut answer = Vec::new();
        from_server.read_to_end(&mut answer).await.ok();
        answer
    };
    tokio::pin!(up);
    let answer = match fault {
        Some(Fault::Within(..)) => {
            up.await;
            return None;
        }
        // The client keeps its end open: the server's closing says that all is said.
        _ => {
            tokio::select! { answer = down => answer, () = async { up.await; std::future::pending().await } => unreachable!() }
        }
    };
    if matches!(fault, Some(Fault::After(_))) {
        return None;
    }
    let replaced = state.lock().expect("the state").replaced;
    let answer = match replaced {
        Some((from, to)) => String::from_utf8_lossy(&answer).replace(from, to).into_bytes(),
        None => answer,
    };
    to_client.write_all(&answer).await.ok()?;
    to_client.shutdown().await.ok()
}
