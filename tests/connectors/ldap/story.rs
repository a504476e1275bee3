//! HR's file, the shipped workflow, and a real directory, from the last day to the purge.

use std::collections::BTreeSet;

use usher::clock::Clock;
use usher::engine::Engine;
use usher::run::{Evidence, EvidenceKind, RunState, StepState};

use super::slapd::{SUFFIX, Slapd, USHER, group, person};
use crate::telling::{self, run_of, told, walk_to, zurich};

const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
1000,Berta,Brunner,Berta Brunner,boss@example.org,,2011-03-01,,active
1005,Ada,Keller,Ada Keller,ada@example.org,1000,2014-03-01,2027-01-29,active
";

/// An engine as the daemon has it, from its configuration on.
async fn engine(server: &Slapd, clock: &Clock) -> Engine {
    let folder = server.folder.path();
    let text = format!(
        "\
         [systems.directory]\nkind = \"ldap\"\nprofile = \"openldap\"\nurl = \"ldap://localhost:{}\"\nca = \"ca.pem\"\n\
         user = \"{USHER}\"\npassword = {{ file = \"password\" }}\nbase = \"{SUFFIX}\"\npeople = \"ou=people,{SUFFIX}\"\n\
         groups = \"ou=groups,{SUFFIX}\"\ndeleted = \"ou=disabled,{SUFFIX}\"\nhidden = \"employeeType=hidden\"\n",
        server.port
    );
    telling::engine(folder, &text, clock).await
}

#[tokio::test]
async fn ada_leaves_and_her_entry_goes_with_her() {
    let people = person("ada", "1005", "Ada", "Keller") + &person("boss", "1000", "Berta", "Brunner");
    let server = Slapd::start(&people).await;
    server.change(&(group("staff", &["ada", "boss"]) + &group("eng", &["ada", "boss"])));
    let ada = server.id("ada").await;
    let dn = "uid=ada,ou=people,dc=example,dc=org";
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(&server, &clock).await;

    told(&engine, PEOPLE).await;
    let run = run_of(&engine, "departure").await;

    walk_to(&engine, &clock, zurich("2027-01-29T17:59")).await;
    assert_eq!(server.answer(dn, "first-Password-ada").await, 0, "she works until six");
    walk_to(&engine, &clock, zurich("2027-01-29T18:00")).await;
    assert_eq!(server.answer(dn, "first-Password-ada").await, 49);
    let entry = server.entry(&ada).await.expect("ada");
    assert_eq!(entry.attrs["pwdAccountLockedTime"], ["000001010000Z"]);
    assert!(!entry.attrs.contains_key("memberOf"), "{entry:?}");

    walk_to(&engine, &clock, zurich("2027-06-28T09:00")).await;
    engine.task_done(run, "checklist", &BTreeSet::new(), None, "os:berta").await.expect("ticks everything");
    walk_to(&engine, &clock, zurich("2027-07-14T09:00")).await;
    engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.expect("approves");
    walk_to(&engine, &clock, zurich("2027-07-28T09:00")).await;
    let entry = server.entry(&ada).await.expect("ada");
    assert_eq!(entry.dn, format!("uid=ada,ou=disabled,{SUFFIX}"));
    walk_to(&engine, &clock, zurich("2027-08-27T09:00")).await;
    assert!(server.entry(&ada).await.is_none(), "she is gone");
    assert_eq!(server.entries(&format!("ou=people,{SUFFIX}"), "(uid=boss)").await.len(), 1, "and nobody else");

    let book = engine.look(run).await.expect("the run");
    assert_eq!(book.run.state, RunState::Completed);
    for step in book.steps.iter().filter(|step| step.system.is_some()) {
        match &step.state {
            StepState::Done { evidence: Evidence { kind, detail }, .. } => {
                let expected =
                    if step.name == "rotate-password" { EvidenceKind::Acknowledged } else { EvidenceKind::ReadBack };
                assert_eq!(*kind, expected, "{}: {detail}", step.label());
                if step.name == "remove-access" {
                    assert!(detail.contains("taken out of eng, staff"), "{detail}");
                }
            }
            StepState::Skipped { .. } => {}
            other => panic!("{} is {}", step.label(), other.as_str()),
        }
    }
}
