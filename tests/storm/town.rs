//! A town of leavers: its record, its systems' ledger, its clock and its people.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe, Connection};
use usher::clock::{self, Clock};
use usher::config::{Config, Surroundings};
use usher::connectors::sandbox::{Crowd, SandboxCompany};
use usher::daemon;
use usher::engine::Engine;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::run::book::parse_public_id;
use usher::run::trip::TripKind;
use usher::store::{Opening, RunFilter};

use crate::count::Count;
use crate::daemon::free_port;

/// Systems that are slow, busy and cut at times.
pub(crate) const TROUBLED: &str = "latency_ms = 3\nerror_rate = 0.02\ncut_after_rate = 0.02\ncut_before_rate = 0.02\n";

pub(crate) struct Town {
    pub(crate) folder: PathBuf,
    pub(crate) engine: Engine,
    _kept: tempfile::TempDir,
    url: String,
    company: Arc<SandboxCompany>,
    wave: usize,
    told: AtomicUsize,
    /// Whether people approve what is asked of them.
    approving: AtomicBool,
}

/// Waves of departures in a town: once all have left, there is another town.
const WAVES: usize = 6;

impl Town {
    /// A company, and the first wave of departures accepted into the record at `url`. A path in it counts from the
    /// town's folder.
    pub(crate) async fn new(wave: usize, url: &str) -> Self {
        let town = Self::quiet(wave, wave * WAVES, url, TROUBLED).await;
        town.more_departures().await;
        town
    }

    /// A company of `people` in which nothing has happened yet.
    pub(crate) async fn quiet(wave: usize, people: usize, url: &str, knobs: &str) -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_owned();
        let crowd = Crowd::leaving(people, "2027-01-29".parse().expect("a date"));
        std::fs::write(folder.join("company.toml"), with_knobs(&crowd.company, knobs)).expect("writes");
        std::fs::write(folder.join("people.csv"), &crowd.people).expect("writes");
        std::fs::write(folder.join("usher.toml"), configuration(url)).expect("writes");
        std::fs::create_dir(folder.join("workflows")).expect("a folder");

