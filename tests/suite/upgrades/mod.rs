//! Upgrades: the record of each released version, with live runs in every state, is opened by this version, migrated,
//! and carried to its end. Nothing is lost, early or done twice.

/// Each story on both databases.
macro_rules! on_both {
    ($($story:ident)*) => { $(
        mod $story {
            #[tokio::test]
            async fn on_sqlite() {
                super::$story(crate::database::Db::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$story(crate::database::Db::Postgres).await;
            }
        }
    )* };
}

mod end;
mod interrupted;
mod released;

use usher::run::Holidays;
use usher::secret::KeyRing;
use usher::store::{Opening, Store};

use self::released::{RELEASED, Released, Tables, schema};
use crate::database::{Db, Home};
use crate::harness::App;

/// The states of steps, as the tables call them.
const STATES: [&str; 11] = [
    "blocked",
    "waiting",
    "leased",
    "unknown",
    "held",
    "awaiting_approval",
    "awaiting_person",
    "done",
    "failed",
    "skipped",
    "cancelled",
];

/// The house of a released version, before this version has seen it.
struct Old {
    released: Released,
    home: Home,
    folder: tempfile::TempDir,
}

impl Old {
    async fn new(version: &str, db: Db) -> Self {
        let folder = crate::harness::folder();
        let (released, home) = (Released::new(version, db), Home::new(db, folder.path()).await);
        released.move_into(folder.path(), &home).await;
        Self { released, home, folder }
    }

    async fn open(&self, opening: Opening) -> Result<Store, usher::store::StoreError> {
        let clock = usher::clock::Clock::manual(self.released.killed_at());
        let keys = KeyRing::open_or_create(&self.folder.path().join("usher.key")).expect("the key");
        Store::open(&self.home.url, opening, clock, keys, Holidays::default()).await
    }

    /// This version's daemon, started on it a minute after the old one was killed.
    async fn taken_over(self) -> App {
        let at = self.released.killed_at() + jiff::SignedDuration::from_mins(1);
        App::posting_in(self.home, self.folder, &self.released.company(), at).await
    }
}

/// The newest migration in the project.
fn newest() -> i64 {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).expect("the migrations");
    let number = |name: String| name.split('_').next().and_then(|number| number.parse().ok());
    files
        .filter_map(|file| number(file.expect("a file").file_name().into_string().expect("a name")))
        .max()
        .expect("one")
}

async fn every_release(db: Db, story: impl AsyncFn(Old)) {
    for version in RELEASED {
        story(Old::new(version, db).await).await;
    }
}

async fn a_fixture_has_live_runs_in_every_state(db: Db) {
    every_release(db, async |old| {
        let tables = Tables::read(&old.home).await;
        for state in STATES {
            assert_ne!(tables.steps_that_are(state), 0, "no step is {state}");
        }
        old.home.leave().await;
    })
    .await;
}

/// Looking at a record changes nothing: neither its version nor a row of it.
async fn a_command_does_not_migrate(db: Db) {
    every_release(db, async |old| {
        let (before, version) = (Tables::read(&old.home).await, schema(&old.home).await);
        if version == newest() {
            // The latest release knew every migration there is.
            return old.home.leave().await;
        }
        let refusal = old.open(Opening::Existing).await.expect_err("a command opens it");
        let told = refusal.to_string();
        assert!(told.contains(&format!("is of version {version}; this usher needs version {}", newest())), "{told}");
        assert!(refusal.way_out().is_some_and(|help| help.contains("usher serve")), "{told}");
        assert_eq!((Tables::read(&old.home).await, schema(&old.home).await), (before, version));
        old.home.leave().await;
    })
    .await;
}

/// A record that a newer version has used is refused, by daemons and commands, and left as it is.
async fn an_older_program_refuses_a_newer_record(db: Db) {
    every_release(db, async |old| {
        old.open(Opening::Migrate).await.expect("migrates").close().await;
        let mut conn = old.home.connect().await;
        sqlx::query("UPDATE _sqlx_migrations SET version = version + 1 WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)")
            .execute(&mut conn)
            .await
            .expect("ages");
        let before = Tables::read(&old.home).await;
        for opening in [Opening::Migrate, Opening::Existing] {
            let told = old.open(opening).await.expect_err("it is opened").to_string();
            assert!(told.contains(&format!("is of version {}; this usher knows up to version {}", newest() + 1, newest())), "{told}");
        }
        assert_eq!(Tables::read(&old.home).await, before);
        assert_eq!(schema(&old.home).await, newest() + 1);
        old.home.leave().await;
    })
    .await;
}

/// The upgrade itself moves no step and writes no entry; every journal still verifies and replays to its tables.
async fn states_are_after_the_upgrade_as_before(db: Db) {
    every_release(db, async |old| {
        let before = Tables::read(&old.home).await;
        let app = old.taken_over().await;
        assert_eq!(Tables::read(&app.home).await, before);
        assert_eq!(schema(&app.home).await, newest());
        assert_eq!(app.problems().await, Vec::<String>::new());
        app.close().await;
    })
    .await;
}

on_both! {
    a_fixture_has_live_runs_in_every_state
    a_command_does_not_migrate
    an_older_program_refuses_a_newer_record
    states_are_after_the_upgrade_as_before
}
