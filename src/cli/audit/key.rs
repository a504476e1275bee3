//! `usher audit key`

use clap::Args;
use serde_json::json;

use super::super::{CliError, Context, Exit};

/// Prints the public key that checkpoints are verified with
///
/// Keep it where the exports go: with it and an export somebody else can verify that nothing was changed, without this
/// machine. It is in the form of verifier keys of signed notes, NAME+HASH+BASE64.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher audit key > usher-checkpoints.pub")]
pub(super) struct Key {}

impl Key {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let key = house.store().note_signer().await?.verifier().to_string();
        if context.out.is_json() {
            context.out.document(&json!({ "key": key }), false)?;
        } else {
            context.out.line(key)?;
        }
        Ok(Exit::Done)
    }
}
