//! The runs of a released version live on: people and systems do their part, the clock is moved to the year after.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::Row;
use usher::intake::{events, schedules};
use usher::run::book::parse_public_id;
use usher::run::{RunState, StepState};
use usher::store::{EventFilter, EventState, RunFilter};

use super::every_release;
use super::released::Tables;
use crate::database::Db;
use crate::harness::{App, zurich};

/// A password cannot be read back: after an attempt that is ambiguous it is rotated again (class S).
const MAY_BE_REPEATED: [&str; 1] = ["/rotate-password@"];

/// A step's key is its run's times this, plus its ordinal.
const STEPS_PER_RUN: i64 = 1024;

/// Every run ends as it was going to, each step once and not before its time.
async fn live_runs_are_carried_to_their_end(db: Db) {
    every_release(db, async |old| {
        let before = Tables::read(&old.home).await;
        let killed_at = old.released.killed_at();
        let app = old.taken_over().await;
        let recovered = app.store.recover(true).await.expect("recovers");
        assert_eq!(recovered, before.steps_that_are("leased"), "attempts under way when it was killed");
        assert_eq!(app.steps_in("leased").await, 0);
        app.sync().await;
        people_decide(&app).await;
        let ticked = app.number("SELECT COUNT(*) FROM schedules WHERE last_tick > 0").await;
        app.live_until(zurich("2028-03-01T00:00")).await;
        assert!(ticked > 0 && schedules::fire(&app.engine).await.is_ok(), "schedules go on");

        let after = Tables::read(&app.home).await;
        nothing_is_lost(&app, &before, &after).await;
        nothing_is_early_or_twice(&app, &before, killed_at).await;
        app.no_effect_twice(&MAY_BE_REPEATED);
        everybody_who_left_is_gone(&app).await;
        app.end().await;
    })
    .await;
}

/// What waited for somebody when the version changed: they come back from lunch.
async fn people_decide(app: &App) {
    for event in app.store.events(&parked()).await.expect("events") {
        // HR's words that the old version could not carry out are taken up again by this one.
        app.store.retry_event(event.id, "os:test").await.expect("takes it up again");
    }
    events::dispatch_read(&app.engine).await.expect("dispatches");
    // HR said too late that they stay. The first version only dropped that word, so nothing proposes it.
    let stays = app.run_of("departure", "1017").await;
    app.engine.undo(stays, "they stay", "os:test", false).await.expect("takes it back");
    for event in app.store.events(&parked()).await.expect("events") {
        app.store.settle_event(event.id, EventState::Resolved, "dealt with", "os:test").await.expect("settles");
    }
    let (lifted, _) = app.store.unfreeze(Some("mailhost"), None, "os:test").await.expect("lifts the freeze");
    assert_eq!(lifted, 1, "the freeze was on");
    let paused = app.runs_that_are(RunState::Paused).await;
    assert_eq!(paused.len(), 1, "paused runs");
    for run in paused {
        app.engine.resume(run, "settled", "os:test").await.expect("resumes");
    }
}

fn parked() -> EventFilter {
    EventFilter { state: Some(EventState::Parked), limit: Some(10_000), ..EventFilter::default() }
}

async fn nothing_is_lost(app: &App, before: &Tables, after: &Tables) {
    for (id, (workflow, state, seq, _)) in &before.runs {
        let (still, _, now, _) = after.runs.get(id).unwrap_or_else(|| panic!("run_{id} is lost"));
        assert_eq!((still, now >= seq), (workflow, true), "run_{id}");
        let book = app.book(*id).await;
        let open = book.steps.iter().filter(|step| !step.state.is_final());
        let open: Vec<String> = open.map(|step| format!("{}: {:?}", step.label(), step.state)).collect();
        assert!(book.run.state.is_over(), "run_{id} ({workflow}, was {state}) has not ended: {open:#?}");
    }
    let lost: Vec<&i64> = before.steps.keys().filter(|id| !after.steps.contains_key(id)).collect();
    assert!(lost.is_empty(), "steps are lost: {lost:?}");
    let open: Vec<_> = after.events.iter().filter(|(_, (_, state))| state == "accepted" || state == "parked").collect();
    assert!(open.is_empty(), "HR's words that nobody has dealt with: {open:?}");
    assert!(before.events.keys().all(|id| after.events.contains_key(id)), "HR's words are lost");
}

