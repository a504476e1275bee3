//! A line to a server that is cut where a test says: a proxy that understands just enough of LDAP to know which requests
//! change something (RFC 4511, 4.2 and on).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::conformance::Cut;

/// Where the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Nowhere.
    Nowhere,
    /// A request that changes something does not arrive.
    BeforeChange,
    /// It arrives, and its answer does not.
    BeforeAnswer,
    /// The first request behind a change, which looks at what has become of it, does not arrive.
    BeforeLook,
    /// So many changes arrive on a connection, and no more.
    AfterChanges(usize),
    /// So many searches arrive on a connection, and no more.
    AfterSearches(usize),
}

impl From<Option<Cut>> for Where {
    fn from(cut: Option<Cut>) -> Self {
        match cut {
            None => Self::Nowhere,
            Some(Cut::Before) => Self::BeforeChange,
            Some(Cut::After) => Self::BeforeLook,
        }
    }
}

pub struct Line {
    pub port: u16,
    cut: Arc<Mutex<Where>>,
    opened: Arc<AtomicUsize>,
    meanwhile: Meanwhile,
}

/// What happens right before the next change arrives.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// Where a server listens on this machine.
#[derive(Clone, Debug)]
enum Server {
    Port(u16),
    Socket(PathBuf),
}

/// Both ways of a connection to it.
type Ways = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

impl Server {
    async fn connect(&self) -> Option<Ways> {
        Some(match self {
            Self::Port(port) => {
                let (read, write) = TcpStream::connect(("127.0.0.1", *port)).await.ok()?.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Socket(path) => {
                let (read, write) = UnixStream::connect(path).await.ok()?.into_split();
                (Box::new(read), Box::new(write))
            }
        })
    }
}

impl Line {
    /// A line to a server on this machine.
    pub async fn to(port: u16) -> Self {
        Self::to_server(Server::Port(port)).await
    }

    /// A line to a server's socket.
    pub async fn to_socket(path: &Path) -> Self {
        Self::to_server(Server::Socket(path.to_owned())).await
    }

    async fn to_server(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cut = Arc::new(Mutex::new(Where::Nowhere));
        let (state, opened) = (Arc::clone(&cut), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&opened);
        let meanwhile = Meanwhile::default();
        let happens = Arc::clone(&meanwhile);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(carry(client, server.clone(), Arc::clone(&state), Arc::clone(&happens)));
            }
        });
        Self { port, cut, opened, meanwhile }
    }

    /// Has somebody else do something right before the next change arrives.
    pub fn meanwhile(&self, what: impl FnOnce() + Send + 'static) {
        *self.meanwhile.lock().expect("the state") = Some(Box::new(what));
    }

    /// How many connections were opened.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub fn cut(&self, at: impl Into<Where>) {
        *self.cut.lock().expect("the state") = at.into();
    }
}

async fn carry(client: TcpStream, server: Server, cut: Arc<Mutex<Where>>, meanwhile: Meanwhile) -> Option<()> {
    let (mut answered, mut to_server) = server.connect().await?;
    let (mut asked, mut to_client) = client.into_split();
    let (seen, mut changes) = tokio::sync::watch::channel(0_u64);
    let at = Arc::clone(&cut);
    let answers = tokio::spawn(async move {
        while let Some(message) = message(&mut answered).await {
            let lost = *at.lock().expect("the state") == Where::BeforeAnswer && *changes.borrow_and_update() > 0;
            if lost {
                break;
            }
            to_client.write_all(&message).await.ok()?;
        }
        to_client.shutdown().await.ok()
    });
    let behind = requests(&mut asked, &mut to_server, (&cut, &meanwhile), &seen).await;
    to_server.shutdown().await.ok();
    if behind.is_some() {
        answers.abort();
    }
    Some(())
}

/// Carries requests until the line is cut; `Some` where it was.
async fn requests(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    (cut, meanwhile): (&Mutex<Where>, &Meanwhile),
    seen: &tokio::sync::watch::Sender<u64>,
) -> Option<()> {
    let (mut changed, mut changes_seen, mut searches) = (false, 0, 0);
    loop {
        let message = message(from).await?;
        let changes = is_change(&message);
        changes_seen += usize::from(changes);
        searches += usize::from(operation(&message) == Some(SEARCH));
        let at = *cut.lock().expect("the state");
        let ends = match at {
            Where::AfterChanges(most) => changes_seen > most,
            Where::AfterSearches(most) => searches > most,
            Where::BeforeChange => changes,
            Where::BeforeLook => changed && !changes,
            Where::Nowhere | Where::BeforeAnswer => false,
        };
        if ends {
            return Some(());
        }
        if changes && at != Where::Nowhere {
            changed = true;
            seen.send_modify(|count| *count += 1);
        }
        if let Some(what) = meanwhile.lock().expect("the state").take_if(|_| changes) {
            what();
        }
        to.write_all(&message).await.ok()?;
    }
}

/// One message: a sequence with its length.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut head = vec![0; 2];
    from.read_exact(&mut head).await.ok()?;
    let mut length = usize::from(head[1]);
    if length >= 0x80 {
        let mut more = vec![0; length - 0x80];
        from.read_exact(&mut more).await.ok()?;
        length = more.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        head.extend(more);
    }
    let begun = head.len();
    head.resize(begun + length, 0);
    from.read_exact(&mut head[begun..]).await.ok()?;
    Some(head)
}

const SEARCH: u8 = 0x63;

/// Whether it modifies, adds, deletes, renames, or sets a password.
fn is_change(message: &[u8]) -> bool {
    matches!(operation(message), Some(0x66 | 0x68 | 0x4a | 0x6c | 0x77))
}

/// The tag of what is asked for.
fn operation(message: &[u8]) -> Option<u8> {
    let inside = if message[1] < 0x80 { 2 } else { 2 + usize::from(message[1] - 0x80) };
    // The message's number comes first: an integer with its length.
    let operation = inside + 2 + usize::from(message[inside + 1]);
    message.get(operation).copied()
}
