//! Where a story's record lies: a file of its own, or a PostgreSQL database of its own.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};

/// Which database a story is played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
}

/// What to do when there is no PostgreSQL to test with.
const NO_POSTGRES: &str = "USHER_TEST_POSTGRES is not set, so the PostgreSQL half of this suite cannot run.
Run `tests/run.sh`, which starts a throw-away server (Debian: apt-get install postgresql), or name one whose user may
create databases: USHER_TEST_POSTGRES=postgres://postgres@127.0.0.1:5432";

/// A fresh database. The one of PostgreSQL is dropped by [`Home::leave`].
pub struct Home {
    pub db: Db,
    pub url: String,
    name: String,
}

impl Home {
    pub async fn new(db: Db, folder: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sqlx::any::install_default_drivers();
        let name = format!("usher_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let url = match db {
            Db::Sqlite => format!("sqlite:{}", folder.join("usher.db").display()),
            Db::Postgres => {
                administer(&format!("CREATE DATABASE {name}")).await;
                format!("{}/{name}", base())
            }
        };
        Self { db, url, name }
    }

    /// A connection of our own, for looking and tampering behind the store's back.
    pub async fn connect(&self) -> AnyConnection {
        AnyConnection::connect(&self.url).await.expect("connects")
    }

    pub async fn leave(&self) {
        if self.db == Db::Postgres {
            administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await;
        }
    }
}

/// The server's address without a database.
fn base() -> String {
    let url = std::env::var("USHER_TEST_POSTGRES").expect(NO_POSTGRES);
    url.trim_end_matches("/postgres").trim_end_matches('/').to_owned()
}

async fn administer(sql: &str) {
    let mut server =
        AnyConnection::connect(&format!("{}/postgres", base())).await.expect("reaches USHER_TEST_POSTGRES");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut server).await.expect(sql);
}
