//! What a daemon costs that has nothing to do: the whole of it, with mail and with every shipped schedule.

use std::time::{Duration, Instant};

use super::ground::{Ground, Site};
use super::statements::Count;
use super::{BenchError, Figure, Measured, Size, Workload, figure, machine};
use crate::clock;

/// How long a daemon is watched, of a whole workload.
const WATCHED: Duration = Duration::from_secs(60);

/// What a daemon does when it starts, its first looks at everything, is not idling. Of a small share, ten times that share.
const SETTLES: Duration = Duration::from_secs(8);

/// People that are known, none of whom anything is due for.
const PEOPLE: usize = 200;

/// Nothing is due, and nobody asks for anything.
pub(super) async fn idle(site: &Site, size: Size) -> Result<Measured, BenchError> {
    let ground = Ground::whole(site, size.of(PEOPLE)).await?;
    let running = crate::daemon::start(&ground.engine, size.queue());
    clock::pause(SETTLES.mul_f64((size.share * 10.0).min(1.0))).await;
    let before = Spent::so_far(&ground);
    let (began, count) = (Instant::now(), Count::begin());
    clock::pause(WATCHED.mul_f64(size.share)).await;
    let after = Spent::so_far(&ground);
    let (took, statements) = (began.elapsed(), count.as_ref().map(Count::so_far));
    drop(count);
    running.drain().await;
    ground.leave().await;
    Ok(Measured {
        workload: Workload::Idle,
        database: site.database(),
        work: format!("nothing due for {} s", took.as_secs_f64().round()),
        figures: figures(&before, &after, statements, took),
    })
}

/// What the process has used up to a moment.
struct Spent {
    cpu: Option<Duration>,
    switches: Option<u64>,
    commits: u64,
}

impl Spent {
    fn so_far(ground: &Ground) -> Self {
        Self { cpu: machine::cpu(), switches: machine::wake_ups(), commits: ground.store().commits() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn figures(before: &Spent, after: &Spent, statements: Option<u64>, took: Duration) -> Vec<Figure> {
    let each_second = |count: u64| count as f64 / took.as_secs_f64();
    let cpu = after.cpu.zip(before.cpu).map(|(after, before)| after.saturating_sub(before));
    let switches = after.switches.zip(before.switches).map(|(after, before)| after.saturating_sub(before));
    // The driver tells of no BEGIN and no COMMIT.
    let queries = statements.map(|statements| statements + 2 * (after.commits - before.commits));
    let all = [
        cpu.map(|cpu| figure("processor", cpu.as_secs_f64() * 1000.0 / took.as_secs_f64(), "‰ of a core")),
        switches.map(|switches| figure("wake-ups", each_second(switches), "/s")),
        queries.map(|queries| figure("queries", each_second(queries), "/s")),
        machine::resident().map(|bytes| figure("memory", bytes as f64 / 1_048_576.0, "MiB")),
    ];
    all.into_iter().flatten().collect()
}
