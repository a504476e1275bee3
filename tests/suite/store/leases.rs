//! Leases lapse in real time, are renewed by their fence, and are taken up by whoever is alive.

use std::time::Duration;

use jiff::SignedDuration;
use usher::run::StepState;

use super::small_run_due;
use crate::harness::{App, LEASE, done};

both! {
    a_lease_that_is_renewed_does_not_lapse, async |app: &App| {
        small_run_due(app).await;
        let claims = app.claim(8).await;
        let held: Vec<_> = claims.iter().map(|claim| (claim.run, claim.ordinal, claim.fence)).collect();
        app.clock.set(app.now() + SignedDuration::from_secs(29));
        assert_eq!(app.store.renew(&held, LEASE).await.unwrap(), held);
        app.clock.set(app.now() + SignedDuration::from_secs(29));
        assert_eq!(app.store.recover(false).await.unwrap(), 0);
        // One of them ends meanwhile: the other is still renewed.
        app.complete(&claims[0], done()).await;
        assert_eq!(app.store.renew(&held, LEASE).await.unwrap(), held[1..]);
        app.complete(&claims[1], done()).await;
        assert!(app.store.renew(&held, LEASE).await.unwrap().is_empty());
        app.drain().await;
    };

    a_lease_that_lapsed_is_taken_up_and_observed_first, async |app: &App| {
        let run = small_run_due(app).await;
        let claims = app.claim(8).await;
        assert_eq!(app.store.recover(false).await.unwrap(), 0);
        app.clock.set(app.now() + SignedDuration::from_millis(30_001));
        assert_eq!(app.store.recover(false).await.unwrap(), 2);
        assert_eq!(app.store.recover(false).await.unwrap(), 0);
        assert!(matches!(app.state(run, &claims[0].label).await, StepState::Unknown { .. }));
        let held: Vec<_> = claims.iter().map(|claim| (claim.run, claim.ordinal, claim.fence)).collect();
        assert!(app.store.renew(&held, LEASE).await.unwrap().is_empty(), "it is not theirs any more");
        let again = app.claim(8).await;
        assert!(again.iter().all(|claim| claim.observe && claim.fence == 2));
        app.store.recover(true).await.unwrap();
        app.drain().await;
        assert_eq!(app.run_state(run).await.as_str(), "completed");
    };

    what_this_process_has_in_flight_it_takes_from_nobody, async |app: &App| {
        let run = small_run_due(app).await;
        let claims = app.claim(8).await;
        // A clock that has jumped, or an outage, has let both leases lapse.
        app.clock.set(app.now() + SignedDuration::from_secs(31));
        let mine = (claims[0].run, claims[0].ordinal, claims[0].fence);
        assert_eq!(app.store.recover_all_but(&[mine]).await.unwrap(), 1);
        assert_eq!(app.state(run, &claims[0].label).await.as_str(), "leased");
        assert_eq!(app.state(run, &claims[1].label).await.as_str(), "unknown");
        assert_eq!(app.complete(&claims[0], done()).await.stale, 0, "it counts");
        // What somebody else has begun of the same step is not ours.
        let again = app.claim(1).await;
        app.clock.set(app.now() + SignedDuration::from_secs(31));
        let before = (again[0].run, again[0].ordinal, again[0].fence - 1);
        assert_eq!(app.store.recover_all_but(&[before]).await.unwrap(), 1);
        app.drain().await;
    };

    a_step_that_ends_its_process_again_and_again_backs_off, async |app: &App| {
        let run = small_run_due(app).await;
        for _ in 0..2 {
            assert_eq!(app.claim(8).await.len(), 2);
            assert_eq!(app.store.recover(true).await.unwrap(), 2);
        }
        assert_eq!(app.claim(8).await.len(), 2);
        app.store.recover(true).await.unwrap();
        assert!(app.claim(8).await.is_empty(), "after the third time it waits");
        let StepState::Unknown { due } = app.state(run, "hide@groupware").await else { panic!("unknown") };
        assert!(due > app.now() && due < app.now() + SignedDuration::from_mins(5), "{due}");
        app.clock.set(app.now() + SignedDuration::from_mins(5));
        app.drain().await;
    };

    a_cancelled_runs_lost_attempt_is_not_tried_again, async |app: &App| {
        let run = small_run_due(app).await;
        assert_eq!(app.claim(8).await.len(), 2);
        let left = app.engine.cancel(run, "a test", "os:test").await.unwrap();
        assert_eq!(left.in_flight, ["hide@mailhost", "hide@groupware"]);
        app.store.recover(true).await.unwrap();
        assert!(app.steps_that_are(run, "cancelled").await.contains(&"hide@groupware".to_owned()));
        assert!(app.claim(8).await.is_empty());
        assert_eq!(Duration::from_secs(30), LEASE);
    };
}
