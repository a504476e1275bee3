//! HR's files, the shipped workflows, and a real SCIM server: somebody joins, moves, and leaves.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use usher::clock::Clock;
use usher::engine::Engine;
use usher::run::{Evidence, EvidenceKind, RunState, StepState};

use super::TOKEN;
use super::server::Server;
use crate::telling::{self, run_of, told, walk_to, zurich};

const HEAD: &str =
    "employee_number,given_name,family_name,display_name,email,department,manager,start_date,last_day,status";
const BOSS: &str = "1000,Berta,Brunner,Berta Brunner,boss@example.org,,,2011-03-01,,active";

/// An engine as the daemon has it, from its configuration on.
async fn engine(folder: &Path, port: u16, clock: &Clock) -> Engine {
    let text = format!(
        "\
         [naming]\npattern = \"{{first}}.{{last}}\"\ndomain = \"example.org\"\n\
         [departments.Sales]\ngroups = [\"staff\", \"sales\"]\nrole = \"seller\"\n\
         [departments.Finance]\ngroups = [\"staff\", \"finance\"]\nrole = \"clerk\"\n\
         [systems.app]\nkind = \"scim\"\nurl = \"http://127.0.0.1:{port}/v2\"\nnetworks = [\"127.0.0.0/8\"]\n\
         token = {{ file = \"token\" }}\nlacks = [\"password\"]\n"
    );
    std::fs::write(folder.join("token"), TOKEN).expect("writes");
    telling::engine(folder, &text, clock).await
}

async fn row(engine: &Engine, row: &str) {
    told(engine, &format!("{HEAD}\n{BOSS}\n{row}\n")).await;
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
    let engine = engine(folder.path(), server.port(), &clock).await;

    row(&engine, "1005,Ada,Keller,Ada Keller,,Sales,1000,2027-02-15,,prehire").await;
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
    row(&engine, "1005,Ada,Keller-Roth,Ada Keller-Roth,,Finance,1000,2027-02-15,,active").await;
    walk_to(&engine, &clock, zurich("2027-05-03T09:00")).await;
    assert_eq!(server.groups_of(&id).await, ["finance", "staff"]);
    let moved = ada(server.all("Users").await).expect("the account");
    assert_eq!((&moved["name"]["familyName"], &moved["roles"][0]["value"]), (&json!("Keller-Roth"), &json!("clerk")));
    for workflow in ["role-change", "name-change"] {
        is_completed(&engine, run_of(&engine, workflow).await).await;
    }

    row(&engine, "1005,Ada,Keller-Roth,Ada Keller-Roth,,Finance,1000,2027-02-15,2027-05-28,active").await;
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
