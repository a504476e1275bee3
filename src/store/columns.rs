//! A step as its row holds it, and back.

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::StoreError;
use super::books::{STEPS_PER_RUN, json, parse, step_key};
use super::flush::Lease;
use crate::clock::from_millis;
use crate::run::book::{Decision, Step};
use crate::run::{Fold, LocalInstant, StepState};
use crate::workflow::{ActionKind, Span};

/// A step's columns, as written.
#[derive(Serialize)]
pub(super) struct StepColumns {
    pub(super) id: i64,
    pub(super) run_id: i64,
    pub(super) name: String,
    pub(super) action: &'static str,
    pub(super) system: Option<String>,
    pub(super) account_id: Option<i64>,
    pub(super) needs: String,
    pub(super) at_instant: Option<i64>,
    pub(super) at_local: Option<String>,
    pub(super) at_fold: Option<&'static str>,
    pub(super) delay: Option<String>,
    pub(super) of_step: Option<i64>,
    pub(super) undoes: Option<i64>,
    pub(super) lane: i64,
    pub(super) state: &'static str,
    pub(super) due_at: Option<i64>,
    pub(super) fence: i64,
    pub(super) observe: i64,
    pub(super) lease_until: Option<i64>,
    pub(super) lease_owner: Option<String>,
    pub(super) data: Option<String>,
    pub(super) first_due: Option<i64>,
    pub(super) decision: Option<String>,
    pub(super) lapses_at: Option<i64>,
}

pub(super) fn columns(
    run: i64,
    step: &Step,
    urgent: bool,
    lease: Option<&Lease<'_>>,
) -> Result<StepColumns, StoreError> {
    let leased = matches!(step.state, StepState::Leased { .. });
    let lease = match (leased, lease) {
        (true, None) => return Err(StoreError::corrupt("lease", "an attempt without a holder")),
        (true, Some(lease)) => Some(lease),
        (false, _) => None,
    };
    let observe = match &step.state {
        StepState::Leased { observe, .. } | StepState::Held { observe, .. } => *observe,
        StepState::Unknown { .. } => true,
        _ => false,
    };
    let carries_data = matches!(
        step.state,
        StepState::Done { .. }
            | StepState::Failed { .. }
            | StepState::Held { .. }
            | StepState::AwaitingPerson { .. }
            | StepState::Skipped { .. }
    );
    Ok(StepColumns {
        id: step_key(run, step.ordinal),
        run_id: run,
        name: step.name.clone(),
        action: step.action.name(),
        system: step.system.clone(),
        account_id: step.account,
        needs: json(&step.needs),
        at_instant: step.at.as_ref().map(|at| at.at.as_millisecond()),
        at_local: step.at.as_ref().map(|at| at.local.to_string()),
        at_fold: step.at.as_ref().map(|at| fold_name(at.fold)),
        delay: step.delay.as_ref().map(ToString::to_string),
        of_step: step.of.map(i64::from),
        undoes: step.undoes.map(i64::from),
        lane: i64::from(!urgent),
        state: step.state.as_str(),
        due_at: step.state.due().map(|due| due.as_millisecond()),
        fence: step.attempts,
        observe: i64::from(observe),
        lease_until: lease.map(|lease| lease.until),
        lease_owner: lease.map(|lease| lease.owner.to_owned()),
        data: carries_data.then(|| json(&step.state)),
        first_due: step.first_due.map(|due| due.as_millisecond()),
        lapses_at: match step.state {
            StepState::AwaitingApproval => step.decision.answer_by,
            _ => step.decision.approval.as_ref().map(|given| given.valid_until),
        }
        .map(|at| at.as_millisecond()),
        decision: (step.decision != Decision::default()).then(|| json(&step.decision)),
    })
}

const fn fold_name(fold: Fold) -> &'static str {
    match fold {
        Fold::None => "none",
        Fold::Gap => "gap",
        Fold::Overlap => "overlap",
    }
}

pub(super) fn step(row: &AnyRow) -> Result<Step, StoreError> {
    let key: i64 = row.try_get("id")?;
    let ordinal = u16::try_from(key % STEPS_PER_RUN).map_err(|why| StoreError::corrupt("step key", why))?;
    let action: String = row.try_get("action")?;
    let at_instant: Option<i64> = row.try_get("at_instant")?;
    let delay: Option<String> = row.try_get("delay")?;
    let decision: Option<String> = row.try_get("decision")?;
    let needs: String = row.try_get("needs")?;
    let of: Option<i64> = row.try_get("of_step")?;
    let undoes: Option<i64> = row.try_get("undoes")?;
    let first_due: Option<i64> = row.try_get("first_due")?;
    Ok(Step {
        ordinal,
        name: row.try_get("name")?,
        action: ActionKind::from_name(&action).ok_or_else(|| StoreError::corrupt("action", action))?,
        system: row.try_get("system")?,
        account: row.try_get("account_id")?,
        needs: parse("step's needs", &needs)?,
        at: at_instant.map(|at| local_instant(row, at)).transpose()?,
        delay: delay.map(|text| Span::parse(&text).map_err(|why| StoreError::corrupt("delay", why))).transpose()?,
        of: of.and_then(|of| u16::try_from(of).ok()),
        undoes: undoes.and_then(|undone| u16::try_from(undone).ok()),
        state: state(row)?,
        attempts: row.try_get("fence")?,
        first_due: first_due.map(from_millis),
        decision: decision.map_or_else(|| Ok(Decision::default()), |text| parse("decision", &text))?,
    })
}

fn local_instant(row: &AnyRow, at: i64) -> Result<LocalInstant, StoreError> {
    let local: String = row.try_get("at_local")?;
    let fold: String = row.try_get("at_fold")?;
    Ok(LocalInstant {
        at: from_millis(at),
        local: local.parse().map_err(|why| StoreError::corrupt("local time", why))?,
        fold: parse("fold", &format!("\"{fold}\""))?,
    })
}

fn state(row: &AnyRow) -> Result<StepState, StoreError> {
    let name: String = row.try_get("state")?;
    let due: Option<i64> = row.try_get("due_at")?;
    let data: Option<String> = row.try_get("data")?;
    let observe: i64 = row.try_get("observe")?;
    Ok(match (name.as_str(), due, data) {
        ("blocked", ..) => StepState::Blocked,
        ("cancelled", ..) => StepState::Cancelled,
        ("awaiting_approval", ..) => StepState::AwaitingApproval,
        ("waiting", Some(due), _) => StepState::Waiting { due: from_millis(due) },
        ("unknown", Some(due), _) => StepState::Unknown { due: from_millis(due) },
        ("leased", ..) => StepState::Leased { fence: row.try_get("fence")?, observe: observe != 0 },
        (_, _, Some(data)) => parse("step state", &data)?,
        (other, ..) => return Err(StoreError::corrupt("step state", other)),
    })
}
