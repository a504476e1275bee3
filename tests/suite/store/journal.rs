//! The journal can be read, verified, and not be changed without being found out.

use std::collections::BTreeSet;

use usher::store::RunFilter;

use super::{people_only, small_run, small_run_due};
use crate::database::Db;
use crate::harness::{App, play_rough};

/// A value that differs from what a column holds.
const TAMPERED: [(&str, &str); 7] = [
    ("at", "at + 1"),
    ("step", "COALESCE(step, 0) + 1"),
    ("actor", "'os:mallory'"),
    ("body", "'{}'"),
    ("sealed", "'x' || sealed"),
    ("hash", "'0' || hash"),
    ("seq", "seq + 1000"),
];

async fn tampering_is_found(app: &App) {
    let run = small_run_due(app).await;
    app.drain().await;
    assert_eq!(app.store.verify(run).await.unwrap().problem, None);
    for (column, other) in TAMPERED {
        app.sql("CREATE TABLE untouched AS SELECT * FROM journal").await.unwrap();
        assert_eq!(
            app.sql(&format!("UPDATE journal SET {column} = {other} WHERE run_id = {run} AND seq = 3")).await.unwrap(),
            1
        );
        let problem =
            app.store.verify(run).await.unwrap().problem.unwrap_or_else(|| panic!("{column} was changed unseen"));
        assert!(problem.contains("entry 3"), "{column}: {problem}");
        app.sql("DELETE FROM journal").await.unwrap();
        app.sql("INSERT INTO journal SELECT * FROM untouched").await.unwrap();
        app.sql("DROP TABLE untouched").await.unwrap();
        assert_eq!(app.store.verify(run).await.unwrap().problem, None);
    }
    // Entries that are cut off at the end, or a state that no entry tells of.
    let last = app.book(run).await.run.seq;
    app.sql(&format!("UPDATE steps SET state = 'cancelled', data = NULL WHERE run_id = {run} AND name = 'rules'"))
        .await
        .unwrap();
    let problem = app.store.verify(run).await.unwrap().problem.unwrap();
    assert!(problem.contains("rules@mailhost"), "{problem}");
    app.sql(&format!("DELETE FROM journal WHERE run_id = {run} AND seq = {last}")).await.unwrap();
    let problem = app.store.verify(run).await.unwrap().problem.unwrap();
    assert!(problem.contains(&format!("ends with entry {last}")), "{problem}");
}

#[tokio::test]
async fn tampering_with_any_column_is_found_and_the_entry_named_on_sqlite() {
    play_rough(Db::Sqlite, tampering_is_found).await;
}

#[tokio::test]
async fn tampering_with_any_column_is_found_and_the_entry_named_on_postgres() {
    play_rough(Db::Postgres, tampering_is_found).await;
}

