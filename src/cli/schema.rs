//! `usher schema`

use clap::{Args, ValueEnum};

use super::{CliError, Context, Exit};
use crate::{config, workflow};

/// Prints the JSON Schema of workflow files, or of the configuration
///
/// Editors that know YAML complete and check a workflow file by it: `usher init` writes workflows/schema.json, which the
/// first line of every shipped file names. Likewise usher.schema.json beside usher.toml. What needs a file as a whole is for
/// `usher check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher schema > workflows/schema.json   then `# yaml-language-server: $schema=./schema.json` in a workflow
  usher schema config > usher.schema.json  then `#:schema ./usher.schema.json` in usher.toml")]
pub struct Schema {
    /// Which files
    #[arg(value_enum, default_value = "workflow")]
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// Workflow files
    Workflow,
    /// usher.toml
    Config,
}

impl Schema {
    pub(super) fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.of {
            Of::Workflow => context.out.document(&workflow::schema::schema(), false)?,
            Of::Config => context.out.document(&config::schema(), false)?,
        }
        Ok(Exit::Done)
    }
}
