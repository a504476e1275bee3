//! `/metrics`: how the work stands, in the text format of OpenMetrics 1.0, which Prometheus reads.
//!
//! Numbers by state and by kind only: no person, run or system is a label, so that nothing personal leaves the house and
//! the number of series has a bound. docs/ALERTS.md lists them; a test holds the list against this file.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Door;
use crate::run::trip::TripKind;
use crate::store::{Carrier, Dialect, Figures, Store};

/// The content type of the answer.
pub(super) const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const STEPS: [&str; 11] = [
    "blocked",
    "waiting",
    "leased",
    "unknown",
    "done",
    "failed",
    "held",
    "awaiting_approval",
    "awaiting_person",
    "skipped",
    "cancelled",
];
const RUNS: [&str; 6] = ["open", "paused", "needs_attention", "completed", "closed_with_exceptions", "cancelled"];
const MAILS: [&str; 3] = ["queued", "sent", "failed"];

type Labels = Vec<(&'static str, &'static str)>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// Everything that is told, as text.
pub(super) async fn text(door: &Door) -> Result<String, std::fmt::Error> {
    let figures = door.store.figures().await;
    let mut registry = Registry::with_prefix("usher");
    process(&mut registry, door, figures.is_ok());
    if let Ok(figures) = &figures {
        record(&mut registry, figures);
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What this process knows without asking the database.
fn process(registry: &mut Registry, door: &Door, up: bool) {
    let Door { store, counts } = door;
    let built = family(&[(vec![("version", env!("CARGO_PKG_VERSION")), ("database", dialect(store))], 1)]);
    registry.register("build_info", "Which usher this is", built);
    gauge(registry, "database_up", "Whether the database answers", i64::from(up));
    let failing = i64::from(store.trouble().is_some());
    gauge(registry, "database_writes_failing", "Whether the last write could not be made", failing);
    gauge(
        registry,
        "mark_failing",
        "Whether the mark outside the database could not be written",
        i64::from(store.mark_fails()),
    );
    let age = |last: &AtomicI64| match last.load(Ordering::Relaxed) {
        0 => -1,
        last => store.steady().saturating_sub(last) / 1000,
    };
    gauge(
        registry,
        "last_turn_age_seconds",
        "Since the claimer last wrote; -1 where it never has",
        age(&counts.last_turn),
    );
    let mut counter = |name: &str, help: &str, value: &AtomicU64| {
        registry.register(name, help, ConstCounter::new(value.load(Ordering::Relaxed)));
    };
    counter("turns", "Write transactions of the claimer", &counts.turns);
    counter("attempts_started", "Attempts handed out", &counts.claimed);
    counter("outcomes_recorded", "Outcomes of attempts", &counts.recorded);
    counter("outcomes_stale", "Outcomes that came too late", &counts.stale);
    counter("commits", "Write transactions of this process", &AtomicU64::new(store.commits()));
}

/// What the database says.
fn record(registry: &mut Registry, figures: &Figures) {
    let of = |kind: &str, state: &str| {
        figures.census.iter().find(|(of, is, _)| of == kind && is == state).map_or(0, |(_, _, count)| *count)
    };
    let by_state = |kind: &str, states: &[&'static str]| {
        let rows: Vec<(Labels, i64)> = states.iter().map(|state| (vec![("state", *state)], of(kind, state))).collect();
        family(&rows)
    };
    registry.register("steps", "Steps by state", by_state("step", &STEPS));
    registry.register("runs", "Runs by state", by_state("run", &RUNS));
    gauge(registry, "cuts_overdue", "Access cuts that are not done five minutes after their time", figures.late_cuts);
    gauge(registry, "leases", "Attempts under way, over all daemons", figures.leases);
    let waits = ["task", "alert", "urgent"].map(|kind| (vec![("kind", kind)], figures.waits(kind)));
    registry.register("waits", "What waits for somebody, by kind; what is urgent is an alert too", family(&waits));
    let tripped = TripKind::ALL.map(|kind| (vec![("guard", kind.as_str())], figures.tripped(kind)));
    registry.register("guards_tripped", "Guards that have tripped and not been released", family(&tripped));
    let mut outbox = Vec::new();
    for carrier in [Carrier::Mail, Carrier::Webhook] {
        for state in MAILS {
            let found = figures.outbox.iter().find(|(by, is, _)| *by == carrier && is == state);
            let labels = vec![("carrier", carrier.as_str()), ("state", state)];
            outbox.push((labels, found.map_or(0, |(_, _, count)| *count)));
        }
    }
    registry.register("outbox", "Mails and messages, by carrier and state", family(&outbox));
    gauge(registry, "events_parked", "Events of HR's that wait for a person", figures.parked);
    gauge(registry, "freezes", "Freezes that are on", figures.freezes);
    gauge(registry, "systems_unread", "Systems that could not be read when they were read last", figures.unread);
    gauge(registry, "tide", "How far the database has come; it never falls", figures.tide);
}

fn dialect(store: &Store) -> &'static str {
    match store.dialect() {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgresql",
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge = Gauge::<i64, AtomicI64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn family(rows: &[(Labels, i64)]) -> Gauges {
    let family = Gauges::default();
    for (labels, value) in rows {
        family.get_or_create(labels).set(*value);
    }
    family
}
