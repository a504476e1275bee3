//! Clocks that cannot be believed, and databases that are older than what has happened (guarantees 6 and 17): found
//! before anything is claimed, and held until a person has looked.

use std::path::Path;

use jiff::SignedDuration;
use usher::clock::Clock;
use usher::engine::Engine;
use usher::run::trip::TripKind;
use usher::run::{AccountStatus, HoldReason, Holidays, StepState};
use usher::store::{MarkPlace, MarkStanding, Opening, Store};

use super::departure::{done_by_people, until_the_checklist};
use crate::database::Db;
use crate::harness::{App, play, posting, zurich};

/// Ada's departure up to the minute before its deletion.
async fn about_to_be_deleted(app: &App) -> i64 {
    let run = until_the_checklist(app).await;
    done_by_people(app, run).await;
    app.walk_to(zurich("2027-07-28T08:59")).await;
    run
}

fn status(app: &App) -> AccountStatus {
    app.account("mailhost", "m-0005").unwrap().status
}

/// Which guard holds the deletion, and what it says.
async fn held_by(store: &Store, run: i64) -> (String, String) {
    let book = store.book(run).await.unwrap();
    let step = book.step(book.find("delete@mailhost").unwrap()).unwrap();
    match &step.state {
        StepState::Held { reason: HoldReason::Guard { name, detail }, .. } => (name.clone(), detail.clone()),
        other => panic!("{other:?}"),
    }
}

async fn release(store: &Store) {
    for row in store.trips(false).await.unwrap() {
        store.release_trip(row.trip.id, "looked at", "os:nils").await.unwrap();
    }
}

async fn tripped(store: &Store) -> Vec<(TripKind, String)> {
    store.trips(false).await.unwrap().into_iter().map(|row| (row.trip.kind, row.trip.words)).collect()
}

