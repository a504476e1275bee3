//! One story with everything in it, played by daemons that may die at any call: somebody joins, somebody moves, two
//! leave and are purged, a departure is taken back, somebody is away for a week, and people give orders.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use usher::connectors::sandbox::Snapshot;
use usher::daemon;
use usher::engine::Engine;
use usher::faults::Faults;
use usher::intake::feed::{self, Taking};
use usher::intake::people::{Mapping, read_people};
use usher::run::book::parse_public_id;
use usher::run::settle::Outcome;
use usher::store::{Completion, Dialect, MarkPlace, RunFilter, StoreError};

use super::orders::{FILES, HEADING, ORDERS, Order, Trouble, answer, give};
use super::stage;
use crate::database::Db;
use crate::harness::{App, LEASE, turn_of, zurich};

const UNTIL: &str = "2027-10-10T12:00";

/// Rounds after which a story that does not end is stuck.
const MOST: usize = 2000;

/// Who holds the daemon's leases.
const OWNER: &str = "test";

/// What a story left behind.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) world: Snapshot,
    /// `departure 1002 completed: delete@mailhost done, …`
    pub(super) runs: BTreeSet<String>,
    /// What steps have sent, by kind of mail, its state, and the step: `notice sent tell-manager-on 3`. What is told
    /// about troubles depends on the troubles.
    pub(super) mails: BTreeSet<String>,
    /// Orders that were refused.
    pub(super) refused: Vec<String>,
}

/// What happens to claims or outcomes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stumble {
    /// Claims are lost with the hands that had them: they lapse.
    Forgets,
    /// The answer to the turn that made them is lost: they are given back.
    Unsure,
    /// Outcomes are recorded by a turn that claims nothing.
    Drains,
}

/// Where the story has got to, outside of the daemons.
#[derive(Default)]
struct Story {
    accepted: usize,
    ordered: usize,
    refused: Vec<String>,
    /// Outcomes that no commit has been heard of: a daemon that lives keeps them.
    outcomes: Vec<Completion>,
    /// The last turn failed: it may have claimed what nobody was handed.
    unsure: bool,
    /// What still goes wrong by itself, so that the way back is passed in the undisturbed story too.
    stumbles: Vec<Stumble>,
}

/// Plays the story on a record of its own. Each of the faults happens to a daemon once; where it ends its process,
/// another one is started.
pub(super) async fn play(db: Db, faults: &Arc<Faults>) -> Ending {
    let app = App::of(db, &stage::company()).await;
    let mut story = Story::default();
    loop {
        let daemon = stage::daemon(&app, faults).await;
        let ended = tokio::select! {
            biased;
            () = faults.crash() => false,
            () = live(&app, &daemon, &mut story) => true,
        };
        daemon.store().close().await;
        if ended {
            break;
        }
        // What the process knew is gone with it.
        (story.outcomes, story.unsure) = (Vec::new(), false);
    }
    let ending = ending(&app, story.refused).await;
    app.end().await;
    ending
}

/// A daemon's life: each thing that fails is tried again, as the real loops do.
async fn live(app: &App, daemon: &Engine, story: &mut Story) {
    let store = daemon.store();
    let mark = match store.dialect() {
        Dialect::Sqlite => MarkPlace::Beside(app.folder.path().join("usher.db")),
        Dialect::Postgres => MarkPlace::In(app.folder.path().to_owned()),
    };
    while store.keep_mark(&mark).await.is_err() {}
    // Nobody else works on this record: every lease in it is an abandoned one.
    while store.recover(true).await.is_err() {}
    while store.watch().await.is_err() {}
    for _ in 0..MOST {
        if !step(app, daemon, story).await.unwrap_or(true) {
            return;
        }
    }
    panic!("the story does not end: {:#?}", ending(app, Vec::new()).await);
}

/// One round of everything that a daemon and the people around it do; false when nothing is left to come.
async fn step(app: &App, daemon: &Engine, story: &mut Story) -> Result<bool, StoreError> {
    let store = daemon.store();
    told(app, daemon, story).await;
    let failures = daemon::round(daemon).await;
    store.glance().await?;
    store.show_life().await?;
    daemon.keep_inventory().await?;
    daemon.deliver_due().await?;
    if turn(daemon, story).await? || !failures.is_empty() || answer(daemon).await? || ordered(app, daemon, story).await
    {
        return Ok(true);
    }
    // An event that could not be dealt with is taken up again by the next round.
    if !store.open_events().await?.is_empty() {
        return Ok(true);
    }
    let due = store.next_due().await?;
    // What the claimer sleeps by says the same.
    assert_eq!(store.until_due().await?.is_some(), due.is_some());
    if store.in_flight().await? > 0 {
        // Claims whose commit nobody has heard of: they lapse.
        app.clock.set(app.now() + SignedDuration::try_from(LEASE).expect("fits") + SignedDuration::from_secs(1));
        store.recover(false).await?;
        return Ok(true);
    }
    let file = FILES.get(story.accepted).map(|(at, _)| zurich(at));
    let order = ORDERS.get(story.ordered).map(|(at, _)| zurich(at));
    let next = due.into_iter().chain(file).chain(order).chain(held_until(app)).min();
    match next.filter(|next| *next <= zurich(UNTIL)) {
        Some(next) => app.clock.set(next.max(app.now() + SignedDuration::from_millis(1))),
        None => return Ok(false),
    }
    Ok(true)
}

