//! Runs that have long been over go into the archive, and nothing is lost by that.

mod guards;
mod moving;

use std::time::Duration;

use usher::store::{PutAway, Store};

use crate::harness::{App, zurich};
use crate::store::{people_only, small_run_due};

/// As long as runs stay among the others here.
pub const AGE: Duration = Store::ARCHIVED_AT_THE_EARLIEST;

/// A run that is over: it ended on 29 January.
pub async fn over(app: &App) -> i64 {
    let run = small_run_due(app).await;
    app.drain().await;
    assert!(app.run_state(run).await.is_over());
    run
}

/// Everything that is old enough by now; how many batches that took.
pub async fn archive(app: &App) -> Vec<PutAway> {
    let mut batches = Vec::new();
    loop {
        match app.store.archive_some(AGE).await.expect("archives") {
            PutAway { runs: 0, .. } => return batches,
            some => batches.push(some),
        }
    }
}

/// How many rows of a run are where, in this order: steps, journal, archived steps, archived journal.
pub async fn rows_of(app: &App, run: i64) -> [i64; 4] {
    let mut rows = [0; 4];
    for (count, table) in rows.iter_mut().zip(["steps", "journal", "archived_steps", "archived_journal"]) {
        *count = app.number(&format!("SELECT COUNT(*) FROM {table} WHERE run_id = {run}")).await;
    }
    rows
}

/// Runs about nobody, each cancelled at once: `count` of them, over by 21 January.
pub async fn many_over(app: &App, count: usize) {
    const IDLE: &str = "workflow: idle\ntitle: Idle\nfor: organisation\non: { manual: true }\nsteps:\n  \
                        - { id: ask, action: approval, with: { role: approver } }\n";
    people_only(app).await;
    app.clock.set(zurich("2027-01-21T09:00"));
    let engine = app.restarted(app.systems(), &[("idle", IDLE)]).await;
    for _ in 0..count {
        let mut request = crate::harness::request("idle", "", &[]);
        request.subject = usher::engine::trigger::SubjectRef::Organisation;
        let run = engine.start(request).await.unwrap_or_else(|why| panic!("{why}")).id();
        engine.cancel(run, "not needed", "os:nils").await.expect("cancels");
    }
    engine.store().close().await;
}
