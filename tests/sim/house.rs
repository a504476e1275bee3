//! The set-up of every history, in one place: the company, its people, the workflows, the limits and the approvers.
//!
//! What a history begins with (a migrated record, people known, accounts read) is made once and copied.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::{Timestamp, Zoned};
use tempfile::TempDir;
use usher::clock::Clock;
use usher::connectors::Connector;
use usher::connectors::sandbox::SandboxCompany;
use usher::engine::library::Library;
use usher::engine::{Engine, Fittings};
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::mail::{MailRoom, MailSettings, Means};
use usher::run::limits::{Limit, Limits, SystemLimits};
use usher::run::{Conventions, Rules};
use usher::secret::KeyRing;
use usher::store::{Opening, Store};
use usher::workflow::Workflow;

/// Monday morning.
pub(crate) const START: &str = "2027-01-18T08:00:00+01:00[Europe/Zurich]";
pub(crate) const ZONE: &str = "Europe/Zurich";
/// Who may approve: neither the one who asks for runs nor anybody a run is about.
pub(crate) const APPROVER: &str = "os:helen";
/// Who asks for runs.
pub(crate) const ASKER: &str = "os:clerk";
/// Days that a deleted account can be restored.
pub(crate) const GRACE_DAYS: i64 = 30;
pub(crate) const SYSTEMS: [&str; 2] = ["directory", "mailhost"];
/// Those who may leave; 1001 manages them all and stays.
pub(crate) const PEOPLE: [&str; 3] = ["1002", "1003", "1004"];
pub(crate) const NEWCOMER: &str = "1005";

const COMPANY: &str = r#"
name = "Small House"

[systems.directory]
title = "Directory of people"
facets = ["directory"]
trash = true
grace_days = 30

[systems.mailhost]
title = "Mail"
facets = ["mail"]
trash = true
grace_days = 30
"#;

/// The shipped departure in a few steps: the same natures of steps, sooner.
const COMPACT_DEPARTURE: &str = r#"
workflow: departure
title: Departure in short
for: person
on: { event: departure, manual: true }
inputs:
  last_day: { type: date, from: event.effective, required: true, help: Last working day }
steps:
  - id: disable
    action: account.disable
    systems: all
    at: last_day 18:00
    with: { reason: departure }
  - id: rotate-password
    action: password.rotate
    systems: all
    after: disable
  - id: revoke-sessions
    action: sessions.revoke
    systems: all
    after: rotate-password
  - id: approve-deletion
    action: approval
    after: revoke-sessions
    at: last_day + 5 days
    with: { role: approver, confirm: "{{ person.display_name }}", valid: 10 days }
  - id: delete
    action: account.delete
    systems: all
    after: approve-deletion
    at: last_day + 8 days
    grace: 30 days
"#;

/// Which workflows a history has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// The departure in short.
    Compact,
    /// The shipped departure.
    Shipped,
    /// The departure in short, and what is started by schedules.
    Scheduled,
}

/// What every history begins with.
struct Beginning {
    folder: TempDir,
    library: BTreeMap<String, Arc<Workflow>>,
    compact: Arc<Workflow>,
}

static BEGINNING: OnceLock<Beginning> = OnceLock::new();

/// A house of its own for one history.
pub(crate) struct House {
    /// Deleted when the history is over.
    _folder: TempDir,
    path: PathBuf,
    pub(crate) url: String,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Clock,
    pub(crate) company: Arc<SandboxCompany>,
    library: BTreeMap<String, Arc<Workflow>>,
    posts: bool,
}

impl House {
    /// A copy of the beginning.
    pub(crate) fn new(flavour: Flavour, posts: bool) -> Self {
        let beginning = BEGINNING.get().expect("prepared");
        let folder = folder();
        for name in ["usher.db", "usher.key", "ledger.jsonl"] {
            std::fs::copy(beginning.folder.path().join(name), folder.path().join(name)).expect("copies");
        }
        let path = folder.path().to_owned();
        let mut library = beginning.library.clone();
        if flavour != Flavour::Shipped {
            library.insert("departure".to_owned(), Arc::clone(&beginning.compact));
        }
        if flavour != Flavour::Scheduled {
            library.retain(|_, workflow| workflow.triggers.schedule.is_none());
        }
        Self {
            url: url(&path),
            keys: KeyRing::open(&path.join("usher.key")).expect("the key"),
            clock: Clock::manual(start()),
            company: company(&path),
            library,
            posts,
            path,
            _folder: folder,
        }
    }

