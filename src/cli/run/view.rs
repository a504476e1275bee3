//! A run with its steps, as a page and as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::house::House;
use super::super::table::{Table, Tone};
use super::super::{CliError, Context, hold, moment, tones};
use super::list;
use crate::run::StepState;
use crate::run::advance;
use crate::run::book::{Book, Step};
use crate::store::{HoldRow, RunFilter, RunRow, reason_words};

/// So many of the steps that one waits for are named.
const MOST_SHOWN: usize = 3;

/// A run as it stands.
#[derive(Debug)]
pub(super) struct RunView {
    pub(super) book: Book,
    row: RunRow,
    subject: String,
    /// Legal holds on the person.
    holds: Vec<HoldRow>,
}

impl RunView {
    /// Reads it.
    pub(super) async fn read(house: &House, key: i64) -> Result<Self, CliError> {
        let book = house.engine.look(key).await?;
        let filter = RunFilter { id: Some(key), ..RunFilter::default() };
        let row = house.store().runs(&filter).await?.pop();
        let row = row.ok_or_else(|| CliError::not_found(format!("there is no run {}", book.run.public_id())))?;
        let holds = match book.run.person {
            Some(person) => house.store().holds(Some(person), false).await?,
            None => Vec::new(),
        };
        let person = house.store().person(&row.subject).await?;
        let name = person.map(|person| format!(" {}", person.display_name)).unwrap_or_default();
        Ok(Self { subject: format!("{}{name}", row.subject), book, row, holds })
    }

    /// Says it as a page.
    pub(super) fn page(&self, context: &mut Context, house: &House) -> Result<(), CliError> {
        let (run, out) = (&self.book.run, &mut context.out);
        let state = out.paint(tones::run(run.state), run.state.as_str());
        let title = out.paint(Tone::Strong, &format!("{} {} for {}", self.row.id, self.row.workflow, self.subject));
        out.line(format!("{title}: {state}"))?;
        let started = moment::moment(run.start, &house.zone);
        let zone = house.zone.iana_name().unwrap_or("this machine");
        out.line(format!("Started {started} by {} ({}); times are those of {zone}.", run.asked_by, run.trigger))?;
        if let Some(ended) = self.row.ended_at {
            let at = |millis| moment::moment(crate::clock::from_millis(millis), &house.zone);
            let archived = self.row.archived_at.map(|archived| format!(" In the archive since {}.", at(archived)));
            out.line(format!("Ended {}.{}", at(ended), archived.unwrap_or_default()))?;
        }
        for held in &self.holds {
            let words = out.paint(Tone::Warn, &format!("Under legal hold: {}.", held.words()));
            out.line(words)?;
        }
        out.line("")?;
        // What the step does is said by its name; its action, where it matters, by the plan and by JSON.
        let mut table = Table::new(["step", "state", "when", "tries", "what we know"]);
        for step in &self.book.steps {
            let behind = self.behind(step);
            let when = when_words(house, step, !behind.is_empty());
            let tries = if step.attempts > 0 { step.attempts.to_string() } else { String::new() };
            let told = if behind.is_empty() { known(step) } else { format!("after {}", some_of(step, &behind)) };
            table.row([step.label().into(), tones::step(step.state.as_str()), when.into(), tries.into(), told.into()]);
        }
        out.table(&table)
    }

    /// The steps that keep a step waiting: it is blocked, or a cut behind another cut.
    fn behind(&self, step: &Step) -> Vec<&Step> {
        match step.state {
            StepState::Blocked => {}
            StepState::Waiting { .. } if step.attempts == 0 => {}
            _ => return Vec::new(),
        }
        advance::waits_for(&self.book, step)
    }

    /// As JSON.
    pub(super) fn document(&self, house: &House) -> Value {
        let run = &self.book.run;
        let mut document = list::document(house, &self.row);
        document["about"] = json!(self.subject);
        document["version"] = json!(run.workflow.version);
        document["zone"] = json!(run.zone);
        document["inputs"] = json!(run.inputs);
        document["legal_holds"] = self.holds.iter().map(|held| hold::document(house, held)).collect();
        document["steps"] = self.book.steps.iter().map(|step| self.step(house, step)).collect();
        document
    }

    fn step(&self, house: &House, step: &Step) -> Value {
        let evidence = match &step.state {
            StepState::Done { evidence, .. } => Some(evidence),
            _ => None,
        };
        let needs: Vec<String> = step.needs.iter().filter_map(|n| self.book.step(*n)).map(Step::label).collect();
        let ended = ended(step).map(|at| house.instant(at));
        json!({
            "step": step.label(),
            "ordinal": step.ordinal,
            "action": step.action.name(),
            "system": step.system,
            "state": step.state.as_str(),
            "due": if ended.is_none() { when(step).map(|at| house.instant(at)) } else { None },
            "first_due": step.first_due.map(|at| house.instant(at)),
            "ended_at": ended,
            "attempts": step.attempts,
            "evidence": evidence,
            "reason": if evidence.is_none() { Some(known(step)).filter(|words| !words.is_empty()) } else { None },
            "needs": needs,
            "waits_for": self.behind(step).into_iter().map(Step::label).collect::<Vec<_>>(),
        })
    }

    /// What changes while it is watched.
    pub(super) fn pulse(&self) -> String {
        let states = self.book.steps.iter().map(|step| format!("{}{}", step.state.as_str(), step.attempts));
        format!("{} {}", self.book.run.state.as_str(), states.collect::<Vec<_>>().join(" "))
    }
}

/// When, in words: a cut that waits behind another starts as soon as that is done, and at the latest then.
fn when_words(house: &House, step: &Step, behind: bool) -> String {
    let Some(at) = when(step) else { return String::new() };
    let at = moment::minute(at, &house.zone);
    match step.state {
        StepState::Waiting { .. } if behind => format!("by {at}"),
        StepState::Blocked => format!("from {at}"),
        _ => at,
    }
}

/// The first of the steps before one, and how many more; the system is said where it is another.
fn some_of(step: &Step, behind: &[&Step]) -> String {
    let label = |need: &&Step| if need.system == step.system { need.name.clone() } else { need.label() };
    let shown: Vec<String> = behind.iter().take(MOST_SHOWN).map(label).collect();
    match behind.len().saturating_sub(MOST_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn ended(step: &Step) -> Option<Timestamp> {
    match &step.state {
        StepState::Done { at, .. } | StepState::Failed { at, .. } | StepState::Skipped { at, .. } => Some(*at),
        _ => None,
    }
}

/// When it ended, else when it is due, else when it is due at the earliest.
fn when(step: &Step) -> Option<Timestamp> {
    ended(step).or_else(|| step.state.due()).or_else(|| match step.state {
        StepState::Blocked => step.at.as_ref().map(|at| at.at),
        _ => None,
    })
}

/// How we know that it is done, or why it is not.
pub(super) fn known(step: &Step) -> String {
    match &step.state {
        StepState::Done { evidence, .. } => format!("{}: {}", evidence.kind.as_str(), evidence.detail),
        StepState::Failed { reason, .. } => reason.clone(),
        StepState::Held { reason, .. } => match reason_words(reason) {
            words if words.starts_with(reason.code()) => words,
            words => format!("{}: {words}", reason.code()),
        },
        StepState::AwaitingPerson { instruction } => instruction.clone(),
        StepState::AwaitingApproval => "`usher tasks` shows what is asked".to_owned(),
        StepState::Skipped { reason, .. } => super::super::plan::left_out(reason),
        StepState::Unknown { .. } => "an attempt was cut; the system is observed before anything else".to_owned(),
        _ => String::new(),
    }
}
