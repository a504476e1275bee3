//! One story's stage: a record, a company, an engine, and a clock that only the story moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Zoned};
use sqlx::{AssertSqlSafe, Row};
use usher::clock::Clock;
use usher::config::{Config, Surroundings};
use usher::connectors::Connector;
use usher::connectors::sandbox::{Knobs, SandboxAccount, SandboxCompany, Snapshot, shipped};
use usher::engine::library::Library;
use usher::engine::trigger::{Request, SubjectRef, TriggerError};
use usher::engine::{Engine, Fittings};
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::mail::{MailRoom, MailSettings, Means};
use usher::run::book::Book;
use usher::run::limits::Limits;
use usher::run::settle::Outcome;
use usher::run::{Conventions, Evidence, EvidenceKind, Rules, RunState, StepState};
use usher::secret::KeyRing;
use usher::store::{Claim, Completion, Opening, RunFilter, Store, StoreError, TurnReport, TurnRequest};
use usher::workflow::Workflow;

use crate::database::{Db, Home};

/// A story, played on both databases.
macro_rules! both {
    ($($(#[$meta:meta])* $name:ident, $story:expr;)*) => { $(
        $(#[$meta])*
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                $crate::harness::play($crate::database::Db::Sqlite, $story).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                $crate::harness::play($crate::database::Db::Postgres, $story).await;
            }
        }
    )* };
}