both! {
    a_clock_that_jumps_holds_what_destroys_and_lets_access_be_cut, async |app: &App| {
        let run = about_to_be_deleted(app).await;
        // Somebody sets the machine's clock: no time has gone by.
        app.clock.leap(zurich("2027-07-28T09:10"));
        app.drain().await;
        assert_eq!(status(app), AccountStatus::Disabled, "the very first turn after the jump");
        let (guard, words) = held_by(&app.store, run).await;
        assert!(guard == "clock" && words.ends_with("the clock jumped ahead by 11 min"), "{words}");
        let block = app.start("emergency-block", "1010", &[]).await;
        app.drain().await;
        assert!(app.steps_that_are(block, "done").await.iter().any(|step| step.starts_with("disable@")));
        assert_eq!(tripped(&app.store).await.len(), 1, "told once");
        release(&app.store).await;
        app.drain().await;
        assert_eq!(status(app), AccountStatus::Deleted);
        assert!(tripped(&app.store).await.is_empty(), "what was looked at does not come back");
    };

    ten_minutes_are_no_jump_and_time_that_goes_by_is_none, async |app: &App| {
        about_to_be_deleted(app).await;
        app.clock.leap(zurich("2027-07-28T09:09"));
        app.drain().await;
        assert_eq!(status(app), AccountStatus::Deleted);
        app.jump_to(zurich("2027-08-20T09:00")).await;
        assert!(tripped(&app.store).await.is_empty());
    };

    a_clock_that_falls_back_is_noticed_too, async |app: &App| {
        app.staffed().await;
        app.drain().await;
        app.clock.leap(app.now() - SignedDuration::from_mins(11));
        app.claim(1).await;
        assert_eq!(tripped(&app.store).await, [(TripKind::Clock, "the clock fell back by 11 min".to_owned())]);
    };

    after_a_week_of_nobody_the_first_claim_is_held_already, async |app: &App| {
        let run = about_to_be_deleted(app).await;
        app.store.show_life().await.unwrap();
        app.clock.set(app.now() + SignedDuration::from_hours(7 * 24 + 1));
        // Another daemon, which has seen nothing.
        let store = app.another_store().await;
        posting(store.clone(), &app.company).work_off(8).await.unwrap();
        assert_eq!(status(app), AccountStatus::Disabled);
        let (guard, words) = held_by(&store, run).await;
        assert!(guard == "clock" && words.contains("nobody was at work for 7 days"), "{words}");
        release(&store).await;
        posting(store.clone(), &app.company).work_off(8).await.unwrap();
        assert_eq!(status(app), AccountStatus::Deleted);
        store.close().await;
    };

    six_days_of_nobody_are_a_long_weekend, async |app: &App| {
        about_to_be_deleted(app).await;
        app.store.show_life().await.unwrap();
        app.clock.set(app.now() + SignedDuration::from_hours(6 * 24));
        let store = app.another_store().await;
        posting(store.clone(), &app.company).work_off(8).await.unwrap();
        assert_eq!((status(app), tripped(&store).await), (AccountStatus::Deleted, vec![]));
        store.close().await;
    };

    a_database_that_falls_back_under_a_daemon_stops_it, async |app: &App| {
        let run = about_to_be_deleted(app).await;
        for _ in 0..3 {
            app.store.post(&[]).await.unwrap();
            assert!(app.store.show_life().await.unwrap().is_some());
        }
        assert_eq!(app.store.show_life().await.unwrap(), None, "nothing was written since");
        app.sql("UPDATE counters SET value = value - 2 WHERE name = 'tide'").await.unwrap();
        app.clock.set(zurich("2027-07-28T09:00"));
        app.drain().await;
        assert_eq!(status(app), AccountStatus::Disabled);
        let (guard, words) = held_by(&app.store, run).await;
        assert!(guard == "restore" && words.contains("the database is an older copy: it stands at 1, and was at 3"), "{words}");
        // Everything waits but what is urgent.
        let (leave, block) = (app.start("alias-and-quota", "1012", &[("add_alias", "somebody.else")]).await, app.start("emergency-block", "1010", &[]).await);
        app.drain().await;
        assert!(app.steps_that_are(leave, "done").await.is_empty(), "{:?}", app.states(leave).await);
        assert!(app.steps_that_are(block, "done").await.iter().any(|step| step.starts_with("disable@")));
        release(&app.store).await;
        app.store.show_life().await.unwrap();
        app.drain().await;
        assert_eq!((status(app), tripped(&app.store).await), (AccountStatus::Deleted, vec![]));
        app.no_effect_twice(&[]);
    };

    an_idle_daemon_notices_within_a_tick, async |app: &App| {
        app.store.show_life().await.unwrap();
        app.store.post(&[]).await.unwrap();
        app.store.show_life().await.unwrap();
        app.sql("UPDATE counters SET value = 1 WHERE name = 'tide'").await.unwrap();
        app.store.show_life().await.unwrap();
        assert_eq!(tripped(&app.store).await[0].0, TripKind::Restore);
    };

    the_mark_outside_the_database_outlives_the_daemon, async |app: &App| {
        let place = place(app.home.db, app.folder.path());
        assert_eq!(app.store.mark_standing(&place).await.unwrap().1, MarkStanding::Missing);
        app.store.keep_mark(&place).await.unwrap();
        for _ in 0..3 {
            app.store.post(&[]).await.unwrap();
            app.store.show_life().await.unwrap();
        }
        assert_eq!(app.store.mark_standing(&place).await.unwrap().1, MarkStanding::Fits);
        let restarted = app.another_store().await;
        restarted.keep_mark(&place).await.unwrap();
        restarted.show_life().await.unwrap();
        assert!(tripped(&restarted).await.is_empty(), "a restart is no restore");
        app.sql("UPDATE counters SET value = 2 WHERE name = 'tide'").await.unwrap();
        let restored = app.another_store().await;
        assert_eq!(restored.mark_standing(&place).await.unwrap().1, MarkStanding::Older(2, 4));
        restored.keep_mark(&place).await.unwrap();
        restored.show_life().await.unwrap();
        let words = "the database is an older copy: it stands at 2, and was at 4".to_owned();
        assert_eq!(tripped(&restored).await, [(TripKind::Restore, words)]);
        release(&restored).await;
        // The mark has gone on with it: the next start finds nothing.
        let next = app.another_store().await;
        next.keep_mark(&place).await.unwrap();
        next.show_life().await.unwrap();
        assert!(tripped(&next).await.is_empty());
        for store in [restarted, restored, next] {
            store.close().await;
        }
    };

    a_daemon_that_dies_in_its_first_second_has_lost_no_mark, async |app: &App| {
        let place = place(app.home.db, app.folder.path());
        app.store.keep_mark(&place).await.unwrap();
        // The tide has risen for the first time, and nobody has come to write that down outside.
        app.sql("UPDATE counters SET value = 1 WHERE name = 'tide'").await.unwrap();
        let next = app.another_store().await;
        next.keep_mark(&place).await.unwrap();
        next.show_life().await.unwrap();
        assert_eq!(tripped(&next).await, []);
        next.close().await;
    };

    an_idle_daemon_shows_once_a_minute_that_it_is_alive, async |app: &App| {
        let after = async |seconds: i64| {
            app.clock.set(app.now() + SignedDuration::from_secs(seconds));
            app.store.show_life().await.unwrap().is_some()
        };
        let shown = "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'alive'";
        assert!(after(0).await, "the first time");
        assert!(!after(59).await);
        assert!(after(1).await);
        assert_eq!(app.number(shown).await, app.now().as_millisecond());
        assert!(!after(59).await);
    };

    a_mark_that_cannot_be_read_counts_as_none, async |app: &App| {
        let place = place(app.home.db, app.folder.path());
        app.store.keep_mark(&place).await.unwrap();
        app.store.post(&[]).await.unwrap();
        app.store.show_life().await.unwrap();
        let (path, standing) = app.store.mark_standing(&place).await.unwrap();
        assert_eq!(standing, MarkStanding::Fits);
        std::fs::write(&path, "{").unwrap();
        let store = app.another_store().await;
        store.keep_mark(&place).await.unwrap();
        store.show_life().await.unwrap();
        let found = tripped(&store).await;
        match app.home.db {
            Db::Sqlite => assert!(matches!(found.as_slice(), [(TripKind::Restore, words)] if words.contains("cannot be read")), "{found:?}"),
            Db::Postgres => assert!(found.is_empty(), "{found:?}"),
        }
        store.close().await;
    };

    a_mark_that_cannot_be_written_is_said_and_written_later, async |app: &App| {
        let folder = app.folder.path().join("marks");
        std::fs::write(&folder, "in the way").unwrap();
        let place = MarkPlace::In(folder.clone());
        app.store.keep_mark(&place).await.unwrap();
        app.store.post(&[]).await.unwrap();
        app.store.show_life().await.unwrap();
        assert!(app.store.mark_fails() && app.store.trouble().is_none(), "it stops nothing");
        std::fs::remove_file(&folder).unwrap();
        app.store.post(&[]).await.unwrap();
        app.store.show_life().await.unwrap();
        assert!(!app.store.mark_fails());
        assert_eq!(app.store.mark_standing(&place).await.unwrap().1, MarkStanding::Fits);
    };

    every_copy_of_a_database_that_was_at_work_before_there_were_marks_has_one_name, async |app: &App| {
        app.staffed().await;
        let place = place(app.home.db, app.folder.path());
        let mut paths = Vec::new();
        for _ in 0..2 {
            // As an older version has left it.
            app.sql("DELETE FROM meta WHERE name = 'database_id'").await.unwrap();
            let store = app.another_store().await;
            store.keep_mark(&place).await.unwrap();
            store.post(&[]).await.unwrap();
            store.show_life().await.unwrap();
            let (path, standing) = store.mark_standing(&place).await.unwrap();
            assert_eq!(standing, MarkStanding::Fits);
            paths.push((path.clone(), std::fs::read_to_string(path).unwrap().split(',').next().unwrap().to_owned()));
            release(&store).await;
            store.close().await;
        }
        assert_eq!(paths[0], paths[1]);
    };

    without_a_mark_a_file_that_was_at_work_counts_as_restored_and_a_server_does_not, async |app: &App| {
        let place = place(app.home.db, app.folder.path());
        app.store.show_life().await.unwrap();
        let store = app.another_store().await;
        store.keep_mark(&place).await.unwrap();
        store.post(&[]).await.unwrap();
        store.show_life().await.unwrap();
        let found: Vec<TripKind> = tripped(&store).await.into_iter().map(|(kind, _)| kind).collect();
        let expected: &[TripKind] = if app.home.db == Db::Sqlite { &[TripKind::Restore] } else { &[] };
        assert_eq!(found, expected);
        assert_eq!(store.mark_standing(&place).await.unwrap().1, MarkStanding::Fits, "it is there now");
        store.close().await;
    };
}