both! {
    the_journal_tells_who_did_what_with_the_words_put_back, async |app: &App| {
        let run = small_run_due(app).await;
        app.drain().await;
        let told = app.store.audit(run).await.unwrap();
        // What one commit says in one name is one entry.
        let numbers: Vec<i64> = told.iter().map(|entry| entry.seq).collect();
        let kept = app.store.journal(run).await.unwrap();
        assert!(numbers.is_sorted() && numbers.first() == Some(&1), "{numbers:?}");
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), kept.len());
        assert!(kept.len() < numbers.len(), "{kept:#?}");
        let mut claims = told.iter().zip(&told[1..]).filter(|(_, next)| next.fact["change"]["event"] == "claimed");
        assert!(claims.all(|(intent, claimed)| intent.seq == claimed.seq), "{told:#?}");
        assert_eq!((told[0].actor.as_str(), told[0].fact["fact"].as_str()), ("os:test", Some("started")));
        assert_eq!(told[0].fact["inputs"]["last_day"], "2027-01-29");
        // Every attempt's intent stands before its outcome (guarantee 2), and names the account.
        let about = told.iter().filter(|entry| entry.step.as_deref() == Some("hide@mailhost"));
        let words: Vec<&str> =
            about.map(|entry| entry.fact["change"]["event"].as_str().or(entry.fact["fact"].as_str()).unwrap()).collect();
        assert_eq!(words, ["intent", "claimed", "completed"]);
        // That it waited for its time is told with the plan.
        let hide = told[0].fact["steps"].as_array().unwrap().iter().position(|step| step["name"] == "hide").unwrap();
        let begun = &told[0].fact["begun"];
        let groups = begun["due"].as_array().into_iter().flatten().filter_map(|group| group["steps"].as_array());
        let waits = groups.chain(begun["ready"].as_array()).flatten().any(|step| step.as_u64() == Some(hide as u64));
        assert!(waits, "{begun}");
        let intent = told.iter().find(|entry| entry.fact["fact"] == "intent").unwrap();
        assert_eq!(intent.fact["account"], "m-0005");
    };

    what_a_person_says_and_what_usher_says_with_the_same_commit_keep_their_names, async |app: &App| {
        people_only(app).await;
        let run = app.start("emergency-block", "1006", &[]).await;
        app.drain().await;
        let before = app.store.journal(run).await.unwrap().len();
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        let told = app.store.audit(run).await.unwrap().into_iter().filter(|told| told.seq > before as i64);
        let told: Vec<(i64, String, String)> = told
            .map(|told| (told.seq - before as i64, told.actor, told.fact["change"]["event"].as_str().unwrap_or("run").into()))
            .collect();
        let [(1, by, what), rest @ ..] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((by.as_str(), what.as_str()), ("os:reception", "person_done"), "{told:?}");
        assert!(!rest.is_empty() && rest.iter().all(|(seq, by, _)| (*seq, by.as_str()) == (2, "usher")), "{told:?}");
    };

    nothing_of_a_person_stands_in_the_clear, async |app: &App| {
        let run = small_run_due(app).await;
        app.engine.pause(run, "Ada is ill", "os:nils").await.unwrap();
        app.engine.resume(run, "Ada is well", "os:nils").await.unwrap();
        app.drain().await;
        for word in ["%Ada%", "%2027-01-29\"%", "%m-0005%"] {
            assert_eq!(app.number(&format!("SELECT COUNT(*) FROM journal WHERE body LIKE '{word}'")).await, 0, "{word}");
        }
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact["reason"] == "Ada is ill"));
    };

    an_erased_person_leaves_a_chain_that_holds_without_words, async |app: &App| {
        let run = small_run_due(app).await;
        app.engine.pause(run, "Ada is ill", "os:nils").await.unwrap();
        app.engine.resume(run, "Ada is well", "os:nils").await.unwrap();
        app.sql("UPDATE people SET data_key = '' WHERE employee_number = '1005'").await.unwrap();
        let store = app.another_store().await;
        let told = store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact["reason"] == "[erased]"), "{told:#?}");
        assert!(!format!("{told:?}").contains("Ada is"), "{told:#?}");
        assert_eq!(store.verify(run).await.unwrap().problem, None);
        // The run goes on, and its new words are not kept.
        app.drain().await;
        assert_eq!(app.run_state(run).await.as_str(), "completed");
    };

    every_run_of_a_company_verifies, async |app: &App| {
        people_only(app).await;
        small_run(app).await;
        app.start("emergency-block", "1007", &[]).await;
        app.drain().await;
        for run in app.store.runs(&RunFilter::default()).await.unwrap() {
            let verified = app.store.verify(usher::run::book::parse_public_id(&run.id).unwrap()).await.unwrap();
            // What only waits for its time has one entry: its plan, and what became of it at once.
            let least = if run.workflow == "emergency-block" { 4 } else { 1 };
            assert!(verified.problem.is_none() && verified.entries >= least, "{verified:?}");
        }
        assert_eq!(app.store.verify(4711).await.unwrap_err().to_string(), "there is no run run_4711");
    };
}
