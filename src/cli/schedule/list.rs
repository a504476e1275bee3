//! `usher schedule list`

use clap::Args;
use serde_json::{Value, json};

use super::super::table::Table;
use super::{CliError, Context, Exit, House};
use crate::cli::moment::moment;
use crate::intake::schedules::{Standing, standing};
use crate::run::book::public_id;
use crate::workflow::{Missed, Schedule, Workflow};

/// How many of the coming ticks are shown.
const COMING: usize = 3;

/// Lists scheduled workflows: when each runs next, when it last did, and what that started
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher schedule list
  usher schedule list --json | jq -r '.[].next[0]'")]
pub(super) struct List {}

impl List {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.house().await?;
        let mut table = Table::new(["workflow", "cron", "zone", "next", "last", "started"]);
        let mut rows = Vec::new();
        for workflow in house.engine.library().values() {
            let Some(schedule) = &workflow.triggers.schedule else { continue };
            let Some(found) = standing(&house.engine, workflow, COMING).await? else { continue };
            let (last, started) = last(&house, &found);
            table.row([
                workflow.name.as_str().into(),
                schedule.cron.as_str().into(),
                found.zone.as_str().into(),
                next(&house, &found).into(),
                last.into(),
                started.into(),
            ]);
            rows.push(document(&house, workflow, schedule, &found));
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

/// The next tick, or why there is none.
fn next(house: &House, found: &Standing) -> String {
    match (&found.paused, found.next.first()) {
        (Some(pause), _) => format!("paused by {}: {}", pause.by, pause.reason),
        (None, Some(tick)) => moment(*tick, &house.zone),
        (None, None) => "never".to_owned(),
    }
}

fn last(house: &House, found: &Standing) -> (String, String) {
    let Some((tick, runs, first)) = found.last else { return ("not yet".to_owned(), String::new()) };
    let started = match (runs, first.map(public_id)) {
        (1, Some(run)) => run,
        (runs, Some(run)) => format!("{runs} runs from {run} on"),
        (_, None) => "nothing".to_owned(),
    };
    (moment(tick, &house.zone), started)
}

fn document(house: &House, workflow: &Workflow, schedule: &Schedule, found: &Standing) -> Value {
    let missed = match schedule.missed {
        Missed::Once => "once",
        Missed::All => "all",
        Missed::Skip => "skip",
    };
    json!({
        "workflow": workflow.name,
        "cron": schedule.cron,
        "timezone": found.zone,
        "missed": missed,
        "for_each": workflow.for_each.as_ref().map(ToString::to_string),
        "next": found.next.iter().map(|tick| house.instant(*tick)).collect::<Vec<_>>(),
        "last": found.last.map(|(tick, runs, first)| json!({
            "tick": house.instant(tick), "runs": runs, "first_run": first.map(public_id) })),
        "paused": found.paused.as_ref().map(|pause| json!({
            "by": pause.by, "reason": pause.reason, "at": house.instant(pause.at) })),
    })
}
