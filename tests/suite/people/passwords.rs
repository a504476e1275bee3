//! First passwords: sealed, taken once, gone in time, and nowhere in plain (guarantee 18).

use jiff::SignedDuration;

use crate::harness::App;

const CANARY: &str = "Tr0ub4dor-and-3-canaries";

fn csv(password: &str, last_day: &str) -> String {
    format!(
        "employee_number,name,start_date,last_day,password\n1,Ada Lovelace,2020-01-01,{last_day},{password}\n2,Bob,,,\n"
    )
}

async fn ada(app: &App) -> i64 {
    app.store.person("1").await.unwrap().unwrap().id
}

/// Every column of every row as text, and on SQLite every byte of the files.
async fn everything(app: &App) -> String {
    let mut found = String::new();
    for table in ["people", "hr_events", "imports", "import_pieces", "import_events", "sealed_secrets", "meta"] {
        found.push_str(&app.dump(table).await);
    }
    for entry in std::fs::read_dir(app.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            found.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    found
}

both! {
    a_password_is_handed_out_once_and_not_brought_back, async |app: &App| {
        app.told(&csv(CANARY, "")).await;
        let ada = ada(app).await;
        assert_eq!(app.store.initial_password(ada).await.unwrap().unwrap().expose(), CANARY, "looked at, it stays");
        assert_eq!(app.store.take_initial_password(ada).await.unwrap().unwrap().expose(), CANARY);
        assert!(app.store.take_initial_password(ada).await.unwrap().is_none(), "once");
        assert!(app.store.initial_password(ada).await.unwrap().is_none());
        assert_eq!(app.number("SELECT COUNT(*) FROM sealed_secrets WHERE sealed IS NOT NULL").await, 0);
        // The file of the next night has it still.
        app.told(&csv(CANARY, "")).await;
        assert!(app.store.take_initial_password(ada).await.unwrap().is_none());
        let bob = app.store.person("2").await.unwrap().unwrap().id;
        assert!(app.store.initial_password(bob).await.unwrap().is_none(), "an empty cell is no password");
    };

    who_is_rehired_gets_a_new_one, async |app: &App| {
        app.told(&csv(CANARY, "2020-02-02")).await;
        let ada = ada(app).await;
        assert!(app.store.take_initial_password(ada).await.unwrap().is_some());
        app.told(&csv("another-Secret-1", "")).await;
        assert_eq!(app.store.take_initial_password(ada).await.unwrap().unwrap().expose(), "another-Secret-1");
    };

    nobody_uses_it_for_thirty_days_and_it_is_gone, async |app: &App| {
        app.told(&csv(CANARY, "")).await;
        let ada = ada(app).await;
        app.clock.set(app.now() + SignedDuration::from_hours(24 * 30 - 1));
        assert_eq!(app.store.expire_secrets().await.unwrap(), 0);
        assert!(app.store.initial_password(ada).await.unwrap().is_some());
        // A file that brings it again makes it no younger.
        app.told(&csv(CANARY, "")).await;
        app.clock.set(app.now() + SignedDuration::from_hours(1));
        assert!(app.store.initial_password(ada).await.unwrap().is_none(), "even before it is taken out");
        assert_eq!(app.store.expire_secrets().await.unwrap(), 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM sealed_secrets WHERE sealed IS NOT NULL").await, 0);
        app.told(&csv(CANARY, "")).await;
        assert!(app.store.initial_password(ada).await.unwrap().is_none());
    };

    a_plain_password_is_nowhere_in_the_record, async |app: &App| {
        app.told(&csv(CANARY, "")).await;
        let found = everything(app).await;
        assert!(found.contains("Ada Lovelace"), "this looks where people are");
        assert!(!found.contains(CANARY), "the canary sings");
        assert_eq!(app.number("SELECT COUNT(*) FROM sealed_secrets WHERE sealed LIKE 'v1.%'").await, 1);
    };

    a_sealed_password_moved_to_somebody_else_does_not_open, async |app: &App| {
        app.told(&csv(CANARY, "")).await;
        app.sql("UPDATE sealed_secrets SET person_id = (SELECT id FROM people WHERE employee_number = '2')").await.unwrap();
        let bob = app.store.person("2").await.unwrap().unwrap().id;
        assert!(app.store.take_initial_password(bob).await.is_err());
    };
}
