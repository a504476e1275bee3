//! A run played to its end: time goes from one due instant to the next, people answer, daemons die.

use std::collections::BTreeSet;

use jiff::Timestamp;
use usher::engine::Engine;
use usher::run::StepState;
use usher::run::settle::Outcome;
use usher::store::{Claim, Completion, Seen};

use crate::harness::{App, posting, turn_of};

/// What goes wrong.
#[derive(Clone, Debug)]
pub(super) enum Deaths {
    None,
    /// In every n-th turn that begins attempts: half of its attempts have had their effect, none has been recorded.
    Every(usize),
    /// The answer to each step's first attempt is lost after its effect: it is observed, and done again where it cannot
    /// be.
    Lost,
    /// Each attempt is carried out twice, one right after the other.
    Twice,
    /// The first attempt at the steps of this name fails without effect; at every step, where there is no name.
    Refused(Option<String>),
}

impl Deaths {
    /// One attempt, and what goes wrong with it.
    async fn attempt(&self, daemon: &Engine, claim: &Claim) -> (Outcome, Option<Seen>) {
        let name = claim.label.split(['@', '.']).next().unwrap_or_default();
        match self {
            Self::Refused(at) if claim.fence == 1 && at.as_deref().is_none_or(|at| at == name) => {
                (Outcome::Retry { reason: "refused for now".to_owned(), after: None }, None)
            }
            Self::Lost if claim.fence == 1 => {
                daemon.execute(claim, || true).await;
                (Outcome::Unknown("the answer was lost".to_owned()), None)
            }
            Self::Twice => {
                daemon.execute(claim, || true).await;
                daemon.execute(claim, || true).await
            }
            _ => daemon.execute(claim, || true).await,
        }
    }
}

/// Turns after which a run that does not end is stuck.
const MOST_TURNS: usize = 3000;

/// Carries everything out up to `until`.
pub(super) async fn play(app: &App, run: i64, until: Timestamp, deaths: &Deaths) {
    let mut daemon = app.engine.clone();
    let (mut completions, mut begun) = (Vec::new(), 0);
    for _ in 0..MOST_TURNS {
        let recorded = !completions.is_empty();
        let report = turn_of(daemon.store(), "test", &daemon.system_names(), std::mem::take(&mut completions), 8)
            .await
            .expect("a turn");
        if report.claims.is_empty() && report.settled == 0 && !recorded {
            if answer(app, run).await {
                continue;
            }
            match app.store.next_due().await.expect("reads").filter(|due| *due <= until) {
                Some(due) => app.clock.set(due.max(app.now())),
                None => return leave(app, daemon).await,
            }
            continue;
        }
        begun += usize::from(!report.claims.is_empty());
        let dies = matches!(deaths, Deaths::Every(every) if !report.claims.is_empty() && begun % every == 0);
        let reached = if dies { report.claims.len().div_ceil(2) } else { report.claims.len() };
        for claim in &report.claims[..reached] {
            let (outcome, seen) = deaths.attempt(&daemon, claim).await;
            completions.push(Completion { run: claim.run, ordinal: claim.ordinal, fence: claim.fence, outcome, seen });
        }
        if dies {
            completions.clear();
            let next = posting(app.another_store().await, &app.company);
            leave(app, std::mem::replace(&mut daemon, next)).await;
            daemon.store().recover(true).await.expect("recovers");
        }
    }
    panic!("{} does not end: {:#?}", app.book(run).await.run.workflow.name, app.states(run).await);
}

async fn leave(app: &App, daemon: Engine) {
    if !std::ptr::eq(daemon.systems(), app.engine.systems()) {
        daemon.store().close().await;
    }
}

/// People do what waits for them; true when they did something.
async fn answer(app: &App, run: i64) -> bool {
    let book = app.book(run).await;
    let mut answered = false;
    for step in &book.steps {
        let label = step.label();
        match &step.state {
            StepState::AwaitingPerson { .. } => {
                app.engine.task_done(run, &label, &BTreeSet::new(), None, "os:somebody").await.expect("reports it");
            }
            StepState::AwaitingApproval => {
                let (typed, _) = app.store.asked(run, step.ordinal).await.expect("asks");
                app.engine.approve(run, &label, &typed.unwrap_or_default(), "os:helene").await.expect("approves");
            }
            // A mail whose end nobody knows: somebody looks, and has it sent again.
            StepState::Held { reason: usher::run::HoldReason::Ambiguous(_), .. } => {
                app.engine.retry(run, &label, "nothing has arrived", "os:helene").await.expect("tries again");
            }
            _ => continue,
        }
        answered = true;
    }
    answered
}
