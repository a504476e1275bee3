//! Three daemons race for the last place: never two of them get it.
//!
//! A thousand rounds on PostgreSQL take long; without being asked for, as many are played as fit into half a minute:
//!
//! `USHER_RACES=1000 cargo test --test suite engine::limits::race -- --nocapture`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use usher::engine::Engine;
use usher::run::limits::{Limit, Limits, SystemLimits};
use usher::store::{Claim, Completion};

use super::{crowd, house, remove, wide};
use crate::database::Db;
use crate::harness::{App, completion, done, turn_of};

const TIME: Duration = Duration::from_secs(30);

/// How many rounds; all of them where that is asked for, else as many as there is time for.
fn rounds() -> (usize, Option<Duration>) {
    match std::env::var("USHER_RACES").ok().and_then(|text| text.parse().ok()) {
        Some(rounds) => (rounds, None),
        None => (1_000, Some(TIME)),
    }
}

/// Four closed accounts whose deletion is due, in four runs; the stages of their batch are over, so that nothing but
/// the threshold counts.
async fn set(app: &App, limits: Limits) -> (Vec<Claim>, [Engine; 3]) {
    let engine = crowd(app, wide()).await;
    for number in 1..=4 {
        remove(&engine, number).await;
    }
    let systems = app.engine.system_names();
    let disables = turn_of(engine.store(), "race", &systems, vec![], 8).await.unwrap().claims;
    assert_eq!(disables.len(), 4);
    let mut over = Vec::new();
    for claim in &disables {
        let (outcome, seen) = engine.execute(claim, || true).await;
        over.push(Completion { seen, ..completion(claim, outcome) });
    }
    turn_of(engine.store(), "race", &systems, over, 0).await.unwrap();
    let seed = "INSERT INTO starts (subject, stops, system, step_id, at, counts)
         SELECT 'seed:' || CAST(n.n AS TEXT) || '/' || CAST(s.id AS TEXT), 'destructive', 'mailhost', s.id, 9000000000000, 0
         FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS n CROSS JOIN steps s WHERE s.name = 'disable'";
    assert_eq!(app.sql(seed).await.unwrap(), 12);
    engine.store().close().await;
    (disables, [house(app, limits.clone()).await, house(app, limits.clone()).await, house(app, limits).await])
}

/// As before the race: four deletions are due, and none has started.
async fn again(app: &App) {
    let now = app.now().as_millisecond();
    for text in [
        format!(
            "UPDATE steps SET state = 'waiting', due_at = {now}, data = NULL, lease_until = NULL, lease_owner = NULL
             WHERE action = 'account.delete'"
        ),
        "DELETE FROM starts WHERE subject LIKE 'step:%'".to_owned(),
        "DELETE FROM trips".to_owned(),
        // What a daemon has in mind of a run counts as long as its chain ends there.
        "UPDATE runs SET head = 'again' || head".to_owned(),
    ] {
        app.sql(&text).await.unwrap();
    }
}

async fn race(db: Db) {
    crate::engine::limits::play_rough(db, 4, async |app: &App| {
        let one = SystemLimits { destructive_per_hour: Limit::of(1, 0), ..wide().everywhere };
        let (disables, daemons) = set(app, Limits { everywhere: one, ..wide() }).await;
        let systems = app.engine.system_names();
        let ((rounds, time), began) = (rounds(), Instant::now());
        let mut winners: BTreeMap<usize, usize> = BTreeMap::new();
        let mut played = 0;
        while played < rounds && time.is_none_or(|time| began.elapsed() < time) {
            again(app).await;
            // Each has a run of its own in hand, through an outcome that comes too late: so they meet at the system.
            let late = |daemon: usize| completion(&disables[daemon], done());
            let turn = |daemon: usize| turn_of(daemons[daemon].store(), "race", &systems, vec![late(daemon)], 1);
            let (a, b, c) = tokio::join!(turn(0), turn(1), turn(2));
            let claims = [a, b, c].map(|report| report.expect("a turn").claims.len());
            assert_eq!(claims.iter().sum::<usize>(), 1, "round {played}: {claims:?}");
            *winners.entry(claims.iter().position(|claims| *claims == 1).unwrap()).or_default() += 1;
            let trips = app.number("SELECT COUNT(*) FROM trips").await;
            assert!(trips <= 1, "round {played}: {trips} trips for one cause");
            played += 1;
        }
        #[expect(clippy::print_stdout, reason = "the figure is for people")]
        {
            println!("{db:?}: {played} races in {:?}, won by {winners:?}, never by two", began.elapsed());
        }
        for daemon in daemons {
            daemon.store().close().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_daemons_never_share_the_last_place_on_postgres() {
    race(Db::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_daemons_never_share_the_last_place_on_sqlite() {
    race(Db::Sqlite).await;
}
