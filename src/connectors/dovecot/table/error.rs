//! What the database's refusals and its silence mean for an attempt.

use super::line::Database;
use crate::connectors::ActionError;
use crate::connectors::declared::one_line;
use crate::outbound::chain;

/// What ended before anything was committed: it had no effect. Another attempt helps, unless the statement itself, the table
/// or a right is what is wrong.
pub(super) fn lost(database: &Database, why: &sqlx::Error) -> ActionError {
    let said = format!("{}: {}", database.place(), words(why));
    match why {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) if is_final(database, &code) => ActionError::fail(said),
            _ => ActionError::retry(said),
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::TypeNotFound { .. } => {
            ActionError::fail(said)
        }
        _ => ActionError::retry(said),
    }
}

/// The database's own words. The values of a row are not among them.
pub(super) fn words(why: &sqlx::Error) -> String {
    match why {
        sqlx::Error::Database(error) => one_line(error.message()),
        other => one_line(&chain(other)),
    }
}

/// PostgreSQL's classes 0A, 22, 23, 3F and 42: not supported, data, integrity, schema, syntax and access rules. SQLite's
/// primary codes of a wrong statement, a right, a read-only file, a constraint, a type, and a file that is no database.
fn is_final(database: &Database, code: &str) -> bool {
    match database {
        Database::Postgres(_) => ["0A", "22", "23", "3F", "42"].iter().any(|class| code.starts_with(class)),
        Database::Sqlite(_) => code.parse().is_ok_and(|code: i32| matches!(code & 0xff, 1 | 3 | 8 | 19 | 20 | 23 | 26)),
    }
}
