//! The journal leaves the house: exported, verified by a program that is not usher, compared.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::house::House;

/// What `docs/SECRETS.md` says about verifying an export, in code of its own. Answers how many entries and checkpoints
/// there were.
fn verify(export: &str) -> Result<(usize, usize), String> {
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &'static str| lines.iter().filter(move |line| line["kind"] == kind);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut ends: BTreeMap<(i64, i64), String> = BTreeMap::new();
    let mut previous = (0, 0, "0".repeat(64));
    for entry in of("entry") {
        let (run, seq) = (entry["run"].as_i64().unwrap(), entry["seq"].as_i64().unwrap());
        if run != previous.0 {
            previous = (run, 0, "0".repeat(64));
        }
        if seq != previous.1 + 1 {
            return Err(format!("run {run}: entry {} is missing", previous.1 + 1));
        }
        let step = entry["step"].as_i64().map_or("-".to_owned(), |step| step.to_string());
        let fields = [
            previous.2.clone(),
            "usher.journal.v1".to_owned(),
            text(&entry["actor"]),
            text(&entry["body"]),
            text(&entry["sealed"]),
            run.to_string(),
            seq.to_string(),
            entry["at"].to_string(),
            step,
        ];
        let mut sha = Sha256::new();
        for field in fields {
            sha.update((field.len() as u64).to_be_bytes());
            sha.update(field);
        }
        let hash = hex::encode(sha.finalize());
        if hash != text(&entry["hash"]) {
            return Err(format!("run {run}: entry {seq} was changed"));
        }
        ends.insert((run, seq), hash.clone());
        previous = (run, seq, hash);
    }
    let mut leaves = Vec::new();
    for head in of("head") {
        let (run, seq, hash) = (head["run"].as_i64().unwrap(), head["seq"].as_i64().unwrap(), text(&head["hash"]));
        if ends.get(&(run, seq)) != Some(&hash) {
            return Err(format!("run {run}: entry {seq} is not the one that a checkpoint covers"));
        }
        leaves.push(Sha256::digest(format!("\0usher.head.v1 {run} {seq} {hash}")).to_vec());
    }
    let key = text(&of("key").next().unwrap()["key"]);
    let mut parts = key.splitn(3, '+');
    let (name, id, typed) =
        (parts.next().unwrap(), parts.next().unwrap(), STANDARD.decode(parts.next().unwrap()).unwrap());
    let computed = Sha256::digest([name.as_bytes(), b"\n", typed.as_slice()].concat());
    assert_eq!((typed[0], hex::encode(&computed[..4])), (1, id.to_owned()));
    let key = VerifyingKey::from_bytes(typed[1..].try_into().unwrap()).unwrap();
    let mut checkpoints = 0;
    for checkpoint in of("checkpoint") {
        let note = text(&checkpoint["note"]);
        let (body, signature) = note.split_once("\n\n\u{2014} ").unwrap();
        let signed = STANDARD.decode(signature.trim_end().strip_prefix(&format!("{name} ")).unwrap()).unwrap();
        key.verify_strict(format!("{body}\n").as_bytes(), &Signature::from_slice(&signed[4..]).unwrap()).unwrap();
        let lines: Vec<&str> = body.split('\n').collect();
        assert_eq!((lines[0], lines.len()), (name, 3));
        let size: usize = lines[1].parse().unwrap();
        if leaves.len() < size || lines[2] != STANDARD.encode(root(&leaves[..size])) {
            return Err(format!("the checkpoint over {size} heads does not fit"));
        }
        checkpoints += 1;
    }
    Ok((ends.len(), checkpoints))
}

/// RFC 6962, section 2.1.
fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves.len() {
        0 => Sha256::digest([]).to_vec(),
        1 => leaves[0].clone(),
        count => {
            let half = count.next_power_of_two() / 2;
            Sha256::digest([&[1][..], &root(&leaves[..half]), &root(&leaves[half..])].concat()).to_vec()
        }
    }
}

/// A house whose daemon has signed a checkpoint over its three departures, each of which was paused for a moment.
fn signed() -> House {
    let house = House::with_people();
    for run in ["run_1", "run_2", "run_3"] {
        house.run(&["run", "pause", run, "--reason", "wait"]).ends(0);
        house.run(&["run", "resume", run, "--reason", "go on"]).ends(0);
    }
    let settings = house.read("usher.toml").replacen("# checkpoint_file", "checkpoint_file", 1);
    house.write("usher.toml", settings);
    let daemon = house.serve();
    house.until("the first checkpoint", |house| house.path("checkpoints").exists().then_some(()));
    assert_eq!(daemon.stop(), 0);
    house
}

