//! A plan on a page: what happens when, day by day.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::table::{Cell, Table, Tone};
use super::super::{CliError, Context, moment};
use super::{View, notes};
use crate::run::{Capability, PlannedStep, zone};

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
        if self.plan.urgent {
            out.line("Urgent: goes ahead of everything else that is due.")?;
        }
        out.line("")
    }

    fn timeline(&self, zone: &TimeZone) -> Table {
        let mut steps: Vec<(Timestamp, &PlannedStep)> =
            self.plan.steps.iter().filter_map(|step| Some((self.due(step)?, step))).collect();
        steps.sort_by_key(|(due, step)| (*due, step.ordinal));
        let mut table = Table::new(["when", "step", "system", "action", "remarks"]);
        let mut day = String::new();
        let mut time = String::new();
        for (due, step) in steps {
            let this_day = moment::day(due, zone);
            if this_day != day {
                table.row([Cell::toned(&this_day, Tone::Strong)]);
                day = this_day;
                time.clear();
            }
            // An instant is said once: what stands below it follows as soon as it can.
            let this_time = moment::time(due, zone);
            let when = if this_time == time { String::new() } else { format!("  {this_time}") };
            time = this_time;
            table.row([
                when.into(),
                step.name.as_str().into(),
                step.system.as_deref().unwrap_or_default().into(),
                step.action.name().into(),
                self.remarks(step),
            ]);
        }
        table
    }

    fn remarks(&self, step: &PlannedStep) -> Cell {
        let stopped = self.stopped_by(step);
        let mut remarks: Vec<String> = stopped.iter().map(|why| format!("would be held now: {why}")).collect();
        remarks.extend(notes::remarks(step));
        let tone = match (&stopped, &step.capability) {
            (Some(_), _) | (None, Capability::Manual(_) | Capability::Unsupported(_)) => Tone::Warn,
            _ if step.late.is_some() => Tone::Warn,
            _ => Tone::Plain,
        };
        remarks.extend(notes::waits_for(self.plan, step));
        Cell::toned(remarks.join("; "), tone)
    }

    fn left_out(&self) -> Table {
        let mut table = Table::new(["left out", "system", "why"]);
        for step in &self.plan.steps {
            if let Some(reason) = &step.skip {
                let system = step.system.as_deref().unwrap_or_default();
                table.row([step.name.as_str().into(), system.into(), notes::left_out(reason).into()]);
            }
        }
        table
    }

    fn foot(&self, context: &mut Context) -> Result<(), CliError> {
        let planned = self.plan.steps.iter().filter(|step| step.skip.is_none()).count();
        let left_out = self.plan.steps.len() - planned;
        let manual = self.plan.steps.iter().filter(|step| matches!(step.capability, Capability::Manual(_))).count();
        context.out.line("")?;
        context
            .out
            .line(format!("{planned} steps, {manual} of them by a person; {left_out} left out. Nothing was changed."))
    }
}
