//! Guards that people put up: two people for an approval, legal holds, protected accounts, archives that must be whole.

mod approvals;
mod archives;
mod batches;
mod holds;
mod lapses;
mod protected;

use usher::engine::Engine;
use usher::run::{StepState, Users};

use super::departure::{ADA, done_by_people, until_the_checklist};
use crate::harness::App;

/// Which person each user is.
pub fn users(of: &[(&str, &str)]) -> Users {
    Users::of(of.iter().map(|(user, person)| ((*user).to_owned(), (*person).to_owned())))
}

/// Works off what is due with another configuration.
pub async fn drain(engine: &Engine) {
    engine.work_off(8).await.expect("works it off");
}

/// The word of the guard that holds a step; what state it is in, where none does.
pub async fn held_by(app: &App, run: i64, step: &str) -> String {
    match app.state(run, step).await {
        StepState::Held { reason, .. } => reason.code().to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// What a guard said of a step.
pub async fn why_held(app: &App, run: i64, step: &str) -> String {
    match app.state(run, step).await {
        StepState::Held { reason, .. } => usher::store::reason_words(&reason),
        other => panic!("{step} is {other:?}"),
    }
}

/// Whether none of Ada's accounts has been deleted.
pub fn untouched(app: &App) -> bool {
    let there = |(system, id)| app.account(system, id).is_some_and(|account| account.status == DISABLED);
    ADA.into_iter().all(there)
}

const DISABLED: usher::run::AccountStatus = usher::run::AccountStatus::Disabled;

/// Ada's departure on the morning of the deletion, approved; nothing of that day has been done.
pub async fn on_the_day(app: &App) -> i64 {
    let run = until_the_checklist(app).await;
    done_by_people(app, run).await;
    app.walk_to(crate::harness::zurich("2027-07-28T08:59")).await;
    app.clock.set(crate::harness::zurich("2027-07-28T09:00"));
    run
}
