//! `usher run archive`, and what the other commands say of what is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::house::House;

/// 200 days, and 800.
const MONTHS_AGO: &str = "UPDATE runs SET ended_at = ended_at - 17280000000 WHERE ended_at IS NOT NULL";
const YEARS_AGO: &str = "UPDATE runs SET ended_at = ended_at - 69120000000 WHERE ended_at IS NOT NULL";

/// A run that has been over for so long.
fn over(house: &House, ago: &'static str) -> String {
    house.run(&["run", "start", "emergency-block", "--person", "1006", "--now"]).ends(0);
    let runs = house.json(&["run", "list", "--person", "1006"]);
    let run = runs[0]["id"].as_str().unwrap().to_owned();
    house.run(&["run", "cancel", &run, "--reason", "a mistake"]).ends(0);
    house.tamper(ago);
    run
}

fn told(house: &House, arguments: &[&str]) -> Value {
    house.json(arguments)
}

#[test]
fn finished_runs_move_by_hand_and_every_command_still_shows_them() {
    let house = House::with_people();
    let run = over(&house, MONTHS_AGO);
    assert_eq!(told(&house, &["run", "archive", "--dry-run"])["left"], 0, "two years are not over");
    let older = ["run", "archive", "--older-than", "6 months"];
    let dry = told(&house, &[&older[..], &["--dry-run"]].concat());
    assert_eq!((&dry["dry_run"], &dry["archived"], &dry["left"]), (&json!(true), &json!(0), &json!(1)));
    house.run(&[&older[..], &["--dry-run"]].concat()).ends(0).shows("1 run that ended before ");
    let (shown, journal) = (told(&house, &["run", "show", &run]), told(&house, &["audit", "show", &run]));
    assert!(shown["archived_at"].is_null() && shown["steps"].as_array().unwrap().len() > 5);
    assert_eq!(house.number("SELECT COUNT(*) FROM archived_steps"), 0);

    let moved = told(&house, &older);
    assert_eq!((&moved["archived"], &moved["left"]), (&json!(1), &json!(0)), "{moved}");
    // What was said together is one entry.
    let said = journal.as_array().unwrap().iter().map(|said| said["seq"].as_i64().unwrap());
    let kept = said.collect::<BTreeSet<_>>().len();
    assert_eq!(moved["entries"], kept);
    assert!(house.number("SELECT COUNT(*) FROM archived_steps") > 5);
    house.run(&older).ends(0).shows("Archived 0 runs (0 journal entries).");

    house.run(&["run", "show", &run]).ends(0).shows("In the archive since ");
    let mut after = told(&house, &["run", "show", &run]);
    assert!(after["archived_at"].is_string());
    after["archived_at"] = Value::Null;
    assert_eq!(after, shown);
    assert_eq!(told(&house, &["audit", "show", &run]), journal);
    let listed = told(&house, &["run", "list", "--person", "1006"]);
    assert!(listed[0]["archived_at"].is_string() && listed[0]["id"] == run.as_str(), "{listed}");
    house.run(&["audit", "verify", &run]).ends(0);
    house.run(&["audit", "verify"]).ends(0);
    house.run(&["audit", "export", "--out", "journal.jsonl"]).ends(0);
    let number = run.trim_start_matches("run_").parse::<i64>().unwrap();
    let exported = house.read("journal.jsonl");
    let lines = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let entries = lines.filter(|line| line["kind"] == "entry" && line["run"] == number).count();
    assert_eq!(entries, kept);
    house.run(&["run", "evidence", &run, "--out", "evidence.json"]).ends(0);
    let evidence: Value = serde_json::from_str(&house.read("evidence.json")).unwrap();
    assert!(evidence["run"]["archived_at"].is_string() && evidence["journal"] == journal);
    assert_eq!(evidence["verification"]["problem"], Value::Null);
}

#[test]
fn how_old_is_said_by_the_configuration_or_by_hand() {
    let house = House::with_people();
    over(&house, YEARS_AGO);
    house.run(&["run", "archive", "--older-than", "1 day"]).ends(2).says("too short");
    house.run(&["run", "archive", "--older-than", "soon"]).ends(2).says("--older-than: `soon` is not a span of time");
    let text = house.read("usher.toml");
    house.write("usher.toml", text.replacen("# finished_runs = \"2 years\"", "finished_runs = \"for ever\"", 1));
    house.run(&["run", "archive"]).ends(2).says("for ever").says("--older-than '2 years'");
    assert_eq!(told(&house, &["run", "archive", "--dry-run", "--older-than", "2 years"])["left"], 1);
    house.write("usher.toml", text);
    assert_eq!(told(&house, &["run", "archive"])["archived"], 1, "two years, where nothing is written");
}

#[test]
fn a_daemon_archives_by_itself() {
    let house = House::with_people();
    over(&house, YEARS_AGO);
    let daemon = house.serve();
    let archived = "SELECT COUNT(*) FROM runs WHERE archived_at IS NOT NULL";
    house.until("the move into the archive", |house| (house.number(archived) == 1).then_some(()));
    drop(daemon);
}
