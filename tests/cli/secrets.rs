//! Stored secrets, the master key, and what is never said.

use crate::house::House;

/// A configuration whose mail goes to a server that nobody runs, with this password.
fn mail_with(house: &House, password: &str) {
    let text = house.read("usher.toml");
    let from = text.find("[mail]\n").unwrap();
    let to = from + text[from + 1..].find("\n[").unwrap() + 1;
    let mail = format!(
        "[mail]\ntransport = \"smtp\"\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nuser = \"usher\"\npassword = {password}\n\
         from = \"usher <usher@example.org>\"\nadministrators = [\"admin@example.org\"]\n"
    );
    house.write("usher.toml", format!("{}{mail}{}", &text[..from], &text[to..]));
}

#[test]
fn a_secret_is_stored_used_and_never_shown() {
    let house = House::new();
    mail_with(&house, "{ stored = \"mail-password\" }");
    house.run(&["check"]).ends(0);
    house.run(&["mail", "test", "--to", "x@example.org"]).ends(5).says("usher secret set mail-password");
    house
        .run_with(&["secret", "set", "mail-password"], "Canary-stdin-5\n")
        .ends(0)
        .shows("{ stored = \"mail-password\" }");
    let answer = house.run(&["mail", "test", "--to", "x@example.org"]).ends(5);
    assert!(!answer.err.contains("secret set"), "now it is the server that is missing: {answer:?}");
    let replaced = house.run_with(&["--json", "secret", "set", "mail-password"], "Canary-stdin-6").ends(0);
    assert!(replaced.out.contains("\"replaced\": true"), "{replaced:?}");
    let listed = house.json(&["secret", "list"]);
    assert_eq!((listed[0]["name"].as_str(), listed.as_array().unwrap().len()), (Some("mail-password"), 1));
    for answer in [house.run(&["secret", "list"]).ends(0).shows("mail-password"), replaced] {
        assert!(!answer.out.contains("Canary") && !answer.err.contains("Canary"), "{answer:?}");
    }
    house.run_with(&["secret", "set", "empty"], "\n").ends(2).says("empty");
    house.run_with(&["secret", "set", "UPPER"], "x").ends(2).says("lower-case letters");
    house.run_with(&["secret", "set", "a", "b"], "x").ends(2);
    house.run(&["secret", "remove", "mail-password"]).ends(0).shows("taken out");
    house.run(&["secret", "remove", "mail-password"]).ends(3).says("there is no stored secret");
}

#[test]
fn what_opens_the_record_is_not_kept_in_it() {
    let house = House::new();
    let text = house.read("usher.toml").replacen("[keys]\n", "[keys]\nsecret = { stored = \"x\" }\n", 1);
    house.write("usher.toml", &text);
    house.run(&["check"]).ends(1).shows("needed to open the store");
    house.run(&["secret", "list"]).ends(2).says("needed to open the store");
}

#[test]
fn the_master_key_is_changed_beside_a_daemon() {
    let house = House::with_people();
    let people = house.number("SELECT COUNT(*) FROM people");
    let daemon = house.serve();
    let told = house.json(&["secret", "rotate-key"]);
    assert_eq!((told["before"].as_i64(), told["key"].as_i64()), (Some(1), Some(2)), "{told}");
    assert_eq!(house.number("SELECT COUNT(*) FROM people WHERE data_key LIKE 'v2.2.%'"), people);
    house.run(&["block", "1006", "--reason", "lost", "--yes"]).ends(0);
    house.until("the block", |house| (house.step("run_4", "disable@directory") == "done").then_some(()));
    house.run(&["secret", "rotate-key", "--drop-old"]).ends(0).shows("Master key 2 is the only one");
    assert!(house.read("usher.key").starts_with("2 ") && house.read("usher.key").lines().count() == 1);
    assert_eq!(daemon.stop(), 0);
    house.run(&["audit", "verify"]).ends(0).shows("every chain holds");
    let log = house.read("serve.log");
    assert!(!log.contains("ERROR") && !log.contains("a round failed"), "{log}");
}

#[test]
fn keys_of_the_environment_are_changed_there() {
    let house = House::new();
    house.write("master", format!("{}\n", "ab".repeat(32)));
    let text = house.read("usher.toml").replacen("[keys]\n", "[keys]\nsecret = { file = \"master\" }\n", 1);
    house.write("usher.toml", &text);
    house.run(&["people", "import", "people.csv"]).ends(0);
    house.run(&["secret", "rotate-key"]).ends(4).says("add a line `2 DIGITS`");
    house.write("master", format!("{}\n2 {}\n", "ab".repeat(32), "cd".repeat(32)));
    house.run(&["secret", "rotate-key"]).ends(0).shows("Master key 2 has taken the place of 1");
    house.write("master", format!("2 {}\n", "cd".repeat(32)));
    house.run(&["audit", "verify"]).ends(0);
    house.write("master", format!("{}\n", "ab".repeat(32)));
    house.run(&["audit", "verify"]).ends(5).says("does not belong to this database");
    house.write("master", "2 abc\n");
    house.run(&["audit", "verify"]).ends(5).says("64 hexadecimal digits");
}

