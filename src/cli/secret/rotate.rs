//! `usher secret rotate-key`

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::super::counted::counted;
use super::super::house::House;
use super::super::{CliError, Context, Exit};
use crate::clock;
use crate::secret::KeyFileError;
use crate::store::{Pass, Store};

/// How long the daemons have to read a new key. They look once a second.
const PATIENCE: Duration = Duration::from_secs(15);

/// Passes over the record before one gives up: what others have in hand is passed over.
const MOST_PASSES: usize = 20;

/// Changes the master key while daemons are at work
///
/// A new key comes into the key file beside the old one; every daemon reads it; what is new is sealed by it, and what is
/// there is wrapped anew, a few rows at a time. Both keys open until then. Run it again where it was stopped: it goes
/// on. Copies of the database from before need the old key: it stays in the file until --drop-old takes it out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher secret rotate-key
  usher secret rotate-key --drop-old

With [keys] secret, usher cannot write the key: add a line `2 DIGITS` (of `openssl rand -hex 32`) to it, start the
daemons again, and run this.")]
pub(super) struct RotateKey {
    /// Makes no new key; takes the old ones out of the key file, once nothing needs them
    #[arg(long)]
    drop_old: bool,
}

impl RotateKey {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let before = house.store().keys().wrapping();
        if !self.drop_old {
            begin(&house).await?;
        }
        let rewrapped = wrap_anew(house.store()).await?;
        let keys = house.store().keys();
        let dropped = if self.drop_old { keys.drop_old_keys().map_err(failed)? } else { Vec::new() };
        let now = keys.wrapping();
        if context.out.is_json() {
            let told = json!({ "key": now, "before": before, "rewrapped": rewrapped, "dropped": dropped, "keys": keys.versions() });
            context.out.document(&told, false)?;
        } else if self.drop_old {
            let gone: Vec<String> = dropped.iter().map(ToString::to_string).collect();
            let gone = if gone.is_empty() {
                "no other key was there".to_owned()
            } else {
                format!("gone: {}", gone.join(", "))
            };
            context.out.line(format!("Master key {now} is the only one now ({gone})."))?;
        } else {
            context.out.line(format!(
                "Master key {now} has taken the place of {before}: {} wrapped anew.",
                counted(rewrapped, "data key is", "data keys are")
            ))?;
            context.out.aside("Copy the key file to a safe place. The old key opens older copies of the database; `usher secret rotate-key --drop-old` takes it out.");
        }
        Ok(Exit::Done)
    }
}

/// Up to the moment when the new key wraps what is new.
async fn begin(house: &House) -> Result<(), CliError> {
    let (store, keys) = (house.store(), house.store().keys());
    // One that was made and never came into use is used now.
    let (version, _) = keys.newest();
    let version = if version > keys.wrapping() { version } else { keys.add_key().map_err(failed)? };
    store.announce_key(version).await?;
    let began = Instant::now();
    loop {
        let without = store.daemons_without(version, house.daemon_runs().await?).await?;
        if without == 0 {
            break;
        }
        if began.elapsed() > PATIENCE {
            let message = format!(
                "{} not have master key {version} yet; nothing is sealed by it",
                counted(without, "daemon does", "daemons do")
            );
            return Err(CliError::refused("key_missing", message)
                .help("copy the key file to their machines (they read it by themselves), or give them the new [keys] secret and start them again")
                .help("then run `usher secret rotate-key` again: it goes on with this key"));
        }
        clock::pause(Duration::from_millis(100)).await;
    }
    Ok(store.wrap_with_newest().await?)
}

/// Wraps everything anew; answers how many data keys were.
async fn wrap_anew(store: &Store) -> Result<u64, CliError> {
    let mut rewrapped = 0;
    for _ in 0..MOST_PASSES {
        let mut pass = Some(Pass::default());
        while let Some(at) = pass {
            let (some, next) = store.rewrap_some(at).await?;
            rewrapped += some;
            pass = next;
        }
        if store.wrapped_otherwise().await? == 0 {
            return Ok(rewrapped);
        }
        clock::pause(Duration::from_millis(200)).await;
    }
    Err(CliError::environment("conflict", "some rows are in use all the time and still need the old key")
        .help("the daemon goes on with them by itself; run it again to see that all are done"))
}

fn failed(error: KeyFileError) -> CliError {
    match error {
        KeyFileError::NoFile => CliError::refused("key_not_in_a_file", error.to_string()),
        other => CliError::environment("key", other.to_string()),
    }
}
