//! Several writers on one database: every attempt is handed out once, and nobody trips over anybody.

use std::collections::BTreeMap;

use usher::connectors::sandbox::{Crowd, SandboxCompany};
use usher::store::Store;

use super::SMALL;
use crate::database::Db;
use crate::harness::{App, completion, done, play, systems_of, turn_of, zurich};

/// Two hundred runs of two steps on one account each and one on another.
async fn two_hundred_runs(app: &App) {
    let crowd = Crowd::leaving(200, jiff::civil::date(2027, 1, 29));
    app.told(&crowd.people).await;
    let company = SandboxCompany::from_text(&crowd.company, &app.folder.path().join("crowd.jsonl")).unwrap();
    let engine = app.restarted(systems_of(&company), &[("small", SMALL)]).await;
    for system in ["mailhost", "groupware"] {
        engine.sync(system).await.unwrap();
    }
    for number in 1..=200 {
        let request = crate::harness::request("small", &format!("{number:05}"), &[("last_day", "2027-01-29")]);
        engine.start(request).await.unwrap();
    }
    engine.store().close().await;
    app.clock.set(zurich("2027-01-29T18:00"));
}

/// Takes and completes attempts until nothing is left; answers what it was given.
async fn work(
    store: Store,
    owner: String,
    systems: std::sync::Arc<std::collections::BTreeSet<String>>,
) -> Vec<(i64, u16, i64)> {
    let (mut taken, mut outcomes, mut idle) = (Vec::new(), Vec::new(), 0);
    while idle < 20 {
        let report =
            turn_of(&store, &owner, &systems, std::mem::take(&mut outcomes), 7).await.expect("no error, no deadlock");
        assert_eq!(report.stale, 0);
        idle = if report.claims.is_empty() { idle + 1 } else { 0 };
        taken.extend(report.claims.iter().map(|claim| (claim.run, claim.ordinal, claim.fence)));
        outcomes = report.claims.iter().map(|claim| completion(claim, done())).collect();
        tokio::task::yield_now().await;
    }
    taken
}

async fn each_step_is_handed_out_once(app: &App, workers: usize) {
    two_hundred_runs(app).await;
    let mut working = Vec::new();
    for number in 0..workers {
        let (store, systems) = (app.another_store().await, app.engine.system_names());
        working.push(tokio::spawn(work(store, format!("worker-{number}"), systems)));
    }
    let mut times: BTreeMap<(i64, u16, i64), usize> = BTreeMap::new();
    for worker in working {
        for attempt in worker.await.expect("works") {
            *times.entry(attempt).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 600);
    assert!(times.iter().all(|((_, _, fence), times)| (*fence, *times) == (1, 1)), "handed out more than once");
    assert_eq!(app.number("SELECT COUNT(*) FROM runs WHERE state = 'completed'").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_daemons_share_two_hundred_runs_on_postgres() {
    play(Db::Postgres, async |app: &App| each_step_is_handed_out_once(app, 4).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_share_two_hundred_runs_on_sqlite() {
    play(Db::Sqlite, async |app: &App| each_step_is_handed_out_once(app, 2).await).await;
}
