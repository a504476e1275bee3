//! Many new rows at once. SQLite gets them as one list of JSON objects, PostgreSQL as one array for each column, which it
//! reads with less work than objects that tell the name of each field.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;

use super::books::json;
use super::{Dialect, StoreError};

mod arrays;

/// The columns of such rows, in the order of their fields, with their types.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns(pub(super) &'static [(&'static str, &'static str)]);

/// A statement in both dialects, put together once.
#[derive(Debug)]
pub(super) struct Texts {
    sqlite: String,
    postgres: String,
}

impl Texts {
    pub(super) fn new(text: impl Fn(Dialect) -> String) -> Self {
        Self { sqlite: text(Dialect::Sqlite), postgres: text(Dialect::Postgres) }
    }

    pub(super) fn of(&self, dialect: Dialect) -> &str {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        }
    }
}

impl Columns {
    /// How many parameters the rows take.
    pub(super) const fn parameters(self, dialect: Dialect) -> usize {
        match dialect {
            Dialect::Sqlite => 1,
            Dialect::Postgres => self.0.len(),
        }
    }

    /// The rows as a table called `v`; `first` is the number of their first parameter.
    pub(super) fn rows(self, dialect: Dialect, first: usize) -> String {
        let names = || self.0.iter().map(|(name, _)| name);
        match dialect {
            Dialect::Sqlite => {
                let columns = listed(names().map(|name| format!("value->>'{name}' AS {name}")));
                format!("(SELECT {columns} FROM jsonb_each(${first})) AS v")
            }
            Dialect::Postgres => {
                let numbered = self.0.iter().zip(first..);
                let arrays = listed(numbered.map(|((_, kind), number)| format!("CAST(${number} AS {kind}[])")));
                format!("unnest({arrays}) AS v({})", listed(names()))
            }
        }
    }

    /// Adds the rows to a table.
    pub(super) fn insert(self, dialect: Dialect, table: &str, first: usize) -> String {
        let names = listed(self.0.iter().map(|(name, _)| name));
        format!("INSERT INTO {table} ({names}) SELECT {names} FROM {}", self.rows(dialect, first))
    }

    /// What the parameters are bound to.
    pub(super) fn values(self, dialect: Dialect, rows: &[impl Serialize]) -> Result<Vec<String>, StoreError> {
        match dialect {
            Dialect::Sqlite => Ok(vec![json(&rows)]),
            Dialect::Postgres => arrays::of(self.0, rows).map_err(|why| StoreError::corrupt("row to be written", why)),
        }
    }
}

fn listed(items: impl Iterator<Item: Display>) -> String {
    let mut text = String::new();
    for (place, item) in items.enumerate() {
        // Writing into a string does not fail.
        let _: fmt::Result = write!(text, "{}{item}", if place == 0 { "" } else { ", " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Columns = Columns(&[("id", "BIGINT"), ("name", "TEXT")]);

    #[test]
    fn a_statement_says_the_same_to_both() {
        assert_eq!(
            TWO.insert(Dialect::Sqlite, "things", 3),
            "INSERT INTO things (id, name) SELECT id, name FROM \
             (SELECT value->>'id' AS id, value->>'name' AS name FROM jsonb_each($3)) AS v"
        );
        assert_eq!(
            TWO.insert(Dialect::Postgres, "things", 3),
            "INSERT INTO things (id, name) SELECT id, name FROM unnest(CAST($3 AS BIGINT[]), CAST($4 AS TEXT[])) AS v(id, name)"
        );
        assert_eq!((TWO.parameters(Dialect::Sqlite), TWO.parameters(Dialect::Postgres)), (1, 2));
    }
}
