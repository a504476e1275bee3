//! The only place that wires: configuration to store, systems, workflows and engine; then recover, and serve until a
//! signal, then drain.

mod rounds;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::archive::ArchiveStore;
use crate::clock::{self, Clock};
use crate::config::{Config, DatabasePlace, KeySettings, Problem, SystemKind};
use crate::connectors::Connector;
use crate::connectors::dav::{DavSettings, DavSystem};
use crate::connectors::dovecot::{DovecotSettings, DovecotSystem};
use crate::connectors::exec::{ExecSystem, Program, ProgramSettings};
use crate::connectors::http::{HttpSystem, Line, LineSettings};
use crate::connectors::ldap::{LdapSettings, LdapSystem};
use crate::connectors::sandbox::{SandboxCompany, SandboxError};
use crate::connectors::scim::ScimSystem;
use crate::engine::library::Library;
use crate::engine::{Engine, Fittings, Matching, Outside};
use crate::mail::{MailRoom, Webhook};
use crate::queue::{self, Counts};
use crate::secret::{KeyFileError, KeyRing, SecretError};
use crate::store::{Claim, Dialect, FileLock, MarkPlace, Opening, Store, StoreError};
use crate::web;
use crate::workflow::{Diagnostic, Severity};

use rounds::ROUND;
pub use rounds::round;

/// How long a drain waits for a mail that is on its way once the steps are done.
const LAST_MAIL: Duration = Duration::from_secs(3);

/// How long the last requests, and the last connections, may take to end.
const LEAVE: Duration = Duration::from_secs(1);

/// How long a daemon that starts bears with a database that comes and goes.
const OUTAGE: Duration = Duration::from_secs(10);

/// Why usher cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A secret of the configuration.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A sandbox system.
    #[error("the sandbox: {0}")]
    Sandbox(#[from] SandboxError),
    /// A system that its company does not have.
    #[error("[systems.{name}]: the company {} has no system called {system}", company.display())]
    NoSuchSystem {
        /// The configured name.
        name: String,
        /// The name in the company.
        system: String,
        /// The company's file.
        company: PathBuf,
    },
    /// Workflows with mistakes.
    #[error("{} mistakes in the workflows; `usher check` shows each with its place", .0.len())]
    Workflows(Vec<Diagnostic>),
    /// Mail templates with mistakes.
    #[error("{} mistakes in the mail templates; `usher check` shows each with its place", .0.len())]
    MailTemplates(Vec<Diagnostic>),
    /// The folder of workflows cannot be read.
    #[error("{0}")]
    Folder(Problem),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        error: io::Error,
    },
}

/// Opens the record as the configuration says.
///
/// # Errors
/// [`StartError`].
pub async fn open_store(config: &Config, opening: Opening, clock: Clock) -> Result<Store, StartError> {
    let url = config.database.connect_url()?;
    let ring = match &config.keys {
        KeySettings::File(path) => key_ring(config, path)?,
        KeySettings::Secret(reference) => KeyRing::from_secret(&reference.resolve()?)?,
    };
    let store = Store::open(url.expose(), opening, clock, ring, config.rules.clone()).await?;
    let governing = config.systems.iter().map(|(name, system)| (name.clone(), system.kind.governing()));
    Ok(store.with_conventions(config.conventions.clone()).with_governing(governing.collect()))
}

/// A key is only made for a database that is not there yet: a lost key must not pass unnoticed.
fn key_ring(config: &Config, path: &std::path::Path) -> Result<KeyRing, StartError> {
    let fresh = match &config.database.place {
        DatabasePlace::Sqlite(database) => !database.exists(),
        DatabasePlace::Postgres(_) => true,
    };
    Ok(if fresh { KeyRing::open_or_create(path)? } else { KeyRing::open(path)? })
}

/// The configured systems. Those of one sandbox company share it.
///
/// # Errors
/// [`StartError`].
pub fn open_systems(config: &Config) -> Result<BTreeMap<String, Connector>, StartError> {
    let mut companies: BTreeMap<(PathBuf, PathBuf), Arc<SandboxCompany>> = BTreeMap::new();
    let mut systems = BTreeMap::new();
    for (name, settings) in &config.systems {
        let connector = match &settings.kind {
            SystemKind::Sandbox(sandbox) => {
                let place = (sandbox.company.clone(), sandbox.state.clone());
                let company = match companies.get(&place) {
                    Some(company) => Arc::clone(company),
                    None => SandboxCompany::open(&sandbox.company, &sandbox.state)?,
                };
                companies.insert(place, Arc::clone(&company));
                let system = company.system(&sandbox.system).ok_or_else(|| StartError::NoSuchSystem {
                    name: name.clone(),
                    system: sandbox.system.clone(),
                    company: sandbox.company.clone(),
                })?;
                Connector::Sandbox(system)
            }
            SystemKind::Http(http) => Connector::Http(Box::new(HttpSystem::open(name.clone(), (**http).clone()))),
            SystemKind::Exec(exec) => Connector::Exec(Box::new(ExecSystem::open(name.clone(), (**exec).clone()))),
            SystemKind::Dav(dav) => Connector::Dav(Box::new(DavSystem::new(name, DavSettings::clone(dav)))),
            SystemKind::Dovecot(dovecot) => {
                Connector::Dovecot(Box::new(DovecotSystem::new(name, DovecotSettings::clone(dovecot))))
            }
            SystemKind::Ldap(ldap) => Connector::Ldap(Box::new(LdapSystem::new(name, LdapSettings::clone(ldap)))),
            SystemKind::Scim(scim) => Connector::Scim(Box::new(ScimSystem::open(name.clone(), (**scim).clone()))),
        };
        systems.insert(name.clone(), connector);
    }
    Ok(systems)
}

