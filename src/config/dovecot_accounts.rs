//! `kind = "dovecot"`: where the accounts are kept.

use std::collections::BTreeMap;

use super::database::DatabasePlace;
use super::judge::Judge;
use super::keys::SYSTEMS;
use super::ldap::{is_here, is_host};
use super::problem::suggestion;
use super::raw::RawDovecot;
use crate::connectors::dovecot::{Accounts, Columns, Database, Identifier, Postgres, TableName, TableSettings};

impl Judge<'_> {
    /// A passwd-file, a table, or a directory that is another system; nobody has two passwords.
    pub(super) fn mail_accounts(&mut self, name: &str, raw: &RawDovecot) -> Option<Accounts> {
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        let file = raw.passwd_file.as_deref().map(|path| Accounts::File(self.path(path)));
        let in_a_table = [raw.database.is_some(), raw.table.is_some(), raw.columns.is_some()];
        let table = in_a_table.contains(&true).then(|| self.table(name, raw));
        let directory = raw.directory.as_deref().map(|directory| self.directory(name, directory));
        let places = [("passwd_file", file.is_some()), ("table", table.is_some()), ("directory", directory.is_some())];
        let places: Vec<&str> = places.iter().filter(|(_, set)| *set).map(|(place, _)| *place).collect();
        if let [one, other, ..] = places.as_slice() {
            self.wrong(
                &key(other),
                format!("`{one}` is set too, and accounts are kept in one place; leave one of them out"),
            );
        }
        if raw.database_password.is_some() && raw.database.is_none() {
            self.wrong(&key("database_password"), "it belongs to `database`, which is missing");
        }
        file.or(directory).or(table.flatten().map(|table| Accounts::Table(Box::new(table))))
    }

    fn directory(&mut self, name: &str, directory: &str) -> Accounts {
        let found = self.merged.raw.systems.get(directory);
        if found.and_then(|system| system.kind.as_deref()) != Some("ldap") {
            let key = format!("{SYSTEMS}.{name}.directory");
            self.wrong(&key, format!("`{directory}` is no system of kind `ldap` here"));
        }
        Accounts::Directory(directory.to_owned())
    }

    fn table(&mut self, name: &str, raw: &RawDovecot) -> Option<TableSettings> {
        let key = |name_of: &str| format!("{SYSTEMS}.{name}.{name_of}");
        let database = self.accounts_database(name, raw);
        let what = "the table whose rows are the accounts, `users` or `mail.users`";
        let table = self.needed(name, "table", raw.table.as_deref(), what)?;
        let Some(table) = TableName::parse(&table) else {
            self.wrong(
                &key("table"),
                format!("`{table}` is no name of a table: letters, digits and `_`, as `mail.users`"),
            );
            return None;
        };
        let columns = self.columns(name, raw.columns.as_ref()?);
        let columns = columns?;
        if columns.active.is_some() && raw.deny_file.is_some() {
            let said = "`deny_file` is set too, and it is said in one place who may sign in; leave one of them out";
            self.wrong(&key("columns"), format!("`active`: {said}"));
        }
        Some(TableSettings { database: database?, table, columns })
    }

    /// What is written into a statement is judged here: nothing of it can end a name.
    fn columns(&mut self, name: &str, written: &BTreeMap<String, String>) -> Option<Columns> {
        let key = format!("{SYSTEMS}.{name}.columns");
        let before = self.problems.len();
        for (role, column) in written {
            if !Columns::KEYS.contains(&role.as_str()) {
                self.wrong(&key, format!("there is no `{role}`; {}", suggestion(role, &Columns::KEYS)));
            } else if Identifier::parse(column).is_none() {
                self.wrong(&key, format!("`{column}` is no name of a column: letters, digits and `_`"));
            }
        }
        let column = |role: &str| written.get(role).and_then(|column| Identifier::parse(column));
        for role in ["name", "password"].iter().filter(|role| !written.contains_key(**role)) {
            self.wrong(&key, format!("`{role}` is missing: the column that holds it"));
        }
        if self.problems.len() > before {
            return None;
        }
        Some(Columns {
            name: column("name")?,
            password: column("password")?,
            active: column("active"),
            quota: column("quota"),
            note: column("note"),
            local_part: column("local_part"),
            domain: column("domain"),
        })
    }

    /// `sqlite:PATH` or `postgres://USER@HOST[:PORT]/NAME`. The line to another machine is secured, and the server verified.
    fn accounts_database(&mut self, name: &str, raw: &RawDovecot) -> Option<Database> {
        let key = format!("{SYSTEMS}.{name}.database");
        let what = "where the accounts are kept, `sqlite:PATH` or `postgres://USER@HOST/NAME`";
        let url = self.needed(name, "database", raw.database.as_deref(), what)?;
        let place = DatabasePlace::parse(&url, &self.around.folder);
        if place.as_ref().is_ok_and(|place| place.password().is_some()) {
            self.wrong(
                &key,
                "it holds a password: leave it out, and write `database_password = { file = \"PATH\" }` below",
            );
            return None;
        }
        let server = match place {
            Ok(DatabasePlace::Sqlite(path)) => return Some(Database::Sqlite(path)),
            Ok(DatabasePlace::Postgres(url)) => postgres(&url, raw),
            Err(message) => {
                self.wrong(&key, message);
                return None;
            }
        };
        if server.is_none() {
            self.wrong(
                &key,
                format!("`{url}` is no address as `postgres://USER@HOST/NAME` is one, with nothing behind it"),
            );
        }
        server.map(Database::Postgres)
    }
}

