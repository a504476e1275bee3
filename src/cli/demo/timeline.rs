//! The timeline as it happens: a line for each thing that ended, under the day it ended on.

use std::collections::HashMap;

use jiff::Zoned;
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
    /// What is not said of every path.
    folder: String,
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
            folder: format!("{}/", stage.folder.display()),
            quiet: context.out.is_json(),
        }
    }

    /// Who is there, and what HR says.
    pub(super) async fn opening(&mut self, context: &mut Context, stage: &Stage) -> Result<(), CliError> {
        if self.quiet {
            return Ok(());
        }
        let leaving: Vec<String> = stage
            .leaving()?
            .into_iter()
            .map(|(name, last)| {
                let late = if last < self.start { " (already past: HR told us late)" } else { "" };
                format!("  {name}, last day {}{late}", last.strftime("%A %-d %B %Y"))
            })
            .collect();
        let systems: Vec<&str> = stage.engine.systems().keys().map(String::as_str).collect();
        let (people, database) = (stage.feed.rows, stage.store().place());
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
        let lines = fresh.iter().filter_map(|(name, entry)| Line::new(name, entry, &self.zone));
        let lines = lines.map(|line| line.told_shortly(&self.folder));
        let lines = if context.out.is_terminal() { gathered(lines) } else { lines.collect() };
        for line in lines {
            self.say(context, &line)?;
        }
        Ok(())
    }

    fn say(&mut self, context: &mut Context, line: &Line<'_>) -> Result<(), CliError> {
        if self.quiet {
            return Ok(());
        }
        if self.day != Some(line.at.date()) {
            self.day = Some(line.at.date());
            let days = (line.at.date() - self.start).get_days();
            let heading = format!("{}, day {days}", line.at.strftime("%A %-d %B %Y"));
            let heading = context.out.paint(Tone::Strong, &heading);
            context.out.line("")?;
            context.out.line(heading)?;
        }
        let (at, mark) = (line.at.strftime("%H:%M"), context.out.paint(line.tone, line.mark));
        let (name, words) = (line.name, line.words.as_str());
        let text = match context.out.width() {
            // A log: what a step is called everywhere else, and every word.
            None => format!("  {at}  {mark} {name:<16} {:<34} {words}", line.label),
            Some(width) => {
                let words = line.fitted(width.saturating_sub(TERMINAL_HEAD));
                format!("  {at}  {mark} {name:<16} {:<21} {}", line.step, context.out.paint(Tone::Faint, &words))
            }
        };
        context.out.line(text)
    }
}

/// What stands before the words on a terminal.
const TERMINAL_HEAD: usize = 2 + 5 + 2 + 2 + 17 + 22;

/// One thing that happened.
struct Line<'a> {
    at: Zoned,
    name: &'a str,
    /// `disable@directory`.
    label: &'a str,
    /// `disable`.
    step: &'a str,
    systems: Vec<&'a str>,
    tone: Tone,
    mark: &'static str,
    words: String,
}

impl<'a> Line<'a> {
    /// Nothing for the small print.
    fn new(name: &'a str, entry: &'a AuditEntry, zone: &TimeZone) -> Option<Self> {
        let (tone, mark, words) = telling(entry)?;
        let label = entry.step.as_deref().unwrap_or_default();
        let (step, system) = label.split_once('@').map_or((label, None), |(step, system)| (step, Some(system)));
        let at = from_millis(entry.at).to_zoned(zone.clone());
        Some(Self { at, name, label, step, systems: system.into_iter().collect(), tone, mark, words })
    }

    /// A mail by its file alone.
    fn told_shortly(mut self, folder: &str) -> Self {
        if let Some(file) = self.words.strip_prefix("acknowledged: written to ") {
            let file = file.strip_prefix(folder).unwrap_or(file);
            self.words = format!("mailed: {}", file.split_once(',').map_or(file, |(file, _)| file));
        }
        self
    }

    /// What happened and where, as far as there is room for it.
    fn fitted(&self, room: usize) -> String {
        let place = match self.systems.len() {
            0 => String::new(),
            1 => format!(" · {}", self.systems.join("")),
            several => format!(" · {several} systems"),
        };
        let all = format!("{} · {}", self.words, self.systems.join(", "));
        if !place.is_empty() && all.chars().count() <= room {
            return all;
        }
        let room = room.saturating_sub(place.chars().count());
        if self.words.chars().count() <= room {
            return format!("{}{place}", self.words);
        }
        format!("{}…{place}", self.words.chars().take(room.saturating_sub(1)).collect::<String>())
    }

    fn is_like(&self, other: &Self) -> bool {
        let minute = |line: &Self| line.at.timestamp().as_second() / 60;
        (minute(self), self.name, self.step, self.mark) == (minute(other), other.name, other.step, other.mark)
            && self.words == other.words
    }
}

/// What happened to the same step on several systems, on one line.
fn gathered<'a>(lines: impl Iterator<Item = Line<'a>>) -> Vec<Line<'a>> {
    let mut found: Vec<Line<'a>> = Vec::new();
    for mut line in lines {
        if let Some(system) = line.systems.first() {
            line.words = line.words.replace(&format!("`{system}`"), "the system");
        }
        match found.iter_mut().find(|before| before.is_like(&line)) {
            Some(before) => before.systems.extend(line.systems),
            None => found.push(line),
        }
    }
    found
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
