//! Steps that a guard has held go on once what stopped them is gone.

use std::sync::Arc;

use super::books::{Hold, Loaded};
use super::{Store, StoreError, Tx};
use crate::run::advance::advance;
use crate::run::book::Step;
use crate::run::journal::Fact;
use crate::run::{HoldReason, StepEvent, StepState};

/// Runs with a step that is held for a reason like `$1`. (The first condition is that of the index.)
pub(super) const HELD: &str = "SELECT DISTINCT run_id FROM steps
     WHERE state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person') AND state = 'held' AND data LIKE $1
     ORDER BY run_id";

/// Runs that one transaction takes in hand.
const AT_ONCE: usize = 200;

impl Store {
    /// Waits for the claims that are being written, and keeps others waiting until this transaction ends: what it
    /// changes, the claims after it see. Without that, READ COMMITTED would let a claim pass that began before a stop
    /// and is written after it. (Every claim holds the same row shared; see `bar_freezes`.) It must not take a run in
    /// hand: a claim has its runs before this row.
    pub(super) async fn bar_claims(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let session = self.session(tx).await?;
        self.unhindered(session, self.take_keys(tx, "freeze", 0)).await?;
        Ok(())
    }

    /// Lets go every step that is held for a reason with this code that `free` agrees to: it is judged again at its
    /// claim, and held again where something else stops it. What a person has ordered for it is said in the journal of
    /// each run. Answers how many steps there were.
    pub(super) async fn let_go(
        &self,
        code: &str,
        by: &str,
        ordered: Option<(&str, &str)>,
        free: impl Fn(&Step, &HoldReason) -> bool + Send,
    ) -> Result<usize, StoreError> {
        let mut conn = self.reader().await?;
        let reason = format!("%\"guard\":\"{code}\"%");
        let runs: Vec<i64> = sqlx::query_scalar(HELD).bind(reason).fetch_all(&mut *conn).await?;
        drop(conn);
        let by: Arc<str> = Arc::from(by);
        let mut released = 0;
        for runs in runs.chunks(AT_ONCE) {
            let mut tx = self.begin().await?;
            let mut books = self.load(tx.conn(), runs, Hold::WaitReadable).await?;
            for loaded in &mut books {
                released += self.let_go_of(loaded, &by, ordered, &free, tx.now)?;
            }
            self.flush(&mut tx, &mut books, None).await?;
            self.commit(tx).await?;
        }
        Ok(released)
    }

    fn let_go_of(
        &self,
        loaded: &mut Loaded,
        by: &Arc<str>,
        ordered: Option<(&str, &str)>,
        free: impl Fn(&Step, &HoldReason) -> bool,
        now: jiff::Timestamp,
    ) -> Result<usize, StoreError> {
        let book = &mut loaded.book;
        let held: Vec<(u16, jiff::Timestamp)> = book
            .steps
            .iter()
            .filter(|step| matches!(&step.state, StepState::Held { reason, .. } if free(step, reason)))
            .map(|step| (step.ordinal, step.not_before(now)))
            .collect();
        if held.is_empty() {
            return Ok(0);
        }
        if let Some((order, reason)) = ordered {
            let fact = Fact::Ordered { order: order.to_owned(), reason: reason.to_owned() };
            book.say(None, fact, by, now);
        }
        for (ordinal, due) in &held {
            book.apply(*ordinal, StepEvent::Released { due: *due }, by, now)?;
        }
        let holidays = self.holidays_of(book);
        advance(book, holidays, by, now)?;
        Ok(held.len())
    }
}
