//! A town of leavers: its record, its systems' ledger, its clock, and the count at the end.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
use usher::run::{RunState, SkipReason, StepState};
use usher::store::{Opening, RunFilter};

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) runs: usize,
    pub(crate) steps: usize,
    pub(crate) entries: usize,
    /// Steps that are neither done nor were found not to be needed.
    pub(crate) lost: usize,
    /// Steps with more than one effect, beyond what their class allows.
    pub(crate) repeated: usize,
    /// Passwords rotated again after an ambiguous attempt. A password cannot be observed: class S applies it again,
    /// and once more is as good as once.
    pub(crate) rotated_again: usize,
    /// Steps done before their time.
    pub(crate) early: usize,
    /// Runs that did not complete.
    pub(crate) not_as_planned: usize,
    /// Chains that do not verify or replay.
    pub(crate) broken: usize,
}

pub(crate) struct Town {
    pub(crate) folder: PathBuf,
    _kept: tempfile::TempDir,
    engine: Engine,
    company: Arc<SandboxCompany>,
    postgres: Option<String>,
    leavers: usize,
    told: AtomicUsize,
}

/// People in the company: enough for several waves of departures.
const WAVES: usize = 6;

impl Town {
    /// A company, and the first wave of departures accepted.
    pub(crate) async fn new(departures: usize, on_postgres: bool) -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_owned();
        let (url, postgres) = if on_postgres { fresh_postgres().await } else { ("sqlite:usher.db".into(), None) };
        let crowd = Crowd::leaving(departures * WAVES, "2027-01-29".parse().expect("a date"));
        let knobs = "latency_ms = 3\nerror_rate = 0.02\ncut_after_rate = 0.02\ncut_before_rate = 0.02\n";
        std::fs::write(folder.join("company.toml"), with_knobs(&crowd.company, knobs)).expect("writes");
        std::fs::write(folder.join("people.csv"), &crowd.people).expect("writes");
        std::fs::write(folder.join("usher.toml"), configuration(&url)).expect("writes");
        std::fs::create_dir(folder.join("workflows")).expect("a folder");

