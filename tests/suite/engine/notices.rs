//! Mail that leaves the house: notices, credentials, reminders, alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use usher::connectors::sandbox::{Knobs, shipped};
use usher::engine::library::Library;
use usher::engine::trigger::TriggerError;
use usher::engine::{Engine, Fittings};
use usher::mail::{MailRoom, MailSettings, Means, SmtpSettings, SmtpTls};
use usher::run::{Evidence, EvidenceKind, Holidays, PersonStatus, RunState, SkipReason, StepState};
use usher::secret::Secret;
use usher::store::{Carrier, StoreError};
use usher::workflow::Workflow;

use crate::harness::{App, request, systems_of, zurich};

const SOREN: &str = "soren.ostergaard@alpine-instruments.example";
const ADMIN: &str = "admin@alpine-instruments.example";

fn settings(means: Means) -> MailSettings {
    let from = "usher <usher@alpine-instruments.example>";
    MailSettings { administrators: vec![ADMIN.to_owned()], ..MailSettings::of(means, from) }
}

/// The story's engine with a mail room, and workflows of its own besides the shipped ones.
fn posting(app: &App, settings: MailSettings, own: &[(&str, &str)]) -> Engine {
    let mut library: BTreeMap<String, Arc<Workflow>> = Library::shipped().workflows;
    for (name, text) in own {
        let (workflow, _) = usher::workflow::parse(name, text).unwrap_or_else(|why| panic!("{why:?}"));
        library.insert(workflow.name.clone(), Arc::new(workflow));
    }
    let (room, mistakes) = MailRoom::open(settings);
    assert!(mistakes.is_empty());
    let (store, systems) = (app.store.clone(), systems_of(&app.company));
    let fittings = Fittings { mail: Some(room), ..Fittings::default() };
    Engine::with(store, systems, library, "Europe/Zurich", Holidays::default(), fittings)
}

fn in_memory(app: &App, own: &[(&str, &str)]) -> Engine {
    posting(app, settings(Means::Memory), own)
}