/// As `both!`, in a house with a mail room.
macro_rules! both_posting {
    ($($(#[$meta:meta])* $name:ident, $story:expr;)*) => { $(
        $(#[$meta])*
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_sqlite() {
                $crate::harness::play_posting($crate::database::Db::Sqlite, $story).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                $crate::harness::play_posting($crate::database::Db::Postgres, $story).await;
            }
        }
    )* };
}

/// As [`play`], in a house with a mail room.
pub async fn play_posting(db: Db, story: impl AsyncFnOnce(&App)) {
    let app = App::posting(db).await;
    story(&app).await;
    app.end().await;
}

/// Plays a story, then looks whether it left the house in order.
pub async fn play(db: Db, story: impl AsyncFnOnce(&App)) {
    let app = App::new(db).await;
    story(&app).await;
    app.end().await;
}

/// `2027-01-29T18:00[Europe/Zurich]` as an instant.
pub fn at(local: &str) -> Timestamp {
    local.parse::<Zoned>().unwrap_or_else(|why| panic!("{local}: {why}")).timestamp()
}

/// An instant in the company's own zone.
pub fn zurich(local: &str) -> Timestamp {
    at(&format!("{local}[Europe/Zurich]"))
}

pub struct App {
    pub engine: Engine,
    pub store: Store,
    pub clock: Clock,
    pub company: Arc<SandboxCompany>,
    pub home: Home,
    pub keys: KeyRing,
    /// Whether there is a mail room: its mails stay in memory.
    pub posts: bool,
    /// How many attempts a turn may start.
    pub hands: usize,
    pub folder: tempfile::TempDir,
}

/// Few enough that stories show what waits for a free hand.
const HANDS: usize = 8;

impl App {
    /// The shipped company on the morning when its story begins, with nobody known to usher yet.
    pub async fn new(db: Db) -> Self {
        Self::of(db, shipped::COMPANY).await
    }

    pub async fn of(db: Db, company: &str) -> Self {
        let folder = folder();
        let home = Home::new(db, folder.path()).await;
        let clock = Clock::manual(at_start());
        let keys = KeyRing::open_or_create(&folder.path().join("usher.key")).expect("a key");
        let store = open(&home, &clock, &keys).await;
        let company = SandboxCompany::from_text(company, &folder.path().join("ledger.jsonl")).expect("a company");
        let library = Library::shipped().workflows;
        let engine = engine(&store, systems_of(&company), library, None);
        Self { engine, store, clock, company, home, keys, posts: false, hands: HANDS, folder }
    }

    /// As [`App::new`], with a mail room.
    pub async fn posting(db: Db) -> Self {
        let app = Self::new(db).await;
        let engine = engine(&app.store, app.systems(), Library::shipped().workflows, Some(mail_room()));
        Self { engine, posts: true, ..app }
    }

    /// A company of its own, with these workflows and no others, under these limits.
    pub async fn with_workflows(db: Db, company: &str, files: &[(&str, &str)], limits: Limits) -> Self {
        let app = Self::of(db, company).await;
        let library = Library::of(files.iter().copied());
        assert!(!library.has_errors(), "{:#?}", library.diagnostics);
        let rules = Rules { limits, ..Rules::default() };
        let store = store_with(&app.home, &app.clock, &app.keys, rules.clone()).await;
        let engine = Engine::new(store.clone(), app.systems(), library.workflows, "Europe/Zurich", rules);
        Self { engine, store, ..app }
    }

    /// A house that others have lived in, with a mail room: what lies in its folder and its record stays.
    pub async fn posting_in(home: Home, folder: tempfile::TempDir, company: &str, now: Timestamp) -> Self {
        let clock = Clock::manual(now);
        let keys = KeyRing::open_or_create(&folder.path().join("usher.key")).expect("a key");
        let store = open(&home, &clock, &keys).await;
        let company = SandboxCompany::from_text(company, &folder.path().join("ledger.jsonl")).expect("a company");
        let engine = posting(store.clone(), &company);
        Self { engine, store, clock, company, home, keys, posts: true, hands: HANDS, folder }
    }

    /// The shipped people, known and dispatched; every account read.
    pub async fn staffed(&self) {
        self.import(shipped::PEOPLE).await;
        self.sync().await;
    }

    /// HR's file as it is; answers what it led to.
    pub async fn import(&self, csv: &str) -> Vec<events::Dispatched> {
        self.told(csv).await;
        events::dispatch(&self.engine).await.expect("dispatches")
    }

    /// HR's file, accepted and not acted upon.
    pub async fn told(&self, csv: &str) {
        let people = read_people(csv.as_bytes(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"));
        feed::take_in(&self.engine, &people, "csv", |_| {}).await.expect("takes it in");
    }

    pub async fn sync(&self) {
        for system in self.engine.systems().keys() {
            self.engine.sync(system).await.expect("reads the system");
        }
    }

    /// A second store on the same record, as another process would have it.
    pub async fn another_store(&self) -> Store {
        open(&self.home, &self.clock, &self.keys).await
    }

    /// An engine as a restarted daemon would have it, with other workflows or systems.
    pub async fn restarted(&self, systems: BTreeMap<String, Connector>, library: &[(&str, &str)]) -> Engine {
        let mut workflows = Library::shipped().workflows;
        for (name, text) in library {
            let (workflow, _) = usher::workflow::parse(name, text).unwrap_or_else(|why| panic!("{why:?}"));
            workflows.insert(workflow.name.clone(), Arc::new(workflow));
        }
        engine(&self.another_store().await, systems, workflows, self.posts.then(mail_room))
    }

    /// An engine as a daemon with another configuration would have it, on a store of its own.
    pub async fn configured(&self, change: impl FnOnce(&mut Conventions)) -> Engine {
        let mut conventions = conventions();
        change(&mut conventions);
        let store = self.another_store().await.with_conventions(conventions);
        engine(&store, self.systems(), Library::shipped().workflows, self.posts.then(mail_room))
    }

    pub fn systems(&self) -> BTreeMap<String, Connector> {
        systems_of(&self.company)
    }

    // ── Runs ─────────────────────────────────────────────────────────────────────────────────────────────────────

    /// Starts a run about a person, as somebody at a terminal would.
    pub async fn start(&self, workflow: &str, person: &str, inputs: &[(&str, &str)]) -> i64 {
        self.try_start(workflow, person, inputs).await.unwrap_or_else(|why| panic!("{workflow} for {person}: {why}"))
    }

    pub async fn try_start(&self, workflow: &str, person: &str, inputs: &[(&str, &str)]) -> Result<i64, TriggerError> {
        Ok(self.engine.start(request(workflow, person, inputs)).await?.id())
    }

    /// The one run of a workflow about a person.
    pub async fn run_of(&self, workflow: &str, person: &str) -> i64 {
        let filter = RunFilter { person: Some(person.into()), workflow: Some(workflow.into()), ..RunFilter::default() };
        let runs = self.store.runs(&filter).await.expect("runs");
        let [one] = runs.as_slice() else { panic!("{} runs of {workflow} for {person}", runs.len()) };
        usher::run::book::parse_public_id(&one.id).expect("an id")
    }

    pub async fn book(&self, run: i64) -> Book {
        self.store.book(run).await.expect("the run")
    }

    pub async fn run_state(&self, run: i64) -> RunState {
        self.book(run).await.run.state
    }

    pub async fn state(&self, run: i64, label: &str) -> StepState {
        let book = self.book(run).await;
        let ordinal = book.find(label).unwrap_or_else(|known| panic!("no step {label} among {known:?}"));
        book.step(ordinal).expect("the step").state.clone()
    }

    /// `disable@files` to `done`, for all steps.
    pub async fn states(&self, run: i64) -> BTreeMap<String, &'static str> {
        self.book(run).await.steps.iter().map(|step| (step.label(), step.state.as_str())).collect()
    }

    /// The labels of a run's steps in this state.
    pub async fn steps_that_are(&self, run: i64, state: &str) -> Vec<String> {
        self.states(run).await.into_iter().filter(|(_, is)| *is == state).map(|(label, _)| label).collect()
    }

    // ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Works off what is due now; answers how many attempts there were.
    pub async fn drain(&self) -> usize {
        self.engine.work_off(self.hands).await.expect("works it off")
    }

    /// Jumps, then works off everything that has come due meanwhile.
    pub async fn jump_to(&self, to: Timestamp) {
        self.clock.set(to);
        self.drain().await;
    }

    /// Goes on from one due instant to the next, up to `to`. Each time it first stops a millisecond too early and
    /// sees that nothing starts (guarantee 6).
    pub async fn walk_to(&self, to: Timestamp) {
        self.drain().await;
        while let Some(due) = self.store.next_due().await.expect("reads").filter(|due| *due <= to) {
            if due > self.now() {
                self.clock.set(due - SignedDuration::from_millis(1));
                assert_eq!(self.drain().await, 0, "an attempt started before {due}");
                self.clock.set(due);
            }
            self.deal_with(due).await;
        }
        self.clock.set(to);
    }

    /// Works off what is due at `due`. A run whose row somebody still has (an order that was refused gives it back when the
    /// pool gets round to it) is passed over, and looked at again as a daemon does.
    async fn deal_with(&self, due: Timestamp) {
        for _ in 0..100 {
            let attempts = self.drain().await;
            if attempts > 0 || self.store.next_due().await.expect("reads") != Some(due) {
                return;
            }
            usher::clock::pause(std::time::Duration::from_millis(20)).await;
        }
        panic!("what is due at {due} is never dealt with");
    }

    // ── Turns by hand ────────────────────────────────────────────────────────────────────────────────────────────

    pub async fn claim(&self, permits: usize) -> Vec<Claim> {
        self.turn(Vec::new(), permits).await.expect("a turn").claims
    }

    pub async fn complete(&self, claim: &Claim, outcome: Outcome) -> TurnReport {
        self.turn(vec![completion(claim, outcome)], 0).await.expect("a turn")
    }

    pub async fn turn(&self, completions: Vec<Completion>, permits: usize) -> Result<TurnReport, StoreError> {
        turn_of(&self.store, "test", &self.engine.system_names(), completions, permits).await
    }

    // ── The company ──────────────────────────────────────────────────────────────────────────────────────────────

    /// The account as its system has it; `None` once it is gone.
    pub fn account(&self, system: &str, id: &str) -> Option<SandboxAccount> {
        self.company.account_view(system, id).expect("the ledger")
    }

    /// How every system but the badges behaves from now on.
    pub fn misbehave(&self, knobs: &Knobs) {
        for system in ["directory", "mailhost", "files", "groupware"] {
            self.company.set_knobs(system, knobs.clone());
        }
    }

    /// No step had its effect twice (guarantee 3).
    pub fn no_effect_twice(&self, except: &[&str]) {
        let twice: BTreeMap<String, usize> = self
            .company
            .effects_by_key()
            .expect("the ledger")
            .into_iter()
            .filter(|(key, count)| *count > 1 && !except.iter().any(|step| key.contains(step)))
            .collect();
        assert!(twice.is_empty(), "effects that happened more than once: {twice:?}");
    }

    // ── Behind the store's back ──────────────────────────────────────────────────────────────────────────────────

    pub async fn sql(&self, text: &str) -> Result<u64, sqlx::Error> {
        let mut conn = self.home.connect().await;
        Ok(sqlx::query(AssertSqlSafe(text)).execute(&mut conn).await?.rows_affected())
    }

    pub async fn number(&self, text: &str) -> i64 {
        let mut conn = self.home.connect().await;
        sqlx::query(AssertSqlSafe(text)).fetch_one(&mut conn).await.expect(text).get(0)
    }

    /// Every row of a table as text.
    pub async fn dump(&self, table: &str) -> String {
        let text = match self.home.db {
            Db::Postgres => format!("SELECT COALESCE(string_agg(CAST(t AS TEXT), ' '), '') FROM {table} t"),
            // The bytes of the file hold them.
            Db::Sqlite => format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}"),
        };
        let mut conn = self.home.connect().await;
        sqlx::query(AssertSqlSafe(text)).fetch_one(&mut conn).await.expect("reads").get(0)
    }

    // ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────

    /// What is wrong with any run's journal: chain, end, replay.
    pub async fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for run in self.store.runs(&RunFilter::default()).await.expect("runs") {
            let id = usher::run::book::parse_public_id(&run.id).expect("an id");
            problems
                .extend(self.store.verify(id).await.expect("reads").problem.map(|why| format!("{}: {why}", run.id)));
        }
        problems
    }

    /// Every chain verifies and replays; nobody holds a lease any more.
    pub async fn end(self) {
        let leased = self.number("SELECT COUNT(*) FROM steps WHERE state = 'leased'").await;
        assert_eq!(leased, 0, "the story left attempts in flight");
        assert_eq!(self.problems().await, Vec::<String>::new());
        self.close().await;
    }

    /// Leaves as it is: the end is not looked at.
    pub async fn close(self) {
        self.store.close().await;
        self.home.leave().await;
    }
}