#[test]
fn an_export_is_verified_by_other_code_and_what_was_changed_is_found() {
    let house = signed();
    house.run(&["audit", "export", "--out", "journal.jsonl"]).ends(0).shows("3 runs");
    let export = house.read("journal.jsonl");
    let (entries, checkpoints) = verify(&export).unwrap();
    assert!(entries >= 9 && checkpoints == 1, "{entries} {checkpoints}");
    assert!(!export.contains("Keller") && !export.contains("\"fact\":{\""), "words stay sealed");
    assert_eq!(house.run(&["audit", "export"]).ends(0).out, export, "standard output is the same");
    let first = export.lines().find(|line| line.contains("\"kind\":\"entry\"")).unwrap();
    let changed = export.replacen(first, &first.replacen("\"actor\":\"", "\"actor\":\"x", 1), 1);
    assert!(verify(&changed).unwrap_err().contains("entry 1 was changed"));
    assert!(verify(&export.replacen(&format!("{first}\n"), "", 1)).unwrap_err().contains("missing"));
    // One run, with its words.
    let words = house.run(&["audit", "export", "run_1", "--words"]).ends(0).out;
    let facts: Vec<Value> = words.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(facts.iter().any(|line| line["facts"][0]["fact"]["inputs"]["last_day"] == "2027-01-29"), "{words}");
    assert!(facts.iter().all(|line| line["kind"] != "entry" || line["run"] == 1));
    house.run(&["audit", "export", "run_9"]).ends(3);
    house.run(&["audit", "export", "--out", "nowhere/journal.jsonl"]).ends(5).says("cannot be written");
}

#[test]
fn verify_compares_with_checkpoints_that_were_kept_elsewhere() {
    let house = signed();
    let key = house.run(&["audit", "key"]).ends(0).out.trim().to_owned();
    assert_eq!(house.json(&["audit", "key"])["key"], key.as_str());
    house.run(&["audit", "export", "--out", "journal.jsonl"]).ends(0);
    let answer = house.run(&["audit", "verify"]).ends(0).shows("every chain holds");
    answer.shows("1 checkpoint over 3 heads: every one fits");
    for file in ["journal.jsonl", "checkpoints"] {
        let told = house.json(&["audit", "verify", "--checkpoints", file, "--key", &key]);
        assert_eq!((told["ok"].as_bool(), told["checkpoints"]["outside"].as_i64()), (Some(true), Some(1)), "{told}");
    }
    house.run(&["audit", "verify", "--checkpoints", "usher.toml"]).ends(1).shows("is not believed");
    house.write("empty", "");
    house.run(&["audit", "verify", "--checkpoints", "empty"]).ends(2).says("no checkpoint");
    house.run(&["audit", "verify", "--checkpoints", "nope"]).ends(5).says("nope cannot be read");
    house.run(&["audit", "verify", "--key", "nonsense"]).ends(2).says("no verifier key");
    let other = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    house.run(&["audit", "verify", "--key", other]).ends(1).shows("no key that is trusted here");

    // Whoever may write the database takes out what covers run_1, and all of its checkpoints.
    house.tamper("UPDATE runs SET checkpointed = 0");
    house.tamper("DELETE FROM checkpoints");
    house.tamper("DELETE FROM heads");
    house.run(&["audit", "verify"]).ends(0);
    let answer = house.run(&["audit", "verify", "--checkpoints", "checkpoints"]).ends(1);
    answer.shows("broken checkpoints: a checkpoint kept elsewhere covers 3 heads, and the record has 0");
}

#[test]
fn a_record_that_was_rewritten_is_found_by_its_checkpoint() {
    let house = signed();
    house.tamper("UPDATE heads SET hash = 'x' WHERE leaf = 1");
    let answer = house.run(&["audit", "verify"]).ends(1).shows("broken run_2: entry");
    answer.shows("broken checkpoints: the checkpoint over 3 heads was signed over other heads");
    house.run(&["audit", "verify", "run_1"]).ends(1).shows("broken checkpoints");
    let told = house.run(&["--json", "audit", "verify"]).ends(1);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((told["ok"].as_bool(), told["checkpoints"]["doubts"][0]["run"].as_str()), (Some(false), Some("run_2")));
    // A daemon signs nothing on top of it, and says why.
    house.tamper("UPDATE checkpoints SET made_at = 0");
    house.tamper("UPDATE checkpoints SET peaks = '[]'");
    house.run(&["run", "pause", "run_1", "--reason", "x"]).ends(0);
    let daemon = house.serve();
    house.until("the refusal", |house| {
        house.read("serve.log").contains("holds a checkpoint that cannot be read").then_some(())
    });
    assert_eq!(daemon.stop(), 0);
}
