//! HR's files, the shipped workflows, and a real SCIM server: somebody joins, moves, and leaves.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};
use usher::clock::Clock;
use usher::config::{Config, Surroundings};
use usher::engine::Engine;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::run::{Evidence, EvidenceKind, RunState, StepState};
use usher::store::{Opening, RunFilter};

use super::TOKEN;
use super::server::Server;

const HEAD: &str =
    "employee_number,given_name,family_name,display_name,email,department,manager,start_date,last_day,status";
const BOSS: &str = "1000,Berta,Brunner,Berta Brunner,boss@example.org,,,2011-03-01,,active";

fn zurich(local: &str) -> Timestamp {
    format!("{local}[Europe/Zurich]").parse::<Zoned>().expect("a time").timestamp()
}

/// An engine as the daemon has it, from its configuration on.
async fn engine(folder: &Path, port: u16, clock: &Clock) -> Engine {
    let text = format!(
        "[time]\nzone = \"Europe/Zurich\"\n[limits]\ninventory_age = \"3650 days\"\n\
         [naming]\npattern = \"{{first}}.{{last}}\"\ndomain = \"example.org\"\n\
         [departments.Sales]\ngroups = [\"staff\", \"sales\"]\nrole = \"seller\"\n\
         [departments.Finance]\ngroups = [\"staff\", \"finance\"]\nrole = \"clerk\"\n\
         [systems.app]\nkind = \"scim\"\nurl = \"http://127.0.0.1:{port}/v2\"\nnetworks = [\"127.0.0.0/8\"]\n\
         token = {{ file = \"token\" }}\nlacks = [\"password\"]\n"
    );
    std::fs::write(folder.join("token"), TOKEN).expect("writes");
    std::fs::write(folder.join("usher.toml"), text).expect("writes");
    let url = format!("sqlite:{}", folder.join("usher.db").display());
    let around = Surroundings { folder: folder.to_owned(), ..Surroundings::default() };
    let config = Config::load(&[], Some(&url), &around).unwrap_or_else(|why| panic!("{why}"));
    usher::daemon::open_engine(&config, Opening::Migrate, clock.clone()).await.unwrap_or_else(|why| panic!("{why}"))
}

async fn walk_to(engine: &Engine, clock: &Clock, to: Timestamp) {
    loop {
        engine.work_off(8).await.expect("works it off");
        match engine.store().next_due().await.expect("reads") {
            Some(due) if due <= to && due > clock.now() => clock.set(due),
            _ => break,
        }
    }
    clock.set(to);
    engine.work_off(8).await.expect("works it off");
}

