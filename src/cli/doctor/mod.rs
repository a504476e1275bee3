//! `usher doctor`

mod record;
mod setup;
mod watch;

use clap::Args;
use serde::Serialize;

use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit};

/// Tells what is wrong with this set-up, and how to mend it
///
/// Configuration, workflows, key, database, clock, daemon, systems, archive, mail, and the work itself: each line is ok, warn or
/// bad. Nothing is changed; where archives go, a small file is written and taken away again. Exit code 1 when something is bad.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher doctor
  usher doctor --json | jq '.checks[] | select(.verdict == \"bad\")'")]
pub struct Doctor {}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Check {
    what: String,
    verdict: Verdict,
    found: String,
    help: Option<String>,
}

impl Check {
    fn new(verdict: Verdict, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict, found: found.into(), help: None }
    }

    fn ok(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, what, found)
    }

    fn warn(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, what, found)
    }

    fn bad(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Verdict::Bad, what, found)
    }

    /// What went wrong, with the error's own ways out.
    fn failed(what: impl Into<String>, error: impl Into<CliError>) -> Self {
        let error = error.into();
        let help = Some(error.help.join("; ")).filter(|help| !help.is_empty());
        Self { help, ..Self::bad(what, error.message) }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Doctor {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let (config, mut checks) = setup::configuration(context);
        checks.push(setup::workflows(&config));
        checks.push(setup::key(&config));
        let record = record::open(context, &config).await;
        let store = record.as_ref().ok();
        checks.extend(setup::systems(&config, store).await);
        checks.push(setup::archive(&config, store).await);
        checks.extend(setup::mail(&config, store).await);
        checks.extend(watch::webhook(&config, store).await);
        match record {
            Ok(store) => checks.extend(record::record(&config, &store).await),
            Err(found) => checks.push(found),
        }
        let sick = checks.iter().any(|check| check.verdict == Verdict::Bad);
        if context.out.is_json() {
            context.out.document(&serde_json::json!({ "ok": !sick, "checks": checks }), false)?;
        } else {
            context.out.table(&table(&checks))?;
        }
        Ok(if sick { Exit::NotRight } else { Exit::Done })
    }
}

fn table(checks: &[Check]) -> Table {
    let mut table = Table::new(["", "what", "found", "way out"]);
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => Cell::toned("ok", Tone::Good),
            Verdict::Warn => Cell::toned("warn", Tone::Warn),
            Verdict::Bad => Cell::toned("bad", Tone::Bad),
        };
        let help = check.help.as_deref().unwrap_or_default();
        table.row([verdict, check.what.as_str().into(), check.found.as_str().into(), help.into()]);
    }
    table
}
