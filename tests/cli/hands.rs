//! What people put in the way: legal holds, protected accounts.

use super::house::House;

#[test]
fn a_legal_hold_is_put_on_shown_everywhere_and_released() {
    let house = House::with_people();
    house.run(&["hold", "list"]).ends(0).says("Nobody is under legal hold");
    house.run(&["hold", "add", "1005", "--reason", " "]).ends(2).says("the reason is empty");
    house.run(&["hold", "add", "9999", "--reason", "x"]).ends(3);
    house.run(&["hold", "add", "1005", "--reason", "x", "--until", "2020-01-01"]).ends(2).says("has passed");
    house.run(&["hold", "add", "1005", "--reason", "x", "--until", "soon"]).ends(2).says("is no date");
    house.run(&["hold", "add", "1005", "--reason", "lawsuit"]).ends(0).shows("hold_1: nothing of 1005 Ada Keller");
    let added = house.json(&["hold", "add", "1005", "--reason", "audit", "--until", "2033-12-31"]);
    assert_eq!(added["id"], "hold_2");
    assert!(added["until"].as_str().unwrap().starts_with("2034-01-01T00:00"), "through that day: {added}");

    house.run(&["hold", "list"]).ends(0).shows("lawsuit").shows("audit").shows("1005 Ada Keller");
    house.run(&["people", "show", "1005"]).ends(0).shows("under legal hold: hold_1");
    assert_eq!(house.json(&["people", "show", "1005"])["legal_holds"].as_array().unwrap().len(), 2);
    house.run(&["run", "show", "run_1"]).ends(0).shows("Under legal hold: hold_1");
    assert_eq!(house.json(&["run", "show", "run_1"])["legal_holds"][0]["reason"], "audit");
    let plan = ["plan", "departure", "--person", "1005", "--set", "last_day=2030-06-28"];
    house.run(&plan).ends(0).shows("under legal hold: hold_2");

    house.run(&["hold", "release", "hold_2", "--reason", "done"]).ends(0).shows("Released 1");
    house.run(&["hold", "release", "hold_2", "--reason", "again"]).ends(3).says("there is no hold on hold_2");
    assert_eq!(house.json(&["hold", "release", "1005", "--reason", "settled"])["released"], 1);
    assert_eq!(house.json(&["hold", "list"]).as_array().unwrap().len(), 0);
    let all = house.json(&["hold", "list", "--all"]);
    assert_eq!((all[0]["id"].as_str(), all[1]["ended"]["reason"].as_str()), (Some("hold_2"), Some("settled")));
}

#[test]
fn protected_accounts_are_reported_before_anything_happens() {
    let house = House::with_people();
    house.run(&["accounts", "list", "--person", "1001"]).ends(0).shows("u-0001 is protected: it is the last legal");
    let listed = house.json(&["accounts", "list", "--person", "1001", "--system", "directory"]);
    assert_eq!(listed[0]["protected"], "it is the last legal representative of directory");
    let plan = ["plan", "departure", "--person", "1001", "--set", "last_day=2030-06-28"];
    house.run(&plan).ends(0).shows("Note: account u-0001 is protected").shows("would be held now: protected");
    house.run(&["block", "1001", "--yes"]).ends(0).says("directory:u-0001 is protected").says("give --override");
    let run = house.json(&["run", "list", "--person", "1001"])[0]["id"].as_str().unwrap().to_owned();
    let daemon = house.serve();
    house.until("the guard", |house| (house.step(&run, "disable@directory") == "held").then_some(()));
    house.run(&["step", "retry", &run, "disable@directory", "--override", "--reason", "phished"]).ends(0);
    house.until("the cut", |house| (house.step(&run, "disable@directory") == "done").then_some(()));
    drop(daemon);
}

const LEAVE: &str = include_str!("../workflows/leave-now.yaml");

#[test]
fn a_batch_is_listed_and_approved_with_its_count() {
    let house = House::with_people();
    house.write("workflows/leave-now.yaml", LEAVE);
    house.run(&["approve", "--list"]).ends(0).says("No approvals wait together");
    house.run(&["approve"]).ends(2);
    house.run(&["approve", "run_4", "--confirm", "x"]).ends(2);
    house.run(&["approve", "--batch", "batch_0"]).ends(2);
    let daemon = house.serve();
    for person in ["1005", "1011"] {
        house.run(&["run", "start", "leave-now", "--person", person, "--now"]).ends(0);
    }
    let batch = house.until("the batch", |house| {
        let batches = house.json(&["approve", "--list"]);
        batches.as_array().unwrap().first().cloned()
    });
    assert_eq!((&batch["confirm"], &batch["runs"]), (&"DELETE 4".into(), &serde_json::json!(["run_4", "run_5"])));
    let id = batch["id"].as_str().unwrap();
    house.run(&["approve", "--list"]).ends(0).shows(&format!("usher approve --batch {id} --confirm 'DELETE 4'"));
    house.run(&["approve", "--batch", id, "--confirm", "DELETE 2"]).ends(4).says("type exactly `DELETE 4`");
    house.run(&["approve", "--batch", id, "--confirm", "DELETE 4"]).ends(4).says("has asked for run_4");
    house.tamper("UPDATE runs SET asked_by = 'os:somebody-else'");
    house.run(&["approve", "--batch", "batch_0", "--confirm", "DELETE 4"]).ends(4).says("there is no batch batch_0");
    house.run(&["approve", "--batch", id, "--confirm", "DELETE 4"]).ends(0).shows("approved for 2 runs");
    assert_eq!((house.step("run_4", "approve").as_str(), house.step("run_5", "approve").as_str()), ("done", "done"));
    drop(daemon);
}

#[test]
fn a_question_that_nobody_answers_is_held_by_the_daemon_and_may_be_answered_late() {
    let house = House::with_people();
    let ask = "workflow: ask\nfor: person\non: { manual: true }\nsteps:\n  - id: ask\n    action: approval\n    \
               with: { role: approver, answer_within: 1 second }\n";
    house.write("workflows/ask.yaml", ask);
    house.run(&["help", "ask"]).ends(0).shows("without an answer within 1 second, it is held");
    let daemon = house.serve();
    house.run(&["run", "start", "ask", "--person", "1006", "--now"]).ends(0);
    let run = house.json(&["run", "list", "--person", "1006"])[0]["id"].as_str().unwrap().to_owned();
    house.until("the lapse", |house| (house.step(&run, "ask") == "held").then_some(()));
    house.run(&["run", "show", &run]).ends(0).shows("nobody has answered it by");
    house.run(&["tasks"]).ends(0).shows("nobody_answered").shows(&format!("usher approve {run} ask --confirm 'yes'"));
    house.run(&["help", "nobody_answered"]).ends(0).shows("a late answer counts");
    house.run(&["deny", &run, "ask", "--reason", "too late"]).ends(0);
    assert_eq!(house.step(&run, "ask"), "failed");
    drop(daemon);
}
