//! What this machine and database can do: usher's own engine, as `serve` runs it, measured on a database of its own with
//! full durability and the journal on. Sandbox systems without latency stand for the targets, so that only usher and the
//! database are measured.

mod flow;
mod ground;
mod machine;
mod react;
mod workflows;

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::connectors::sandbox::SandboxError;
use crate::daemon::Running;
use crate::engine::trigger::{Request, SubjectRef, TriggerError};
use crate::intake::feed::TakeError;
use crate::intake::people::CsvProblems;
use crate::secret::KeyFileError;
use crate::store::StoreError;

pub use ground::Place;
use ground::Site;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Runs of eight steps, one after the other.
    Flow,
    /// Runs of one step.
    Burst,
    /// One request at a time, to a daemon that has nothing to do.
    React,
    /// Somebody is blocked while ten thousand departures are due.
    Emergency,
}

impl Workload {
    /// All of them, in the order in which they are told.
    pub const ALL: &'static [Self] = &[Self::Flow, Self::Burst, Self::React, Self::Emergency];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Burst => "burst",
            Self::React => "react",
            Self::Emergency => "emergency",
        }
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// A share of the full workload, 1 for all of it.
    pub share: f64,
    /// Attempts at the same time, as `serve.workers` sets them.
    pub workers: usize,
}

impl Size {
    /// That share of `full`, at least one.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a count")]
    fn of(self, full: usize) -> usize {
        ((full as f64 * self.share).round() as usize).max(1)
    }

    fn queue(self) -> crate::queue::Settings {
        crate::queue::Settings { concurrency: self.workers, ..crate::queue::Settings::default() }
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

/// What a workload came to.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Which workload.
    pub workload: Workload,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// How much was done.
    pub work: String,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A file or folder.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// The record.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox.
    #[error("the sandbox: {0}")]
    Sandbox(#[from] SandboxError),
    /// The key of the fresh database.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The generated HR file.
    #[error("the generated people: {0}")]
    People(#[from] CsvProblems),
    /// Taking them in.
    #[error(transparent)]
    Taking(#[from] TakeError),
    /// A run that cannot be started.
    #[error(transparent)]
    Start(#[from] TriggerError),
    /// Something did not happen as it must: then the figures would mean nothing.
    #[error("{0}")]
    Unexpected(String),
}

impl BenchError {
    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), reason: error.to_string() }
    }
}

/// What the machine gives, without usher: durable writes a second in the folder of `place`. A server's disk is its own.
///
/// # Errors
/// When the folder cannot be written.
pub fn durable_writes(place: &Place) -> Result<Option<f64>, BenchError> {
    match place {
        Place::Folder(folder) => machine::durable_writes(folder).map(Some),
        Place::Server(_) => Ok(None),
    }
}

/// Measures a workload on a database made for it in `place`, unless `stop` comes first: then the answer is `None`. Nothing is
/// left of either.
///
/// # Errors
/// When the database cannot be used, or something did not end as it must.
pub async fn measure<T>(
    workload: Workload,
    place: &Place,
    size: Size,
    stop: impl Future<Output = T>,
) -> Result<Option<Measured>, BenchError> {
    let site = Site::find(place).await?;
    let measured = tokio::select! {
        measured = perform(workload, &site, size) => measured.map(Some),
        _ = stop => Ok(None),
    };
    site.clear().await?;
    measured
}

async fn perform(workload: Workload, site: &Site, size: Size) -> Result<Measured, BenchError> {
    match workload {
        Workload::Flow => flow::flow(site, size).await,
        Workload::Burst => flow::burst(site, size).await,
        Workload::React => react::react(site, size).await,
        Workload::Emergency => react::emergency(site, size).await,
    }
}

fn figure(name: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure { name, value, unit }
}

/// So many a second.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// How long nothing may happen before it is given up.
const STUCK: Duration = Duration::from_secs(60);

/// Waits until a daemon has recorded so many outcomes.
async fn until_recorded(running: &Running, count: usize) -> Result<(), BenchError> {
    let recorded = || running.counts.recorded.load(std::sync::atomic::Ordering::Relaxed);
    let (mut last, mut moved) = (recorded(), Instant::now());
    while recorded() < count as u64 {
        if recorded() > last {
            (last, moved) = (recorded(), Instant::now());
        }
        if moved.elapsed() > STUCK {
            return Err(BenchError::Unexpected(format!("only {last} of {count} steps were done")));
        }
        crate::clock::pause(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Accepts a run of `workflow` for each of the first people, in bulk.
async fn accept(
    ground: &ground::Ground,
    workflow: &str,
    runs: usize,
    inputs: &[(&str, String)],
) -> Result<(), BenchError> {
    let request = |number: usize| {
        let mut request = request(workflow, ground::person(number));
        request.inputs = inputs.iter().map(|(name, text)| ((*name).to_owned(), text.clone().into())).collect();
        request
    };
    let requests: Vec<Request> = (1..=runs).map(request).collect();
    for started in ground.engine.start_many(&requests).await? {
        started?;
    }
    Ok(())
}

/// A request to start a workflow for a person.
fn request(workflow: &str, person: String) -> Request {
    Request {
        workflow: workflow.to_owned(),
        subject: SubjectRef::Person(person),
        inputs: std::collections::BTreeMap::new(),
        event: None,
        start: None,
        key: None,
        trigger: "bench".to_owned(),
        asked_by: "bench".to_owned(),
    }
}
