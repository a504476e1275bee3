//! What waits for a person.

use serde::Serialize;
use sqlx::Row;

use super::books::{Hold, STEPS_PER_RUN};
use super::people::with_manager;
use super::{Store, StoreError};
use crate::run::StepState;
use crate::run::asking;
use crate::run::book::Step;

/// A step that waits for a person: something to do, to tick, to approve, or to decide.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The run.
    pub run: String,
    /// The workflow's name.
    pub workflow: String,
    /// The step's label.
    pub step: String,
    /// What it does.
    pub action: &'static str,
    /// `awaiting_approval`, `awaiting_person`, `held` or `failed`.
    pub state: &'static str,
    /// What is to be done, or why it is stopped.
    pub what: String,
    /// Points of a checklist, with whether they are ticked.
    pub items: Vec<(String, bool)>,
    /// What must be typed to approve.
    pub confirm: Option<String>,
}

impl Store {
    /// Everything that waits for a person, oldest run first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn waiting(&self, limit: i64) -> Result<Vec<Waiting>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id FROM steps WHERE state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person')
             ORDER BY id LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        let keys: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let mut runs: Vec<i64> = keys.iter().map(|key| key / STEPS_PER_RUN).collect();
        runs.dedup();
        let people = self.load(&mut conn, &runs, Hold::No).await?;
        let ids = people.iter().filter_map(|loaded| loaded.book.run.person).collect();
        let names = self.people_with_managers(&mut conn, &ids).await?;
        let mut waiting = Vec::new();
        for loaded in &people {
            let book = &loaded.book;
            let (person, manager) = with_manager(&names, book.run.person);
            let scope = asking::step_scope(book, person, manager, None);
            for step in &book.steps {
                let Some(what) = what(step) else { continue };
                waiting.push(Waiting {
                    run: book.run.public_id(),
                    workflow: book.run.name.clone(),
                    step: step.label(),
                    action: step.action.name(),
                    state: step.state.as_str(),
                    what,
                    items: asking::items(book, step, &scope)
                        .into_iter()
                        .enumerate()
                        .map(|(index, item)| (item, step.decision.ticked.contains(&(index + 1))))
                        .collect(),
                    confirm: asking::confirmation(book, step, &scope),
                });
            }
        }
        Ok(waiting)
    }

    /// What must be typed to approve a step, and the points of a checklist, with the person as they are now.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn asked(&self, run: i64, ordinal: u16) -> Result<(Option<String>, Vec<String>), StoreError> {
        let mut conn = self.reader().await?;
        let loaded = self.look(&mut conn, run).await?;
        let book = &loaded.book;
        let ids = book.run.person.into_iter().collect();
        let names = self.people_with_managers(&mut conn, &ids).await?;
        let (person, manager) = with_manager(&names, book.run.person);
        let scope = asking::step_scope(book, person, manager, None);
        let Some(step) = book.step(ordinal) else { return Ok((None, Vec::new())) };
        Ok((asking::confirmation(book, step, &scope), asking::items(book, step, &scope)))
    }
}

fn what(step: &Step) -> Option<String> {
    match &step.state {
        StepState::AwaitingApproval => Some("approve or deny".to_owned()),
        StepState::AwaitingPerson { instruction } => Some(instruction.clone()),
        StepState::Held { reason, .. } => Some(format!("{}: {}", reason.code(), reason_words(reason))),
        StepState::Failed { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// A hold's own words.
pub fn reason_words(reason: &crate::run::HoldReason) -> String {
    use crate::run::HoldReason as R;
    match reason {
        R::Paused => "the run is paused".into(),
        R::Late => "its time had passed when the run started".into(),
        R::Freeze(words)
        | R::Missing(words)
        | R::Approval(words)
        | R::PersonNotDeparted(words)
        | R::Hr(words)
        | R::CutOpen(words)
        | R::CutNeeded(words)
        | R::FreshRead(words)
        | R::Ambiguous(words)
        | R::Failure(words) => words.clone(),
        R::Guard { name, detail } => format!("{name}: {detail}"),
    }
}