fn postgres(url: &str, raw: &RawDovecot) -> Option<Postgres> {
    let (authority, database) = url.split_once("://")?.1.split_once('/')?;
    let (user, host) = authority.split_once('@')?;
    let plain = |text: &str| !text.is_empty() && !text.contains(['?', '#', '%', '@', '/']);
    (is_host(host) && plain(user) && plain(database)).then(|| Postgres {
        user: user.to_owned(),
        password: raw.database_password.clone(),
        host: host.to_owned(),
        database: database.to_owned(),
        in_the_clear: is_here(host),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::tests::judged;
    use crate::config::{Config, SystemKind};
    use crate::connectors::dovecot::{Accounts, Database, TableSettings};

    const TABLE: &str = "[systems.mailhost]\nkind = \"dovecot\"\nurl = \"https://mail.example.org:8443\"\n\
        api_key = { env = \"DOVEADM_KEY\" }\ndatabase = \"postgres://usher@db.example.org:5433/mail\"\n\
        database_password = { env = \"DB\" }\ntable = \"mail.users\"\ncolumns = { name = \"username\", password = \"hash\", \
        active = \"active\" }\n";

    fn table(config: &Config) -> TableSettings {
        match &config.systems["mailhost"].kind {
            SystemKind::Dovecot(settings) => match &settings.accounts {
                Some(Accounts::Table(table)) => (**table).clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn accounts_may_be_rows_of_a_table() {
        let (config, problems) = judged(TABLE);
        assert_eq!(problems, [""; 0]);
        let found = table(&config);
        let Database::Postgres(server) = &found.database else { panic!("{found:?}") };
        assert_eq!((server.user.as_str(), server.host.as_str()), ("usher", "db.example.org:5433"));
        assert!(server.password.is_some() && !server.in_the_clear, "{server:?}");
        assert_eq!(found.columns.name.as_str(), "username");
        assert!(found.columns.note.is_none());
        let (config, problems) = judged(&TABLE.replace("db.example.org:5433", "127.0.0.1"));
        assert_eq!(problems, [""; 0]);
        assert!(matches!(table(&config).database, Database::Postgres(server) if server.in_the_clear));
        let (config, problems) =
            judged(&TABLE.replace("postgres://usher@db.example.org:5433/mail", "sqlite:/srv/mail.db"));
        assert_eq!(problems, [""; 0]);
        assert_eq!(table(&config).database, Database::Sqlite("/srv/mail.db".into()));
    }

    #[test]
    fn what_is_wrong_with_a_table_is_named() {
        for (from, to, named) in [
            ("usher@db", "usher:s3cret@db", "it holds a password"),
            ("postgres://usher@db.example.org:5433/mail", "mysql://x", "`systems.mailhost.database`"),
            ("5433/mail", "5433/mail?sslmode=disable", "is no address"),
            ("usher@db.example.org", "db.example.org", "is no address"),
            ("table = \"mail.users\"\n", "", "`systems.mailhost.table`: it is missing"),
            ("mail.users", "users; DROP TABLE x", "is no name of a table"),
            ("\"username\"", "\"user name\"", "`user name` is no name of a column"),
            ("name = ", "nam = ", "there is no `nam`; did you mean `name`"),
            ("password = \"hash\", ", "", "`password` is missing"),
            ("table =", "deny_file = \"/etc/deny\"\ntable =", "it is said in one place who may sign in"),
            ("table =", "passwd_file = \"/etc/users\"\ntable =", "accounts are kept in one place"),
            (
                "database = \"postgres://usher@db.example.org:5433/mail\"\n",
                "",
                "`systems.mailhost.database`: it is missing",
            ),
        ] {
            let (_, problems) = judged(&TABLE.replacen(from, to, 1));
            assert!(problems.iter().any(|problem| problem.contains(named)), "{to}: {problems:?}");
        }
    }
}
