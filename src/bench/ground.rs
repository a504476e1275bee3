//! What a workload is measured on: a database of its own, a sandbox company, an engine. All of it goes away afterwards.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{BenchError, workflows};
use crate::clock::Clock;
use crate::connectors::Connector;
use crate::connectors::sandbox::SandboxCompany;
use crate::engine::library::Library;
use crate::engine::{Engine, Fittings};
use crate::intake::feed;
use crate::intake::people::{Mapping, read_people};
use crate::mail::{MailRoom, MailSettings, Means};
use crate::run::Rules;
use crate::secret::KeyRing;
use crate::store::{Opening, Scratch, Store};
use crate::workflow::{SHIPPED, Severity};

/// Where the databases are made.
#[derive(Clone, Debug)]
pub enum Place {
    /// Files in this folder.
    Folder(PathBuf),
    /// Databases on the server of this URL.
    Server(String),
}

/// A place for one database: nothing of it is left afterwards.
#[derive(Debug)]
pub(super) struct Site {
    url: String,
    scratch: Option<Scratch>,
    /// Removed last.
    folder: Folder,
}

impl Site {
    pub(super) async fn find(place: &Place) -> Result<Self, BenchError> {
        let base = match place {
            Place::Folder(folder) => folder.clone(),
            Place::Server(_) => std::env::temp_dir(),
        };
        let folder = Folder(base.join(format!("usher-bench-{:08x}", rand::random::<u32>())));
        std::fs::create_dir_all(&folder.0).map_err(|error| BenchError::file(&folder.0, &error))?;
        let (url, scratch) = match place {
            Place::Folder(_) => (format!("sqlite:{}", folder.0.join("usher.db").display()), None),
            Place::Server(url) => {
                let scratch = Scratch::create(url).await?;
                (scratch.url().to_owned(), Some(scratch))
            }
        };
        Ok(Self { url, scratch, folder })
    }

    /// `sqlite` or `postgres`.
    pub(super) fn database(&self) -> &'static str {
        if self.is_on_a_server() { "postgres" } else { "sqlite" }
    }

    pub(super) fn is_on_a_server(&self) -> bool {
        self.scratch.is_some()
    }

    /// For files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.0
    }

    /// Where it is, for another daemon.
    pub(super) fn neighbour(&self) -> Neighbour {
        Neighbour { url: self.url.clone(), folder: self.folder.0.clone() }
    }

    /// Removes everything.
    pub(super) async fn clear(self) -> Result<(), BenchError> {
        match self.scratch {
            Some(scratch) => Ok(scratch.remove().await?),
            None => Ok(()),
        }
    }
}

/// Where the database and the files are.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    url: String,
    folder: PathBuf,
}

/// What is measured on: people with accounts, and an engine.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) engine: Engine,
}

/// A folder that goes away with its owner.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing in it is of use to anybody; what cannot be removed is the system's to clean up.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Where the company is.
const ZONE: &str = "Europe/Zurich";

/// The system that everything happens on.
const SYSTEM: &str = "mailhost";

impl Ground {
    /// So many people, each with an account.
    pub(super) async fn on(site: &Site, people: usize) -> Result<Self, BenchError> {
        let mut library = library()?;
        // It would read all accounts in the middle of a measurement.
        library.workflows.remove("inventory");
        let ground = Self::with(site, people, library, None).await?;
        ground.populate(people).await?;
        Ok(ground)
    }

    /// Nobody has an account, and nobody is known yet.
    pub(super) async fn unknown(site: &Site) -> Result<Self, BenchError> {
        Self::with(site, 0, library()?, None).await
    }

    /// For another daemon on the same database, or a later one, with nothing that is not its own: its systems remember what they did in a
    /// file of their own.
    pub(super) async fn beside(place: &Neighbour, people: usize) -> Result<Self, BenchError> {
        let ledger = format!("company-{:08x}.state", rand::random::<u32>());
        let mut library = library()?;
        library.workflows.remove("inventory");
        Self::made(&place.url, &place.folder, &ledger, people, library, None).await
    }

