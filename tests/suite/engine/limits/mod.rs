//! How much may happen before a person looks: thresholds, batches, and guards that have tripped.

mod batches;
mod inventory;
mod pace;
mod race;
mod thresholds;
mod trips;

use std::sync::Arc;
use std::time::Duration;

use usher::connectors::sandbox::Crowd;
use usher::engine::Engine;
use usher::engine::library::Library;
use usher::run::limits::{Limit, Limits, SystemLimits};
use usher::run::{HoldReason, Rules, StepState};

use crate::database::Db;
use crate::harness::{App, request, store_with};

/// Closes an account, and deletes it.
const REMOVE: &str = "\
workflow: remove
title: Remove an account
for: person
on: { manual: true }
steps:
  - id: disable
    action: account.disable
    systems: [mailhost]
  - id: delete
    action: account.delete
    systems: [mailhost]
    after: disable
    grace: 30 days
";

/// The same, with a step in between that is not needed: what it leaves out makes the deletion due in the very same turn.
const REMOVE_AT_ONCE: &str = "\
workflow: remove-at-once
title: Remove an account
for: person
on: { manual: true }
steps:
  - id: disable
    action: account.disable
    systems: [mailhost]
  - id: hide
    action: directory.hide
    systems: [mailhost]
    after: disable
    when: person.status == 'active'
  - id: delete
    action: account.delete
    systems: [mailhost]
    after: hide
    grace: 30 days
";

/// Limits that nothing here reaches, and an inventory that stays good for long.
pub fn wide() -> Limits {
    let much = Limit::of(1000, 0);
    Limits {
        everywhere: SystemLimits { destructive_per_hour: much, destructive_per_day: much, cuts_per_hour: much },
        inventory_age: Duration::from_secs(365 * 86_400),
        ..Limits::default()
    }
}

/// `leavers` people who have left, every account read, an engine with these limits that knows `remove`.
pub async fn crowd(app: &App, limits: Limits) -> Engine {
    let engine = house(app, limits).await;
    for system in engine.systems().keys() {
        engine.sync(system).await.expect("reads the system");
    }
    engine
}

/// As another daemon would have it.
pub async fn house(app: &App, limits: Limits) -> Engine {
    let rules = Rules { limits, ..Rules::default() };
    let store = store_with(&app.home, &app.clock, &app.keys, rules.clone()).await;
    let mut library = Library::shipped().workflows;
    for text in [REMOVE, REMOVE_AT_ONCE] {
        let (workflow, _) = usher::workflow::parse("remove.yaml", text).unwrap_or_else(|why| panic!("{why:?}"));
        library.insert(workflow.name.clone(), Arc::new(workflow));
    }
    Engine::new(store, app.systems(), library, "Europe/Zurich", rules)
}

/// A stage with so many leavers, whose last day has passed when the story begins.
pub async fn play(db: Db, leavers: usize, story: impl AsyncFnOnce(&App)) {
    let crowd = Crowd::leaving(leavers, jiff::civil::date(2027, 1, 19));
    let app = App::of(db, &crowd.company).await;
    app.told(&crowd.people).await;
    story(&app).await;
    app.end().await;
}

/// As [`play`], for a story that breaks its own record.
pub async fn play_rough(db: Db, leavers: usize, story: impl AsyncFnOnce(&App)) {
    let crowd = Crowd::leaving(leavers, jiff::civil::date(2027, 1, 19));
    let app = App::of(db, &crowd.company).await;
    app.told(&crowd.people).await;
    story(&app).await;
    app.close().await;
}

/// A story of a crowd, played on both databases.
macro_rules! both_with {
    ($leavers:literal: $($name:ident, $story:expr;)*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                crate::engine::limits::play(crate::database::Db::Sqlite, $leavers, $story).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                crate::engine::limits::play(crate::database::Db::Postgres, $leavers, $story).await;
            }
        }
    )* };
}
pub(crate) use both_with;

/// Starts `remove` for leaver number `number`, as somebody at a terminal would have done eight days ago: nothing is
/// deleted sooner than a week after the start.
pub async fn remove(engine: &Engine, number: usize) -> i64 {
    remove_by(engine, "remove", number).await
}

/// As [`remove`], by another workflow.
pub async fn remove_by(engine: &Engine, workflow: &str, number: usize) -> i64 {
    let mut asked = request(workflow, &format!("{number:05}"), &[]);
    let now = engine.store().now().await.expect("the time");
    asked.start = Some(now - jiff::SignedDuration::from_hours(8 * 24));
    engine.start(asked).await.unwrap_or_else(|why| panic!("{why}")).id()
}

/// The guard that holds a step, and its words.
pub async fn held_by(app: &App, run: i64, label: &str) -> (String, String) {
    match app.state(run, label).await {
        StepState::Held { reason: HoldReason::Guard { name, detail }, .. } => (name, detail),
        other => panic!("{label} of run_{run} is {other:?}"),
    }
}

/// How many of these runs have deleted their account.
pub async fn deleted(app: &App, runs: &[i64]) -> usize {
    let mut count = 0;
    for run in runs {
        count += usize::from(app.state(*run, "delete@mailhost").await.as_str() == "done");
    }
    count
}
