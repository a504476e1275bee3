//! People and their accounts from outside: files in, lists out.

use std::path::Path;

use serde_json::Value;

use super::house::House;

const CANARY: &str = "Tr0ub4dor-and-3-canaries";

#[test]
fn a_dry_run_shows_how_the_file_is_read_and_changes_nothing() {
    let house = House::new();
    house.write(
        "hr.csv",
        "Personal-Nr.;Vorname;Nachname;E-Mail;Lohn;Kennwort\n7;Jürg;Keller;j@x.org;1;Tr0ub4dor-and-3-canaries\n",
    );
    let shown = house.run(&["people", "import", "hr.csv", "--dry-run", "--results", "foreseen.csv"]).ends(0);
    let shown =
        shown.shows("UTF-8, separated by `;`").shows("Personal-Nr.").shows("employee_number").shows("(not read)");
    assert!(shown.shows("1 of 1 people would change. Nothing was changed.").out.contains("Jürg Keller"));
    assert_eq!(house.read("foreseen.csv"), "line,key,outcome,message,events\n2,7,new,,\n");
    house.run(&["people", "show", "7"]).ends(3);
    let document = house.json(&["people", "import", "hr.csv", "--dry-run"]);
    assert_eq!(
        (document["columns"]["Vorname"].as_str(), document["ignored"][0].as_str()),
        (Some("given_name"), Some("Lohn"))
    );
    assert_eq!(document["changes"][0]["person"]["email"], "j@x.org");
    assert!(!document.to_string().contains(CANARY));
}

#[test]
fn a_file_with_mistakes_is_refused_whole_or_taken_without_them() {
    let house = House::new();
    house.write("hr.csv", "employee_number,name,email\n1,Ada,ada@x.org\n2,Bob,bob\n3,Cy,\n3,Cy,\n");
    let import = ["people", "import", "hr.csv", "--results", "results.csv"];
    let refused = house.run(&import).ends(1).says("3 mistakes; nothing was changed").says("hr.csv:3: email: `bob`");
    refused.says("--skip-bad-rows takes the other 1 row");
    let results = house.read("results.csv");
    assert!(results.contains("\n3,2,error,email: `bob` is no mail address,\n"), "{results}");
    house.run(&["people", "show", "1"]).ends(3);
    house
        .run(&["people", "import", "hr.csv", "--dry-run"])
        .ends(1)
        .shows("mistake: line 3")
        .shows("3 rows have a mistake");
    house.run(&[&import[..], &["--skip-bad-rows"]].concat()).ends(1).shows("4 people: 1 new, 0 changed, 3 left out");
    let results = house.read("results.csv");
    assert_eq!(results.lines().nth(1), Some("2,1,new,,"));
    assert_eq!(results.lines().count(), 5, "{results}");
    house.run(&["people", "show", "1"]).ends(0);
    house.run(&["people", "show", "3"]).ends(3);
    house.run(&["people", "import", "nowhere.csv"]).ends(5).says("nowhere.csv cannot be read");
    house.write("empty.csv", "\n\n");
    house.run(&["people", "import", "empty.csv"]).ends(1).says("the file is empty");
}

#[test]
fn results_name_what_each_row_led_to() {
    let house = House::new();
    house.run(&["people", "import", "people.csv", "--results", "results.csv"]).ends(0).shows("25 people: 25 new");
    let results = house.read("results.csv");
    let line = results.lines().find(|line| line.split(',').nth(1) == Some("1005")).unwrap();
    assert!(line.contains(",new,,departure: run_"), "{line}");
    let told = house.json(&["people", "import", "people.csv"]);
    assert_eq!(
        (told["new"].as_u64(), told["unchanged"].as_u64(), told["events"].as_array().unwrap().len()),
        (Some(0), Some(25), 0)
    );
}

#[test]
fn people_without_numbers_are_told_apart_by_name() {
    let house = House::new();
    house.write("names.csv", "first_name,last_name,password\nAda,Lovelace,Tr0ub4dor-and-3-canaries\nGrace,Hopper,\n");
    house.run(&["people", "import", "names.csv"]).ends(1).says("--key-from email or --key-from name");
    let import = ["people", "import", "names.csv", "--key-from", "name"];
    let taken = house.run(&import).ends(0).shows("2 people: 2 new, 0 changed.");
    house.run(&import).ends(0).shows("2 people: 0 new, 0 changed.");
    house.run(&["people", "show", "ada.lovelace"]).ends(0).shows("Ada Lovelace");
    // The password is nowhere: not said, and in no byte of what lies in the folder but HR's file.
    assert!(!taken.out.contains(CANARY) && !taken.err.contains(CANARY));
    std::fs::remove_file(house.path("names.csv")).unwrap();
    for name in ["usher.db", "usher.db-wal"] {
        let bytes = std::fs::read(house.path(name)).unwrap_or_default();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{name} holds the password");
    }
}

#[test]
fn what_is_exported_can_be_imported() {
    let house = House::with_people();
    house.run(&["people", "export", "--out", "all.csv", "--bom"]).ends(0).shows("all.csv holds 25 rows.");
    assert!(std::fs::read(house.path("all.csv")).unwrap().starts_with(b"\xef\xbb\xbfemployee_number,"));
    house.run(&["people", "import", "all.csv"]).ends(0).shows("25 people: 0 new, 0 changed.");
    let piped = house.run(&["people", "export", "--status", "leaving"]).ends(0);
    assert_eq!(piped.out.lines().count(), 4, "{}", piped.out);
    let json: Value = serde_json::from_str(&house.run(&["people", "export", "--format", "json"]).ends(0).out).unwrap();
    assert_eq!(json[4]["display_name"], "Ada Keller");
}