fn place(db: Db, folder: &Path) -> MarkPlace {
    match db {
        Db::Sqlite => MarkPlace::Beside(folder.join("usher.db")),
        Db::Postgres => MarkPlace::In(folder.to_owned()),
    }
}

/// A machine whose clock is 45 s off asks a database whose clock is right. (A file has the machine's own.)
#[tokio::test]
async fn a_machine_whose_clock_differs_from_the_databases_is_noticed() {
    play(Db::Postgres, async |app: &App| {
        let clock = Clock::Wrong(std::sync::Arc::default());
        let opened = Store::open(&app.home.url, Opening::Migrate, clock.clone(), app.keys.clone(), Holidays::default());
        let store = opened.await.unwrap();
        let look = async || {
            store.post(&[]).await.unwrap();
            store.show_life().await.unwrap();
            tripped(&store).await
        };
        assert!(look().await.is_empty());
        clock.leap(Clock::System.now() + SignedDuration::from_secs(15));
        assert!(look().await.is_empty(), "15 s are nothing");
        clock.leap(Clock::System.now() - SignedDuration::from_secs(45));
        let found = look().await;
        assert!(
            matches!(found.as_slice(), [(TripKind::Clock, words)] if words.starts_with("a machine's clock is 4")
            && words.ends_with("s behind the database's")),
            "{found:?}"
        );
        release(&store).await;
        assert!(look().await.is_empty(), "what was looked at is not told again");
        store.close().await;
    })
    .await;
}