    /// As most houses have it: with mail, and with every shipped schedule.
    pub(super) async fn whole(site: &Site, people: usize) -> Result<Self, BenchError> {
        let mail = MailSettings::of(Means::File(site.folder.0.join("mail")), "usher <usher@bench.example>");
        let ground = Self::with(site, people, library()?, Some(mail)).await?;
        ground.populate(people).await?;
        Ok(ground)
    }

    async fn with(
        site: &Site,
        people: usize,
        library: Library,
        mail: Option<MailSettings>,
    ) -> Result<Self, BenchError> {
        Self::made(&site.url, &site.folder.0, "company.state", people, library, mail).await
    }

    async fn made(
        url: &str,
        folder: &Path,
        ledger: &str,
        people: usize,
        library: Library,
        mail: Option<MailSettings>,
    ) -> Result<Self, BenchError> {
        let company = SandboxCompany::from_text(&company(people), &folder.join(ledger))?;
        let keys = KeyRing::open_or_create(&folder.join("usher.key"))?;
        let store = Store::open(url, Opening::Migrate, Clock::System, keys, Rules::default()).await?;
        let connector = |system| (SYSTEM.to_owned(), Connector::Sandbox(system));
        let systems: BTreeMap<String, Connector> = company.system(SYSTEM).map(connector).into_iter().collect();
        let mail = mail.map(|settings| MailRoom::open(settings).0.with_store(store.clone()));
        let fittings = Fittings { mail, ..Fittings::default() };
        Ok(Self { engine: Engine::with(store, systems, library.workflows, ZONE, Rules::default(), fittings) })
    }

    async fn populate(&self, count: usize) -> Result<(), BenchError> {
        let file = read_people(people(count).as_bytes(), &Mapping::default())?;
        feed::take_in(&self.engine, &file, "bench", |_| ()).await?;
        self.sync().await
    }

    /// Reads the accounts of everybody who is known.
    pub(super) async fn sync(&self) -> Result<(), BenchError> {
        self.engine.sync(SYSTEM).await.map_err(BenchError::Unexpected)?;
        Ok(())
    }

    pub(super) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Today, where the company is.
    pub(super) async fn today(&self) -> Result<Date, BenchError> {
        Ok(self.store().now().await?.to_zoned(TimeZone::get(ZONE).unwrap_or(TimeZone::UTC)).date())
    }

    /// Ends all connections.
    pub(super) async fn leave(self) {
        self.engine.store().close().await;
    }
}

/// The shipped workflows, and those that are measured.
fn library() -> Result<Library, BenchError> {
    let own = [
        ("bench-flow.yaml", workflows::flow()),
        ("bench-single.yaml", workflows::single()),
        ("bench-waiting.yaml", workflows::waiting()),
    ];
    let shipped = SHIPPED.iter().map(|(file, text)| (*file, (*text).to_owned()));
    let library = Library::of(own.into_iter().chain(shipped));
    if let Some(wrong) = library.diagnostics.iter().find(|found| found.severity == Severity::Error) {
        return Err(BenchError::Unexpected(format!("{}: {}", wrong.file, wrong.message)));
    }
    Ok(library)
}

/// The employee number of person `number`, from 1.
pub(super) fn person(number: usize) -> String {
    format!("{number:06}")
}

/// The company as the sandbox has it: one mail system without latency.
fn company(people: usize) -> String {
    let mut text = format!("name = \"Bench\"\n[systems.{SYSTEM}]\ntitle = \"Mail\"\nfacets = [\"mail\"]\n");
    for number in 1..=people {
        let n = person(number);
        // Writing into a string does not fail.
        let _ = write!(
            text,
            "[[people]]\nnumber = \"{n}\"\ngiven_name = \"Robin\"\nfamily_name = \"Bench {n}\"\n\
             email = \"robin.{n}@bench.example\"\non.{SYSTEM} = {{ id = \"m-{n}\", sessions = [\"laptop\"] }}\n"
        );
    }
    text
}

/// The same people, as HR has them.
pub(super) fn people(count: usize) -> String {
    let mut text = "employee_number,given_name,family_name,email,start_date,status\n".to_owned();
    for number in 1..=count {
        let n = person(number);
        // Writing into a string does not fail.
        let _ = writeln!(text, "{n},Robin,Bench {n},robin.{n}@bench.example,2020-01-06,active");
    }
    text
}
