//! Deterministic simulation: the real engine over a real SQLite record, one step of one daemon at a time, while a seed
//! decides everything that can go wrong.
//!
//! A history is a few days to a few months in a small house: HR changes its mind, people give orders, two or three
//! daemons share the record, die between any two steps of their loop, stall past their leases, report twice and out of
//! order; systems refuse, cut and lie; the clock jumps. After every turn and every attempt the [`checker`] asks the
//! guarantees. Then the faults stop, and every run must come to its end.
//!
//! ```text
//! cargo test --test sim                                      # 2,000 histories
//! USHER_SEED=123 cargo test --test sim -- --nocapture        # one of them, told line by line
//! USHER_SEEDS=1000000 cargo test --release --test sim -- --nocapture
//! ```

#![cfg(test)]
#![expect(clippy::print_stdout, reason = "what was played is for people")]

mod checker;
mod daemons;
mod dice;
mod ending;
mod house;
mod people;
mod tally;
mod world;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::Instant;

use self::tally::Tally;
use self::world::{World, told};

/// Histories in a usual run of the tests.
const SEEDS: u64 = 2000;

/// So many histories that fail are enough to look at.
const ENOUGH_FAILED: usize = 5;

/// From so many histories on, everything that can happen must have happened.
const ENOUGH: u64 = 500;

/// Plays the history of a seed to its end.
async fn history(seed: u64) -> (u64, Tally) {
    house::prepare().await;
    let mut world = World::begin(seed).await;
    let ticks = world.dice.between(25, 75);
    for _ in 0..ticks {
        tick(&mut world).await;
    }
    ending::end(&mut world).await;
    world.leave().await
}

#[derive(Clone, Copy)]
enum Tick {
    Turn,
    CarryOut,
    Time,
    Round,
    Crash,
    Start,
    Hr,
    Order,
    StartRun,
    Answer,
    Freeze,
    Systems,
    ByHand,
    Import,
    Verify,
}

/// One thing happens.
async fn tick(world: &mut World) {
    let at = world.someone_up().await;
    let tick = world.dice.weighted(&[
        (220, Tick::Turn),
        (250, Tick::CarryOut),
        (220, Tick::Time),
        (30, Tick::Round),
        (16, Tick::Crash),
        (16, Tick::Start),
        (36, Tick::Hr),
        (50, Tick::Order),
        (10, Tick::StartRun),
        (90, Tick::Answer),
        (14, Tick::Freeze),
        (30, Tick::Systems),
        (16, Tick::ByHand),
        (8, Tick::Import),
        (6, Tick::Verify),
    ]);
    match tick {
        Tick::Turn => world.turn(at).await,
        Tick::CarryOut => {
            if let Some(at) = world.someone_at_work() {
                world.carry_out(at).await;
            }
        }
        Tick::Time => world.time_passes().await,
        Tick::Round => world.round(at).await,
        Tick::Crash => world.crash(at).await,
        Tick::Start => {
            let at = world.dice.below(world.daemons.len());
            world.start_again(at).await;
        }
        Tick::Hr => {
            world.hr_speaks().await;
            if world.dice.percent(70) {
                let at = world.someone_up().await;
                world.round(at).await;
            }
        }
        Tick::Order => world.somebody_orders().await,
        Tick::StartRun => world.somebody_starts().await,
        Tick::Answer => drop(world.people_answer(false).await),
        Tick::Freeze => world.somebody_freezes().await,
        Tick::Systems => world.systems_change(),
        Tick::ByHand => world.open_by_hand().await,
        Tick::Import => world.resume_import().await,
        Tick::Verify => {
            let store = world.store().await;
            for book in world.books().await {
                checker::truthful(world, &book);
                checker::journal(&store, book.run.id).await;
            }
        }
    }
}

thread_local! {
    /// Whether this thread plays a history: what goes wrong in it is reported once, by whoever asked for it.
    static PLAYING: Cell<bool> = const { Cell::new(false) };
}

/// Panics of histories are not printed where they happen.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |why| {
            // Other threads of the test, and assertions about all histories, are as loud as ever.
            if !PLAYING.get() {
                usual(why);
            }
        }));
    });
}

/// A history on a runtime of its own; what was wrong, if anything.
fn play(seed: u64) -> Result<(u64, Tally), String> {
    hush();
    PLAYING.set(true);
    let played = play_here(seed);
    PLAYING.set(false);
    played
}

fn play_here(seed: u64) -> Result<(u64, Tally), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(history(seed)))).map_err(|why| {
        why.downcast_ref::<String>()
            .cloned()
            .or_else(|| why.downcast_ref::<&str>().map(|why| (*why).to_owned()))
            .unwrap_or_default()
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// A failure, for whoever is to mend it.
fn report(seed: u64, why: &str) -> String {
    let told = told();
    let last = told.len().saturating_sub(40);
    format!(
        "{why}\n\nthe end of this history:\n  {}\n\nIt is the history of seed {seed}:\n  \
         USHER_SEED={seed} cargo test --test sim -- --nocapture\n",
        told[last..].join("\n  ")
    )
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Plays the histories of many seeds, on every core.
fn play_all(seeds: std::ops::Range<u64>) -> Tally {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicUsize::new(0));
    let (whole, broken) = (Mutex::new(Tally::default()), Mutex::new(Vec::<(u64, String)>::new()));
    let began = Instant::now();
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end || failed.load(Ordering::SeqCst) >= ENOUGH_FAILED {
                        return;
                    }
                    match play(seed) {
                        Ok((_, tally)) => whole.lock().expect("unpoisoned").add(&tally),
                        Err(why) => {
                            failed.fetch_add(1, Ordering::SeqCst);
                            broken.lock().expect("unpoisoned").push((seed, report(seed, &why)));
                        }
                    }
                    let played = seed + 1 - seeds.start;
                    if played.is_multiple_of(1000) {
                        println!("{played} histories in {:.0} s", began.elapsed().as_secs_f64());
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().expect("unpoisoned");
    broken.sort();
    let others: String =
        broken.iter().skip(1).map(|(seed, report)| format!("\nseed {seed}: {}", first_line(report))).collect();
    if let Some((_, report)) = broken.first() {
        panic!("{report}{others}");
    }
    whole.into_inner().expect("unpoisoned")
}

#[test]
fn every_history_keeps_the_guarantees() {
    if let Some(seed) = number("USHER_SEED") {
        let played = play(seed);
        println!("{}", told().join("\n"));
        let (_, tally) = played.unwrap_or_else(|why| panic!("{}", report(seed, &why)));
        println!("{}", tally.table());
        return;
    }
    let count = number("USHER_SEEDS").unwrap_or(SEEDS);
    let first = number("USHER_FIRST_SEED").unwrap_or(0);
    let began = Instant::now();
    let tally = play_all(first..first + count);
    println!("{count} histories in {:.0} s:\n{}", began.elapsed().as_secs_f64(), tally.table());
    if count >= ENOUGH {
        assert_eq!(
            tally.missing(),
            Vec::<&str>::new(),
            "these have never happened: the simulation shows nothing about them"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 1_000_000..1_000_040 {
        let once = play(seed).unwrap_or_else(|why| panic!("{}", report(seed, &why)));
        let first = told();
        let again = play(seed).unwrap_or_else(|why| panic!("{}", report(seed, &why)));
        let differs = first.iter().zip(told()).find(|(one, other)| *one != other);
        assert_eq!(once.0, again.0, "seed {seed} gave another history the second time: {differs:?}");
    }
}
