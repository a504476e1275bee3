//! Databases for a moment, on a PostgreSQL server: for what is measured or tried on a record of its own.

use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use super::StoreError;
use super::connect::shown;

/// A database that is there until it is removed.
#[derive(Debug)]
pub struct Scratch {
    server: String,
    name: String,
    url: String,
}

impl Scratch {
    /// Makes one on the server of `server`, a `postgres://` URL whose user may create databases; the database it names is
    /// only connected to.
    ///
    /// # Errors
    /// When the server cannot be reached, or the user may not create databases.
    pub async fn create(server: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let name = format!("usher_scratch_{:08x}", rand::random::<u32>());
        let url = beside(server, &name);
        administer(server, &format!("CREATE DATABASE {name}")).await?;
        Ok(Self { server: server.to_owned(), name, url })
    }

    /// The URL to open it by.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Removes it, whoever is connected.
    ///
    /// # Errors
    /// When the server cannot be reached; then it stays.
    pub async fn remove(self) -> Result<(), StoreError> {
        administer(&self.server, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await
    }
}

/// The same URL with another database in it.
fn beside(server: &str, name: &str) -> String {
    let (head, query) = server.split_once('?').map_or((server, None), |(head, query)| (head, Some(query)));
    let after_scheme = head.find("://").map_or(0, |at| at + 3);
    let base = head[after_scheme..].find('/').map_or(head, |at| &head[..after_scheme + at]);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{base}/{name}{query}")
}

async fn administer(server: &str, sql: &str) -> Result<(), StoreError> {
    let failed = |error: sqlx::Error| StoreError::Open { url: shown(server), reason: error.to_string() };
    let mut conn = AnyConnection::connect(server).await.map_err(failed)?;
    // The name is made here, of letters and digits.
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.map_err(failed)?;
    conn.close().await.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_another_and_nothing_else() {
        assert_eq!(
            beside("postgres://me:pw@host:5432/db?sslmode=disable", "x"),
            "postgres://me:pw@host:5432/x?sslmode=disable"
        );
        assert_eq!(beside("postgres://host", "x"), "postgres://host/x");
        assert_eq!(beside("postgres://host/", "x"), "postgres://host/x");
    }
}
