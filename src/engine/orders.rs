//! What people ask of a run: each is one pure function of [`crate::run::orders`] under the run's lock.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Engine;
use crate::run::NotTheirs;
use crate::run::book::Book;
use crate::run::orders::{self, Approver, Cancelled, Progress, Refusal};
use crate::store::StoreError;

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rule(words) => Self::Refused(words),
            Refusal::NotTheirs(NotTheirs { why, way_out }) => Self::NotTheirs { why, help: way_out },
            Refusal::State(illegal) => Self::Illegal(illegal),
        }
    }
}

/// The step that a person typed.
fn find(book: &Book, typed: &str) -> Result<u16, StoreError> {
    book.find(typed).map_err(|candidates| {
        let known = candidates.join(", ");
        StoreError::Refused(match candidates.len() {
            0 => format!("{} has no steps", book.run.public_id()),
            _ if book.steps.iter().any(|step| step.name == typed) => {
                format!("`{typed}` is several steps of {}; name one of: {known}", book.run.public_id())
            }
            _ => format!("{} has no step `{typed}`; it has: {known}", book.run.public_id()),
        })
    })
}

impl Engine {
    /// Cancels a run; when this returns, nothing of it starts any more.
    ///
    /// # Errors
    /// When the run is over, is not there, or the database cannot be written.
    pub async fn cancel(&self, run: i64, reason: &str, by: &str) -> Result<Cancelled, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store().order(run, |book, now| Ok(orders::cancel(book, reason, &by, now)?)).await
    }

    /// Pauses a run; answers what is in flight.
    ///
    /// # Errors
    /// As [`Engine::cancel`].
    pub async fn pause(&self, run: i64, reason: &str, by: &str) -> Result<Vec<String>, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store().order(run, |book, now| Ok(orders::pause(book, reason, &by, now)?)).await
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// When the run is not paused, or as [`Engine::cancel`].
    pub async fn resume(&self, run: i64, reason: &str, by: &str) -> Result<usize, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store().order(run, |book, now| Ok(orders::resume(book, reason, &by, now)?)).await
    }

    /// Tries a failed or held step again; answers its label.
    ///
    /// # Errors
    /// When the step is not there or its state does not allow it.
    pub async fn retry(&self, run: i64, step: &str, reason: &str, by: &str) -> Result<String, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store()
            .order(run, |book, now| {
                let ordinal = find(book, step)?;
                orders::retry(book, ordinal, reason, &by, now)?;
                Ok(label(book, ordinal))
            })
            .await
    }

    /// Lets the cuts of a run through although their accounts are protected: of one step, or of all. Answers how many.
    ///
    /// # Errors
    /// When the run is over, there is no such step, or it cuts no access.
    pub async fn override_protection(
        &self,
        run: i64,
        step: Option<&str>,
        reason: &str,
        by: &str,
    ) -> Result<usize, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store()
            .order(run, |book, now| {
                let only = step.map(|step| find(book, step)).transpose()?;
                Ok(orders::override_protection(book, only, reason, &by, now)?)
            })
            .await
    }

    /// Leaves a step out; answers its label.
    ///
    /// # Errors
    /// When the step is not there or its state does not allow it.
    pub async fn skip(&self, run: i64, step: &str, reason: &str, by: &str) -> Result<String, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store()
            .order(run, |book, now| {
                let ordinal = find(book, step)?;
                orders::skip(book, ordinal, reason, &by, now)?;
                Ok(label(book, ordinal))
            })
            .await
    }

    /// Reports a task done, or points of a checklist.
    ///
    /// # Errors
    /// When the step does not wait for a person, or has no such point.
    pub async fn task_done(
        &self,
        run: i64,
        step: &str,
        ticked: &BTreeSet<usize>,
        note: Option<&str>,
        by: &str,
    ) -> Result<(String, Progress), StoreError> {
        let by: Arc<str> = Arc::from(by);
        let ordinal = find(&self.look(run).await?, step)?;
        let (_, items) = self.store().asked(run, ordinal).await?;
        self.store()
            .order(run, |book, now| {
                let progress = orders::task_done(book, ordinal, &items, ticked, note, &by, now)?;
                Ok((label(book, ordinal), progress))
            })
            .await
    }

    /// Approves a step with the confirmation that was typed.
    ///
    /// # Errors
    /// When no approval is asked for, or the confirmation does not match.
    pub async fn approve(&self, run: i64, step: &str, typed: &str, by: &str) -> Result<String, StoreError> {
        let by: Arc<str> = Arc::from(by);
        let ordinal = find(&self.look(run).await?, step)?;
        let (expected, _) = self.store().asked(run, ordinal).await?;
        let subject = self.store().scene(run, ordinal).await?.person;
        let users = &self.store().conventions().users;
        let approver = Approver { by: &by, users, subject: subject.as_ref(), batch: None };
        self.store()
            .order(run, |book, now| {
                let holidays = self.house_rules().holidays_of(&book.run.workflow);
                orders::approve(book, ordinal, expected.as_deref(), typed, &approver, now, holidays)?;
                Ok(label(book, ordinal))
            })
            .await
    }

    /// Refuses an approval, or says that a task will not be done.
    ///
    /// # Errors
    /// When the step does not wait for a person.
    pub async fn deny(&self, run: i64, step: &str, reason: &str, by: &str) -> Result<String, StoreError> {
        let by: Arc<str> = Arc::from(by);
        self.store()
            .order(run, |book, now| {
                let ordinal = find(book, step)?;
                orders::deny(book, ordinal, reason, &by, now)?;
                Ok(label(book, ordinal))
            })
            .await
    }
}

fn label(book: &Book, ordinal: u16) -> String {
    book.step(ordinal).map(crate::run::book::Step::label).unwrap_or_default()
}
