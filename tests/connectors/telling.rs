//! What stories from HR's file to the last step have in common: an engine as the daemon has it, and the days that go by.

use std::path::Path;

use jiff::{Timestamp, Zoned};
use usher::clock::Clock;
use usher::config::{Config, Surroundings};
use usher::engine::Engine;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::store::{Opening, RunFilter};

pub fn zurich(local: &str) -> Timestamp {
    format!("{local}[Europe/Zurich]").parse::<Zoned>().expect("a time").timestamp()
}

/// An engine as the daemon has it, from its configuration on: `systems` is what `usher.toml` in this folder says of them.
pub async fn engine(folder: &Path, systems: &str, clock: &Clock) -> Engine {
    let text = format!("[time]\nzone = \"Europe/Zurich\"\n[limits]\ninventory_age = \"3650 days\"\n{systems}");
    std::fs::write(folder.join("usher.toml"), text).expect("writes");
    let url = format!("sqlite:{}", folder.join("story.db").display());
    let around = Surroundings { folder: folder.to_owned(), ..Surroundings::default() };
    let config = Config::load(&[], Some(&url), &around).unwrap_or_else(|why| panic!("{why}"));
    usher::daemon::open_engine(&config, Opening::Migrate, clock.clone()).await.unwrap_or_else(|why| panic!("{why}"))
}

pub async fn walk_to(engine: &Engine, clock: &Clock, to: Timestamp) {
    loop {
        engine.work_off(8).await.expect("works it off");
        match engine.store().next_due().await.expect("reads") {
            Some(due) if due <= to && due > clock.now() => clock.set(due),
            _ => break,
        }
    }
    clock.set(to);
    engine.work_off(8).await.expect("works it off");
}

/// HR's file of people is taken in, and what follows from it begins.
pub async fn told(engine: &Engine, file: &str) {
    let told = read_people(file.as_bytes(), &Mapping::default()).unwrap_or_else(|why| panic!("{why}"));
    feed::take_in(engine, &told, "csv", |_| {}).await.expect("takes it in");
    events::dispatch(engine).await.expect("dispatches");
}

/// The run of a workflow about the person with the number 1005.
pub async fn run_of(engine: &Engine, workflow: &str) -> i64 {
    let filter = RunFilter { workflow: Some(workflow.into()), person: Some("1005".into()), ..RunFilter::default() };
    let runs = engine.store().runs(&filter).await.expect("runs");
    usher::run::book::parse_public_id(&runs[0].id).expect("an id")
}
