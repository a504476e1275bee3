//! Systems behind a program: the suite against a program of an administrator's, and what a program may do wrong.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use usher::connectors::{ActionError, Connector, Credential, Observation};
use usher::run::{Capability, Evidence, EvidenceKind};
use usher::secret::Secret;
use usher::workflow::{ActionKind as A, Class};

use crate::conformance::{Case, Cut, Target, call, conforms, creates, lists, perform};
use crate::doors::{DECLARED, Doors, declared, program};

impl Target for Doors {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    async fn fresh(&mut self) -> String {
        self.hired += 1;
        let id = format!("{:03} door \"ä\" $(id) `id`; --help", self.hired);
        self.hire(&id, None);
        id
    }

    async fn look(&self, account: &str) -> Value {
        self.read()["accounts"].get(account).cloned().unwrap_or_default()
    }

    async fn whole(&self) -> Value {
        self.read()
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        let file = self.folder.path().join("cut");
        match cut {
            None => std::fs::remove_file(file).expect("no cut any more"),
            Some(Cut::Before) => std::fs::write(file, "before").expect("a cut"),
            Some(Cut::After) => std::fs::write(file, "after").expect("a cut"),
        }
    }
}

#[tokio::test]
async fn a_program_conforms() {
    let cases = [
        Case::new(A::AccountDisable, |now, _| now["open"] == false),
        Case::new(A::AccountEnable, |now, _| now["open"] == true).after(A::AccountDisable, json!({})),
        Case::new(A::AccessRemove, |now, _| now["zones"] == json!([])),
        Case::new(A::PasswordRotate, |now, _| now["pin"].as_str().is_some_and(|pin| pin.starts_with("tR4"))),
        Case::new(A::LicenceRelease, |now, before| now["tickets"] != before["tickets"]),
        Case::new(A::VerifyNoAccess, |_, _| true).only_looks().after(A::AccountDisable, json!({})),
    ];
    conforms(&mut Doors::new(), &cases).await;
}

#[tokio::test]
async fn a_program_makes_and_lists_accounts() {
    let mut doors = Doors::new();
    creates(&mut doors, json!({ "email": "grace@doors.example", "employee_number": "1026" })).await;
    lists(&mut doors).await;
    let made = doors.read()["accounts"].as_object().expect("accounts").values().any(|door| door["pin"] == 21);
    assert!(made, "the password was handed over: {}", doors.read());
}

#[tokio::test]
async fn what_is_declared_says_what_a_second_attempt_does() {
    let doors = Doors::new();
    for (action, class) in [(A::AccountDisable, Class::S), (A::PasswordRotate, Class::S), (A::LicenceRelease, Class::U)]
    {
        assert_eq!(doors.connector.class(action), class, "{action}");
    }
    let capability = |action| doors.connector.capability(action, None);
    assert!(matches!(capability(A::LicenceRelease), Capability::Degraded(why) if why.contains("a person decides")));
    assert!(matches!(capability(A::AccountEnable), Capability::Degraded(why) if why.contains("handed out")));
    assert!(matches!(capability(A::AccountDelete), Capability::Manual(why) if why.contains("badge")));
    assert!(matches!(capability(A::RoleSet), Capability::Unsupported(why) if why.contains("`role.set`")));
    let reach = doors.connector.test().await;
    assert!(reach.ok && reach.findings[0] == "0 doors", "{reach:?}");
    assert!(reach.findings.iter().any(|found| found.contains("after an attempt that was cut: licence.release")));
}

#[tokio::test]
async fn links_come_out_of_the_answer() {
    let doors = Doors::new();
    doors.hire("d-1", None);
    let attempt = call(A::PasswordRotate, &json!({}), Some("d-1"), "run_1/x/doors", 1);
    let issued = doors.connector.issue(&attempt, Credential::Link).await.unwrap();
    assert_eq!(issued.secret.expose(), "https://doors.example/d-1");
    let issued = doors.connector.issue(&attempt, Credential::Password(&Secret::new("abc-4711"))).await.unwrap();
    assert_eq!((issued.secret.expose(), &doors.read()["accounts"]["d-1"]["pin"]), ("abc-4711", &json!("abc1")));
}

