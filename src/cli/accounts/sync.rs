//! `usher accounts sync`

use clap::Args;

use super::super::inventory::{self, Reading};
use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, Exit};
use crate::engine::matching::Unbound;

/// Accounts that belong to nobody known, of those that are shown.
const SHOWN: usize = 20;

/// Reads all accounts of a system, or of all
///
/// What is bound to a person stays so; new accounts find theirs where exactly one matches.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher accounts sync
  usher accounts sync mailhost")]
pub(super) struct Sync {
    /// Only this system
    #[arg(value_name = "SYSTEM")]
    system: Option<String>,
}

impl Sync {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        if let Some(system) = &self.system {
            house.known_system(system)?;
        }
        let wanted = |name: &&String| self.system.as_ref().is_none_or(|only| only == *name);
        let mut readings = Vec::new();
        for system in house.engine.systems().keys().filter(wanted) {
            readings.push(inventory::read(&house, system).await);
        }
        if context.out.is_json() {
            context.out.document(&readings, false)?;
        } else {
            say(context, &readings)?;
        }
        let failed: Vec<&str> = readings
            .iter()
            .filter_map(|reading| match reading {
                Reading::Failed { system, .. } => Some(system.as_str()),
                Reading::Read(_) => None,
            })
            .collect();
        if failed.is_empty() {
            return Ok(Exit::Done);
        }
        Err(CliError::environment("unread", format!("{} cannot be read", failed.join(", ")))
            .help("`usher systems test` tells what is wrong"))
    }
}

fn say(context: &mut Context, readings: &[Reading]) -> Result<(), CliError> {
    let mut table = Table::new(["system", "accounts", "new", "bound now", "whose is not known"]);
    for reading in readings {
        match reading {
            Reading::Read(found) => table.row([
                found.system.as_str().into(),
                Cell::number(found.count.read),
                Cell::number(found.count.new),
                Cell::number(found.matched.bound),
                Cell::number(found.matched.unbound_count),
            ]),
            Reading::Failed { system, error } => {
                table.row([system.as_str().into(), Cell::toned(error, Tone::Bad)]);
            }
        }
    }
    if table.is_empty() {
        context.out.aside("No systems are configured: [systems.NAME] in usher.toml; `usher init` shows how.");
        return Ok(());
    }
    context.out.table(&table)?;
    let unbound = readings.iter().filter_map(|reading| match reading {
        Reading::Read(found) => Some(&found.matched.unbound),
        Reading::Failed { .. } => None,
    });
    let unbound: Vec<&Unbound> = unbound.flatten().collect();
    for one in unbound.iter().take(SHOWN) {
        context.out.aside(format!("{} ({}): {}", one.account, one.login, one.why));
    }
    if !unbound.is_empty() {
        context.out.aside("`usher accounts list --unbound` shows whose is not known; `usher accounts bind` says it.");
    }
    Ok(())
}
