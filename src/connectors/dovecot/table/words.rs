//! Identifiers of a foreign database, and the statements about accounts that are made of them. An identifier is judged once,
//! where the configuration is read, and nothing else of a statement is not written here: names, passwords and numbers are
//! bound.

use std::fmt::Write as _;

/// The longest identifier (PostgreSQL cuts longer ones off, and two would be one).
const LONGEST: usize = 63;

/// The name of a table or a column, as the database has it: letters, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let begins = text.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_');
        let signs = text.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
        (begins && signs && text.len() <= LONGEST).then(|| Self(text.to_owned()))
    }

    /// As it stands in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In quotes (SQL:2023, `<delimited identifier>`): a word of the language is a name then, too.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// As a column of the row at hand. SQLite takes a name in quotes that it does not know for a text; not one with a table.
    fn of_row(&self) -> String {
        format!("a.{}", self.quoted())
    }
}

/// A table: `users`, `mail.users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName(Vec<Identifier>);

impl TableName {
    /// `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Option<Vec<Identifier>> = text.split('.').map(Identifier::parse).collect();
        parts.filter(|parts| parts.len() <= 2).map(Self)
    }

    fn quoted(&self) -> String {
        self.0.iter().map(Identifier::quoted).collect::<Vec<_>>().join(".")
    }
}

/// Which column holds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// What people sign in with.
    pub name: Identifier,
    /// The hash of the password, with its scheme.
    pub password: Identifier,
    /// Whether sign-in is allowed: 1 or 0, true or false.
    pub active: Option<Identifier>,
    /// The storage limit in bytes.
    pub quota: Option<Identifier>,
    /// What usher notes.
    pub note: Option<Identifier>,
    /// What stands before the `@`; written once, with the row.
    pub local_part: Option<Identifier>,
    /// What stands behind it; written once, with the row.
    pub domain: Option<Identifier>,
}

impl Columns {
    /// The words of the configuration.
    pub const KEYS: [&str; 7] = ["name", "password", "active", "quota", "note", "local_part", "domain"];
}

/// The statements about one table.
#[derive(Clone, Debug)]
pub(super) struct Statements {
    table: String,
    columns: Columns,
}

impl Statements {
    pub(super) fn new(table: &TableName, columns: &Columns) -> Self {
        Self { table: table.quoted(), columns: columns.clone() }
    }

    /// Whether rows say who may sign in.
    pub(super) const fn locks(&self) -> bool {
        self.columns.active.is_some()
    }

    /// Of the parts of a name, those that have a column.
    pub(super) fn parts<'p>(&self, local_part: &'p str, domain: &'p str) -> impl Iterator<Item = &'p str> {
        let local_part = self.columns.local_part.as_ref().map(|_| local_part);
        local_part.into_iter().chain(self.columns.domain.as_ref().map(|_| domain))
    }

    /// Name, note, limit and lock; null where there is no such column. Passwords are not read.
    fn select(&self) -> String {
        let text = |column: Option<&Identifier>| {
            let value = column.map_or("NULL".to_owned(), Identifier::of_row);
            format!("CAST({value} AS TEXT)")
        };
        let Columns { name, active, quota, note, .. } = &self.columns;
        let bytes = quota.as_ref().map_or("NULL".to_owned(), Identifier::of_row);
        format!(
            "SELECT {}, {}, CAST({bytes} AS BIGINT), {} FROM {} AS a",
            text(Some(name)),
            text(note.as_ref()),
            text(active.as_ref()),
            self.table
        )
    }

    /// The rows of the name `$1`: two at most, since one is too many already.
    pub(super) fn find(&self) -> String {
        format!("{} WHERE {} = $1 LIMIT 2", self.select(), self.columns.name.of_row())
    }

    /// Rows behind the name `$1` in the order of the database, as many as `$2`.
    pub(super) fn page(&self) -> String {
        let name = self.columns.name.of_row();
        format!("{} WHERE {name} > $1 ORDER BY {name} LIMIT $2", self.select())
    }

    fn update(&self, what: &str) -> String {
        format!("UPDATE {} AS a SET {what} WHERE {} = $1", self.table, self.columns.name.of_row())
    }

    /// `$2` is the new password's hash.
    pub(super) fn set_password(&self) -> String {
        self.update(&format!("{} = $2", self.columns.password.quoted()))
    }

