//! A fault at every boundary: each call to the database and to a system fails before its effect, fails after it, and
//! ends its process before and after it. The story goes on, and ends as if nothing had happened.
//!
//! The boundaries are read from the code (`list`); one that the story does not pass fails the suite.

mod list;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use usher::faults::{Faults, Strike};

use self::story::{Ending, play};
use crate::database::Db;
use crate::harness::differences;

/// What the daemon's rooms call and this story cannot lead to, with where it is shown instead.
const ELSEWHERE: &[(&str, &str)] = &[];

/// The story without a fault, and what it passed.
async fn quiet(db: Db) -> (Ending, BTreeMap<String, u64>) {
    let faults = Arc::new(Faults::default());
    let ending = play(db, &faults).await;
    (ending, faults.passed())
}

/// What can go wrong at a boundary.
fn strikes(boundary: &str) -> &'static [Strike] {
    use Strike::{CrashAfter, CrashBefore, ErrorAfter, ErrorBefore};
    // Before a transaction there is nothing that could have had an effect.
    if boundary.ends_with(" begin") || boundary.ends_with(" reader") {
        &[ErrorBefore, CrashBefore]
    } else {
        &[ErrorBefore, ErrorAfter, CrashBefore, CrashAfter]
    }
}

/// Every fault at every boundary that is this part's.
async fn strike_all(db: Db, part: usize, parts: usize) {
    let (undisturbed, passed) = quiet(db).await;
    let mut wrong = Vec::new();
    for (_, (boundary, count)) in passed.iter().enumerate().filter(|(index, _)| index % parts == part) {
        for (index, strike) in strikes(boundary)
            .iter()
            .enumerate()
            .filter(|(index, _)| db == Db::Sqlite || index + 1 == strikes(boundary).len())
        {
            // Not always the same one of a boundary's calls.
            let nth = 1 + (count - 1) * (index as u64 % 3) / 2;
            let faults = Arc::new(Faults::default());
            faults.arm(boundary, nth, *strike);
            let ending = play(db, &faults).await;
            assert!(!faults.is_armed(), "{boundary} was not reached {nth} times");
            let differs = difference(&undisturbed, &ending);
            if !differs.is_empty() {
                wrong.push(format!("{strike:?} at call {nth} of {boundary}: {differs:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults lead to another end:\n{}", wrong.len(), wrong.join("\n"));
}

fn difference(one: &Ending, other: &Ending) -> Vec<String> {
    let mut found = differences(&one.world, &other.world);
    found.extend(one.runs.difference(&other.runs).map(|run| format!("- {run}")));
    found.extend(other.runs.difference(&one.runs).map(|run| format!("+ {run}")));
    if one.mails != other.mails {
        found.push(format!("mails: {:?} became {:?}", one.mails, other.mails));
    }
    found
}

macro_rules! parts {
    ($($name:ident $db:ident $part:literal of $parts:literal;)*) => { $(
        #[tokio::test]
        async fn $name() {
            strike_all(Db::$db, $part, $parts).await;
        }
    )* };
}

parts! {
    a_fault_at_every_boundary_on_sqlite_1 Sqlite 0 of 2;
    a_fault_at_every_boundary_on_sqlite_2 Sqlite 1 of 2;
    a_fault_at_every_boundary_on_postgres_1 Postgres 0 of 2;
    a_fault_at_every_boundary_on_postgres_2 Postgres 1 of 2;
}

#[tokio::test]
async fn the_story_passes_every_boundary() {
    let (_, passed) = quiet(Db::Sqlite).await;
    let (store, systems) = list::by_function(&passed);
    let called = list::called_by_the_daemon();
    let mut missing = BTreeSet::new();
    for function in list::functions().into_iter().filter(|function| called.contains(&function.name)) {
        for (line, call) in &function.calls {
            let elsewhere = ELSEWHERE.iter().any(|(name, _)| *name == function.name);
            let here = store.contains(&(function.file.clone(), function.name.clone(), *line));
            assert!(!(here && elsewhere), "{} is passed: strike it from ELSEWHERE", function.name);
            if !here && !elsewhere {
                missing.insert(format!("{}:{line} {} ({call})", function.file, function.name));
            }
        }
    }
    let open = |door: &&String| !systems.iter().any(|passed| passed.split(' ').next() == Some(door.as_str()));
    // `usher systems test` asks; the daemon never does.
    let doors: BTreeSet<String> = list::doors().into_iter().filter(|door| door != "test").collect();
    missing.extend(doors.iter().filter(open).cloned());
    assert_eq!(missing, BTreeSet::new(), "no test makes anything go wrong here");
}
