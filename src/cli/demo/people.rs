//! The people of the demo: they do what usher asks of them, as it asks them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::CliError;
use super::stage::Stage;
use crate::connectors::{Call, Connector};
use crate::run::book::{Book, Step, parse_public_id};
use crate::store::Waiting;

/// Who they are in the journal.
const WHO: &str = "demo:colleague";

/// Does everything that waits for a person; false when nothing does.
pub(super) async fn act(stage: &Stage) -> Result<bool, CliError> {
    let mut acted = false;
    for waiting in stage.store().waiting(1000).await? {
        let Some(run) = parse_public_id(&waiting.run) else { continue };
        acted |= match waiting.state {
            "awaiting_approval" => approve(stage, run, &waiting).await?,
            "awaiting_person" => task(stage, run, &waiting).await?,
            // Held and failed steps are nobody's to wave through: the demo ends with them, and says so.
            _ => false,
        };
    }
    Ok(acted)
}

async fn approve(stage: &Stage, run: i64, waiting: &Waiting) -> Result<bool, CliError> {
    let typed = waiting.confirm.clone().unwrap_or_default();
    stage.engine.approve(run, &waiting.step, &typed, WHO).await?;
    Ok(true)
}

async fn task(stage: &Stage, run: i64, waiting: &Waiting) -> Result<bool, CliError> {
    let book = stage.engine.look(run).await?;
    let step = book.find(&waiting.step).ok().and_then(|ordinal| book.step(ordinal));
    if let Some(step) = step.filter(|step| step.account.is_some()) {
        by_hand(stage, &book, step).await?;
    }
    stage.engine.task_done(run, &waiting.step, &BTreeSet::new(), None, WHO).await?;
    Ok(true)
}

/// A task on a system that usher cannot reach is done there by hand, as the instruction says.
async fn by_hand(stage: &Stage, book: &Book, step: &Step) -> Result<(), CliError> {
    let system = step.system.as_ref().and_then(|name| stage.engine.systems().get(name));
    let account = match step.account {
        Some(id) => stage.store().account(id).await?,
        None => None,
    };
    if let (Some(Connector::Sandbox(system)), Some(account)) = (system, account) {
        let now: Timestamp = stage.store().now().await?;
        let call = Call {
            action: step.action,
            with: serde_json::Map::new(),
            account: Some(account.external_id),
            idempotency_key: format!("{}/{}", book.run.public_id(), step.label()),
            fence: step.attempts,
            now,
        };
        system.by_hand(&call).map_err(|error| CliError::environment("sandbox", error.to_string()))?;
    }
    Ok(())
}
