//! `usher completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError, Context, Exit};

/// Prints the completion script of a shell
///
/// Load it from your shell's start-up file, or put it where your shell looks for completions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher completions bash > /etc/bash_completion.d/usher
  usher completions zsh > ~/.zfunc/_usher
  usher completions fish > ~/.config/fish/completions/usher.fish")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "usher", &mut script);
        context.out.answer(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
