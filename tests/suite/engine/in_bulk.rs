//! Many runs accepted at once: each is what it would be alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use usher::connectors::sandbox::shipped;
use usher::engine::Engine;
use usher::engine::trigger::{Request, SubjectRef};
use usher::intake::events;
use usher::run::book::parse_public_id;
use usher::run::limits::Limits;
use usher::run::{Rules, RunState};
use usher::store::{EventFilter, EventState, RunFilter, Started};

use crate::database::Db;
use crate::harness::{App, request, systems_of};

/// One step, of which nothing is left for whoever has no mailbox.
const HIDE: &str = "
workflow: hide
title: Hides somebody
for: person
on: { manual: true }
steps:
  - { id: hide, action: directory.hide, systems: mailhost }
";

/// A departure with two steps on one system.
const LEAVE: &str = "
workflow: leave
title: Leaves
for: person
on: { event: departure }
inputs:
  last_day: { type: date, required: true, from: event.effective }
steps:
  - { id: hide, action: directory.hide, systems: mailhost, at: last_day 18:00 }
  - { id: rules, action: mail.clear_rules, systems: mailhost, after: hide }
";

fn keyed(key: &str, request: Request) -> Request {
    Request { key: Some(key.into()), ..request }
}

fn about(subject: SubjectRef, request: Request) -> Request {
    Request { subject, ..request }
}

/// Everybody is known, and somebody who has no account anywhere.
async fn peopled(app: &App) -> Engine {
    app.told(shipped::PEOPLE).await;
    app.told("employee_number,given_name,family_name,start_date,status\n2001,Robin,Bare,2020-01-06,active\n").await;
    app.sync().await;
    app.restarted(app.systems(), &[("hide", HIDE)]).await
}

/// Some that can be started and some that cannot, and some that stand in each other's way.
fn mixed() -> Vec<Request> {
    let leaves = |person: &str| request("departure", person, &[("last_day", "2027-02-05")]);
    let account = |id: &str| SubjectRef::Account { system: "directory".into(), id: id.into() };
    let purges = |id: &str| about(account(id), request("grace-purge", "", &[]));
    vec![
        keyed("a", leaves("1005")),
        leaves("1006"),
        keyed("a", leaves("1005")),
        // The key counts, whatever is asked for with it.
        keyed("a", request("nothing", "4711", &[])),
        leaves("1006"),
        leaves("4711"),
        request("nothing", "1005", &[]),
        request("departure", "1007", &[("last_day", "one day")]),
        purges("u-4711"),
        purges("u-0005"),
        purges("u-0005"),
        about(account("u-0007"), leaves("1007")),
        about(SubjectRef::Organisation, request("inventory", "", &[])),
        about(SubjectRef::Organisation, request("inventory", "", &[])),
        // Over when it begins: nobody stands in the way of the next one.
        request("hide", "2001", &[]),
        request("hide", "2001", &[]),
        keyed("b", leaves("1006")),
        keyed("b", leaves("1007")),
        keyed("b", leaves("1007")),
        leaves("1008"),
    ]
}

/// Every run with its steps and its journal; hashes and seals are another's each time.
async fn record(app: &App) -> BTreeMap<i64, (String, Vec<String>)> {
    let mut record = BTreeMap::new();
    for run in app.store.runs(&RunFilter::default()).await.unwrap() {
        let id = parse_public_id(&run.id).unwrap();
        let audit = app.store.audit(id).await.unwrap();
        let told = audit
            .iter()
            .map(|entry| format!("{} {} {:?} {} {}", entry.seq, entry.at, entry.step, entry.actor, entry.fact));
        record.insert(id, (format!("{run:?} {:?}", app.book(id).await.steps), told.collect()));
    }
    record
}

