//! Every tampering with every kind of entry, by somebody who may write the whole database.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AnyConnection, AssertSqlSafe};
use usher::connectors::sandbox::Knobs;
use usher::run::book::public_id;
use usher::run::journal::{Entry, Fact, GENESIS};

use super::{checkpoint, doubts};
use crate::database::Db;
use crate::engine::departure::{done_by_people, until_the_checklist};
use crate::engine::moved::reschedule;
use crate::harness::{App, play_rough, zurich};

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
