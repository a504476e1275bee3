//! Months that pass: the clock goes from one due time to the next, and people do what waits for them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use usher::run::book::parse_public_id;

use crate::harness::App;

impl App {
    /// Lives until `end`: approvals are given, tasks done and what failed is tried again as soon as it waits.
    pub async fn live_until(&self, end: Timestamp) {
        for _ in 0..10_000 {
            self.drain().await;
            if self.people_act().await > 0 {
                continue;
            }
            match self.store.next_due().await.expect("reads").filter(|due| *due <= end) {
                Some(next) => self.walk_to(next.max(self.now())).await,
                None => return self.clock.set(end),
            }
        }
        panic!("it does not come to an end");
    }

    /// Answers how much they did.
    async fn people_act(&self) -> usize {
        let mut acted = 0;
        for waiting in self.store.waiting(100_000).await.expect("what waits") {
            let run = parse_public_id(&waiting.run).expect("an id");
            let step = &waiting.step;
            acted += usize::from(match waiting.state {
                "awaiting_approval" => {
                    let typed = waiting.confirm.clone().unwrap_or_default();
                    self.engine.approve(run, step, &typed, "os:approver").await.is_ok()
                }
                "awaiting_person" => {
                    let all = (1..=waiting.items.len()).collect::<BTreeSet<_>>();
                    self.engine.task_done(run, step, &all, None, "os:colleague").await.is_ok()
                }
                "failed" => self.engine.retry(run, step, "it is back", "os:admin").await.is_ok(),
                _ => false,
            });
        }
        acted
    }
}