/// Where archives are kept; `store` remembers what they were.
pub fn open_archive(config: &Config, store: &Store) -> ArchiveStore {
    ArchiveStore::new(config.archive.clone(), store.clone())
}

/// The workflows, shipped and own.
///
/// # Errors
/// When the folder cannot be read.
pub fn open_library(config: &Config) -> Result<Library, StartError> {
    let files = config.workflows.files().map_err(StartError::Folder)?;
    Ok(Library::of(files.into_iter().map(|file| (file.file, file.text))))
}

/// The mail room, where `[mail]` is written; with the mistakes in its templates, which are left out.
pub fn open_mail(config: &Config) -> (Option<MailRoom>, Vec<Diagnostic>) {
    match config.mail.clone().map(MailRoom::open) {
        Some((room, mistakes)) => (Some(room), mistakes),
        None => (None, Vec::new()),
    }
}

/// Everything together. Refuses workflows and mail templates with mistakes.
///
/// # Errors
/// [`StartError`].
pub async fn open_engine(config: &Config, opening: Opening, clock: Clock) -> Result<Engine, StartError> {
    let library = open_library(config)?;
    if library.has_errors() {
        let mistakes = library.diagnostics.into_iter().filter(|found| found.severity == Severity::Error);
        return Err(StartError::Workflows(mistakes.collect()));
    }
    let (_, mistakes) = open_mail(config);
    if !mistakes.is_empty() {
        return Err(StartError::MailTemplates(mistakes));
    }
    let systems = open_systems(config)?;
    let store = open_store(config, opening, clock).await?;
    Ok(assemble(config, store, systems, library))
}

/// An engine from its parts.
pub fn assemble(config: &Config, store: Store, systems: BTreeMap<String, Connector>, library: Library) -> Engine {
    let matching = Matching { everywhere: config.matching.clone(), on: config.matching_on() };
    let webhook = config.webhook.clone().map(|settings| Webhook::open(settings).with_store(store.clone()));
    let archive = open_archive(config, &store);
    let fitted = |system: Connector| system.with_store(&store).with_archive(&archive);
    let systems = systems.into_iter().map(|(name, system)| (name, fitted(system))).collect();
    let line = |settings: &LineSettings| Line::open(settings.clone()).with_store(store.clone());
    let program = |settings: &ProgramSettings| Program::open(settings.clone()).with_store(store.clone());
    let outside = Outside {
        requests: config.requests.iter().map(line).collect(),
        programs: config.programs.iter().map(program).collect(),
    };
    let fittings = Fittings {
        matching,
        mail: open_mail(config).0.map(|room| room.with_store(store.clone())),
        passwords: config.passwords.clone(),
        checkpoint_file: config.audit.checkpoint_file.clone(),
        outside,
        webhook,
        silent_after: config.silent_after,
        finished_runs: config.finished_runs,
    };
    Engine::with(store, systems, library.workflows, config.time.zone_name(), config.rules.clone(), fittings)
}

/// The engine at work: queue, watch, rounds.
#[derive(Debug)]
pub struct Running {
    /// What the queue has done.
    pub counts: Arc<Counts>,
    shutdown: watch::Sender<bool>,
    queue: JoinHandle<()>,
    sender: JoinHandle<()>,
    helpers: Vec<JoinHandle<()>>,
}

/// Starts the engine's work in the background.
pub fn start(engine: &Engine, settings: queue::Settings) -> Running {
    start_telling(engine, settings, |_| ())
}

/// As [`start`], and tells of each attempt right before it is carried out.
pub fn start_telling(
    engine: &Engine,
    settings: queue::Settings,
    tell: impl Fn(&Claim) + Clone + Send + Sync + 'static,
) -> Running {
    let (shutdown, asked) = watch::channel(false);
    let counts = Arc::new(Counts::default());
    let worker = engine.clone();
    let perform = move |attempt: Arc<queue::Attempt>| {
        let engine = worker.clone();
        tell(&attempt.claim);
        async move { engine.execute(&attempt.claim, || attempt.lease_stands()).await }
    };
    let queue = tokio::spawn(queue::run(
        engine.store().clone(),
        settings,
        owner(),
        engine.system_names(),
        Arc::clone(&counts),
        perform,
        asked.clone(),
    ));
    let sender = tokio::spawn(rounds::send_mails(engine.clone(), asked.clone()));
    let helpers = vec![
        tokio::spawn(rounds::watch_others(engine.store().clone())),
        tokio::spawn(rounds::keep_inventory(engine.clone())),
        tokio::spawn(rounds::keep_watch(engine.clone(), asked.clone())),
        tokio::spawn(rounds::go_round(engine.clone(), asked)),
    ];
    Running { counts, shutdown, queue, sender, helpers }
}

