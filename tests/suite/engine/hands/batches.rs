//! Many approvals at once: all of a batch, or none.

use usher::run::limits;
use usher::store::StoreError;

use super::*;
use crate::harness::request;

const LEAVE: &str = include_str!("../../../workflows/leave-now.yaml");

/// Three people whose deletion waits for the same approval.
async fn three(app: &App) -> (Engine, Vec<i64>) {
    app.staffed().await;
    let engine = app.restarted(app.systems(), &[("leave.yaml", LEAVE)]).await;
    let mut runs = Vec::new();
    for person in ["1005", "1011", "1013"] {
        runs.push(engine.start(request("leave-now", person, &[])).await.unwrap().id());
    }
    drain(&engine).await;
    (engine, runs)
}

both! {
    a_batch_that_nobody_has_answered_in_time_may_still_be_approved, async |app: &App| {
        let (engine, runs) = three(app).await;
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(30 * 24));
        drain(&engine).await;
        for run in &runs {
            assert_eq!(held_by(app, *run, "approve").await, "nobody_answered");
        }
        let [batch] = engine.store().batches().await.unwrap().try_into().unwrap();
        engine.store().approve_batch(&batch.id, "DELETE 6", "os:helene").await.unwrap();
        for run in &runs {
            assert_eq!(app.state(*run, "approve").await.as_str(), "done");
        }
    };

    a_batch_is_approved_whole_by_typing_how_much_it_deletes, async |app: &App| {
        let (engine, runs) = three(app).await;
        let [batch] = engine.store().batches().await.unwrap().try_into().unwrap();
        assert_eq!((batch.workflow.as_str(), batch.step.as_str(), batch.destructive), ("leave-now", "approve", 6));
        assert_eq!(batch.approvals.iter().map(|(run, _)| *run).collect::<Vec<_>>(), runs);
        for wrong in ["", "DELETE", "DELETE 3", "DELETE 7", "delete 6", "Ada Keller"] {
            let refused = engine.store().approve_batch(&batch.id, wrong, "os:helene").await.unwrap_err();
            assert!(refused.to_string().contains("type exactly `DELETE 6`"), "{wrong}: {refused}");
        }
        engine.store().approve_batch(&batch.id, "DELETE 6", "os:helene").await.unwrap();
        for run in &runs {
            let book = app.book(*run).await;
            let delete = book.step(book.find("delete@mailhost").unwrap()).unwrap();
            assert!(limits::approved_as_batch(&book, delete));
            let given = book.steps[1].decision.approval.clone().unwrap();
            assert_eq!((given.by.as_str(), given.batch), ("os:helene", Some(batch.id.clone())));
        }
        let again = engine.store().approve_batch(&batch.id, "DELETE 6", "os:helene").await.unwrap_err();
        assert!(again.to_string().contains("no batch"), "{again}");
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(240));
        drain(&engine).await;
        for run in runs {
            assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");
        }
        let lately = engine.store().lately(&["mailhost".to_owned()].into()).await.unwrap();
        let tally = &lately["mailhost"];
        assert_eq!((tally.hour, tally.day, tally.batch), (0, 0, 3), "they take no place that thresholds leave to others");
    };

    a_batch_that_has_changed_since_it_was_listed_approves_nothing, async |app: &App| {
        let (engine, runs) = three(app).await;
        let [listed] = engine.store().batches().await.unwrap().try_into().unwrap();
        // One more that waits; then one less, so that the count alone would fit again.
        let four = engine.start(request("leave-now", "1012", &[])).await.unwrap().id();
        drain(&engine).await;
        let refused = engine.store().approve_batch(&listed.id, "DELETE 6", "os:helene").await.unwrap_err();
        assert!(matches!(&refused, StoreError::Refused(why) if why.contains("no batch")), "{refused}");
        engine.cancel(runs[0], "a mistake", "os:nils").await.unwrap();
        let refused = engine.store().approve_batch(&listed.id, "DELETE 6", "os:helene").await.unwrap_err();
        assert!(matches!(&refused, StoreError::Refused(why) if why.contains("no batch")), "{refused}");
        for run in [runs[1], runs[2], four] {
            assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        }
        let [now] = engine.store().batches().await.unwrap().try_into().unwrap();
        engine.store().approve_batch(&now.id, "DELETE 6", "os:helene").await.unwrap();
    };

    a_batch_with_a_run_of_ones_own_is_refused_whole, async |app: &App| {
        let (engine, runs) = three(app).await;
        let [batch] = engine.store().batches().await.unwrap().try_into().unwrap();
        // os:test has asked for all of them; 1013 is about somebody called like the user.
        let email = app.store.person("1013").await.unwrap().unwrap().email.unwrap();
        let subject = format!("os:{}", email.split('@').next().unwrap());
        for user in ["os:test", subject.as_str()] {
            let refused = engine.store().approve_batch(&batch.id, "DELETE 6", user).await.unwrap_err();
            assert!(matches!(&refused, StoreError::NotTheirs { .. }), "{user}: {refused}");
        }
        for run in runs {
            assert_eq!(app.state(run, "approve").await.as_str(), "awaiting_approval");
        }
        assert_eq!(engine.store().batches().await.unwrap(), [batch]);
    };
}
