//! Accounts that were not there when their steps were planned: what a run's `account.create` has made, or what a sync
//! has found meanwhile, is bound to the steps at their claim.

use std::collections::BTreeMap;

use sqlx::Row;

use super::books::Loaded;
use super::turn::usher;
use super::{Store, StoreError, Tx};
use crate::run::book::{Book, Step};
use crate::run::{HoldReason, SkipReason, StepEvent, StepState};
use crate::workflow::{ActionKind, Place};

impl Store {
    /// Gives every open step that was planned without an account the one that its person has there now. Before the
    /// desk is read, so that verdicts, locks and leases count for it as for any other.
    pub(super) async fn bind_late(&self, tx: &mut Tx, books: &mut [Loaded]) -> Result<(), StoreError> {
        for loaded in books {
            let book = &mut loaded.book;
            let waiting: Vec<u16> =
                book.steps.iter().filter(|step| is_unbound(step)).map(|step| step.ordinal).collect();
            let (Some(person), false) = (book.run.person, waiting.is_empty()) else { continue };
            let there = accounts_there(tx, person).await?;
            for ordinal in waiting {
                let system = book.step(ordinal).and_then(|step| step.system.as_deref());
                // One of several is not chosen by chance: the step says so when its turn comes.
                if let Some([(account, external)]) = system.and_then(|system| there.get(system)).map(Vec::as_slice) {
                    book.bind(ordinal, *account, external, &usher(), tx.now);
                }
            }
        }
        Ok(())
    }
}

async fn accounts_there(tx: &mut Tx, person: i64) -> Result<BTreeMap<String, Vec<(i64, String)>>, StoreError> {
    let rows = sqlx::query(
        "SELECT system, id, external_id FROM accounts WHERE person_id = $1 AND status <> 'purged' ORDER BY system, id",
    )
    .bind(person)
    .fetch_all(tx.conn())
    .await?;
    let mut there: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for row in rows {
        there.entry(row.try_get(0)?).or_default().push((row.try_get(1)?, row.try_get(2)?));
    }
    Ok(there)
}

/// An open step about an account that it does not have yet. An `account.create` whose end nobody knows is asked
/// first: what is there may be its own work.
fn is_unbound(step: &Step) -> bool {
    let open = matches!(
        step.state,
        StepState::Blocked | StepState::Waiting { .. } | StepState::Held { .. } | StepState::Unknown { .. }
    );
    let wants = match step.action.place() {
        Place::Account | Place::On(_) => true,
        Place::System => step.action == ActionKind::AccountCreate && !matches!(step.state, StepState::Unknown { .. }),
        Place::House => false,
    };
    open && wants && step.account.is_none() && step.system.is_some()
}

/// What becomes of a step whose turn has come and which still has no account.
pub(super) fn without_account(book: &Book, step: &Step, now: jiff::Timestamp) -> Option<StepEvent> {
    let system = step.system.as_deref().filter(|_| step.action != ActionKind::AccountCreate && is_unbound(step))?;
    let made = book.steps.iter().any(|other| {
        other.action == ActionKind::AccountCreate
            && other.system.as_deref() == Some(system)
            && matches!(other.state, StepState::Done { .. })
    });
    Some(if made {
        let why = format!(
            "which account on {system} is meant cannot be said: none or several are bound to the person; \
             `usher accounts sync` reads them, `usher accounts bind` decides, then `usher step retry`"
        );
        StepEvent::Held { reason: HoldReason::Missing(why) }
    } else {
        StepEvent::Skipped { at: now, reason: SkipReason::NotApplicable(format!("no account on `{system}`")) }
    })
}
