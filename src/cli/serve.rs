//! `usher serve`

use clap::Args;

use super::{CliError, Context, Exit};
use crate::daemon;

/// Runs the daemon
///
/// Carries out what is due, fires schedules, and answers /health/live and /health/ready, until SIGTERM or SIGINT; then
/// nothing new starts, and what is under way gets up to 25 seconds. One SQLite file has one daemon; one PostgreSQL
/// database any number. The daemon creates the database, and brings an older one up to date.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher serve                                       on 127.0.0.1:7627, or `listen` in [serve]
  USHER__SERVE__LISTEN=127.0.0.1:9000 usher serve
  USHER_LOG=usher::engine=debug usher serve
  curl http://127.0.0.1:7627/health/ready")]
pub struct Serve {}

impl Serve {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let config = context.config()?;
        daemon::serve(&config).await?;
        Ok(Exit::Done)
    }
}
