//! So many an hour, so many a day, and then a person looks.

use usher::intake::events;
use usher::run::AccountStatus;
use usher::run::limits::{Limits, SystemLimits};
use usher::run::trip::{Stops, TripKind};

use super::{both_with, crowd, deleted, held_by, house, remove, remove_by, wide};
use crate::harness::{App, request};

const HOUR: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// The shipped thresholds, with an inventory that stays good for long.
fn standard() -> Limits {
    Limits { everywhere: SystemLimits::default(), ..wide() }
}

/// One trip, that of the mail system.
async fn the_trip(app: &App) -> usher::run::trip::Trip {
    let trips = app.store.trips(false).await.unwrap();
    let [row] = trips.as_slice() else { panic!("{trips:?}") };
    assert_eq!((row.trip.kind, row.trip.system.as_deref()), (TripKind::Threshold, Some("mailhost")));
    row.trip.clone()
}

both_with! { 14:
    the_sixth_deletion_within_an_hour_trips_and_waits_for_a_person, async |app: &App| {
        let engine = crowd(app, standard()).await;
        let mut runs = Vec::new();
        for number in 1..=8 {
            runs.push(remove(&engine, number).await);
        }
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 5);
        let trip = the_trip(app).await;
        assert_eq!(trip.stops, Stops::Destructive);
        assert_eq!(
            trip.words,
            "one more destroys more than 5 accounts of mailhost within an hour (the limit is 5 or 1 %, of 15 accounts)"
        );
        for run in &runs {
            if app.state(*run, "delete@mailhost").await.as_str() != "done" {
                assert_eq!(held_by(app, *run, "delete@mailhost").await.0, "threshold");
            }
        }
        // Time alone releases nothing, on no daemon.
        app.clock.set(app.now() + HOUR * 30);
        engine.work_off(8).await.unwrap();
        let other = house(app, standard()).await;
        runs.push(remove(&other, 9).await);
        other.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 5);
        let opened = app.number("SELECT COUNT(*) FROM trips").await;
        assert_eq!(opened, 1, "one cause has one trip");

        // A person has looked: it counts anew.
        let (_, released) = app.store.release_trip(trip.id, "checked with HR", "os:helene").await.unwrap();
        assert_eq!(released, 4);
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 9);
        for number in 10..=11 {
            runs.push(remove(&engine, number).await);
        }
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 10);
        assert_ne!(the_trip(app).await.id, trip.id);
        other.store().close().await;
        engine.store().close().await;
    };

    what_becomes_due_within_a_turn_is_counted_too, async |app: &App| {
        let engine = crowd(app, standard()).await;
        let mut runs = Vec::new();
        for number in 1..=8 {
            runs.push(remove_by(&engine, "remove-at-once", number).await);
        }
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 5);
        the_trip(app).await;
        engine.store().close().await;
    };

    the_eleventh_deletion_within_a_day_trips, async |app: &App| {
        let engine = crowd(app, standard()).await;
        let mut runs = Vec::new();
        for hour in 0..2 {
            for number in 1..=5 {
                runs.push(remove(&engine, hour * 5 + number).await);
            }
            engine.work_off(8).await.unwrap();
            // What started exactly an hour ago does not count any more.
            app.clock.set(app.now() + HOUR);
        }
        assert_eq!(deleted(app, &runs).await, 10);
        assert!(app.store.trips(false).await.unwrap().is_empty());
        runs.push(remove(&engine, 11).await);
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 10);
        assert!(the_trip(app).await.words.contains("more than 10 accounts of mailhost within a day"));
        engine.store().close().await;
    };

    a_day_later_there_is_room_again, async |app: &App| {
        let engine = crowd(app, standard()).await;
        let mut runs = Vec::new();
        for round in 0..2 {
            for number in 1..=5 {
                runs.push(remove(&engine, round * 5 + number).await);
            }
            engine.work_off(8).await.unwrap();
            app.clock.set(app.now() + HOUR * 24);
        }
        runs.push(remove(&engine, 11).await);
        engine.work_off(8).await.unwrap();
        assert_eq!(deleted(app, &runs).await, 11);
        assert!(app.store.trips(true).await.unwrap().is_empty());
        engine.store().close().await;
    };
}

both_with! { 30:
    departures_of_hr_cut_twenty_five_accounts_an_hour_and_no_account_halfway, async |app: &App| {
        let engine = crowd(app, standard()).await;
        events::dispatch(&engine).await.unwrap();
        engine.work_off(16).await.unwrap();
        let numbers: Vec<String> = (1..=30).map(|number| format!("{number:05}")).collect();
        let closed = |letter: &str, system: &str| {
            let accounts = numbers.iter().map(|n| app.account(system, &format!("{letter}-{n}")).unwrap());
            accounts.filter(|account| account.status == AccountStatus::Disabled).collect::<Vec<_>>()
        };
        for (system, letter) in [("directory", "u"), ("mailhost", "m"), ("files", "f"), ("groupware", "g")] {
            let closed = closed(letter, system);
            assert_eq!(closed.len(), 25, "{system}");
            assert!(closed.iter().all(|a| a.sessions.is_empty() && a.tokens.is_empty() && a.app_passwords.is_empty()));
        }
        let trips = app.store.trips(false).await.unwrap();
        assert_eq!(trips.len(), 4, "one for each system: {trips:?}");
        assert!(trips.iter().all(|row| row.trip.stops == Stops::Cuts && row.trip.words.contains("25 or 5 %")));

        // A block goes ahead of all that, and so does what a person asks for.
        let open = numbers.iter().find(|n| app.account("mailhost", &format!("m-{n}")).unwrap().status == AccountStatus::Enabled);
        let open = open.expect("somebody is not cut off yet").clone();
        engine.start(request("emergency-block", &open, &[])).await.unwrap();
        remove(&engine, 30).await;
        engine.work_off(16).await.unwrap();
        assert_eq!(app.account("mailhost", &format!("m-{open}")).unwrap().status, AccountStatus::Disabled);
        assert_ne!(app.account("mailhost", "m-00030").unwrap().status, AccountStatus::Enabled);

        app.clock.set(app.now() + jiff::SignedDuration::from_secs(1));
        for row in trips {
            app.store.release_trip(row.trip.id, "the office in Lyon closes", "os:helene").await.unwrap();
        }
        engine.work_off(16).await.unwrap();
        assert_eq!(closed("f", "files").len(), 30);
        engine.store().close().await;
    };
}
