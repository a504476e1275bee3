//! What people order: start, cancel, pause, tasks, approvals, bindings.

use super::house::House;

const ASK_FIRST: &str = "\
workflow: ask-first
title: Ask first
for: person
on: { manual: true }
steps:
  - id: ask
    action: approval
    with: { role: approver, confirm: \"{{ person.display_name }}\", valid: 30 days }
  - id: points
    action: checklist
    with: { assignee: a@example.org, items: [First, Second] }
";

#[test]
fn a_run_is_started_once_per_key() {
    let house = House::with_people();
    let asked = ["run", "start", "departure", "--person", "1006", "--set", "last_day=2027-06-30", "--key", "k-1"];
    let once = house.json(&[&asked[..], &["--at", "2027-06-01T08:00"]].concat());
    let again = house.json(&[&asked[..], &["--at", "2027-06-01T08:00"]].concat());
    assert_eq!(
        (&once["run"], &once["new"], &once["start"]),
        (&again["run"], &true.into(), &"2027-06-01T08:00:00+00:00".into())
    );
    assert_eq!(again["new"], false);
    // Even when it could not be planned again.
    house.tamper("UPDATE people SET status = 'left' WHERE employee_number = '1006'");
    assert_eq!(house.json(&[&asked[..], &["--now"]].concat())["run"], once["run"]);
    let other =
        ["run", "start", "departure", "--person", "1007", "--set", "last_day=2027-06-30", "--key", "k-1", "--now"];
    house.run(&other).ends(4).says("the key k-1 belongs to run_4");
}

#[test]
fn runs_are_paused_resumed_and_cancelled() {
    let house = House::with_people();
    house.run(&["run", "pause", "run_1", "--reason", "waiting"]).ends(0).shows("run_1 is paused");
    house.run(&["run", "pause", "run_1", "--reason", "waiting"]).ends(4).says("paused already");
    assert_eq!(house.json(&["run", "list", "--state", "paused"])[0]["id"], "run_1");
    house.run(&["run", "resume", "run_1", "--reason", "go on"]).ends(0);
    house.run(&["step", "skip", "run_1", "disable@badges", "--reason", "no badge"]).ends(0);
    house.run(&["step", "retry", "run_1", "disable@files", "--reason", "now"]).ends(4).says("has not been tried yet");
    let cancelled = house.json(&["run", "cancel", "run_1", "--reason", "HR erred", "--wait"]);
    assert_eq!(cancelled["in_flight"], serde_json::json!([]));
    house.run(&["run", "cancel", "run_1", "--reason", "again"]).ends(4).says("is over: cancelled");
    house.run(&["audit", "verify"]).ends(0);
}

#[test]
fn approvals_and_checklists_are_answered_as_they_ask() {
    let house = House::with_people();
    house.write("workflows/ask-first.yaml", ASK_FIRST);
    let daemon = house.serve();
    house.run(&["run", "start", "ask-first", "--person", "1006", "--now"]).ends(0).shows("run_4");
    house.until("the question", |house| (house.step("run_4", "ask") == "awaiting_approval").then_some(()));
    assert_eq!(house.json(&["tasks"])[0]["confirm"], "Zoë Lindqvist");
    let own = house.run(&["approve", "run_4", "ask", "--confirm", "Zoë Lindqvist"]).ends(4);
    own.says("has asked for run_4").says("help: somebody else has to approve it");
    house.tamper("UPDATE runs SET asked_by = 'os:somebody-else' WHERE id = 4");
    house.run(&["approve", "run_4", "ask", "--confirm", "Zoe"]).ends(4).says("type exactly `Zoë Lindqvist`");
    house.run(&["task", "done", "run_4", "ask"]).ends(4);
    house.run(&["approve", "run_4", "ask", "--confirm", "Zoë Lindqvist"]).ends(0);
    house.until("the list", |house| (house.step("run_4", "points") == "awaiting_person").then_some(()));
    house.run(&["task", "done", "run_4", "points", "--item", "3"]).ends(4).says("there is no point 3");
    house.run(&["task", "done", "run_4", "points", "--item", "1"]).ends(0).shows("1 point of points is open");
    house.run(&["tasks"]).ends(0).shows("[x] 1. First").shows("[ ] 2. Second");
    house.run(&["task", "done", "run_4", "points", "--item", "2"]).ends(0).shows("points of run_4 is done");
    assert_eq!(house.json(&["run", "show", "run_4"])["state"], "completed");

    house.run(&["run", "start", "ask-first", "--person", "1007", "--now"]).ends(0);
    house.until("the question", |house| (house.step("run_5", "ask") == "awaiting_approval").then_some(()));
    house.run(&["deny", "run_5", "ask", "--reason", "no"]).ends(0).shows("needs_attention");
    drop(daemon);
}

#[test]
fn accounts_are_bound_by_hand_for_good() {
    let house = House::with_people();
    house.run(&["accounts", "bind", "directory:u-0006", "1007"]).ends(4).says("accounts unbind directory:u-0006");
    house.run(&["accounts", "unbind", "directory:u-0006"]).ends(0);
    let synced = house.json(&["accounts", "sync", "directory"]);
    assert_eq!((&synced[0]["read"], &synced[0]["bound"]), (&25.into(), &0.into()), "no match overrules a person");
    house.run(&["accounts", "list", "--unbound"]).ends(0).shows("directory:u-0006");
    house.run(&["accounts", "bind", "directory:zoe.lindqvist", "1006"]).ends(0).shows("1006 Zoë Lindqvist");
    assert_eq!(house.json(&["accounts", "list", "--person", "1006"]).as_array().unwrap().len(), 5);
    house.run(&["systems", "test"]).ends(0).shows("25 accounts");
    assert_eq!(house.json(&["systems", "list"])[0]["name"], "badges");
    assert_eq!(house.json(&["schedule", "list"])[0]["workflow"], "grace-purge");
}

#[test]
fn a_schedule_is_paused_run_by_hand_and_resumed() {
    let house = House::with_people();
    let row = |house: &House| {
        let rows = house.json(&["schedule", "list"]);
        rows.as_array().unwrap().iter().find(|row| row["workflow"] == "grace-purge").unwrap().clone()
    };
    assert_eq!(row(&house)["next"].as_array().unwrap().len(), 3);
    house.run(&["schedule", "pause", "grace-purge", "--reason", "audit"]).ends(0).shows("starts nothing by itself");
    house.run(&["schedule", "pause", "grace-purge", "--reason", "audit"]).ends(4).says("paused already");
    let paused = row(&house);
    assert_eq!((paused["paused"]["reason"].as_str(), paused["next"].as_array().unwrap().len()), (Some("audit"), 0));
    house.run(&["schedule", "list"]).ends(0).shows("audit");
    house.run(&["schedule", "run", "grace-purge"]).ends(0).shows("there is nothing to do");
    assert_eq!(row(&house)["last"]["runs"], 0);
    house.run(&["schedule", "resume", "grace-purge"]).ends(0).shows("goes on with its next tick");
    house.run(&["schedule", "resume", "grace-purge"]).ends(4).says("is not paused");
    house.run(&["schedule", "run", "departure"]).ends(3).says("has no schedule");
}

#[test]
fn a_policy_of_the_configuration_refuses_a_plan_and_is_named_by_one() {
    let house = House::with_people();
    let settings = std::fs::read_to_string(house.path("usher.toml")).unwrap();
    let policy =
        |keys: &str| house.write("usher.toml", settings.replacen("[policy]\n", &format!("[policy]\n{keys}\n"), 1));
    let plan = ["plan", "departure", "--person", "1006", "--set", "last_day=2027-06-30"];
    policy("auto_reply_max = \"90 days\"");
    house.run(&plan).ends(0).shows("Allowed by [policy]: redirect allowed, auto-reply at most 90 days.");
    assert_eq!(house.json(&plan)["policy"]["redirect"], "allowed");
    policy("auto_reply_max = \"30 days\"");
    house.run(&plan).ends(4).says("step `auto-reply`: [policy] allows an auto-reply for 30 days");
    policy("redirect = \"forbidden\"");
    house.run(&plan).ends(0);
    let redirected =
        [&plan[..], &["--set", "redirect=soren@alpine-instruments.example", "--set", "redirect_reason=x"]].concat();
    house.run(&redirected).ends(4).says("step `redirect`: [policy] forbids to redirect mail");
}
