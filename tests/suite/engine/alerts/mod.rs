//! What goes wrong is told: what is urgent at once, to people by mail and to a program by the webhook.

mod outside;
mod telling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use usher::connectors::Connector;
use usher::connectors::sandbox::{Knobs, SandboxCompany, shipped};
use usher::engine::library::Library;
use usher::engine::outage::Outage;
use usher::engine::{Engine, Fittings};
use usher::mail::{MailRoom, MailSettings, Means, Webhook, WebhookSettings};
use usher::run::Holidays;
use usher::run::guard::Freeze;
use usher::run::trip::TripKind;
use usher::secret::SecretRef;
use usher::store::{Store, StoreError, Told, Wait};
use usher::workflow::Workflow;

use crate::database::Db;
use crate::harness::{App, play_rough, request, systems_of};
use crate::receiver::{Answer, Receiver, SECRET};

const ADMIN: &str = "admin@alpine-instruments.example";

const CUTS: &str = "workflow: NAME\nfor: person\non: { manual: true }\nsteps:\n  - id: disable\n    action: account.disable\n    \
                    systems: SYSTEM\n    after: []\n";

fn webhook(app: &App, receiver: &Receiver) -> Webhook {
    let file = app.folder.path().join("webhook-secret");
    std::fs::write(&file, SECRET).unwrap();
    let timeout = Duration::from_secs(1);
    Webhook::open(WebhookSettings { url: receiver.url(), secret: SecretRef::File(file), ca: None, timeout })
}

fn watched(app: &App, mail: bool, hook: Option<Webhook>) -> Engine {
    let administrators: &[&str] = if mail { &[ADMIN] } else { &[] };
    watched_on(&app.store, systems_of(&app.company), administrators, hook)
}

/// Without administrators there is no mail.
fn watched_on(
    store: &Store,
    systems: BTreeMap<String, Connector>,
    administrators: &[&str],
    hook: Option<Webhook>,
) -> Engine {
    let mut library: BTreeMap<String, Arc<Workflow>> = Library::shipped().workflows;
    for (name, text) in [("cuts", CUTS.replace("SYSTEM", "mailhost")), ("badge", CUTS.replace("SYSTEM", "badges"))] {
        let text = text.replace("NAME", name);
        let (workflow, _) = usher::workflow::parse(name, &text).unwrap_or_else(|why| panic!("{why:?}"));
        library.insert(workflow.name.clone(), Arc::new(workflow));
    }
    let from = "usher <usher@alpine-instruments.example>";
    let administrators: Vec<String> = administrators.iter().map(|to| (*to).to_owned()).collect();
    let mail = !administrators.is_empty();
    let settings = MailSettings { administrators, ..MailSettings::of(Means::Memory, from) };
    let fittings = Fittings {
        mail: mail.then(|| MailRoom::open(settings).0),
        webhook: hook,
        silent_after: Some(Duration::from_secs(3 * 24 * 3600)),
        ..Fittings::default()
    };
    Engine::with(store.clone(), systems, library, "Europe/Zurich", Holidays::default(), fittings)
}

