//! `usher run list`

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

use super::super::house::House;
use super::super::table::{Cell, Table};
use super::super::{CliError, Context, Exit, moment, tones};
use crate::run::RunState;
use crate::store::{RunFilter, RunRow};

/// Lists runs, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run list --state needs_attention
  usher run list --person 1005
  usher run list --json | jq -r '.[].id'")]
pub(super) struct List {
    /// In this state
    #[arg(long, value_parser = states())]
    state: Option<RunState>,
    /// About this person
    #[arg(long, value_name = "KEY")]
    person: Option<String>,
    /// Of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
}

fn states() -> impl TypedValueParser<Value = RunState> {
    let words = PossibleValuesParser::new(RunState::ALL.map(RunState::as_str));
    words.try_map(|word| RunState::from_name(&word).ok_or("no state"))
}

impl List {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        if let Some(person) = &self.person {
            house.person(person).await?;
        }
        let filter = RunFilter {
            state: self.state,
            person: self.person,
            workflow: self.workflow,
            limit: Some(self.limit),
            ..RunFilter::default()
        };
        let runs = house.store().runs(&filter).await?;
        if context.out.is_json() {
            let rows: Vec<Value> = runs.iter().map(|run| document(&house, run)).collect();
            context.out.document(&rows, false)?;
        } else if runs.is_empty() {
            context.out.aside("There are no such runs.");
        } else {
            context.out.table(&table(&house, &runs))?;
            if i64::try_from(runs.len()).is_ok_and(|count| count == self.limit) {
                context.out.aside(format!("These are the newest {}; --limit shows more.", self.limit));
            }
        }
        Ok(Exit::Done)
    }
}

/// Runs as a table.
pub(in crate::cli) fn table(house: &House, runs: &[RunRow]) -> Table {
    let mut table = Table::new(["run", "workflow", "about", "state", "started", "next due", "asked by"]);
    let at = |millis: i64| moment::moment(crate::clock::from_millis(millis), &house.zone);
    for run in runs {
        table.row([
            run.id.as_str().into(),
            run.workflow.as_str().into(),
            run.subject.as_str().into(),
            Cell::toned(run.state.as_str(), tones::run(run.state)),
            at(run.started_at).into(),
            run.next_due.map(at).unwrap_or_default().into(),
            run.asked_by.as_str().into(),
        ]);
    }
    table
}

/// A run of a list as JSON.
pub(in crate::cli) fn document(house: &House, run: &RunRow) -> Value {
    json!({
        "id": run.id,
        "workflow": run.workflow,
        "subject": run.subject,
        "state": run.state,
        "trigger": run.trigger,
        "asked_by": run.asked_by,
        "started_at": house.millis(run.started_at),
        "ended_at": run.ended_at.map(|at| house.millis(at)),
        "next_due": run.next_due.map(|at| house.millis(at)),
        "archived_at": run.archived_at.map(|at| house.millis(at)),
    })
}
