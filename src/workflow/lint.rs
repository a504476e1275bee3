//! What is allowed but probably not meant.

mod cuts;
mod idle;

use std::collections::BTreeSet;

use super::action::{ActionKind, Nature, Place};
use super::codes::Code;
use super::definition::{Amount, HrEvent, Param, StepDef, Systems, Workflow};
use super::report::{Fields, Report};
use super::span::Span;
use super::steps::Draft;

/// Adds the warnings of a workflow without mistakes.
pub(super) fn warn(workflow: &Workflow, drafts: &[Draft<'_>], top: &Fields<'_>, report: &mut Report<'_>) {
    let steps = Steps { drafts };
    for (draft, step) in steps.all() {
        match step.action {
            ActionKind::SessionsRevoke => sessions(&steps, draft, step, report),
            ActionKind::AccountDelete => unprepared(&steps, draft, step, report),
            ActionKind::MailRedirect => redirect(draft, step, report),
            ActionKind::MailAutoReply if step.until.is_none() => {
                report
                    .warning(draft.pos, Code::AutoReply, format!("the auto-reply of `{}` never ends", step.id))
                    .help("add for example `until: last_day + 60 days`");
            }
            ActionKind::Approval => lapsing(&steps, draft, step, report),
            _ => {}
        }
        after_delete(&steps, draft, step, report);
        cuts::warn(draft, step, report);
        idle::step(&steps, draft, step, report);
    }
    idle::inputs(workflow, &steps, top, report);
    open_system(workflow, &steps, top, report);
}

/// The steps with their order.
struct Steps<'d, 'n> {
    drafts: &'d [Draft<'n>],
}

impl<'d, 'n> Steps<'d, 'n> {
    fn all(&self) -> impl Iterator<Item = (&'d Draft<'n>, &'d StepDef)> + use<'d, 'n> {
        self.drafts.iter().filter_map(|draft| Some((draft, draft.def.as_ref()?)))
    }

    /// Everything a step waits for, directly or by way of others.
    fn before(&self, id: &str) -> BTreeSet<&'d str> {
        let mut found = BTreeSet::new();
        let mut open = vec![id.to_owned()];
        while let Some(id) = open.pop() {
            let draft = self.drafts.iter().find(|draft| draft.id == id);
            for (name, _) in draft.into_iter().flat_map(|draft| &draft.after) {
                if found.insert(name.as_str()) {
                    open.push(name.clone());
                }
            }
        }
        found
    }

    fn preceding(&self, step: &StepDef) -> Vec<&'d StepDef> {
        let before = self.before(&step.id);
        self.all().map(|(_, other)| other).filter(|other| before.contains(other.id.as_str())).collect()
    }

    /// Whether `step` comes after `other`: by waiting for it, or by its date.
    fn follows(&self, step: &StepDef, other: &StepDef) -> bool {
        let dated = || Some(step.at.as_ref()?.days_after(other.at.as_ref()?)? > 0.0);
        self.before(&step.id).contains(other.id.as_str()) || dated().unwrap_or(false)
    }
}

