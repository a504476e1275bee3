//! HR's file, the shipped workflow, and a real mail host, from the last day to the purge.

use std::collections::BTreeSet;

use usher::clock::Clock;
use usher::engine::Engine;
use usher::run::{RunState, StepState};

use super::server::{Dovecot, MASTER};
use crate::smtp;
use crate::telling::{self, run_of, told, walk_to, zurich};

const ADA: &str = "ada1@example.org";
const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
1000,Berta,Brunner,Berta Brunner,boss@example.org,,2011-03-01,,active
1005,Ada,Keller,Ada Keller,ada1@example.org,1000,2014-03-01,2027-01-29,active
";

/// An engine as the daemon has it, from its configuration on.
async fn engine(server: &Dovecot, clock: &Clock) -> Engine {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let at = server.folder.path().display();
    let text = format!(
        "\
         [systems.mailhost]\nkind = \"dovecot\"\nurl = \"http://127.0.0.1:{}\"\napi_key = {{ file = \"{at}/key\" }}\n\
         sieve = \"sieve://localhost:{}\"\nca = \"{at}/ca.pem\"\nuser = \"{MASTER}\"\npassword = {{ file = \"{at}/master-password\" }}\n\
         passwd_file = \"{at}/users\"\ndeny_file = \"{at}/deny\"\nlast_login = \"file:{at}/state/last-login\"\n",
        server.ports.http, server.ports.sieve
    );
    telling::engine(&folder, &text, clock).await
}

#[tokio::test]
async fn ada_leaves_and_her_mailbox_goes_with_her() {
    let post = smtp::Server::start(smtp::Behaviour::default()).await;
    let server = Dovecot::start(1, post.port).await;
    let own = serde_json::json!({ "user": ADA, "scriptname": "mine", "file": "redirect \"me@home.example\";\r\n", "activate": true });
    server.doveadm("sievePut", own).await;
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(&server, &clock).await;

    told(&engine, PEOPLE).await;
    let run = run_of(&engine, "departure").await;

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
