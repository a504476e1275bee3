//! Guards that have tripped: shown, released with a reason.

use serde_json::json;

use super::house::House;

#[test]
fn a_guard_that_has_tripped_is_shown_and_released_with_a_reason() {
    let house = House::with_people();
    house.run(&["guard", "list"]).ends(0).says("No guard has tripped.");
    assert_eq!(house.json(&["guard", "list"]), json!([]));
    house.tamper(
        "INSERT INTO trips (id, kind, system, stops, words, tripped_at)
         VALUES (1, 'threshold', 'mailhost', 'destructive', '6 in an hour', 1800000000000);
         UPDATE counters SET value = 1 WHERE name = 'trip'",
    );
    house.run(&["guard", "list"]).ends(0).shows("trip_1").shows("system mailhost").shows("6 in an hour");
    house.run(&["doctor"]).ends(0).shows("threshold on system mailhost");
    let listed = house.json(&["guard", "list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["kind"]), (&json!("trip_1"), &json!("threshold")));
    assert_eq!(listed[0]["tripped_at"], "2027-01-15T08:00:00+00:00");

    house.run(&["guard", "release", "trip_1"]).ends(2).says("--reason");
    house.run(&["guard", "release", "trip_1", "--reason", ""]).ends(2);
    house.run(&["guard", "release", "freeze", "--reason", "x"]).ends(2).says("they are called trip_3");
    house.run(&["guard", "release", "trip_9", "--reason", "x"]).ends(3).says("there is no trip trip_9");
    let released = house.json(&["guard", "release", "trip_1", "--reason", "checked with HR"]);
    assert_eq!((&released["steps"], &released["reason"]), (&json!(0), &json!("checked with HR")));
    assert!(released["released_by"].as_str().is_some_and(|by| by.starts_with("os:")), "{released}");
    house.run(&["guard", "release", "trip_1", "--reason", "x"]).ends(4).says("released already");
    house.run(&["guard", "list"]).ends(0).says("No guard has tripped.");
    house.run(&["guard", "list", "--all"]).ends(0).shows("checked with HR");
}

#[test]
fn plans_and_starts_say_which_limit_would_hold_them() {
    let house = House::with_people();
    let plan = ["plan", "departure", "--person", "1006", "--set", "last_day=2027-06-30"];
    let against = |system: &str| {
        let plan = house.json(&plan);
        let steps = plan["steps"].as_array().unwrap();
        let label = format!("delete@{system}");
        steps.iter().find(|step| step["label"] == label.as_str()).unwrap()["stopped_by"].as_str().unwrap().to_owned()
    };
    assert!(against("mailhost").ends_with("HR must have said that they leave"), "{}", against("mailhost"));
    house.tamper(
        "INSERT INTO trips (id, kind, system, stops, words, tripped_at)
         VALUES (1, 'threshold', 'mailhost', 'destructive', '6 in an hour', 1800000000000);
         UPDATE systems SET population = NULL, read_at = NULL WHERE name = 'files'",
    );
    assert!(against("mailhost").ends_with("; trip_1 (threshold): 6 in an hour"), "{}", against("mailhost"));
    assert!(against("files").contains("how many accounts files has was never read"), "{}", against("files"));
    assert!(!against("directory").contains(';'));
    let start = ["run", "start", "departure", "--person", "1006", "--set", "last_day=2027-06-30", "--now"];
    house
        .run(&start)
        .ends(0)
        .says("delete@mailhost would be held: trip_1 (threshold): 6 in an hour.")
        .says("`usher accounts sync files` reads it");
    house.run(&["accounts", "sync", "files"]).ends(0);
    assert!(!against("files").contains("never read"));
}

#[test]
fn limits_that_allow_nothing_are_refused_with_the_way_out() {
    let house = House::new();
    let with = |key: &str, text: &str| {
        let file = house.read("usher.toml").replace(&format!("# {key} = "), &format!("{key} = '{text}' # "));
        house.write("usher.toml", file);
        house.run(&["check"])
    };
    with("cuts_per_hour", "40 or 7.5 %").ends(0);
    with("destructive_per_hour", "0").ends(1).shows("it allows nothing; `usher freeze` stops everything for a while");
    with("destructive_per_day", "").ends(1).shows("`limits.destructive_per_day`").shows("it is blank");
    with("inventory_age", "0 s").ends(1).shows("`limits.inventory_age`");
}
