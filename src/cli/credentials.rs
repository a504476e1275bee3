//! `usher credentials`

use clap::{Args, Subcommand};
use serde_json::json;

use super::finding::{run_key, step_label};
use super::{CliError, Context, Exit};
use crate::run::book::public_id;

/// Shows credentials that are kept sealed for handing over
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher credentials open run_12 send@directory --reason 'handed to Ada at reception'")]
pub struct Credentials {
    #[command(subcommand)]
    command: CredentialsCommand,
}

#[derive(Debug, Subcommand)]
enum CredentialsCommand {
    /// Shows them once; then they are gone
    Open(Open),
}

/// Shows the credentials that a step keeps, once
///
/// The journal keeps who has opened them, when and why. Afterwards they are gone from the record. They are shown on a
/// terminal only, or as JSON where --json asks for it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher credentials open run_12 send@directory --reason 'handed to Ada at reception'")]
struct Open {
    /// The run
    #[arg(value_name = "RUN")]
    run: String,
    /// The step
    #[arg(value_name = "STEP")]
    step: String,
    /// Why you open them
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Credentials {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let CredentialsCommand::Open(open) = self.command;
        // Before anything is opened: a pipe or a log would keep them.
        if !context.out.is_terminal() && !context.out.is_json() {
            return Err(CliError::refused("no_terminal", "credentials are shown on a terminal only")
                .help("run it on a terminal, or ask for JSON with --json where the reader keeps secrets"));
        }
        let key = run_key(&open.run)?;
        let house = context.record().await?;
        let book = house.engine.look(key).await?;
        let label = step_label(&book, &open.step)?;
        let ordinal = book.find(&label).map_err(|_| CliError::not_found(format!("there is no step {label}")))?;
        let secret = house.store().open_credentials(key, ordinal, &open.reason, &context.actor()).await?;
        if context.out.is_json() {
            let answer = json!({ "run": public_id(key), "step": label, "credentials": secret.expose() });
            context.out.document(&answer, false)?;
        } else {
            context.out.line(format!("{label} of {}:\n\n    {}\n", public_id(key), secret.expose()))?;
            context.out.aside("They are gone from the record now, and the journal keeps that you have them.");
        }
        Ok(Exit::Done)
    }
}
