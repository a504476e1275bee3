//! The command line from outside: exit codes, streams, help.

#![cfg(test)]

#[path = "cli/alerts.rs"]
mod alerts;
#[path = "cli/archive.rs"]
mod archive;
#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/changes.rs"]
mod changes;
#[path = "cli/guards.rs"]
mod guards;
#[path = "cli/hands.rs"]
mod hands;
#[path = "cli/house.rs"]
mod house;
#[path = "cli/journey.rs"]
mod journey;
#[path = "cli/orders.rs"]
mod orders;
#[path = "cli/people.rs"]
mod people;
#[path = "cli/products.rs"]
mod products;
#[path = "cli/refusals.rs"]
mod refusals;
#[path = "cli/secrets.rs"]
mod secrets;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use assert_cmd::Command;

/// usher in a folder of its own, with nothing of ours in its environment.
fn usher(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("usher").unwrap();
    command
        .current_dir(folder)
        .env_clear()
        .env("USHER_DATA_DIR", folder.join("data"))
        .env("TZ", "UTC")
        .env("USHER__SERVE__LISTEN", "127.0.0.1:0");
    command
}

/// How long a command may take. What should be refused and is not may go on for ever.
const PATIENCE: Duration = Duration::from_secs(120);

fn said(command: &mut Command) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (over, ends) = std::sync::mpsc::channel::<()>();
    let (output, seen) = std::thread::scope(|scope| {
        let look = move || {
            (ends.recv_timeout(PATIENCE / 2) == Err(RecvTimeoutError::Timeout)).then(long_lived).unwrap_or_default()
        };
        let look = scope.spawn(look);
        let output = command.timeout(PATIENCE).output();
        drop(over);
        (output.unwrap(), look.join().unwrap())
    });
    let (out, err) = (text(output.stdout), text(output.stderr));
    let code = output.status.code();
    (code.unwrap_or_else(|| panic!("{command:?}: {}\n{seen}\nout: {out}\nerr: {err}", output.status)), out, err)
}

/// What this process's children are and what each of their threads waits in, for one that does not end.
fn long_lived() -> String {
    let ours = format!("PPid:\t{}\n", std::process::id());
    let read = |path: PathBuf| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut text = String::from("commands under way:");
    for process in entries(Path::new("/proc")) {
        if !read(process.join("status")).is_ok_and(|status| status.contains(&ours)) {
            continue;
        }
        let _ = write!(text, "\n{} {}", process.display(), read(process.join("cmdline")).unwrap_or_default());
        for thread in entries(&process.join("task")) {
            let of = |name: &str| read(thread.join(name)).unwrap_or_default();
            let _ = write!(text, "\n  {} | {} | {}", of("stat").trim(), of("wchan"), of("syscall").trim());
        }
    }
    text
}

#[test]
fn help_is_an_answer_and_a_mistake_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(usher(folder.path()).arg("--help"));
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("Exit codes:") && out.contains("completions"), "{out}");
    let (code, out, err) = said(usher(folder.path()).arg("chekc"));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("error: unrecognized subcommand 'chekc'"), "{err}");
    assert_eq!(said(&mut usher(folder.path())).0, 2, "nothing asked is not answered");
}

#[test]
fn mistakes_are_json_where_json_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(usher(folder.path()).args(["--json", "completions"]));
    assert_eq!((code, out.as_str()), (2, ""));
    let document: serde_json::Value = serde_json::from_str(&err).unwrap();
    assert_eq!(document["error"]["code"], "usage");
}

#[test]
fn completions_and_manual_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, err) = said(usher(folder.path()).args(["completions", shell]));
        assert_eq!((code, err.as_str()), (0, ""), "{shell}");
        assert!(out.contains("completions"), "{shell}");
    }
    let (code, out, _) = said(usher(folder.path()).arg("man"));
    assert_eq!(code, 0);
    assert!(out.contains(".TH usher 1"), "{out}");
    let (code, out, _) = said(usher(folder.path()).args(["--json", "man", "--out", "pages"]));
    assert_eq!(code, 0);
    assert!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["folder"].is_string());
    assert!(folder.path().join("pages/usher-completions.1").exists());
}