/// Plays a story that breaks its own record: the end is not looked at.
pub async fn play_rough(db: Db, story: impl AsyncFnOnce(&App)) {
    let app = App::new(db).await;
    story(&app).await;
    app.close().await;
}

pub fn at_start() -> Timestamp {
    at(shipped::DEMO_START)
}

pub fn request(workflow: &str, person: &str, inputs: &[(&str, &str)]) -> Request {
    Request {
        workflow: workflow.into(),
        subject: SubjectRef::Person(person.into()),
        inputs: inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect(),
        event: None,
        start: None,
        key: None,
        trigger: "cli".into(),
        asked_by: "os:test".into(),
    }
}

pub fn completion(claim: &Claim, outcome: Outcome) -> Completion {
    Completion { run: claim.run, ordinal: claim.ordinal, fence: claim.fence, outcome, seen: None }
}

pub fn done() -> Outcome {
    Outcome::Done(Evidence { kind: EvidenceKind::ReadBack, detail: "seen".into() })
}

pub async fn turn_of(
    store: &Store,
    owner: &str,
    systems: &BTreeSet<String>,
    completions: Vec<Completion>,
    permits: usize,
) -> Result<TurnReport, StoreError> {
    store.turn(&TurnRequest { completions, permits, reserved: 0, owner, lease: LEASE, systems }).await
}

