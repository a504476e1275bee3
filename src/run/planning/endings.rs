//! The steps that end an effect (`until`) or follow a deletion up (`grace`).

use super::sites::Site;
use super::timing::Timing;
use super::{PlanError, Planner};
use crate::run::plan::{LocalInstant, PlannedStep};
use crate::run::state::SkipReason;
use crate::workflow::{ActionKind, Span, StepDef};

/// Behind the name of a step that ends another.
pub const END: &str = ".end";
/// Behind the name of the purge of a deletion.
pub const PURGE: &str = ".purge";

impl Planner<'_> {
    /// Plans what ends or follows up the step `of`.
    pub(super) fn add_endings(
        &mut self,
        def: &StepDef,
        site: &Site<'_>,
        timing: &Timing,
        of: u16,
    ) -> Result<(), PlanError> {
        if def.until.is_some() {
            let action = def.action.inverse().ok_or_else(|| no_ending(def, "until"))?;
            let when = Follow { suffix: END, action, at: timing.end.clone(), delay: None };
            self.push(|planner, ordinal| planner.follow(site, when, of, ordinal))?;
        }
        if def.grace.is_some() {
            if def.action != ActionKind::AccountDelete {
                return Err(no_ending(def, "grace"));
            }
            let when =
                Follow { suffix: PURGE, action: ActionKind::AccountPurge, at: None, delay: timing.grace.clone() };
            self.push(|planner, ordinal| planner.follow(site, when, of, ordinal))?;
        }
        Ok(())
    }

    fn follow(&self, site: &Site<'_>, follow: Follow, of: u16, ordinal: u16) -> PlannedStep {
        let needs = std::collections::BTreeSet::from([of]);
        let answer = self.answer_of(follow.action, site, &needs);
        let applying = self.steps.get(usize::from(of));
        let skip = applying.and_then(|step| step.skip.as_ref()).map(|reason| match reason {
            SkipReason::Late => SkipReason::Late,
            _ => SkipReason::NotNeeded(format!("`{}` is left out", applying.map_or("", |step| &step.name))),
        });
        PlannedStep {
            ordinal,
            name: format!("{}{}", applying.map_or("", |step| &step.name), follow.suffix),
            action: follow.action,
            system: site.system().map(str::to_owned),
            account: answer.account,
            needs: vec![of],
            at: follow.at,
            delay: follow.delay,
            of: Some(of),
            undoes: None,
            late: applying.filter(|step| step.skip == Some(SkipReason::Late)).and_then(|step| step.late),
            // What usher has begun it must end: an ending that a system cannot do is shown, not left out.
            skip: skip.or_else(|| answer.skip.filter(|_| follow.suffix != END)),
            capability: answer.capability,
            when: None,
        }
    }
}

/// How a step follows another.
struct Follow {
    suffix: &'static str,
    action: ActionKind,
    at: Option<LocalInstant>,
    delay: Option<Span>,
}

fn no_ending(def: &StepDef, field: &'static str) -> PlanError {
    PlanError::NoEnding { step: def.id.clone(), action: def.action.name(), field }
}
