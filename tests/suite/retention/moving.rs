//! What moves, when, and how much at once; what a run in the archive still tells.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row};
use usher::daemon;
use usher::engine::library::Library;
use usher::engine::{Engine, Fittings};
use usher::run::RunState;
use usher::store::{PutAway, RunFilter};

use super::{AGE, archive, many_over, over, rows_of};
use crate::database::Db;
use crate::engine::departure::until_the_checklist;
use crate::harness::{App, rules, zurich};

/// A daemon that keeps finished runs for so long.
async fn daemon_that_keeps(app: &App, finished_runs: Option<Duration>) -> Engine {
    let fittings = Fittings { finished_runs, ..Fittings::default() };
    let store = app.another_store().await;
    Engine::with(store, app.systems(), Library::shipped().workflows, "Europe/Zurich", rules(), fittings)
}

both! {
    a_run_in_the_archive_tells_what_it_told_before, async |app: &App| {
        let run = over(app).await;
        app.store.checkpoint(Duration::ZERO).await.unwrap();
        let (book, told, journal) =
            (app.book(run).await, app.store.audit(run).await.unwrap(), app.store.journal(run).await.unwrap());
        let before = rows_of(app, run).await;
        assert!(before[0] == 3 && before[1] > 2 && before[2..] == [0, 0], "{before:?}");
        app.clock.set(zurich("2027-03-01T09:00"));
        let entries = before[1].unsigned_abs();
        assert_eq!(archive(app).await, [PutAway { runs: 1, entries }]);
        assert_eq!(rows_of(app, run).await, [0, 0, before[0], before[1]]);

        for store in [app.store.clone(), app.another_store().await] {
            let after = store.book(run).await.unwrap();
            assert_eq!(format!("{:?} {:?}", after.run, after.steps), format!("{:?} {:?}", book.run, book.steps));
            assert_eq!(serde_json::to_value(store.audit(run).await.unwrap()).unwrap(), serde_json::to_value(&told).unwrap());
            assert_eq!(format!("{:?}", store.journal(run).await.unwrap()), format!("{journal:?}"));
            let verified = store.verify(run).await.unwrap();
            assert_eq!((verified.problem, verified.entries), (None, journal.len()));
            let trusted = [store.note_signer().await.unwrap().verifier()];
            assert_eq!(store.prove(&trusted, &[]).await.unwrap().doubts, Vec::new());
            let [row] = store.runs(&RunFilter { id: Some(run), ..RunFilter::default() }).await.unwrap().try_into().unwrap();
            assert_eq!((row.state, row.archived_at), (RunState::Completed, Some(app.now().as_millisecond())));
            let person = book.run.person.unwrap();
            assert_eq!(store.books_of(person, false).await.unwrap()[0].steps.len(), 3);
        }
    };

    nothing_moves_before_its_time_and_nothing_that_is_live, async |app: &App| {
        let run = over(app).await;
        let live = app.start("departure", "1006", &[("last_day", "2029-01-31")]).await;
        let ended = app.now();
        app.clock.set(ended + jiff::SignedDuration::from_hours(30 * 24));
        assert_eq!(archive(app).await, []);
        assert_eq!(app.store.to_archive(AGE).await.unwrap(), 0);
        assert_eq!(app.store.archive_some(Duration::ZERO).await.unwrap().runs, 0, "not sooner, whoever asks");
        app.clock.set(app.now() + jiff::SignedDuration::from_millis(1));
        assert_eq!(app.store.archive_some(Duration::from_secs(60 * 86_400)).await.unwrap().runs, 0, "it is to stay longer");
        assert_eq!(app.store.to_archive(AGE).await.unwrap(), 1);
        assert_eq!(archive(app).await.len(), 1);
        assert!(rows_of(app, run).await[0] == 0 && rows_of(app, live).await[2] == 0);
        assert_eq!(app.run_state(live).await, RunState::Open);
    };

    what_can_still_be_claimed_stays_whatever_its_runs_row_says, async |app: &App| {
        let run = over(app).await;
        let step = run * 1024 + 1;
        let data: String = sqlx::query_scalar(AssertSqlSafe(format!("SELECT data FROM steps WHERE id = {step}")))
            .fetch_one(&mut app.home.connect().await).await.unwrap();
        let data = data.replace('\'', "''");
        app.clock.set(zurich("2027-05-01T09:00"));
        for (state, stays) in [
            (format!("state = 'unknown', data = NULL, due_at = {}", i64::MAX), true),
            ("state = 'leased', due_at = NULL, lease_until = 1, lease_owner = 'x'".to_owned(), true),
            (format!("state = 'done', lease_until = NULL, lease_owner = NULL, data = '{data}'"), false),
        ] {
            app.sql(&format!("UPDATE steps SET {state} WHERE id = {step}")).await.unwrap();
            assert_eq!(app.store.to_archive(AGE).await.unwrap() == 0, stays, "{state}");
            assert_eq!(archive(app).await.is_empty(), stays, "{state}");
        }
    };

    a_batch_is_small_in_runs_and_in_entries, async |app: &App| {
        many_over(app, 53).await;
        app.clock.set(zurich("2027-03-01T09:00"));
        let runs: Vec<u64> = archive(app).await.iter().map(|batch| batch.runs).collect();
        assert_eq!(runs, [50, 3]);
        // Long journals: as many runs as have a thousand entries together, and one alone however long its is.
        let mut long = Vec::new();
        for number in 1002..1024 {
            // Some have a departure already, or have left.
            let (number, days) = (number.to_string(), [("last_day", "2029-01-31")]);
            let Ok(run) = app.try_start("departure", &number, &days).await else { continue };
            for _ in 0..25 {
                app.engine.pause(run, "leaves", "os:nils").await.unwrap();
                app.engine.resume(run, "leaves", "os:nils").await.unwrap();
            }
            app.engine.cancel(run, "stays", "os:nils").await.unwrap();
            long.push(app.store.journal(run).await.unwrap().len() as u64);
        }
        let all: u64 = long.iter().sum();
        assert!(all > 1_000, "{long:?}");
        app.clock.set(zurich("2027-05-01T09:00"));
        let batches = archive(app).await;
        assert!(batches.len() > 1 && batches.iter().all(|batch| batch.entries <= 1_000), "{batches:?}");
        assert_eq!(batches.iter().map(|batch| batch.entries).sum::<u64>(), all);
    };

    a_run_whose_journal_is_longer_than_a_batch_moves_alone, async |app: &App| {
        many_over(app, 2).await;
        app.sql("UPDATE runs SET seq = 5000").await.unwrap();
        app.clock.set(zurich("2027-03-01T09:00"));
        let runs: Vec<u64> = archive(app).await.iter().map(|batch| batch.runs).collect();
        assert_eq!(runs, [1, 1]);
        app.sql("UPDATE runs SET seq = (SELECT MAX(seq) FROM archived_journal WHERE run_id = runs.id)").await.unwrap();
    };

    a_round_moves_one_batch_where_the_configuration_says_so, async |app: &App| {
        many_over(app, 53).await;
        app.clock.set(zurich("2027-03-01T09:00"));
        let left = async || app.store.to_archive(AGE).await.unwrap();
        for (kept, then) in [(None, 53), (Some(Duration::from_secs(730 * 86_400)), 53), (Some(AGE), 3), (Some(AGE), 0)] {
            let daemon = daemon_that_keeps(app, kept).await;
            assert_eq!(daemon::round(&daemon).await, Vec::<String>::new());
            assert_eq!(left().await, then, "{kept:?}");
            daemon.store().close().await;
        }
        assert_eq!(app.store.commits(), { archive(app).await; app.store.commits() }, "where nothing is old, nothing is begun");
    };

    one_process_moves_runs_at_a_time_and_nobody_waits_for_it, async |app: &App| {
        if app.home.db == Db::Sqlite {
            // One writer: there is nothing to see.
            return;
        }
        let run = over(app).await;
        app.clock.set(zurich("2027-03-01T09:00"));
        let mut other = app.home.connect().await;
        sqlx::query("BEGIN").execute(&mut other).await.unwrap();
        sqlx::query("SELECT value FROM counters WHERE name = 'archive' FOR UPDATE").fetch_one(&mut other).await.unwrap();
        assert_eq!(archive(app).await, [], "somebody else is at it");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        // Somebody who has a run in hand is not waited for, nor are the runs beside it.
        sqlx::query("BEGIN").execute(&mut other).await.unwrap();
        let held = format!("SELECT id FROM runs WHERE id = {run} FOR UPDATE");
        sqlx::query(AssertSqlSafe(held)).fetch_one(&mut other).await.unwrap();
        assert_eq!(archive(app).await, []);
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        assert_eq!(archive(app).await.len(), 1);
    };

    old_runs_are_found_by_their_index, async |app: &App| {
        over(app).await;
        let explain = if app.home.db == Db::Sqlite { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
        let mut conn = app.home.connect().await;
        if app.home.db == Db::Postgres {
            // A table of a few rows is read whole by any planner: this one is told not to.
            sqlx::query("SET enable_seqscan = off").execute(&mut conn).await.unwrap();
            sqlx::query("SET enable_bitmapscan = off").execute(&mut conn).await.unwrap();
        }
        let source = include_str!("../../../src/store/archive.rs");
        let from = source.split("\" FROM runs r WHERE").nth(1).unwrap().split("\",\n").next().unwrap();
        let text = format!("SELECT r.id FROM runs r WHERE{} ORDER BY r.ended_at LIMIT 1", from.replace("$1", "5"));
        let rows = sqlx::query(AssertSqlSafe(format!("{explain} {text}"))).fetch_all(&mut conn).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(row.len() - 1)).collect();
        assert!(plan.iter().any(|line| line.contains("runs_to_archive")), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE") || line.contains("Sort")), "{plan:#?}");
    };

    the_tables_of_the_archive_have_the_columns_of_the_others, async |app: &App| {
        let mut conn = app.home.connect().await;
        for table in ["steps", "journal"] {
            let mut both = Vec::new();
            for table in [table.to_owned(), format!("archived_{table}")] {
                let text = match app.home.db {
                    Db::Sqlite => format!("SELECT name || ' ' || type FROM pragma_table_info('{table}') ORDER BY cid"),
                    Db::Postgres => format!(
                        "SELECT CAST(column_name || ' ' || data_type AS TEXT) FROM information_schema.columns
                         WHERE table_schema = current_schema() AND table_name = '{table}' ORDER BY ordinal_position"
                    ),
                };
                let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut conn).await.unwrap();
                both.push(columns);
            }
            assert!(both[0].len() > 7 && both[0] == both[1], "rows move from one to the other as they are: {both:#?}");
        }
    };

    a_database_keeps_its_name_when_its_first_run_moves, async |app: &App| {
        let first = over(app).await;
        many_over(app, 1).await;
        let name = app.store.journal(first).await.unwrap()[0].hash.clone();
        app.clock.set(zurich("2027-02-28T19:00"));
        app.sql(&format!("UPDATE runs SET ended_at = {} WHERE id <> {first}", i64::MAX)).await.unwrap();
        assert_eq!(archive(app).await.len(), 1);
        // It was at work before it had a name: each of its copies finds the same one.
        app.sql("DELETE FROM meta WHERE name = 'database_id'").await.unwrap();
        let place = match app.home.db {
            Db::Sqlite => usher::store::MarkPlace::Beside(app.folder.path().join("usher.db")),
            Db::Postgres => usher::store::MarkPlace::In(app.folder.path().to_owned()),
        };
        let store = app.another_store().await;
        store.keep_mark(&place).await.unwrap();
        let found: String = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'database_id'")
            .fetch_one(&mut app.home.connect().await).await.unwrap();
        assert_eq!(found, name);
        store.close().await;
    };

    what_is_changed_in_the_archive_is_found, async |app: &App| {
        let run = over(app).await;
        app.store.checkpoint(Duration::ZERO).await.unwrap();
        app.clock.set(zurich("2027-03-01T09:00"));
        archive(app).await;
        let problem = async || app.store.verify(run).await.unwrap().problem;
        for (change, back, found) in [
            ("UPDATE archived_journal SET actor = 'x' WHERE seq = 2", "UPDATE archived_journal SET actor = 'usher' WHERE seq = 2", "entry 2"),
            ("UPDATE archived_steps SET state = 'cancelled'", "UPDATE archived_steps SET state = 'done'", "the table says cancelled"),
            // The same entry in both tables.
            ("INSERT INTO journal SELECT * FROM archived_journal WHERE seq = 3", "DELETE FROM journal WHERE seq = 3", "entry"),
        ] {
            assert_eq!(problem().await, None);
            app.sql(change).await.unwrap();
            assert!(problem().await.is_some_and(|why| why.contains(found)), "{change}: {:?}", problem().await);
            app.sql(back).await.unwrap();
        }
        assert_eq!(problem().await, None);
        // Cut off at its end, with a row that says so: its checkpoint knows better.
        let last = app.store.journal(run).await.unwrap().len();
        app.sql(&format!("UPDATE archived_journal SET seq = seq + 1000 WHERE seq = {last}")).await.unwrap();
        let trusted = [app.store.note_signer().await.unwrap().verifier()];
        assert_eq!(app.store.prove(&trusted, &[]).await.unwrap().doubts.len(), 1);
        app.sql("UPDATE archived_journal SET seq = seq - 1000 WHERE seq > 1000").await.unwrap();
    };

    a_departure_with_all_its_steps_moves_as_well_as_a_small_run, async |app: &App| {
        let run = until_the_checklist(app).await;
        app.engine.cancel(run, "the rest by hand", "os:nils").await.unwrap();
        app.drain().await;
        let (before, states) = (rows_of(app, run).await, app.states(run).await);
        assert!(before[0] > 60, "{before:?}");
        app.clock.set(zurich("2027-12-01T09:00"));
        archive(app).await;
        assert_eq!(rows_of(app, run).await, [0, 0, before[0], before[1]]);
        assert_eq!(app.states(run).await, states);
        assert!(app.store.waiting(100).await.unwrap().iter().all(|one| one.key.0 != run));
    };
}
