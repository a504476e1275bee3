//! A plan on a page: what happens when, day by day.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::counted::counted;
use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, moment};
use super::{View, notes};
use crate::run::plan::maker;
use crate::run::{Capability, PlannedStep, zone};

/// One line of the timeline.
struct Line<'a> {
    due: Timestamp,
    step: &'a PlannedStep,
    systems: Vec<&'a str>,
    remarks: String,
}

impl View<'_> {
    /// Says the whole plan.
    pub(super) fn page(&self, context: &mut Context) -> Result<(), CliError> {
        let zone = zone(&self.plan.zone).unwrap_or(TimeZone::UTC);
        self.head(context, &zone)?;
        context.out.table(&self.timeline(&zone))?;
        let left_out = self.left_out();
        if !left_out.is_empty() {
            context.out.line("")?;
            context.out.table(&left_out)?;
        }
        self.foot(context)
    }

    fn head(&self, context: &mut Context, zone: &TimeZone) -> Result<(), CliError> {
        let out = &mut context.out;
        let title = out.paint(Tone::Strong, &format!("{} for {}", self.plan.workflow, self.subject));
        let (day, time) = (moment::day(self.plan.start, zone), moment::time(self.plan.start, zone));
        out.line(format!("{title}, started {day} {time}; times are those of {}", self.plan.zone))?;
        let given = self.plan.inputs.iter().filter(|(_, value)| !value.is_null());
        let inputs: Vec<String> = given
            .map(|(name, value)| {
                format!("{name} = {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            })
            .collect();
        if !inputs.is_empty() {
            out.line(inputs.join(", "))?;
        }
        if let Some(policy) = &self.policy {
            out.line(format!("Allowed by {policy}."))?;
        }
        if let Some(calendar) = &self.calendar {
            out.line(format!("Business days are those of the calendar {calendar}."))?;
        }
        if let Some(address) = &self.address {
            out.line(format!("New accounts are called {address}, if nobody takes that until then."))?;
        }
        for warning in &self.warnings {
            let warning = out.paint(Tone::Warn, &format!("Note: {warning}"));
            out.line(warning)?;
        }
        if self.plan.urgent {
            out.line("Urgent: goes ahead of everything else that is due.")?;
        }
        out.line("")
    }

    fn timeline(&self, zone: &TimeZone) -> Table {
        let mut table = Table::new(["when", "step", "systems", "action", "remarks"]);
        let mut day = String::new();
        let mut time = String::new();
        for line in self.lines() {
            let this_day = moment::day(line.due, zone);
            if this_day != day {
                table.row([Cell::toned(&this_day, Tone::Strong)]);
                day = this_day;
                time.clear();
            }
            // An instant is said once: what stands below it follows as soon as it can.
            let this_time = moment::time(line.due, zone);
            let when = if this_time == time { String::new() } else { format!("  {this_time}") };
            time = this_time;
            table.row([
                when.into(),
                line.step.name.as_str().into(),
                line.systems.join(", ").into(),
                line.step.action.name().into(),
                Cell::toned(&line.remarks, self.tone(line.step)),
            ]);
        }
        table
    }

    /// Steps in the order of their time; what is the same on several systems stands on one line.
    fn lines(&self) -> Vec<Line<'_>> {
        let mut steps: Vec<(Timestamp, &PlannedStep)> =
            self.plan.steps.iter().filter_map(|step| Some((self.due(step)?, step))).collect();
        steps.sort_by_key(|(due, step)| (*due, step.ordinal));
        let mut lines: Vec<Line<'_>> = Vec::new();
        for (due, step) in steps {
            let remarks = self.remarks(step);
            let same = |line: &&mut Line<'_>| line.due == due && line.step.name == step.name && line.remarks == remarks;
            match lines.iter_mut().rev().find(same) {
                Some(line) => line.systems.extend(step.system.as_deref()),
                None => lines.push(Line { due, step, systems: step.system.as_deref().into_iter().collect(), remarks }),
            }
        }
        lines
    }

    fn remarks(&self, step: &PlannedStep) -> String {
        let stopped = self.stopped_by(step).map(|why| format!("would be held now: {why}"));
        let made = maker(self.plan, step).map(|maker| format!("on the account that `{}` makes", maker.name));
        let remarks =
            stopped.into_iter().chain(made).chain(notes::remarks(step)).chain(notes::waits_for(self.plan, step));
        remarks.collect::<Vec<_>>().join("; ")
    }

    fn tone(&self, step: &PlannedStep) -> Tone {
        let by_hand = matches!(step.capability, Capability::Manual(_) | Capability::Unsupported(_));
        if by_hand || step.late.is_some() || self.stopped_by(step).is_some() { Tone::Warn } else { Tone::Plain }
    }

    fn left_out(&self) -> Table {
        let mut lines: Vec<(&str, String, Vec<&str>)> = Vec::new();
        for step in &self.plan.steps {
            let Some(why) = step.skip.as_ref().map(notes::left_out) else { continue };
            match lines.iter_mut().find(|(name, reason, _)| *name == step.name && *reason == why) {
                Some((_, _, systems)) => systems.extend(step.system.as_deref()),
                None => lines.push((&step.name, why, step.system.as_deref().into_iter().collect())),
            }
        }
        let mut table = Table::new(["left out", "systems", "why"]);
        for (name, why, systems) in lines {
            table.row([name.into(), systems.join(", ").into(), why.into()]);
        }
        table
    }

    fn foot(&self, context: &mut Context) -> Result<(), CliError> {
        let planned = self.plan.steps.iter().filter(|step| step.skip.is_none()).count();
        let left_out = self.plan.steps.len() - planned;
        let planned = counted(planned, "step", "steps");
        let manual = self.plan.steps.iter().filter(|step| matches!(step.capability, Capability::Manual(_))).count();
        context.out.line("")?;
        context.out.line(format!("{planned}, {manual} of them by a person; {left_out} left out. Nothing was changed."))
    }
}
