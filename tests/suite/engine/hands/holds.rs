//! Legal holds: nothing of a person's is destroyed while one is on.

use usher::run::RunState;
use usher::store::{Release, StoreError};

use super::*;
use crate::harness::zurich;

both! {
    a_legal_hold_stops_every_deletion_until_it_is_released, async |app: &App| {
        let run = on_the_day(app).await;
        let ada = app.store.person("1005").await.unwrap().unwrap();
        let id = app.store.add_hold(&ada, "lawsuit", None, "os:legal").await.unwrap();
        app.drain().await;
        for (system, _) in ADA.into_iter().filter(|(system, _)| *system != "groupware") {
            assert_eq!(held_by(app, run, &format!("delete@{system}")).await, "legal_hold", "{system}");
        }
        let why = why_held(app, run, "delete@mailhost").await;
        assert_eq!(why, format!("hold_{id} on 1005, set by os:legal: lawsuit"));
        assert!(untouched(app));

        // Nobody passes it by trying again, and a second hold keeps what the first had held.
        app.engine.retry(run, "delete@mailhost", "hurry", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "legal_hold");
        let second = app.store.add_hold(&ada, "audit", None, "os:legal").await.unwrap();
        let released = app.store.release_holds(Release::One(id), "settled", "os:legal").await.unwrap();
        assert!(released.0 == 1 && released.1 > 0, "{released:?}");
        app.drain().await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "legal_hold");
        assert!(untouched(app));

        app.store.release_holds(Release::AllOf(ada.id), "done", "os:legal").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");

        // The record keeps all of them.
        assert!(app.store.holds(None, false).await.unwrap().is_empty());
        let kept = app.store.holds(Some(ada.id), true).await.unwrap();
        let ends: Vec<(i64, &str)> =
            kept.iter().map(|hold| (hold.id, hold.ended.as_ref().unwrap().reason.as_str())).collect();
        assert_eq!(ends, [(second, "done"), (id, "settled")]);
        let again = app.store.release_holds(Release::One(id), "again", "os:legal").await.unwrap();
        assert_eq!(again, (0, 0));
    };

    a_hold_ends_by_itself_by_the_stores_clock, async |app: &App| {
        let run = on_the_day(app).await;
        let ada = app.store.person("1005").await.unwrap().unwrap();
        let passed = app.store.add_hold(&ada, "lawsuit", Some(app.now()), "os:legal").await.unwrap_err();
        assert!(matches!(passed, StoreError::Refused(_)), "{passed}");
        let until = zurich("2027-08-01T00:00");
        app.store.add_hold(&ada, "lawsuit", Some(until), "os:legal").await.unwrap();
        app.drain().await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "legal_hold");
        app.clock.set(until - jiff::SignedDuration::from_millis(1));
        assert_eq!(app.store.end_holds().await.unwrap(), 0);
        app.clock.set(until);
        assert_eq!((app.store.end_holds().await.unwrap(), app.store.end_holds().await.unwrap()), (1, 0));
        app.drain().await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
        let [hold] = app.store.holds(None, true).await.unwrap().try_into().unwrap();
        assert_eq!((hold.ended.unwrap().by.as_str(), hold.until), ("usher", Some(until)));
        // One whose time is over stops nothing, whether its end has been written down or not.
        app.store.add_hold(&ada, "lawsuit", Some(zurich("2027-08-20T00:00")), "os:legal").await.unwrap();
        app.walk_to(zurich("2027-10-01T09:00")).await;
        assert_eq!(app.state(run, "delete.purge@mailhost").await.as_str(), "done");
    };

    a_hold_during_the_grace_stops_the_purge_whoever_does_it, async |app: &App| {
        app.staffed().await;
        let run = crate::engine::schedules::deleted_into_grace(app).await;
        let ada = app.store.person("1005").await.unwrap().unwrap();
        app.store.add_hold(&ada, "lawsuit", None, "os:legal").await.unwrap();
        app.walk_to(zurich("2027-09-01T09:00")).await;
        assert_eq!(held_by(app, run, "delete.purge@files").await, "legal_hold");
        // The run is cancelled, and the nightly purge finds the account; it is still Ada's.
        app.engine.cancel(run, "over", "os:nils").await.unwrap();
        usher::intake::schedules::fire(&app.engine).await.unwrap();
        app.clock.set(zurich("2027-09-02T09:00"));
        usher::intake::schedules::fire(&app.engine).await.unwrap();
        app.drain().await;
        let filter = usher::store::RunFilter { workflow: Some("grace-purge".into()), ..Default::default() };
        let purges = app.store.runs(&filter).await.unwrap();
        assert!(!purges.is_empty());
        for purge in &purges {
            let id = usher::run::book::parse_public_id(&purge.id).unwrap();
            assert_eq!(app.run_state(id).await, RunState::NeedsAttention);
            assert_eq!(app.steps_that_are(id, "held").await.len(), 1);
        }
        assert!(app.account("files", "f-0005").is_some() && app.account("mailhost", "m-0005").is_some());
    };
}
