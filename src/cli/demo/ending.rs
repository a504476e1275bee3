//! How it ended: every step with its evidence, what changed on each system, and whether all is as promised.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::super::counted::counted;
use super::super::{CliError, Context, Exit, Tone, instant};
use super::stage::{Stage, Told};
use super::words;
use crate::connectors::sandbox::Difference;
use crate::run::book::{Book, Step};
use crate::run::{Evidence, Person, RunState, SkipReason, StepState};

/// The whole answer of `demo --json`.
#[derive(Debug, Serialize)]
pub(super) struct Ending {
    /// Whether everything is as promised.
    ok: bool,
    /// What is not.
    problems: Vec<String>,
    runs: Vec<EndedRun>,
    /// What is different on the systems.
    changes: Vec<Difference>,
    /// Mails that went out.
    mails: i64,
    /// Commits of the engine for each step.
    commits_per_step: f64,
    /// Days that passed, by the demo's clock.
    days: i64,
    /// The sign-in names of accounts, also of those that are gone, by system and id.
    #[serde(skip)]
    logins: HashMap<(String, String), String>,
}

#[derive(Debug, Serialize)]
struct EndedRun {
    id: String,
    workflow: String,
    person: String,
    name: String,
    state: RunState,
    /// Entries of the journal, whose chain was verified and replayed.
    journal_entries: usize,
    verified: bool,
    steps: Vec<EndedStep>,
}

#[derive(Debug, Serialize)]
struct EndedStep {
    step: String,
    system: Option<String>,
    action: String,
    state: String,
    evidence: Option<Evidence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Value>,
    due: Option<String>,
    done: Option<String>,
}

impl Ending {
    /// Reads everything back.
    pub(super) async fn read(stage: &Stage, told: &Told, commits_per_step: f64) -> Result<Self, CliError> {
        let mut problems = Vec::new();
        let mut runs = Vec::new();
        for (run, person) in &told.runs {
            let book = stage.engine.look(*run).await?;
            let verified = stage.store().verify(*run).await?;
            if let Some(problem) = &verified.problem {
                problems.push(format!("{}: {problem}", verified.run));
            }
            problems.extend(judge(&book, person));
            runs.push(ended(stage, &book, person, verified.entries, verified.problem.is_none()));
        }
        if runs.is_empty() {
            problems.push("HR's file started no run".to_owned());
        }
        let sandbox =
            |error: crate::connectors::sandbox::SandboxError| CliError::environment("sandbox", error.to_string());
        for (key, count) in stage.company.effects_by_key().map_err(sandbox)? {
            if count > 1 {
                problems.push(format!("{key} took effect {count} times"));
            }
        }
        let changes = stage.company.snapshot().map_err(sandbox)?.changes_since(&stage.before);
        let sent = stage.store().mail_census().await?;
        if let Some((_, state, count)) = sent.iter().find(|(_, state, _)| state != "sent") {
            problems.push(format!("{} {state}", counted(count, "mail is", "mails are")));
        }
        let mails = sent.iter().map(|(_, _, count)| count).sum();
        let days = stage.store().now().await?.duration_since(stage.start.timestamp()).as_hours() / 24;
        let accounts = stage.store().accounts(None, None, None).await?;
        let logins =
            accounts.into_iter().map(|account| ((account.system, account.external_id), account.login)).collect();
        Ok(Self { ok: problems.is_empty(), problems, runs, changes, mails, commits_per_step, days, logins })
    }

    /// Says it, on a terminal or as one document.
    pub(super) fn say(&self, context: &mut Context, took: Duration, keep: bool) -> Result<Exit, CliError> {
        let exit = if self.ok { Exit::Done } else { Exit::NotRight };
        if context.out.is_json() {
            context.out.document(self, false)?;
            return Ok(exit);
        }
        self.systems(context)?;
        self.runs(context)?;
        for problem in &self.problems {
            let line = context.out.paint(Tone::Bad, &format!("not as promised: {problem}"));
            context.out.line(line)?;
        }
        let steps: usize = self.runs.iter().map(|run| run.steps.len()).sum();
        context.out.line(format!(
            "\n{} steps of {} departures over {} days in {:.1} s, {} mails to managers, {:.2} commits a step. Every effect \
             was read back where the system can be read.",
            steps,
            self.runs.len(),
            self.days,
            took.as_secs_f64(),
            self.mails,
            self.commits_per_step,
        ))?;
        let later = if keep { "" } else { "`usher demo --keep` leaves them to look at; " };
        context.out.line(format!(
            "The evidence: the journal (`usher audit show RUN`, `usher audit verify`), the archives, and the systems' \
             own ledger. {later}`usher init` sets up a folder of your own."
        ))?;
        Ok(exit)
    }

