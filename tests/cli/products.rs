//! What stops a product for everybody is asked for twice.

use super::house::House;

#[test]
fn a_product_is_blocked_with_its_name_typed_or_with_yes() {
    let house = House::with_people();
    let block = ["run", "start", "product-block", "--set", "product=files", "--now"];
    // Nobody is at the terminal.
    house.run(&block).ends(4).says("product-block stops files for the whole organisation");
    house
        .run(&["run", "start", "product-block", "--set", "product=fils", "--now"])
        .ends(4)
        .says("did you mean `files`");
    house.run(&[&block[..], &["--yes"]].concat()).ends(0).shows("product-block");
    house.run(&["run", "start", "product-unblock", "--set", "product=files", "--now"]).ends(0);
}

#[test]
fn only_those_whom_the_configuration_names_stop_products() {
    let house = House::with_people();
    let toml = house
        .read("usher.toml")
        .replace("# administrators = [\"root\", \"alice\"]", "administrators = [\"nobody-here\"]");
    house.write("usher.toml", &toml);
    let block = ["run", "start", "product-block", "--set", "product=files", "--now", "--yes"];
    house.run(&block).ends(4).says("only administrators may ask for");
    house.run(&["run", "start", "password-reset", "--person", "1006", "--now"]).ends(0);
}

#[test]
fn a_plan_says_what_a_newcomer_will_be_called_and_who_makes_the_account() {
    let house = House::with_people();
    let head = "employee_number,given_name,family_name,department,language,start_date,status";
    house.write("new.csv", format!("{head}\n1030,Jürg,Müller,Sales,de,2027-02-15,prehire\n"));
    house.run(&["people", "import", "new.csv", "--yes"]).ends(0);
    let plan = ["plan", "onboarding", "--person", "1030"];
    house
        .run(&plan)
        .ends(0)
        .shows("New accounts are called juerg.mueller@alpine-instruments.example")
        .shows("on the account that `create` makes")
        .shows("by a person: Make a badge");
    let document = house.json(&plan);
    assert_eq!(document["new_address"], "juerg.mueller@alpine-instruments.example");
    let promote = ["plan", "role-change", "--person", "1006", "--set", "role=administrator"];
    house.run(&promote).ends(0).shows("makes somebody administrator of directory");
}
