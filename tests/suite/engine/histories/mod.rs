//! Guarantee 10 for whole histories: hired, changed, leaving, moved, staying, hired again, in every order. Told twice,
//! dealt with at once or later, worked off at once or later: the end is the same, nobody employed loses an account,
//! nothing is lost.
//!
//! Everybody in a town has a history of their own, so one year of the clock plays thousands.
//!
//!     USHER_HISTORIES=1000000 cargo test --release --test suite engine::histories::random_ones_on_sqlite -- --nocapture
//!     USHER_ORDERS=5 cargo test --release --test suite engine::histories::every_order_on_sqlite -- --nocapture
//!
//! The first plays a million random ones (`USHER_SEED` gives others), the second all orders of up to five words. The
//! suite plays some hundreds.

#![expect(clippy::print_stdout, reason = "what is played is for people")]

mod town;
mod words;

use town::{Pace, Town};
use words::{History, every_order, random};

use crate::database::Db;

/// People in one town.
const TOWN: usize = 1000;

/// Every history at each pace: the same end for all.
async fn play(db: Db, histories: &[History], seed: u64) {
    for (n, some) in histories.chunks(TOWN).enumerate() {
        println!("{} of {} histories", n * TOWN, histories.len());
        let expected = Town::new(db, some, Pace::AtOnce).await.live().await;
        for pace in [Pace::Late, Pace::Asleep, Pace::Dice(seed + n as u64)] {
            let found = Town::new(db, some, pace).await.live().await;
            for (stage, (expected, found)) in expected.iter().zip(&found).enumerate() {
                for (who, history) in some.iter().enumerate() {
                    let who = format!("{who:06}");
                    let (expected, found) = (expected.get(&who), found.get(&who));
                    assert_eq!(expected, found, "{history:?} at stage {stage}: at once, and {pace:?} (seed {seed})");
                }
            }
        }
    }
}

fn told(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|told| told.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn every_order_on_sqlite() {
    let most = usize::try_from(told("USHER_ORDERS", 2)).expect("a small number");
    play(Db::Sqlite, &every_order(most), 1).await;
}

#[tokio::test]
async fn every_order_on_postgres() {
    play(Db::Postgres, &every_order(1), 1).await;
}

#[tokio::test]
async fn random_ones_on_sqlite() {
    let (count, seed) = (told("USHER_HISTORIES", 200), told("USHER_SEED", 1));
    let mut played = 0;
    while played < count {
        let some = TOWN.min(usize::try_from(count - played).expect("a count"));
        let seed = seed.wrapping_add(played);
        play(Db::Sqlite, &random(seed, some), seed).await;
        played += some as u64;
        println!("{played} random histories, each at four paces");
    }
}

#[tokio::test]
async fn random_ones_on_postgres() {
    play(Db::Postgres, &random(7, 30), 7).await;
}
