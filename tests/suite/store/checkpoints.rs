//! Signed checkpoints find what the chains alone cannot: somebody who may write the whole database, and recomputes what
//! they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe};
use usher::connectors::sandbox::Knobs;
use usher::run::book::public_id;
use usher::run::checkpoint::{TreeHead, notes_in};
use usher::run::journal::{Entry, Fact, GENESIS};
use usher::secret::{NoteVerifier, open_note};
use usher::store::{Checkpoint, Proof};

use super::{people_only, small_run, small_run_due};
use crate::database::Db;
use crate::engine::departure::{done_by_people, until_the_checklist};
use crate::engine::moved::reschedule;
use crate::harness::{App, play_rough, zurich};

const HOUR: Duration = Duration::from_secs(3600);

async fn trusted(app: &App) -> Vec<NoteVerifier> {
    app.store.note_verifier().await.unwrap().into_iter().collect()
}

async fn proof(app: &App, outside: &[String]) -> Proof {
    app.store.prove(&trusted(app).await, outside).await.unwrap()
}

/// What is wrong with the checkpoints, in words.
async fn doubts(app: &App, outside: &[String]) -> Vec<String> {
    let about = |run: Option<String>| run.unwrap_or_else(|| "checkpoints".to_owned());
    proof(app, outside)
        .await
        .doubts
        .into_iter()
        .map(|doubt| format!("{}: {}", about(doubt.run), doubt.problem))
        .collect()
}

async fn checkpoint(app: &App) -> Vec<Checkpoint> {
    app.store.checkpoint(HOUR).await.unwrap()
}

/// An hour later somebody says something to a run.
async fn an_hour_with_news(app: &App, run: i64) {
    app.clock.set(app.now() + jiff::SignedDuration::from_hours(1));
    app.engine.pause(run, "a word", "os:nils").await.unwrap();
    app.engine.resume(run, "another", "os:nils").await.unwrap();
}