#[test]
fn accounts_are_exported_with_whose_they_are() {
    use calamine::{Data, Reader, Xlsx, open_workbook};
    let house = House::with_people();
    house.run(&["accounts", "export"]).ends(0).shows("system,id,login,status,role,last_sign_in");
    house.run(&["accounts", "export", "--format", "xlsx"]).ends(2).says("--out accounts.xlsx");
    house.run(&["accounts", "export", "--system", "mailhost", "--out", "accounts.xlsx"]).ends(0).shows("25 rows");
    let mut book: Xlsx<_> = open_workbook(house.path("accounts.xlsx")).unwrap();
    let range = book.worksheet_range("Sheet1").unwrap();
    let column = |name: &str| {
        let heading = range.rows().next().unwrap();
        heading.iter().position(|cell| *cell == Data::String(name.into())).unwrap()
    };
    let ada = range.rows().find(|row| row[column("id")] == Data::String("m-0005".into())).unwrap();
    assert_eq!(ada[column("employee_number")], Data::String("1005".into()));
    assert!(ada[column("aliases")].to_string().contains("a.keller@alpine-instruments.example; support"), "{ada:?}");
    assert_eq!(
        std::fs::read_dir(house.path(".")).unwrap().filter(|entry| part(&entry.as_ref().unwrap().path())).count(),
        0
    );
    house.run(&["accounts", "export", "--out", "nowhere/accounts.csv"]).ends(5).says("cannot be written");
}

fn part(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "part")
}

#[test]
fn formulas_of_others_stay_text() {
    let house = House::new();
    house.write(
        "hr.csv",
        "employee_number,name,department\n1,Ada,=HYPERLINK(\"\"http://evil\"\")\n".replace("\"\"", ""),
    );
    house.run(&["people", "import", "hr.csv"]).ends(0);
    house.run(&["people", "export"]).ends(0).shows(",'=HYPERLINK(http://evil),");
}

#[test]
fn accounts_show_what_can_be_done_next() {
    let house = House::with_people();
    house.run(&["accounts", "list", "--person", "1006"]).ends(0).shows("block: usher block 1006");
    house.run(&["accounts", "list", "--status", "deleted"]).ends(0).says("There are no such accounts");
    let all = house.json(&["accounts", "list"]);
    assert_eq!(all.as_array().unwrap().len(), 125);
    let enabled = house.json(&["accounts", "list", "--status", "enabled", "--system", "mailhost"]);
    assert!(enabled.as_array().unwrap().iter().all(|one| one["next"][0]["what"] == "block"), "{enabled}");
    house.tamper("UPDATE accounts SET last_sign_in = 0 WHERE external_id = 'm-0006'");
    house.tamper("UPDATE accounts SET last_sign_in = 4102444800000 WHERE external_id <> 'm-0006'");
    let idle = house.json(&["accounts", "list", "--inactive", "90 days"]);
    assert_eq!(idle.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>(), ["m-0006"]);
    house.run(&["accounts", "list", "--inactive", "soon"]).ends(2).says("not a span of time");
    house.run(&["accounts", "list", "--system", "mailhots"]).ends(3).says("mailhost");
    house.tamper("UPDATE accounts SET status = 'deleted', purge_due = 4102444800000 WHERE external_id = 'm-0006'");
    let list = house.run(&["accounts", "list", "--person", "1006", "--status", "deleted"]).ends(0);
    list.shows("restore until 2100-01-01")
        .shows("--set system=mailhost --now")
        .shows("purged by itself after 2100-01-01");
}

#[test]
fn ambiguous_accounts_are_named_everywhere_and_solved_by_hand() {
    let house = House::with_people();
    // HR gives the head of support Ada's address, and an account forgets its number.
    house.tamper("UPDATE people SET email = 'ada.keller@alpine-instruments.example' WHERE employee_number = '1006'");
    house.tamper("UPDATE accounts SET person_id = NULL, bound_by = NULL WHERE external_id = 'm-0005'");
    let rules = house.read("usher.toml");
    house.write("usher.toml", rules.replacen("[people]\n", "[people]\nmatch = [\"email\"]\n", 1));
    house.run(&["accounts", "sync", "mailhost"]).ends(0).says("mailhost:m-0005").says("is that of 1005, 1006");
    house
        .run(&["accounts", "list", "--unbound"])
        .ends(0)
        .shows("is that of 1005, 1006")
        .shows("usher accounts bind mailhost:m-0005");
    house.run(&["doctor"]).shows("1 account matches several people");
    house.run(&["accounts", "bind", "mailhost:m-0005", "1005"]).ends(0);
    house.run(&["accounts", "sync", "mailhost"]).ends(0);
    assert_eq!(house.json(&["accounts", "list", "--unbound"]).as_array().unwrap().len(), 0);
    house.run(&["doctor"]).shows("every account has its person");
    house.write("usher.toml", rules.replacen("[people]\n", "[people]\nmatch = [\"aliases=email\"]\n", 1));
    house.run(&["check"]).ends(1).shows("an alias is no identity");
}

/// Ctrl-C: what is taken in stays, and the same command goes on behind it.
#[test]
fn a_stopped_import_goes_on_where_it_stopped() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let house = House::new();
    let people =
        (0..20_000).fold(String::from("employee_number,name\n"), |csv, n| csv + &format!("{n:06},Robin {n}\n"));
    house.write("crowd.csv", people);
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("usher"))
        .args(["people", "import", "crowd.csv", "--json", "-vv"])
        .current_dir(house.path("."))
        .env_clear()
        .env("USHER_LOG", "usher::intake=debug")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("a piece is taken in") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended before it began");
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("the same command goes on where it stopped"), "{rest}");
    let again = house.run(&["people", "import", "crowd.csv"]).ends(0).says("Went on behind row");
    again.shows("20000 people: 20000 new, 0 changed.");
}
