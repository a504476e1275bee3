//! Work beside a great many steps that wait for their time: they should cost room on the disk, and nothing else.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use jiff::ToSpan;

use super::ground::{Ground, Site, person};
use super::react::{millis, reactions, share_of};
use super::{
    BenchError, Figure, Measured, Progress, Size, Workload, figure, machine, rate, request, start_all, until_recorded,
    workflows,
};
use crate::run::RunState;
use crate::store::Part;

/// Steps that wait.
const WAITING: usize = 1_000_000;

const BURST: usize = 5000;
const REQUESTS: usize = 200;

/// Runs accepted between two looks at how far it has come.
const PIECE: usize = 100;

/// How many of the runs that wait are verified.
const SAMPLE: usize = 20;

/// Days from now until the first of the waiting steps is due, and until the last.
const DAYS: (usize, usize) = (30, 395);

/// What is measured twice, without the backlog and beside it.
struct Round {
    /// Runs completed a second.
    burst: f64,
    /// From accepted to called: the median.
    react: Duration,
    /// Of this process.
    resident: Option<u64>,
    /// Of the database.
    parts: Vec<Part>,
}

/// `burst` and `react`, beside nothing and beside the backlog, in one database.
pub(super) async fn backlog(site: &Site, size: Size, progress: Progress<'_>) -> Result<Measured, BenchError> {
    let runs = size.of(WAITING).div_ceil(workflows::WAITING_STEPS);
    let (burst, requests) = (size.of(BURST), size.of(REQUESTS));
    let each = burst + requests;
    let ground = Ground::on(site, runs + 2 * each).await?;
    let empty = round(&ground, size, 1..=each, burst).await?;
    let waiting = fill(&ground, 2 * each + 1..=2 * each + runs, progress).await?;
    let beside = round(&ground, size, each + 1..=2 * each, burst).await?;
    let steps = runs * workflows::WAITING_STEPS;
    all_there(&ground, &waiting, 2 * each, steps).await?;
    ground.leave().await;
    Ok(Measured {
        workload: Workload::Backlog,
        database: site.database(),
        work: format!("{burst} runs and {requests} requests beside {steps} waiting steps"),
        figures: figures(&empty, &beside, steps),
    })
}

/// The first `burst` of these people have a run each, all at once; the others one at a time.
async fn round(ground: &Ground, size: Size, people: RangeInclusive<usize>, burst: usize) -> Result<Round, BenchError> {
    let (first, last) = people.into_inner();
    let single = |number: usize| request(workflows::SINGLE, person(number));
    start_all(ground, (first..first + burst).map(single).collect()).await?;
    let began = Instant::now();
    let running = crate::daemon::start(&ground.engine, size.queue());
    until_recorded(&running, burst).await?;
    let took = began.elapsed();
    running.drain().await;
    let reactions = reactions(ground, size, first + burst..=last).await?;
    Ok(Round {
        burst: rate(burst, took),
        react: share_of(&reactions, 50),
        resident: machine::resident(),
        parts: ground.store().size_of_parts().await?,
    })
}

/// Runs for these people, all of whose steps wait for a day of the year to come. Answers their keys.
async fn fill(ground: &Ground, people: RangeInclusive<usize>, progress: Progress<'_>) -> Result<Vec<i64>, BenchError> {
    let (first, last) = people.into_inner();
    let (today, total) = (ground.today().await?, last + 1 - first);
    let mut runs = Vec::with_capacity(total);
    while runs.len() < total {
        let from = first + runs.len();
        let waiting = (from..=last.min(from + PIECE - 1)).map(|number| {
            let ahead = DAYS.0 + number % (DAYS.1 - DAYS.0);
            let day = today.saturating_add(i64::try_from(ahead).unwrap_or_default().days());
            let mut request = request(workflows::WAITING, person(number));
            request.inputs.insert("day".to_owned(), day.to_string().into());
            request
        });
        runs.extend(start_all(ground, waiting.collect()).await?);
        progress(runs.len(), total);
    }
    Ok(runs)
}

/// Everything that was to end has ended, everything that was to wait waits, and the journals of the waiting hold.
async fn all_there(ground: &Ground, waiting: &[i64], completed: usize, steps: usize) -> Result<(), BenchError> {
    let census = ground.store().census().await?;
    let count = |kind: &str, state: &str| {
        census.iter().find(|(is, at, _)| is == kind && at == state).map_or(0, |(.., count)| *count)
    };
    let (ended, wait) = (count("run", RunState::Completed.as_str()), count("step", "waiting"));
    if usize::try_from(ended) != Ok(completed) || usize::try_from(wait) != Ok(steps) {
        let words = format!("{ended} of {completed} runs are completed, {wait} of {steps} steps wait");
        return Err(BenchError::Unexpected(words));
    }
    for run in waiting.iter().step_by(waiting.len().div_ceil(SAMPLE).max(1)) {
        if let Some(problem) = ground.store().verify(*run).await?.problem {
            return Err(BenchError::Unexpected(format!("the journal of run_{run} is broken: {problem}")));
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn figures(empty: &Round, beside: &Round, steps: usize) -> Vec<Figure> {
    let grown = |of: &dyn Fn(&str) -> bool| {
        let sum = |round: &Round| round.parts.iter().filter(|part| of(&part.name)).map(|part| part.bytes).sum::<i64>();
        (sum(beside) - sum(empty)) as f64 / steps as f64
    };
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    let mut figures = vec![
        figure("completed, alone", empty.burst, "runs/s"),
        figure("completed, beside", beside.burst, "runs/s"),
        figure("beside to alone", beside.burst / empty.burst, "×"),
        figure("reaction, alone", millis(empty.react), "ms"),
        figure("reaction, beside", millis(beside.react), "ms"),
        figure("bytes", grown(&|_| true), "B/step"),
        figure("of it steps", grown(&|name| name == "steps"), "B/step"),
        figure("of it indexes of steps", grown(&|name| name.starts_with("steps_")), "B/step"),
        figure("of it journal", grown(&|name| name.contains("journal")), "B/step"),
        figure("of it runs", grown(&|name| name.starts_with("runs")), "B/step"),
    ];
    figures.extend(empty.resident.map(|bytes| figure("memory, alone", mebibytes(bytes), "MiB")));
    figures.extend(beside.resident.map(|bytes| figure("memory, beside", mebibytes(bytes), "MiB")));
    figures
}
