//! Approvals of many runs at once: all of a batch, or none.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::AnyConnection;

use super::books::Hold;
use super::people::with_manager;
use super::turn::usher;
use super::{Store, StoreError};
use crate::run::advance::advance;
use crate::run::batch::{Batch, batches};
use crate::run::book::public_id;
use crate::run::orders::{self, Approver, Refusal};

impl Store {
    /// The approvals that can be given at once, as they are now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        let mut conn = self.reader().await?;
        let runs = asking(&mut conn).await?;
        let books = self.load(&mut conn, &runs, Hold::No).await?;
        Ok(batches(books.iter().map(|loaded| &loaded.book)))
    }

    /// Approves a whole batch, with the words that were typed, in one transaction.
    ///
    /// # Errors
    /// When there is no such batch (any more), the words do not fit, one of its runs takes somebody else, or the
    /// database cannot be written. Then nothing is approved.
    pub async fn approve_batch(&self, id: &str, typed: &str, by: &str) -> Result<Batch, StoreError> {
        let by: Arc<str> = Arc::from(by);
        let mut tx = self.begin().await?;
        let runs = asking(tx.conn()).await?;
        let mut books = self.load(tx.conn(), &runs, Hold::WaitReadable).await?;
        let found = batches(books.iter().map(|loaded| &loaded.book)).into_iter().find(|batch| batch.id == id);
        let batch = found.ok_or_else(|| {
            StoreError::Refused(format!("there is no batch {id} any more: something of it has changed, list it again"))
        })?;
        if typed.trim() != batch.confirmation() {
            let words = batch.confirmation();
            return Err(StoreError::Refused(format!("the confirmation does not match: type exactly `{words}`")));
        }
        let ids: BTreeSet<i64> = books.iter().filter_map(|loaded| loaded.book.run.person).collect();
        let people = self.people_with_managers(tx.conn(), &ids).await?;
        let users = &self.conventions().users;
        for (run, ordinal) in &batch.approvals {
            let Some(loaded) = books.iter_mut().find(|loaded| loaded.book.run.id == *run) else { continue };
            let (subject, _) = with_manager(&people, loaded.book.run.person);
            let approver = Approver { by: &by, users, subject, batch: Some(id) };
            let holidays = self.holidays_of(&loaded.book).clone();
            orders::approve_in_batch(&mut loaded.book, *ordinal, &approver, tx.now, &holidays)
                .map_err(|refusal| of_run(*run, refusal))?;
            advance(&mut loaded.book, &holidays, &usher(), tx.now)?;
        }
        self.flush(&mut tx, &mut books, None).await?;
        self.commit(tx).await?;
        Ok(batch)
    }
}

/// Runs with an approval that is asked for. (The first condition is that of the index.)
pub(super) const ASKING: &str = "SELECT DISTINCT run_id FROM steps
     WHERE state IN ('held', 'failed', 'awaiting_approval', 'awaiting_person')
       AND (state = 'awaiting_approval' OR (state = 'held' AND action = 'approval')) ORDER BY run_id";

async fn asking(conn: &mut AnyConnection) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(ASKING).fetch_all(conn).await?)
}

fn of_run(run: i64, refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::NotTheirs(problem) => StoreError::NotTheirs {
            why: problem.why,
            help: format!("{}; the others of the batch can be approved one by one", problem.way_out),
        },
        Refusal::Rule(words) => StoreError::Refused(format!("{}: {words}", public_id(run))),
        Refusal::State(illegal) => StoreError::Illegal(illegal),
    }
}
