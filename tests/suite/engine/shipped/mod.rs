//! Every shipped workflow is planned, carried out to its end, and carried out once more by daemons that die in the
//! middle, whose answers are lost, who do everything twice, and who are refused at each step in turn: step by step as
//! planned, never early, and with the same world at the end. So it is with what takes them back.

mod playing;
mod scenes;

use std::collections::BTreeSet;

use usher::connectors::sandbox::Snapshot;
use usher::engine::library::Library;
use usher::run::book::{Book, Step, parse_public_id};
use usher::run::{Plan, RunState, SkipReason, StepState};
use usher::workflow::SHIPPED;

use self::playing::{Deaths, play};
use self::scenes::{Scene, scene};
use crate::database::Db;
use crate::harness::{App, differences};

/// What a scene left behind.
struct Ending {
    plan: Plan,
    book: Book,
    world: Snapshot,
}

/// A scene on a stage of its own, up to its end.
async fn end_of(db: Db, scene: &Scene, deaths: &Deaths) -> Ending {
    let app = App::posting(db).await;
    scene.prepare(&app).await;
    let plan = app.engine.plan(&scene.request()).await.unwrap_or_else(|why| panic!("{}: {why}", scene.workflow));
    let run = app.engine.start(scene.request()).await.unwrap_or_else(|why| panic!("{}: {why}", scene.workflow)).id();
    play(&app, run, scene.until(), deaths).await;
    let ending = Ending { plan, book: app.book(run).await, world: app.company.snapshot().expect("looks") };
    app.end().await;
    ending
}

/// The steps happened as they were planned.
fn as_planned(workflow: &str, ending: &Ending) {
    let Ending { plan, book, .. } = ending;
    assert_eq!(book.run.state, RunState::Completed, "{workflow}: {:#?}", open(book));
    // Sessions that may have been opened before a late cut are revoked once more.
    let steps: Vec<&Step> = book.steps.iter().filter(|step| !step.name.ends_with(".again")).collect();
    assert_eq!(steps.len(), plan.steps.len(), "{workflow}");
    for (planned, step) in plan.steps.iter().zip(steps) {
        let label = format!("{workflow}: {}", step.label());
        assert_eq!((planned.name.as_str(), planned.action), (step.name.as_str(), step.action), "{label}");
        assert_eq!((&planned.system, &planned.at), (&step.system, &step.at), "{label}");
        assert!(planned.account.is_none() || planned.account == step.account, "{label} on another account");
        match (&planned.skip, &step.state) {
            (Some(reason), StepState::Skipped { reason: said, .. }) => assert_eq!(reason, said, "{label}"),
            (None, StepState::Done { at, .. }) => {
                assert!(planned.at.as_ref().is_none_or(|due| due.at <= *at), "{label} was early");
                assert!(step.needs.iter().all(|need| over_by(book, *need, *at)), "{label} overtook what it waits for");
            }
            // Decided when its time came, and said so in the plan: a condition, or what the department gives.
            (None, StepState::Skipped { reason: SkipReason::ConditionFalse(_), .. }) => {
                assert!(planned.when.is_some(), "{label}");
            }
            (None, StepState::Skipped { reason: SkipReason::NotNeeded(why), .. }) => {
                assert!(why.contains(" gives no ") || why.contains("was left out"), "{label}: {why}");
            }
            (plan, state) => panic!("{label} is {state:?}, planned was {plan:?}"),
        }
    }
}

/// Whether what a step waits for was over when it was done. Access cuts wait for each other with patience only.
fn over_by(book: &Book, need: u16, at: jiff::Timestamp) -> bool {
    let need = book.step(need).expect("a step");
    match need.state {
        StepState::Done { at: end, .. } => end <= at || need.action.is_cut(),
        StepState::Skipped { .. } => true,
        _ => false,
    }
}

fn open(book: &Book) -> Vec<(String, StepState)> {
    let open =
        book.steps.iter().filter(|step| !matches!(step.state, StepState::Done { .. } | StepState::Skipped { .. }));
    open.map(|step| (step.label(), step.state.clone())).collect()
}

async fn plays(db: Db, names: impl Iterator<Item = &'static str>) {
    for name in names {
        let scene = scene(name);
        let quiet = end_of(db, &scene, &Deaths::None).await;
        as_planned(name, &quiet);
        for trouble in troubles(db, name) {
            let troubled = end_of(db, &scene, &trouble).await;
            as_planned(name, &troubled);
            let differ = differences(&quiet.world, &troubled.world);
            assert!(differ.is_empty(), "{name} with {trouble:?} ends otherwise: {differ:#?}");
        }
        let undone = undone_end(db, &scene, &Deaths::None).await;
        for trouble in [Deaths::Lost, Deaths::Twice, Deaths::Refused(None)] {
            let differ = differences(&undone, &undone_end(db, &scene, &trouble).await);
            assert!(differ.is_empty(), "{name}, taken back with {trouble:?}, ends otherwise: {differ:#?}");
        }
    }
}

/// What goes wrong in turn. One error at each step by itself on SQLite, at all of them at once on PostgreSQL.
fn troubles(db: Db, name: &str) -> Vec<Deaths> {
    let mut troubles = vec![Deaths::Every(2), Deaths::Every(5), Deaths::Lost, Deaths::Twice, Deaths::Refused(None)];
    if db == Db::Sqlite {
        let library = Library::shipped().workflows;
        troubles.extend(library[name].steps.iter().map(|step| Deaths::Refused(Some(step.id.clone()))));
    }
    troubles
}

/// The world once a scene has been played and then taken back, the way back with `trouble`; asked for twice, it is taken
/// back once.
async fn undone_end(db: Db, scene: &Scene, trouble: &Deaths) -> Snapshot {
    let app = App::posting(db).await;
    scene.prepare(&app).await;
    let run = app.engine.start(scene.request()).await.unwrap_or_else(|why| panic!("{}: {why}", scene.workflow)).id();
    play(&app, run, scene.undone(), &Deaths::None).await;
    let undone = app.engine.undo(run, "a mistake", "os:test", false).await.expect("takes it back");
    app.engine.undo(run, "again", "os:test", false).await.expect_err("it is taken back already");
    if let Some(undoing) = undone.run.as_deref().and_then(parse_public_id) {
        play(&app, undoing, scene.until(), trouble).await;
        assert!(app.run_state(undoing).await.is_over(), "{}: {:#?}", scene.workflow, app.states(undoing).await);
    }
    let world = app.company.snapshot().expect("looks");
    app.end().await;
    world
}

/// Each part of the shipped set, so that the parts run side by side.
fn part(nth: usize) -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name).enumerate().filter(move |(index, _)| index % 3 == nth).map(|(_, name)| name)
}

both! {
    every_shipped_workflow_ends_as_planned_however_often_its_daemon_dies_1, async |app: &App| {
        plays(app.home.db, part(0)).await;
    };
    every_shipped_workflow_ends_as_planned_however_often_its_daemon_dies_2, async |app: &App| {
        plays(app.home.db, part(1)).await;
    };
    every_shipped_workflow_ends_as_planned_however_often_its_daemon_dies_3, async |app: &App| {
        plays(app.home.db, part(2)).await;
    };
}

#[test]
fn every_shipped_workflow_has_its_scene() {
    let names: BTreeSet<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
    assert!(names.iter().all(|name| scene(name).workflow == *name));
}
