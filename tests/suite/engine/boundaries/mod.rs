//! A fault at every boundary: each call to the database and to a system fails before its effect, fails after it, and
//! ends its process before and after it. The story goes on, and ends as if nothing had happened.
//!
//! The boundaries are read from the code (`list`); one that the story does not pass fails the suite. Many faults happen
//! in one telling of the story, each to a life of its own where it ends a process; where one ends otherwise, each of its
//! faults is tried alone, so that the message names it.

mod list;
mod orders;
mod stage;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use usher::faults::{Fault, Faults, Strike};

use self::story::{Ending, play};
use crate::database::Db;
use crate::harness::differences;

/// Faults in one telling.
const AT_ONCE: usize = 24;

/// The story with these faults, and what it passed.
async fn told(db: Db, faults: &[Fault]) -> (Ending, Arc<Faults>) {
    let faults = Arc::new(Faults::armed(faults.iter().cloned()));
    let ending = play(db, &faults).await;
    (ending, faults)
}

/// What can go wrong at a boundary.
fn strikes(db: Db, boundary: &str) -> &'static [Strike] {
    use Strike::{CrashAfter, CrashBefore, ErrorAfter, ErrorBefore};
    let commits = boundary.ends_with(" commit");
    match db {
        // Before a transaction there is nothing that could have had an effect.
        _ if boundary.ends_with(" begin") || boundary.ends_with(" reader") => match db {
            Db::Sqlite => &[ErrorBefore, CrashBefore],
            Db::Postgres => &[],
        },
        Db::Postgres if !commits => &[],
        _ => &[ErrorBefore, ErrorAfter, CrashBefore, CrashAfter],
    }
}

/// Every fault at every boundary: all of them on SQLite, those at commits on PostgreSQL.
fn faults(db: Db, passed: &BTreeMap<String, u64>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (boundary, count) in passed {
        for (index, strike) in (0..).zip(strikes(db, boundary)) {
            // Not always the same one of a boundary's calls.
            let nth = 1 + (count - 1) * (index % 3) / 2;
            faults.push(Fault { boundary: boundary.clone(), nth, strike: *strike });
        }
    }
    faults
}

/// Every fault of this part, many in one telling.
async fn strike_all(db: Db, part: usize, parts: usize) {
    let (quiet, passed) = told(db, &[]).await;
    assert_eq!(quiet.refused, Vec::<String>::new(), "undisturbed, every order is carried out");
    let faults = faults(db, &passed.passed());
    let tellings = faults.len().div_ceil(AT_ONCE);
    let (mut wrong, mut late) = (Vec::new(), Vec::new());
    for telling in (0..tellings).filter(|telling| telling % parts == part) {
        let some: Vec<Fault> = faults.iter().skip(telling).step_by(tellings).cloned().collect();
        let (ending, struck) = told(db, &some).await;
        // Others before it have changed the way.
        late.extend(struck.left());
        if !difference(&quiet, &ending).is_empty() {
            wrong.extend(culprits(db, &quiet, &some).await);
        }
    }
    for fault in late {
        wrong.extend(alone(db, &quiet, &fault).await);
    }
    assert!(wrong.is_empty(), "{} faults lead to another end:\n{}", wrong.len(), wrong.join("\n"));
}

/// Which of the faults leads to another end.
async fn culprits(db: Db, quiet: &Ending, faults: &[Fault]) -> Vec<String> {
    let mut wrong = Vec::new();
    for fault in faults {
        wrong.extend(alone(db, quiet, fault).await);
    }
    if wrong.is_empty() {
        let (ending, _) = told(db, faults).await;
        wrong.push(format!("together, not alone: {faults:#?}: {:#?}", difference(quiet, &ending)));
    }
    wrong
}

async fn alone(db: Db, quiet: &Ending, fault: &Fault) -> Option<String> {
    let (ending, struck) = told(db, std::slice::from_ref(fault)).await;
    let differs = difference(quiet, &ending);
    if !struck.left().is_empty() {
        return Some(format!("{fault:?} was not reached"));
    }
    (!differs.is_empty()).then(|| format!("{fault:?}: {differs:#?}"))
}

fn difference(one: &Ending, other: &Ending) -> Vec<String> {
    let mut found = differences(&one.world, &other.world);
    found.extend(one.runs.difference(&other.runs).map(|run| format!("- {run}")));
    found.extend(other.runs.difference(&one.runs).map(|run| format!("+ {run}")));
    found.extend(one.mails.difference(&other.mails).map(|mail| format!("- {mail}")));
    found.extend(other.mails.difference(&one.mails).map(|mail| format!("+ {mail}")));
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
    a_fault_at_every_commit_on_postgres Postgres 0 of 1;
}

#[tokio::test]
async fn the_story_passes_every_boundary() {
    let mut passed = BTreeSet::new();
    for db in [Db::Sqlite, Db::Postgres] {
        passed.extend(told(db, &[]).await.1.passed().into_keys());
    }
    let mut missing = list::of_the_store();
    missing.retain(|boundary, _| !passed.contains(boundary));
    for (function, why) in list::ELSEWHERE {
        let before = missing.len();
        missing.retain(|_, name| name != function);
        assert!(missing.len() < before, "{function} need not be left out: {why}");
    }
    let mut missing: BTreeSet<String> = missing.into_keys().collect();
    let doors = list::of_systems();
    missing.extend(doors.into_iter().filter(|door| !passed.iter().any(|one| one.split(' ').next() == Some(door))));
    assert_eq!(missing, BTreeSet::new(), "no test makes anything go wrong here");
}
