//! An upgrade that ends in the middle leaves a record that can be upgraded.

use std::borrow::Cow;
use std::path::Path;

use sqlx::AssertSqlSafe;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, Migrator};
use usher::store::Opening;

use super::released::{Tables, schema};
use super::{Old, every_release, newest};
use crate::database::Db;

/// The project's migrations up to `last`, as usher reads them.
async fn migrations(db: Db, last: i64) -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let all = Migrator::new(folder).await.expect("the migrations");
    let some = all.iter().filter(|migration| migration.version <= last).map(|migration| {
        let text = migration.sql.as_str().to_owned();
        let text = match db {
            Db::Sqlite => text.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"),
            Db::Postgres => text.replace("-- postgres: ", ""),
        };
        let (description, kind) = (migration.description.clone(), migration.migration_type);
        Migration::new(migration.version, description, kind, AssertSqlSafe(text).into_sql_str(), migration.no_tx)
    });
    Migrator { migrations: Cow::Owned(some.collect()), ..Migrator::DEFAULT }
}

/// The process ended between two migrations: the next start goes on behind the last one.
async fn between_two_migrations(db: Db) {
    every_release(db, async |old| {
        let before = Tables::read(&old.home).await;
        for last in schema(&old.home).await..newest() {
            let mut conn = old.home.connect().await;
            migrations(db, last).await.run(&mut conn).await.expect("migrates");
            assert_eq!(schema(&old.home).await, last);
            let told = old.open(Opening::Existing).await.expect_err("a command opens it").to_string();
            assert!(told.contains(&format!("is of version {last};")), "{told}");
            assert_eq!(Tables::read(&old.home).await, before);
        }
        let app = old.taken_over().await;
        assert_eq!((Tables::read(&app.home).await, schema(&app.home).await), (before, newest()));
        assert_eq!(app.problems().await, Vec::<String>::new());
        app.close().await;
    })
    .await;
}

/// A migration fails half-way (here its place is taken, as if the process or the disk had ended there): nothing of it
/// stays, and once the cause is gone the same daemon goes on.
async fn in_the_middle_of_one(db: Db) {
    let old = Old::new("schema-1", db).await;
    let before = Tables::read(&old.home).await;
    let mut conn = old.home.connect().await;
    // Half-way through 0003: people have new columns by then.
    sqlx::query("CREATE TABLE import_pieces (in_the_way BIGINT)").execute(&mut conn).await.expect("stands in the way");
    for _ in 0..2 {
        let told = old.open(Opening::Migrate).await.expect_err("it migrates").to_string();
        assert!(told.contains("import_pieces"), "{told}");
        assert_eq!(schema(&old.home).await, 2, "what came before it is kept");
        let half = sqlx::query("SELECT private_email FROM people").fetch_all(&mut conn).await;
        assert!(half.is_err(), "half of it is there");
        assert_eq!(Tables::read(&old.home).await, before);
    }
    sqlx::query("DROP TABLE import_pieces").execute(&mut conn).await.expect("goes");
    let app = old.taken_over().await;
    assert_eq!((Tables::read(&app.home).await, schema(&app.home).await), (before, newest()));
    assert_eq!(app.problems().await, Vec::<String>::new());
    app.close().await;
}

/// Two daemons of the new version start at the same moment on one PostgreSQL.
#[tokio::test]
async fn two_daemons_at_once() {
    let old = Old::new("schema-1", Db::Postgres).await;
    let before = Tables::read(&old.home).await;
    let (one, other) = tokio::join!(old.open(Opening::Migrate), old.open(Opening::Migrate));
    for store in [one, other] {
        store.expect("opens").close().await;
    }
    let app = old.taken_over().await;
    assert_eq!((Tables::read(&app.home).await, schema(&app.home).await), (before, newest()));
    app.close().await;
}

on_both! {
    between_two_migrations
    in_the_middle_of_one
}
