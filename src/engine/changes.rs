//! Changes of what a run sets out to do: new inputs, and a run that takes it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::run::book::{Book, Step, public_id};
use crate::run::orders;
use crate::run::reschedule::{NewInputs, NotRescheduled, Rescheduled, reschedule};
use crate::run::undo::{Extent, Stays, Undoing, plan_of, undoing};
use crate::run::{Capability, EventFacts, PlanError, PlannedStep, StepState};
use crate::store::{HR, NewRun, StoreError};
use crate::workflow::{ActionKind, Place};

/// Why a run under way cannot be changed. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The inputs are wrong, or give no times.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Access that is cut would be cut only later.
    #[error("{why}")]
    CutDone {
        /// The run.
        run: i64,
        /// What the rule says.
        why: String,
    },
    /// The store refuses or fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ChangeError {
    fn of(run: i64, error: NotRescheduled) -> Self {
        match error {
            NotRescheduled::Refused(refusal) => Self::Store(refusal.into()),
            NotRescheduled::Plan(error) => Self::Plan(error),
            cut @ NotRescheduled::CutDone { .. } => Self::CutDone { run, why: cut.to_string() },
        }
    }
}

/// What taking a run back came to.
#[derive(Clone, Debug, Serialize)]
pub struct Undone {
    /// The run that takes it back; `None` where there is nothing to take back, or nothing was to be changed.
    pub run: Option<String>,
    /// Its steps, in the order in which they take place on each system.
    pub steps: Vec<PlannedStep>,
    /// What stays, and what can be done instead.
    pub stays: Vec<Stays>,
    /// What was in flight.
    pub in_flight: Vec<String>,
}

impl Undone {
    fn of(run: Option<i64>, undoing: Undoing) -> Self {
        Self { run: run.map(public_id), steps: undoing.steps, stays: undoing.stays, in_flight: undoing.in_flight }
    }
}