#[test]
fn a_reader_who_leaves_early_is_no_error() {
    use std::io::Read;
    use std::process::Stdio;
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("usher"))
        .args(["completions", "zsh"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(err, "");
}

#[test]
fn init_writes_what_check_finds_right() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(usher(folder.path()).args(["init", "here"]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("workflows/departure.yaml") && out.contains("cd here"), "{out}");
    let here = folder.path().join("here");
    let (code, out, err) = said(usher(&here).arg("check"));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("5 systems checked: 0 mistakes, 0 warnings"), "{out}");
    let before = std::fs::read(here.join("usher.toml")).unwrap();
    let (code, out, err) = said(usher(folder.path()).args(["init", "here"]));
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(err.starts_with("error: usher.toml, company.toml") && err.contains("help: choose another folder"), "{err}");
    assert_eq!(std::fs::read(here.join("usher.toml")).unwrap(), before);
}

#[test]
fn init_writes_the_schemas_that_its_files_name() {
    let folder = tempfile::tempdir().unwrap();
    usher(folder.path()).arg("init").assert().success();
    let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
    assert!(read("workflows/departure.yaml").starts_with("# yaml-language-server: $schema=./schema.json\n"));
    assert!(read("usher.toml").starts_with("#:schema ./usher.schema.json\n"));
    for (file, of) in [("workflows/schema.json", "workflow"), ("usher.schema.json", "config")] {
        let written: serde_json::Value = serde_json::from_str(&read(file)).unwrap();
        let (code, out, err) = said(usher(folder.path()).args(["schema", of]));
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(&out).unwrap());
        jsonschema::meta::validate(&written).unwrap();
    }
}

#[test]
fn help_explains_commands_workflows_and_codes() {
    let folder = tempfile::tempdir().unwrap();
    let help = |names: &[&str]| said(usher(folder.path()).arg("help").args(names));
    let (code, out, _) = help(&[]);
    assert!(code == 0 && out.contains("Exit codes:") && out.contains("schedule"), "{out}");
    let (code, out, _) = help(&["run", "start"]);
    assert!(code == 0 && out.contains("--person") && out.contains("Example"), "{out}");
    let (code, out, _) = help(&["departure"]);
    assert_eq!(code, 0);
    for words in [
        "departure: Employee departure",
        "When HR says that somebody leaves.",
        "On the last day, at 18:00:",
        "60 days after the last day, at 09:00:",
        "auto-reply.end: By itself:",
        "`delete` deletes nothing before",
        "usher plan departure --person KEY",
    ] {
        assert!(out.contains(words), "no `{words}` in {out}");
    }
    let (code, out, _) = help(&["unknown-action"]);
    assert!(code == 0 && out.contains("Way out: ") && out.contains("    action: account.disabel"), "{out}");
    let (code, out, err) = help(&["unblock"]);
    assert!(code == 0 && out.contains("Usage: usher unblock"), "{out}");
    assert!(err.contains("`usher help workflow unblock`"), "{err}");
    assert!(help(&["workflow", "unblock"]).1.contains("What happens"));
    let (code, out, err) = help(&["departur"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        err.contains("neither a command, nor a workflow, nor a code") && err.contains("the workflow `departure`?"),
        "{err}"
    );
    assert!(help(&["run", "strat"]).2.contains("did you mean `start`?"));
    let (_, out, _) = said(usher(folder.path()).args(["--json", "help", "grace-purge"]));
    let story: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(story["timeline"][0]["steps"][0]["action"], "account.purge");
}

#[test]
fn check_names_every_mistake_of_every_file() {
    let folder = tempfile::tempdir().unwrap();
    usher(folder.path()).arg("init").assert().success();
    let edit = |file: &str, from: &str, to: &str| {
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    edit("workflows/departure.yaml", "action: account.disable", "action: account.disabel");
    edit("workflows/unblock.yaml", "systems: all", "systems: directry");
    let (code, out, _) = said(usher(folder.path()).arg("check"));
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("did you mean `account.disable`") && out.contains("did you mean `directory`"), "{out}");
    edit("usher.toml", "\n[serve]\n", "\n[serv]\n");
    let (code, out, _) = said(usher(folder.path()).args(["check", "--json"]));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, document["ok"].as_bool()), (1, Some(false)));
    assert_eq!(document["findings"][0]["suggestion"], "did you mean `serve`?");
    assert_eq!(document["errors"], 3, "a mistake in the configuration hides none in the workflows: {document}");
    assert!(document["findings"][0]["line"].as_u64().is_some_and(|line| line > 20), "{document}");
    let (code, out, _) = said(usher(folder.path()).args(["check", "workflows/departure.yaml", "nope.yaml"]));
    assert_eq!(code, 1);
    assert!(out.contains("departure.yaml:") && out.contains("nope.yaml: cannot be read"), "{out}");
}