both! {
    a_checkpoint_is_made_once_an_hour_and_only_when_something_happened, async |app: &App| {
        assert_eq!(checkpoint(app).await, [], "nothing has ever happened");
        let run = small_run_due(app).await;
        let [first] = &checkpoint(app).await[..] else { panic!("the first head is signed at once") };
        assert_eq!((first.tree_size, first.made_at), (1, app.now().as_millisecond()));
        assert_eq!(checkpoint(app).await, []);
        app.drain().await;
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(59));
        assert_eq!(checkpoint(app).await, [], "an hour is not over");
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(1));
        let [second] = &checkpoint(app).await[..] else { panic!("an hour is over") };
        assert_eq!(second.tree_size, 2);
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(5));
        assert_eq!(checkpoint(app).await, [], "nothing has happened since");
        // Its note is a checkpoint of the tree over both heads, signed under its origin.
        let keys = trusted(app).await;
        let head = TreeHead::parse(open_note(&second.note, &keys).unwrap()).unwrap();
        assert_eq!((head.origin.as_str(), head.size), (keys[0].name(), 2));
        let heads = app.store.heads_from(0, 10).await.unwrap();
        assert_eq!(heads.iter().map(|(_, head)| head.run).collect::<Vec<_>>(), [run, run]);
        let book = app.book(run).await;
        assert_eq!((heads[1].1.seq, heads[1].1.hash.as_str()), (book.run.seq, book.run.head.as_str()));
        assert_eq!(proof(app, &[]).await, Proof { checkpoints: 2, outside: 0, heads: 2, doubts: Vec::new() });
    };

    of_several_daemons_one_makes_it, async |app: &App| {
        people_only(app).await;
        let run = small_run(app).await;
        let stores = [app.store.clone(), app.another_store().await, app.another_store().await];
        for round in 0..12 {
            an_hour_with_news(app, run).await;
            let made = futures::future::join_all(stores.iter().map(|store| store.checkpoint(HOUR))).await;
            let made: usize = made.into_iter().map(|made| made.unwrap().len()).sum();
            assert_eq!(made, 1, "round {round}");
        }
        let proof = proof(app, &[]).await;
        assert_eq!((proof.checkpoints, proof.heads, proof.doubts), (12, 12, Vec::new()));
    };

    the_key_is_made_once_and_stays, async |app: &App| {
        let other = app.another_store().await;
        let (one, two) = futures::join!(app.store.note_signer(), other.note_signer());
        assert_eq!(one.unwrap().verifier(), two.unwrap().verifier());
        assert_eq!(trusted(app).await[0], other.note_signer().await.unwrap().verifier());
    };

    each_checkpoint_also_goes_into_a_file, async |app: &App| {
        let file = app.folder.path().join("elsewhere/checkpoints");
        let fittings = || usher::engine::Fittings { checkpoint_file: Some(file.clone()), ..Default::default() };
        let engine = |store: &usher::store::Store| {
            usher::engine::Engine::with(store.clone(), BTreeMap::new(), BTreeMap::new(), "UTC", usher::run::Holidays::default(), fittings())
        };
        let (daemon, other) = (engine(&app.store), app.another_store().await);
        people_only(app).await;
        let run = small_run(app).await;
        let kept = || notes_in(&std::fs::read_to_string(&file).unwrap());
        daemon.checkpoint().await.unwrap();
        an_hour_with_news(app, run).await;
        // Another daemon makes one; each writes all of them.
        other.checkpoint(HOUR).await.unwrap();
        daemon.checkpoint().await.unwrap();
        an_hour_with_news(app, run).await;
        daemon.checkpoint().await.unwrap();
        engine(&app.store).checkpoint().await.unwrap();
        let inside: Vec<String> = app.store.checkpoints_after(0, 10).await.unwrap().into_iter().map(|one| one.note).collect();
        assert_eq!((kept(), inside.len()), (inside, 3));
        assert_eq!(doubts(app, &kept()).await, [""; 0]);
        // The newest checkpoint is cut off in the database: the daemon says so, once, and the file is left alone.
        app.sql("DELETE FROM checkpoints WHERE tree_size = 3").await.unwrap();
        app.sql("DELETE FROM heads WHERE leaf = 2").await.unwrap();
        app.sql("UPDATE runs SET checkpointed = 0").await.unwrap();
        let restarted = engine(&app.store);
        an_hour_with_news(app, run).await;
        app.clock.set(app.now() - jiff::SignedDuration::from_hours(2));
        let said = restarted.checkpoint().await.unwrap_err().to_string();
        assert!(said.contains("covers 3 heads") && said.contains("last checkpoint 2"), "{said}");
        assert!(restarted.checkpoint().await.is_ok() && kept().len() == 3);
        let found = doubts(app, &kept()).await;
        assert!(found.iter().any(|doubt| doubt.contains("cut off")), "{found:?}");
    };
}

fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Started { .. } => "started",
        Fact::Step { .. } => "step",
        Fact::Intent { .. } => "intent",
        Fact::Bound { .. } => "bound",
        Fact::Added { .. } => "added",
        Fact::Rescheduled { .. } => "rescheduled",
        Fact::Run { .. } => "run",
        Fact::Approved { .. } => "approved",
        Fact::Ordered { .. } => "ordered",
        Fact::Ticked { .. } => "ticked",
    }
}

/// Every kind of fact that there is: [`kind`] does not compile without a new one.
const KINDS: [&str; 10] =
    ["added", "approved", "bound", "intent", "ordered", "rescheduled", "run", "started", "step", "ticked"];

/// A year in which everything happens that a journal can tell of.
async fn eventful(app: &App) {
    let departure = until_the_checklist(app).await;
    done_by_people(app, departure).await;
    app.engine.pause(departure, "a word", "os:nils").await.unwrap();
    app.engine.resume(departure, "another", "os:nils").await.unwrap();
    app.import(
        "employee_number,given_name,family_name,department,start_date,status\n1030,Jo,May,Sales,2027-09-01,prehire\n",
    )
    .await;
    let joiner = app.run_of("onboarding", "1030").await;
    reschedule(app, joiner, &[("start_date", "2027-09-06")]).await.ok();
    app.walk_to(zurich("2027-08-31T12:00")).await;
    // Cuts that come late are followed by another revocation.
    app.misbehave(&Knobs { seed: 4, error_rate: 0.8, ..Knobs::default() });
    let mut blocks = Vec::new();
    for person in ["1006", "1007", "1008"] {
        blocks.push(app.start("emergency-block", person, &[]).await);
    }
    app.drain().await;
    let waiting = app.steps_that_are(blocks[0], "waiting").await;
    for step in waiting {
        app.engine.retry(blocks[0], &step, "sooner", "os:nils").await.ok();
    }
    app.walk_to(app.now() + jiff::SignedDuration::from_hours(6)).await;
}

