//! `usher run start`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::about::About;
use super::super::counted::counted;
use super::super::house::House;
use super::super::inventory::read_unread;
use super::super::outlook::Outlook;
use super::super::{CliError, Context, Exit, moment};
use crate::engine::trigger::{Request, SubjectRef};
use crate::run::book::{Book, Step, public_id};
use crate::run::conventions::stops_everybody;
use crate::store::{RunFilter, Started};

/// Starts a run
///
/// The run is durable when its name is printed; the daemon carries it out. `usher plan` shows beforehand what it will
/// do. With --key a script may repeat the command: twice with one key is one run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  usher run start departure --person 1005 --set last_day=2027-01-29 --now
  usher run start departure --person 1005 --set last_day=2027-01-29 --at 2027-01-20T08:00 --key ticket-4711
  usher run start restore-account --account directory:u-0005 --now")]
pub(super) struct Start {
    /// The workflow's name
    workflow: String,
    #[command(flatten)]
    about: About,
    /// Starts it now
    #[arg(long)]
    now: bool,
    /// Starts it then: 2027-01-29T18:00 (here), 2027-01-29T18:00+01:00, 2027-01-29 (09:00)
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
    /// Idempotency key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// What is asked for, by whichever command.
#[derive(Debug)]
pub(in crate::cli) struct Asked {
    pub(in crate::cli) workflow: String,
    pub(in crate::cli) subject: SubjectRef,
    pub(in crate::cli) inputs: BTreeMap<String, Value>,
    pub(in crate::cli) start: Option<Timestamp>,
    pub(in crate::cli) key: Option<String>,
}

impl Start {
    pub(super) async fn run(self, context: &mut Context) -> Result<Exit, CliError> {
        let now_or_then = "say when: either --now or --at INSTANT";
        if self.now && self.at.is_some() {
            return Err(CliError::usage("--now and --at exclude each other").help(now_or_then));
        }
        if !self.now && self.at.is_none() {
            return Err(CliError::usage("nothing says when the run starts").help(now_or_then));
        }
        let (subject, inputs) = (self.about.subject()?, self.about.inputs()?);
        let house = context.house().await?;
        let start = match &self.at {
            Some(text) => Some(moment::coming(text, &house.zone, house.store().now().await?)?),
            None => None,
        };
        by_hand(&house, &self.workflow)?;
        read_unread(context, &house).await?;
        let asked = Asked { workflow: self.workflow, subject, inputs, start, key: self.key };
        stop_for_everybody(context, &house, &asked).await?;
        let started = start_once(context, &house, asked).await?;
        say_started(context, &house, started).await?;
        Ok(Exit::Done)
    }
}

/// Some workflows are only for HR's events or schedules.
fn by_hand(house: &House, workflow: &str) -> Result<(), CliError> {
    if house.workflow(workflow)?.triggers.manual {
        return Ok(());
    }
    Err(CliError::refused("not_manual", format!("{workflow} is not started by hand"))
        .help("`manual: true` under `on:` in its file allows it"))
}

/// What stops a product for everybody is started with its name typed.
async fn stop_for_everybody(context: &mut Context, house: &House, asked: &Asked) -> Result<(), CliError> {
    let workflow = house.workflow(&asked.workflow)?;
    if !workflow.steps.iter().any(|step| stops_everybody(step.action) && step.action.is_cut()) {
        return Ok(());
    }
    let plan = match house.engine.plan(&request(context, asked)).await {
        Ok(plan) => plan,
        Err(error) => return Err(house.explain(error).await),
    };
    let stopped = plan.steps.iter().filter(|step| stops_everybody(step.action) && step.action.is_cut());
    let names: BTreeSet<&str> =
        stopped.filter(|step| step.skip.is_none()).filter_map(|step| step.system.as_deref()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    context.confirm_by_name(&format!("{} stops {names} for the whole organisation.", workflow.name), &names)
}

async fn start_once(context: &Context, house: &House, asked: Asked) -> Result<Started, CliError> {
    let key = asked.key.clone();
    let (workflow, subject) = (asked.workflow.clone(), asked.subject.clone());
    let started = start(context, house, asked).await?;
    if let (Started::Existing(run), Some(key)) = (started, key) {
        same(house, run, &key, &workflow, &subject).await?;
    }
    Ok(started)
}

/// A key names one request: for another one it is refused, rather than answered with a run of something else.
async fn same(house: &House, run: i64, key: &str, workflow: &str, subject: &SubjectRef) -> Result<(), CliError> {
    let filter = RunFilter { id: Some(run), ..RunFilter::default() };
    let Some(row) = house.store().runs(&filter).await?.pop() else { return Ok(()) };
    let about = match subject {
        SubjectRef::Person(number) => number == &row.subject,
        SubjectRef::Account { system, .. } => row.subject.starts_with(&format!("{system}:")),
        SubjectRef::Organisation => row.subject == "organisation",
    };
    if about && row.workflow == workflow {
        return Ok(());
    }
    let message = format!("the key {key} belongs to {}, which is {} for {}", row.id, row.workflow, row.subject);
    Err(CliError::refused("key_taken", message).help("choose another key"))
}

/// Starts a run for whoever runs this command.
pub(in crate::cli) async fn start(context: &Context, house: &House, asked: Asked) -> Result<Started, CliError> {
    match house.engine.start(request(context, &asked)).await {
        Ok(started) => Ok(started),
        Err(error) => Err(house.explain(error).await),
    }
}

fn request(context: &Context, asked: &Asked) -> Request {
    Request {
        workflow: asked.workflow.clone(),
        subject: asked.subject.clone(),
        inputs: asked.inputs.clone(),
        event: None,
        start: asked.start,
        key: asked.key.clone(),
        trigger: "cli".to_owned(),
        asked_by: context.actor(),
    }
}

/// Says which run it is, when it starts, and what comes next.
pub(in crate::cli) async fn say_started(
    context: &mut Context,
    house: &House,
    started: Started,
) -> Result<(), CliError> {
    let book = house.engine.look(started.id()).await?;
    let new = matches!(started, Started::New(_));
    if context.out.is_json() {
        return context.out.document(&document(house, &book, new), false);
    }
    let run = public_id(started.id());
    let start = format!("{} {}", moment::day(book.run.start, &house.zone), moment::time(book.run.start, &house.zone));
    if new {
        let steps = counted(book.steps.len(), "step", "steps");
        let verb = if book.run.start > house.store().now().await? { "starts on" } else { "started on" };
        context.out.line(format!("{run}: {} {verb} {start}, {steps}.", book.run.name))?;
    } else {
        context
            .out
            .line(format!("{run} was started with this key before (it starts on {start}): nothing new was started."))?;
    }
    for freeze in house.store().freezes().await?.into_iter().map(|row| row.freeze) {
        let stops = |step: &&Step| freeze.stops(&book.run.name, step.system.as_deref(), step.action);
        let held = book.steps.iter().filter(stops).count();
        if held > 0 {
            context.out.aside(format!("A freeze on {} ({}) will hold {held} of them.", freeze.scope(), freeze.reason));
        }
    }
    for words in against(house, &book).await? {
        context.out.aside(words);
    }
    house.warn_without_daemon(context).await?;
    context.out.aside(format!("`usher run show {run} --watch` follows it."));
    Ok(())
}

/// What limits would have against the run's destructive steps, said once for each system.
async fn against(house: &House, book: &Book) -> Result<BTreeSet<String>, CliError> {
    let destructive = || book.steps.iter().filter(|step| step.action.is_destructive() && !step.state.is_final());
    let systems = destructive().filter_map(|step| step.system.clone()).collect();
    let outlook = Outlook::on(house, &systems).await?;
    let says = |step: &Step| {
        let due = step.state.due().or_else(|| step.at.as_ref().map(|at| at.at));
        let words = outlook.against(step.system.as_deref()?, due)?;
        Some(format!("As things stand, {} would be held: {words}.", step.label()))
    };
    Ok(destructive().filter_map(says).collect())
}

fn document(house: &House, book: &Book, new: bool) -> Value {
    json!({
        "run": book.run.public_id(),
        "new": new,
        "workflow": book.run.name,
        "state": book.run.state,
        "start": house.instant(book.run.start),
        "steps": book.steps.len(),
    })
}