    /// A daemon's engine, as a start of the process makes it: nothing of an earlier one is left.
    pub(crate) async fn engine(&self) -> Engine {
        let store = open(&self.url, Opening::Existing, &self.clock, &self.keys).await;
        let mail = self.posts.then(mail_room);
        engine(store, systems(&self.company), self.library.clone(), mail)
    }

    pub(crate) fn posts(&self) -> bool {
        self.posts
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path.join("ledger.jsonl")
    }
}

/// Makes what every history begins with, once in a process.
pub(crate) async fn prepare() {
    if BEGINNING.get().is_some() {
        return;
    }
    let folder = folder();
    let clock = Clock::manual(start());
    let keys = KeyRing::open_or_create(&folder.path().join("usher.key")).expect("a key");
    let store = open(&url(folder.path()), Opening::Migrate, &clock, &keys).await;
    let library = Library::shipped().workflows;
    let engine = engine(store, systems(&company(folder.path())), library.clone(), None);
    let people = read_people(first_file().as_bytes(), &Mapping::default()).expect("a right file");
    feed::take_in(&engine, &people, "csv", |_| {}).await.expect("takes it in");
    let led_to = events::dispatch(&engine).await.expect("dispatches");
    assert!(led_to.is_empty(), "the people who are there lead to nothing: {led_to:?}");
    for system in SYSTEMS {
        engine.sync(system).await.expect("reads");
    }
    engine.store().close().await;
    let (compact, _) =
        usher::workflow::parse("departure.yaml", COMPACT_DEPARTURE).unwrap_or_else(|why| panic!("{why:?}"));
    // Another thread may have been faster: its beginning is as good.
    let _ = BEGINNING.set(Beginning { folder, library, compact: Arc::new(compact) });
}

pub(crate) fn start() -> Timestamp {
    START.parse::<Zoned>().expect("an instant").timestamp()
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("usher.db").display())
}

/// Histories jump over months and read no system in between; what is deleted there is a small company's, all at once.
fn rules() -> Rules {
    let much = Limit::of(1000, 0);
    let everywhere = SystemLimits { destructive_per_hour: much, destructive_per_day: much, cuts_per_hour: much };
    let inventory_age = std::time::Duration::from_secs(10 * 365 * 86_400);
    Rules { limits: Limits { everywhere, inventory_age, ..Limits::default() }, ..Rules::default() }
}

async fn open(url: &str, opening: Opening, clock: &Clock, keys: &KeyRing) -> Store {
    let opened = Store::open(url, opening, clock.clone(), keys.clone(), rules()).await;
    opened.unwrap_or_else(|why| panic!("{why}")).with_conventions(Conventions::default())
}

fn engine(
    store: Store,
    systems: BTreeMap<String, Connector>,
    library: BTreeMap<String, Arc<Workflow>>,
    mail: Option<MailRoom>,
) -> Engine {
    Engine::with(store, systems, library, ZONE, rules(), Fittings { mail, ..Fittings::default() })
}

fn mail_room() -> MailRoom {
    let settings = MailSettings {
        administrators: vec!["admin@small.example".to_owned()],
        ..MailSettings::of(Means::Memory, "usher <usher@small.example>")
    };
    MailRoom::open(settings).0
}

fn systems(company: &Arc<SandboxCompany>) -> BTreeMap<String, Connector> {
    let one = |name: &str| (name.to_owned(), Connector::Sandbox(company.system(name).expect("the system")));
    SYSTEMS.map(one).into_iter().collect()
}

fn company(folder: &Path) -> Arc<SandboxCompany> {
    let mut text = COMPANY.to_owned();
    for number in ["1001"].iter().chain(&PEOPLE) {
        text.push_str(&format!(
            r#"
[[people]]
number = "{number}"
given_name = "Robin"
family_name = "Nr{number}"
email = "robin.{number}@small.example"
on.directory = {{ id = "u-{number}", role = "user", groups = ["staff"], sessions = ["laptop"], tokens = ["authenticator"] }}

[people.on.mailhost]
id = "m-{number}"
licence = "mail-standard"
mails = 10
mail_size = "0.1 GB"
sessions = ["laptop", "phone"]
app_passwords = ["phone"]
rules = [{{ name = "private copy", forward_to = "robin.{number}@private.example" }}]
"#
        ));
    }
    SandboxCompany::from_text(&text, &folder.join("ledger.jsonl")).expect("a company")
}

fn first_file() -> String {
    use crate::people::{HEADING, Word};
    let rows = ["1001"].iter().chain(&PEOPLE).map(|number| Word::first(number).row(number));
    std::iter::once(HEADING.to_owned()).chain(rows).collect()
}

/// In memory where the machine has such a place: nothing here is about the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}
