//! `[database]`: where the record is kept.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::secret::{Secret, SecretError, SecretRef};

/// `[database]`
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// Which database; default `usher.db` in the data directory.
    pub place: DatabasePlace,
    /// PostgreSQL's password, where the address has none.
    pub password: Option<SecretRef>,
}

/// One of the two databases.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabasePlace {
    /// A file.
    Sqlite(PathBuf),
    /// A server, by its URL.
    Postgres(String),
}

impl DatabasePlace {
    /// Reads `sqlite:PATH` or `postgres://…`.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(url: &str, folder: &Path) -> Result<Self, String> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => Err("`sqlite:` needs the path of a file, for example `sqlite:usher.db`".to_owned()),
                ":memory:" => Err("a database in memory forgets everything; name a file".to_owned()),
                path => Ok(Self::Sqlite(folder.join(path))),
            };
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        Err("`sqlite:PATH` or `postgres://USER@HOST/NAME` is expected".to_owned())
    }

    /// The password that the URL itself holds.
    pub fn password(&self) -> Option<&str> {
        let Self::Postgres(url) = self else { return None };
        authority(url)?.rsplit_once('@')?.0.split_once(':').map(|(_, password)| password)
    }
}

/// What stands between `//` and the path.
fn authority(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.get(..rest.find(['/', '?']).unwrap_or(rest.len()))
}

impl fmt::Display for DatabasePlace {
    /// The address without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => match self.password() {
                Some(password) => f.write_str(&url.replacen(&format!(":{password}@"), ":***@", 1)),
                None => f.write_str(url),
            },
        }
    }
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseSettings {
    /// The address with its password, to connect to.
    ///
    /// # Errors
    /// When the password cannot be had.
    pub fn connect_url(&self) -> Result<Secret, SecretError> {
        match (&self.place, &self.password) {
            (DatabasePlace::Sqlite(path), _) => Ok(Secret::new(format!("sqlite:{}", path.display()))),
            (DatabasePlace::Postgres(url), Some(password)) if self.place.password().is_none() => {
                Ok(Secret::new(with_password(url, &password.resolve()?)))
            }
            (DatabasePlace::Postgres(url), _) => Ok(Secret::new(url.clone())),
        }
    }
}

fn with_password(url: &str, password: &Secret) -> String {
    let encoded = percent_encode(password.expose());
    match url.split_once("://").zip(authority(url)) {
        Some(((scheme, rest), authority)) => {
            let (user, host) = authority.rsplit_once('@').unwrap_or(("postgres", authority));
            format!("{scheme}://{user}:{encoded}@{host}{}", &rest[authority.len()..])
        }
        None => url.to_owned(),
    }
}

/// RFC 3986, section 2.1: everything but the unreserved characters.
fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> DatabasePlace {
        DatabasePlace::parse(url, Path::new("/srv")).unwrap()
    }

    #[test]
    fn both_databases_are_read() {
        for url in ["sqlite:usher.db", "sqlite://usher.db", "sqlite:/srv/usher.db", "sqlite:///srv/usher.db"] {
            assert_eq!(place(url), DatabasePlace::Sqlite("/srv/usher.db".into()), "{url}");
        }
        assert_eq!(place("postgres://db/usher"), DatabasePlace::Postgres("postgres://db/usher".into()));
        for url in ["", "mysql://x", "usher.db", "sqlite:", "sqlite::memory:"] {
            assert!(DatabasePlace::parse(url, Path::new("/srv")).is_err(), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let place = place("postgres://usher:s3cret@db:5432/usher?sslmode=require");
        assert_eq!(place.password(), Some("s3cret"));
        assert_eq!(place.to_string(), "postgres://usher:***@db:5432/usher?sslmode=require");
        assert!(!format!("{place:?}").contains("s3cret"));
        assert_eq!(super::DatabasePlace::Postgres("postgres://db/a:b@c".into()).password(), None);
    }

    #[test]
    fn a_referenced_password_is_filled_in() {
        let password = Secret::new("p@ss/wörd");
        assert_eq!(
            with_password("postgres://usher@db:5432/usher", &password),
            "postgres://usher:p%40ss%2Fw%C3%B6rd@db:5432/usher"
        );
        assert_eq!(with_password("postgres://db", &Secret::new("x")), "postgres://postgres:x@db");
    }
}
