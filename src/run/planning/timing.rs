//! When a step is due, and what becomes of one whose time had passed before the run started.

use jiff::Timestamp;

use super::{PlanError, Planner};
use crate::run::anchor::AnchorError;
use crate::run::instant::{BeyondCalendar, Reckoning};
use crate::run::plan::{Lateness, LocalInstant};
use crate::run::state::SkipReason;
use crate::workflow::span::FixedSpan;
use crate::workflow::{ActionKind, Amount, At, Late, Sign, Span, StepDef};

/// How long after the start of its run, or after it is rescheduled, a destructive step waits at least.
pub const DESTRUCTIVE_WAIT_DAYS: i64 = 7;

/// The times of one step of the file; the same on all its sites.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::run) struct Timing {
    pub(in crate::run) at: Option<LocalInstant>,
    pub(in crate::run) delay: Option<Span>,
    pub(in crate::run) end: Option<LocalInstant>,
    /// How long after a deletion the purge comes.
    pub(in crate::run) grace: Option<Span>,
    pub(in crate::run) late: Option<Lateness>,
    pub(in crate::run) skip: Option<SkipReason>,
}

impl Planner<'_> {
    pub(super) fn timing(&self, def: &StepDef) -> Result<Timing, PlanError> {
        let timing = self.stated(def)?;
        if timing.skip.is_some() { Ok(timing) } else { self.judge(def, timing) }
    }

    /// The times as the file and the inputs give them, late or not.
    pub(super) fn stated(&self, def: &StepDef) -> Result<Timing, PlanError> {
        match self.written(def) {
            // An optional input is absent, and so is the step that counts from it.
            Err(PlanError::When { why: AnchorError::Absent(_), .. }) if self.ruled_out(def) => {
                let condition = def.when.as_ref().map(|when| when.source().to_owned()).unwrap_or_default();
                Ok(Timing { skip: Some(SkipReason::ConditionFalse(condition)), ..Timing::default() })
            }
            written => written,
        }
    }

    fn written(&self, def: &StepDef) -> Result<Timing, PlanError> {
        let at = def.at.as_ref().map(|at| self.instant(def, at, def.action)).transpose()?;
        let delay = def.delay.as_ref().map(|delay| self.wait(def, "delay", delay, def.action)).transpose()?;
        let ending = def.action.inverse().unwrap_or(def.action);
        let end = def.until.as_ref().map(|until| self.instant(def, until, ending)).transpose()?;
        let grace = def.grace.as_ref().map(|grace| self.wait(def, "grace", grace, ActionKind::AccountPurge));
        Ok(Timing { at, delay, end, grace: grace.transpose()?, ..Timing::default() })
    }

    fn ruled_out(&self, def: &StepDef) -> bool {
        def.when.as_ref().is_some_and(|when| matches!(when.holds(self.scope), Ok(false)))
    }

    /// What becomes of the times, seen from the start of the run, or from when it is rescheduled.
    fn judge(&self, def: &StepDef, mut timing: Timing) -> Result<Timing, PlanError> {
        ends_after_it_begins(def, &timing)?;
        let start = self.judged;
        let is_late = timing.at.as_ref().is_some_and(|at| at.at < start);
        timing.late = match def.late {
            Late::Skip if is_late => Some(Lateness::Skipped),
            Late::Hold if is_late => Some(Lateness::Held),
            _ if is_late && !must_wait(def.action) => Some(Lateness::Now),
            _ => None,
        };
        if must_wait(def.action) {
            self.postpone(def, &mut timing)?;
        }
        if timing.late == Some(Lateness::Skipped) || is_over(&timing, start) {
            timing.late = Some(Lateness::Skipped);
            timing.skip = Some(SkipReason::Late);
        }
        Ok(timing)
    }

    /// Destructive steps are never immediate: the later of their date and start + 7 days.
    fn postpone(&self, def: &StepDef, timing: &mut Timing) -> Result<(), PlanError> {
        if timing.late == Some(Lateness::Skipped) {
            return Ok(());
        }
        let earliest = self.in_a_week().map_err(|why| failed(def, "start + 7 days", why.into()))?;
        if timing.at.as_ref().is_none_or(|at| at.at < earliest.at) {
            timing.late = timing.late.or_else(|| timing.at.as_ref().map(|_| Lateness::Postponed));
            timing.at = Some(earliest);
        }
        Ok(())
    }

    /// The earliest that destructive steps may be.
    pub(super) fn in_a_week(&self) -> Result<LocalInstant, BeyondCalendar> {
        let week = Span::Calendar(FixedSpan(jiff::Span::new().days(DESTRUCTIVE_WAIT_DAYS)));
        self.reckoning(ActionKind::AccountDelete).from_instant(self.judged, &[(Sign::Plus, week)], None)
    }

    /// The instant of `at`, which `action` is done at.
    fn instant(&self, def: &StepDef, at: &At, action: ActionKind) -> Result<LocalInstant, PlanError> {
        self.anchors().resolve(at, &self.reckoning(action)).map_err(|why| failed(def, &at.text, why))
    }

    /// A span that `action` waits for; never nothing for destructive ones.
    pub(super) fn wait(
        &self,
        def: &StepDef,
        field: &'static str,
        amount: &Amount,
        action: ActionKind,
    ) -> Result<Span, PlanError> {
        let span = self.anchors().span(amount).map_err(|why| failed(def, field, why))?;
        if span.is_zero() && action.is_destructive() {
            return Err(PlanError::NoWait { step: def.id.clone(), field, action: action.name() });
        }
        Ok(span)
    }

    fn reckoning(&self, action: ActionKind) -> Reckoning<'_> {
        Reckoning { zone: self.zone, holidays: self.request.holidays, destructive: action.is_destructive() }
    }
}

/// Destructive steps wait at least a week. A purge does not: the grace before it has been the wait, and the guard at
/// its claim checks that it has ended.
fn must_wait(action: ActionKind) -> bool {
    action.is_destructive() && action != ActionKind::AccountPurge
}

fn failed(def: &StepDef, text: &str, why: AnchorError) -> PlanError {
    PlanError::When { step: def.id.clone(), text: text.to_owned(), why }
}

fn ends_after_it_begins(def: &StepDef, timing: &Timing) -> Result<(), PlanError> {
    match (&timing.at, &timing.end) {
        (Some(at), Some(end)) if end.at <= at.at => {
            Err(PlanError::EndsFirst { step: def.id.clone(), end: end.local.to_string(), begin: at.local.to_string() })
        }
        _ => Ok(()),
    }
}

/// Whether the effect would end by the time it can begin.
fn is_over(timing: &Timing, start: Timestamp) -> bool {
    let begin = timing.at.as_ref().map_or(start, |at| at.at.max(start));
    timing.end.as_ref().is_some_and(|end| end.at <= begin)
}
