//! Where the two dialects must part. Everything else is one text.

use super::Dialect;

/// One statement in both dialects, side by side where they differ by necessity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl Text {
    pub(super) const fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

/// A statement over many rows that arrive as one JSON array of objects in `$1`. The rows are called `v`; how a
/// JSON array becomes rows differs by necessity. `jsonb_each` reads the text once: with `json_each` each column would be
/// looked for in the text of its row.
macro_rules! rows {
    ($head:literal, { $first:ident $first_type:ident $(, $column:ident $type:ident)* $(,)? }, $tail:literal) => {
        $crate::store::sql::Text {
            sqlite: concat!(
                $head, " (SELECT value->>'", stringify!($first), "' AS ", stringify!($first),
                $(", value->>'", stringify!($column), "' AS ", stringify!($column),)*
                " FROM jsonb_each($1)) AS v ", $tail
            ),
            postgres: concat!(
                $head, " json_to_recordset(CAST($1 AS json)) AS v(", stringify!($first), " ", stringify!($first_type),
                $(", ", stringify!($column), " ", stringify!($type),)*
                ") ", $tail
            ),
        }
    };
}

/// A statement with a list of keys that arrives as one JSON array in `$1`, written `IN {keys}`: numbers, or `texts`.
macro_rules! keys {
    ($head:expr, $tail:literal) => {
        $crate::store::sql::Text {
            sqlite: concat!($head, " IN (SELECT value FROM json_each($1)) ", $tail),
            postgres: concat!(
                $head,
                " IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST($1 AS json))) ",
                $tail
            ),
        }
    };
    // Keys that are text.
    ($head:expr, $tail:literal, texts) => {
        $crate::store::sql::Text {
            sqlite: concat!($head, " IN (SELECT value FROM json_each($1)) ", $tail),
            postgres: concat!($head, " IN (SELECT value FROM json_array_elements_text(CAST($1 AS json))) ", $tail),
        }
    };
    // The tail differs too: row locks are PostgreSQL's only.
    ($head:literal, $tail:literal, lock: $lock:literal) => {
        $crate::store::sql::Text {
            sqlite: concat!($head, " IN (SELECT value FROM json_each($1)) ", $tail),
            postgres: concat!(
                $head,
                " IN (SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST($1 AS json))) ",
                $tail,
                " ",
                $lock
            ),
        }
    };
}

/// As `keys!`, but everything that is found comes as one JSON array of objects, in no order: where many rows are few bytes
/// each, handing them over one by one is most of the work.
macro_rules! gathered {
    ({ $first:ident $(, $column:ident)* $(,)? }, $head:expr) => {
        $crate::store::sql::gathered!(@text { $first $(, $column)* }, $head, "CAST(value AS BIGINT)")
    };
    // Keys that are text.
    ({ $first:ident $(, $column:ident)* $(,)? }, $head:expr, texts) => {
        $crate::store::sql::gathered!(@text { $first $(, $column)* }, $head, "value")
    };
    (@text { $first:ident $(, $column:ident)* }, $head:expr, $key:literal) => {
        $crate::store::sql::Text {
            sqlite: concat!(
                "SELECT json_group_array(json_object('", stringify!($first), "', ", stringify!($first),
                $(", '", stringify!($column), "', ", stringify!($column),)*
                ")) FROM (", $head, " IN (SELECT value FROM json_each($1)))"
            ),
            postgres: concat!(
                "SELECT COALESCE(CAST(json_agg(t) AS TEXT), '[]') FROM (", $head, " IN (SELECT ", $key,
                " FROM json_array_elements_text(CAST($1 AS json)))) AS t"
            ),
        }
    };
}

pub(super) use {gathered, keys, rows};
