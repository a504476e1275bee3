//! `usher freeze`, `usher unfreeze`

use clap::Args;
use serde_json::{Value, json};

use super::counted::counted;
use super::house::House;
use super::table::Table;
use super::{CliError, Context, Exit, moment};
use crate::run::guard::Freeze;
use crate::run::nearest::way_out;
use crate::store::FreezeRow;

/// Stops destructive steps (or everything) at once
///
/// Once this returns, no step that the freeze covers starts any more, on any daemon. Access cuts go on unless --all is
/// given. What its time comes for is held, and goes on after `usher unfreeze`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher freeze --reason 'wrong file from HR'             nothing is deleted anywhere
  usher freeze --system mailhost --all --reason upgrade  nothing at all happens on mailhost
  usher freeze --list
  usher unfreeze --system mailhost")]
pub struct FreezeCommand {
    #[command(flatten)]
    scope: Scope,
    /// Everything, not only what destroys data: access cuts too
    #[arg(long)]
    all: bool,
    /// Why, for those who find their steps held
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    reason: Option<String>,
    /// Shows the freezes that are on
    #[arg(long, conflicts_with_all = ["reason", "all", "system", "workflow"])]
    list: bool,
}

/// Lifts the freezes of a scope, and lets go what they held
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher unfreeze                    the freezes on everything
  usher unfreeze --system mailhost  those on mailhost")]
pub struct Unfreeze {
    #[command(flatten)]
    scope: Scope,
}

#[derive(Debug, Args)]
struct Scope {
    /// Only on this system
    #[arg(long, value_name = "NAME")]
    system: Option<String>,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME", conflicts_with = "system")]
    workflow: Option<String>,
}

impl FreezeCommand {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let Some(reason) = self.reason else {
            return list(context, &house).await;
        };
        if let Some(system) = &self.scope.system {
            house.known_system(system)?;
        }
        if let Some(workflow) = &self.scope.workflow {
            known_workflow(&house, workflow).await?;
        }
        let freeze = Freeze { system: self.scope.system, workflow: self.scope.workflow, all: self.all, reason };
        let id = house.store().freeze(&freeze, &context.actor()).await?;
        let in_flight = house.store().in_flight_under(&freeze).await?;
        if context.out.is_json() {
            let answer =
                json!({ "id": id.to_string(), "scope": freeze.scope(), "all": freeze.all, "in_flight": in_flight });
            context.out.document(&answer, false)?;
        } else {
            let what = if freeze.all { "no step" } else { "no destructive step" };
            context.out.line(format!("Frozen: {}. From now on {what} of it starts.", freeze.scope()))?;
            for attempt in in_flight {
                context.out.line(format!("  under way, and may still have its effect: {attempt}"))?;
            }
        }
        Ok(Exit::Done)
    }
}

/// A workflow that there is, or that runs are pinned to.
async fn known_workflow(house: &House, name: &str) -> Result<(), CliError> {
    let library = crate::daemon::open_library(&house.config)?;
    let filter = crate::store::RunFilter { workflow: Some(name.to_owned()), limit: Some(1), ..Default::default() };
    if library.workflows.contains_key(name) || !house.store().runs(&filter).await?.is_empty() {
        return Ok(());
    }
    let help = way_out(name, library.workflows.keys().map(String::as_str));
    Err(CliError::not_found(format!("there is no workflow called {name}")).help(help))
}

async fn list(context: &mut Context, house: &House) -> Result<Exit, CliError> {
    let freezes = house.store().freezes().await?;
    if context.out.is_json() {
        let rows: Vec<Value> = freezes.iter().map(|row| document(house, row)).collect();
        context.out.document(&rows, false)?;
    } else if freezes.is_empty() {
        context.out.aside("Nothing is frozen.");
    } else {
        let mut table = Table::new(["scope", "stops", "reason", "set by", "since"]);
        for row in &freezes {
            let stops = if row.freeze.all { "everything" } else { "destructive steps" };
            let since = moment::moment(crate::clock::from_millis(row.set_at), &house.zone);
            let scope = row.freeze.scope();
            let reason = row.freeze.reason.as_str();
            table.row([scope.into(), stops.into(), reason.into(), row.set_by.as_str().into(), since.into()]);
        }
        context.out.table(&table)?;
    }
    Ok(Exit::Done)
}

fn document(house: &House, row: &FreezeRow) -> Value {
    let mut value = json!(row);
    value["id"] = json!(row.id.to_string());
    value["scope"] = json!(row.freeze.scope());
    value["set_at"] = json!(house.millis(row.set_at));
    value
}

impl Unfreeze {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let house = context.record().await?;
        let (system, workflow) = (self.scope.system.as_deref(), self.scope.workflow.as_deref());
        let (lifted, released) = house.store().unfreeze(system, workflow, &context.actor()).await?;
        if lifted == 0 {
            let on: Vec<String> = house.store().freezes().await?.iter().map(|row| row.freeze.scope()).collect();
            let on = if on.is_empty() { "nothing is frozen".to_owned() } else { format!("frozen: {}", on.join(", ")) };
            return Err(CliError::not_found("there is no such freeze").help(on));
        }
        if context.out.is_json() {
            context.out.document(&json!({ "lifted": lifted, "released": released }), false)?;
        } else {
            context.out.line(format!(
                "Lifted {lifted}; {}.",
                counted(released, "step that had been held goes on", "steps that had been held go on")
            ))?;
        }
        Ok(Exit::Done)
    }
}
