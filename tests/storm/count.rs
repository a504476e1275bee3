//! What is counted at the end, and the table of all scenarios.

use std::io::Write as _;
use std::ops::AddAssign;
use std::time::Duration;

use usher::connectors::sandbox::SandboxCompany;
use usher::engine::Engine;
use usher::run::book::{Book, parse_public_id};
use usher::run::{RunState, SkipReason, StepState};
use usher::store::RunFilter;

/// How much later than its time a cut may come on a machine whose daemons and databases fall: what guarantee 7 gives
/// until somebody must be told.
const LATE: Duration = Duration::from_secs(300);

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) runs: usize,
    pub(crate) steps: usize,
    pub(crate) entries: usize,
    /// Steps that are neither done nor were found not to be needed.
    pub(crate) lost: usize,
    /// Steps with more than one effect, beyond what their class allows.
    pub(crate) duplicated: usize,
    /// Passwords rotated again after an ambiguous attempt. A password cannot be observed: class S applies it again,
    /// and once more is as good as once.
    pub(crate) rotated_again: usize,
    /// Steps done before their time.
    pub(crate) early: usize,
    /// Cuts done long after their time.
    pub(crate) late: usize,
    /// Runs that did not complete.
    pub(crate) not_as_planned: usize,
    /// Chains that do not verify or replay.
    pub(crate) broken: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.entries += other.entries;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.rotated_again += other.rotated_again;
        self.early += other.early;
        self.late += other.late;
        self.not_as_planned += other.not_as_planned;
        self.broken += other.broken;
    }
}

impl Count {
    /// Counts everything that a town's record and its systems' ledger say.
    pub(crate) async fn of(engine: &Engine, company: &SandboxCompany) -> Self {
        let mut count = Self::default();
        let store = engine.store();
        let all = RunFilter { limit: Some(1_000_000), ..RunFilter::default() };
        for row in store.runs(&all).await.expect("lists runs") {
            let run = parse_public_id(&row.id).expect("an id");
            count.book(&engine.look(run).await.expect("loads"));
            let verified = store.verify(run).await.expect("verifies");
            count.entries += verified.entries;
            if let Some(problem) = verified.problem {
                eprintln!("{}: {problem}", row.id);
                count.broken += 1;
            }
        }
        count.effects(company);
        count
    }

    fn book(&mut self, book: &Book) {
        self.runs += 1;
        self.not_as_planned += usize::from(book.run.state != RunState::Completed);
        for step in &book.steps {
            self.steps += 1;
            let due = step.at.as_ref().map(|at| at.at);
            match &step.state {
                StepState::Done { at, .. } => {
                    self.early += usize::from(due.is_some_and(|due| *at < due));
                    let late = |due: jiff::Timestamp| step.action.is_cut() && *at > usher::clock::plus(due, LATE);
                    self.late += usize::from(due.is_some_and(late));
                }
                StepState::Skipped { reason, .. } if !matches!(reason, SkipReason::ByPerson(_)) => {}
                other => {
                    eprintln!("{} {} ended {}: {other:?}", book.run.public_id(), step.label(), other.as_str());
                    self.lost += 1;
                }
            }
        }
    }

    fn effects(&mut self, company: &SandboxCompany) {
        for (key, effects) in company.effects_by_key().expect("reads the ledger") {
            match effects {
                0 | 1 => {}
                _ if key.contains("/rotate-password@") => self.rotated_again += 1,
                _ => {
                    eprintln!("{key} took effect {effects} times");
                    self.duplicated += 1;
                }
            }
        }
    }

    /// Nothing may be wrong.
    pub(crate) fn assert_right(&self) {
        let wrong = [self.lost, self.duplicated, self.early, self.late, self.not_as_planned, self.broken];
        assert_eq!(wrong, [0; 6], "{self:?}");
    }
}

/// One line of the table: printed, and appended to the file that `USHER_STORM_TABLE` names.
pub(crate) fn report(scenario: &str, tried: usize, count: &Count, took: Duration, times: &str) {
    let line = [
        scenario.to_owned(),
        tried.to_string(),
        count.runs.to_string(),
        count.steps.to_string(),
        count.lost.to_string(),
        count.duplicated.to_string(),
        count.early.to_string(),
        count.late.to_string(),
        count.not_as_planned.to_string(),
        count.broken.to_string(),
        format!("{:.0}", took.as_secs_f64()),
        times.to_owned(),
    ];
    eprintln!("{}", sentence(scenario, tried, count, took, times));
    let Ok(path) = std::env::var("USHER_STORM_TABLE") else { return };
    let file = std::fs::File::options().create(true).append(true).open(&path);
    file.and_then(|mut file| writeln!(file, "{}", line.join("\t"))).unwrap_or_else(|error| panic!("{path}: {error}"));
}

fn sentence(scenario: &str, tried: usize, count: &Count, took: Duration, times: &str) -> String {
    let times = if times.is_empty() { String::new() } else { format!("; {times}") };
    format!(
        "{scenario}: {tried} tried over {} runs ({} steps, {} journal entries) in {:.0} s: {} lost steps, {} effects beyond \
         their class ({} passwords rotated again, as class S allows), {} early, {} late, {} runs not as planned, {} broken \
         chains{times}",
        count.runs,
        count.steps,
        count.entries,
        took.as_secs_f64(),
        count.lost,
        count.duplicated,
        count.rotated_again,
        count.early,
        count.late,
        count.not_as_planned,
        count.broken,
    )
}
