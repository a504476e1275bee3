//! From an empty folder to a blocked account, as somebody would go who has just found usher.

use super::house::House;

#[test]
fn from_hrs_file_to_planned_departures() {
    let house = House::new();
    house.run(&["doctor"]).ends(0).shows("usher.db does not exist yet");
    house.run(&["people", "import", "people.csv", "--dry-run"]).ends(0).shows("25 of 25 people would change");
    assert!(house.json(&["people", "list"]).as_array().unwrap().is_empty(), "a dry run changes nothing");

    let told = house.json(&["people", "import", "people.csv"]);
    assert_eq!((&told["new"], &told["systems"].as_array().unwrap().len()), (&25.into(), &5));
    let departures: Vec<_> =
        told["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "departure").collect();
    assert_eq!(departures.len(), 3);
    assert!(departures.iter().all(|event| event["state"] == "started"), "{departures:?}");

    house.run(&["people", "import", "people.csv"]).ends(0).shows("0 new, 0 changed").shows("Nothing follows from it");
    assert_eq!(house.json(&["run", "list"]).as_array().unwrap().len(), 3);
    let ada = house.json(&["people", "show", "1005"]);
    assert_eq!(ada["manager"]["employee_number"], "1004");
    assert_eq!(ada["accounts"].as_array().unwrap().len(), 5);
    assert_eq!(ada["runs"][0]["state"], "open");
    house.run(&["people", "list", "--status", "leaving"]).ends(0).shows("Ada Keller");
    house.run(&["doctor"]).ends(0).shows("125 accounts, 25 people").shows("none is at work");
}

#[test]
fn a_plan_shows_everything_and_changes_nothing() {
    let house = House::with_people();
    let asked = ["plan", "departure", "--person", "1006", "--set", "last_day=2027-03-28"];
    let page = house.run(&asked).ends(0);
    for words in [
        "Sun 28 Mar 2027",
        "18:00 CEST",
        "directory, files, groupware, mailhost",
        "by a person: Collect the badge",
        "would be held now: 1006 is active",
        "LEFT OUT",
        "Nothing was changed",
    ] {
        assert!(page.out.contains(words), "{words:?} is not in {}", page.out);
    }
    let plan = house.json(&asked);
    let disable = &plan["steps"][1];
    assert_eq!(
        (&disable["label"], &disable["due"]),
        (&"disable@directory".into(), &"2027-03-28T18:00:00+02:00".into())
    );
    assert_eq!(disable["account"], "u-0006");
    assert_eq!(house.json(&["run", "list"]).as_array().unwrap().len(), 3, "nothing was started");

    house.run(&["freeze", "--all", "--system", "mailhost", "--reason", "upgrade"]).ends(0);
    house.run(&asked).ends(0).shows("frozen (system mailhost): upgrade");
    house.run(&["unfreeze"]).ends(3).says("frozen: system mailhost");
    house.run(&["unfreeze", "--system", "mailhost"]).ends(0);
}

#[test]
fn a_block_is_carried_out_by_the_daemon() {
    let house = House::with_people();
    let daemon = house.serve();
    assert!(daemon.get("/health/live").unwrap().contains("live"));
    house.run(&["serve"]).ends(4).says("another daemon").says("is already serving");
    house.run(&["doctor"]).ends(0).shows("is at work");

    house.run(&["block", "1006"]).ends(4).says("add --yes");
    let block = house.json(&["--yes", "block", "1006", "--reason", "laptop stolen"]);
    let run = block["run"].as_str().unwrap();
    assert_eq!((&block["new"], run), (&true.into(), "run_4"));
    house.run(&["block", "1006", "--yes"]).ends(4).says("run_4 is an open run of emergency-block");
    house.until("the block", |house| (house.step(run, "verify-no-access@mailhost") == "done").then_some(()));

    let tasks = house.json(&["tasks"]);
    assert_eq!((&tasks[0]["step"], &tasks[0]["state"]), (&"disable@badges".into(), &"awaiting_person".into()));
    house.run(&["task", "done", run, "disable@badges", "--note", "badge 117 collected"]).ends(0).shows("is done");
    let shown = house.json(&["run", "show", run]);
    assert_eq!(shown["state"], "completed");
    for step in shown["steps"].as_array().unwrap() {
        assert!(["done", "skipped"].contains(&step["state"].as_str().unwrap()), "{step}");
        assert!(step["state"] != "done" || step["evidence"]["kind"].is_string(), "{step}");
    }
    house.run(&["audit", "show", run]).ends(0).shows("intent").shows("os:");
    house.run(&["audit", "verify"]).ends(0).shows("every chain holds");
    house.run(&["run", "evidence", run, "--out", "evidence.json"]).ends(0);
    house.run(&["run", "evidence", run, "--out", "evidence.json"]).ends(4).says("exists already");
    let evidence: serde_json::Value =
        serde_json::from_slice(&std::fs::read(house.path("evidence.json")).unwrap()).unwrap();
    assert!(evidence["verification"]["problem"].is_null() && evidence["journal"].as_array().unwrap().len() > 30);
    house.run(&["run", "show", run, "--watch"]).ends(0).shows("completed");
    assert_eq!(daemon.stop(), 0, "SIGTERM is a clean end");
    house.serve();
}

#[test]
fn a_tampered_journal_is_named() {
    let house = House::with_people();
    house.tamper("UPDATE journal SET actor = 'mallory' WHERE run_id = 2 AND seq = 1");
    house.run(&["audit", "verify"]).ends(1).shows("run_2: entry 1 does not match its hash");
    house.run(&["audit", "verify", "run_1"]).ends(0);
    house.run(&["run", "evidence", "run_2", "--out", "evidence.json"]).ends(1).says("entry 1");
}
