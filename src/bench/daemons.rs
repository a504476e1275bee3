//! Several daemons on one PostgreSQL. Each has a thread with a runtime, a store, keys, workflows and systems of its own: they
//! share the database, and nothing in memory but the allocator.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::oneshot;

use super::flow::{FLOW_RUNS, all_completed};
use super::ground::{Ground, Site, person};
use super::{BenchError, Figure, Measured, Size, Workload, figure, rate, request, start_all, until_counted, workflows};
use crate::queue::Counts;

/// How many daemons share the work, one after the other.
const DAEMONS: [usize; 3] = [1, 2, 4];

/// `flow` with one daemon, two and four.
pub(super) async fn daemons(site: &Site, size: Size) -> Result<Measured, BenchError> {
    if !site.is_on_a_server() {
        let work = "SQLite has one daemon for each file: nothing to compare".to_owned();
        return Ok(Measured { workload: Workload::Daemons, database: site.database(), work, figures: Vec::new() });
    }
    let runs = size.of(FLOW_RUNS);
    let ground = Ground::on(site, runs * DAEMONS.len()).await?;
    let mut figures = Vec::new();
    let mut alone = None;
    for (round, count) in DAEMONS.into_iter().enumerate() {
        let first = round * runs + 1;
        let requests = (first..first + runs).map(|number| request(workflows::FLOW, person(number)));
        start_all(&ground, requests.collect()).await?;
        let shared = share(site, size, count, runs * workflows::FLOW_STEPS, runs * DAEMONS.len()).await?;
        all_completed(&ground, first + runs - 1).await?;
        let one = *alone.get_or_insert(shared.steps);
        figures.extend(figures_of(count, &shared, one));
    }
    ground.leave().await;
    let work = format!("{runs} runs of {} steps, for each number of daemons", workflows::FLOW_STEPS);
    Ok(Measured { workload: Workload::Daemons, database: site.database(), work, figures })
}

/// How a number of daemons did.
struct Shared {
    /// Steps a second, all together.
    steps: f64,
    /// What the one that did least has done, of its fair share.
    least: f64,
}

fn figures_of(count: usize, shared: &Shared, one: f64) -> Vec<Figure> {
    let names = match count {
        1 => return vec![figure("1 daemon", shared.steps, "steps/s")],
        2 => ["2 daemons", "2 to 1", "least of 2"],
        _ => ["4 daemons", "4 to 1", "least of 4"],
    };
    vec![
        figure(names[0], shared.steps, "steps/s"),
        figure(names[1], shared.steps / one, "×"),
        figure(names[2], shared.least, "of its share"),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn share(site: &Site, size: Size, count: usize, steps: usize, people: usize) -> Result<Shared, BenchError> {
    let others: Vec<Other> = (0..count).map(|_| Other::begin(site, size, people)).collect::<Result<_, _>>()?;
    let mut ready = Vec::with_capacity(count);
    for other in others {
        ready.push(other.ready().await?);
    }
    let began = Instant::now();
    let mut working = Vec::with_capacity(count);
    for one in ready {
        working.push(one.go().await?);
    }
    let done = |working: &Working| working.counts.recorded.load(Ordering::Relaxed);
    until_counted(|| working.iter().map(done).sum(), steps).await?;
    let took = began.elapsed();
    let least = working.iter().map(done).min().unwrap_or_default();
    for one in working {
        one.end().await?;
    }
    Ok(Shared { steps: rate(steps, took), least: least as f64 * count as f64 / steps as f64 })
}

/// A daemon that is being made.
struct Other {
    ready: oneshot::Receiver<Result<(), BenchError>>,
    go: oneshot::Sender<()>,
    at_work: oneshot::Receiver<Arc<Counts>>,
    stop: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

/// One that could begin.
struct Ready {
    go: oneshot::Sender<()>,
    at_work: oneshot::Receiver<Arc<Counts>>,
    stop: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

/// One at work. It drains when this is dropped.
struct Working {
    counts: Arc<Counts>,
    stop: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

impl Other {
    fn begin(site: &Site, size: Size, people: usize) -> Result<Self, BenchError> {
        let (tell_ready, ready) = oneshot::channel();
        let (go, may_go) = oneshot::channel();
        let (tell_counts, at_work) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let (tell_gone, gone) = oneshot::channel();
        let place = site.neighbour();
        let live = async move || {
            let ground = match Ground::beside(&place, people).await {
                Ok(ground) => ground,
                Err(error) => return drop(tell_ready.send(Err(error))),
            };
            tell_ready.send(Ok(())).ok();
            if may_go.await.is_ok() {
                let running = crate::daemon::start(&ground.engine, size.queue());
                tell_counts.send(Arc::clone(&running.counts)).ok();
                // An error means that whoever could say so is gone.
                stopped.await.ok();
                running.drain().await;
            }
            ground.leave().await;
            tell_gone.send(()).ok();
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(threads)?;
        std::thread::Builder::new().spawn(move || runtime.block_on(live())).map_err(threads)?;
        Ok(Self { ready, go, at_work, stop, gone })
    }

    async fn ready(self) -> Result<Ready, BenchError> {
        self.ready.await.map_err(|_| ended())??;
        Ok(Ready { go: self.go, at_work: self.at_work, stop: self.stop, gone: self.gone })
    }
}

impl Ready {
    async fn go(self) -> Result<Working, BenchError> {
        self.go.send(()).map_err(|()| ended())?;
        let counts = self.at_work.await.map_err(|_| ended())?;
        Ok(Working { counts, stop: self.stop, gone: self.gone })
    }
}

impl Working {
    async fn end(self) -> Result<(), BenchError> {
        self.stop.send(()).map_err(|()| ended())?;
        self.gone.await.map_err(|_| ended())
    }
}

fn threads(error: std::io::Error) -> BenchError {
    BenchError::Unexpected(format!("threads cannot be started: {error}"))
}

fn ended() -> BenchError {
    BenchError::Unexpected("a daemon has ended by itself".to_owned())
}
