//! Answers to a command line that is none, and the page that `--help` ends with.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::error::{CliError, Exit};
use super::output::Output;

/// What `usher --help` ends with.
pub(super) const TOP: &str = "\
Exit codes:
  0  done
  1  the thing asked about is not right
  2  usage or configuration
  3  not found
  4  refused by a rule: a guard, a state, a missing permission
  5  the environment: database, file, network
  130  stopped with Ctrl-C before it was done

Environment:
  USHER__SECTION__KEY  a key of the configuration, over its files (USHER__SERVE__LISTEN)
  USHER_DATA_DIR       where data lives by default
  USHER_LOG            what is logged, as `info` or `usher::engine=debug`
  NO_COLOR             no colour";

/// Says what clap has to say: help on stdout, mistakes on stderr (as JSON with `--json`).
pub(super) fn answer(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked || !arguments.iter().any(|argument| argument == "--json") {
        // A reader who has gone away needs no help.
        drop(error.print());
        return if asked { Exit::Done } else { Exit::Usage };
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines.next().unwrap_or("usage").trim_start_matches("error: ").to_owned();
    let usage = lines.map(|line| line.trim_start_matches("tip: ").to_owned());
    Output::standard(true).error(&usage.fold(CliError::usage(message), CliError::help))
}
