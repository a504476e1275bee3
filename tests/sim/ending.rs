//! Every history ends: faults stop, time passes, people answer, and every run comes to its end.

use jiff::SignedDuration;
use sqlx::Row;
use usher::connectors::sandbox::Knobs;
use usher::run::{RunState, StepState};

use crate::checker;
use crate::house::SYSTEMS;
use crate::world::World;

/// Instants after which a run that does not end is stuck.
const MOST: usize = 400;

/// Plays a history to its end.
pub(crate) async fn end(world: &mut World) {
    world.say("the faults stop");
    for system in SYSTEMS {
        world.house.company.set_knobs(system, Knobs::default());
    }
    for at in 0..world.daemons.len() {
        world.daemons[at].held.clear();
        world.start_again(at).await;
    }
    world.resume_import().await;
    let lapsed = world.now() + SignedDuration::from_mins(10);
    world.house.clock.set(lapsed);
    world.round(0).await;
    world.unfreeze().await;
    // Time alone: afterwards every run is over or waits for somebody who can be named.
    let mut left = MOST;
    goes_by(world, false, &mut left).await;
    waits_for_somebody(world).await;
    // People do what is theirs: they try again what has stopped, twice, and leave out what stops again.
    for round in 0..20 {
        let decided = world.people_decide(round < 2).await;
        let before = left;
        goes_by(world, true, &mut left).await;
        if !decided && before - left <= 1 {
            break;
        }
    }
    look_at_everything(world).await;
}

/// From one due instant to the next, until nothing has a time any more.
async fn goes_by(world: &mut World, answering: bool, left: &mut usize) {
    loop {
        *left = left.checked_sub(1).unwrap_or_else(|| panic!("the runs do not end"));
        let mut turns = 0;
        while drain(world).await {
            turns += 1;
            assert!(turns < 200, "an instant that does not end");
        }
        if answering && world.people_answer(true).await {
            continue;
        }
        let store = world.store().await;
        match store.next_due().await.expect("reads") {
            Some(due) => world.house.clock.set(due.max(world.now())),
            None => return,
        }
    }
}

/// One turn with everything that is due, carried out at once; whether there was anything to carry out.
async fn drain(world: &mut World) -> bool {
    world.calm_turn(0).await;
    let claims = world.daemons[0].held.len();
    for _ in 0..claims {
        world.carry_out(0).await;
    }
    claims > 0
}

async fn waits_for_somebody(world: &mut World) {
    for book in world.books().await {
        let waits = book.steps.iter().any(|step| {
            matches!(
                step.state,
                StepState::Held { .. }
                    | StepState::AwaitingApproval
                    | StepState::AwaitingPerson { .. }
                    | StepState::Failed { .. }
            )
        });
        let run = book.run.public_id();
        assert!(
            book.run.state.is_over() || waits || book.run.state == RunState::Paused,
            "{run} is {:?} and waits for nobody: {:#?}",
            book.run.state,
            open(&book)
        );
    }
}

fn open(book: &usher::run::book::Book) -> Vec<String> {
    let open = book.steps.iter().filter(|step| !step.state.is_final());
    open.map(|step| format!("{} {:?}", step.label(), step.state)).collect()
}

async fn look_at_everything(world: &mut World) {
    let store = world.store().await;
    for book in world.books().await {
        let state = book.run.state;
        assert!(state.is_over(), "{} does not end: {state:?} {:#?}", book.run.public_id(), open(&book));
        checker::truthful(world, &book);
        checker::journal(&store, book.run.id).await;
        world.tally.count(format!("run {}", state.as_str()));
        let states: Vec<String> =
            book.steps.iter().map(|step| format!("{} {}", step.label(), step.state.as_str())).collect();
        world.say(format!("{} of {} is {}: {states:?}", book.run.public_id(), book.run.name, state.as_str()));
    }
    let rows = sqlx::query("SELECT body FROM journal WHERE body LIKE '%\"guard\":\"%' ORDER BY run_id, seq")
        .fetch_all(&mut world.looker)
        .await
        .expect("looks");
    for row in rows {
        let body: String = row.get(0);
        for told in body.split("\"guard\":\"").skip(1) {
            world.tally.count(format!("held: {}", told.split('"').next().unwrap_or("?")));
        }
    }
}
