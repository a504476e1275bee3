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