both! {
    many_at_once_are_what_they_would_be_one_by_one, async |app: &App| {
        let engine = peopled(app).await;
        let bulk = engine.start_many(&mixed()).await.unwrap();

        let other = App::new(app.home.db).await;
        let beside = peopled(&other).await;
        let mut single = Vec::new();
        for request in mixed() {
            single.push(beside.start(request).await);
        }
        let words = |answer: &Result<Started, _>| match answer {
            Ok(started) => format!("{started:?}"),
            Err(error) => format!("{error}"),
        };
        let bulk: Vec<String> = bulk.iter().map(words).collect();
        assert_eq!(bulk, single.iter().map(words).collect::<Vec<_>>());
        assert_eq!(bulk.iter().filter(|answer| answer.starts_with("New(")).count(), 9, "{bulk:#?}");
        assert_eq!(bulk[2], "Existing(1)");
        assert_eq!(bulk[3], "Existing(1)");
        assert!(bulk[4].starts_with("run_2 is an open run of departure for the same person"), "{}", bulk[4]);
        assert_eq!(bulk[5], "there is no person 4711");
        let (here, there) = (record(app).await, record(&other).await);
        assert_eq!(here, there);
        assert_eq!(here.len(), 9);
        assert!(here.values().all(|(_, journal)| !journal.is_empty()));
        for engine in [engine, beside] {
            engine.store().close().await;
        }
        other.end().await;
    };

    one_commit_is_for_many, async |app: &App| {
        let engine = peopled(app).await;
        let before = engine.store().commits();
        let people = ["1005", "1006", "1007", "1008", "2001"];
        let requests: Vec<Request> = people.iter().map(|person| request("hide", person, &[])).collect();
        let started = engine.start_many(&requests).await.unwrap();
        assert!(started.iter().all(|answer| matches!(answer, Ok(Started::New(_)))), "{started:?}");
        assert_eq!(engine.store().commits() - before, 1);
        let refused = engine.start_many(&requests[..4]).await.unwrap();
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
        assert_eq!(engine.store().commits() - before, 1, "nothing was to be kept");
        engine.store().close().await;
    };

    statements_are_planned_anew_when_tables_have_grown, async |app: &App| {
        if app.home.db == Db::Sqlite {
            // Its plans do not go by the size of tables.
            return;
        }
        let row = |n: i32| format!("{n:05},Robin,Bench {n},2020-01-06,active\n");
        let csv: String = (1..=100).map(row).collect();
        let size = async |table: &str| {
            app.number(&format!("SELECT CAST(reltuples AS BIGINT) FROM pg_class WHERE relname = '{table}' AND relkind = 'r'
                                   AND relnamespace = CAST(current_schema() AS regnamespace)")).await
        };
        app.told(&format!("employee_number,given_name,family_name,start_date,status\n{csv}")).await;
        assert!(size("people").await >= 64, "{}", size("people").await);
        let engine = app.restarted(app.systems(), &[("hide", HIDE)]).await;
        let asked: Vec<Request> = (1..=70).map(|n| request("hide", &format!("{n:05}"), &[])).collect();
        let (few, more) = asked.split_at(60);
        for answer in engine.start_many(few).await.unwrap() {
            answer.unwrap();
        }
        assert!(size("runs").await <= 0, "so few need no plans of their own");
        engine.start_many(more).await.unwrap();
        assert_eq!((size("runs").await, size("steps").await), (70, 70));
    };

    two_daemons_that_accept_the_same_many_at_once_start_each_once, async |app: &App| {
        let engine = peopled(app).await;
        let other = app.restarted(app.systems(), &[("hide", HIDE)]).await;
        let asked = |key: &str| {
            let people = ["1005", "1006", "1007", "1008"];
            people.map(|person| keyed(&format!("{key}{person}"), request("hide", person, &[]))).to_vec()
        };
        let (one, two) = (asked("k"), asked("k"));
        let (one, two) = tokio::join!(engine.start_many(&one), other.start_many(&two));
        for (one, two) in one.unwrap().into_iter().zip(two.unwrap()) {
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!(one.id(), two.id());
            assert!(matches!((one, two), (Started::New(_), Started::Existing(_)) | (Started::Existing(_), Started::New(_))));
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 4);
        app.drain().await;
        // Without the same keys they are in each other's way.
        let (one, two) = (asked("one"), asked("two"));
        let (one, two) = tokio::join!(engine.start_many(&one), other.start_many(&two));
        for (one, two) in one.unwrap().into_iter().zip(two.unwrap()) {
            assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
            let refused = one.err().or(two.err()).unwrap().to_string();
            assert!(refused.contains("is an open run of hide for the same person"), "{refused}");
        }
        assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 8);
        for engine in [engine, other] {
            engine.store().close().await;
        }
    };

    whoever_cannot_be_read_stops_nobody_else, async |app: &App| {
        let engine = peopled(app).await;
        app.sql("UPDATE people SET last_day = 'one day' WHERE employee_number = '1006'").await.unwrap();
        app.sql("UPDATE people SET data_key = 'v1.1.00' WHERE employee_number = '1007'").await.unwrap();
        let requests = ["1005", "1006", "1007", "1008", "2001"].map(|person| request("hide", person, &[]));
        let answers = engine.start_many(&requests).await.unwrap();
        let said: Vec<Option<String>> = answers.into_iter().map(|answer| answer.err().map(|why| why.to_string())).collect();
        let [None, Some(row), Some(_), None, None] = said.as_slice() else { panic!("{said:#?}") };
        assert!(row.contains("the database holds a date that cannot be read"), "{row}");
        assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 3);
        app.sql("UPDATE people SET last_day = NULL WHERE employee_number = '1006'").await.unwrap();
        engine.store().close().await;
    };
}

