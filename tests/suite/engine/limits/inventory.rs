//! Nothing is destroyed where nobody knows how many accounts there are.

use std::time::Duration;

use usher::run::limits::Limits;

use super::{both_with, crowd, deleted, held_by, house, remove, wide};
use crate::harness::App;

both_with! { 3:
    a_stale_inventory_holds_what_destroys_until_it_is_read, async |app: &App| {
        let two_days = Limits { inventory_age: Duration::from_secs(48 * 3600), ..wide() };
        let engine = crowd(app, two_days).await;
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(49));
        let runs = [remove(&engine, 1).await];
        engine.work_off(8).await.unwrap();
        assert_eq!(app.state(runs[0], "disable@mailhost").await.as_str(), "done", "access is cut all the same");
        let (guard, words) = held_by(app, runs[0], "delete@mailhost").await;
        assert_eq!(guard, "population");
        assert_eq!(
            words,
            "how many accounts mailhost has was last read 49 hours ago; `usher accounts sync mailhost` reads it, and what is held goes on"
        );
        assert!(app.store.trips(true).await.unwrap().is_empty(), "nobody has to release it");
        engine.sync("files").await.unwrap();
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 0, "another system is another matter");
        engine.sync("mailhost").await.unwrap();
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 1);
        engine.store().close().await;
    };

    a_system_that_was_never_read_completely_loses_nothing, async |app: &App| {
        let engine = crowd(app, wide()).await;
        let runs = [remove(&engine, 1).await];
        app.sql("DELETE FROM systems").await.unwrap();
        engine.work_off(8).await.unwrap();
        let (guard, words) = held_by(app, runs[0], "delete@mailhost").await;
        assert!(guard == "population" && words.contains("was never read"), "{guard}: {words}");
        engine.store().close().await;
    };

    accounts_that_are_on_their_way_out_do_not_make_a_limit_larger, async |app: &App| {
        let engine = crowd(app, wide()).await;
        let accounts = async || app.number("SELECT population FROM systems WHERE name = 'mailhost'").await;
        let before = accounts().await;
        let runs = [remove(&engine, 1).await];
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 1);
        engine.sync("mailhost").await.unwrap();
        assert_eq!(accounts().await, before - 1, "in its grace it is still read, and not counted");
        engine.store().close().await;
    };

    a_daemon_reads_again_what_grows_old_and_one_daemon_is_enough, async |app: &App| {
        let engine = crowd(app, Limits { inventory_age: Duration::from_secs(48 * 3600), ..wide() }).await;
        assert_eq!(engine.keep_inventory().await.unwrap(), 0, "it is fresh");
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(25));
        let other = house(app, Limits { inventory_age: Duration::from_secs(48 * 3600), ..wide() }).await;
        let (one, two) = tokio::join!(engine.keep_inventory(), other.keep_inventory());
        assert_eq!(one.unwrap() + two.unwrap(), engine.systems().len());
        let before = app.number("SELECT MIN(read_at) FROM systems").await;
        assert_eq!(before, app.now().as_millisecond());
        assert_eq!(app.number("SELECT population FROM systems WHERE name = 'mailhost'").await, 4);
        // What cannot be read is tried again later, and by nobody meanwhile.
        app.sql("UPDATE systems SET read_at = 1, reading_since = read_at WHERE name = 'files'").await.unwrap();
        assert_eq!(other.keep_inventory().await.unwrap(), 0);
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(15));
        assert_eq!(other.keep_inventory().await.unwrap(), 1);
        other.store().close().await;
        engine.store().close().await;
    };
}
