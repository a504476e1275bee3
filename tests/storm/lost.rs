//! One look at a connection at a time: what each of them is for, shown on the record itself, by a network that falls
//! silent.

use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection};
use usher::clock::{self, Clock};
use usher::run::Rules;
use usher::secret::KeyRing;
use usher::store::{Opening, Patience, Store, StoreError};

use crate::proxy::{Proxy, Weather};
use crate::server::Server;
use crate::storm::turn;

/// As many connections as a store has for whatever is no turn.
const ALL: i64 = 10;

/// A record on a server of its own, and the way to it.
struct Place {
    url: String,
    way: Proxy,
    store: Store,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let server = Server::start().await;
        let url = server.database().await;
        let way = Proxy::to(server.port()).await;
        let folder = tempfile::tempdir().expect("a folder");
        let keys = KeyRing::open_or_create(&folder.path().join("usher.key")).expect("a key");
        let address = way.url(&url);
        let opened = Store::open(&address, Opening::Migrate, Clock::System, keys, Rules::default());
        let store = opened.await.unwrap_or_else(|why| panic!("{why}"));
        Self { url, way, store, _server: server, _folder: folder }
    }

    /// How long it takes until the record answers; nobody asks it more than once.
    async fn answers(&self) -> Duration {
        let began = Instant::now();
        self.store.now().await.unwrap_or_else(|why| panic!("after {:?}: {why}", began.elapsed()));
        began.elapsed()
    }
}

/// Silence that begins and ends while nobody says anything leaves a connection on which nothing comes any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_answer_is_left_for_another_within_two_seconds() {
    let _turn = turn().await;
    let place = Place::new().await;
    place.answers().await;
    place.way.weather(Weather::Silent);
    let asking = place.answers();
    let weather = async {
        clock::pause(Duration::from_millis(300)).await;
        place.way.weather(Weather::Fair);
    };
    let (took, ()) = tokio::join!(asking, weather);
    assert!(took < Duration::from_secs(4), "{took:?}");
}

/// Whoever gives up in the middle of a question leaves a connection behind that may never answer. All of them at once
/// are as many as there may be.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_given_up_make_room_for_others() {
    let _turn = turn().await;
    let place = Place::new().await;
    let mut wall = AnyConnection::connect(&place.url).await.expect("connects");
    for sql in ["BEGIN", "LOCK TABLE trips IN ACCESS EXCLUSIVE MODE"] {
        sqlx::query(sql).execute(&mut wall).await.expect(sql);
    }
    let questions: Vec<_> = (0..ALL)
        .map(|_| {
            let store = place.store.clone();
            tokio::spawn(async move { store.trips(false).await.map(drop) })
        })
        .collect();
    // Within a transaction it would be the same each time.
    let mut eye = AnyConnection::connect(&place.url).await.expect("connects");
    let asked = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(asked).fetch_one(&mut eye).await.expect(asked) < ALL {
        clock::pause(Duration::from_millis(10)).await;
    }
    place.way.weather(Weather::Silent);
    for question in questions {
        question.abort();
        question.await.ok();
    }
    clock::pause(Duration::from_millis(300)).await;
    sqlx::query("COMMIT").execute(&mut wall).await.expect("commits");
    place.way.weather(Weather::Fair);
    let took = place.answers().await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// A turn, a renewal, the taking up of leases: whoever must not stand still gives up a silent record.
#[tokio::test(flavor = "multi_thread")]
async fn work_on_a_record_that_falls_silent_is_given_up() {
    let _turn = turn().await;
    let place = Place::new().await;
    let mut wall = AnyConnection::connect(&place.url).await.expect("connects");
    for sql in ["BEGIN", "LOCK TABLE trips IN ACCESS EXCLUSIVE MODE"] {
        sqlx::query(sql).execute(&mut wall).await.expect(sql);
    }
    let began = Instant::now();
    let patience = Patience::default();
    let work = place.store.unless_silent(&patience, place.store.trips(false));
    let given_up = tokio::time::timeout(Duration::from_secs(20), work).await.expect("it gives up");
    let took = began.elapsed();
    assert!(matches!(given_up, Err(StoreError::Unanswered { .. })), "{given_up:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(place.store.trouble().is_some(), "and it is said");
}