        let data = folder.join("data").to_str().expect("a path that is text").to_owned();
        let mut around = Surroundings { folder: folder.clone(), ..Surroundings::of_process() };
        around.variables.insert("USHER_DATA_DIR".to_owned(), data);
        let config = Config::load(&[], None, &around).expect("a configuration");
        let engine = daemon::open_engine(&config, Opening::Migrate, Clock::System).await.expect("opens");
        let state = match &config.systems["directory"].kind {
            usher::config::SystemKind::Sandbox(sandbox) => sandbox.state.clone(),
            other => panic!("a sandbox: {other:?}"),
        };
        let company = SandboxCompany::open(&folder.join("company.toml"), &state).expect("opens the company");
        let start: jiff::Timestamp = "2027-01-20T08:00:00Z".parse().expect("an instant");
        engine.store().fast_forward(start).await.expect("moves the clock");
        let url = match url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{}", folder.join(path).display()),
            None => url.to_owned(),
        };
        Self { folder, engine, _kept: kept, url, company, wave, told: AtomicUsize::new(0), approving: true.into() }
    }

    /// HR tells of the next wave; false once everybody has left.
    pub(crate) async fn more_departures(&self) -> bool {
        let told = self.tell_of_departures().await;
        if told {
            steadily("starts the runs", || events::dispatch(&self.engine)).await;
        }
        told
    }

    /// HR tells of the next wave, and nobody here does anything about it.
    pub(crate) async fn tell_of_departures(&self) -> bool {
        let first = self.told.fetch_add(self.wave, Ordering::SeqCst);
        let now = steadily("the time", || self.engine.store().now()).await;
        let last_day = now.to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(3));
        let Some(file) = self.hr_file(first, last_day) else { return false };
        let read = read_people(file.as_bytes(), &Mapping::default()).expect("a right file");
        // HR's file may be taken in as often as need be.
        steadily("takes the file in", || async {
            feed::take_in(&self.engine, &read, "csv", |_| ()).await.map_err(|error| error.to_string())
        })
        .await;
        true
    }

    /// The next wave of leavers from `first` on, as HR's file tells of them.
    pub(crate) fn hr_file(&self, first: usize, last_day: jiff::civil::Date) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join("people.csv")).expect("reads");
        let mut lines = text.lines();
        let (heading, manager) = (lines.next().expect("a heading"), lines.next().expect("the manager"));
        let wave: Vec<String> =
            lines.skip(first).take(self.wave).map(|line| line.replace("2027-01-29", &last_day.to_string())).collect();
        let file = [heading.to_owned(), manager.to_owned()].into_iter().chain(wave.iter().cloned()).collect::<Vec<_>>();
        (!wave.is_empty()).then(|| file.join("\n"))
    }

    /// Plays clock and people for so long; true when every run is over.
    pub(crate) async fn live(&self, how_long: Duration) -> bool {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            if self.nudge().await {
                clock::pause(until.saturating_duration_since(Instant::now())).await;
                return true;
            }
            clock::pause(Duration::from_millis(3)).await;
        }
        false
    }

    /// A person looks at the guards that have tripped, and lets go what they hold.
    pub(crate) async fn release_guards(&self) {
        let store = self.engine.store();
        for row in store.trips(false).await.expect("reads the guards") {
            store.release_trip(row.trip.id, "the clock is right again", "os:test").await.expect("releases");
        }
    }

    /// Plays on until every run is over.
    pub(crate) async fn live_to_the_end(&self) {
        let (began, limit) = (Instant::now(), Duration::from_secs(600));
        while !self.nudge().await {
            assert!(began.elapsed() < limit, "the runs did not end within {limit:?}; serve.log ends:\n{}", self.log());
            clock::pause(Duration::from_millis(5)).await;
        }
    }

    /// Plays on until the daemons start an attempt; answers how long that took.
    pub(crate) async fn until_work_goes_on(&self, limit: Duration) -> Duration {
        let began = Instant::now();
        let before = loop {
            if let Some(before) = self.intents().await {
                break before;
            }
            assert!(began.elapsed() < limit, "the record can be read again");
            clock::pause(Duration::from_millis(20)).await;
        };
        while self.intents().await.is_none_or(|intents| intents == before) {
            // With nothing left to do there is nothing to wait for.
            if self.nudge().await && !self.more_departures().await {
                break;
            }
            assert!(began.elapsed() < limit, "work goes on within {limit:?}; serve.log ends:\n{}", self.log());
            clock::pause(Duration::from_millis(5)).await;
        }
        began.elapsed()
    }

    /// From now on people approve what is asked of them, or leave it.
    pub(crate) fn approve(&self, approving: bool) {
        self.approving.store(approving, Ordering::SeqCst);
    }

    /// How many attempts were announced in the journal; nothing while the record cannot be read.
    pub(crate) async fn intents(&self) -> Option<i64> {
        self.number("SELECT COUNT(*) FROM journal WHERE body LIKE '%\"fact\":\"intent\"%'").await
    }

    /// How many steps are under way, over all daemons.
    pub(crate) async fn leased(&self) -> Option<i64> {
        self.number("SELECT COUNT(*) FROM steps WHERE lease_until IS NOT NULL").await
    }

    /// One number out of the record, by a connection of its own.
    pub(crate) async fn number(&self, sql: &str) -> Option<i64> {
        let mut conn = AnyConnection::connect(&self.url).await.ok()?;
        let found = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut conn).await.ok();
        conn.close().await.ok();
        found
    }

    /// Where nothing is due and nothing in flight, people act and the clock jumps. True when every run is over.
    pub(crate) async fn nudge(&self) -> bool {
        let store = self.engine.store();
        let Ok(until) = store.until_due().await else { return false };
        if until.is_some_and(|until| until.is_zero()) || store.in_flight().await.unwrap_or(1) > 0 {
            return false;
        }
        if self.people_act().await {
            return false;
        }
        if let Ok(Some(next)) = store.next_due().await {
            // Refused where an attempt has started in between: the next nudge tries again.
            store.fast_forward(next).await.ok();
            return false;
        }
        let all = RunFilter { limit: Some(1_000_000), ..RunFilter::default() };
        store.runs(&all).await.is_ok_and(|runs| runs.iter().all(|run| run.state.is_over()))
    }

    async fn people_act(&self) -> bool {
        let mut acted = self.look_at_batches().await;
        for waiting in self.engine.store().waiting(10_000).await.unwrap_or_default() {
            let Some(run) = parse_public_id(&waiting.run) else { continue };
            acted |= match waiting.state {
                "awaiting_approval" if self.approving.load(Ordering::SeqCst) => {
                    let typed = waiting.confirm.clone().unwrap_or_default();
                    self.engine.approve(run, &waiting.step, &typed, "test:approver").await.is_ok()
                }
                "awaiting_person" => {
                    self.engine.task_done(run, &waiting.step, &BTreeSet::new(), None, "test:colleague").await.is_ok()
                }
                _ => false,
            };
        }
        acted
    }

    /// A batch whose first deletions did not end well (one was held, because its approval had lapsed meanwhile) goes on once
    /// somebody has looked.
    async fn look_at_batches(&self) -> bool {
        let store = self.engine.store();
        let mut released = false;
        for row in store.trips(false).await.unwrap_or_default() {
            if row.trip.kind == TripKind::Canary {
                released |= store.release_trip(row.trip.id, "they may go on", "os:test").await.is_ok();
            }
        }
        released
    }

    /// Writes other misbehaviour of the systems into the company's file, for the daemons that start from now on.
    pub(crate) fn set_knobs(&self, knobs: &str) {
        let path = self.folder.join("company.toml");
        let company = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(&path, with_knobs(&company, knobs)).expect("writes");
    }

    /// Everything that happened, counted.
    pub(crate) async fn count(&self) -> Count {
        let count = Count::of(&self.engine, &self.company).await;
        // A daemon may still hold on to what is counted; the town does not.
        tokio::time::timeout(Duration::from_secs(2), self.engine.store().close()).await.ok();
        count
    }

    /// The end of the daemons' log.
    pub(crate) fn log(&self) -> String {
        let text = self.whole_log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// The daemons' log.
    pub(crate) fn whole_log(&self) -> String {
        std::fs::read_to_string(self.folder.join("serve.log")).unwrap_or_default()
    }
}

