//! The database itself refuses impossible rows, and finds due steps by their index.

use sqlx::{AssertSqlSafe, Row};

use super::{people_only, small_run_due};
use crate::database::Db;
use crate::harness::App;

/// Changes of a step that no state allows.
const IMPOSSIBLE: [&str; 11] = [
    "UPDATE steps SET due_at = NULL WHERE state = 'waiting'",
    "UPDATE steps SET state = 'blocked' WHERE state = 'waiting'",
    "UPDATE steps SET state = 'leased', due_at = NULL WHERE state = 'waiting'",
    "UPDATE steps SET lease_until = 1 WHERE state = 'waiting'",
    "UPDATE steps SET state = 'done', due_at = NULL WHERE state = 'waiting'",
    "UPDATE steps SET state = 'finished'",
    "UPDATE steps SET lane = 2",
    "UPDATE steps SET observe = 2",
    "UPDATE runs SET state = 'completed'",
    "UPDATE runs SET ended_at = 1",
    "UPDATE accounts SET status = 'gone'",
];

both! {
    impossible_rows_are_refused, async |app: &App| {
        small_run_due(app).await;
        for change in IMPOSSIBLE {
            assert!(app.sql(change).await.is_err(), "{change}");
        }
        assert!(app.sql("UPDATE people SET status = 'missing'").await.is_err());
        assert!(app.sql("UPDATE steps SET run_id = 4711").await.is_err(), "foreign keys are watched");
        app.drain().await;
    };

    one_lease_per_account_is_the_databases_own_rule, async |app: &App| {
        small_run_due(app).await;
        let claims = app.claim(8).await;
        let lease = "UPDATE steps SET state = 'leased', due_at = NULL, lease_until = 1, lease_owner = 'x' WHERE name = 'rules'";
        assert!(app.sql(lease).await.unwrap_err().to_string().to_lowercase().contains("unique"));
        for claim in &claims {
            app.complete(claim, crate::harness::done()).await;
        }
        app.drain().await;
    };

    due_steps_are_found_by_their_partial_index, async |app: &App| {
        people_only(app).await;
        let explain = match app.home.db {
            Db::Sqlite => "EXPLAIN QUERY PLAN",
            Db::Postgres => "EXPLAIN",
        };
        let ready = "SELECT s.run_id FROM steps s WHERE s.lane = 0 AND s.due_at <= 5
             AND (s.account_id IS NULL OR NOT EXISTS (SELECT 1 FROM steps l
                  WHERE l.account_id = s.account_id AND l.state = 'leased' AND l.account_id IS NOT NULL))
             ORDER BY s.due_at LIMIT 8";
        let mut conn = app.home.connect().await;
        if app.home.db == Db::Postgres {
            // A table of a few rows is read whole by any planner: this one is told not to.
            sqlx::query("SET enable_seqscan = off").execute(&mut conn).await.unwrap();
            sqlx::query("SET enable_bitmapscan = off").execute(&mut conn).await.unwrap();
        }
        let rows = sqlx::query(AssertSqlSafe(format!("{explain} {ready}"))).fetch_all(&mut conn).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(row.len() - 1)).collect();
        assert!(plan.iter().any(|line| line.contains("steps_ready")), "{plan:#?}");
        assert!(plan.iter().any(|line| line.contains("steps_one_lease_per_account")), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE") || line.contains("Sort")), "{plan:#?}");
    };
}
