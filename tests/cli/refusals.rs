//! Bad input: each with its exit code, the way out, and nothing changed.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use super::house::{Answer, House};
use super::{said, usher};

const NOBODY: u32 = 65534;

#[test]
fn what_cannot_be_meant_is_named() {
    let house = House::with_people();
    let start = |more: &[&str]| house.run(&[&["run", "start", "departure"], more].concat());
    let day = ["--set", "last_day=2027-06-30"];
    let of = |person: &'static str| [&["--person", person][..], &day].concat();
    start(&of("1006")).ends(2).says("either --now or --at");
    start(&[&of("1006")[..], &["--now", "--at", "2027-06-01"]].concat()).ends(2).says("exclude each other");
    start(&[&of("1006")[..], &["--at", "2020-01-01"]].concat()).ends(2).says("has passed");
    start(&[&of("1006")[..], &["--at", "soonish"]].concat()).ends(2).says("is no instant");
    start(&[&of("9999")[..], &["--now"]].concat()).ends(3).says("there is no person 9999");
    start(&[&of("105")[..], &["--now"]].concat()).ends(3).says("did you mean 1005 (Ada Keller)?");
    start(&[&of("1005")[..], &["--now"]].concat()).ends(4).says("run_1 is an open run of departure");
    start(&["--person", "1006", "--now"]).ends(2).says("`last_day` is required");
    start(&["--person", "1006", "--set", "last_day=2027-02-30", "--now"]).ends(2).says("does not exist");
    start(&["--now"]).ends(2).says("is about a person");
    house.run(&["run", "start", "departur", "--person", "1006", "--now"]).ends(3).says("did you mean `departure`?");
    house.run(&["run", "show", "run_99"]).ends(3).says("usher run list");
    house.run(&["run", "show", "first"]).ends(2).says("run_12");
    house.run(&["step", "skip", "run_1", "archiv", "--reason", "x"]).ends(3).says("did you mean `archive`?");
    house.run(&["step", "skip", "run_1", "disable", "--reason", "x"]).ends(2).says("disable@directory, ");
    house.run(&["freeze", "--system", "mailhst", "--reason", "x"]).ends(3).says("did you mean `mailhost`?");
    house.run(&["peple", "list"]).ends(2).says("people");
    house.tamper("UPDATE people SET status = 'left' WHERE employee_number = '1006'");
    start(&[&of("1006")[..], &["--now"]].concat()).ends(4).says("1006 has left already");
    assert_eq!(house.json(&["run", "list"]).as_array().unwrap().len(), 3, "nothing was started");
}

#[test]
fn a_bad_file_of_people_changes_nothing() {
    let house = House::with_people();
    let good = std::fs::read(house.path("people.csv")).unwrap();
    let twice = "employee_number,given_name,family_name\n1,A,B\n2,C,D\n1,E,F\n";
    let mut truncated = good[..good.len() / 2].to_vec();
    truncated.extend_from_slice(b"\n1099,\"Ada");
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty.csv", b"", "empty"),
        ("heading.csv", b"employee_number,given_name,family_name\n", "no people"),
        ("binary.csv", &[0, 159, 146, 150, 0, 1, 2, 255], "binary, not CSV"),
        ("twice.csv", twice.as_bytes(), ":4: "),
        ("truncated.csv", &truncated, "truncated.csv:"),
    ];
    for (name, bytes, words) in cases {
        house.write(name, bytes);
        house.run(&["people", "import", name]).ends(1).says(words).says("nothing was changed");
    }
    house.run(&["people", "import", "nowhere.csv"]).ends(5).says("nowhere.csv cannot be read");
    house.run(&["people", "import", "people.csv", "--map", "Kürzel"]).ends(2).says("COLUMN=FIELD");
    assert_eq!(house.json(&["people", "list"]).as_array().unwrap().len(), 25);
    house.run(&["people", "import", "people.csv"]).ends(0).shows("0 new, 0 changed");
}

#[test]
fn a_mistake_in_one_workflow_stops_no_emergency() {
    let house = House::with_people();
    house.write("workflows/departure.yaml", "workflow: departure\nfor: persn\n");
    house.run(&["block", "1006", "--yes"]).ends(0);
    house.run(&["run", "pause", "run_1", "--reason", "x"]).ends(0);
    house.run(&["people", "import", "people.csv"]).ends(2).says("usher check");
    house.run(&["serve"]).ends(2).says("departure.yaml:");
    house.run(&["doctor"]).ends(1).shows("the daemon does not start with them");
}

