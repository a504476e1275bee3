//! The timeline as it happens: a line for each thing that ended, under the day it ended on.

use std::collections::HashMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::{CliError, Context, Tone};
use super::stage::Stage;
use crate::clock::from_millis;
use crate::run::journal::Fact;
use crate::run::{EvidenceKind, Person, StepEvent};
use crate::store::AuditEntry;

/// What has been shown so far.
pub(super) struct Timeline {
    zone: TimeZone,
    start: Date,
    day: Option<Date>,
    runs: Vec<(i64, Person)>,
    shown: HashMap<i64, i64>,
    quiet: bool,
}

impl Timeline {
    pub(super) fn new(stage: &Stage, context: &Context) -> Self {
        Self {
            zone: stage.start.time_zone().clone(),
            start: stage.start.date(),
            day: None,
            runs: Vec::new(),
            shown: HashMap::new(),
            quiet: context.out.is_json(),
        }
    }

    /// Who is there, and what HR says.
    pub(super) async fn opening(&mut self, context: &mut Context, stage: &Stage) -> Result<(), CliError> {
        if self.quiet {
            return Ok(());
        }
        let leaving: Vec<String> = stage
            .feed
            .rows
            .iter()
            .filter_map(|row| Some((row, row.last_day.said()?)))
            .map(|(row, last)| {
                let name = row.display_name.said().cloned().unwrap_or_else(|| row.employee_number.clone());
                let late = if *last < self.start { " (already past: HR told us late)" } else { "" };
                format!("  {name}, last day {}{late}", last.strftime("%A %-d %B %Y"))
            })
            .collect();
        let systems: Vec<&str> = stage.engine.systems().keys().map(String::as_str).collect();
        let (people, database) = (stage.feed.rows.len(), stage.store().place());
        context.out.line(format!(
            "Alpine Instruments has {people} people and {} systems: {}. The record is {database}.",
            systems.len(),
            systems.join(", ")
        ))?;
        context.out.line(format!("HR's file of {} says that these leave:", self.start.strftime("%-d %B %Y")))?;
        for line in leaving {
            context.out.line(line)?;
        }
        Ok(())
    }

    /// Follows these runs.
    pub(super) fn follow(&mut self, runs: &[(i64, Person)]) {
        self.runs = runs.to_vec();
    }

    /// Shows what has ended since the last time.
    pub(super) async fn show(&mut self, stage: &Stage, context: &mut Context) -> Result<(), CliError> {
        let mut fresh: Vec<(String, AuditEntry)> = Vec::new();
        for (run, person) in &self.runs {
            let seen = self.shown.get(run).copied().unwrap_or(0);
            let entries = stage.store().audit(*run).await?;
            self.shown.insert(*run, entries.last().map_or(0, |entry| entry.seq));
            let new = entries.into_iter().filter(|entry| entry.seq > seen);
            fresh.extend(new.map(|entry| (person.display_name.clone(), entry)));
        }
        fresh.sort_by_key(|(_, entry)| entry.at);
        for (name, entry) in fresh {
            if let Some((tone, mark, words)) = telling(&entry) {
                self.line(context, &name, &entry, tone, mark, &words)?;
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        context: &mut Context,
        name: &str,
        entry: &AuditEntry,
        tone: Tone,
        mark: &str,
        words: &str,
    ) -> Result<(), CliError> {
        let at = from_millis(entry.at).to_zoned(self.zone.clone());
        let text = |context: &Context| {
            let step = entry.step.as_deref().unwrap_or_default();
            format!(
                "  {}  {} {name:<16} {step:<34} {}",
                at.strftime("%H:%M"),
                context.out.paint(tone, mark),
                context.out.paint(Tone::Faint, words)
            )
        };
        if self.quiet {
            return Ok(());
        }
        if self.day != Some(at.date()) {
            self.day = Some(at.date());
            let days = (at.date() - self.start).get_days();
            let heading = format!("{}, day {days}", at.strftime("%A %-d %B %Y"));
            let heading = context.out.paint(Tone::Strong, &heading);
            context.out.line("")?;
            context.out.line(heading)?;
        }
        let line = text(context);
        context.out.line(line)
    }
}

/// What an entry says to somebody who watches; nothing for the small print.
fn telling(entry: &AuditEntry) -> Option<(Tone, &'static str, String)> {
    let fact: Fact = serde_json::from_value(entry.fact.clone()).ok()?;
    let Fact::Step { change } = fact else { return None };
    match change {
        StepEvent::Completed { evidence, .. } | StepEvent::PersonDone { evidence, .. } => {
            let kind = match evidence.kind {
                EvidenceKind::ReadBack => "read back",
                EvidenceKind::Acknowledged => "acknowledged",
                EvidenceKind::Person => "a person",
            };
            Some((Tone::Good, "✓", format!("{kind}: {}", evidence.detail)))
        }
        StepEvent::Retried { reason, .. } | StepEvent::Lost { reason, .. } => {
            Some((Tone::Warn, "↻", format!("again later: {reason}")))
        }
        StepEvent::Failed { reason, .. } | StepEvent::Refused { reason, .. } => {
            Some((Tone::Bad, "✗", format!("failed: {reason}")))
        }
        StepEvent::Held { reason } => Some((Tone::Bad, "‖", format!("held ({})", reason.code()))),
        StepEvent::ApprovalAsked => Some((Tone::Warn, "?", "asks for an approval".into())),
        StepEvent::PersonAsked { instruction } => Some((Tone::Warn, "?", format!("asks a person: {instruction}"))),
        _ => None,
    }
}
