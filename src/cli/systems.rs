//! `usher systems list`, `usher systems test`

use clap::{Args, Subcommand};
use serde_json::json;

use super::counted::counted;
use super::table::{Cell, Table, Tone};
use super::{CliError, Context, Exit};
use crate::connectors::Connector;
use crate::run::Capability;
use crate::workflow::{ActionKind, Place};

/// Lists the configured systems, and tests them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher systems list
  usher systems test mailhost")]
pub struct Systems {
    #[command(subcommand)]
    command: SystemsCommand,
}

#[derive(Debug, Subcommand)]
enum SystemsCommand {
    /// Lists the systems: what they offer, and what a person must do there
    List(List),
    /// Tests whether systems answer, and with which rights; exit code 1 where one does not
    Test(Test),
}

/// Lists the systems: what they offer, and what a person must do there
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher systems list --json | jq '.[].manual'")]
struct List {}

/// Tests whether systems answer, and with which rights; exit code 1 where one does not
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher systems test
  usher systems test mailhost")]
struct Test {
    /// Only this one
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Systems {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        match self.command {
            SystemsCommand::List(_) => list(context).await,
            SystemsCommand::Test(test) => test.run(context).await,
        }
    }
}

/// Names of the actions that a system answers for in one way.
fn actions(connector: &Connector, wanted: impl Fn(&Capability) -> bool) -> Vec<&'static str> {
    let kinds = ActionKind::ALL.iter().filter(|kind| kind.place() != Place::House);
    kinds.filter(|kind| wanted(&connector.capability(**kind, None))).map(|kind| kind.name()).collect()
}

async fn list(context: &mut Context) -> Result<Exit, CliError> {
    let house = context.house().await?;
    let accounts = house.store().accounts_by_system().await?;
    let mut table = Table::new(["system", "kind", "offers", "accounts", "does", "by a person"]);
    let mut rows = Vec::new();
    for (name, connector) in house.engine.systems() {
        let kind = house.config.systems.get(name).map_or("", |settings| settings.kind.as_str());
        let facets: Vec<&str> = connector.facets().iter().map(|facet| facet.as_str()).collect();
        let does = actions(connector, |c| matches!(c, Capability::Supported | Capability::Degraded(_)));
        let manual = actions(connector, |c| matches!(c, Capability::Manual(_)));
        let known = accounts.get(name).copied().unwrap_or(0);
        table.row([
            name.as_str().into(),
            kind.into(),
            facets.join(", ").into(),
            Cell::number(known),
            counted(does.len(), "action", "actions").into(),
            manual.join(", ").into(),
        ]);
        let degraded = actions(connector, |c| matches!(c, Capability::Degraded(_)));
        rows.push(json!({ "name": name, "kind": kind, "facets": facets, "accounts": known, "supported": does,
            "degraded": degraded, "manual": manual }));
    }
    if context.out.is_json() {
        context.out.document(&rows, false)?;
    } else if table.is_empty() {
        context.out.aside("No systems are configured: [systems.NAME] in usher.toml; `usher init` shows how.");
    } else {
        context.out.table(&table)?;
    }
    Ok(Exit::Done)
}

impl Test {
    async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        if let Some(name) = &self.name {
            house.known_system(name)?;
        }
        let mut table = Table::new(["system", "answers", "found"]);
        let mut rows = Vec::new();
        let mut all_well = true;
        let wanted = |name: &&String| self.name.as_ref().is_none_or(|only| only == *name);
        for name in house.engine.systems().keys().filter(wanted) {
            let Some(connector) = house.engine.systems().get(name) else { continue };
            let reach = connector.test().await;
            all_well &= reach.ok;
            let verdict = if reach.ok { Cell::toned("ok", Tone::Good) } else { Cell::toned("bad", Tone::Bad) };
            table.row([name.as_str().into(), verdict, reach.findings.join("; ").into()]);
            rows.push(json!({ "name": name, "ok": reach.ok, "findings": reach.findings }));
        }
        if context.out.is_json() {
            context.out.document(&rows, false)?;
        } else if table.is_empty() {
            context.out.aside("No systems are configured.");
        } else {
            context.out.table(&table)?;
        }
        Ok(if all_well { Exit::Done } else { Exit::NotRight })
    }
}
