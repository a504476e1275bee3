//! `usher demo`: the main job on the embedded default, with time fast-forwarded.
//!
//! The same engine as the daemon's, on a database of its own and a sandbox company. Only two things are played: the
//! clock, which jumps to the next due time whenever nothing is in flight, and the people, who do their tasks.

mod ending;
mod people;
mod stage;
mod timeline;
mod words;

use std::pin::Pin;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use self::stage::Stage;
use self::timeline::Timeline;
use super::{CliError, Context, Exit};
use crate::clock;

/// The longest that everything due at one instant may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows the main job: a company, an HR file with departures, months in seconds, and the evidence
///
/// A sandbox company of 25 people on five simulated systems; HR's file says that three of them leave. usher plans their
/// departures and carries them through, the clock jumping from one due time to the next: disable, rotate the password,
/// revoke sessions, auto-reply, hand over, archive, delete, and the purge after the grace period. Ends with what
/// changed on each system, read back, and where the evidence lies. The exit code is 0 only if every step ended as it
/// should.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher demo
  usher demo --keep                  # leaves the database, the journal and the archives to look at
  usher demo --speed 7               # a week a second, to watch
  usher demo --json | jq .runs
  usher demo --database postgres://usher@localhost/usher_demo")]
pub struct Demo {
    /// Keep the folder with the database, the company and the archives
    #[arg(long)]
    keep: bool,
    /// Days that pass in a second; without it, as fast as it goes
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    speed: Option<u32>,
}

/// Ctrl-C, or SIGTERM.
type Interrupt = Pin<Box<dyn Future<Output = &'static str>>>;

impl Demo {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let began = Instant::now();
        let stage = Stage::set(context).await?;
        let mut outcome = self.perform(&stage, context, began).await;
        if !self.keep {
            outcome = outcome.map_err(|error| error.help("nothing is kept of it; --keep would have left its folder"));
        }
        let struck = stage.strike(self.keep, context).await;
        let exit = outcome?;
        struck?;
        Ok(exit)
    }

    async fn perform(&self, stage: &Stage, context: &mut Context, began: Instant) -> Result<Exit, CliError> {
        let mut interrupt: Interrupt = Box::pin(crate::daemon::signal());
        let mut timeline = Timeline::new(stage, context);
        timeline.opening(context, stage).await?;
        let told = unless(&mut interrupt, stage, stage.tell()).await?;
        timeline.follow(&told.runs);
        let running = crate::daemon::start(&stage.engine, crate::queue::Settings::default());
        let played = unless(&mut interrupt, stage, self.play(stage, &mut timeline, context)).await;
        let counts = std::sync::Arc::clone(&running.counts);
        running.drain().await;
        played?;
        let ending = ending::Ending::read(stage, &told, counts.commits_per_step()).await?;
        ending.say(context, began.elapsed(), self.keep)
    }

    /// Lets everything due happen, lets people do their part, jumps to the next due time; until nothing is left.
    async fn play(&self, stage: &Stage, timeline: &mut Timeline, context: &mut Context) -> Result<(), CliError> {
        loop {
            settle(stage).await?;
            timeline.show(stage, context).await?;
            if people::act(stage).await? {
                continue;
            }
            let Some(next) = stage.store().next_due().await? else { return Ok(()) };
            if stage.all_over().await? {
                return Ok(());
            }
            self.jump(stage, next).await?;
        }
    }

    async fn jump(&self, stage: &Stage, next: Timestamp) -> Result<(), CliError> {
        let now = stage.store().now().await?;
        if next <= now {
            return Ok(());
        }
        if let Some(days) = self.speed {
            let virtual_ms = next.as_millisecond() - now.as_millisecond();
            let day = SignedDuration::from_hours(24).as_millis();
            let pause = i128::from(virtual_ms) * 1000 / (day * i128::from(days));
            clock::pause(Duration::from_millis(u64::try_from(pause).unwrap_or(0))).await;
        }
        Ok(stage.store().fast_forward(next).await?)
    }
}

/// What `work` answers, unless somebody stops the demo first.
async fn unless<T>(
    interrupt: &mut Interrupt,
    stage: &Stage,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => done,
        _ = interrupt => {
            let now = stage.store().now().await?.to_zoned(stage.start.time_zone().clone());
            let day = now.strftime("%A %-d %B %Y");
            let message = format!("stopped on the demo's {day}: what was under way was ended, nothing more was started");
            Err(CliError::new(Exit::Interrupted, "interrupted", message))
        }
    }
}

/// Waits until nothing is due and nothing is in flight.
async fn settle(stage: &Stage) -> Result<(), CliError> {
    let began = Instant::now();
    loop {
        if stage.store().at_rest().await? {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(CliError::not_right(
                "stuck",
                format!("what was due did not end within {} s", PATIENCE.as_secs()),
            )
            .help("run it again with -v to see what the systems answered"));
        }
        clock::pause(Duration::from_millis(2)).await;
    }
}
