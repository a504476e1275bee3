//! A small mail server for the accidents that a real one does not have on demand: it answers what it is told to, and
//! cuts the line when it is told to (RFC 5321, RFC 3207, RFC 4954).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::tls::{HERE, authority};

/// How a server protects its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    #[default]
    Plain,
    StartTls,
    Implicit,
}

/// What a server asks for.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    pub line: Line,
    /// Name and password.
    pub login: Option<(&'static str, &'static str)>,
}

#[derive(Default)]
struct Orders {
    /// What the next recipients are answered.
    answers: VecDeque<String>,
    /// How many mails are taken without an answer.
    cuts: usize,
    received: Vec<String>,
    /// To whom mails were sent, as the envelopes say.
    recipients: Vec<String>,
    /// Whether each mail came over TLS, and after a login.
    how: Vec<(bool, bool)>,
}

pub struct Server {
    pub port: u16,
    /// The authority's certificate, PEM.
    pub ca: String,
    orders: Arc<Mutex<Orders>>,
}

impl Server {
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (ca, acceptor) = authority(&HERE);
        let orders = Arc::new(Mutex::new(Orders::default()));
        let shared = Arc::clone(&orders);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (behaviour, acceptor, orders) = (behaviour.clone(), acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move { serve(stream, &behaviour, &acceptor, &orders).await });
            }
        });
        Self { port, ca, orders }
    }

    /// The next recipient is answered so.
    pub fn answer_next(&self, line: &str) {
        self.orders.lock().unwrap().answers.push_back(line.to_owned());
    }

    /// The next mail is taken, and the line is cut before the answer.
    pub fn cut_next_after_data(&self) {
        self.orders.lock().unwrap().cuts += 1;
    }

    pub fn received(&self) -> Vec<String> {
        self.orders.lock().unwrap().received.clone()
    }

    /// To whom mails were sent, as the envelopes say.
    pub fn recipients(&self) -> Vec<String> {
        self.orders.lock().unwrap().recipients.clone()
    }

    /// Whether each mail came over TLS, and after a login.
    pub fn how(&self) -> Vec<(bool, bool)> {
        self.orders.lock().unwrap().how.clone()
    }
}

pub fn message_id(mail: &str) -> &str {
    mail.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_else(|| panic!("{mail}"))
}

async fn serve(stream: TcpStream, behaviour: &Behaviour, acceptor: &TlsAcceptor, orders: &Mutex<Orders>) {
    let mut talk = Talk { behaviour, orders, tls: false, login: false };
    if behaviour.line == Line::Implicit {
        let Ok(stream) = acceptor.accept(stream).await else { return };
        talk.tls = true;
        talk.run(stream, true).await;
        return;
    }
    if let Some(stream) = talk.run(stream, true).await
        && let Ok(stream) = acceptor.accept(stream).await
    {
        talk.tls = true;
        talk.run(stream, false).await;
    }
}

struct Talk<'a> {
    behaviour: &'a Behaviour,
    orders: &'a Mutex<Orders>,
    tls: bool,
    login: bool,
}

impl Talk<'_> {
    /// Answers until the end, or until the client asks for TLS: then the line comes back.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S, greet: bool) -> Option<S> {
        let mut stream = BufReader::new(stream);
        if greet {
            say(&mut stream, "220 test").await?;
        }
        loop {
            let line = hear(&mut stream).await?;
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => say(&mut stream, &self.hello()).await?,
                "STARTTLS" => {
                    say(&mut stream, "220 go ahead").await?;
                    return Some(stream.into_inner());
                }
                "AUTH" => self.auth(&mut stream, &line).await?,
                "MAIL" if self.behaviour.line == Line::StartTls && !self.tls => {
                    say(&mut stream, "530 5.7.0 must issue STARTTLS first").await?;
                }
                "MAIL" if self.behaviour.login.is_some() && !self.login => {
                    say(&mut stream, "530 5.7.0 authentication required").await?;
                }
                "RCPT" => {
                    let answer = {
                        let mut orders = self.orders.lock().unwrap();
                        let to = line.split_once(['<']).and_then(|(_, rest)| rest.split_once('>')).map(|(to, _)| to);
                        orders.recipients.extend(to.map(str::to_owned));
                        orders.answers.pop_front()
                    };
                    say(&mut stream, answer.as_deref().unwrap_or("250 2.1.5 ok")).await?;
                }
                "DATA" => self.data(&mut stream).await?,
                "QUIT" => {
                    say(&mut stream, "221 bye").await?;
                    return None;
                }
                _ => say(&mut stream, "250 2.0.0 ok").await?,
            }
        }
    }

    fn hello(&self) -> String {
        let mut lines = vec!["250-test".to_owned()];
        if self.behaviour.line == Line::StartTls && !self.tls {
            lines.push("250-STARTTLS".to_owned());
        }
        if self.behaviour.login.is_some() {
            lines.push("250-AUTH PLAIN LOGIN".to_owned());
        }
        lines.push("250 8BITMIME".to_owned());
        lines.join("\r\n")
    }

    async fn auth<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>, line: &str) -> Option<()> {
        let given = line.rsplit(' ').next().unwrap_or_default().to_owned();
        let (user, password) = self.behaviour.login.unwrap_or_default();
        self.login = given == base64(format!("\0{user}\0{password}").as_bytes());
        let answer = if self.login { "235 2.7.0 welcome" } else { "535 5.7.8 authentication credentials invalid" };
        say(stream, answer).await
    }

    async fn data<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut BufReader<S>) -> Option<()> {
        say(stream, "354 go on").await?;
        let mut mail = String::new();
        loop {
            let line = hear(stream).await?;
            if line == "." {
                break;
            }
            mail.push_str(line.strip_prefix('.').unwrap_or(&line));
            mail.push('\n');
        }
        let cut = {
            let mut orders = self.orders.lock().unwrap();
            orders.received.push(mail);
            orders.how.push((self.tls, self.login));
            let cut = orders.cuts > 0;
            orders.cuts = orders.cuts.saturating_sub(1);
            cut
        };
        if cut { None } else { say(stream, "250 2.0.0 queued as 4711").await }
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> Option<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = Vec::new();
    let read = stream.read_until(b'\n', &mut line).await.ok()?;
    (read > 0).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at)) as usize & 63] as char;
            out.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    out
}
