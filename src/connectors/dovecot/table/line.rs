//! A connection to the database that a mail host has its accounts in. One is kept open between attempts; whatever is done on it
//! takes so long and no longer.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{AnyConnection, Connection};

use super::error::lost;
use crate::connectors::ActionError;
use crate::secret::{Secret, SecretRef};
use crate::store::{self, Store};

/// What a path may hold besides letters and digits.
const OF_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of SQLite's.
    Sqlite(PathBuf),
    /// A server of PostgreSQL's.
    Postgres(Postgres),
}

/// A server of PostgreSQL's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// Whom usher signs in as.
    pub user: String,
    /// Its password; none where the server asks for none.
    pub password: Option<SecretRef>,
    /// `HOST[:PORT]`
    pub host: String,
    /// The database there.
    pub database: String,
    /// Whether the line is in the clear: to this machine only.
    pub in_the_clear: bool,
}

impl Database {
    /// How messages call it.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(Postgres { host, database, .. }) => format!("{host}/{database}"),
        }
    }

    /// Its address with its password.
    async fn address(&self, ca: Option<&Path>, store: Option<&Store>) -> Result<Secret, ActionError> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let of_path = |path: &Path| utf8_percent_encode(&path.to_string_lossy(), OF_PATHS).to_string();
        let server = match self {
            Self::Sqlite(path) => return Ok(Secret::new(format!("sqlite://{}?mode=rw", of_path(path)))),
            Self::Postgres(server) => server,
        };
        let password = match &server.password {
            None => String::new(),
            Some(reference) => {
                let password = store::resolve(store, reference).await;
                let password =
                    password.map_err(|why| ActionError::retry(format!("the password of {}: {why}", self.place())))?;
                format!(":{}", encoded(password.expose()))
            }
        };
        let (user, host, database) = (encoded(&server.user), &server.host, encoded(&server.database));
        let secured = if server.in_the_clear { "prefer" } else { "verify-full" };
        let ca = ca.map(|path| format!("&sslrootcert={}", of_path(path))).unwrap_or_default();
        Ok(Secret::new(format!("postgres://{user}{password}@{host}/{database}?sslmode={secured}{ca}")))
    }
}

/// The way to the database.
pub(super) struct Lines {
    pub(super) database: Database,
    ca: Option<PathBuf>,
    limit: Duration,
    store: Option<Store>,
    /// The connection that nobody is at, and the address that it was made with.
    free: Mutex<Option<(Secret, AnyConnection)>>,
}

/// A connection in use. Dropped before [`Lines::keep`], it is closed, and what was not committed on it is undone.
pub(super) struct Line {
    pub(super) conn: AnyConnection,
    address: Secret,
}

impl Lines {
    pub(super) fn new(database: Database, ca: Option<PathBuf>, limit: Duration) -> Self {
        Self { database, ca, limit, store: None, free: Mutex::new(None) }
    }

    pub(super) fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// The connection that is free, where it still answers, or a new one. Nothing that fails here has had an effect.
    pub(super) async fn open(&self) -> Result<Line, ActionError> {
        let address = self.database.address(self.ca.as_deref(), self.store.as_ref()).await?;
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((known, mut conn)) = free
            && known.expose() == address.expose()
            && self.within(conn.ping()).await.is_ok()
        {
            return Ok(Line { conn, address });
        }
        sqlx::any::install_default_drivers();
        let conn = self.within(AnyConnection::connect(address.expose())).await;
        Ok(Line { conn: conn.map_err(|why| lost(&self.database, &why))?, address })
    }

    /// For the next who asks.
    pub(super) fn keep(&self, line: Line) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Some((line.address, line.conn));
    }

    #[cfg(test)]
    pub(super) fn has_one(&self) -> bool {
        self.free.lock().unwrap().is_some()
    }

    /// What takes longer is given up.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        tokio::time::timeout(self.limit, work).await.unwrap_or_else(|_| {
            let silence = format!("no answer within {} s", self.limit.as_secs());
            Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silence)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_made_of_its_parts_and_verifies_whom_it_reaches() {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "p@ss/wo:rd?").unwrap();
        let server = Postgres {
            user: "us er@x".to_owned(),
            password: Some(SecretRef::File(password)),
            host: "db.example.org:5433".to_owned(),
            database: "ma/il?sslmode=disable".to_owned(),
            in_the_clear: false,
        };
        let database = Database::Postgres(server.clone());
        let address = database.address(Some(Path::new("/etc/ca 1.pem")), None).await.unwrap();
        assert_eq!(
            address.expose(),
            "postgres://us%20er%40x:p%40ss%2Fwo%3Ard%3F@db.example.org:5433/ma%2Fil%3Fsslmode%3Ddisable\
             ?sslmode=verify-full&sslrootcert=/etc/ca%201.pem"
        );
        let here =
            Postgres { in_the_clear: true, password: None, user: "u".to_owned(), database: "m".to_owned(), ..server };
        let address = Database::Postgres(here).address(None, None).await.unwrap();
        assert_eq!(address.expose(), "postgres://u@db.example.org:5433/m?sslmode=prefer");
        let file = Database::Sqlite("/srv/a b?mode=rwc#.db".into());
        let address = file.address(None, None).await.unwrap();
        assert_eq!(address.expose(), "sqlite:///srv/a%20b%3Fmode%3Drwc%23.db?mode=rw");
    }
}
