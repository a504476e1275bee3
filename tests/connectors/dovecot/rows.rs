//! Accounts that are rows of a table, in a file of SQLite's or on the tests' PostgreSQL, and what Dovecot is told of them.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use usher::connectors::dovecot::{
    Accounts, Columns, Database, DovecotSettings, Identifier, Postgres, TableName, TableSettings,
};

use crate::database::{Db, Home};

/// A table of its own.
pub struct Rows {
    home: Home,
}

const COLUMNS: &str = "CAST(username AS TEXT), CAST(hash AS TEXT), CAST(active AS TEXT), CAST(limit_bytes AS TEXT), \
    CAST(remark AS TEXT), CAST(local AS TEXT), CAST(domain AS TEXT)";

impl Rows {
    /// With so many accounts, as the passwd-file of the other tests has them. What others keep in such a table has defaults.
    pub async fn furnish(db: Db, folder: &Path, accounts: usize) -> Self {
        if db == Db::Sqlite {
            std::fs::File::create(folder.join("usher.db")).expect("a file");
        }
        let home = Home::new(db, folder).await;
        let rows = Self { home };
        let (schema, truth, yes) = match db {
            Db::Sqlite => ("", "INTEGER", "1"),
            Db::Postgres => ("CREATE SCHEMA mail", "BOOLEAN", "true"),
        };
        rows.run(schema).await;
        rows.run(&format!(
            "CREATE TABLE {} (username VARCHAR(255) PRIMARY KEY, hash VARCHAR(255) NOT NULL, active {truth} NOT NULL DEFAULT {yes}, \
             limit_bytes BIGINT, remark VARCHAR(400), local VARCHAR(64) NOT NULL, domain VARCHAR(255) NOT NULL, \
             created VARCHAR(30) NOT NULL DEFAULT 'long ago')",
            rows.table()
        ))
        .await;
        let mut all =
            vec!["('boss@example.org', '{PLAIN}first-boss', 'Berta Brunner', 'boss', 'example.org')".to_owned()];
        all.extend((1..=accounts).map(|number| {
            format!("('ada{number}@example.org', '{{PLAIN}}first-ada{number}', 'Ada Keller,nr=1005', 'ada{number}', 'example.org')")
        }));
        let (table, all) = (rows.table(), all.join(", "));
        rows.run(&format!("INSERT INTO {table} (username, hash, remark, local, domain) VALUES {all}")).await;
        rows
    }

    pub const fn db(&self) -> Db {
        self.home.db
    }

    const fn table(&self) -> &'static str {
        match self.home.db {
            Db::Sqlite => "mailbox",
            Db::Postgres => "mail.mailbox",
        }
    }

    /// A connection past the connector.
    pub async fn connect(&self) -> AnyConnection {
        self.home.connect().await
    }

    /// Statements past the connector; `mailbox` is the table.
    pub async fn run(&self, sql: &str) {
        if !sql.is_empty() {
            let sql = AssertSqlSafe(sql.replace(" mailbox ", &format!(" {} ", self.table())));
            sqlx::query(sql).execute(&mut self.connect().await).await.expect("runs");
        }
    }

    /// One row, whole; null where there is none.
    pub async fn row(&self, name: &str) -> Value {
        let found = self.read(&format!("WHERE username = '{name}'")).await;
        found.into_iter().next().unwrap_or_default()
    }

    /// All of them.
    pub async fn whole(&self) -> Value {
        Value::from(self.read("ORDER BY username").await)
    }

    async fn read(&self, which: &str) -> Vec<Value> {
        // Each write makes another row of PostgreSQL's, and another file of SQLite's.
        let version = if self.home.db == Db::Postgres { "CAST(xmin AS TEXT)" } else { "''" };
        let sql = format!("SELECT {COLUMNS}, {version} FROM {} {which}", self.table());
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connect().await).await.expect("rows");
        let texts = |row: &sqlx::any::AnyRow| (0..8).map(|at| json!(row.get::<Option<String>, _>(at))).collect();
        rows.iter().map(texts).collect()
    }

    /// What the connector is told: everything that it can use, by a line to this port where the database is a server.
    pub fn settings(&self, settings: DovecotSettings, port: Option<u16>) -> DovecotSettings {
        let identifier = |name: &str| Identifier::parse(name).expect("a name");
        let database = match self.home.db {
            Db::Sqlite => Database::Sqlite(self.home.url.trim_start_matches("sqlite:").into()),
            Db::Postgres => {
                let server = self.server();
                let host = port.map_or(server.host.clone(), |port| format!("127.0.0.1:{port}"));
                Database::Postgres(Postgres { host, ..server })
            }
        };
        let columns = Columns {
            name: identifier("username"),
            password: identifier("hash"),
            active: Some(identifier("active")),
            quota: Some(identifier("limit_bytes")),
            note: Some(identifier("remark")),
            local_part: Some(identifier("local")),
            domain: Some(identifier("domain")),
        };
        let table = TableName::parse(self.table()).expect("a name");
        let table = TableSettings { database, table, columns };
        DovecotSettings { accounts: Some(Accounts::Table(Box::new(table))), deny_file: None, ..settings }
    }

    /// Where the tests' server is: `postgres://USER@HOST:PORT/NAME`.
    pub fn server(&self) -> Postgres {
        let parts = self.home.url.strip_prefix("postgres://").and_then(|rest| rest.split_once('/'));
        let (authority, database) = parts.expect("an address");
        let (user, host) = authority.split_once('@').expect("a user, and no password");
        assert!(!user.contains(':'), "the connectors' tests need a server that asks this machine for no password");
        Postgres {
            user: user.to_owned(),
            password: None,
            host: host.to_owned(),
            database: database.to_owned(),
            in_the_clear: true,
        }
    }

    /// What Dovecot is told: the file of its SQL driver, and the databases that it asks.
    pub fn configuration(&self, at: &Path, user: &str, group: &str) -> String {
        let connect = match self.home.db {
            Db::Sqlite => format!("driver = sqlite\nconnect = {}\n", self.home.url.trim_start_matches("sqlite:")),
            Db::Postgres => {
                let Postgres { user, host, database, .. } = self.server();
                let (host, port) = host.split_once(':').expect("a port");
                format!("driver = pgsql\nconnect = host={host} port={port} dbname={database} user={user}\n")
            }
        };
        let (table, yes) = (self.table(), if self.home.db == Db::Sqlite { "1" } else { "true" });
        let mut text = connect + "default_pass_scheme = PLAIN\n";
        writeln!(text, "password_query = SELECT username AS user, hash AS password FROM {table} WHERE username = '%u' AND active = {yes}")
            .expect("writes");
        writeln!(
            text,
            "user_query = SELECT '{user}' AS uid, '{group}' AS gid, '*:bytes=' || limit_bytes AS quota_rule FROM {table} \
             WHERE username = '%u'"
        )
        .expect("writes");
        writeln!(text, "iterate_query = SELECT username AS user FROM {table}").expect("writes");
        let file = at.join("sql.conf");
        std::fs::write(&file, text).expect("writes");
        let args = file.display();
        format!("passdb {{\n  driver = sql\n  args = {args}\n}}\nuserdb {{\n  driver = sql\n  args = {args}\n}}\n")
    }

    pub async fn leave(&self) {
        self.home.leave().await;
    }
}