async fn nothing_is_early_or_twice(app: &App, before: &Tables, killed_at: Timestamp) {
    for id in before.runs.keys() {
        for step in &app.book(*id).await.steps {
            let label = step.label();
            let StepState::Done { at, .. } = &step.state else { continue };
            let due = step.at.as_ref().map(|local| local.at);
            assert!(due.is_none_or(|due| due <= *at), "run_{id} {label} was done at {at}, due at {due:?}");
            let key = id * STEPS_PER_RUN + i64::from(step.ordinal);
            let Some(was) = before.steps.get(&key) else { continue };
            let done_before = was.state == "done";
            assert_eq!(done_before, *at <= killed_at, "run_{id} {label} was {} and was done at {at}", was.state);
            if done_before {
                assert_eq!(step.attempts, was.fence, "run_{id} {label} was done, and tried again");
            }
        }
    }
}

/// Whom HR's last word lets go has no account left but those that are kept by hand.
async fn everybody_who_left_is_gone(app: &App) {
    let mut ends: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for run in app.store.runs(&RunFilter { limit: Some(10_000), ..RunFilter::default() }).await.expect("runs") {
        if run.workflow == "departure" {
            let person = run.subject.clone();
            ends.entry(person).or_default().insert(run.state.as_str());
        }
    }
    let ended: BTreeMap<&str, Vec<&str>> =
        ends.iter().map(|(person, states)| (person.as_str(), states.iter().copied().collect())).collect();
    let expected: BTreeMap<&str, Vec<&str>> = LEAVERS.iter().map(|(person, ends)| (*person, vec![*ends])).collect();
    assert_eq!(ended, expected);
    for (person, end) in LEAVERS {
        let left = app.accounts_left(person).await;
        assert_eq!(left.is_empty(), end == "completed", "{person} still has {left:?}");
    }
}

/// Who had a departure, and how it ends.
const LEAVERS: [(&str, &str); 12] = [
    ("1005", "completed"),
    ("1006", "completed"),
    ("1007", "completed"),
    ("1008", "completed"),
    ("1009", "completed"),
    ("1011", "completed"),
    ("1013", "completed"),
    ("1014", "completed"),
    ("1015", "cancelled"),
    ("1016", "completed"),
    // HR said too late that they stay: it was taken back.
    ("1017", "cancelled"),
    ("1022", "completed"),
];

impl App {
    async fn steps_in(&self, state: &str) -> i64 {
        self.number(&format!("SELECT COUNT(*) FROM steps WHERE state = '{state}'")).await
    }

    async fn runs_that_are(&self, state: RunState) -> Vec<i64> {
        let runs = self.store.runs(&RunFilter { limit: Some(10_000), ..RunFilter::default() }).await.expect("runs");
        let of = runs.iter().filter(|run| run.state == state);
        of.map(|run| parse_public_id(&run.id).expect("an id")).collect()
    }

    /// The accounts that somebody still has, besides the door badge, which is kept by hand.
    async fn accounts_left(&self, person: &str) -> Vec<String> {
        let mut conn = self.home.connect().await;
        let known = "SELECT a.system, a.external_id FROM accounts a JOIN people p ON p.id = a.person_id
             WHERE p.employee_number = $1 AND a.system <> 'badges' ORDER BY a.id";
        let rows = sqlx::query(known).bind(person).fetch_all(&mut conn).await.expect("reads");
        assert!(!rows.is_empty(), "{person} never had an account");
        let known = rows.iter().map(|row| (row.get::<String, _>(0), row.get::<String, _>(1)));
        known
            .filter(|(system, id)| self.account(system, id).is_some())
            .map(|(system, id)| format!("{system}:{id}"))
            .collect()
    }
}

on_both! { live_runs_are_carried_to_their_end }
