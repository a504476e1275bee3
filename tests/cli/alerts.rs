//! Alerts from outside: what is open, and whether anybody would hear of it.

use serde_json::json;

use super::house::House;

#[test]
fn a_test_reaches_the_administrators_and_says_what_the_webhook_answered() {
    let house = House::with_people();
    house.run(&["alerts", "list"]).ends(0).says("Nothing is wrong");
    assert_eq!(house.json(&["alerts", "list"]), json!([]));
    house.run(&["alerts", "test"]).ends(0).shows("told by mail: helene.bonvin@alpine-instruments.example");
    // Nobody listens there, and the secret is not to be had.
    let toml = house.read("usher.toml");
    let with = format!(
        "{toml}\n[alerts.webhook]\nurl = \"http://127.0.0.1:9/a-secret-path\"\nsecret = {{ env = \"HOOK\" }}\n"
    );
    house.write("usher.toml", with);
    house
        .run(&["alerts", "test"])
        .ends(5)
        .shows("NOT told by webhook: http://127.0.0.1:9: the environment variable HOOK is not set");
    house.run(&["doctor"]).ends(1).shows("the environment variable HOOK is not set").shows("none is overdue");
    // Nobody at all.
    let none = toml.replace("administrators = [\"helene.bonvin@alpine-instruments.example\"]", "");
    house.write("usher.toml", none);
    house.run(&["alerts", "test"]).ends(4).says("nobody is told of anything").says("[alerts.webhook]");
}
