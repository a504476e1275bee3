//! The record, function by function.

mod checkpoints;
pub mod claims;
mod journal;
mod leases;
mod lost;
mod mind;
mod registers;
mod schema;
mod starting;
pub mod stops;
mod together;

use crate::harness::{App, zurich};

/// A file for tests: two steps on the mail system, the second after the first, and one on the calendars.
pub const SMALL: &str = "
workflow: small
title: Small
for: person
on: { manual: true }
inputs:
  last_day: { type: date, required: true }
steps:
  - { id: hide, action: directory.hide, systems: [mailhost, groupware], at: last_day 18:00 }
  - { id: rules, action: mail.clear_rules, systems: mail, after: hide }
";

/// Ada's small run, due on 29 January at 18:00, on an engine of its own that knows the file.
pub async fn small_run(app: &App) -> i64 {
    run_of(app, SMALL, "small", "1005").await
}

pub async fn run_of(app: &App, text: &str, workflow: &str, person: &str) -> i64 {
    let engine = app.restarted(app.systems(), &[(workflow, text)]).await;
    let request = crate::harness::request(workflow, person, &[("last_day", "2027-01-29")]);
    let run = engine.start(request).await.unwrap_or_else(|why| panic!("{why}")).id();
    engine.store().close().await;
    run
}

/// Everybody is known and no run is there, so that only what a story starts can be claimed.
pub async fn people_only(app: &App) {
    app.told(usher::connectors::sandbox::shipped::PEOPLE).await;
    app.sync().await;
}

/// The small run with its time come.
pub async fn small_run_due(app: &App) -> i64 {
    people_only(app).await;
    let run = small_run(app).await;
    app.clock.set(zurich("2027-01-29T18:00"));
    run
}
