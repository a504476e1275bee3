//! What the demo plays on: a folder, a company, a database of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Zoned;
use jiff::civil::Date;

use super::super::{CliError, Context};
use crate::clock::Clock;
use crate::connectors::Connector;
use crate::connectors::sandbox::{SandboxCompany, shipped};
use crate::engine::library::Library;
use crate::engine::{Engine, Fittings};
use crate::intake::people::{CsvProblem, Judged, Mapping, PeopleFile, read_people};
use crate::intake::{events, feed};
use crate::mail::{MailRoom, MailSettings, Means};
use crate::run::book::parse_public_id;
use crate::run::limits::{DAY, Limits};
use crate::run::{Person, Rules};
use crate::secret::KeyRing;
use crate::store::{Opening, RunFilter, Store, StoreError};

/// Everything the demo has.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) company: Arc<SandboxCompany>,
    pub(super) before: crate::connectors::sandbox::Snapshot,
    pub(super) folder: PathBuf,
    pub(super) feed: PeopleFile,
    pub(super) start: Zoned,
    /// The database that was named with --database, which stays.
    own_database: Option<String>,
}

/// What HR's file led to.
pub(super) struct Told {
    /// Run and person, in order.
    pub(super) runs: Vec<(i64, Person)>,
}

fn file(path: &Path, error: &std::io::Error) -> CliError {
    CliError::environment("file", format!("{}: {error}", path.display()))
}

impl Stage {
    pub(super) async fn set(context: &Context) -> Result<Self, CliError> {
        let folder = std::env::temp_dir().join(format!("usher-demo-{:08x}", rand::random::<u32>()));
        let set = Self::set_in(context, &folder).await;
        if set.is_err() {
            // The error says what matters.
            std::fs::remove_dir_all(&folder).ok();
        }
        set
    }

    async fn set_in(context: &Context, folder: &Path) -> Result<Self, CliError> {
        std::fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
        for (name, text) in [("company.toml", shipped::COMPANY), ("people.csv", shipped::PEOPLE)] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| file(&path, &error))?;
        }
        let start: Zoned = shipped::DEMO_START
            .parse()
            .map_err(|error| CliError::environment("demo", format!("the demo's start: {error}")))?;
        let company = SandboxCompany::open(&folder.join("company.toml"), &folder.join("company.state"))
            .map_err(|error| CliError::environment("sandbox", error.to_string()))?;
        let own_database = context.globals.database.clone();
        let engine = engine(own_database.as_deref(), folder, &company, &start).await?;
        let feed = read_people(shipped::PEOPLE.as_bytes(), &Mapping::default())
            .map_err(|problems| CliError::environment("demo", problems.to_string()))?;
        let before = company.snapshot().map_err(|error| CliError::environment("sandbox", error.to_string()))?;
        Ok(Self { engine, company, before, folder: folder.to_owned(), feed, start, own_database })
    }

    pub(super) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Who leaves by HR's file, and their last day.
    pub(super) fn leaving(&self) -> Result<Vec<(String, Date)>, CliError> {
        let wrong = |problem: CsvProblem| CliError::environment("demo", problem.to_string());
        let mut rows = self.feed.judged().map_err(wrong)?;
        let mut leaving = Vec::new();
        while let Some(row) = rows.next_row().map_err(wrong)? {
            let Judged::Right(row) = row else { continue };
            let name = row.display_name.said().cloned().unwrap_or_else(|| row.employee_number.clone());
            leaving.extend(row.last_day.said().map(|last| (name, *last)));
        }
        Ok(leaving)
    }

    /// Hands HR's file in: people are saved, systems read, runs started.
    pub(super) async fn tell(&self) -> Result<Told, CliError> {
        feed::take_in(&self.engine, &self.feed, "csv", |_| ()).await?;
        let dispatched = events::dispatch(&self.engine).await?;
        if let Some(parked) = dispatched.iter().find_map(|event| event.parked.clone()) {
            return Err(CliError::not_right("parked", parked));
        }
        let mut runs = Vec::new();
        for event in dispatched {
            let Some(person) = self.store().person(&event.employee_number).await? else { continue };
            for run in event.runs {
                runs.extend(parse_public_id(&run).map(|run| (run, person.clone())));
            }
        }
        Ok(Told { runs })
    }

    pub(super) async fn all_over(&self) -> Result<bool, CliError> {
        let runs = self.store().runs(&RunFilter::default()).await?;
        Ok(runs.iter().all(|run| run.state.is_over()))
    }

    /// Takes the stage down, and says what stays.
    pub(super) async fn strike(self, keep: bool, context: &mut Context) -> Result<(), CliError> {
        self.store().close().await;
        if self.own_database.is_some() {
            let place = self.store().place();
            context.out.aside(format!("\n{place} keeps the demo's record; the next demo wants an empty database."));
        }
        if !keep {
            return std::fs::remove_dir_all(&self.folder).map_err(|error| file(&self.folder, &error));
        }
        context.out.aside(format!("\nKept in {}:", self.folder.display()));
        if self.own_database.is_none() {
            let database = self.folder.join("usher.db");
            context.out.aside("  usher.db       the record with the journal:");
            context.out.aside(format!("                 usher --database sqlite:{} run list", database.display()));
        }
        context.out.aside("  usher.key      the key that what is personal in the record is sealed with");
        context.out.aside("  company.state  every request that reached a system, and what it changed");
        context.out.aside("  mail/          the mails, as they would have gone out");
        context.out.aside("  archive/       the archives, named with their checksums in the evidence");
        Ok(())
    }
}

async fn engine(
    own_database: Option<&str>,
    folder: &Path,
    company: &Arc<SandboxCompany>,
    start: &Zoned,
) -> Result<Engine, CliError> {
    let own = format!("sqlite:{}", folder.join("usher.db").display());
    let url = own_database.unwrap_or(&own);
    let ring = KeyRing::open_or_create(&folder.join("usher.key"))
        .map_err(|error| CliError::environment("key", error.to_string()))?;
    // A database that has ever been used knows another key than the one just made.
    let store = Store::open(url, Opening::Existing, Clock::System, ring, rules()).await;
    let store = store.map_err(|error| match error {
        StoreError::Version { .. } => CliError::refused("not_empty", "the database named with --database is in use")
            .help("the demo moves the database's clock: give it an empty one of its own")
            .help("without --database it makes one, and removes it afterwards"),
        error => error.into(),
    })?;
    store.fast_forward(start.timestamp()).await?;
    let mut library = Library::shipped();
    // A demo that jumps over months would read all accounts after every jump: that is not what it shows.
    library.workflows.remove("inventory");
    let systems: BTreeMap<String, Connector> = company
        .description()
        .systems
        .keys()
        .filter_map(|name| Some((name.clone(), Connector::Sandbox(company.system(name)?))))
        .collect();
    let zone = start.time_zone().iana_name().unwrap_or("UTC").to_owned();
    let from = "usher <usher@alpine-instruments.example>";
    let (mail, _) = MailRoom::open(MailSettings::of(Means::File(folder.join("mail")), from));
    let fittings = Fittings { mail: Some(mail), ..Fittings::default() };
    Ok(Engine::with(store, systems, library.workflows, zone, rules(), fittings))
}

/// The demo's configuration is the one that holds without any, but for one key: its systems are read once, at the
/// start, and months later that reading still counts.
fn rules() -> Rules {
    Rules { limits: Limits { inventory_age: DAY * 730, ..Limits::default() }, ..Rules::default() }
}
