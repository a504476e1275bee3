//! Runs that a process has in mind from one turn to the next: they count only as long as nobody else has written them.

use usher::run::StepState;

use super::small_run_due;
use crate::harness::{App, completion, done, turn_of};

/// A turn of the daemon that has the run in mind.
async fn first_step(app: &App) -> (i64, usher::store::Claim) {
    let run = small_run_due(app).await;
    let claims = app.claim(1).await;
    assert_eq!(claims.len(), 1);
    (run, claims.into_iter().next().unwrap())
}

both! {
    what_others_write_is_seen_by_whoever_has_the_run_in_mind, async |app: &App| {
        let (run, claim) = first_step(app).await;
        // Somebody else, in another process: a second store has nothing in mind.
        let other = app.configured(|_| {}).await;
        let book = other.look(run).await.unwrap();
        let open: Vec<String> =
            book.steps.iter().filter(|step| step.ordinal != claim.ordinal).map(usher::run::book::Step::label).collect();
        for label in &open {
            other.skip(run, label, "not here", "os:nils").await.unwrap();
        }
        let report = app.turn(vec![completion(&claim, done())], 8).await.unwrap();
        assert_eq!((report.claims.len(), report.stale), (0, 0), "all others were left out");
        let book = app.engine.look(run).await.unwrap();
        assert!(book.run.state.is_over(), "{:?}", book.run.state);
        assert!(book.steps.iter().all(|step| step.ordinal == claim.ordinal || matches!(step.state, StepState::Skipped { .. })));
        assert!(app.store.verify(run).await.unwrap().problem.is_none());
    };

    an_attempt_that_another_daemon_took_over_is_seen_too, async |app: &App| {
        let (run, claim) = first_step(app).await;
        app.clock.set(app.now() + jiff::SignedDuration::from_secs(60));
        let other = app.configured(|_| {}).await;
        other.store().recover(false).await.unwrap();
        let systems = app.engine.system_names();
        let taken = turn_of(other.store(), "other", &systems, Vec::new(), 8).await.unwrap().claims;
        let again = taken.iter().find(|taken| taken.run == run && taken.ordinal == claim.ordinal);
        let again = again.unwrap_or_else(|| panic!("taken over: {taken:?}"));
        let late = app.turn(vec![completion(&claim, done())], 0).await.unwrap();
        assert_eq!(late.stale, 1, "the first daemon's outcome is too late, whatever it has in mind");
        assert!(again.observe, "nobody knows how far the first one came");
        let all = taken.iter().map(|claim| completion(claim, done())).collect();
        assert_eq!(turn_of(other.store(), "other", &systems, all, 0).await.unwrap().stale, 0);
    };
}
