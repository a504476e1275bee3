//! `usher bench`: it measures, says what, and leaves nothing behind.

use std::path::Path;

use serde_json::Value;

use super::{said, usher};

/// In a folder for temporary files of its own.
fn bench(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    said(usher(folder).env("TMPDIR", folder).arg("bench").args(arguments))
}

#[test]
fn it_measures_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = bench(folder.path(), &["--json", "--share", "0.01", "--workers", "8"]);
    assert_eq!(code, 0, "{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    let figure = |workload: &str, name: &str| {
        let all = said["workloads"].as_array().unwrap();
        let of = all.iter().find(|measured| measured["workload"] == workload).unwrap_or_else(|| panic!("{said}"));
        let found = of["figures"].as_array().unwrap().iter().find(|figure| figure["name"] == name).unwrap();
        found["value"].as_f64().unwrap()
    };
    assert!(figure("flow", "steps") > 1.0, "{said}");
    assert!(figure("flow", "commits") < 1.0, "outcomes share commits with claims: {said}");
    assert!(figure("burst", "completed") > 1.0, "{said}");
    assert!(figure("react", "median") <= figure("react", "99 of 100"), "{said}");
    assert!(figure("emergency", "worst") > 0.0, "{said}");
    assert!(figure("flow", "of bare SQL") > 0.0 && said["bare_sql"].as_f64().unwrap() > 1.0, "{said}");
    assert!(figure("backlog", "beside to alone") > 0.0, "{said}");
    // Each of 10,000 steps is a row of its own.
    let (bytes, steps) = (figure("backlog", "bytes"), figure("backlog", "of it steps"));
    assert!(steps > 50.0 && steps < bytes && bytes < 2000.0, "{said}");
    assert!(figure("import", "taken in") > 1.0 && figure("import", "planned") > 1.0, "{said}");
    assert!(figure("idle", "memory") > 1.0 && figure("idle", "queries") >= 0.0, "{said}");
    let daemons = said["workloads"].as_array().unwrap().iter().find(|measured| measured["workload"] == "daemons");
    assert!(daemons.unwrap()["work"].as_str().unwrap().contains("one daemon for each file"), "{said}");
    assert!(said["durable_writes"].as_f64().unwrap() > 0.0);
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("usher-bench-")).collect();
    assert_eq!(left.len(), 0, "{left:?}");
}

#[test]
fn it_measures_on_a_server_too_and_takes_no_database_that_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let server =
        std::env::var("USHER_TEST_POSTGRES").expect("USHER_TEST_POSTGRES names a server; tests/run.sh starts one");
    let server = format!("{}/postgres", server.trim_end_matches("/postgres").trim_end_matches('/'));
    let mut on_it = vec!["--share", "0.005", "--database", server.as_str()];
    for workload in ["flow", "backlog", "import", "daemons", "idle"] {
        on_it.extend(["--workload", workload]);
    }
    let (code, out, err) = bench(folder.path(), &on_it);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("postgres") && out.contains("steps/s") && out.contains("without the engine"), "{out}");
    for figure in ["4 to 1", "least of 4", "of it journal", "rows/s", "queries"] {
        assert!(out.contains(figure), "{figure}: {out}");
    }
    for (arguments, expected) in [
        (["--database", "sqlite:usher.db"], "databases that it makes itself"),
        (["--workload", "speed"], "flow, burst, react, emergency, backlog, import, daemons, idle"),
        (["--share", "0"], "0.001 to 100"),
        (["--growth", "--workload=flow"], "cannot be used with"),
    ] {
        let (code, _, err) = bench(folder.path(), &arguments);
        assert!(code == 2 && err.contains(expected), "{code}: {err}");
    }
}

#[test]
fn growth_is_a_table_of_the_speed_among_ever_more_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = bench(folder.path(), &["--growth", "--json", "--share", "0.002"]);
    assert_eq!(code, 0, "{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    let runs: Vec<u64> = said["growth"].as_array().unwrap().iter().map(|row| row["runs"].as_u64().unwrap()).collect();
    assert_eq!(runs, [2, 20, 200, 2000]);
    assert!(said["growth"][3]["steps"].as_f64().unwrap() > 1.0, "{said}");
}
