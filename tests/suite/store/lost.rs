//! PostgreSQL alone: connections that go bad while they are open, and daemons that stand still with one. What each look
//! at a connection is for is shown by itself; `tests/storm/` breaks whole daemons.

use std::time::{Duration, Instant};

use futures::poll;
use usher::clock::Clock;
use usher::run::trip::TripKind;
use usher::store::{Opening, Store, StoreError};

use super::small_run_due;
use crate::database::Db;
use crate::harness::{App, play, rules, turn_of};

/// What happens in the session that writes a trip, each time one is written.
async fn with_each_trip(app: &App, happens: &str) {
    let function = format!(
        "CREATE FUNCTION happens() RETURNS trigger AS $$ BEGIN {happens}; RETURN NULL; END $$ LANGUAGE plpgsql"
    );
    app.sql(&function).await.unwrap();
    app.sql("CREATE TRIGGER happens AFTER INSERT ON trips FOR EACH STATEMENT EXECUTE FUNCTION happens()")
        .await
        .unwrap();
}

/// What sessions that begin from now on find set.
async fn set_for_new_sessions(app: &App, setting: &str) {
    let database = app.home.url.rsplit('/').next().unwrap();
    app.sql(&format!("ALTER DATABASE {database} SET {setting}")).await.unwrap();
}

async fn write(store: &Store) -> Result<(), StoreError> {
    store.trip(TripKind::Clock, None, "a jump").await.map(drop)
}

/// A primary that is demoted keeps its connections, and refuses to write on them.
#[tokio::test]
async fn a_connection_that_can_only_read_by_now_is_left_for_another() {
    play(Db::Postgres, async |app: &App| {
        let store = app.another_store().await;
        with_each_trip(app, "PERFORM set_config('default_transaction_read_only', 'on', false)").await;
        write(&store).await.unwrap();
        // As many times as there may be connections: each of them would have its turn.
        for _ in 0..12 {
            write(&store).await.expect("another connection writes");
        }
        store.close().await;
    })
    .await;
}

/// The server that an address shows may be a standby, or one that has been demoted.
#[tokio::test]
async fn a_database_that_only_reads_is_not_opened() {
    play(Db::Postgres, async |app: &App| {
        set_for_new_sessions(app, "default_transaction_read_only = on").await;
        let opened = Store::open(&app.home.url, Opening::Existing, Clock::System, app.keys.clone(), rules()).await;
        let refused = opened.expect_err("nobody could write").to_string();
        assert!(refused.contains("it is read-only"), "{refused}");
    })
    .await;
}

/// Guarantee 1, on a server that is set to answer before it has written.
#[tokio::test]
async fn a_commit_is_on_disk_before_it_is_answered_however_the_server_is_set() {
    play(Db::Postgres, async |app: &App| {
        set_for_new_sessions(app, "synchronous_commit = off").await;
        app.sql("CREATE TABLE found (setting TEXT)").await.unwrap();
        with_each_trip(app, "INSERT INTO found VALUES (current_setting('synchronous_commit'))").await;
        let store = app.another_store().await;
        write(&store).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM found WHERE setting = 'on'").await, 1);
        store.close().await;
    })
    .await;
}

/// A daemon whose process stands still in the middle of a turn: its runs are free again long before anybody would look
/// after it. What a person orders waits even less (`no_order_waits_for_a_process_that_stands_still_in_a_transaction`).
#[tokio::test]
async fn a_daemon_that_stands_still_keeps_nobody_waiting() {
    play(Db::Postgres, async |app: &App| {
        let run = small_run_due(app).await;
        let mut wall = app.home.connect().await;
        sqlx::query("BEGIN").execute(&mut wall).await.unwrap();
        sqlx::query("LOCK TABLE journal IN SHARE MODE").execute(&mut wall).await.unwrap();
        let (store, systems) = (app.another_store().await, app.engine.system_names());
        let mut turn = Box::pin(turn_of(&store, "asleep", &systems, Vec::new(), 8));
        let writes = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
             AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO journal%'";
        while app.number(writes).await == 0 {
            assert!(poll!(turn.as_mut()).is_pending(), "it waits for the journal");
        }
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();

        // From here on nobody asks how the turn is getting on.
        let began = Instant::now();
        let taking = sqlx::query("SELECT id FROM runs FOR UPDATE").fetch_all(&mut wall);
        let taken = tokio::time::timeout(Duration::from_secs(15), taking).await;
        taken.unwrap_or_else(|_| panic!("it still waits after {:?}", began.elapsed())).unwrap();
        assert!(turn.await.is_err(), "what it wakes up with is taken back");
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state = 'leased'").await, 0);
        app.drain().await;
        assert_eq!(app.run_state(run).await.as_str(), "completed");
        store.close().await;
    })
    .await;
}
