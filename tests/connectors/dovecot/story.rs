//! HR's file, the shipped workflow, and a real mail host, from the last day to the purge.

use std::collections::BTreeSet;

use jiff::{Timestamp, Zoned};
use usher::clock::Clock;
use usher::config::{Config, Surroundings};
use usher::engine::Engine;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::run::{RunState, StepState};
use usher::store::{Opening, RunFilter};

use super::server::{Dovecot, MASTER};
use crate::smtp;

const ADA: &str = "ada1@example.org";
const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
1000,Berta,Brunner,Berta Brunner,boss@example.org,,2011-03-01,,active
1005,Ada,Keller,Ada Keller,ada1@example.org,1000,2014-03-01,2027-01-29,active
";

fn zurich(local: &str) -> Timestamp {
    format!("{local}[Europe/Zurich]").parse::<Zoned>().expect("a time").timestamp()
}

/// An engine as the daemon has it, from its configuration on.
async fn engine(server: &Dovecot, clock: &Clock) -> Engine {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let at = server.folder.path().display();
    let text = format!(
        "[time]\nzone = \"Europe/Zurich\"\n[limits]\ninventory_age = \"3650 days\"\n\
         [systems.mailhost]\nkind = \"dovecot\"\nurl = \"http://127.0.0.1:{}\"\napi_key = {{ file = \"{at}/key\" }}\n\
         sieve = \"sieve://localhost:{}\"\nca = \"{at}/ca.pem\"\nuser = \"{MASTER}\"\npassword = {{ file = \"{at}/master-password\" }}\n\
         passwd_file = \"{at}/users\"\ndeny_file = \"{at}/deny\"\nlast_login = \"file:{at}/state/last-login\"\n",
        server.ports.http, server.ports.sieve
    );
    std::fs::write(folder.join("usher.toml"), text).expect("writes");
    let url = format!("sqlite:{}", folder.join("usher.db").display());
    let around = Surroundings { folder, ..Surroundings::default() };
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

#[tokio::test]
async fn ada_leaves_and_her_mailbox_goes_with_her() {
    let post = smtp::Server::start(smtp::Behaviour::default()).await;
    let server = Dovecot::start(1, post.port).await;
    let own = serde_json::json!({ "user": ADA, "scriptname": "mine", "file": "redirect \"me@home.example\";\r\n", "activate": true });
    server.doveadm("sievePut", own).await;
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(&server, &clock).await;

    let told = read_people(PEOPLE.as_bytes(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"));
    feed::take_in(&engine, &told, "csv", |_| {}).await.expect("takes it in");
    events::dispatch(&engine).await.expect("dispatches");
    let filter = RunFilter { workflow: Some("departure".into()), ..RunFilter::default() };
    let runs = engine.store().runs(&filter).await.expect("runs");
    let run = usher::run::book::parse_public_id(&runs[0].id).expect("an id");

    walk_to(&engine, &clock, zurich("2027-01-29T17:59")).await;
    let mut session = server.sign_in(ADA, "first-ada1").await.expect("she works until six");
    walk_to(&engine, &clock, zurich("2027-01-29T18:00")).await;
    assert!(session.ask("NOOP").await.is_err(), "her session has ended");
    assert!(server.sign_in(ADA, "first-ada1").await.is_err());
    assert!(server.deliver("client@partner.example", ADA, "hello").await.starts_with("250"));
    assert_eq!(post.recipients(), ["client@partner.example"], "answered, and not forwarded");
    assert!(post.received()[0].contains("Ada Keller"), "{}", post.received()[0]);

    walk_to(&engine, &clock, zurich("2027-06-28T09:00")).await;
    assert!(server.deliver("other@partner.example", ADA, "hello").await.starts_with("250"));
    assert_eq!(post.recipients().len(), 1, "after two months nobody is answered");
    engine.task_done(run, "checklist", &BTreeSet::new(), None, "os:berta").await.expect("ticks everything");
    walk_to(&engine, &clock, zurich("2027-07-14T09:00")).await;
    engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.expect("approves");
    walk_to(&engine, &clock, zurich("2027-07-28T09:00")).await;
    assert!(server.read("users").lines().any(|line| line.starts_with(ADA) && line.contains("usher-deleted")));
    walk_to(&engine, &clock, zurich("2027-08-27T09:00")).await;
    assert!(!server.read("users").contains(ADA) && !server.read("deny").contains(ADA), "she is gone");
    assert!(server.sign_in("boss@example.org", "first-boss").await.is_ok(), "and nobody else");

    let book = engine.look(run).await.expect("the run");
    assert_eq!(book.run.state, RunState::Completed);
    for step in &book.steps {
        assert!(
            matches!(step.state, StepState::Done { .. } | StepState::Skipped { .. }),
            "{} is {}",
            step.label(),
            step.state.as_str()
        );
    }
}
