//! New dates, undoing, and what HR said: told by the command line.

use super::house::House;

#[test]
fn a_run_is_rescheduled_after_a_look() {
    let house = House::with_people();
    let ask = ["run", "reschedule", "run_1", "--set", "last_day=2027-02-26"];
    let looked = house.json(&[&ask[..], &["--dry-run"]].concat());
    assert_eq!(
        (&looked["run"], &looked["dry_run"], &looked["inputs"][0]),
        (&"run_1".into(), &true.into(), &"last_day".into())
    );
    let steps = looked["steps"].as_array().unwrap();
    let disable = steps.iter().find(|step| step["step"] == "disable@mailhost").expect("moves");
    assert!(disable["from"].as_str().unwrap().starts_with("2027-01-29"), "{disable}");
    assert!(disable["to"].as_str().unwrap().starts_with("2027-02-26"), "{disable}");
    house.run(&[&ask[..], &["--dry-run"]].concat()).ends(0).shows("Nothing was changed.").shows("disable@mailhost");
    assert_eq!(house.json(&["run", "show", "run_1"])["inputs"]["last_day"], "2027-01-29");

    house.run(&[&ask[..], &["--reason", "agreed"]].concat()).ends(0).shows("steps of run_1 moved");
    assert_eq!(house.json(&["run", "show", "run_1"])["inputs"]["last_day"], "2027-02-26");
    house.run(&ask).ends(0).shows("nothing moves");
    house.run(&["run", "reschedule", "run_1", "--set", "lastday=2027-02-26"]).ends(2).says("did you mean `last_day`?");
    house.run(&["run", "reschedule", "run_1"]).ends(2);
    house.run(&["run", "reschedule", "run_99", "--set", "last_day=2027-02-26"]).ends(3);
    house.run(&["audit", "verify"]).ends(0);
}

#[test]
fn closed_access_is_taken_back_and_not_moved() {
    let house = House::with_people();
    let daemon = house.serve();
    house.run(&["run", "start", "departure", "--person", "1006", "--set", "last_day=2026-11-02", "--now"]).ends(0);
    house.until("the cut", |house| (house.step("run_4", "disable@mailhost") == "done").then_some(()));
    let moved = house.run(&["run", "reschedule", "run_4", "--set", "last_day=2030-02-26"]).ends(4);
    moved.says("disable@mailhost").ends(4).says("`usher run undo run_4 --reason TEXT`");

    let looked = house.json(&["run", "undo", "run_4", "--reason", "a mistake", "--dry-run"]);
    assert_eq!((&looked["undone_by"], &looked["dry_run"]), (&serde_json::Value::Null, &true.into()));
    let cancelled = house.json(&["run", "cancel", "run_4", "--reason", "a mistake", "--wait"]);
    assert_eq!(cancelled["undo"], "usher run undo run_4 --reason TEXT");
    let told = house.run(&["run", "undo", "run_4", "--reason", "a mistake"]).ends(0);
    told.shows("run_4 is cancelled; run_5 takes")
        .shows("What stays, and what to do instead:")
        .shows("password.rotate")
        .ends(0);
    house.until("the opening", |house| (house.step("run_5", "disable.undo@mailhost") == "done").then_some(()));
    house.run(&["run", "undo", "run_4", "--reason", "again"]).ends(4).says("run_5 takes run_4 back already");
    assert_eq!(house.json(&["run", "show", "run_5"])["workflow"], "undo-departure");
    assert_eq!(daemon.stop(), 0);
    house.run(&["audit", "verify"]).ends(0);
}

#[test]
fn what_hr_said_is_listed_and_dealt_with() {
    let house = House::with_people();
    house.write("leave.csv", "employee_number,given_name,family_name,status\n1006,Zoë,Lindqvist,on_leave\n");
    house.run(&["people", "import", "leave.csv"]).ends(0).shows("parked for a person");
    let parked = house.json(&["events", "list", "--state", "parked"]);
    let event = parked[0]["id"].as_str().expect("an id").to_owned();
    assert!(event.starts_with("evt_"), "{event}");
    assert_eq!((&parked[0]["kind"], &parked[0]["employee_number"]), (&"leave".into(), &"1006".into()));
    assert_eq!(house.json(&["events", "list", "--person", "1006"]).as_array().unwrap().len(), 1);
    house.run(&["tasks"]).ends(0).shows(&event);
    let tasks = house.json(&["tasks"]);
    assert!(tasks.as_array().unwrap().iter().any(|task| task["event"] == event.as_str()), "{tasks}");
    house.run(&["doctor"]).shows("parked for a person");
    house.run(&["events", "retry", &event]).ends(0).shows("parked");
    house.run(&["events", "show", &event]).ends(0).shows("leave of 1006");
    house.run(&["events", "resolve", &event, "--reason", "run started by hand"]).ends(0).shows("run started by hand");
    let settled = house.json(&["events", "show", &event]);
    assert_eq!((&settled["state"], &settled["reason"]), (&"resolved".into(), &"run started by hand".into()));
    assert!(settled["settled_by"].as_str().unwrap().starts_with("os:"), "{settled}");
    house.run(&["events", "drop", &event, "--reason", "again"]).ends(4).says("only what is parked");
    house.run(&["events", "show", "evt_999"]).ends(3).says("`usher events list` shows them");
    house.run(&["events", "show", "nonsense"]).ends(2);
}