impl Running {
    /// Drains: no new attempt; those under way get their time.
    pub async fn drain(self) {
        self.shutdown.send_replace(true);
        // A mail on its way gets its answer, if that comes soon; else it goes out again, with the same Message-ID.
        let mail = tokio::time::timeout(LAST_MAIL, self.sender);
        let (_, _) = tokio::join!(self.queue, mail);
        for helper in self.helpers {
            helper.abort();
        }
    }
}

/// Who holds this process' leases: new for each start.
fn owner() -> String {
    format!("{}-{:08x}", std::process::id(), rand::random::<u32>())
}

/// The daemon: recovers, serves until SIGTERM or SIGINT, drains.
///
/// # Errors
/// [`StartError`], before anything is done.
pub async fn serve(config: &Config) -> Result<(), StartError> {
    let began = Instant::now();
    let mut asked = Box::pin(signal());
    let prepared = tokio::select! {
        // Listened for first: whoever is asked to end while it starts has begun nothing, and ends well too.
        biased;
        signal = &mut asked => {
            tracing::info!(signal, "stopped while starting");
            return Ok(());
        }
        prepared = prepare(config) => prepared?,
    };
    let Prepared { _lock, listener, engine, recovered } = prepared;
    let store = engine.store().clone();
    let settings =
        queue::Settings { concurrency: config.serve.workers, lease: config.serve.lease, ..queue::Settings::default() };
    let running = start(&engine, settings);
    let (stop, stopped) = watch::channel(false);
    let door = web::Door { store: store.clone(), counts: Arc::clone(&running.counts) };
    let web = tokio::spawn(web::serve(listener, door, queue::wait_for(stopped)));
    let names: BTreeSet<&String> = engine.systems().keys().collect();
    tracing::info!(
        listen = %config.serve.listen, database = %store.place(), systems = names.len(),
        workflows = engine.library().len(), recovered, "ready in {} ms", began.elapsed().as_millis()
    );
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).ok();
    let signal = asked.await;
    tracing::info!(signal, "draining: nothing new starts, what is under way gets up to 25 s");
    sd_notify::notify(&[sd_notify::NotifyState::Stopping]).ok();
    running.drain().await;
    stop.send_replace(true);
    // Whoever still asks, and a database that does not answer, hold nobody up.
    tokio::time::timeout(LEAVE, web).await.ok();
    match tokio::time::timeout(LEAVE, store.show_life()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "how far the record has come could not be written down at the end"),
        Err(_) => tracing::warn!("how far the record has come could not be written down at the end"),
    }
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a daemon has before it begins.
struct Prepared {
    _lock: Option<FileLock>,
    listener: TcpListener,
    engine: Engine,
    recovered: usize,
}

async fn prepare(config: &Config) -> Result<Prepared, StartError> {
    let lock = match &config.database.place {
        DatabasePlace::Sqlite(path) => Some(take_lock(path).await?),
        DatabasePlace::Postgres(_) => None,
    };
    let listener = TcpListener::bind(config.serve.listen)
        .await
        .map_err(|error| StartError::Listen { address: config.serve.listen, error })?;
    let began = Instant::now();
    loop {
        match open_and_recover(config).await {
            // The database went away in the middle of it.
            Err(StartError::Store(StoreError::Database(_) | StoreError::Unanswered { .. }))
                if began.elapsed() < OUTAGE =>
            {
                clock::pause(ROUND).await;
            }
            outcome => return outcome.map(|(engine, recovered)| Prepared { _lock: lock, listener, engine, recovered }),
        }
    }
}

async fn open_and_recover(config: &Config) -> Result<(Engine, usize), StartError> {
    let engine = open_engine(config, Opening::Migrate, Clock::System).await?;
    // Before anything is claimed: is this the newest copy?
    engine.store().keep_mark(&mark_place(config)).await?;
    // We hold the file's lock: every lease in it is an abandoned one.
    let recovered = engine.store().recover(engine.store().dialect() == Dialect::Sqlite).await?;
    Ok((engine, recovered))
}

/// Where it is written down, outside the database, how far it has come.
pub fn mark_place(config: &Config) -> MarkPlace {
    match &config.database.place {
        DatabasePlace::Sqlite(path) => MarkPlace::Beside(path.clone()),
        DatabasePlace::Postgres(_) => MarkPlace::In(config.data_dir.clone()),
    }
}

/// A command that looks whether a daemon runs holds the lock for a moment.
async fn take_lock(database: &std::path::Path) -> Result<FileLock, StoreError> {
    match FileLock::take(database) {
        Err(StoreError::Refused(_)) => {
            clock::pause(Duration::from_millis(100)).await;
            FileLock::take(database)
        }
        outcome => outcome,
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signal() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        tokio::signal::ctrl_c().await.ok();
        return "SIGINT";
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = tokio::signal::ctrl_c() => "SIGINT",
    }
}
