//! HR's file, the shipped workflow, and real servers: a leaver's calendars are kept and go to the manager, the files too.

use std::collections::BTreeSet;

use usher::clock::Clock;
use usher::engine::Engine;
use usher::run::StepState;

use super::target::{Calendars, Files, Share, card, event};
use crate::telling::{self, run_of, told, walk_to, zurich};

const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
1000,Berta,Brunner,Berta Brunner,boss@example.org,,2011-03-01,,active
1005,Jane,Doe,Jane Doe,jdoe@example.org,1000,2014-03-01,2027-01-29,active
";

/// An engine as the daemon has it, from its configuration on.
async fn engine(calendars: &Calendars, files: &Files, clock: &Clock) -> Engine {
    let folder = calendars.server.folder.path();
    let common = "kind = \"dav\"\nnetworks = [\"127.0.0.0/8\"]\nuser = \"svc\"\npassword = { file = \"password\" }\n\
        domain = \"example.org\"\n";
    let text = format!(
        "[workflows]\nfolder = \"workflows\"\n\
         [systems.groupware]\nurl = \"http://127.0.0.1:{}/\"\n{common}calendars = \"{{account}}/\"\ncontacts = \"{{account}}/\"\n\
         [systems.cloud]\nurl = \"http://127.0.0.1:{}/\"\n{common}files = \"files/{{account}}/\"\n",
        calendars.line.port, files.line.port
    );
    // The shipped workflow, with one step more: what is handed over was archived before.
    let own = include_str!("../../../workflows/departure.yaml").replace(
        "  - id: transfer-files\n",
        "  - id: archive-files\n    action: files.archive\n    systems: files\n    after: disable\n    at: last_day + 7 days\n\n  \
         - id: transfer-files\n",
    );
    let own = own.replacen(
        "    systems: files\n    after: disable\n    at: last_day + 7 days\n    with: { to:",
        "    systems: files\n    \
        after: archive-files\n    with: { to:",
        1,
    );
    assert!(own.contains("after: archive-files"), "the shipped workflow is another one now");
    std::fs::create_dir_all(folder.join("workflows")).expect("a folder");
    std::fs::write(folder.join("workflows/departure.yaml"), own).expect("writes");
    telling::engine(folder, &text, clock).await
}

#[tokio::test]
async fn a_leavers_calendars_and_files_go_to_the_manager() {
    let (calendars, files) = (Calendars::start().await, Files::start(Share::One).await);
    let review = event("1", "20280101T100000Z", "Review");
    calendars.calendar("jdoe", "work", &[("1.ics", &review)]);
    calendars.calendar("boss", "work", &[("b.ics", &event("b", "20280101T100000Z", "Mine"))]);
    calendars.address_book("jdoe", "friends", &[("c.vcf", &card("c", "Carla"))]);
    files.write("jdoe", "plans/a.txt", b"the plan");
    files.write("boss", "plans/a.txt", b"of my own");
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let engine = engine(&calendars, &files, &clock).await;

    told(&engine, PEOPLE).await;
    let run = run_of(&engine, "departure").await;

    walk_to(&engine, &clock, zurich("2027-01-29T18:00")).await;
    // Sign-in is closed where the accounts come from; a person has seen to it.
    for step in ["disable@groupware", "disable@cloud"] {
        engine.task_done(run, step, &BTreeSet::new(), None, "os:berta").await.expect("is done");
    }
    walk_to(&engine, &clock, zurich("2027-02-04T17:00")).await;
    assert_eq!(files.files()["jdoe/plans/a.txt"], "the plan", "nothing before its day");
    walk_to(&engine, &clock, zurich("2027-02-06T18:00")).await;

    let all = files.files();
    assert_eq!(
        (all["boss/From Jane Doe/plans/a.txt"].as_str(), all["boss/plans/a.txt"].as_str()),
        ("the plan", "of my own")
    );
    assert!(all.keys().all(|name| !name.starts_with("jdoe/")), "{all:?}");
    let events = calendars.events();
    let given: Vec<_> = events.iter().filter(|(name, _)| name.starts_with("boss/from-jdoe-work-")).collect();
    assert_eq!(given.len(), 1, "{events:?}");
    assert!(!events.contains_key("jdoe/work/1.ics") && events.contains_key("boss/work/b.ics"));

    let book = engine.look(run).await.expect("the run");
    let done = |name: &str, system: &str| {
        let step = book.steps.iter().find(|step| step.name == name && step.system.as_deref() == Some(system));
        match &step.unwrap_or_else(|| panic!("no {name}@{system}")).state {
            StepState::Done { evidence, .. } => evidence.detail.clone(),
            other => panic!("{name}@{system} is {other:?}"),
        }
    };
    assert!(done("export-calendars", "groupware").contains("1 meetings to come were called by this account"));
    assert!(done("export-contacts", "groupware").contains("1 address books with 1 cards"));
    assert!(done("transfer-calendars", "groupware").contains("1 events and tasks of account `jdoe`"));
    assert!(done("archive-files", "cloud").contains("1 files with 8 bytes in 1 folders"));
    assert!(done("transfer-files", "cloud").contains("has no file left"));
}
