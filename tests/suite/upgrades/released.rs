//! What a released version left behind (`tests/upgrades/`): its record with live runs, key, company and ledger.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Row};

use crate::database::{Db, Home};

/// The released versions, by the last migration that they knew.
pub const RELEASED: [&str; 2] = ["schema-1", "schema-6"];

/// One version's house on one database.
pub struct Released {
    folder: PathBuf,
}

impl Released {
    pub fn new(version: &str, db: Db) -> Self {
        let database = match db {
            Db::Sqlite => "sqlite",
            Db::Postgres => "postgres",
        };
        Self { folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrades").join(version).join(database) }
    }

    /// When its daemon was killed, by the clock of its sandbox.
    pub fn killed_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.text("now").trim().parse().expect("milliseconds")).expect("an instant")
    }

    pub fn company(&self) -> String {
        self.text("company.toml")
    }

    /// Puts key, ledger and record where a test's house expects them.
    pub async fn move_into(&self, folder: &Path, home: &Home) {
        for (name, into) in [("usher.key", "usher.key"), ("ledger.jsonl", "ledger.jsonl")] {
            std::fs::copy(self.folder.join(name), folder.join(into)).expect("copies");
        }
        // A checkout keeps no more of a file's mode than whether it can be run.
        let secret = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.join("usher.key"), secret).expect("sets the mode");
        copy_folder(&self.folder.join("archive"), &folder.join("archive"));
        match home.db {
            Db::Sqlite => {
                std::fs::copy(self.folder.join("record.sqlite"), folder.join("usher.db")).expect("copies");
            }
            Db::Postgres => {
                let text = self.text("record.sql");
                let mut conn = home.connect().await;
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut conn).await.expect("loads the dump");
            }
        }
        // The sandbox's clock ran ahead of the machine's; a test's clock stands where it is put.
        let mut conn = home.connect().await;
        sqlx::query("UPDATE meta SET value = '0' WHERE name = 'clock_offset'")
            .execute(&mut conn)
            .await
            .expect("resets");
    }

    fn text(&self, name: &str) -> String {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
    }
}

fn copy_folder(from: &Path, into: &Path) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    std::fs::create_dir_all(into).expect("a folder");
    for entry in entries {
        let entry = entry.expect("an entry");
        let target = into.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}

/// A record as it lies in the tables, read without usher: by columns that were there from the first version on.
#[derive(Debug, PartialEq, Eq)]
pub struct Tables {
    /// Run to workflow, state, number and hash of the journal's last entry.
    pub runs: BTreeMap<i64, (String, String, i64, String)>,
    pub steps: BTreeMap<i64, StepRow>,
    /// Event to kind and state.
    pub events: BTreeMap<i64, (String, String)>,
    /// How many rows other tables have.
    pub counts: BTreeMap<&'static str, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    pub name: String,
    pub action: String,
    pub system: Option<String>,
    pub state: String,
    pub due_at: Option<i64>,
    pub at_instant: Option<i64>,
    pub fence: i64,
    pub data: Option<String>,
}

/// Tables whose rows an upgrade neither adds nor takes away.
const COUNTED: [&str; 7] =
    ["people", "accounts", "journal", "freezes", "schedules", "workflow_versions", "counters_of_keys"];

impl Tables {
    pub async fn read(home: &Home) -> Self {
        let mut conn = home.connect().await;
        let mut all = async |text: &str| {
            sqlx::query(AssertSqlSafe(text)).fetch_all(&mut conn).await.unwrap_or_else(|why| panic!("{text}: {why}"))
        };
        let runs = all("SELECT id, workflow, state, seq, head FROM runs").await;
        let steps = all("SELECT id, name, action, system, state, due_at, at_instant, fence, data FROM steps").await;
        let events = all("SELECT id, kind, state FROM hr_events").await;
        let mut counts = BTreeMap::new();
        for table in COUNTED {
            let text = match table {
                // New kinds of keys come with new tables; those that were there count on from where they were.
                "counters_of_keys" => {
                    "SELECT SUM(value) FROM counters WHERE name IN ('run', 'person', 'account', 'version', 'freeze', 'event')"
                        .to_owned()
                }
                table => format!("SELECT COUNT(*) FROM {table}"),
            };
            let text = format!("SELECT CAST(({text}) AS BIGINT)");
            counts.insert(table, all(&text).await[0].get(0));
        }
        Self {
            runs: runs.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3), row.get(4)))).collect(),
            steps: steps.iter().map(|row| (row.get(0), StepRow::of(row))).collect(),
            events: events.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect(),
            counts,
        }
    }

    /// How many steps are in this state.
    pub fn steps_that_are(&self, state: &str) -> usize {
        self.steps.values().filter(|step| step.state == state).count()
    }
}

impl StepRow {
    fn of(row: &sqlx::any::AnyRow) -> Self {
        Self {
            name: row.get("name"),
            action: row.get("action"),
            system: row.get("system"),
            state: row.get("state"),
            due_at: row.get("due_at"),
            at_instant: row.get("at_instant"),
            fence: row.get("fence"),
            data: row.get("data"),
        }
    }
}

/// The schema's version, and that every step to it is whole.
pub async fn schema(home: &Home) -> i64 {
    let mut conn = home.connect().await;
    let row = sqlx::query(
        "SELECT MAX(version), CAST(SUM(CASE WHEN success THEN 0 ELSE 1 END) AS BIGINT) FROM _sqlx_migrations",
    );
    let row = row.fetch_one(&mut conn).await.expect("reads");
    assert_eq!(row.get::<i64, _>(1), 0, "a migration is half done");
    row.get(0)
}
