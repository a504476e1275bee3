//! A workflow in plain sentences, from its file alone.

use serde::Serialize;

use super::moments::{Moment, Moments, lower};
use super::words;
use crate::workflow::{ActionKind, HrEvent, Nature, StepDef, SubjectKind, Workflow};

/// What can be said of a workflow.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    pub(super) name: String,
    pub(super) title: String,
    /// The file's leading comment, a paragraph each.
    purpose: Vec<String>,
    /// How it starts.
    starts: Vec<String>,
    inputs: Vec<Input>,
    /// What happens, moment by moment.
    timeline: Vec<Chapter>,
    /// What people must do.
    people: Vec<String>,
    /// What it never does by itself.
    never: Vec<String>,
    /// How it is planned and started.
    commands: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Input {
    name: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct Chapter {
    when: String,
    steps: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    step: String,
    action: &'static str,
    text: String,
    by_person: bool,
}

impl Story {
    pub(super) fn of(workflow: &Workflow) -> Self {
        let inputs = words::inputs(workflow).into_iter().map(|(name, text)| Input { name, text });
        Self {
            name: workflow.name.clone(),
            title: workflow.title.clone(),
            purpose: purpose(&workflow.source),
            starts: starts(workflow),
            inputs: inputs.collect(),
            timeline: timeline(workflow),
            people: people(workflow),
            never: never(workflow),
            commands: commands(workflow),
        }
    }

    /// The parts as they are printed: heading, paragraphs.
    pub(super) fn parts(&self) -> Vec<(&'static str, Vec<String>)> {
        let listed = |lines: &[String]| lines.iter().map(|line| format!("  - {line}")).collect::<Vec<_>>();
        let inputs = self.inputs.iter().map(|input| format!("  {}: {}", input.name, input.text)).collect();
        let mut timeline = Vec::new();
        for chapter in &self.timeline {
            timeline.push(format!("  {}:", chapter.when));
            timeline.extend(chapter.steps.iter().map(|line| format!("    - {}: {}", line.step, line.text)));
        }
        [
            ("", self.purpose.clone()),
            ("How it starts", listed(&self.starts)),
            ("What it asks for", inputs),
            ("What happens", timeline),
            ("What people must do", listed(&self.people)),
            ("What it never does by itself", listed(&self.never)),
            ("Commands", self.commands.iter().map(|line| format!("  {line}")).collect()),
        ]
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .collect()
    }
}

/// The comment a file begins with, without the line for editors.
fn purpose(source: &str) -> Vec<String> {
    let comment = source.lines().map(str::trim).take_while(|line| line.starts_with('#'));
    let lines = comment.map(|line| line.trim_start_matches('#').trim()).filter(|line| !line.contains("$schema="));
    let mut paragraphs = vec![String::new()];
    for line in lines {
        match (line, paragraphs.last_mut()) {
            ("", Some(last)) if !last.is_empty() => paragraphs.push(String::new()),
            ("", _) | (_, None) => {}
            (line, Some(last)) => {
                let gap = if last.is_empty() { "" } else { " " };
                last.push_str(gap);
                last.push_str(line);
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

fn starts(workflow: &Workflow) -> Vec<String> {
    let mut ways = Vec::new();
    if let Some(event) = workflow.triggers.event {
        let fields = match workflow.triggers.fields.as_slice() {
            [] => String::new(),
            fields => format!(" ({})", fields.join(", ")),
        };
        ways.push(format!("When HR says that {}{fields}.", what_hr_says(event)));
    }
    if let Some(schedule) = &workflow.triggers.schedule {
        let zone = schedule.timezone.as_ref().map(|zone| format!(" in {zone}")).unwrap_or_default();
        let each = workflow.for_each.as_ref().map(|each| format!(", with a run for {each}")).unwrap_or_default();
        ways.push(format!("By the calendar: cron `{}`{zone}{each}.", schedule.cron));
    }
    if workflow.triggers.manual {
        ways.push("When somebody starts it by hand.".to_owned());
    }
    if workflow.urgent {
        ways.push("It is urgent: its steps go before everything else that is due.".to_owned());
    }
    ways
}

const fn what_hr_says(event: HrEvent) -> &'static str {
    match event {
        HrEvent::Joined => "somebody joins",
        HrEvent::Changed => "something about a person has changed",
        HrEvent::Departure => "somebody leaves",
        HrEvent::Leave => "somebody goes on leave",
        HrEvent::Return => "somebody comes back from leave",
        HrEvent::Rescinded => "a departure is taken back",
        HrEvent::Rehired => "somebody who had left is hired again",
    }
}

/// The steps and what follows from them by itself, moment by moment.
fn timeline(workflow: &Workflow) -> Vec<Chapter> {
    let mut moments = Moments::of(workflow);
    let mut lines: Vec<(Moment, Line)> = Vec::new();
    for step in &workflow.steps {
        let moment = moments.step(step, 0);
        let by_person = step.action.nature() == Nature::Person;
        let line = Line { step: step.id.clone(), action: step.action.name(), text: words::sentence(step), by_person };
        lines.push((moment.clone(), line));
        lines.extend(ending(&moments, step));
        lines.extend(purge(&moments, step, &moment));
    }
    // Steps of one moment stay in the order of the file.
    lines.sort_by(|(one, _), (other, _)| one.order(other));
    let mut chapters: Vec<(Moment, Chapter)> = Vec::new();
    for (moment, line) in lines {
        match chapters.last_mut() {
            Some((last, chapter)) if last.is(&moment) => chapter.steps.push(line),
            _ => {
                let when = moment.words.clone();
                chapters.push((moment, Chapter { when, steps: vec![line] }));
            }
        }
    }
    chapters.into_iter().map(|(_, chapter)| chapter).collect()
}

/// What `until` plans by itself.
fn ending(moments: &Moments<'_>, step: &StepDef) -> Option<(Moment, Line)> {
    let (until, inverse) = (step.until.as_ref()?, step.action.inverse()?);
    let text = format!("By itself: {}", lower(inverse.describe()));
    let name = format!("{}.end", step.id);
    Some((moments.at(until), Line { step: name, action: inverse.name(), text, by_person: false }))
}

/// What `grace` plans by itself.
fn purge(moments: &Moments<'_>, step: &StepDef, deleted: &Moment) -> Option<(Moment, Line)> {
    let grace = step.grace.as_ref().filter(|_| step.action == ActionKind::AccountDelete)?;
    let text = format!("By itself: {}", lower(ActionKind::AccountPurge.describe()));
    let name = format!("{}.purge", step.id);
    let line = Line { step: name, action: ActionKind::AccountPurge.name(), text, by_person: false };
    Some((moments.later(deleted, grace, &step.id), line))
}

fn people(workflow: &Workflow) -> Vec<String> {
    let asked = workflow.steps.iter().filter(|step| step.action.nature() == Nature::Person);
    let mut lines: Vec<String> = asked.map(|step| format!("{}: {}", step.id, words::sentence(step))).collect();
    if workflow.steps.iter().any(|step| step.systems.is_some()) {
        lines.push("What a system cannot do by itself becomes a task; `usher tasks` shows what waits.".to_owned());
    }
    lines
}

fn never(workflow: &Workflow) -> Vec<String> {
    let mut lines = Vec::new();
    let destructive: Vec<&StepDef> = workflow.steps.iter().filter(|step| step.action.is_destructive()).collect();
    if destructive.is_empty() {
        lines.push("It deletes nothing.".to_owned());
    }
    for step in &destructive {
        let approvals: Vec<&str> = approvals_before(workflow, step);
        lines.push(match approvals.as_slice() {
            [] => {
                format!("`{}` deletes without asking anybody, but only what no employed person is bound to.", step.id)
            }
            names => format!("`{}` deletes nothing before {} is given.", step.id, names.join(" and ")),
        });
    }
    if destructive.iter().any(|step| step.action == ActionKind::AccountDelete) {
        lines.push(
            "It deletes no account while HR says that the person is employed, nor within seven days of its start, nor \
             before all access is closed."
                .to_owned(),
        );
    }
    if workflow.steps.iter().any(|step| step.action.is_cut()) {
        lines.push("It never gives up closing access: what fails is tried again until it is done.".to_owned());
    }
    lines
}

/// The approvals that a step waits for, near and far.
fn approvals_before<'w>(workflow: &'w Workflow, step: &StepDef) -> Vec<&'w str> {
    let (mut open, mut seen, mut found) = (step.after.clone(), Vec::new(), Vec::new());
    while let Some(name) = open.pop() {
        let Some(before) = workflow.step(&name).filter(|before| !seen.contains(&before.id.as_str())) else { continue };
        seen.push(before.id.as_str());
        open.extend(before.after.iter().cloned());
        if before.action == ActionKind::Approval {
            found.push(before.id.as_str());
        }
    }
    found.reverse();
    found
}

fn commands(workflow: &Workflow) -> Vec<String> {
    let about = match workflow.run_subject() {
        SubjectKind::Person => " --person KEY",
        SubjectKind::Account => " --account SYSTEM:ID",
        SubjectKind::Organisation => "",
    };
    let needed = workflow.inputs.iter().filter(|input| input.required && input.default.is_none());
    let set: String = needed.map(|input| format!(" --set {}=…", input.name)).collect();
    let name = &workflow.name;
    let mut lines = vec![format!("usher plan {name}{about}{set}")];
    if workflow.triggers.manual {
        lines.push(format!("usher run start {name}{about}{set} --now"));
    }
    if workflow.triggers.event.is_some() {
        lines.push("usher people import FILE".to_owned());
    }
    if workflow.triggers.schedule.is_some() {
        lines.push(format!("usher schedule run {name}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::library::Library;

    fn story(name: &str) -> Story {
        Story::of(&Library::shipped().workflows[name])
    }

    fn chapter<'s>(story: &'s Story, when: &str) -> Vec<&'s str> {
        let found = story.timeline.iter().find(|chapter| chapter.when == when);
        let known: Vec<&str> = story.timeline.iter().map(|chapter| chapter.when.as_str()).collect();
        let chapter = found.unwrap_or_else(|| panic!("no `{when}` in {known:?}"));
        chapter.steps.iter().map(|line| line.step.as_str()).collect()
    }

    #[test]
    fn a_departure_is_told_from_the_last_evening_to_the_purge() {
        let story = story("departure");
        assert!(story.purpose[0].starts_with("Somebody leaves: the way in is closed"), "{:?}", story.purpose);
        assert!(!story.purpose.iter().any(|paragraph| paragraph.contains("schema")));
        assert_eq!(story.starts[0], "When HR says that somebody leaves.");
        let evening = chapter(&story, "On the last day, at 18:00");
        assert_eq!(evening[..3], ["disable", "rotate-password", "revoke-sessions"]);
        assert!(chapter(&story, "60 days after the last day, at 09:00").contains(&"auto-reply.end"));
        let order: Vec<usize> = ["disable", "auto-reply.end", "delete", "delete.purge"]
            .iter()
            .map(|name| {
                story.timeline.iter().position(|chapter| chapter.steps.iter().any(|line| line.step == *name)).unwrap()
            })
            .collect();
        assert!(order.is_sorted(), "{order:?}");
        assert!(
            story.never.iter().any(|line| line.contains("`delete` deletes nothing before approve-deletion is given"))
        );
        assert!(
            story.people.iter().any(|line| line.starts_with("approve-deletion: Asks for an approval")),
            "{:?}",
            story.people
        );
        assert!(
            story.commands[0].starts_with("usher plan departure --person KEY --set last_day=…"),
            "{:?}",
            story.commands
        );
    }

    #[test]
    fn every_shipped_workflow_can_be_told() {
        for (name, workflow) in Library::shipped().workflows {
            let story = Story::of(&workflow);
            assert!(!story.purpose.is_empty() && !story.starts.is_empty() && !story.never.is_empty(), "{name}");
            let told: usize = story.timeline.iter().map(|chapter| chapter.steps.len()).sum();
            assert!(told >= workflow.steps.len(), "{name}");
            for line in story.timeline.iter().flat_map(|chapter| &chapter.steps) {
                assert!(!line.text.contains("{{"), "{name}: {}", line.text);
                assert!(line.text.ends_with('.'), "{name}: {}", line.text);
            }
        }
    }

    #[test]
    fn a_nightly_purge_says_over_whom_it_runs_and_an_urgent_block_that_it_is_one() {
        let purge = story("grace-purge");
        assert!(
            purge.starts[0].contains("with a run for each deleted account past its grace period"),
            "{:?}",
            purge.starts
        );
        assert!(purge.commands.contains(&"usher schedule run grace-purge".to_owned()));
        let block = story("emergency-block");
        assert!(block.starts.iter().any(|line| line.contains("urgent")) && block.never[0] == "It deletes nothing.");
    }
}
