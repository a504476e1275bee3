//! The schema's versions. A daemon brings a database up to date; a command only looks whether it is.

use std::borrow::Cow;

use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::{Dialect, Opening, Store, StoreError};

static EMBEDDED: Migrator = sqlx::migrate!("./migrations");

/// The newest version that this binary knows.
fn newest() -> i64 {
    EMBEDDED.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The migrations for a dialect. `INTEGER PRIMARY KEY` (and only that) makes a SQLite key the row's own address;
/// PostgreSQL's INTEGER has 32 bits. A line behind `-- postgres: ` is for PostgreSQL alone.
fn migrator(dialect: Dialect) -> Migrator {
    let migrations = EMBEDDED.iter().map(|migration| {
        let text = migration.sql.as_str();
        let text = match dialect {
            Dialect::Sqlite => text.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"),
            Dialect::Postgres => text.replace("-- postgres: ", ""),
        };
        Migration::new(
            migration.version,
            migration.description.clone(),
            migration.migration_type,
            AssertSqlSafe(text).into_sql_str(),
            migration.no_tx,
        )
    });
    Migrator { migrations: Cow::Owned(migrations.collect()), ..Migrator::DEFAULT }
}

pub(super) async fn bring_up(store: &Store, opening: Opening) -> Result<(), StoreError> {
    let found = version(store).await?;
    let newest = newest();
    match found {
        Some(found) if found > newest => Err(StoreError::Version {
            message: format!(
                "the database {} is of version {found}; this usher knows up to version {newest}",
                store.place()
            ),
            help: "a newer usher has used it: run that one, or restore a backup made before the upgrade".into(),
        }),
        Some(found) if found == newest => Ok(()),
        Some(found) if opening == Opening::Existing => Err(StoreError::Version {
            message: format!("the database {} is of version {found}; this usher needs version {newest}", store.place()),
            help: "start the daemon (`usher serve`) once with this version: it brings the database up to date".into(),
        }),
        _ => {
            let mut conn = store.inner.writer.acquire().await?;
            migrator(store.dialect())
                .run(&mut *conn)
                .await
                .map_err(|error| StoreError::Open { url: store.place(), reason: error.to_string() })
        }
    }
}

/// The database's version; `None` for an empty one.
async fn version(store: &Store) -> Result<Option<i64>, StoreError> {
    let mut conn = store.inner.writer.acquire().await?;
    let exists: i64 = sqlx::query_scalar(match store.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables
             WHERE table_name = '_sqlx_migrations' AND table_schema = current_schema()"
        }
    })
    .fetch_one(&mut *conn)
    .await?;
    if exists == 0 {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut *conn).await?)
}