/// Whether two steps can meet on one account.
fn meet(a: &StepDef, b: &StepDef) -> bool {
    match (&a.systems, &b.systems) {
        (Some(Systems::Named(a)), Some(Systems::Named(b))) => a.iter().any(|name| b.contains(name)),
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

fn sessions(steps: &Steps<'_, '_>, draft: &Draft<'_>, step: &StepDef, report: &mut Report<'_>) {
    let disables = |other: &&StepDef| other.action == ActionKind::AccountDisable && meet(step, other);
    let disabled_somewhere = steps.all().any(|(_, other)| disables(&other));
    if disabled_somewhere && !steps.preceding(step).iter().any(disables) {
        report
            .warning(
                draft.pos,
                Code::Sessions,
                "sessions are revoked before the account is disabled: one can sign in again",
            )
            .help("put the step that disables into its `after`");
    }
}

fn unprepared(steps: &Steps<'_, '_>, draft: &Draft<'_>, step: &StepDef, report: &mut Report<'_>) {
    let prepares = |kind| {
        matches!(
            kind,
            ActionKind::MailArchive | ActionKind::FilesArchive | ActionKind::Checklist | ActionKind::Approval
        )
    };
    if !steps.preceding(step).iter().any(|other| prepares(other.action)) {
        report
            .warning(
                draft.pos,
                Code::Delete,
                format!("`{}` deletes without an archive, a checklist or an approval before it", step.id),
            )
            .help("put an `approval` step before it and name it in `after`");
    }
}

fn redirect(draft: &Draft<'_>, step: &StepDef, report: &mut Report<'_>) {
    if step.until.is_none() {
        report
            .warning(draft.pos, Code::Redirect, format!("the redirect of `{}` never ends", step.id))
            .help("add for example `until: last_day + 90 days`");
    }
    if !step.with.contains_key("reason") {
        report
            .warning(draft.pos, Code::Redirect, format!("the redirect of `{}` has no reason", step.id))
            .help("add a `reason` to its `with`; some jurisdictions require one");
    }
}

/// An approval that is given on its first day must still hold when what it gates begins.
fn lapsing(steps: &Steps<'_, '_>, draft: &Draft<'_>, approval: &StepDef, report: &mut Report<'_>) {
    let valid = match approval.with.get("valid") {
        None => Some(30.0),
        Some(Param::Template(text)) => Span::parse(text.source()).ok().map(|span| span.days()),
        Some(_) => None,
    };
    for (_, gated) in steps.all().filter(|(_, step)| step.action.is_destructive()) {
        let gates = steps.before(&gated.id).contains(approval.id.as_str());
        let wait = approval.at.as_ref().zip(gated.at.as_ref()).and_then(|(from, to)| to.days_after(from));
        let delay = gated.delay.as_ref().and_then(|delay| match delay {
            Amount::Literal(span) => Some(span.days()),
            Amount::Input(_) => None,
        });
        if let (true, Some(wait), Some(valid)) = (gates, wait.or(delay), valid)
            && wait > valid
        {
            let message = format!(
                "an approval holds {valid:.0} days, but `{}` begins {wait:.0} days after `{}`: it can lapse before",
                gated.id, approval.id
            );
            report
                .warning(draft.pos, Code::Approval, message)
                .help("ask later (`at`), or let it hold longer (`valid`)");
        }
    }
}

/// Work on an account that an earlier step has deleted.
fn after_delete(steps: &Steps<'_, '_>, draft: &Draft<'_>, step: &StepDef, report: &mut Report<'_>) {
    let harmless = matches!(
        step.action,
        ActionKind::AccountDelete | ActionKind::AccountPurge | ActionKind::AccountRestore | ActionKind::VerifyNoAccess
    ) || step.action.nature() == Nature::Person;
    if harmless || !matches!(step.action.place(), Place::Account | Place::On(_)) {
        return;
    }
    let deleted =
        |other: &StepDef| other.action == ActionKind::AccountDelete && meet(step, other) && steps.follows(step, other);
    let restored = steps.preceding(step).iter().any(|other| other.action == ActionKind::AccountRestore);
    if let Some((_, delete)) = steps.all().find(|(_, other)| deleted(other)).filter(|_| !restored) {
        let message = format!("`{}` works on an account that `{}` has already deleted", step.id, delete.id);
        report
            .warning(draft.pos, Code::Conflict, message)
            .help("move it before the deletion, or restore the account first");
    }
}

fn open_system(workflow: &Workflow, steps: &Steps<'_, '_>, top: &Fields<'_>, report: &mut Report<'_>) {
    let everywhere = |step: &StepDef| {
        step.action == ActionKind::AccountDisable && step.systems == Some(Systems::All) && step.when.is_none()
    };
    if workflow.triggers.event == Some(HrEvent::Departure) && !steps.all().any(|(_, step)| everywhere(step)) {
        report
            .warning(
                top.value_pos("workflow"),
                Code::OpenSystem,
                "this departure leaves systems open: no step disables all accounts",
            )
            .help("add a step with `action: account.disable` and `systems: all`");
    }
}
