//! A way to the database that can be slow, silent, cut, or turned to another server.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use usher::clock;

/// What the way does to what comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Every piece takes so long.
    Slow(Duration),
    /// Half open: connections are accepted, what comes is taken, nothing ever comes back. Connections that have seen
    /// this stay so for ever.
    Silent,
    /// No connection is taken.
    Shut,
}

/// What becomes of a COMMIT on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It reaches the server; its answer reaches nobody.
    AfterIt,
    /// It never reaches the server.
    BeforeIt,
}

struct Road {
    target: AtomicU16,
    weather: watch::Sender<Weather>,
    /// Counts up: connections of an earlier count are cut.
    age: watch::Sender<u64>,
    /// COMMITs that pass before one is cut; below zero none is.
    commits: AtomicI64,
    after: std::sync::atomic::AtomicBool,
    cuts: AtomicI64,
}

pub(crate) struct Proxy {
    port: u16,
    road: Arc<Road>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let road = Arc::new(Road {
            target: AtomicU16::new(port),
            weather: watch::channel(Weather::Fair).0,
            age: watch::channel(0).0,
            commits: AtomicI64::new(-1),
            after: true.into(),
            cuts: AtomicI64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let task = tokio::spawn(accept(listener, Arc::clone(&road)));
        Self { port, road, task }
    }

    /// `url`, by this way.
    pub(crate) fn url(&self, url: &str) -> String {
        let (before, rest) = url.rsplit_once(':').expect("an address with a port");
        let (_, database) = rest.split_once('/').expect("an address with a database");
        format!("{before}:{}/{database}", self.port)
    }

    pub(crate) fn weather(&self, weather: Weather) {
        self.road.weather.send_replace(weather);
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.road.age.send_modify(|age| *age += 1);
    }

    /// Turns to another server: old connections stay with the old one.
    pub(crate) fn turn_without_cut(&self, port: u16) {
        self.road.target.store(port, Ordering::SeqCst);
    }

    /// Turns to another server: old connections are cut.
    pub(crate) fn turn_to(&self, port: u16) {
        self.road.target.store(port, Ordering::SeqCst);
        self.cut();
    }

    /// Lets `pass` COMMITs through and cuts the connection of the next one.
    pub(crate) fn cut_commit(&self, pass: i64, cut: Cut) {
        self.road.after.store(cut == Cut::AfterIt, Ordering::SeqCst);
        self.road.commits.store(pass, Ordering::SeqCst);
    }

    /// COMMITs that were cut so far.
    pub(crate) fn cuts(&self) -> i64 {
        self.road.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, road: Arc<Road>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        if *road.weather.borrow() == Weather::Shut {
            continue;
        }
        tokio::spawn(carry(client, Arc::clone(&road)));
    }
}

async fn carry(client: TcpStream, road: Arc<Road>) {
    let mut age = road.age.subscribe();
    age.mark_unchanged();
    let Ok(server) = TcpStream::connect(("127.0.0.1", road.target.load(Ordering::SeqCst))).await else { return };
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (doomed, doom) = watch::channel(false);
    tokio::select! {
        () = outwards(from_client, to_server, &road, &doomed) => {}
        () = homewards(from_server, to_client, &road, doom) => {}
        _ = age.changed() => {}
    }
}

/// From the client to the server.
async fn outwards(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, road: &Road, doomed: &watch::Sender<bool>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        through(road).await;
        let commit = buffer[..read].windows(7).any(|seven| seven == b"COMMIT\0");
        if commit && strikes(road) {
            if !road.after.load(Ordering::SeqCst) {
                return;
            }
            // Its answer ends the connection instead of coming through.
            doomed.send_replace(true);
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

fn strikes(road: &Road) -> bool {
    let strikes = road.commits.fetch_sub(1, Ordering::SeqCst) == 0;
    if strikes {
        road.cuts.fetch_add(1, Ordering::SeqCst);
    }
    strikes
}

/// From the server to the client.
async fn homewards(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, road: &Road, doom: watch::Receiver<bool>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if *doom.borrow() {
            return;
        }
        through(road).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn through(road: &Road) {
    let weather = *road.weather.borrow();
    match weather {
        Weather::Slow(by) => clock::pause(by).await,
        // Only a cut ends it.
        Weather::Silent => std::future::pending().await,
        Weather::Fair | Weather::Shut => {}
    }
}