/// Legal holds end at no step's time: somebody looks the day after.
fn held_until(app: &App) -> Option<Timestamp> {
    Some(zurich("2027-08-31T12:00")).filter(|end| app.now() < *end)
}

/// HR's next file, sent until it is accepted.
async fn told(app: &App, daemon: &Engine, story: &mut Story) {
    while let Some((_, rows)) = FILES.get(story.accepted).filter(|(at, _)| zurich(at) <= app.now()) {
        let people = read_people(format!("{HEADING}{rows}").as_bytes(), &Mapping::default()).expect("a right file");
        // Somebody begins, and stops in the middle.
        let some = Taking { source: "csv", actor: "os:nils", go_on: &|| false, piece: Some(1) };
        if feed::take(daemon, &people, &some, |_| {}).await.is_err() {
            continue;
        }
        if feed::take_in(daemon, &people, "csv", |_| {}).await.is_ok() {
            story.accepted += 1;
        }
    }
}

/// The next order, given until it is answered.
async fn ordered(app: &App, daemon: &Engine, story: &mut Story) -> bool {
    let Some((_, order)) = ORDERS.get(story.ordered).filter(|(at, _)| zurich(at) <= app.now()) else { return false };
    match give(*order, app, daemon).await {
        Ok(()) => {
            if let Order::Stumble = order {
                story.stumbles = vec![Stumble::Drains, Stumble::Unsure, Stumble::Forgets];
            }
            story.ordered += 1;
        }
        Err(Trouble::Unsure) => {}
        Err(Trouble::Refused(why)) => {
            story.refused.push(format!("{order:?}: {why}"));
            story.ordered += 1;
        }
    }
    true
}

/// One turn with the outcomes of the last one, as the claimer takes it; true where there was anything to do.
async fn turn(daemon: &Engine, story: &mut Story) -> Result<bool, StoreError> {
    let store = daemon.store();
    let mine = |one: &Completion| (one.run, one.ordinal, one.fence);
    let held: Vec<(i64, u16, i64)> = story.outcomes.iter().map(mine).collect();
    if story.unsure {
        let forgotten = store.leases_of(OWNER).await?.into_iter().filter(|lease| !held.contains(lease));
        let returned =
            |(run, ordinal, fence)| Completion { run, ordinal, fence, outcome: Outcome::Returned, seen: None };
        story.outcomes.extend(forgotten.map(returned));
        story.unsure = false;
    }
    let busy = !story.outcomes.is_empty();
    if busy {
        store.renew(&held, LEASE).await?;
    }
    story.unsure = true;
    let permits = if busy && story.stumbles.pop_if(|next| *next == Stumble::Drains).is_some() { 0 } else { 8 };
    let report = turn_of(store, OWNER, &daemon.system_names(), story.outcomes.clone(), permits).await?;
    story.unsure = false;
    story.outcomes.clear();
    if !report.claims.is_empty()
        && let Some(stumble) = story.stumbles.pop_if(|next| *next != Stumble::Drains)
    {
        story.unsure = stumble == Stumble::Unsure;
        return Ok(true);
    }
    for claim in &report.claims {
        let (outcome, seen) = daemon.execute(claim, || true).await;
        let (run, ordinal, fence) = (claim.run, claim.ordinal, claim.fence);
        story.outcomes.push(Completion { run, ordinal, fence, outcome, seen });
    }
    Ok(busy || report.settled > 0 || !report.claims.is_empty())
}

async fn ending(app: &App, refused: Vec<String>) -> Ending {
    let mut runs = BTreeSet::new();
    for row in app.store.runs(&RunFilter::default()).await.expect("runs") {
        let book = app.book(parse_public_id(&row.id).expect("an id")).await;
        // A step that was done once more because a cut came late is no other end.
        let steps = book.steps.iter().filter(|step| !step.name.ends_with(".again"));
        // What is taken back is taken back latest first: in which order depends on when it was done.
        let steps: BTreeSet<String> = steps.map(|step| format!("{} {}", step.label(), step.state.as_str())).collect();
        runs.insert(format!(
            "{} {} {}: {}",
            row.workflow,
            row.subject,
            row.state.as_str(),
            Vec::from_iter(steps).join(", ")
        ));
    }
    let world = app.company.snapshot().expect("looks");
    Ending { world, runs, mails: mails(app).await, refused }
}

async fn mails(app: &App) -> BTreeSet<String> {
    let text = "SELECT m.kind || ' ' || m.state || ' ' || s.name || ' ' || CAST(COUNT(*) AS TEXT) FROM mails m
                JOIN (SELECT id, name FROM steps UNION ALL SELECT id, name FROM archived_steps) s ON s.id = m.run_id * 1024 + m.step GROUP BY m.kind, m.state, s.name";
    let mut conn = app.home.connect().await;
    sqlx::query_scalar(text).fetch_all(&mut conn).await.expect("reads").into_iter().collect()
}