#[test]
fn a_misspelt_key_stops_every_command() {
    let house = House::new();
    house.write("usher.toml", "[databse]\nurl = \"sqlite:usher.db\"\n");
    house.run(&["run", "list"]).ends(2).says("usher.toml:1").says("did you mean `database`?");
    house.run(&["doctor"]).ends(1).shows("did you mean `database`?");
    assert!(!house.path("usher.db").exists());
}

#[test]
fn a_database_of_a_newer_usher_is_left_alone() {
    let house = House::with_people();
    house.tamper("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1");
    for command in [&["run", "list"][..], &["serve"], &["block", "1006", "--yes"]] {
        house.run(command).ends(5).says("version 9999").says("a newer usher");
    }
    house.run(&["doctor"]).ends(1).shows("version 9999");
}

#[test]
fn a_lost_key_does_not_pass_unnoticed() {
    let house = House::with_people();
    std::fs::remove_file(house.path("usher.key")).unwrap();
    house.run(&["run", "list"]).ends(5).says("usher.key does not exist");
    assert!(!house.path("usher.key").exists(), "no other key takes its place");
}

#[test]
fn a_database_that_cannot_be_reached_or_written_is_named() {
    let house = House::new();
    let nobody = "postgres://usher@127.0.0.1:1/usher";
    let answer = house.run(&["run", "list", "--database", nobody]).ends(5).says("127.0.0.1:1");
    assert!(answer.err.contains("PostgreSQL runs"), "{answer:?}");
    house.run(&["run", "list", "--database", "sqlite:/proc/usher.db"]).ends(5).says("/proc/usher");
    house.write("other.db", vec![b'x'; 5000]);
    house.write("usher.key", "0".repeat(64));
    std::fs::set_permissions(house.path("usher.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    house.run(&["run", "list", "--database", "sqlite:other.db"]).ends(5).says("that file is something else");
    house.run(&["run", "list", "--database", "mysql://x"]).ends(2).says("sqlite:PATH");
    let (_, _, err) = said(usher(&house.path("")).args(["--json", "run", "list", "--database", nobody]));
    let error: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!(error["error"]["code"], "database");
}

#[test]
fn a_read_only_database_is_read_and_not_written() {
    let house = House::with_people();
    house.tamper("PRAGMA wal_checkpoint(TRUNCATE)");
    let database = house.path("usher.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o444)).unwrap();
    let nobody = Nobody::in_the(&house);
    nobody.run(&["run", "cancel", "run_1", "--reason", "x"]).ends(5).says("help: usher needs to write the database");
    nobody.run(&["serve"]).ends(5).says("readonly database");
    nobody.run(&["run", "list"]).ends(0).shows("run_1");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(nobody.run(&["audit", "verify"]).ends(0).err, "");
}

/// Somebody who may not write everything, as root may: root's tests hand the house over to the user nobody.
struct Nobody {
    binary: std::path::PathBuf,
    folder: std::path::PathBuf,
    user: Option<u32>,
}

impl Nobody {
    fn in_the(house: &House) -> Self {
        let (folder, binary) = (house.path(""), assert_cmd::cargo::cargo_bin("usher"));
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Self { binary, folder, user: None };
        }
        // Where the tests are built, others may not look. Copied by another process: a file that this one holds open to
        // write while a neighbouring test starts a child could not be run.
        let copied = std::process::Command::new("cp").arg(binary).arg(folder.join("usher")).status().unwrap();
        assert!(copied.success());
        for entry in std::fs::read_dir(&folder).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        Self { binary: folder.join("usher"), folder, user: Some(NOBODY) }
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = std::process::Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder).env_clear().env("USHER__SERVE__LISTEN", "127.0.0.1:0");
        self.user.map(|user| command.uid(user).gid(user));
        let (code, out, err) = said(&mut assert_cmd::Command::from_std(command));
        Answer { code, out, err }
    }
}

#[test]
fn a_taken_port_is_named() {
    let house = House::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, _, err) = said(usher(&house.path("")).arg("serve").env("USHER__SERVE__LISTEN", &address));
    assert_eq!(code, 5);
    assert!(err.contains(&address) && err.contains("another program"), "{err}");
}