    /// `$2` is the limit.
    pub(super) fn set_quota(&self) -> Option<String> {
        self.columns.quota.as_ref().map(|quota| self.update(&format!("{} = $2", quota.quoted())))
    }

    /// A literal takes the type of its column, be that a truth, a number or a letter.
    pub(super) fn set_active(&self, active: bool) -> Option<String> {
        self.columns.active.as_ref().map(|column| self.update(&format!("{} = {}", column.quoted(), truth(active))))
    }

    /// `$2` is the new note, where `$3` is still the old one.
    pub(super) fn set_note(&self) -> Option<String> {
        let note = self.columns.note.as_ref()?;
        let update = self.update(&format!("{} = $2", note.quoted()));
        Some(format!("{update} AND COALESCE(CAST({} AS TEXT), '') = $3", note.of_row()))
    }

    /// Name, hash and note are `$1` to `$3`; the limit and the parts of the name follow, where they are asked for and have
    /// a column.
    pub(super) fn insert(&self, active: bool, quota: bool) -> Option<String> {
        let Columns { name, password, note, local_part, domain, .. } = &self.columns;
        let mut columns = vec![name, password, note.as_ref()?];
        columns.extend(self.columns.quota.as_ref().filter(|_| quota));
        columns.extend(local_part.iter().chain(domain.iter()));
        let mut names: Vec<String> = columns.iter().map(|column| column.quoted()).collect();
        let mut values: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
        if let Some(column) = &self.columns.active {
            names.push(column.quoted());
            values.push(truth(active).to_owned());
        }
        let mut text = format!("INSERT INTO {} ({})", self.table, names.join(", "));
        write!(text, " VALUES ({})", values.join(", ")).ok()?;
        Some(text)
    }

    /// The rows of the name `$1`.
    pub(super) fn delete(&self) -> String {
        format!("DELETE FROM {} AS a WHERE {} = $1", self.table, self.columns.name.of_row())
    }
}

const fn truth(truth: bool) -> &'static str {
    if truth { "'1'" } else { "'0'" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn an_identifier_ends_nothing() {
        for well in ["users", "_u", "Mail_Users2"] {
            assert_eq!(Identifier::parse(well).unwrap().quoted(), format!("\"{well}\""));
        }
        let long = "x".repeat(64);
        for not in ["", "2users", "a b", "a\"b", "a;b", "a--", "a.b", "\u{fc}ser", "a'b", "a\0", &long] {
            assert_eq!(Identifier::parse(not), None, "{not:?}");
        }
        assert_eq!(TableName::parse("mail.users").unwrap().quoted(), "\"mail\".\"users\"");
        for not in ["", ".", "a.", ".a", "a.b.c", "a b.c", "users; DROP TABLE users"] {
            assert_eq!(TableName::parse(not), None, "{not:?}");
        }
    }

    #[test]
    fn statements_have_the_columns_that_there_are() {
        let mut columns = Columns {
            name: identifier("username"),
            password: identifier("password"),
            active: None,
            quota: None,
            note: None,
            local_part: None,
            domain: None,
        };
        let table = TableName::parse("mail.users").unwrap();
        let bare = Statements::new(&table, &columns);
        assert_eq!(
            bare.find(),
            "SELECT CAST(a.\"username\" AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS BIGINT), CAST(NULL AS TEXT) \
             FROM \"mail\".\"users\" AS a WHERE a.\"username\" = $1 LIMIT 2"
        );
        assert_eq!(
            (bare.set_quota(), bare.set_active(true), bare.set_note(), bare.insert(true, true)),
            (None, None, None, None)
        );
        columns.note = Some(identifier("note"));
        columns.quota = Some(identifier("quota"));
        columns.active = Some(identifier("active"));
        columns.domain = Some(identifier("domain"));
        let whole = Statements::new(&table, &columns);
        assert_eq!(
            whole.insert(false, true).unwrap(),
            "INSERT INTO \"mail\".\"users\" (\"username\", \"password\", \"note\", \"quota\", \"domain\", \"active\") \
             VALUES ($1, $2, $3, $4, $5, '0')"
        );
        assert!(!whole.insert(true, false).unwrap().contains("quota"));
        assert_eq!(
            whole.set_active(false).unwrap(),
            "UPDATE \"mail\".\"users\" AS a SET \"active\" = '0' WHERE a.\"username\" = $1"
        );
    }
}