/// The mails as they went out, quoted-printable undone as far as the tests look.
fn mails(engine: &Engine) -> Vec<String> {
    let kept = engine.mail().unwrap().transport().kept();
    kept.into_iter().map(|mail| mail.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")).collect()
}

/// Those about what has stopped.
fn alerts(engine: &Engine) -> Vec<String> {
    mails(engine).into_iter().filter(|mail| subject(mail).starts_with("usher:")).collect()
}

fn subject(mail: &str) -> &str {
    mail.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_else(|| panic!("{mail}"))
}

fn to(mail: &str) -> &str {
    mail.lines().find_map(|line| line.strip_prefix("To: ")).unwrap_or_else(|| panic!("{mail}"))
}

async fn start(engine: &Engine, workflow: &str, person: &str) -> i64 {
    engine.start(request(workflow, person, &[])).await.unwrap_or_else(|why| panic!("{why}")).id()
}

async fn at(app: &App, engine: &Engine, local: &str) {
    app.clock.set(zurich(local));
    engine.work_off(8).await.expect("works it off");
}

async fn later(app: &App, engine: &Engine, minutes: i64) {
    app.clock.set(app.now() + SignedDuration::from_mins(minutes));
    engine.work_off(8).await.expect("works it off");
}

fn evidence(state: StepState) -> Evidence {
    match state {
        StepState::Done { evidence, .. } => evidence,
        other => panic!("{other:?}"),
    }
}

const TELL: &str = "workflow: tell\nfor: person\non: { manual: true }\nsteps:\n  - id: tell\n    action: notify.email\n    \
                    with: { to: [administrators, \"{{ person.manager }}\", \"admin@Alpine-Instruments.example\"], \
                    subject: \"About {{ person.display_name }}\", message: \"Hello.\\n\\n- one\\n- two <b>\" }\n";

fn send(method: &str) -> String {
    format!(
        "workflow: send\nfor: person\non: {{ manual: true }}\nsteps:\n  - id: send\n    action: credentials.send\n    \
         systems: directory\n    with: {{ method: {method} }}\n"
    )
}

fn smtp(port: u16) -> Means {
    Means::Smtp(SmtpSettings {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::None,
        login: None,
        ca: None,
        timeout: Duration::from_secs(5),
    })
}

both! {
    the_manager_is_told_before_on_and_after_the_last_day, async |app: &App| {
        let engine = in_memory(app, &[]);
        app.told(shipped::PEOPLE).await;
        usher::intake::events::dispatch(&engine).await.unwrap();
        let run = app.run_of("departure", "1005").await;
        // A second before its time nothing goes out.
        at(app, &engine, "2027-01-22T08:59:59").await;
        assert!(mails(&engine).iter().all(|mail| !mail.contains("Ada Keller")), "{:#?}", mails(&engine));
        at(app, &engine, "2027-01-22T09:00").await;
        at(app, &engine, "2027-01-29T09:00").await;
        at(app, &engine, "2027-01-29T18:00").await;
        at(app, &engine, "2027-02-05T14:00").await;
        let about_ada: Vec<String> = mails(&engine).into_iter().filter(|mail| subject(mail).contains("Ada Keller")).collect();
        let subjects: Vec<&str> = about_ada.iter().map(|mail| subject(mail)).collect();
        assert_eq!(
            subjects,
            ["Ada Keller leaves on Friday 29 January 2027", "Today is the last day of Ada Keller", "What Ada Keller has left to you"]
        );
        assert!(about_ada.iter().all(|mail| to(mail).contains(SOREN)), "{about_ada:#?}");
        let Evidence { kind, detail } = evidence(app.state(run, "tell-manager-on").await);
        assert_eq!(kind, EvidenceKind::Acknowledged);
        assert!(detail.starts_with("accepted by memory, Message-ID <") && detail.ends_with("@alpine-instruments.example>"), "{detail}");
    };

    without_mail_notices_are_left_out_and_a_run_of_nothing_else_is_refused, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        let StepState::Skipped { reason, .. } = app.state(run, "tell-manager-before").await else { panic!("left out") };
        assert_eq!(reason, SkipReason::NotApplicable("no mail server is configured".into()));
        let refused = app.try_start("secure-your-account", "1006", &[]).await.unwrap_err();
        assert!(matches!(&refused, TriggerError::NothingToDo(why) if why[0].starts_with("tell would be left out, no mail")), "{refused}");
        // An account without credentials is no courtesy: it is held, and says why.
        let own = send("setup_link");
        let engine = app.restarted(app.systems(), &[("send", &own)]).await;
        let run = start(&engine, "send", "1006").await;
        engine.work_off(4).await.unwrap();
        let StepState::Held { reason, .. } = app.state(run, "send@directory").await else { panic!("held") };
        assert!(format!("{reason:?}").contains("no mail server is configured"), "{reason:?}");
        engine.store().close().await;
    };

    each_address_gets_one_mail_and_a_retry_finds_it, async |app: &App| {
        app.staffed().await;
        let engine = in_memory(app, &[("tell", TELL)]);
        let run = start(&engine, "tell", "1005").await;
        engine.work_off(4).await.unwrap();
        let out = mails(&engine);
        assert_eq!(out.len(), 2, "{out:#?}");
        assert!(out.iter().all(|mail| subject(mail) == "About Ada Keller" && mail.contains("- two <b>") && mail.contains("<li>two &lt;b&gt;</li>")));
        let detail = evidence(app.state(run, "tell").await).detail;
        assert!(detail.starts_with("2 mails, the last accepted by memory"), "{detail}");
        // What is posted is posted: sending the same step's mails again finds them sent.
        assert!(engine.store().post_of_step(run, 0, &[]).await.unwrap().is_empty());
        assert_eq!(app.run_state(run).await, RunState::Completed);
        // Nothing of it lies in the record in plain, and the words are gone once they are out.
        assert_eq!(app.number("SELECT COUNT(*) FROM mails WHERE body IS NOT NULL").await, 0);
        for secret in ["soren", "About Ada", "admin@"] {
            let plain = format!("SELECT COUNT(*) FROM mails WHERE mail_key LIKE '%{secret}%' OR envelope LIKE '%{secret}%' OR answer LIKE '%{secret}%'");
            assert_eq!(app.number(&plain).await, 0, "{secret}");
        }
    };

    a_server_that_is_away_is_waited_for_and_a_refusal_is_a_failure, async |app: &App| {
        app.staffed().await;
        let server = crate::smtp::Server::start(crate::smtp::Behaviour::default()).await;
        server.answer_next("451 4.3.0 try later");
        let engine = posting(app, settings(smtp(server.port)), &[("tell", TELL)]);
        let run = start(&engine, "tell", "1005").await;
        engine.work_off(4).await.unwrap();
        let state = app.state(run, "tell").await;
        assert!(matches!(&state, StepState::Waiting { .. }), "{state:?}");
        let waiting = app.store.mails(Some("queued"), 10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        assert!(waiting[0].answer.as_ref().unwrap().contains("451"), "{waiting:#?}");
        later(app, &engine, 2).await;
        assert_eq!(app.state(run, "tell").await.as_str(), "done", "{:?}", app.state(run, "tell").await);
        assert!(evidence(app.state(run, "tell").await).detail.contains("accepted by 127.0.0.1: 250"));

        // Refused for good: the step fails, a person mends it and tries again.
        server.answer_next("550 5.1.1 no such user");
        let run = start(&engine, "tell", "1006").await;
        engine.work_off(4).await.unwrap();
        let StepState::Failed { reason, .. } = app.state(run, "tell").await else { panic!("failed") };
        assert!(reason.starts_with("1 of 2 mails refused: 127.0.0.1: ") && reason.contains("550"), "{reason}");
        engine.retry(run, "tell", "the mailbox is there now", "os:test").await.unwrap();
        engine.work_off(4).await.unwrap();
        assert_eq!(app.state(run, "tell").await.as_str(), "done");
        let received = server.received();
        let mut ids: Vec<&str> = received.iter().map(|mail| crate::smtp::message_id(mail)).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((received.len(), ids.len()), (4, 4), "every address once");
    };

    a_server_that_is_away_for_an_hour_and_then_knows_nobody_gets_each_mail_once, async |app: &App| {
        app.staffed().await;
        // A port that is free, and nobody behind it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let engine = posting(app, settings(smtp(port)), &[("tell", TELL)]);
        let run = start(&engine, "tell", "1005").await;
        let began = app.now();
        engine.work_off(4).await.unwrap();
        let mut tried = Vec::new();
        while app.now() < began + SignedDuration::from_hours(1) {
            later(app, &engine, 1).await;
            let waiting = app.store.mails(Some("queued"), 10).await.unwrap();
            tried.push(waiting.iter().map(|mail| mail.attempts).max().unwrap());
            let answer = waiting[0].answer.as_ref().unwrap();
            assert!(answer.contains("127.0.0.1"), "{answer}");
        }
        assert!((5..=8).contains(tried.last().unwrap()), "less and less often: {tried:?}");
        assert_eq!(app.state(run, "tell").await.as_str(), "waiting", "nobody is told that it failed");
        let server = crate::smtp::Server::start_on(port, crate::smtp::Behaviour::default()).await;
        // Back, it asks whoever it does not know to come again (greylisting).
        server.answer_next("450 4.7.1 Greylisted, come back later");
        for _ in 0..130 {
            later(app, &engine, 1).await;
        }
        assert_eq!(app.state(run, "tell").await.as_str(), "done", "{:?}", app.state(run, "tell").await);
        let received = server.received();
        let received: Vec<&String> = received.iter().filter(|mail| mail.contains("Subject: About Ada Keller")).collect();
        let ids: BTreeSet<&str> = received.iter().map(|mail| crate::smtp::message_id(mail)).collect();
        assert_eq!((received.len(), ids.len()), (2, 2), "each of the two, once");
    };

    a_mail_that_was_cut_goes_out_again_under_the_same_id, async |app: &App| {
        app.staffed().await;
        let server = crate::smtp::Server::start(crate::smtp::Behaviour::default()).await;
        server.cut_next_after_data();
        let engine = posting(app, settings(smtp(server.port)), &[]);
        let run = start(&engine, "secure-your-account", "1006").await;
        engine.work_off(4).await.unwrap();
        assert_eq!(app.state(run, "tell").await.as_str(), "waiting");
        later(app, &engine, 3).await;
        assert_eq!(app.state(run, "tell").await.as_str(), "done");
        let received = server.received();
        assert_eq!(received.len(), 2, "at least once");
        assert_eq!(crate::smtp::message_id(&received[0]), crate::smtp::message_id(&received[1]));
        assert_eq!(app.store.mails(None, 10).await.unwrap()[0].attempts, 2);
    };

    two_daemons_send_each_mail_once, async |app: &App| {
        app.staffed().await;
        let engine = in_memory(app, &[]);
        let room = engine.mail().unwrap();
        let letter = room.write_words(&usher::mail::Addressee::unknown("x@example.org"), "Hi", "words").unwrap();
        let posted: Vec<_> = (0..40).map(|n| room.mail(format!("k{n}"), "message", &letter, None)).collect();
        app.store.post(&posted).await.unwrap();
        app.store.post(&posted).await.unwrap();
        let beside = app.another_store().await;
        let (one, two) = tokio::join!(room.deliver_due(&app.store), room.deliver_due(&beside));
        assert_eq!((one.unwrap() + two.unwrap(), mails(&engine).len()), (40, 40));
        // Whoever held a mail and is gone: it is taken up, and what the late one says changes nothing.
        app.store.post(&[room.mail("late".into(), "message", &letter, None)]).await.unwrap();
        let late = beside.take_mails(Carrier::Mail, 1).await.unwrap();
        assert!(app.store.take_mails(Carrier::Mail, 1).await.unwrap().is_empty());
        let until = app.store.until_mail_due(Carrier::Mail).await.unwrap();
        assert_eq!(until, Some(std::time::Duration::from_secs(120)), "when that lease ends, and no sooner");
        app.clock.set(app.now() + SignedDuration::from_secs(121));
        assert_eq!(room.deliver_due(&app.store).await.unwrap(), 1);
        let end = usher::store::MailEnd::Failed("too late".into());
        assert!(!beside.end_mail(&late[0], &end).await.unwrap());
        assert_eq!(app.store.mail(late[0].id).await.unwrap().state, "sent");
        beside.close().await;
    };

    a_mail_that_cannot_be_read_stops_no_other, async |app: &App| {
        app.staffed().await;
        let engine = in_memory(app, &[]);
        let room = engine.mail().unwrap();
        let letter = room.write_words(&usher::mail::Addressee::unknown("x@example.org"), "Hi", "words").unwrap();
        app.store.post(&[room.mail("broken".into(), "message", &letter, None)]).await.unwrap();
        app.sql("UPDATE mails SET body = 'not what was sealed'").await.unwrap();
        app.store.post(&[room.mail("whole".into(), "message", &letter, None)]).await.unwrap();
        assert_eq!(room.deliver_due(&app.store).await.unwrap(), 1);
        assert_eq!(app.number("SELECT COUNT(*) FROM mails WHERE state = 'queued' AND mail_key = 'broken'").await, 1);
        // Nor does it later, when its lease is over.
        app.clock.set(app.now() + SignedDuration::from_secs(121));
        app.store.post(&[room.mail("next".into(), "message", &letter, None)]).await.unwrap();
        assert_eq!((room.deliver_due(&app.store).await.unwrap(), mails(&engine).len()), (1, 2));
        app.sql("DELETE FROM mails WHERE mail_key = 'broken'").await.unwrap();
    };

    a_setup_link_goes_to_the_private_address_and_never_into_the_record, async |app: &App| {
        app.staffed().await;
        let own = send("setup_link");
        let engine = in_memory(app, &[("send", &own)]);
        // Nobody's private address is known: the manager hands it over.
        let run = start(&engine, "send", "1005").await;
        engine.work_off(4).await.unwrap();
        let out = mails(&engine);
        assert!(to(&out[0]).contains(SOREN) && subject(&out[0]).starts_with("Please hand over"), "{out:#?}");
        let mut ada = app.store.person("1005").await.unwrap().unwrap();
        ada.private_email = Some("ada@home.example".into());
        app.store.save_people(&[ada], &[]).await.unwrap();
        let again = start(&engine, "send", "1005").await;
        engine.work_off(4).await.unwrap();
        let out = mails(&engine);
        assert!(to(&out[1]).contains("ada@home.example"), "{out:#?}");
        // The link is the system's own; the record, the ledger and the journal do not have it.
        let link = out[1].lines().find_map(|line| line.strip_prefix("https://")).map(|rest| format!("https://{rest}")).expect("a link");
        assert!(app.account("directory", "u-0005").unwrap().opens_with(&Secret::new(link.as_str())), "{link}");
        let token = link.rsplit('/').next().unwrap();
        assert_eq!(token.len(), 32);
        nowhere(app, &[run, again], token).await;
    };

    a_link_is_never_sent_to_the_mailbox_that_it_opens, async |app: &App| {
        app.staffed().await;
        let mut ada = app.store.person("1005").await.unwrap().unwrap();
        ada.private_email = ada.email.as_ref().map(|email| email.to_uppercase());
        app.store.save_people(&[ada], &[]).await.unwrap();
        let own = send("welcome_mail").replace("directory", "mailhost");
        let engine = in_memory(app, &[("send", &own)]);
        let run = start(&engine, "send", "1005").await;
        engine.work_off(4).await.unwrap();
        let StepState::Held { reason, .. } = app.state(run, "send@mailhost").await else { panic!("held") };
        assert!(format!("{reason:?}").contains("the mailbox that it opens"), "{reason:?}");
        assert!(mails(&engine).is_empty());
    };

    sealed_credentials_are_shown_once_and_the_journal_says_to_whom, async |app: &App| {
        app.staffed().await;
        let own = send("sealed");
        let engine = in_memory(app, &[("send", &own)]);
        let run = start(&engine, "send", "1005").await;
        engine.work_off(4).await.unwrap();
        let detail = evidence(app.state(run, "send@directory").await).detail;
        assert_eq!(detail, "kept sealed; `usher credentials open run_4 send@directory` shows them once");
        let out = mails(&engine);
        assert!(to(&out[0]).contains(SOREN) && out[0].contains("usher credentials open run_4 send@directory"), "{out:#?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM credentials WHERE sealed IS NOT NULL").await, 1);
        let password = app.store.open_credentials(run, 0, "to Ada at reception", "os:soren").await.unwrap();
        assert!(app.account("directory", "u-0005").unwrap().opens_with(&password));
        assert_eq!(app.number("SELECT COUNT(*) FROM credentials WHERE sealed IS NOT NULL OR data_key IS NOT NULL").await, 0);
        let twice = app.store.open_credentials(run, 0, "again", "os:mallory").await.unwrap_err();
        assert!(matches!(&twice, StoreError::Refused(why) if why.contains("opened already, by os:soren")), "{twice}");
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.actor == "os:soren" && entry.fact.to_string().contains("to Ada at reception")));
        assert!(!out[0].contains(password.expose()));
        nowhere(app, &[run], password.expose()).await;
    };

    fifty_failures_in_ten_minutes_are_one_mail, async |app: &App| {
        app.staffed().await;
        let failing = "workflow: failing\nfor: person\non: { manual: true }\nsteps:\n  - id: give\n    action: role.set\n    \
                       systems: all\n    after: []\n    retry: { max: 1 }\n    with: { role: admin }\n";
        let engine = in_memory(app, &[("failing", failing)]);
        // Whoever has left already is dealt with: a cut that is overdue would be told before.
        later(app, &engine, 0).await;
        app.misbehave(&Knobs { error_rate: 1.0, ..Knobs::default() });
        let mut runs = Vec::new();
        for person in app.store.people(Some(PersonStatus::Active)).await.unwrap() {
            runs.push(start(&engine, "failing", &person.employee_number).await);
            later(app, &engine, 0).await;
        }
        // The one step that would take the last legal representative's role is held instead.
        let failed = app.number("SELECT COUNT(*) FROM steps WHERE state IN ('failed', 'held')").await;
        assert!(failed >= 50, "{failed}");
        later(app, &engine, 5).await;
        assert!(alerts(&engine).is_empty(), "it is waited for more");
        later(app, &engine, 5).await;
        let out = alerts(&engine);
        assert_eq!(out.len(), 1, "{out:#?}");
        assert_eq!(subject(&out[0]), format!("usher: {failed} stopped"));
        assert!(to(&out[0]).contains(ADMIN) && out[0].contains("usher step retry"));
        // Nothing more within two days, then a reminder; the all-clear names what was told.
        later(app, &engine, 2 * 24 * 60 - 1).await;
        assert_eq!(alerts(&engine).len(), 1);
        later(app, &engine, 1).await;
        assert_eq!(subject(&alerts(&engine)[1]), format!("usher: {failed} still stopped"));
        for run in runs {
            engine.cancel(run, "enough", "os:test").await.unwrap();
        }
        later(app, &engine, 0).await;
        later(app, &engine, 10).await;
        let out = alerts(&engine);
        assert_eq!((out.len(), subject(&out[2])), (3, format!("usher: all clear for {failed}").as_str()));
        later(app, &engine, 3 * 24 * 60).await;
        assert_eq!(alerts(&engine).len(), 3, "and that was all");
    };

    a_manager_with_four_tasks_gets_one_mail_and_a_reminder, async |app: &App| {
        app.staffed().await;
        let work = "workflow: work\nfor: person\non: { manual: true }\nsteps:\n  - id: laptop\n    action: task\n    after: []\n    \
                    with: { title: Take the laptop back, assignee: \"{{ person.manager }}\" }\n  - id: points\n    action: checklist\n    \
                    after: []\n    with: { assignee: \"{{ person.manager }}\", items: [Keys, Phone] }\n  - id: approve\n    \
                    action: approval\n    after: []\n    with: { role: approver, confirm: \"{{ person.display_name }}\" }\n";
        let engine = in_memory(app, &[("work", work)]);
        let (ada, other) = (start(&engine, "work", "1005").await, app.store.people(None).await.unwrap());
        let colleague = other.iter().find(|it| it.manager_number.as_deref() == Some("1004") && it.employee_number != "1005").unwrap();
        start(&engine, "work", &colleague.employee_number).await;
        engine.work_off(4).await.unwrap();
        later(app, &engine, 10).await;
        let out = mails(&engine);
        assert_eq!(out.len(), 2, "{out:#?}");
        let mine = out.iter().find(|mail| to(mail).contains(SOREN)).expect("to the manager");
        assert_eq!(subject(mine), "4 tasks wait for you");
        assert!(mine.contains(&format!("usher task done run_{ada} laptop")) && mine.contains("- Phone"), "{mine}");
        let theirs = out.iter().find(|mail| to(mail).contains(ADMIN)).expect("to the administrators");
        assert_eq!(subject(theirs), "3 tasks wait for you"); // two approvals, and the badge of somebody who has left
        assert!(theirs.contains(&format!("usher approve run_{ada} approve --confirm 'Ada Keller'")), "{theirs}");
        // What is done is not asked for again.
        engine.task_done(ada, "laptop", &Default::default(), None, "os:soren").await.unwrap();
        engine.task_done(ada, "points", &[1].into(), None, "os:soren").await.unwrap();
        later(app, &engine, 2 * 24 * 60).await;
        let out = mails(&engine);
        assert_eq!(out.len(), 4, "{out:#?}");
        let again = out[2..].iter().find(|mail| to(mail).contains(SOREN)).expect("a reminder");
        assert_eq!(subject(again), "3 tasks wait for you");
        assert!(again.matches("Keys").count() < again.matches("Phone").count(), "what is ticked is done: {again}");
        assert!(again.contains("reminder") && !again.contains("laptop@") && !again.contains("- Keys\n\n    usher task done run_4"), "{again}");
    };

    everybody_is_those_who_work_here, async |app: &App| {
        app.staffed().await;
        let all = "workflow: all\nfor: organisation\non: { manual: true }\ninputs:\n  product: { type: text, default: kDrive }\nsteps:\n  \
                   - id: tell\n    action: notify.email\n    with: { to: everybody, template: product-blocked }\n";
        let engine = in_memory(app, &[("all", all)]);
        let mut asked = request("all", "", &[]);
        asked.subject = usher::engine::trigger::SubjectRef::Organisation;
        let run = engine.start(asked).await.unwrap().id();
        engine.work_off(4).await.unwrap();
        let people = app.store.people(None).await.unwrap();
        let here = people.iter().filter(|it| it.status.is_employed() && it.email.is_some()).count();
        let out = mails(&engine);
        assert!(here > 15 && out.len() == here, "{} of {here}", out.len());
        let subjects: std::collections::BTreeSet<&str> = out.iter().map(|mail| subject(mail)).collect();
        assert!(subjects.contains("kDrive is blocked") && subjects.contains("kDrive ist gesperrt"), "{subjects:?}");
        assert_eq!(app.state(run, "tell").await.as_str(), "done");
    };
}

/// A secret is nowhere: not in the journal, the tables, the mail list, nor the system's own ledger.
async fn nowhere(app: &App, runs: &[i64], secret: &str) {
    for run in runs {
        let told = format!("{:?} {:?}", app.store.audit(*run).await.unwrap(), app.book(*run).await);
        assert!(!told.contains(secret), "{told}");
    }
    let list = format!("{:?}", app.store.mails(None, 100).await.unwrap());
    assert!(!list.contains(secret), "{list}");
    let ledger = std::fs::read_to_string(app.folder.path().join("ledger.jsonl")).unwrap();
    assert!(!ledger.contains(secret));
    for (table, columns) in
        [("mails", "mail_key || envelope || COALESCE(body, '') || COALESCE(answer, '')"), ("journal", "body || sealed")]
    {
        let plain = format!("SELECT COUNT(*) FROM {table} WHERE {columns} LIKE '%{secret}%'");
        assert_eq!(app.number(&plain).await, 0, "{table}");
    }
}
