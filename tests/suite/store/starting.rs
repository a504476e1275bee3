//! Runs are accepted once per key, and one at a time per workflow and person.

use usher::run::RunState;
use usher::store::{RunFilter, Started, StoreError};

use super::{people_only, small_run};
use crate::harness::{App, at_start, request};

both! {
    a_key_starts_one_run_however_often_it_comes, async |app: &App| {
        people_only(app).await;
        let mut first = request("departure", "1005", &[("last_day", "2027-02-05")]);
        first.key = Some("hr:42".into());
        let Started::New(run) = app.engine.start(first.clone()).await.unwrap() else { panic!("a new run") };
        assert_eq!(app.engine.start(first.clone()).await.unwrap(), Started::Existing(run));
        // It stays the same run when it is over.
        app.engine.cancel(run, "a test", "os:test").await.unwrap();
        assert_eq!(app.engine.start(first).await.unwrap(), Started::Existing(run));
    };

    two_daemons_that_accept_the_same_key_at_once_start_one_run, async |app: &App| {
        people_only(app).await;
        let other = app.restarted(app.systems(), &[]).await;
        let mut same = request("departure", "1005", &[("last_day", "2027-02-05")]);
        same.key = Some("hr:42".into());
        let (one, two) = tokio::join!(app.engine.start(same.clone()), other.start(same));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.id(), two.id());
        assert!(matches!((one, two), (Started::New(_), Started::Existing(_)) | (Started::Existing(_), Started::New(_))));
        assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 1);
        other.store().close().await;
    };

    two_daemons_cannot_open_two_runs_for_one_person, async |app: &App| {
        people_only(app).await;
        let other = app.restarted(app.systems(), &[]).await;
        let departure = || request("departure", "1005", &[("last_day", "2027-02-05")]);
        let (one, two) = tokio::join!(app.engine.start(departure()), other.start(departure()));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let refused = one.err().or(two.err()).unwrap();
        assert!(refused.to_string().contains("is an open run of departure for the same person"), "{refused}");
        other.store().close().await;
    };

    runs_are_listed_by_state_person_and_workflow, async |app: &App| {
        people_only(app).await;
        let run = small_run(app).await;
        let departure = app.start("departure", "1006", &[("last_day", "2027-02-05")]).await;
        app.engine.cancel(departure, "a test", "os:test").await.unwrap();
        let found = async |filter: RunFilter| -> Vec<String> {
            app.store.runs(&filter).await.unwrap().into_iter().map(|run| run.id).collect()
        };
        let small = format!("run_{run}");
        assert_eq!(found(RunFilter { person: Some("1005".into()), ..RunFilter::default() }).await, [small.as_str()]);
        assert_eq!(found(RunFilter { workflow: Some("small".into()), ..RunFilter::default() }).await, [small.as_str()]);
        assert_eq!(found(RunFilter { state: Some(RunState::Open), ..RunFilter::default() }).await, [small.as_str()]);
        assert_eq!(found(RunFilter { limit: Some(1), ..RunFilter::default() }).await, [format!("run_{departure}")]);
        let rows = app.store.runs(&RunFilter::default()).await.unwrap();
        assert_eq!(rows[1].subject, "1005");
        assert_eq!((rows[1].next_due, rows[0].next_due), (Some(1_801_242_000_000), None));
        let census = app.store.census().await.unwrap();
        assert!(census.contains(&("run".into(), "cancelled".into(), 1)), "{census:?}");
        assert!(census.contains(&("step".into(), "blocked".into(), 1)), "{census:?}");
    };

    an_order_that_refuses_changes_nothing, async |app: &App| {
        people_only(app).await;
        let run = small_run(app).await;
        let before = app.book(run).await.run.head;
        let refused = app.store.order(run, |book, now| {
            book.set_state(RunState::Paused, None, &"os:test".into(), now);
            Err::<(), _>(StoreError::Refused("no".into()))
        }).await;
        assert!(refused.is_err());
        assert_eq!((app.book(run).await.run.head, app.run_state(run).await), (before, RunState::Open));
        let missing = app.engine.pause(4711, "", "os:test").await.unwrap_err();
        assert_eq!(missing.to_string(), "there is no run run_4711");
    };

    time_jumps_only_between_attempts, async |app: &App| {
        crate::store::small_run_due(app).await;
        let claims = app.claim(1).await;
        let refused = app.store.fast_forward(at_start()).await.unwrap_err();
        assert!(refused.to_string().contains("1 attempts are in flight"), "{refused}");
        app.complete(&claims[0], crate::harness::done()).await;
        let ahead = crate::harness::zurich("2027-03-01T09:00");
        app.store.fast_forward(ahead).await.unwrap();
        assert_eq!(app.store.now().await.unwrap(), ahead);
        app.store.fast_forward(at_start()).await.unwrap();
        assert_eq!(app.store.now().await.unwrap(), ahead, "it does not go back");
        assert_eq!(app.another_store().await.now().await.unwrap(), ahead, "every process sees the same virtual time");
        app.drain().await;
    };
}