/// What fails because the record is away for a moment is done again.
pub(crate) async fn steadily<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    mut work: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{what}: {error}"),
        }
        clock::pause(Duration::from_millis(100)).await;
    }
}

/// The company with other misbehaviour.
fn with_knobs(company: &str, knobs: &str) -> String {
    let (before, rest) = company.split_once("[knobs]\n").expect("the company has knobs");
    let after = rest.find("\n[").map_or("", |next| &rest[next..]);
    format!("{before}[knobs]\n{knobs}{after}")
}

fn configuration(url: &str) -> String {
    let systems = ["directory", "mailhost", "files", "groupware"]
        .map(|name| format!("[systems.{name}]\nkind = \"sandbox\"\ncompany = \"company.toml\"\n"));
    // A whole town leaves on one day, months after its systems were read: its limits are those of a town.
    let limits = "[limits]\ndestructive_per_hour = \"1000000\"\ndestructive_per_day = \"1000000\"\n\
                  cuts_per_hour = \"1000000\"\ninventory_age = \"3650 days\"\n";
    format!(
        "{limits}[database]\nurl = \"{url}\"\n[time]\nzone = \"Europe/Zurich\"\n[workflows]\nfolder = \"workflows\"\n[serve]\n\
         listen = \"127.0.0.1:{}\"\nlease = \"5 s\"\n{}",
        free_port(),
        systems.join("")
    )
}