// ── What HR says ─────────────────────────────────────────────────────────────────────────────────────────────────────

/// A company of one system, and HR's file of people who leave. Every tenth has no account.
fn leavers(count: usize) -> (String, String) {
    let mut company = "name = \"Crowd\"\n[systems.mailhost]\ntitle = \"Mail\"\nfacets = [\"mail\"]\n".to_owned();
    let mut people = "employee_number,given_name,family_name,email,last_day,status\n".to_owned();
    for number in 1..=count {
        let n = format!("{number:05}");
        writeln!(people, "{n},Robin,Crowd {n},robin.{n}@crowd.example,2027-01-29,leaving").unwrap();
        if number % 10 != 0 {
            write!(
                company,
                "[[people]]\nnumber = \"{n}\"\ngiven_name = \"Robin\"\nfamily_name = \"Crowd {n}\"\n\
                 email = \"robin.{n}@crowd.example\"\non.mailhost = {{ id = \"m-{n}\" }}\n"
            )
            .unwrap();
        }
    }
    (company, people)
}

/// A crowd that leaves, as HR has told it, and nothing done about it yet.
async fn told(db: Db, count: usize) -> App {
    let (company, people) = leavers(count);
    let app = App::with_workflows(db, &company, &[("leave", LEAVE)], Limits::default()).await;
    app.told(&people).await;
    app
}

/// A second daemon in the same house.
async fn beside(app: &App) -> Engine {
    let library = app.engine.library().clone();
    Engine::new(app.another_store().await, systems_of(&app.company), library, "Europe/Zurich", Rules::default())
}

async fn in_state(app: &App, state: EventState) -> usize {
    let filter = EventFilter { state: Some(state), limit: Some(100_000), ..EventFilter::default() };
    app.store.events(&filter).await.unwrap().len()
}

async fn all_dispatched(app: &App) -> Vec<events::Dispatched> {
    app.sync().await;
    events::dispatch_read(&app.engine).await.unwrap()
}

/// Departures from one feed, in few commits; who has no account has nothing to be done.
async fn a_feed_of_departures(db: Db, count: usize) {
    let app = told(db, count).await;
    app.sync().await;
    let before = app.store.commits();
    let dispatched = events::dispatch_read(&app.engine).await.unwrap();
    let commits = usize::try_from(app.store.commits() - before).unwrap();
    assert!(commits <= 2 * count.div_ceil(500), "{commits} commits");
    assert_eq!(dispatched.len(), count);
    assert!(dispatched.iter().all(|event| event.runs.len() == 1 && event.parked.is_none()));
    assert_eq!((in_state(&app, EventState::Started).await, in_state(&app, EventState::Accepted).await), (count, 0));
    let census = app.store.census().await.unwrap();
    let runs = |state: RunState| census.iter().find(|(kind, is, _)| kind == "run" && is == state.as_str()).unwrap().2;
    let bare = i64::try_from(count / 10).unwrap();
    assert_eq!((runs(RunState::Completed), runs(RunState::Open)), (bare, 9 * bare));
    assert_eq!(events::dispatch_read(&app.engine).await.unwrap().len(), 0);
    for run in [1, i64::try_from(count).unwrap()] {
        assert_eq!(app.store.verify(run).await.unwrap().problem, None);
    }
    app.close().await;
}

#[tokio::test]
async fn ten_thousand_departures_from_one_feed_on_sqlite() {
    a_feed_of_departures(Db::Sqlite, 10_000).await;
}

#[tokio::test]
async fn two_thousand_departures_from_one_feed_on_postgres() {
    a_feed_of_departures(Db::Postgres, 2_000).await;
}

