//! The short run of the fuzz targets, on stable Rust: the saved corpus, and mutations of it from a seed.
//!
//!     USHER_FUZZ=100000 USHER_SEED=7 cargo test --test fuzz -- --nocapture
//!
//! tries more of them. The long run is cargo-fuzz's, which looks for new paths: see README.md.

#![cfg(test)]
#![expect(clippy::print_stdout, reason = "what was tried is for people")]
#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// The longest that one input of a few thousand bytes may take, in an unoptimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest input that is tried.
const LONGEST: usize = 8 * 1024;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file of a folder, in the order of names.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|why| panic!("{}: {why}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("reads")).collect()
}

/// The saved corpus, and what the project has of that kind anyway.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut corpus = files(&project("tests/fuzz/corpus").join(name));
    match name {
        "workflow" => corpus.extend(files(&project("workflows"))),
        "people" => corpus.push(std::fs::read(project("config/sandbox/people.csv")).expect("reads")),
        "config" => corpus.push(std::fs::read(project("config/usher.toml")).expect("reads")),
        _ => {}
    }
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus
}

fn holds_for(name: &str, target: Target, input: &[u8]) {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let shown = String::from_utf8_lossy(input);
    if outcome.is_err() {
        let kept = std::env::temp_dir().join(format!("usher-fuzz-{name}"));
        std::fs::write(&kept, input).ok();
        panic!("{name} does not hold; the input is kept in {}:\n{shown}", kept.display());
    }
    let took = began.elapsed();
    assert!(took < PATIENCE, "{name} took {took:?} for {} bytes:\n{shown}", input.len());
}

fn told(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|told| told.parse().ok()).unwrap_or(default)
}

fn holds_for_the_corpus_and_its_mutations(name: &str, default: u64) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target");
    let corpus = corpus(name);
    for input in &corpus {
        holds_for(name, target, input);
    }
    let count = told("USHER_FUZZ", default);
    let mut mutator = Mutator::new(told("USHER_SEED", 1), &corpus, LONGEST);
    for _ in 0..count {
        holds_for(name, target, &mutator.next_input());
    }
    println!("{name}: {} saved inputs, {count} mutations", corpus.len());
}

macro_rules! short_runs {
    ($($name:ident $count:literal)*) => { $(
        #[test]
        fn $name() {
            holds_for_the_corpus_and_its_mutations(stringify!($name), $count);
        }
    )* };
}

short_runs! {
    workflow 1500
    expression 5000
    people 1500
    at 10000
    span 10000
    journal 3000
    config 500
}

#[test]
fn every_target_is_run_and_has_its_corpus() {
    let folders: Vec<String> = std::fs::read_dir(project("tests/fuzz/corpus"))
        .expect("the corpus")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(folders.len(), TARGETS.len(), "{folders:?}");
    let manifest = std::fs::read_to_string(project("tests/fuzz/Cargo.toml")).expect("reads");
    for (name, _) in TARGETS {
        assert!(folders.contains(&name.to_owned()), "{name} has no corpus");
        assert!(manifest.contains(&format!("fuzz_targets/{name}.rs")), "{name} is not run by cargo-fuzz");
        let text = std::fs::read_to_string(project("tests/fuzz/fuzz_targets").join(format!("{name}.rs")));
        assert!(text.expect("reads").contains(&format!("targets::{name}(bytes)")), "{name} runs another target");
    }
}

/// What grows, who reads it, and how it is made of a length.
type Growing = (&'static str, Target, fn(usize) -> String);

/// Twice the input takes about twice as long: a file that grows does not stop the house.
#[test]
fn long_inputs_take_their_time_and_not_more() {
    let big: [Growing; 6] = [
        ("steps", targets::workflow, |n| {
            let step = |k: usize| {
                format!("  - id: s{k}\n    action: account.disable\n    systems: all\n    at: day + {k} days\n")
            };
            format!(
                "workflow: w\ntitle: W\nfor: person\non: {{ manual: true }}\ninputs:\n  day: {{ type: date }}\nsteps:\n{}",
                (0..n).map(step).collect::<String>()
            )
        }),
        ("mistakes", targets::workflow, |n| {
            format!(
                "workflow: w\nsteps:\n{}",
                (0..n).map(|k| format!("  - id: s{k}\n    actoin: x\n")).collect::<String>()
            )
        }),
        ("nesting", targets::workflow, |n| format!("workflow: {}", "[".repeat(n))),
        ("brackets", targets::expression, |n| format!("{}1{}", "(".repeat(n), ")".repeat(n))),
        ("offsets", targets::at, |n| format!("day{}", " + 1 day".repeat(n))),
        ("rows", targets::people, |n| {
            let row = |k: usize| format!("{k},Robin,Crowd,{},2027-01-{:02}\n", n - k, k % 31 + 1);
            format!("employee_number,given_name,family_name,manager,last_day\n{}", (1..n).map(row).collect::<String>())
        }),
    ];
    for (what, target, make) in big {
        let time = |n: usize| {
            let text = make(n);
            let began = Instant::now();
            target(text.as_bytes());
            began.elapsed()
        };
        // The best of three: the machine may be busy.
        let best = |n: usize| (0..3).map(|_| time(n)).min().expect("three");
        let (short, long) = (best(100), best(800));
        let allowed = short.max(Duration::from_millis(2)) * 8 * 4;
        assert!(long <= allowed, "{what}: {short:?} for 100, {long:?} for 800");
    }
}