    fn systems(&self, context: &mut Context) -> Result<(), CliError> {
        let mut by_account: BTreeMap<(&str, &str), Vec<&Difference>> = BTreeMap::new();
        for change in &self.changes {
            by_account.entry((&change.system, change.account.as_deref().unwrap_or_default())).or_default().push(change);
        }
        let heading = context.out.paint(Tone::Strong, "What changed on each system, read back");
        context.out.line(format!("\n{heading}"))?;
        let mut system_shown = "";
        for ((system, account), changes) in by_account {
            if system != system_shown {
                context.out.line(format!("  {system}"))?;
                system_shown = system;
            }
            let told = words::sentences(&changes, |id| self.login(system, id)).join("; ");
            context.out.line(format!("    {:<18} {told}", self.login(system, account)))?;
        }
        Ok(())
    }

    /// The sign-in name behind an account's id; without the domain, which is the same for all of them.
    fn login(&self, system: &str, id: &str) -> String {
        if id.is_empty() {
            return "(the system)".to_owned();
        }
        let login = self.logins.get(&(system.to_owned(), id.to_owned())).map_or(id, String::as_str);
        login.split('@').next().unwrap_or(login).to_owned()
    }

    fn runs(&self, context: &mut Context) -> Result<(), CliError> {
        let heading = context.out.paint(Tone::Strong, "Runs");
        context.out.line(format!("\n{heading}"))?;
        for run in &self.runs {
            let done = run.steps.iter().filter(|step| step.state == "done").count();
            let tone = if run.state == RunState::Completed { Tone::Good } else { Tone::Bad };
            let state = context.out.paint(tone, run.state.as_str());
            let chain = if run.verified { "chain verified" } else { "CHAIN BROKEN" };
            context.out.line(format!(
                "  {:<7} {:<16} {state}: {done} steps done, {} not needed; {} journal entries, {chain}",
                run.id,
                run.name,
                run.steps.len() - done,
                run.journal_entries,
            ))?;
        }
        Ok(())
    }
}

/// What is not as promised about a run.
fn judge(book: &Book, person: &Person) -> Vec<String> {
    let name = &person.display_name;
    let mut problems = Vec::new();
    if book.run.state != RunState::Completed {
        problems.push(format!("{name}'s departure is {}, not completed", book.run.state.as_str()));
    }
    for step in &book.steps {
        match &step.state {
            StepState::Done { at, .. } if step.at.as_ref().is_some_and(|due| *at < due.at) => {
                problems.push(format!("{name}: {} was done before its time", step.label()));
            }
            StepState::Done { .. } => {}
            StepState::Skipped { reason, .. } if !matches!(reason, SkipReason::ByPerson(_)) => {}
            other => problems.push(format!("{name}: {} ended {}", step.label(), other.as_str())),
        }
    }
    problems
}

fn ended(stage: &Stage, book: &Book, person: &Person, journal_entries: usize, verified: bool) -> EndedRun {
    EndedRun {
        id: book.run.public_id(),
        workflow: book.run.workflow.name.clone(),
        person: person.employee_number.clone(),
        name: person.display_name.clone(),
        state: book.run.state,
        journal_entries,
        verified,
        steps: book.steps.iter().map(|step| ended_step(stage, step)).collect(),
    }
}

fn ended_step(stage: &Stage, step: &Step) -> EndedStep {
    let zone = stage.start.time_zone();
    let (evidence, done, reason) = match &step.state {
        StepState::Done { at, evidence } => (Some(evidence.clone()), Some(*at), None),
        StepState::Skipped { reason, .. } => (None, None, serde_json::to_value(reason).ok()),
        StepState::Failed { reason, .. } => (None, None, Some(Value::String(reason.clone()))),
        StepState::Held { reason, .. } => (None, None, serde_json::to_value(reason).ok()),
        _ => (None, None, None),
    };
    EndedStep {
        step: step.name.clone(),
        system: step.system.clone(),
        action: step.action.name().to_owned(),
        state: step.state.as_str().to_owned(),
        evidence,
        reason,
        due: step.first_due.map(|due| instant(due, zone)),
        done: done.map(|done| instant(done, zone)),
    }
}