/// One entry of each kind: kind, run, number.
async fn one_of_each(app: &App) -> BTreeMap<&'static str, (i64, i64)> {
    let mut found = BTreeMap::new();
    for run in app.store.run_ids().await.unwrap() {
        for entry in app.store.audit(run).await.unwrap() {
            let fact: Fact = serde_json::from_value(entry.fact).unwrap();
            // The last entry of a run has none behind it to change places with.
            if entry.seq < app.book(run).await.run.seq {
                found.entry(kind(&fact)).or_insert((run, entry.seq));
            }
        }
    }
    found
}

/// The database in the hands of somebody who may write all of it.
struct Mallory {
    conn: AnyConnection,
}

impl Mallory {
    async fn new(app: &App) -> Self {
        let mut conn = app.home.connect().await;
        let unbound = match app.home.db {
            Db::Sqlite => "PRAGMA foreign_keys = OFF",
            Db::Postgres => "SET session_replication_role = replica",
        };
        sqlx::query(unbound).execute(&mut conn).await.unwrap();
        let mut mallory = Self { conn };
        for table in ["journal", "runs", "steps"] {
            mallory.does(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
        }
        mallory
    }

    async fn does(&mut self, text: &str) {
        sqlx::query(AssertSqlSafe(text)).execute(&mut self.conn).await.expect(text);
    }

    async fn takes_out_the_run(&mut self, run: i64) {
        self.does(&format!("DELETE FROM journal WHERE run_id = {run}")).await;
        self.does(&format!("DELETE FROM steps WHERE run_id = {run}")).await;
        self.does(&format!("DELETE FROM runs WHERE id = {run}")).await;
    }

    async fn puts_back(&mut self, run: i64) {
        self.takes_out_the_run(run).await;
        for (table, key) in [("runs", "id"), ("steps", "run_id"), ("journal", "run_id")] {
            self.does(&format!("INSERT INTO {table} SELECT * FROM kept_{table} WHERE {key} = {run}")).await;
        }
    }

    async fn changes_places(&mut self, run: i64, seq: i64) {
        for (from, to) in [(seq, -1), (seq + 1, seq), (-1, seq + 1)] {
            self.does(&format!("UPDATE journal SET seq = {to} WHERE run_id = {run} AND seq = {from}")).await;
        }
    }

    /// Cuts off the journal's end from this entry on, and lets the run's row agree.
    async fn cuts_off(&mut self, run: i64, entries: &[Entry], seq: i64) {
        let before = entries.iter().find(|entry| entry.seq == seq - 1).map_or(GENESIS, |entry| &entry.hash);
        self.does(&format!("DELETE FROM journal WHERE run_id = {run} AND seq >= {seq}")).await;
        self.does(&format!("UPDATE runs SET seq = {}, head = '{before}' WHERE id = {run}", seq - 1)).await;
    }

    /// Puts another name into an entry, and recomputes everything behind it.
    async fn rewrites(&mut self, run: i64, entries: &[Entry], seq: i64) {
        let mut previous =
            entries.iter().find(|entry| entry.seq == seq - 1).map_or(GENESIS, |entry| &entry.hash).to_owned();
        self.does(&format!("UPDATE journal SET actor = 'os:mallory' WHERE run_id = {run} AND seq = {seq}")).await;
        self.does("BEGIN").await;
        for entry in entries.iter().filter(|entry| entry.seq >= seq) {
            let mut entry = entry.clone();
            if entry.seq == seq {
                entry.actor = "os:mallory".to_owned();
            }
            previous = entry.chain(&previous);
            self.does(&format!("UPDATE journal SET hash = '{previous}' WHERE run_id = {run} AND seq = {}", entry.seq))
                .await;
        }
        self.does(&format!("UPDATE runs SET head = '{previous}' WHERE id = {run}")).await;
        self.does("COMMIT").await;
    }
}

async fn every_tampering_with_every_fact_is_found(app: &App) {
    eventful(app).await;
    app.clock.set(app.now() + jiff::SignedDuration::from_hours(1));
    assert_eq!(checkpoint(app).await.len(), 1);
    assert_eq!(doubts(app, &[]).await, [""; 0]);
    let facts = one_of_each(app).await;
    assert_eq!(facts.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(KINDS));
    let mut mallory = Mallory::new(app).await;
    for (kind, (run, seq)) in facts {
        let entries = app.store.journal(run).await.unwrap();
        let problem = async || app.store.verify(run).await.unwrap().problem;
        let id = public_id(run);

        for column in ["body = '{}'", "actor = 'os:mallory'", "at = at + 1"] {
            mallory.does(&format!("UPDATE journal SET {column} WHERE run_id = {run} AND seq = {seq}")).await;
            let found = problem().await.unwrap_or_else(|| panic!("{kind}: {column} was not seen"));
            assert!(found.contains(&format!("entry {seq} does not match")), "{kind}: {found}");
            mallory.puts_back(run).await;
        }

        mallory.does(&format!("DELETE FROM journal WHERE run_id = {run} AND seq = {seq}")).await;
        let found = problem().await.unwrap_or_else(|| panic!("{kind}: the missing entry was not seen"));
        assert!(found.contains(&format!("entry {seq} is missing")), "{kind}: {found}");
        mallory.puts_back(run).await;

        mallory.changes_places(run, seq).await;
        let found = problem().await.unwrap_or_else(|| panic!("{kind}: the order was not seen"));
        assert!(found.contains(&format!("entry {seq} does not match")), "{kind}: {found}");
        mallory.puts_back(run).await;

        mallory.cuts_off(run, &entries, seq).await;
        let found = doubts(app, &[]).await.join("\n");
        assert!(found.contains(&format!("{id}: entry")) && found.contains("not in the journal"), "{kind}: {found}");
        mallory.puts_back(run).await;

        mallory.rewrites(run, &entries, seq).await;
        assert_eq!(problem().await, None, "{kind}: the chain alone cannot find it");
        let found = doubts(app, &[]).await.join("\n");
        assert!(found.contains(&format!("{id}: entry")) && found.contains("rewritten"), "{kind}: {found}");
        mallory.puts_back(run).await;

        mallory.takes_out_the_run(run).await;
        let found = doubts(app, &[]).await.join("\n");
        assert!(found.contains(&format!("{id}: entry")) && found.contains("whole run"), "{kind}: {found}");
        mallory.puts_back(run).await;
        assert_eq!((problem().await, doubts(app, &[]).await), (None, Vec::new()), "{kind}: all is as it was");
    }
}

#[tokio::test]
async fn every_tampering_with_every_kind_of_fact_is_found_on_sqlite() {
    play_rough(Db::Sqlite, every_tampering_with_every_fact_is_found).await;
}

#[tokio::test]
async fn every_tampering_with_every_kind_of_fact_is_found_on_postgres() {
    play_rough(Db::Postgres, every_tampering_with_every_fact_is_found).await;
}

/// Heads, checkpoints and marks are part of the record, and may be changed too.
async fn tampering_with_checkpoints_is_found(app: &App) {
    people_only(app).await;
    let run = small_run(app).await;
    for _ in 0..3 {
        an_hour_with_news(app, run).await;
        assert_eq!(checkpoint(app).await.len(), 1);
    }
    let kept: Vec<String> = app.store.checkpoints_after(0, 10).await.unwrap().into_iter().map(|one| one.note).collect();
    assert_eq!(doubts(app, &kept).await, [""; 0]);
    for table in ["heads", "checkpoints", "runs"] {
        app.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
    let second = &kept[1];
    let forged = second.replacen("\n2\n", "\n1\n", 1);
    let moved = kept[0].clone();
    let cases: [(&str, String, &str); 8] = [
        (
            "a leaf names another entry",
            "UPDATE heads SET seq = seq - 1 WHERE leaf = 0".into(),
            "signed over other heads",
        ),
        ("a leaf is taken out", "DELETE FROM heads WHERE leaf = 1".into(), "head 1 of the tree is missing"),
        (
            "a leaf is added",
            format!("INSERT INTO heads SELECT 3, run_id, seq, hash FROM heads WHERE leaf = 2 AND run_id = {run}"),
            "under no checkpoint",
        ),
        (
            "the last checkpoint is taken out",
            "DELETE FROM checkpoints WHERE tree_size = 3".into(),
            "under no checkpoint",
        ),
        ("a note is changed", format!("UPDATE checkpoints SET note = '{forged}' WHERE tree_size = 2"), "does not fit"),
        (
            "a note is put in the place of another",
            format!("UPDATE checkpoints SET note = '{moved}' WHERE tree_size = 2"),
            "its row was changed",
        ),
        ("a note is none", "UPDATE checkpoints SET note = 'x' WHERE tree_size = 1".into(), "not a signed note"),
        (
            "a run is hidden from checkpoints to come",
            "UPDATE runs SET seq = seq + 1, head = 'x'".into(),
            "the mark was forged",
        ),
    ];
    for (what, change, words) in &cases {
        assert_eq!(app.sql(change).await.unwrap(), 1, "{what}");
        let found = doubts(app, &[]).await;
        assert!(found.iter().any(|doubt| doubt.contains(words)), "{what}: {found:?}");
        for table in ["heads", "checkpoints"] {
            app.sql(&format!("DELETE FROM {table}")).await.unwrap();
            app.sql(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await.unwrap();
        }
        let back = "UPDATE runs SET seq = (SELECT k.seq FROM kept_runs k WHERE k.id = runs.id), \
                    head = (SELECT k.head FROM kept_runs k WHERE k.id = runs.id)";
        app.sql(back).await.unwrap();
        assert_eq!(doubts(app, &[]).await, [""; 0], "{what}");
    }
    // The end of everything is cut off, and nothing inside contradicts it: what was kept elsewhere does.
    app.sql("DELETE FROM checkpoints WHERE tree_size = 3").await.unwrap();
    app.sql("DELETE FROM heads WHERE leaf = 2").await.unwrap();
    app.sql("UPDATE runs SET checkpointed = 0").await.unwrap();
    assert_eq!(doubts(app, &[]).await, [""; 0]);
    let found = doubts(app, &kept).await;
    assert!(found.len() == 1 && found[0].contains("covers 3 heads, and the record has 2"), "{found:?}");
    // Somebody who has no key of ours signs a checkpoint of their own.
    let other = App::new(app.home.db).await;
    let theirs = other
        .store
        .note_signer()
        .await
        .unwrap()
        .sign("usher/theirs\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let found = doubts(app, &[theirs]).await;
    assert!(found[0].contains("no key that is trusted here"), "{found:?}");
    other.end().await;
}

#[tokio::test]
async fn tampering_with_checkpoints_is_found_on_sqlite() {
    play_rough(Db::Sqlite, tampering_with_checkpoints_is_found).await;
}

#[tokio::test]
async fn tampering_with_checkpoints_is_found_on_postgres() {
    play_rough(Db::Postgres, tampering_with_checkpoints_is_found).await;
}

/// A tree that is not the one that was signed is not signed any further.
async fn two_histories_are_never_signed(app: &App) {
    people_only(app).await;
    let run = small_run(app).await;
    an_hour_with_news(app, run).await;
    checkpoint(app).await;
    an_hour_with_news(app, run).await;
    app.sql("CREATE TABLE kept AS SELECT * FROM checkpoints").await.unwrap();
    for change in [
        "UPDATE checkpoints SET peaks = '[\"0000000000000000000000000000000000000000000000000000000000000000\"]'",
        "UPDATE checkpoints SET peaks = '[]'",
        "UPDATE checkpoints SET note = 'x'",
        "UPDATE checkpoints SET tree_size = 2",
        "DELETE FROM checkpoints",
        "DELETE FROM meta WHERE name = 'signing_key'",
    ] {
        app.sql(change).await.unwrap();
        let said = app.store.checkpoint(HOUR).await.unwrap_err().to_string();
        assert!(said.contains("checkpoint"), "{change}: {said}");
        app.sql("DELETE FROM checkpoints").await.unwrap();
        app.sql("INSERT INTO checkpoints SELECT * FROM kept").await.unwrap();
    }
}

#[tokio::test]
async fn two_histories_are_never_signed_on_sqlite() {
    play_rough(Db::Sqlite, two_histories_are_never_signed).await;
}

#[tokio::test]
async fn two_histories_are_never_signed_on_postgres() {
    play_rough(Db::Postgres, two_histories_are_never_signed).await;
}
