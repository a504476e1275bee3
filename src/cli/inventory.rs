//! Reading systems into the record: a plan made without an inventory would leave accounts out.

use serde::Serialize;

use super::context::Context;
use super::error::CliError;
use super::house::House;
use crate::engine::inventory::Synced;

/// What became of reading one system.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Reading {
    /// What was found.
    Read(Synced),
    /// Why it could not be read.
    Failed { system: String, error: String },
}

/// Reads one system.
pub(super) async fn read(house: &House, system: &str) -> Reading {
    match house.engine.sync(system).await {
        Ok(found) => Reading::Read(found),
        Err(error) => Reading::Failed { system: system.to_owned(), error },
    }
}

/// Reads every configured system that has never been read.
///
/// # Errors
/// When one of them cannot be read: its accounts would be missing from the plan.
pub(super) async fn read_unread(context: &mut Context, house: &House) -> Result<(), CliError> {
    let unread = unread(context, house).await?;
    if unread.is_empty() {
        return Ok(());
    }
    let message = format!("the accounts of {} have never been read", unread.join(", "));
    Err(CliError::environment("unread", message)
        .help("a plan made without them would leave them out")
        .help("`usher systems test` tells what is wrong"))
}

/// As [`read_unread`], but goes on without those that cannot be read, and names them.
pub(super) async fn unread(context: &mut Context, house: &House) -> Result<Vec<String>, CliError> {
    let known = house.store().accounts_by_system().await?;
    let mut unread = Vec::new();
    for system in house.engine.systems().keys().filter(|system| !known.contains_key(*system)) {
        if let Reading::Failed { error, .. } = read(house, system).await {
            context.out.aside(format!("The accounts of {system} cannot be read: {error}"));
            unread.push(system.clone());
        }
    }
    Ok(unread)
}
