//! HR's file, the shipped workflow, and a real directory, from the last day to the purge.

use std::collections::BTreeSet;

use jiff::{Timestamp, Zoned};
use usher::clock::Clock;
use usher::config::{Config, Surroundings};
use usher::engine::Engine;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::run::{Evidence, EvidenceKind, RunState, StepState};
use usher::store::{Opening, RunFilter};

use super::slapd::{SUFFIX, Slapd, USHER, group, person};

const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
1000,Berta,Brunner,Berta Brunner,boss@example.org,,2011-03-01,,active
1005,Ada,Keller,Ada Keller,ada@example.org,1000,2014-03-01,2027-01-29,active
";

fn zurich(local: &str) -> Timestamp {
    format!("{local}[Europe/Zurich]").parse::<Zoned>().expect("a time").timestamp()
}

/// An engine as the daemon has it, from its configuration on.
async fn engine(server: &Slapd, clock: &Clock) -> Engine {
    let folder = server.folder.path();
    let text = format!(
        "[time]\nzone = \"Europe/Zurich\"\n[limits]\ninventory_age = \"3650 days\"\n\
         [systems.directory]\nkind = \"ldap\"\nprofile = \"openldap\"\nurl = \"ldap://localhost:{}\"\nca = \"ca.pem\"\n\
         user = \"{USHER}\"\npassword = {{ file = \"password\" }}\nbase = \"{SUFFIX}\"\npeople = \"ou=people,{SUFFIX}\"\n\
         groups = \"ou=groups,{SUFFIX}\"\ndeleted = \"ou=disabled,{SUFFIX}\"\nhidden = \"employeeType=hidden\"\n",
        server.port
    );
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

#[tokio::test]
async fn ada_leaves_and_her_entry_goes_with_her() {
    let people = person("ada", "1005", "Ada", "Keller") + &person("boss", "1000", "Berta", "Brunner");
    let server = Slapd::start(&people).await;
    server.change(&(group("staff", &["ada", "boss"]) + &group("eng", &["ada", "boss"])));
    let ada = server.id("ada").await;
    let dn = "uid=ada,ou=people,dc=example,dc=org";
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(&server, &clock).await;

    let told = read_people(PEOPLE.as_bytes(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"));
    feed::take_in(&engine, &told, "csv", |_| {}).await.expect("takes it in");
    events::dispatch(&engine).await.expect("dispatches");
    let filter = RunFilter { workflow: Some("departure".into()), ..RunFilter::default() };
    let runs = engine.store().runs(&filter).await.expect("runs");
    let run = usher::run::book::parse_public_id(&runs[0].id).expect("an id");

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
