//! Doors that a program of an administrator's keeps, and how it is declared to usher.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use usher::config::{Config, Surroundings};
use usher::connectors::Connector;

/// A program that keeps doors in a file, as an administrator might write it. `cut` beside the file says where it dies.
pub const DOORS: &str = r#"import fcntl, json, os, signal, sys

home = sys.argv[1]
path = os.path.join(home, "doors.json")
request = json.load(sys.stdin)
lock = open(os.path.join(home, "lock"), "w")
fcntl.flock(lock, fcntl.LOCK_EX)
doors = json.load(open(path))
fault = open(os.path.join(home, "cut")).read() if os.path.exists(os.path.join(home, "cut")) else ""

def answer(**document):
    json.dump(document, sys.stdout)
    sys.exit(0)

def shown(id):
    door = doors["accounts"][id]
    return {"id": id, "login": door["name"], "status": "enabled" if door["open"] else "disabled",
            "last_sign_in": "2027-01-19T04:48:00Z", "attributes": {"employee_number": door["number"], "groups": door["zones"]}}

ask, action, id = request["ask"], request.get("action"), request.get("account")
assert request["usher"] == 1 and request["secrets"] == {"pin": "d00r-pin"}, "who are you?"
if ask == "test":
    answer(result="tested", ok=True, findings=["%d doors" % len(doors["accounts"])])
if ask == "accounts":
    ids = sorted(doors["accounts"])
    after = [each for each in ids if request["page"] is None or each > request["page"]]
    answer(result="accounts", accounts=[shown(each) for each in after[:2]], next=after[1] if len(after) > 2 else None)
if ask == "account":
    answer(result="account", account=shown(id) if id in doors["accounts"] else None)
if ask == "made":
    made = [each for each, door in doors["accounts"].items() if door.get("key") == request["key"]]
    answer(result="account", account=shown(made[0]) if made else None)
if action != "account.create" and id not in doors["accounts"]:
    answer(result="fail", reason="no such door: %s" % id)
door = doors["accounts"].get(id)
reached = {"account.disable": lambda: not door["open"], "account.enable": lambda: door["open"],
           "access.remove": lambda: door["zones"] == [], "verify.no_access": lambda: not door["open"]}
if ask == "observe":
    if reached[action]():
        answer(result="reached", evidence="the door system shows it")
    answer(result="not_reached", seen="the door system shows something else")
if action == "verify.no_access":
    answer(result="fail", reason="a door is open")
if fault == "before":
    os.kill(os.getpid(), signal.SIGKILL)
if action == "account.create":
    id = "n%d" % doors["writes"]
    doors["accounts"][id] = {"name": request["with"]["email"], "open": True, "zones": [], "key": request["key"],
                             "number": request["with"]["employee_number"], "pin": len(request["password"])}
elif action == "account.disable":
    door["open"] = False
elif action == "account.enable":
    door["open"] = True
elif action == "access.remove":
    door["zones"] = []
elif action == "password.rotate" and ask == "perform":
    door["pin"] = request["password"][:3] + str(request["attempt"])
elif action == "licence.release":
    door["tickets"] = door.get("tickets", 0) + 1
doors["writes"] += 1
json.dump(doors, open(path + ".new", "w"))
os.rename(path + ".new", path)
if fault == "after":
    os.kill(os.getpid(), signal.SIGKILL)
answer(result="done", evidence="the door system took it", link="https://doors.example/" + id if ask == "link" else None)
"#;

/// How an administrator declares it.
pub const DECLARED: &str = r#"
kind = "exec"
timeout = "10 s"
answers = ["accounts", "account", "test"]
environment = { PATH = "/usr/bin:/bin", LANG = "C.UTF-8" }
secrets = { pin = { file = "pin" } }

[systems.doors.manual]
"account.delete" = "Collect the badge"

[systems.doors.actions]
"account.disable" = { observe = true }
"account.enable" = { observe = true, limit = "the badge must be handed out" }
"access.remove" = { observe = true }
"verify.no_access" = { observe = true }
"password.rotate" = { class = "S" }
"licence.release" = {}
"account.create" = {}
"#;

/// A program in a folder of its own. It is handed to its interpreter: what was written a moment ago cannot be executed
/// while another thread is starting something ("text file busy").
pub fn program(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("program");
    std::fs::write(&path, text).expect("a file");
    path
}

fn python() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|python| python.is_file());
    found.expect("python3 is missing, and the program of this test needs it (Debian, Ubuntu: apt-get install python3)")
}

/// The configuration's connector called `doors`, from this declaration.
pub fn declared(folder: &Path, command: &[&str], declaration: &str) -> Result<Connector, Vec<String>> {
    std::fs::write(folder.join("pin"), "d00r-pin").expect("a file");
    let command = serde_json::to_string(command).expect("JSON");
    let text = format!("[systems.doors]\ncommand = {command}\n{declaration}");
    std::fs::write(folder.join("usher.toml"), text).expect("a file");
    let around = Surroundings { folder: folder.to_owned(), variables: Default::default(), root: false };
    let (config, problems) = Config::inspect(&[], None, &around);
    if !problems.is_empty() {
        return Err(problems.iter().map(ToString::to_string).collect());
    }
    Ok(usher::daemon::open_systems(&config).expect("systems").remove("doors").expect("doors"))
}

/// The doors, and the connector to them.
pub struct Doors {
    pub connector: Connector,
    pub folder: tempfile::TempDir,
    pub hired: u32,
}

fn connected(folder: &Path) -> Connector {
    let command = [python(), folder.join("program"), folder.to_owned()];
    let command = command.map(|part| part.to_str().expect("text").to_owned());
    declared(folder, &[&command[0], &command[1], &command[2]], DECLARED).expect("a right configuration")
}

impl Doors {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("doors.json"), r#"{"accounts": {}, "writes": 0}"#).expect("a file");
        program(folder.path(), DOORS);
        Self { connector: connected(folder.path()), folder, hired: 0 }
    }

    /// Another connector to the same doors.
    pub fn again(&self) -> Connector {
        connected(self.folder.path())
    }

    pub fn read(&self) -> Value {
        let text = std::fs::read_to_string(self.folder.path().join("doors.json")).expect("a file");
        serde_json::from_str(&text).expect("JSON")
    }

    pub fn hire(&self, id: &str, number: Option<&str>) {
        let mut doors = self.read();
        let door = json!({ "name": id, "open": true, "zones": ["lab"], "number": number, "pin": "first" });
        doors["accounts"][id] = door;
        std::fs::write(self.folder.path().join("doors.json"), doors.to_string()).expect("a file");
    }
}