fn kept(engine: &Engine) -> Vec<String> {
    let kept = engine.mail().unwrap().transport().kept();
    kept.into_iter().map(|mail| mail.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")).collect()
}

/// Those about what has gone wrong.
fn mails(engine: &Engine) -> Vec<String> {
    kept(engine).into_iter().filter(|mail| subject(mail).starts_with("usher:")).collect()
}

fn subject(mail: &str) -> &str {
    mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_else(|| panic!("{mail}"))
}

async fn later(app: &App, engine: &Engine, seconds: i64) {
    app.clock.set(app.now() + SignedDuration::from_secs(seconds));
    engine.work_off(8).await.expect("works it off");
}

async fn start(engine: &Engine, workflow: &str, person: &str) -> i64 {
    engine.start(request(workflow, person, &[])).await.unwrap_or_else(|why| panic!("{why}")).id()
}

both! {
    an_access_cut_is_told_five_minutes_after_its_time_and_not_before, async |app: &App| {
        app.staffed().await;
        let engine = watched(app, true, None);
        engine.work_off(8).await.unwrap();
        app.misbehave(&Knobs { error_rate: 1.0, ..Knobs::default() });
        let run = start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        for _ in 0..4 {
            later(app, &engine, 60).await;
        }
        later(app, &engine, 59).await;
        assert!(mails(&engine).is_empty(), "four minutes and 59 seconds: {:#?}", mails(&engine));
        assert_eq!(app.store.late_cuts().await.unwrap(), 0);
        let soon = app.store.until_late_cut().await.unwrap();
        assert_eq!(soon, Some(Duration::from_secs(1)), "a daemon in which nothing happens looks again by then");
        later(app, &engine, 1).await;
        assert_eq!(app.store.until_late_cut().await.unwrap(), None, "what is late is no news any more");
        let out = mails(&engine);
        assert_eq!(out.len(), 1, "at once, without being gathered");
        assert_eq!(subject(&out[0]), "usher: urgent, 1 to look at now");
        assert!(out[0].contains(&format!("disable@mailhost of run_{run}")) && out[0].contains("overdue since"), "{}", out[0]);
        assert!(out[0].contains(&format!("usher run show run_{run}")), "{}", out[0]);
        // The other is a badge that somebody is to take back: whose task that is, is told so.
        assert_eq!(app.store.late_cuts().await.unwrap(), 2);
        // It is tried on, and told once.
        for _ in 0..3 {
            later(app, &engine, 300).await;
        }
        let naming = || {
            let step = format!("disable@mailhost of run_{run}");
            mails(&engine).into_iter().filter(|mail| mail.contains(&step)).collect::<Vec<_>>()
        };
        assert_eq!(naming().len(), 1, "{:#?}", naming());
        // Done: an all-clear that names it, ten minutes later.
        app.misbehave(&Knobs::default());
        later(app, &engine, 600).await;
        assert_eq!(app.state(run, "disable@mailhost").await.as_str(), "done");
        later(app, &engine, 600).await;
        let out = naming();
        assert_eq!(out.len(), 2, "{out:#?}");
        assert!(out[1].contains("Over\n"), "{}", out[1]);
    };

    a_cut_that_a_freeze_holds_is_told_as_overdue_and_only_once, async |app: &App| {
        app.staffed().await;
        let engine = watched(app, true, None);
        engine.work_off(8).await.unwrap();
        let freeze = Freeze { system: None, workflow: None, all: true, reason: "an upgrade".into() };
        app.store.freeze(&freeze, "os:test").await.unwrap();
        start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        later(app, &engine, 300).await;
        let out = mails(&engine);
        assert_eq!((out.len(), subject(&out[0])), (1, "usher: urgent, 1 to look at now"));
        assert!(out[0].contains("held") && out[0].contains("an upgrade"), "{}", out[0]);
        later(app, &engine, 700).await;
        assert_eq!(mails(&engine).len(), 1, "one step is one alert");
    };

    a_cut_that_a_person_must_do_is_told_within_five_minutes, async |app: &App| {
        app.staffed().await;
        let engine = watched(app, true, None);
        engine.work_off(8).await.unwrap();
        later(app, &engine, 600).await;
        let before = kept(&engine).len();
        let run = start(&engine, "badge", "1005").await;
        engine.work_off(8).await.unwrap();
        assert_eq!(app.state(run, "disable@badges").await.as_str(), "awaiting_person");
        later(app, &engine, 299).await;
        assert_eq!(kept(&engine).len(), before);
        later(app, &engine, 1).await;
        let out = kept(&engine);
        assert_eq!(out.len(), before + 1, "{out:#?}");
        assert!(out[before].contains(&format!("usher task done run_{run} disable@badges")), "{}", out[before]);
        later(app, &engine, 600).await;
        assert_eq!(kept(&engine).len(), before + 1, "a task, told once");
        engine.task_done(run, "disable@badges", &Default::default(), None, "os:nils").await.unwrap();
        engine.remind().await.unwrap();
        let left = format!("SELECT COUNT(*) FROM waits WHERE cause LIKE 'step:%' AND about / 1024 = {run}");
        assert_eq!(app.number(&left).await, 0, "a task that is done needs no all-clear");
    };

    hr_that_says_nothing_is_told_per_source, async |app: &App| {
        let engine = watched(app, true, None);
        engine.work_off(8).await.unwrap();
        app.told(shipped::PEOPLE).await;
        later(app, &engine, 3 * 24 * 3600 - 1).await;
        assert!(app.store.silent_sources(Duration::from_secs(3 * 24 * 3600)).await.unwrap().is_empty());
        later(app, &engine, 1).await;
        later(app, &engine, 600).await;
        let out = mails(&engine);
        assert!(out.iter().any(|mail| mail.contains("HR's source csv since 2027-01-")), "{out:#?}");
        let before = out.len();
        app.told(shipped::PEOPLE).await;
        later(app, &engine, 1).await;
        later(app, &engine, 600).await;
        let out = mails(&engine);
        assert!(out[before..].iter().any(|mail| mail.contains("# Over") || mail.contains("Over\n")), "{out:#?}");
        let silent = async || app.number("SELECT COUNT(*) FROM waits WHERE cause LIKE 'silent:%' AND over_at IS NULL").await;
        assert_eq!(silent().await, 0);
        // Where nobody says how long is too long, nothing is.
        app.clock.set(app.now() + SignedDuration::from_hours(24 * 365));
        app.store.watch_waits(&Default::default()).await.unwrap();
        assert_eq!(silent().await, 0);
    };

    a_system_that_cannot_be_read_is_told, async |app: &App| {
        let ledger = app.folder.path().join("other.jsonl");
        let company = SandboxCompany::from_text(shipped::COMPANY, &ledger).unwrap();
        let engine = watched_on(&app.store, systems_of(&company), &[ADMIN], None);
        engine.sync("files").await.unwrap();
        let whole = std::fs::read(&ledger).unwrap();
        std::fs::write(&ledger, [&whole[..], b"this is no entry\n"].concat()).unwrap();
        engine.sync("files").await.unwrap_err();
        later(app, &engine, 1).await;
        assert!(mails(&engine).is_empty(), "once is nothing yet");
        engine.sync("files").await.unwrap_err();
        later(app, &engine, 600).await;
        let out = mails(&engine);
        assert_eq!(out.len(), 1, "{out:#?}");
        assert!(out[0].contains("the accounts of files cannot be read") && out[0].contains("usher systems test files"));
        std::fs::write(&ledger, &whole).unwrap();
        engine.sync("files").await.unwrap();
        later(app, &engine, 1).await;
        later(app, &engine, 600).await;
        assert_eq!(subject(&mails(&engine)[1]), "usher: all clear for 1");
    };

    what_a_person_has_paused_waits_for_that_person, async |app: &App| {
        app.staffed().await;
        let engine = watched(app, true, None);
        engine.work_off(8).await.unwrap();
        let freeze = Freeze { system: None, workflow: None, all: true, reason: "an upgrade".into() };
        app.store.freeze(&freeze, "os:test").await.unwrap();
        let run = start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        let told = async || {
            engine.remind().await.unwrap();
            let open = engine.open_alerts().await.unwrap();
            open.into_iter().filter(|alert| alert.what.contains(&format!("run_{run} "))).map(|alert| alert.kind).collect::<Vec<_>>()
        };
        assert_eq!(told().await, ["step_held"]);
        engine.pause(run, "I look at it myself", "os:nils").await.unwrap();
        assert_eq!(told().await, [""; 0]);
        engine.resume(run, "looked at", "os:nils").await.unwrap();
        assert_eq!(told().await, ["step_held"]);
        app.clock.set(app.now() + SignedDuration::from_secs(300));
        engine.pause(run, "and again", "os:nils").await.unwrap();
        assert_eq!(told().await, ["cut_overdue"], "the access is open, whoever wanted it so");
    };

    a_guard_that_trips_is_told_at_once_and_once_for_all_that_it_holds, async |app: &App| {
        app.staffed().await;
        let engine = watched(app, true, None);
        let (trip, _) = app.store.trip(TripKind::Clock, None, "the clock jumped ahead by 3 h").await.unwrap();
        later(app, &engine, 0).await;
        let out = mails(&engine);
        assert_eq!((out.len(), subject(&out[0])), (1, "usher: urgent, 1 to look at now"));
        assert!(out[0].contains("the clock jumped ahead by 3 h") && out[0].contains(&format!("usher guard release {}", trip.public_id())));
        assert_eq!(engine.open_alerts().await.unwrap()[0].kind, "guard_tripped");
    };
}

/// Steps are put under guards behind the store's back: the end is not looked at.
async fn what_a_trip_holds_is_told_by_the_trip(app: &App) {
    app.staffed().await;
    let engine = watched(app, true, None);
    let (trip, _) = app.store.trip(TripKind::Clock, None, "the clock jumped ahead by 3 h").await.unwrap();
    let held = "UPDATE steps SET state = 'held', due_at = NULL, data = '{\"guard\":\"guard\",\"detail\":{\"name\":\"clock\",\"detail\":\"TRIP: x\"}}' \
                WHERE id IN (SELECT MAX(id) FROM steps WHERE state = 'waiting')";
    let by_another = held.replace("TRIP", "trip_77");
    assert_eq!(app.sql(&held.replace("TRIP", &trip.public_id())).await.unwrap(), 1);
    engine.remind().await.unwrap();
    assert_eq!(app.number("SELECT COUNT(*) FROM waits WHERE kind = 'alert' AND cause LIKE 'step:%'").await, 0);
    assert_eq!(app.sql(&by_another).await.unwrap(), 1);
    engine.remind().await.unwrap();
    assert_eq!(app.number("SELECT COUNT(*) FROM waits WHERE kind = 'alert' AND cause LIKE 'step:%'").await, 1);
}

#[tokio::test]
async fn what_a_trip_holds_is_told_by_the_trip_on_sqlite() {
    play_rough(Db::Sqlite, what_a_trip_holds_is_told_by_the_trip).await;
}

#[tokio::test]
async fn what_a_trip_holds_is_told_by_the_trip_on_postgres() {
    play_rough(Db::Postgres, what_a_trip_holds_is_told_by_the_trip).await;
}