        let around = Surroundings { folder: folder.clone(), ..Surroundings::of_process() };
        let config = Config::load(&[], None, &around).expect("a configuration");
        let engine = daemon::open_engine(&config, Opening::Migrate, Clock::System).await.expect("opens");
        let state = match &config.systems["directory"].kind {
            usher::config::SystemKind::Sandbox(sandbox) => sandbox.state.clone(),
        };
        let company = SandboxCompany::open(&folder.join("company.toml"), &state).expect("opens the company");
        let start: jiff::Timestamp = "2027-01-20T08:00:00Z".parse().expect("an instant");
        engine.store().fast_forward(start).await.expect("moves the clock");
        let town =
            Self { folder, _kept: kept, engine, company, postgres, leavers: departures, told: AtomicUsize::new(0) };
        town.more_departures(departures).await;
        town
    }

    /// HR tells of the next wave; nothing once everybody has left.
    pub(crate) async fn more_departures(&self, count: usize) {
        let first = self.told.fetch_add(count, Ordering::SeqCst);
        if first >= self.leavers * WAVES {
            return;
        }
        let text = std::fs::read_to_string(self.folder.join("people.csv")).expect("reads");
        let mut lines = text.lines();
        let (heading, manager) = (lines.next().expect("a heading"), lines.next().expect("the manager"));
        let now = self.engine.store().now().await.expect("the time");
        let last_day = now.to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(3));
        let wave = lines.skip(first).take(count).map(|line| line.replace("2027-01-29", &last_day.to_string()));
        let file = [heading.to_owned(), manager.to_owned()].into_iter().chain(wave).collect::<Vec<_>>().join("\n");
        let read = read_people(file.as_bytes(), &Mapping::default()).expect("a right file");
        feed::take_in(&self.engine, &read, "csv", |_| ()).await.expect("takes the file in");
        events::dispatch(&self.engine).await.expect("starts the runs");
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

    pub(crate) async fn live_to_the_end(&self, limit: Duration) {
        let began = Instant::now();
        while !self.nudge().await {
            assert!(began.elapsed() < limit, "the runs did not end within {limit:?}; see serve.log");
            clock::pause(Duration::from_millis(5)).await;
        }
    }

    /// Where nothing is due and nothing in flight, people act and the clock jumps. True when every run is over.
    async fn nudge(&self) -> bool {
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
        let runs = store.runs(&RunFilter::default()).await.expect("lists runs");
        runs.iter().all(|run| run.state.is_over())
    }

    async fn people_act(&self) -> bool {
        let mut acted = false;
        for waiting in self.engine.store().waiting(10_000).await.unwrap_or_default() {
            let Some(run) = parse_public_id(&waiting.run) else { continue };
            acted |= match waiting.state {
                "awaiting_approval" => {
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

    pub(crate) async fn count(&self) -> Count {
        let mut count = Count::default();
        let store = self.engine.store();
        let all = RunFilter { limit: Some(1_000_000), ..RunFilter::default() };
        for row in store.runs(&all).await.expect("lists runs") {
            let run = parse_public_id(&row.id).expect("an id");
            let book = self.engine.look(run).await.expect("loads");
            count.runs += 1;
            count.not_as_planned += usize::from(book.run.state != RunState::Completed);
            for step in &book.steps {
                count.steps += 1;
                match &step.state {
                    StepState::Done { at, .. } => {
                        count.early += usize::from(step.at.as_ref().is_some_and(|due| *at < due.at));
                    }
                    StepState::Skipped { reason, .. } if !matches!(reason, SkipReason::ByPerson(_)) => {}
                    other => {
                        eprintln!("{} {} ended {}: {other:?}", row.id, step.label(), other.as_str());
                        count.lost += 1;
                    }
                }
            }
            let verified = store.verify(run).await.expect("verifies");
            count.entries += verified.entries;
            if let Some(problem) = verified.problem {
                eprintln!("{}: {problem}", row.id);
                count.broken += 1;
            }
        }
        for (key, effects) in self.company.effects_by_key().expect("reads the ledger") {
            match effects {
                0 | 1 => {}
                _ if key.contains("/rotate-password@") => count.rotated_again += 1,
                _ => {
                    eprintln!("{key} took effect {effects} times");
                    count.repeated += 1;
                }
            }
        }
        count
    }

    pub(crate) async fn leave(&self) {
        self.engine.store().close().await;
        if let Some(name) = &self.postgres {
            administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
}

/// The company with systems that are slow, busy and cut at times.
fn with_knobs(company: &str, knobs: &str) -> String {
    let (before, rest) = company.split_once("[knobs]\n").expect("the company has knobs");
    let after = rest.find("\n[").map_or("", |next| &rest[next..]);
    format!("{before}[knobs]\n{knobs}{after}")
}

fn configuration(url: &str) -> String {
    let systems = ["directory", "mailhost", "files", "groupware"]
        .map(|name| format!("[systems.{name}]\nkind = \"sandbox\"\ncompany = \"company.toml\"\n"));
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
    // A whole town leaves on one day, months after its systems were read: its limits are those of a town.
    let limits = "[limits]\ndestructive_per_hour = \"1000000\"\ndestructive_per_day = \"1000000\"\n\
                  cuts_per_hour = \"1000000\"\ninventory_age = \"3650 days\"\n";
    format!(
        "{limits}[database]\nurl = \"{url}\"\n[time]\nzone = \"Europe/Zurich\"\n[workflows]\nfolder = \"workflows\"\n[serve]\n\
         listen = \"127.0.0.1:{port}\"\nlease = \"5 s\"\n{}",
        systems.join("")
    )
}

/// The throw-away PostgreSQL's address without a database.
fn base() -> String {
    let url = std::env::var("USHER_TEST_POSTGRES").expect(
        "USHER_TEST_POSTGRES is not set: run `tests/run.sh`, which starts a throw-away server, or name one whose user may create databases",
    );
    url.trim_end_matches("/postgres").trim_end_matches('/').to_owned()
}

async fn fresh_postgres() -> (String, Option<String>) {
    let name = format!("usher_kills_{}", std::process::id());
    administer(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    administer(&format!("CREATE DATABASE {name}")).await;
    (format!("{}/{name}", base()), Some(name))
}

async fn administer(sql: &str) {
    sqlx::any::install_default_drivers();
    let mut server =
        AnyConnection::connect(&format!("{}/postgres", base())).await.expect("reaches USHER_TEST_POSTGRES");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut server).await.expect(sql);
}