#[test]
fn a_rotation_that_is_killed_in_the_middle_goes_on() {
    let house = House::new();
    let mut rows = String::from("employee_number,given_name,family_name,last_day\n");
    for number in 0..6_000 {
        rows.push_str(&format!("n{number},Given{number},Family{number},\n"));
    }
    rows.push_str("1005,Ada,Keller,2150-01-29\n");
    house.write("many.csv", rows);
    house.run(&["people", "import", "many.csv"]).ends(0);
    let mut cut = None;
    for version in 2..12 {
        let mut command = house.spawn(&["secret", "rotate-key"]);
        let (mut new, mut ended) = (0, false);
        while new == 0 && !ended {
            ended = command.try_wait().unwrap().is_some();
            new = match version {
                2 => house.number("SELECT COUNT(*) FROM people WHERE data_key LIKE 'v2.2.%'"),
                // The newest key's, whatever its number.
                _ => house.number("SELECT COUNT(*) FROM people WHERE data_key LIKE 'v2.' || (SELECT MAX(CAST(substr(data_key, 4, instr(substr(data_key, 4), '.') - 1) AS INTEGER)) FROM people) || '.%'") % 6_001,
            };
        }
        command.kill().ok();
        command.wait().unwrap();
        let kinds = house.number("SELECT COUNT(DISTINCT substr(data_key, 1, 5)) FROM people");
        if kinds > 1 {
            cut = Some(version);
            break;
        }
    }
    assert!(cut.is_some(), "no rotation could be cut in the middle");
    // Both keys open, before anything is mended.
    house.run(&["audit", "verify"]).ends(0);
    house.run(&["people", "show", "n17"]).ends(0);
    house.run(&["secret", "rotate-key"]).ends(0);
    house.run(&["secret", "rotate-key", "--drop-old"]).ends(0);
    assert_eq!(house.number("SELECT COUNT(DISTINCT substr(data_key, 1, 5)) FROM people"), 1);
    house.run(&["audit", "verify"]).ends(0).shows("every chain holds");
}

#[test]
fn people_who_are_needed_are_not_erased() {
    let house = House::with_people();
    let erase =
        |person: &str, name: &str| house.run(&["people", "erase", person, "--reason", "asked", "--confirm", name]);
    erase("1006", "Zoë Lindqvist").ends(4).says("only who has left is erased");
    erase("1006", "Zoe").ends(4).says("does not match");
    erase("4711", "Nobody").ends(3);
    house.run(&["people", "erase", "1006", "--reason", "asked"]).ends(2);
}

/// Commands that show what there is.
const SHOWING: [&[&str]; 17] = [
    &["run", "list"],
    &["run", "show", "run_1"],
    &["run", "show", "run_4"],
    &["people", "list"],
    &["people", "show", "1030"],
    &["people", "export", "--format", "json"],
    &["accounts", "list"],
    &["accounts", "export", "--format", "json"],
    &["systems", "list"],
    &["events", "list"],
    &["tasks"],
    &["mail", "list"],
    &["secret", "list"],
    &["schedule", "list"],
    &["audit", "show", "run_4"],
    &["audit", "export", "--words"],
    &["doctor"],
];

#[test]
fn no_canary_is_heard_from_any_command_log_or_file() {
    const CANARIES: [&str; 3] = ["Canary-smtp-8Hq3", "whsec_Q2FuYXJ5LXdlYmhvb2stY2FuYXJ5LTEyMzQ=", "Canary-first-6Rt5"];
    let house = House::new();
    house.write("smtp.secret", format!("{}\n", CANARIES[0]));
    mail_with(&house, "{ file = \"smtp.secret\" }");
    let hook = "[alerts.webhook]\nurl = \"http://127.0.0.1:1/hook\"\nsecret = { stored = \"hook\" }\n";
    let text = house.read("usher.toml");
    house.write("usher.toml", text.replacen("[naming]", &format!("{hook}\n[naming]"), 1));
    let mut said = house.run_with(&["-vv", "secret", "set", "hook"], CANARIES[1]).ends(0).all();
    said.push_str(&house.run(&["people", "import", "people.csv"]).ends(0).all());
    house.write(
        "joiner.csv",
        format!(
            "employee_number,given_name,family_name,start_date,status,password\n1030,Jo,May,2020-01-06,active,{}\n",
            CANARIES[2]
        ),
    );
    let daemon = house.serve_loudly();
    said.push_str(&house.run(&["-vv", "people", "import", "joiner.csv"]).ends(0).all());
    said.push_str(&house.run(&["-vv", "alerts", "test"]).all());
    said.push_str(&house.run(&["-vv", "mail", "test", "--to", "x@example.org"]).all());
    house.run(&["block", "1006", "--reason", "lost", "--yes"]).ends(0);
    house.run(&["-vv", "secret", "rotate-key"]).ends(0);
    for command in SHOWING {
        said.push_str(&house.run(&[&["-vv"], command].concat()).all());
        said.push_str(&house.run(&[&["--json"], command].concat()).all());
    }
    assert_eq!(daemon.stop(), 0);
    let mut places = vec![("what commands say".to_owned(), said)];
    let mut looked = 0;
    for entry in std::fs::read_dir(house.path("")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let cage = ["smtp.secret", "joiner.csv", "usher.key"].contains(&name.as_str());
        if path.is_file() && !cage {
            looked += usize::from(name.starts_with("usher.db") || name == "serve.log");
            places.push((name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()));
        }
    }
    assert!(looked >= 2, "{places:?}");
    let keys = house.read("usher.key");
    let masters = keys.split_whitespace().filter(|word| word.len() == 64);
    for canary in CANARIES.into_iter().chain(masters) {
        for (place, text) in &places {
            assert!(!text.contains(canary), "a canary sings in {place}");
        }
    }
    let log = &places.iter().find(|(name, _)| name == "serve.log").unwrap().1;
    assert!(log.contains("TRACE") || log.contains("\"trace\""), "the log says everything");
}
