//! HR's file, the shipped workflow, and a real directory, from the last day to the purge.

use std::collections::BTreeSet;

use usher::clock::Clock;
use usher::connectors::ldap::Profile;
use usher::engine::Engine;
use usher::run::{Evidence, EvidenceKind, RunState, StepState};

use super::ns_slapd::NsSlapd;
use super::outside::{Outside, SUFFIX, USHER, group, person};
use super::slapd::{Overlays, Slapd};
use super::target::unix;
use crate::telling::{self, run_of, told, walk_to, zurich};

const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
1000,Berta,Brunner,Berta Brunner,boss@example.org,,2011-03-01,,active
1005,Ada,Keller,Ada Keller,ada@example.org,1000,2014-03-01,2027-01-29,active
";

/// An engine as the daemon has it, from its configuration on.
pub async fn engine(server: &Outside, profile: Profile, line: &str, clock: &Clock) -> Engine {
    let text = format!(
        "\
         [systems.directory]\nkind = \"ldap\"\nprofile = \"{}\"\n{line}\nca = \"ca.pem\"\n\
         user = \"{USHER}\"\npassword = {{ file = \"password\" }}\nbase = \"{SUFFIX}\"\npeople = \"ou=people,{SUFFIX}\"\n\
         groups = \"ou=groups,{SUFFIX}\"\ndeleted = \"ou=disabled,{SUFFIX}\"\nhidden = \"employeeType=hidden\"\n",
        profile.as_str()
    );
    telling::engine(&server.folder, &text, clock).await
}

pub fn in_the_clear(port: u16) -> String {
    format!("url = \"ldap://127.0.0.1:{port}\"\ntls = \"none\"")
}

fn starttls(port: u16) -> String {
    format!("url = \"ldap://localhost:{port}\"")
}

fn people() -> String {
    person("ada", "1005", "Ada", "Keller") + &person("boss", "1000", "Berta", "Brunner")
}

#[tokio::test]
async fn ada_leaves_and_her_entry_goes_with_her() {
    let server = Slapd::start(&people()).await;
    leaves(&server, Profile::OpenLdap, &starttls(server.port), ("pwdAccountLockedTime", "000001010000Z", 49)).await;
}

#[tokio::test]
async fn ada_leaves_a_389_directory_server() {
    let server = NsSlapd::start(&people()).await;
    let line = format!("url = \"ldaps://localhost:{}\"", server.tls_port);
    leaves(&server, Profile::Ds389, &line, ("nsAccountLock", "true", 53)).await;
}

#[tokio::test]
async fn ada_leaves_a_house_of_unix_machines() {
    let people = unix(&person("ada", "1005", "Ada", "Keller"), "1005")
        + &unix(&person("boss", "1000", "Berta", "Brunner"), "1000");
    let server = Slapd::start_with(Overlays::None, &people).await;
    // Her password is another one by then: the directory itself knows no lock.
    leaves(&server, Profile::Posix, &starttls(server.port), ("shadowExpire", "1", 49)).await;
}

/// Her departure, on a server that marks a closed account so and refuses a sign-in with this code.
async fn leaves(server: &Outside, profile: Profile, line: &str, (lock, closed, refused): (&str, &str, u32)) {
    server.change(&(group("staff", &["ada", "boss"]) + &group("eng", &["ada", "boss"])));
    let ada = server.id("ada").await;
    let dn = "uid=ada,ou=people,dc=example,dc=org";
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(server, profile, line, &clock).await;

    told(&engine, PEOPLE).await;
    let run = run_of(&engine, "departure").await;

    walk_to(&engine, &clock, zurich("2027-01-29T17:59")).await;
    assert_eq!(server.answer(dn, "first-Password-ada").await, 0, "she works until six");
    walk_to(&engine, &clock, zurich("2027-01-29T18:00")).await;
    assert_eq!(server.answer(dn, "first-Password-ada").await, refused);
    let entry = server.entry(&ada).await.expect("ada");
    assert_eq!(entry.attrs[lock], [closed]);
    assert!(!entry.attrs.contains_key("memberOf"), "{entry:?}");
    assert!(server.groups_with(dn).await.is_empty());

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
