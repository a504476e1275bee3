//! `usher schedule list`

use clap::{Args, Subcommand};
use serde_json::json;

use super::table::Table;
use super::{CliError, Context, Exit, moment};
use crate::intake::schedules::next_tick;

/// Shows which workflows run by the calendar
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher schedule list")]
pub struct Schedule {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Lists scheduled workflows, and when each runs next
    List(List),
}

/// Lists scheduled workflows, and when each runs next
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  usher schedule list --json | jq -r '.[].next'")]
struct List {}

impl Schedule {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let ScheduleCommand::List(List {}) = self.command;
        let house = context.house().await?;
        let mut table = Table::new(["workflow", "cron", "zone", "next"]);
        let mut rows = Vec::new();
        for workflow in house.engine.library().values() {
            let Some(schedule) = &workflow.triggers.schedule else { continue };
            let next = next_tick(&house.engine, workflow).await?;
            let zone = schedule.timezone.as_deref().unwrap_or(house.engine.zone());
            let shown = next.map(|at| moment::moment(at, &house.zone)).unwrap_or_else(|| "never".to_owned());
            table.row([workflow.name.as_str().into(), schedule.cron.as_str().into(), zone.into(), shown.into()]);
            rows.push(json!({ "workflow": workflow.name, "cron": schedule.cron, "timezone": zone,
                "next": next.map(|at| house.instant(at)) }));
        }
        if context.out.is_json() {
            context.out.document(&rows, false)?;
        } else if table.is_empty() {
            context.out.aside("No workflow has a schedule.");
        } else {
            context.out.table(&table)?;
        }
        Ok(Exit::Done)
    }
}