/// What becomes of `account.disable` (which cannot look here) with this program.
async fn outcome(text: &str, further: &str) -> (Result<Evidence, ActionError>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), text);
    let home = folder.path().to_str().unwrap();
    let declaration = format!(
        "kind = \"exec\"\n{further}\nsecrets = {{ pin = {{ file = \"pin\" }} }}\nactions = {{ \"account.disable\" = {{}} }}"
    );
    let connector = declared(folder.path(), &["/bin/sh", program.to_str().unwrap(), home], &declaration).unwrap();
    let attempt = call(A::AccountDisable, &json!({}), Some("d-1"), "run_1/disable/doors", 1);
    (perform(&connector, &attempt).await, folder)
}

#[tokio::test]
async fn what_a_program_says_and_how_it_ends_is_told_by_what_may_have_happened() {
    let sh = |lines: &str| format!("cat >/dev/null\n{lines}\n");
    for (lines, meaning, words) in [
        (r#"echo '{"result":"done"}'"#, "done", "says that it is done"),
        (r#"echo '{"result":"done","evidence":"ticket 7"}'"#, "done", "ticket 7"),
        (r#"echo '{"result":"retry","reason":"busy","after":7}'"#, "retry", "busy"),
        (r#"echo '{"result":"fail","reason":"no right"}'"#, "fail", "no right"),
        (r#"echo '{"result":"unknown","reason":"cut"}'"#, "unknown", "cut"),
        ("echo later >&2; exit 75", "retry", "later"),
        ("echo 'Traceback: no' >&2; exit 1", "unknown", "Traceback: no"),
        ("kill -9 $$", "unknown", "signal: 9"),
        ("true", "unknown", "answer is none"),
        ("echo '{\"result\":\"done\"} and more'", "unknown", "answer is none"),
        (r#"echo '{"result":"done","sure":true}'"#, "unknown", "unknown field `sure`"),
        (r#"echo '{"result":"reached","evidence":"x"}'"#, "unknown", "answered `reached`"),
        (r#"echo '{"result":"fail","reason":"the pin d00r-pin is wrong"}'"#, "fail", "the pin [secret] is wrong"),
        ("exec 0<&-; echo '{\"result\":\"done\"}'", "done", ""),
    ] {
        let (outcome, _) = outcome(&sh(lines), "").await;
        let (met, reason) = match &outcome {
            Ok(evidence) => {
                assert_eq!(evidence.kind, EvidenceKind::Acknowledged);
                ("done", &evidence.detail)
            }
            Err(ActionError::Retry { reason, after }) => {
                assert_eq!(*after, reason.contains("busy").then_some(Duration::from_secs(7)));
                ("retry", reason)
            }
            Err(ActionError::Fail { reason }) => ("fail", reason),
            Err(ActionError::Unknown { reason }) => ("unknown", reason),
        };
        assert_eq!(met, meaning, "{lines}: {reason}");
        assert!(reason.contains(words) && !reason.contains("d00r"), "{lines}: {reason}");
    }
    let folder = tempfile::tempdir().unwrap();
    let nowhere = declared(folder.path(), &["/nowhere/door"], DECLARED).unwrap();
    let attempt = call(A::PasswordRotate, &json!({}), Some("d-1"), "run_1/rotate/doors", 1);
    let outcome = perform(&nowhere, &attempt).await;
    assert!(matches!(&outcome, Err(ActionError::Fail { reason }) if reason.contains("/nowhere/door")), "{outcome:?}");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_with_everything_it_has_started() {
    let slow = "(trap '' HUP TERM; sleep 300) &\necho $! >\"$1/child\"\nsleep 300\n";
    let began = Instant::now();
    let (outcome, folder) = outcome(slow, "timeout = \"1 s\"").await;
    assert!(matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("within 1 s")), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    is_gone(folder.path());
}

#[tokio::test]
async fn nothing_that_a_program_leaves_behind_goes_on() {
    let left = "sleep 300 >/dev/null 2>&1 </dev/null &\necho $! >\"$1/child\"\necho '{\"result\":\"done\"}'\n";
    let (outcome, folder) = outcome(left, "").await;
    assert!(outcome.is_ok(), "{outcome:?}");
    is_gone(folder.path());
}

/// The process whose number is in `child` has ended; a zombie that nobody has collected yet is no process any more.
fn is_gone(folder: &Path) {
    let child = std::fs::read_to_string(folder.join("child")).expect("it was started");
    let stat = format!("/proc/{}/stat", child.trim());
    let lives = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let began = Instant::now();
    while lives() {
        assert!(began.elapsed() < Duration::from_secs(5), "process {child} goes on");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read() {
    let (outcome, _) = outcome("cat /dev/zero\n", "answer_limit = 4096").await;
    assert!(matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("4096 bytes")), "{outcome:?}");
    let complaint = "head -c 9000000 /dev/zero >&2\necho '{\"result\":\"done\"}'\n";
    assert!(self::outcome(complaint, "").await.0.is_ok(), "whoever complains at length is heard to the end");
}

#[tokio::test]
async fn a_program_sees_nothing_of_ushers_surroundings() {
    let show = "/usr/bin/env >\"$1/env\"; pwd >\"$1/pwd\"; echo \"$#\" >\"$1/count\"; echo '{\"result\":\"done\"}'\n";
    let further = "environment = { LANG = \"C.UTF-8\" }\nsecret_environment = { DOOR_PIN = \"pin\" }";
    let (outcome, folder) = outcome(show, further).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    // What the shell sets by itself.
    let own = |line: &&str| !["PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|own| line.starts_with(own));
    let mut seen: Vec<String> = read("env").lines().filter(own).map(str::to_owned).collect();
    seen.sort();
    assert_eq!(seen, ["DOOR_PIN=d00r-pin", "LANG=C.UTF-8"]);
    assert_eq!((read("pwd").trim(), read("count").trim()), ("/", "1"));
}

#[tokio::test]
async fn a_look_that_ends_badly_may_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let broken = program(folder.path(), "exit 1\n");
    let connector = declared(folder.path(), &["/bin/sh", broken.to_str().unwrap()], DECLARED).unwrap();
    let look = call(A::AccountDisable, &json!({}), Some("d-1"), "run_1/disable/doors", 1);
    let seen: Result<Observation, _> = connector.observe(&look).await;
    assert!(matches!(seen, Err(ActionError::Retry { .. })), "{seen:?}");
    assert!(matches!(connector.accounts(None).await, Err(ActionError::Retry { .. })));
    assert!(!connector.test().await.ok);
}

#[tokio::test]
async fn mistakes_in_a_declaration_are_named_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let problems = |command: &[&str], declaration: &str| match declared(folder.path(), command, declaration) {
        Ok(_) => panic!("usher takes this: {command:?} {declaration}"),
        Err(problems) => problems.join("\n"),
    };
    for (from, to, words) in [
        (
            "answers = [\"accounts\"",
            "answers = [\"acounts\"",
            "`systems.doors.answers`: `acounts` is no question; did you mean `accounts`?",
        ),
        ("\"access.remove\"", "\"exec\"", "`exec` is not done on a system"),
        ("{ observe = true }", "{ obsrve = true }", "unknown field `obsrve`"),
        ("{ observe = true }", "{ observe = true, class = \"U\" }", "class U is what nobody can see"),
        ("[systems.doors.actions]", "[systems.doors.actions]\n\"account.purge\" = {}", "account.purge"),
        ("kind = \"exec\"", "kind = \"exec\"\nsecret_environment = { X = \"pni\" }", "there is no secret `pni`"),
        ("kind = \"exec\"", "kind = \"exec\"\nshell = \"/bin/sh\"", "unknown key `shell`"),
    ] {
        let declaration = DECLARED.replacen(from, to, 1).replace("\"account\", \"test\"", "\"test\"");
        let problems = problems(&["/bin/true"], &declaration);
        assert!(problems.contains(words) && problems.contains("usher.toml:"), "{to}: {problems}");
    }
    assert!(problems(&["true"], DECLARED).contains("`systems.doors.command`: `true` is no absolute path"));
    assert!(problems(&[], DECLARED).contains("`command` is missing"));
}

#[tokio::test]
async fn a_program_that_says_done_and_sees_otherwise_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let lie = "if grep -q '\"ask\":\"observe\"'; then echo '{\"result\":\"not_reached\",\"seen\":\"it is open\"}'\n\
               else echo '{\"result\":\"done\"}'; fi\n";
    let program = program(folder.path(), lie);
    let connector = declared(folder.path(), &["/bin/sh", program.to_str().unwrap()], DECLARED).unwrap();
    let attempt = call(A::AccountDisable, &json!({}), Some("d-1"), "run_1/disable/doors", 1);
    let outcome = perform(&connector, &attempt).await;
    assert!(matches!(&outcome, Err(ActionError::Unknown { reason }) if reason.contains("it is open")), "{outcome:?}");
}
