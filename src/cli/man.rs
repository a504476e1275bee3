//! `usher man`

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use serde_json::json;

use super::{Cli, CliError, Context, Exit};

/// Prints the manual page, or writes one for every command
///
/// Without an option the page usher(1) is printed; it is meant for `man -l -`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher man | man -l -
  usher man --out /usr/local/share/man/man1")]
pub struct Man {
    /// Folder for the pages of all commands
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.out {
            None => print(context),
            Some(folder) => write(context, &context.around.folder.join(folder)),
        }
    }
}

fn print(context: &mut Context) -> Result<Exit, CliError> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
    rendered.map_err(|error| CliError::environment("output", error.to_string()))?;
    context.out.answer(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}

fn write(context: &mut Context, folder: &std::path::Path) -> Result<Exit, CliError> {
    let failed = |error: std::io::Error| {
        CliError::environment("file", format!("the manual cannot be written to {}: {error}", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    if context.out.is_json() {
        context.out.document(&json!({ "folder": folder }), false)?;
    } else {
        context
            .out
            .line(format!("The manual is in {}; `man usher` shows it once it is on MANPATH.", folder.display()))?;
    }
    Ok(Exit::Done)
}