/// Two daemons that hear of the same departures at once.
async fn heard_twice(db: Db) {
    let app = told(db, 60).await;
    app.sync().await;
    let other = beside(&app).await;
    let (one, two) = tokio::join!(events::dispatch_read(&app.engine), events::dispatch_read(&other));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.iter().chain(&two).all(|event| event.parked.is_none() && event.runs.len() == 1));
    assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 60);
    assert_eq!((in_state(&app, EventState::Started).await, in_state(&app, EventState::Accepted).await), (60, 0));
    other.store().close().await;
    app.end().await;
}

/// Of thirty departures one cannot be read, one has a key that does not open, and one has two mailboxes.
async fn some_in_trouble(db: Db) {
    let app = told(db, 30).await;
    app.sync().await;
    app.sql("UPDATE people SET start_date = 'one day' WHERE employee_number = '00007'").await.unwrap();
    app.sql("UPDATE people SET data_key = 'v1.1.00' WHERE employee_number = '00008'").await.unwrap();
    let two = "UPDATE accounts SET person_id = (SELECT id FROM people WHERE employee_number = '00001') WHERE external_id = 'm-00002'";
    app.sql(two).await.unwrap();
    let dispatched = events::dispatch_read(&app.engine).await.unwrap();
    let mut parked: BTreeMap<&str, &str> = BTreeMap::new();
    for event in &dispatched {
        match &event.parked {
            Some(why) => drop(parked.insert(&event.employee_number, why)),
            None => assert_eq!(event.runs.len(), 1),
        }
    }
    assert_eq!(parked.keys().copied().collect::<Vec<_>>(), ["00001", "00007", "00008"]);
    assert!(parked["00001"].contains("has 2 accounts on mailhost"), "{parked:?}");
    assert!(parked["00007"].contains("a date that cannot be read"), "{parked:?}");
    assert_eq!((in_state(&app, EventState::Parked).await, in_state(&app, EventState::Started).await), (3, 27));
    app.close().await;
}

/// The process died when runs were begun and their events not yet marked.
async fn begun_and_not_marked(db: Db) {
    let app = told(db, 40).await;
    app.sync().await;
    let open = app.store.open_events().await.unwrap();
    // A run about the same person that this event has not started follows it; one that it has is its own.
    let request = |event: &usher::store::EventRow| Request {
        key: Some(format!("hr:{}:leave", event.id)),
        event: Some(event.facts.clone()),
        trigger: "hr:departure".into(),
        asked_by: "hr".into(),
        ..request("leave", &event.employee_number, &[])
    };
    let some: Vec<Request> = open[..25].iter().map(request).collect();
    let begun: Vec<i64> =
        app.engine.start_many(&some).await.unwrap().into_iter().map(|run| run.unwrap().id()).collect();
    let dispatched = all_dispatched(&app).await;
    let runs: Vec<i64> = dispatched.iter().map(|event| parse_public_id(&event.runs[0]).unwrap()).collect();
    assert_eq!(runs[..25], begun);
    assert!(
        dispatched.iter().all(|event| event.noted.is_empty() && event.parked.is_none()),
        "nothing follows its own event"
    );
    assert_eq!((runs.len(), app.number("SELECT COUNT(*) FROM runs").await), (40, 40));
    app.end().await;
}

/// One feed tells of the same person twice: the second word is dealt with as after the first.
async fn told_twice(db: Db) {
    let app = told(db, 12).await;
    app.sync().await;
    let stays = "employee_number,given_name,family_name,last_day\n00003,Robin,Crowd 00003,2027-02-26\n";
    app.told(stays).await;
    let dispatched = events::dispatch_read(&app.engine).await.unwrap();
    let of = |number: &str| dispatched.iter().filter(|event| event.employee_number == number).collect::<Vec<_>>();
    let [first, second] = of("00003").try_into().unwrap();
    assert!(first.noted[0].contains("overtaken: the last day of 00003 is 2027-02-26 by now"), "{first:?}");
    assert_eq!((first.runs.len(), second.runs.len(), second.noted.len()), (0, 1, 0), "{second:?}");
    assert_eq!(dispatched.len(), 13);
    assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 12);
    app.end().await;
}

/// Stories in a company of their own.
macro_rules! in_crowds {
    ($($name:ident, $story:ident;)*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                $story(Db::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                $story(Db::Postgres).await;
            }
        }
    )* };
}

in_crowds! {
    daemons_that_hear_the_same_at_once_start_it_once, heard_twice;
    each_of_many_events_is_carried_out_or_parked_by_itself, some_in_trouble;
    events_whose_runs_were_begun_before_the_end_are_marked_with_them, begun_and_not_marked;
    one_person_twice_in_one_feed, told_twice;
}
