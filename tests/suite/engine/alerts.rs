//! What goes wrong is told: what is urgent at once, to people by mail and to a program by the webhook.

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
use usher::store::StoreError;
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
    watched_on(app, systems_of(&app.company), mail, hook)
}

fn watched_on(app: &App, systems: BTreeMap<String, Connector>, mail: bool, hook: Option<Webhook>) -> Engine {
    let mut library: BTreeMap<String, Arc<Workflow>> = Library::shipped().workflows;
    for (name, system) in [("cuts", "mailhost"), ("badge", "badges")] {
        let text = CUTS.replace("NAME", name).replace("SYSTEM", system);
        let (workflow, _) = usher::workflow::parse(name, &text).unwrap_or_else(|why| panic!("{why:?}"));
        library.insert(workflow.name.clone(), Arc::new(workflow));
    }
    let from = "usher <usher@alpine-instruments.example>";
    let settings = MailSettings { administrators: vec![ADMIN.to_owned()], ..MailSettings::of(Means::Memory, from) };
    let fittings = Fittings {
        mail: mail.then(|| MailRoom::open(settings).0),
        webhook: hook,
        silent_after: Some(Duration::from_secs(3 * 24 * 3600)),
        ..Fittings::default()
    };
    Engine::with(app.store.clone(), systems, library, "Europe/Zurich", Holidays::default(), fittings)
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
        later(app, &engine, 1).await;
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
        assert_eq!(app.number("SELECT COUNT(*) FROM waits WHERE cause LIKE 'silent:%'").await, 0);
    };

    a_system_that_cannot_be_read_is_told, async |app: &App| {
        let ledger = app.folder.path().join("other.jsonl");
        let company = SandboxCompany::from_text(shipped::COMPANY, &ledger).unwrap();
        let engine = watched_on(app, systems_of(&company), true, None);
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

    the_webhook_tells_what_mail_tells_signed_and_under_one_id, async |app: &App| {
        app.staffed().await;
        let receiver = Receiver::start().await;
        let engine = watched(app, false, Some(webhook(app, &receiver)));
        engine.work_off(8).await.unwrap();
        app.misbehave(&Knobs { error_rate: 1.0, ..Knobs::default() });
        let run = start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        // Refused, not answered, sent elsewhere: tried again each time, under the same id, signed anew.
        for answer in [Answer::Status(500), Answer::Hang, Answer::Redirect] {
            receiver.answer_next(answer);
        }
        later(app, &engine, 300).await;
        for minutes in [2, 3, 5, 9] {
            later(app, &engine, minutes * 60).await;
        }
        let got = receiver.received();
        assert_eq!(got.len(), 4, "{got:#?}");
        assert_eq!(receiver.elsewhere(), 0, "redirects are not followed");
        assert!(got.iter().all(|it| it.genuine && it.id == got[0].id && it.body == got[0].body), "{got:#?}");
        assert!(got[0].id.starts_with("msg_") && !got[0].id.contains('.') && got[0].agent.starts_with("usher/"), "{got:#?}");
        assert!(got.windows(2).all(|pair| pair[0].seconds < pair[1].seconds), "each attempt has its own time: {got:#?}");
        let body = &got[0].body;
        assert_eq!(body["type"], "alert.opened");
        assert_eq!(body["data"]["kind"], "cut_overdue");
        assert_eq!((&body["data"]["step"], &body["data"]["run"]), (&"disable@mailhost".into(), &format!("run_{run}").into()));
        assert_eq!(body["data"]["urgent"], true);
        assert!(!body.to_string().contains("Ada") && !body.to_string().contains("Keller"), "no names: {body}");
        // The end is told under the same alert, with an id of its own.
        app.misbehave(&Knobs::default());
        later(app, &engine, 3600).await;
        later(app, &engine, 600).await;
        let got = receiver.received();
        assert_eq!(got.len(), 5, "{got:#?}");
        assert_eq!((&got[4].body["type"], &got[4].body["data"]["alert"]), (&"alert.closed".into(), &body["data"]["alert"]));
        assert_ne!(got[4].id, got[0].id);
        let sent = app.number("SELECT COUNT(*) FROM mails WHERE carrier = 'webhook' AND state = 'sent' AND body IS NULL").await;
        assert_eq!(sent, 2);
    };

    a_record_that_cannot_be_written_is_told_past_the_outbox_once, async |app: &App| {
        let receiver = Receiver::start().await;
        let engine = watched(app, true, Some(webhook(app, &receiver)));
        let (mut outage, full) = (Outage::default(), StoreError::Refused("database or disk is full".into()));
        receiver.answer_next(Answer::Status(500));
        for steady in [0, 30_000, 59_999] {
            engine.watch_record(&mut outage, Some(&full), steady).await;
        }
        assert!(mails(&engine).is_empty() && receiver.received().is_empty(), "a restart of the database is no alarm");
        for steady in [60_000, 61_000, 119_999, 120_000, 180_000, 600_000] {
            engine.watch_record(&mut outage, Some(&full), steady).await;
        }
        let out = mails(&engine);
        assert_eq!((out.len(), subject(&out[0])), (1, "usher: urgent, 1 to look at now"));
        assert!(out[0].contains("the record cannot be written") && out[0].contains("database or disk is full"), "{}", out[0]);
        let got = receiver.received();
        assert_eq!(got.len(), 2, "refused once, and tried again a minute later: {got:#?}");
        assert!(got[0].id == got[1].id && got.iter().all(|it| it.genuine && it.body["data"]["kind"] == "record_unwritable"));
        assert_eq!(app.number("SELECT COUNT(*) FROM mails").await, 0, "nothing of it was in the outbox");
        // It is over: told through the outbox, under the same alert.
        engine.watch_record(&mut outage, None, 700_000).await;
        engine.watch_record(&mut outage, None, 701_000).await;
        engine.deliver_due().await.unwrap();
        let (out, got) = (mails(&engine), receiver.received());
        assert_eq!((out.len(), subject(&out[1])), (2, "usher: all clear for 1"));
        assert_eq!((got.len(), &got[2].body["type"]), (3, &"alert.closed".into()));
        assert_eq!(got[2].body["data"]["alert"], got[0].body["data"]["alert"]);
        // A short one is never told, and neither is its end.
        engine.watch_record(&mut outage, Some(&full), 800_000).await;
        engine.watch_record(&mut outage, None, 830_000).await;
        engine.deliver_due().await.unwrap();
        assert_eq!((mails(&engine).len(), receiver.received().len()), (2, 3));
    };

    a_receiver_that_is_gone_is_not_asked_again, async |app: &App| {
        app.staffed().await;
        let receiver = Receiver::start().await;
        let engine = watched(app, true, Some(webhook(app, &receiver)));
        engine.work_off(8).await.unwrap();
        app.misbehave(&Knobs { error_rate: 1.0, ..Knobs::default() });
        start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        receiver.answer_next(Answer::Status(410));
        later(app, &engine, 300).await;
        for _ in 0..5 {
            later(app, &engine, 3600).await;
        }
        assert_eq!(receiver.received().len(), 1);
        assert_eq!(mails(&engine).len(), 1, "mail goes its own way");
        let row = app.store.mails(Some("failed"), 10).await.unwrap().remove(0);
        assert_eq!(row.answer.as_deref(), Some("HTTP 410 Gone"));
        assert_eq!(row.to, format!("http://127.0.0.1:{}", receiver.port), "without its path, which may be a secret");
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
