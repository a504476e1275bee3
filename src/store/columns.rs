//! A step as its row holds it, and back.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::any::AnyRow;

use super::StoreError;
use super::books::{STEPS_PER_RUN, json, parse, step_key};
use super::bulk::Columns;
use super::flush::Lease;
use crate::clock::from_millis;
use crate::run::book::{Decision, Step};
use crate::run::{Fold, LocalInstant, StepState};
use crate::workflow::{ActionKind, Span};

/// What changes of a step as its run goes on.
#[derive(Serialize)]
pub(super) struct StepChange {
    pub(super) id: i64,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due_at: Option<i64>,
    fence: i64,
    observe: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_due: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lapses_at: Option<i64>,
}

impl StepChange {
    pub(super) fn of(run: i64, step: &Step, lease: Option<&Lease<'_>>) -> Result<Self, StoreError> {
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
        Ok(Self {
            id: step_key(run, step.ordinal),
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
}

/// What changes with a run's dates, and with the account that a step gets late.
#[derive(Serialize)]
pub(super) struct StepTimes {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_instant: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_local: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_fold: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<String>,
}

impl StepTimes {
    pub(super) fn of(step: &Step) -> Self {
        Self {
            account_id: step.account,
            at_instant: step.at.as_ref().map(|at| at.at.as_millisecond()),
            at_local: step.at.as_ref().map(|at| at.local.to_string()),
            at_fold: step.at.as_ref().map(|at| fold_name(at.fold)),
            delay: step.delay.as_ref().map(ToString::to_string),
        }
    }
}

/// The columns of a [`NewStep`].
pub(super) const NEW_STEP: Columns = Columns(&[
    ("run_id", "BIGINT"),
    ("name", "TEXT"),
    ("action", "TEXT"),
    ("system", "TEXT"),
    ("needs", "TEXT"),
    ("of_step", "BIGINT"),
    ("undoes", "BIGINT"),
    ("lane", "BIGINT"),
    ("account_id", "BIGINT"),
    ("at_instant", "BIGINT"),
    ("at_local", "TEXT"),
    ("at_fold", "TEXT"),
    ("delay", "TEXT"),
    ("id", "BIGINT"),
    ("state", "TEXT"),
    ("due_at", "BIGINT"),
    ("fence", "BIGINT"),
    ("observe", "BIGINT"),
    ("lease_until", "BIGINT"),
    ("lease_owner", "TEXT"),
    ("data", "TEXT"),
    ("first_due", "BIGINT"),
    ("decision", "TEXT"),
    ("lapses_at", "BIGINT"),
]);

/// A whole step, as it is written first.
#[derive(Serialize)]
pub(super) struct NewStep {
    run_id: i64,
    name: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    needs: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    of_step: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<i64>,
    lane: i64,
    #[serde(flatten)]
    times: StepTimes,
    #[serde(flatten)]
    change: StepChange,
}

impl NewStep {
    pub(super) fn of(run: i64, step: &Step, urgent: bool, change: StepChange) -> Self {
        Self {
            run_id: run,
            name: step.name.clone(),
            action: step.action.name(),
            system: step.system.clone(),
            needs: json(&step.needs),
            of_step: step.of.map(i64::from),
            undoes: step.undoes.map(i64::from),
            lane: i64::from(!urgent),
            times: StepTimes::of(step),
            change,
        }
    }
}

const fn fold_name(fold: Fold) -> &'static str {
    match fold {
        Fold::None => "none",
        Fold::Gap => "gap",
        Fold::Overlap => "overlap",
    }
}

/// A step as its row holds it.
#[derive(FromRow, Deserialize)]
pub(super) struct StepRow {
    id: i64,
    name: String,
    action: String,
    system: Option<String>,
    account_id: Option<i64>,
    needs: String,
    at_instant: Option<i64>,
    at_local: Option<String>,
    at_fold: Option<String>,
    delay: Option<String>,
    of_step: Option<i64>,
    undoes: Option<i64>,
    state: String,
    due_at: Option<i64>,
    fence: i64,
    observe: i64,
    data: Option<String>,
    first_due: Option<i64>,
    decision: Option<String>,
}

pub(super) fn step(row: &AnyRow) -> Result<Step, StoreError> {
    StepRow::from_row(row)?.step()
}

impl StepRow {
    pub(super) fn key(&self) -> i64 {
        self.id
    }

    /// The run it is of.
    pub(super) fn run(&self) -> i64 {
        self.id / STEPS_PER_RUN
    }

    pub(super) fn step(self) -> Result<Step, StoreError> {
        let ordinal = u16::try_from(self.id % STEPS_PER_RUN).map_err(|why| StoreError::corrupt("step key", why))?;
        let state = self.state()?;
        let at = self.at_instant.map(|at| local_instant(at, self.at_local, self.at_fold)).transpose()?;
        Ok(Step {
            ordinal,
            name: self.name,
            action: ActionKind::from_name(&self.action).ok_or_else(|| StoreError::corrupt("action", &self.action))?,
            system: self.system,
            account: self.account_id,
            needs: parse("step's needs", &self.needs)?,
            at,
            delay: self
                .delay
                .map(|text| Span::parse(&text).map_err(|why| StoreError::corrupt("delay", why)))
                .transpose()?,
            of: self.of_step.and_then(|of| u16::try_from(of).ok()),
            undoes: self.undoes.and_then(|undone| u16::try_from(undone).ok()),
            state,
            attempts: self.fence,
            first_due: self.first_due.map(from_millis),
            decision: self.decision.map_or_else(|| Ok(Decision::default()), |text| parse("decision", &text))?,
        })
    }

    fn state(&self) -> Result<StepState, StoreError> {
        Ok(match (self.state.as_str(), self.due_at, self.data.as_deref()) {
            ("blocked", ..) => StepState::Blocked,
            ("cancelled", ..) => StepState::Cancelled,
            ("awaiting_approval", ..) => StepState::AwaitingApproval,
            ("waiting", Some(due), _) => StepState::Waiting { due: from_millis(due) },
            ("unknown", Some(due), _) => StepState::Unknown { due: from_millis(due) },
            ("leased", ..) => StepState::Leased { fence: self.fence, observe: self.observe != 0 },
            (_, _, Some(data)) => parse("step state", data)?,
            (other, ..) => return Err(StoreError::corrupt("step state", other)),
        })
    }
}

fn local_instant(at: i64, local: Option<String>, fold: Option<String>) -> Result<LocalInstant, StoreError> {
    let (local, fold) = local.zip(fold).ok_or_else(|| StoreError::corrupt("local time", "it is missing"))?;
    Ok(LocalInstant {
        at: from_millis(at),
        local: local.parse().map_err(|why| StoreError::corrupt("local time", why))?,
        fold: parse("fold", &format!("\"{fold}\""))?,
    })
}