/// How long leases taken by [`App::turn`] last.
pub const LEASE: Duration = Duration::from_secs(30);

/// In memory where the machine has such a place: these tests are about what is written, not about the disk.
pub fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

async fn open(home: &Home, clock: &Clock, keys: &KeyRing) -> Store {
    store_with(home, clock, keys, rules()).await
}

/// The rules of every house here: stories jump over months, and read no system in between.
pub fn rules() -> Rules {
    let limits = Limits { inventory_age: Duration::from_secs(10 * 365 * 86_400), ..Limits::default() };
    Rules { limits, ..Rules::default() }
}

pub async fn store_with(home: &Home, clock: &Clock, keys: &KeyRing, rules: Rules) -> Store {
    let opened = Store::open(&home.url, Opening::Migrate, clock.clone(), keys.clone(), rules);
    opened.await.unwrap_or_else(|why| panic!("{why}")).with_conventions(conventions())
}

/// Those of the configuration that `usher init` writes.
pub fn conventions() -> Conventions {
    let folder = folder();
    let file = folder.path().join("usher.toml");
    std::fs::write(&file, usher::config::EXAMPLE).expect("writes");
    let around = Surroundings { folder: folder.path().to_owned(), ..Surroundings::default() };
    Config::load(&[file], None, &around).unwrap_or_else(|why| panic!("{why}")).conventions
}

pub fn systems_of(company: &Arc<SandboxCompany>) -> BTreeMap<String, Connector> {
    let names = company.description().systems.keys();
    names.map(|name| (name.clone(), Connector::Sandbox(company.system(name).expect("the system")))).collect()
}

fn engine(
    store: &Store,
    systems: BTreeMap<String, Connector>,
    library: BTreeMap<String, Arc<Workflow>>,
    mail: Option<MailRoom>,
) -> Engine {
    let fittings = Fittings { mail, ..Fittings::default() };
    Engine::with(store.clone(), systems, library, "Europe/Zurich", rules(), fittings)
}

/// An engine of the shipped workflows on this store, which sends mail.
pub fn posting(store: Store, company: &Arc<SandboxCompany>) -> Engine {
    engine(&store, systems_of(company), Library::shipped().workflows, Some(mail_room()))
}

/// One whose mails stay in memory.
pub fn mail_room() -> MailRoom {
    let settings = MailSettings {
        administrators: vec!["admin@alpine-instruments.example".to_owned()],
        ..MailSettings::of(Means::Memory, "usher <usher@alpine-instruments.example>")
    };
    MailRoom::open(settings).0
}

/// What differs between two worlds, apart from what is drawn anew with each attempt and from when it happened.
pub fn differences(one: &Snapshot, other: &Snapshot) -> Vec<String> {
    const DRAWN: [&str; 5] = ["password", "password_set", "setup_link", "trash.since", "credentials_sent"];
    let found = one.changes_since(other).into_iter().filter(|change| !DRAWN.contains(&change.field.as_str()));
    found.map(|change| format!("{change:?}")).collect()
}
