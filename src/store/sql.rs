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

/// A statement over many rows that arrive as one JSON array of objects in `$1` (or another parameter, where the dialect is
/// named). The rows are called `v`; how a JSON array becomes rows differs by necessity. `jsonb_each` reads the text once:
/// with `json_each` each column would be looked for in the text of its row.
macro_rules! rows {
    (sqlite, $parameter:literal, $head:literal, { $first:ident $first_type:ident $(, $column:ident $type:ident)* $(,)? }, $tail:literal) => {
        concat!(
            $head, " (SELECT value->>'", stringify!($first), "' AS ", stringify!($first),
            $(", value->>'", stringify!($column), "' AS ", stringify!($column),)*
            " FROM jsonb_each(", $parameter, ")) AS v ", $tail
        )
    };
    (postgres, $parameter:literal, $head:literal, { $first:ident $first_type:ident $(, $column:ident $type:ident)* $(,)? }, $tail:literal) => {
        concat!(
            $head, " json_to_recordset(CAST(", $parameter, " AS json)) AS v(", stringify!($first), " ",
            stringify!($first_type), $(", ", stringify!($column), " ", stringify!($type),)*
            ") ", $tail
        )
    };
    ($head:literal, $columns:tt, $tail:literal) => {
        $crate::store::sql::Text {
            sqlite: rows!(sqlite, "$1", $head, $columns, $tail),
            postgres: rows!(postgres, "$1", $head, $columns, $tail),
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
}

/// The rows of `$from` as one value, a JSON array of arrays: what a whole turn reads comes in one row. Each row that a driver
/// hands over costs more than its columns. Read it with [`super::books::parse`] into structs with these columns in this
/// order.
macro_rules! gathered {
    (sqlite, [$first:ident $(, $column:ident)* $(,)?], $from:expr) => {
        concat!(
            "(SELECT json_group_array(json_array(", stringify!($first), $(", ", stringify!($column),)* ")) FROM (", $from, "))"
        )
    };
    (postgres, [$first:ident $(, $column:ident)* $(,)?], $from:expr) => {
        concat!(
            "(SELECT COALESCE(CAST(json_agg(json_build_array(", stringify!($first), $(", ", stringify!($column),)*
            ")) AS TEXT), '[]') FROM (", $from, ") AS v)"
        )
    };
}

/// The numbers (or `texts`) of a JSON array, to be written behind `IN`.
macro_rules! listed {
    (sqlite, $parameter:literal $(, texts)?) => {
        concat!("(SELECT value FROM json_each(", $parameter, "))")
    };
    (postgres, $parameter:literal, texts) => {
        concat!("(SELECT value FROM json_array_elements_text(CAST(", $parameter, " AS json)))")
    };
    (postgres, $parameter:literal) => {
        concat!("(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(", $parameter, " AS json)))")
    };
}

pub(super) use {gathered, keys, listed, rows};
