//! `usher run archive`

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::super::counted::counted;
use super::super::house::House;
use super::super::progress::Progress;
use super::super::{CliError, Context, Exit, moment};
use crate::clock;
use crate::config::retention;
use crate::store::PutAway;

/// Between two batches everybody else gets at least this.
const BREATH: Duration = Duration::from_millis(20);

/// How often one looks whether another process has ended its batch.
const GLANCE: Duration = Duration::from_millis(200);

/// Looks in vain before one gives up: what others have in hand is left to them.
const MOST_GLANCES: usize = 25;

/// Moves runs that have long been over into the archive
///
/// Their steps and their journals go into tables of their own, so that what is at work stays small. Nothing is lost:
/// every command still shows them, their journals still verify, and what is changed in one brings it back. The daemon
/// does this by itself, a few runs a second, by `[retention] finished_runs`; by hand it goes faster, or goes further.
/// It may be stopped at any moment and run again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run archive --dry-run
  usher run archive --older-than '6 months'
  usher run archive --json")]
pub(super) struct Archive {
    /// Those that have been over for so long, not under 30 days [default: `[retention] finished_runs`]
    #[arg(long, value_name = "SPAN")]
    older_than: Option<String>,
    /// Only counts them
    #[arg(long)]
    dry_run: bool,
}

impl Archive {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let age = self.age(&house)?;
        let found = house.store().to_archive(age).await?;
        let put_away = match self.dry_run {
            true => PutAway::default(),
            false => {
                let progress = context.out.progress(found);
                let put_away = put_away(&house, age, &progress).await;
                progress.end();
                put_away?
            }
        };
        let left = house.store().to_archive(age).await?;
        let before = clock::minus(house.store().now().await?, age);
        if context.out.is_json() {
            let told = json!({
                "ended_before": house.instant(before), "dry_run": self.dry_run,
                "archived": put_away.runs, "entries": put_away.entries, "left": left,
            });
            context.out.document(&told, false)?;
        } else if self.dry_run {
            let runs = counted(left, "run that ended", "runs that ended");
            context.out.line(format!("{runs} before {} would be archived.", moment::moment(before, &house.zone)))?;
        } else {
            let (runs, entries) =
                (counted(put_away.runs, "run", "runs"), counted(put_away.entries, "journal entry", "journal entries"));
            context.out.line(format!("Archived {runs} ({entries})."))?;
        }
        if left > 0 && !self.dry_run {
            let left = counted(left, "run is", "runs are");
            context.out.aside(format!(
                "{left} left to others who have them in hand; run it again, or leave it to the daemon."
            ));
        }
        Ok(Exit::Done)
    }

    fn age(&self, house: &House) -> Result<Duration, CliError> {
        let age = match self.older_than.as_deref() {
            Some(text) => retention(text).map_err(|why| CliError::usage(format!("--older-than: {why}")))?,
            None => house.config.finished_runs,
        };
        age.ok_or_else(|| {
            CliError::usage("finished runs are kept among the others for ever: that is what the configuration says")
                .help("say how old they must be: usher run archive --older-than '2 years'")
        })
    }
}

/// One batch after the other; between them everybody else has as much time as a batch has taken.
async fn put_away(house: &House, age: Duration, progress: &Progress) -> Result<PutAway, CliError> {
    let store = house.store();
    let (mut all, mut glances) = (PutAway::default(), 0);
    loop {
        let began = Instant::now();
        let some = store.archive_some(age).await?;
        all.runs += some.runs;
        all.entries += some.entries;
        progress.at(all.runs);
        if some.runs > 0 {
            glances = 0;
            clock::pause(began.elapsed().max(BREATH)).await;
        } else if glances == MOST_GLANCES || store.to_archive(age).await? == 0 {
            return Ok(all);
        } else {
            glances += 1;
            clock::pause(GLANCE).await;
        }
    }
}