impl Engine {
    /// Gives a run new inputs, and what of it has not started its new times. With `dry_run` only says so.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn reschedule(
        &self,
        run: i64,
        given: &BTreeMap<String, Value>,
        reason: Option<&str>,
        by: &str,
        dry_run: bool,
    ) -> Result<Rescheduled, ChangeError> {
        let by: Arc<str> = Arc::from(by);
        let change = |book: &mut Book, subject: &_, now| {
            let new = NewInputs { given, event: None, subject, rules: self.house_rules(), reason };
            reschedule(book, &new, &by, now)
        };
        let outcome = if dry_run {
            let (mut book, subject) = self.store().book_about(run).await?;
            change(&mut book, &subject, self.store().now().await?)
        } else {
            self.store().order_about(run, |book, subject, now| Ok(change(book, subject, now))).await?
        };
        outcome.map_err(|error| ChangeError::of(run, error))
    }

    /// HR says something again of which the run is about: its inputs that come from events follow, and what HR had
    /// stopped goes on. Where access that is cut would have to be cut later, the run's deletions are held instead.
    ///
    /// # Errors
    /// [`ChangeError`]; what is held stays held.
    pub async fn follow_hr(&self, run: i64, event: &EventFacts, why: &str) -> Result<Followed, ChangeError> {
        let (by, none): (Arc<str>, _) = (Arc::from(HR), BTreeMap::new());
        let stopped_by_hr = self.store().paused_by(run).await?.as_deref() == Some(HR);
        let outcome = self.store().order_about(run, |book, subject, now| {
            let mut after = book.clone();
            if stopped_by_hr {
                orders::resume(&mut after, why, &by, now)?;
            }
            let goes_on = orders::let_go_for_hr(&mut after, &by, now)? > 0 || stopped_by_hr;
            let new =
                NewInputs { given: &none, event: Some(event), subject, rules: self.house_rules(), reason: Some(why) };
            match reschedule(&mut after, &new, &by, now) {
                Ok(rescheduled) => {
                    *book = after;
                    Ok(Ok(Followed { rescheduled, goes_on }))
                }
                Err(refused @ NotRescheduled::CutDone { .. }) => {
                    orders::hold_for_hr(book, why, &by, now)?;
                    Ok(Err(refused))
                }
                Err(error) => Ok(Err(error)),
            }
        });
        outcome.await?.map_err(|error| ChangeError::of(run, error))
    }

    /// Takes a run back: cancels it, and starts the run of its inverses, in one transaction. With `dry_run` only says
    /// what that would be.
    ///
    /// # Errors
    /// When the run is an undoing itself, was taken back before, or the database cannot be written.
    pub async fn undo(&self, run: i64, reason: &str, by: &str, dry_run: bool) -> Result<Undone, StoreError> {
        if dry_run {
            let book = self.look(run).await?;
            may_be_undone(&book)?;
            if let Some(first) = self.store().taken_back(run, &Extent::All.name(&book.run.name)).await? {
                let (first, run) = (public_id(first), public_id(run));
                return Err(StoreError::Refused(format!("{first} takes {run} back already")));
            }
            return Ok(Undone::of(None, undoing(&book, Extent::All, |step, inverse| self.answer(step, inverse))));
        }
        let actor: Arc<str> = Arc::from(by);
        let (undoing, id) = self
            .store()
            .take_back(run, |book, now| {
                may_be_undone(book)?;
                let undoing = undoing(book, Extent::All, |step, inverse| self.answer(step, inverse));
                if !book.run.state.is_over() {
                    orders::cancel(book, reason, &actor, now)?;
                }
                let new = undo_run(book, Extent::All, &undoing, by, now);
                Ok((undoing, new))
            })
            .await?;
        Ok(Undone::of(Some(id), undoing))
    }

    /// Takes a run's deletions that are still in grace back, and nothing else. `None` where there is none, or that was
    /// done before.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn restore(&self, run: i64, by: &str) -> Result<Option<i64>, StoreError> {
        let book = self.look(run).await?;
        let name = Extent::Deletions.name(&book.run.name);
        if let Some(first) = self.store().taken_back(run, &name).await? {
            return Ok(Some(first));
        }
        let plan = |book: &Book| undoing(book, Extent::Deletions, |step, inverse| self.answer(step, inverse));
        if plan(&book).steps.is_empty() {
            return Ok(None);
        }
        let started = self.store().take_back(run, |book, now| {
            let new = undo_run(book, Extent::Deletions, &plan(book), by, now);
            Ok(((), new))
        });
        Ok(Some(started.await?.1))
    }

    fn answer(&self, step: &Step, inverse: ActionKind) -> Capability {
        let connector = step.system.as_ref().and_then(|name| self.systems().get(name));
        connector.map_or_else(
            || Capability::Unsupported("the system is not configured".to_owned()),
            |connector| connector.capability(inverse, None),
        )
    }
}

/// What HR's word changed in a run.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Inputs and times.
    pub rescheduled: Rescheduled,
    /// Whether it had been stopped by HR's word and goes on now.
    pub goes_on: bool,
}

fn may_be_undone(book: &Book) -> Result<(), StoreError> {
    let run = book.run.public_id();
    if let Some(undone) = book.run.undoes {
        return Err(StoreError::Refused(format!(
            "{run} takes {} back itself; start {} again instead",
            public_id(undone),
            book.run.workflow.name
        )));
    }
    // No account keeps such an attempt and its undoing apart.
    let whole = |step: &&Step| step.action.place() == Place::System && matches!(step.state, StepState::Leased { .. });
    match book.steps.iter().find(whole) {
        Some(step) => Err(StoreError::Refused(format!(
            "an attempt of {} is in flight, on the system as a whole; pause {run} and wait for it to end",
            step.label()
        ))),
        None => Ok(()),
    }
}

fn undo_run(book: &Book, extent: Extent, undoing: &Undoing, by: &str, now: jiff::Timestamp) -> NewRun {
    NewRun {
        workflow: Arc::clone(&book.run.workflow),
        plan: plan_of(book, extent, undoing.steps.clone(), now),
        person: book.run.person,
        account: book.run.account,
        undoes: Some(book.run.id),
        key: None,
        trigger: format!("undo:{}", book.run.public_id()),
        asked_by: by.to_owned(),
    }
}