/// A copy made before a deletion is put back after it: nothing happens a second time, and nothing happens at all before
/// a person has looked.
#[tokio::test]
async fn a_file_that_was_restored_from_a_copy_starts_frozen() {
    play(Db::Sqlite, async |app: &App| {
        let (there, place) = (app.folder.path().join("restored"), place(Db::Sqlite, app.folder.path()));
        std::fs::create_dir(&there).unwrap();
        app.store.keep_mark(&place).await.unwrap();
        let run = about_to_be_deleted(app).await;
        app.store.show_life().await.unwrap();
        app.sql(&format!("VACUUM INTO '{}'", there.join("usher.db").display())).await.unwrap();
        app.jump_to(zurich("2027-07-28T09:00")).await;
        assert_eq!(status(app), AccountStatus::Deleted);
        app.store.show_life().await.unwrap();
        std::fs::copy(app.folder.path().join("usher.db.mark"), there.join("usher.db.mark")).unwrap();

        let url = format!("sqlite:{}", there.join("usher.db").display());
        let opened = Store::open(&url, Opening::Migrate, app.clock.clone(), app.keys.clone(), Holidays::default());
        let store = opened.await.unwrap();
        store.keep_mark(&MarkPlace::Beside(there.join("usher.db"))).await.unwrap();
        let engine: Engine = posting(store.clone(), &app.company);
        let before = app.company.effects_by_key().unwrap();
        engine.work_off(8).await.unwrap();
        assert_eq!(held_by(&store, run).await.0, "restore");
        assert_eq!(app.company.effects_by_key().unwrap(), before, "nothing was asked of anybody");
        release(&store).await;
        engine.work_off(8).await.unwrap();
        app.no_effect_twice(&[]);
        store.close().await;
    })
    .await;
}