async fn told(engine: &Engine, row: &str) {
    let file = format!("{HEAD}\n{BOSS}\n{row}\n");
    let told = read_people(file.as_bytes(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"));
    feed::take_in(engine, &told, "csv", |_| {}).await.expect("takes it in");
    events::dispatch(engine).await.expect("dispatches");
}

async fn run_of(engine: &Engine, workflow: &str) -> i64 {
    let filter = RunFilter { workflow: Some(workflow.into()), person: Some("1005".into()), ..RunFilter::default() };
    let runs = engine.store().runs(&filter).await.expect("runs");
    usher::run::book::parse_public_id(&runs[0].id).expect("an id")
}

/// A run that is over, with every step on a system read back or not needed.
async fn is_completed(engine: &Engine, run: i64) {
    let book = engine.look(run).await.expect("the run");
    assert_eq!(book.run.state, RunState::Completed, "{:#?}", book.steps);
    for step in book.steps.iter().filter(|step| step.system.is_some()) {
        match &step.state {
            StepState::Done { evidence: Evidence { kind, detail }, .. } => {
                assert_eq!(*kind, EvidenceKind::ReadBack, "{}: {detail}", step.label());
                assert!(!detail.contains('@'), "{}: {detail}", step.label());
            }
            StepState::Skipped { .. } => {}
            other => panic!("{} is {}", step.label(), other.as_str()),
        }
    }
}

#[tokio::test]
async fn ada_joins_moves_and_leaves() {
    let server = Server::start().await;
    let boss = server.hire("boss@example.org", "1000").await;
    for group in ["staff", "sales", "finance"] {
        server.found(group, &[&boss]).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(folder.path(), server.port, &clock).await;

    told(&engine, "1005,Ada,Keller,Ada Keller,,Sales,1000,2027-02-15,,prehire").await;
    walk_to(&engine, &clock, zurich("2027-02-14T23:00")).await;
    let ada = |users: Vec<Value>| users.into_iter().find(|user| user["userName"] == "ada.keller@example.org");
    let made = ada(server.all("Users").await).expect("the account");
    let id = made["id"].as_str().expect("an id").to_owned();
    assert_eq!((&made["active"], &made["roles"][0]["value"]), (&json!(false), &json!("seller")));
    assert_eq!(made["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["employeeNumber"], "1005");
    assert_eq!(server.groups_of(&id).await, ["sales", "staff"]);
    walk_to(&engine, &clock, zurich("2027-02-15T07:00")).await;
    assert_eq!(ada(server.all("Users").await).expect("the account")["active"], true);
    is_completed(&engine, run_of(&engine, "onboarding").await).await;

    walk_to(&engine, &clock, zurich("2027-05-03T08:00")).await;
    told(&engine, "1005,Ada,Keller-Roth,Ada Keller-Roth,,Finance,1000,2027-02-15,,active").await;
    walk_to(&engine, &clock, zurich("2027-05-03T09:00")).await;
    assert_eq!(server.groups_of(&id).await, ["finance", "staff"]);
    let moved = ada(server.all("Users").await).expect("the account");
    assert_eq!((&moved["name"]["familyName"], &moved["roles"][0]["value"]), (&json!("Keller-Roth"), &json!("clerk")));
    for workflow in ["role-change", "name-change"] {
        is_completed(&engine, run_of(&engine, workflow).await).await;
    }

    told(&engine, "1005,Ada,Keller-Roth,Ada Keller-Roth,,Finance,1000,2027-02-15,2027-05-28,active").await;
    let run = run_of(&engine, "departure").await;
    walk_to(&engine, &clock, zurich("2027-05-28T17:59")).await;
    assert_eq!(ada(server.all("Users").await).expect("the account")["active"], true, "she works until six");
    walk_to(&engine, &clock, zurich("2027-05-28T18:00")).await;
    let closed = ada(server.all("Users").await).expect("the account");
    assert_eq!((&closed["active"], &closed["roles"]), (&json!(false), &Value::Null));
    assert_eq!(server.groups_of(&id).await, [""; 0]);
    walk_to(&engine, &clock, zurich("2027-10-28T09:00")).await;
    engine.task_done(run, "checklist", &BTreeSet::new(), None, "os:berta").await.expect("ticks everything");
    walk_to(&engine, &clock, zurich("2027-11-12T09:00")).await;
    engine.approve(run, "approve-deletion", "Ada Keller-Roth", "os:helene").await.expect("approves");
    walk_to(&engine, &clock, zurich("2027-11-25T09:00")).await;
    assert!(ada(server.all("Users").await).is_some(), "the grace has begun");
    walk_to(&engine, &clock, zurich("2028-01-31T09:00")).await;
    assert!(ada(server.all("Users").await).is_none(), "she is gone");
    assert_eq!(server.all("Users").await.len(), 1, "and nobody else");
    assert_eq!(server.groups_of(&boss).await, ["finance", "sales", "staff"]);
    let book = engine.look(run).await.expect("the run");
    let removed = book.steps.iter().find(|step| step.name == "remove-access").expect("the step");
    let StepState::Done { evidence, .. } = &removed.state else { panic!("{removed:?}") };
    assert!(evidence.detail.contains("taken out of finance, staff; without roles clerk"), "{evidence:?}");
    is_completed(&engine, run).await;
}
