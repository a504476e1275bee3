//! A table in a file, past Dovecot: what is changed, what is not, and what is said.

use sqlx::{AnyConnection, Connection};

use super::*;

struct House {
    _folder: tempfile::TempDir,
    path: PathBuf,
    table: Table,
}

/// Two accounts, one of them with two rows: nothing says that a name is there once.
async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.db");
    std::fs::File::create(&path).unwrap();
    let column = |name: &str| Identifier::parse(name).unwrap();
    let columns = Columns {
        name: column("name"),
        password: column("order"),
        active: Some(column("active")),
        quota: Some(column("quota")),
        note: Some(column("note")),
        local_part: None,
        domain: None,
    };
    let table = TableName::parse("group").unwrap();
    let settings = TableSettings { database: Database::Sqlite(path.clone()), table, columns };
    let house = House { _folder: folder, path, table: Table::new(&settings, None, Duration::from_secs(5)) };
    house
        .run("CREATE TABLE \"group\" (name TEXT, \"order\" TEXT, active INTEGER DEFAULT 1, quota BIGINT, note TEXT)")
        .await;
    house.run("INSERT INTO \"group\" (name, \"order\", note) VALUES ('ada', 'x', 'Ada'), ('bob', 'x', NULL), ('bob', 'y', '')").await;
    house
}

impl House {
    async fn run(&self, sql: &'static str) {
        sqlx::any::install_default_drivers();
        let mut conn = AnyConnection::connect(&format!("sqlite:{}", self.path.display())).await.unwrap();
        sqlx::query(sql).execute(&mut conn).await.unwrap();
    }

    async fn passwords(&self) -> Vec<String> {
        let mut conn = AnyConnection::connect(&format!("sqlite:{}", self.path.display())).await.unwrap();
        sqlx::query_scalar("SELECT \"order\" FROM \"group\" ORDER BY name, \"order\"")
            .fetch_all(&mut conn)
            .await
            .unwrap()
    }
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

#[tokio::test]
async fn what_meets_no_row_or_two_changes_none() {
    let house = house().await;
    house.table.set(&name("ada"), Field::Password("new".to_owned())).await.unwrap();
    for (who, met) in [("bob", "2 rows"), ("carl", "0 rows")] {
        let outcome = house.table.set(&name(who), Field::Password("new".to_owned())).await;
        assert!(matches!(&outcome, Err(ActionError::Retry { reason, .. }) if reason.contains(met)), "{outcome:?}");
    }
    assert!(house.table.remove(&name("bob")).await.is_err(), "which of them is meant?");
    let two = house.table.find(&name("bob")).await;
    assert!(matches!(&two, Err(ActionError::Fail { reason }) if reason.contains("two rows")), "{two:?}");
    assert_eq!(house.passwords().await, ["new", "x", "y"]);
    house.table.remove(&name("ada")).await.unwrap();
    house.table.remove(&name("ada")).await.expect("gone is gone");
    assert_eq!(house.passwords().await, ["x", "y"]);
}

#[tokio::test]
async fn a_note_of_somebody_elses_is_written_over_only_as_it_was_read() {
    let house = house().await;
    house.table.set(&name("ada"), Field::Deleted(true)).await.unwrap();
    let ada = house.table.find(&name("ada")).await.unwrap().unwrap();
    assert_eq!((ada.note.deleted, ada.note.display_name.as_deref(), ada.open), (true, Some("Ada"), Some(true)));
    // As another program writes it: not as usher would.
    house.run("UPDATE \"group\" SET note = ' Ada Keller , Room 5' WHERE name = 'ada'").await;
    house.table.set(&name("ada"), Field::Deleted(true)).await.expect("what it reads is what it compares with");
    let old =
        statement(house.table.statements.set_note().unwrap()).bind("ada").bind("mine").bind("what was there before");
    let line = house.table.lines.open().await.unwrap();
    let late = house.table.commit(line, old, 1..=1).await;
    assert!(matches!(late, Err(ActionError::Retry { .. })), "{late:?}");
    assert!(house.table.find(&name("ada")).await.unwrap().unwrap().note.deleted);
}

#[tokio::test]
async fn nobody_takes_a_name_that_is_there() {
    let house = house().await;
    let note = |key: &str| Note { made_by: Some(key.to_owned()), ..Note::default() };
    let new = |who: &str, key: &str| New {
        name: name(who),
        hash: "{SHA512-CRYPT}z".to_owned(),
        note: note(key),
        quota: Some(5),
        open: false,
    };
    house.table.add(&new("carl", "k1")).await.unwrap();
    house.table.add(&new("carl", "k1")).await.expect("its own");
    for (who, key) in [("carl", "k2"), ("ada", "k1")] {
        let taken = house.table.add(&new(who, key)).await;
        assert!(matches!(&taken, Err(ActionError::Fail { reason }) if reason.contains("taken")), "{taken:?}");
    }
    let carl = house.table.find(&name("carl")).await.unwrap().unwrap();
    assert_eq!((carl.made_by.as_deref(), carl.quota, carl.open), (Some("k1"), Some(5), Some(false)));
    assert_eq!(house.passwords().await.len(), 4);
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_dead_one_is_not() {
    let house = house().await;
    house.table.find(&name("ada")).await.unwrap();
    assert!(house.table.lines.has_one(), "it is kept");
    let line = house.table.lines.open().await.unwrap();
    assert!(!house.table.lines.has_one(), "and in use");
    drop(line);
    house.table.find(&name("ada")).await.unwrap();
}
