//! What must hold between the steps of a workflow: known names, no cycles, waits that wait.

use std::collections::{BTreeMap, BTreeSet};

use super::at::least;
use super::codes::Code;
use super::definition::Input;
use super::diagnostic::Pos;
use super::report::Report;
use super::steps::Draft;

/// Checks the steps against each other.
pub(super) fn steps(drafts: &[Draft<'_>], inputs: &[Input], report: &mut Report<'_>) {
    unique(drafts, report);
    references(drafts, report);
    cycles(drafts, report);
    for draft in drafts {
        destructive(draft, inputs, report);
        endings(draft, report);
    }
}

fn unique(drafts: &[Draft<'_>], report: &mut Report<'_>) {
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for draft in drafts {
        match lines.get(draft.id.as_str()) {
            Some(line) => {
                report
                    .error(draft.pos, Code::DuplicateStep, format!("a second step is called `{}`", draft.id))
                    .help(format!("the first one stands in line {line}; give this one another name"));
            }
            None => drop(lines.insert(&draft.id, draft.pos.line)),
        }
    }
}

fn references(drafts: &[Draft<'_>], report: &mut Report<'_>) {
    let known: Vec<&str> = drafts.iter().map(|draft| draft.id.as_str()).collect();
    for draft in drafts {
        for (name, pos) in &draft.after {
            if name == &draft.id {
                let message = format!("step `{name}` waits for itself");
                report.error(*pos, Code::Cycle, message).help("name the step it really follows, or write `after: []`");
            } else if !known.contains(&name.as_str()) {
                let others: Vec<&str> = known.iter().copied().filter(|other| *other != draft.id).collect();
                report.unknown(*pos, Code::UnknownStep, "step", name, &others);
            }
        }
    }
}

/// Reports each circle of waiting once, step by step.
fn cycles(drafts: &[Draft<'_>], report: &mut Report<'_>) {
    let mut search = Search { drafts, done: BTreeSet::new(), path: Vec::new(), found: Vec::new() };
    for draft in drafts {
        search.visit(&draft.id);
    }
    for (circle, pos) in search.found {
        let chain: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("these steps wait for each other: {}", chain.join(" waits for "));
        report.error(pos, Code::Cycle, message).help("take one of these names out of its `after`");
    }
}

struct Search<'d> {
    drafts: &'d [Draft<'d>],
    done: BTreeSet<&'d str>,
    path: Vec<&'d str>,
    found: Vec<(Vec<&'d str>, Pos)>,
}

impl<'d> Search<'d> {
    fn visit(&mut self, id: &'d str) {
        let Some(draft) = self.drafts.iter().find(|draft| draft.id == id) else { return };
        if !self.done.contains(id) {
            self.path.push(&draft.id);
            for (name, pos) in draft.after.iter().filter(|(name, _)| *name != draft.id) {
                match self.path.iter().position(|visited| visited == name) {
                    Some(start) => {
                        let mut circle = self.path[start..].to_vec();
                        circle.push(name);
                        self.found.push((circle, *pos));
                    }
                    None => self.visit(name),
                }
            }
            self.path.pop();
            self.done.insert(&draft.id);
        }
    }
}

/// A destructive step that says when it runs must say it with a wait that cannot be nothing or less.
fn destructive(draft: &Draft<'_>, inputs: &[Input], report: &mut Report<'_>) {
    let Some(step) = draft.def.as_ref().filter(|step| step.action.is_destructive()) else { return };
    let kind = step.action;
    if step.late == super::definition::Late::Now {
        report
            .error(
                draft.fields.key_pos("late"),
                Code::Destructive,
                format!("`{kind}` is never run at once when it is late"),
            )
            .help("leave `late` out: it then waits until seven days after the start, or write `late: hold`");
    }
    if let Some(at) = &step.at
        && at.least_days(inputs).is_some_and(|days| days <= 0.0)
    {
        report
            .error(
                draft.fields.value_pos("at"),
                Code::Destructive,
                format!("`{kind}` could run on or before the day it counts from: `{}` can be no wait at all", at.text),
            )
            .help("add a span, such as `+ 180 days`, or give the duration input a `min`");
    }
    for (key, amount) in [("delay", &step.delay), ("grace", &step.grace)] {
        let nothing = amount.as_ref().and_then(|amount| least(amount, inputs)).is_some_and(|days| days <= 0.0);
        if nothing {
            report
                .error(
                    draft.fields.value_pos(key),
                    Code::Destructive,
                    format!("`{key}` of `{kind}` can be no wait at all"),
                )
                .help("give the duration input a `min` and a default above zero");
        }
    }
}

/// An effect must not end before it begins.
fn endings(draft: &Draft<'_>, report: &mut Report<'_>) {
    let Some(step) = &draft.def else { return };
    if let (Some(until), Some(at)) = (&step.until, &step.at)
        && until.days_after(at).is_some_and(|days| days <= 0.0)
    {
        report
            .error(
                draft.fields.value_pos("until"),
                Code::Until,
                format!("`{}` is not after `{}`, where the step begins", until.text, at.text),
            )
            .help("move `until` behind `at`");
    }
}
