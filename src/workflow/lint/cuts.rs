//! What a file asks of an access cut that no access cut does.

use super::super::action::Nature;
use super::super::codes::Code;
use super::super::definition::{Late, StepDef};
use super::super::report::Report;
use super::super::steps::Draft;

/// Warns where a cut is left out or given up by the file, but not by usher (guarantee 7), or left open by the file.
pub(super) fn warn(draft: &Draft<'_>, step: &StepDef, report: &mut Report<'_>) {
    if step.action.nature() != Nature::Cut {
        return;
    }
    if step.late == Late::Skip {
        let message = format!("`{}` closes access, and is left out when it is late: the access stays open", step.id);
        report
            .warning(draft.fields.key_pos("late"), Code::LateCut, message)
            .help("leave `late` out: a cut whose time has passed is done at once");
    }
    if step.retry.is_some_and(|retry| retry.max.is_some()) {
        let message = format!("`{}` closes access, and is tried for ever whatever `max` says", step.id);
        report
            .warning(draft.fields.key_pos("retry"), Code::RetryCut, message)
            .help("write `retry: { max: forever }`, or leave it out; `backoff` and `cap` count");
    }
}