#[test]
fn check_works_without_any_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = said(usher(folder.path()).arg("check"));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("0 systems checked: 0 mistakes"), "{out}");
}

#[test]
fn a_workflow_with_mistakes_is_not_said_to_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    usher(folder.path()).arg("init").assert().success();
    usher(folder.path()).args(["people", "import", "people.csv"]).assert().success();
    let path = folder.path().join("workflows/emergency-block.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("action: account.disable", "action: account.disabel", 1)).unwrap();
    let (code, _, err) = said(usher(folder.path()).args(["block", "1006", "--yes"]));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("emergency-block has mistakes") && err.contains("did you mean `account.disable`"), "{err}");
    std::fs::write(folder.path().join("workflows/picture.yaml"), [0xff, 0xd8, 0xff, 0x00]).unwrap();
    std::fs::write(&path, text).unwrap();
    let (code, out, err) = said(usher(folder.path()).args(["block", "1006", "--yes"]));
    assert_eq!(code, 0, "a file that is no text stops no emergency: {out}{err}");
    let (code, out, _) = said(usher(folder.path()).arg("check"));
    assert_eq!(code, 1);
    let counted = format!("\n{} workflows", usher::workflow::SHIPPED.len() + 1);
    assert!(out.contains("picture.yaml:1:") && out.contains(&counted), "{out}");
}

#[test]
fn a_run_shows_what_each_step_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    usher(folder.path()).arg("init").assert().success();
    usher(folder.path()).args(["people", "import", "people.csv"]).assert().success();
    let start =
        ["run", "start", "departure", "--person", "1012", "--set", "last_day=2150-01-30", "--key", "k", "--now"];
    usher(folder.path()).args(start).assert().success();
    let (code, out, _) = said(usher(folder.path()).args(["run", "list", "--person", "1012", "--json"]));
    let runs: serde_json::Value = serde_json::from_str(&out).unwrap();
    let run = runs[0]["run"].as_str().or_else(|| runs[0]["id"].as_str()).unwrap();
    assert_eq!(code, 0);
    let (_, out, _) = said(usher(folder.path()).args(["run", "show", run]));
    let line = |step: &str| out.lines().find(|line| line.starts_with(step)).unwrap_or_else(|| panic!("{out}"));
    let words = |step: &str| line(step).split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    assert_eq!(words("disable@directory"), "waiting 2150-01-30 17:00");
    // The cut before it is waited for at most ten minutes.
    assert_eq!(words("rotate-password@directory"), "waiting by 2150-01-30 17:10 after disable");
    assert!(words("hide@directory").starts_with("blocked from 2150-02-06 08:00 after disable"), "{out}");
    assert!(words("approve-deletion").ends_with("after checklist"), "{out}");
    let (_, out, _) = said(usher(folder.path()).args(["run", "show", run, "--json"]));
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    let waits_for = |step: &str| {
        let steps = document["steps"].as_array().unwrap();
        steps.iter().find(|found| found["step"] == step).unwrap()["waits_for"].clone()
    };
    assert_eq!(waits_for("rotate-password@directory"), serde_json::json!(["disable@directory"]));
    assert_eq!(waits_for("disable@directory"), serde_json::json!([]));
}
