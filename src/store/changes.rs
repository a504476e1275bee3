//! Changes of a run's plan: other inputs, another run that takes it back, HR's word. Each is one transaction with
//! whatever follows from it.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::books::{Hold, Loaded};
use super::people::with_manager;
use super::starting::{NewRun, only};
use super::turn::usher;
use super::{Store, StoreError, Tx};
use crate::run::advance::advance;
use crate::run::book::{Book, public_id};
use crate::run::orders;
use crate::run::{RunState, Subject};
use crate::workflow::{HrEvent, SubjectKind};

/// Who speaks in the journal when HR does.
pub(crate) const HR: &str = "hr";

impl Store {
    /// As [`Store::order`], with who or what the run is about, as known in the same transaction.
    ///
    /// # Errors
    /// As [`Store::order`].
    pub async fn order_about<T>(
        &self,
        run: i64,
        order: impl FnOnce(&mut Book, &Subject, Timestamp) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        let mut tx = self.begin().await?;
        let mut one = self.take(&mut tx, run).await?;
        let subject = self.subject_of(tx.conn(), &one.book).await?;
        let answer = order(&mut one.book, &subject, tx.now)?;
        let holidays = self.holidays_of(&one.book);
        advance(&mut one.book, holidays, &usher(), tx.now)?;
        self.flush(&mut tx, std::slice::from_mut(&mut one), None).await?;
        self.commit(tx).await?;
        Ok(answer)
    }

    /// A run as it stands, and who or what it is about, to look at.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be read.
    pub async fn book_about(&self, run: i64) -> Result<(Book, Subject), StoreError> {
        let mut conn = self.reader().await?;
        let book = self.look(&mut conn, run).await?.book;
        let subject = self.subject_of(&mut conn, &book).await?;
        Ok((book, subject))
    }

    async fn subject_of(&self, conn: &mut AnyConnection, book: &Book) -> Result<Subject, StoreError> {
        let gone = |kind: &'static str| StoreError::NotFound { kind, key: format!("of {}", book.run.public_id()) };
        Ok(match book.run.subject {
            SubjectKind::Organisation => Subject::Organisation,
            SubjectKind::Account => {
                let row = sqlx::query(
                    "SELECT id, system, external_id, login, person_id, status, attributes, last_sign_in, purge_due
                     FROM accounts WHERE id = $1",
                )
                .bind(book.run.account)
                .fetch_optional(conn)
                .await?;
                let account = row.as_ref().map(super::accounts::account).transpose()?;
                Subject::Account(Box::new(account.ok_or_else(|| gone("account"))?))
            }
            SubjectKind::Person => {
                let people = self.people_with_managers(conn, &book.run.person.into_iter().collect()).await?;
                let (person, manager) = with_manager(&people, book.run.person);
                Subject::Person {
                    person: Box::new(person.cloned().ok_or_else(|| gone("person"))?),
                    manager: manager.cloned().map(Box::new),
                }
            }
        })
    }

    /// Starts the run that takes another back. `make` works on the other one's book, under its lock, and gives the run
    /// that is started in the same transaction.
    ///
    /// # Errors
    /// When there is no such run, it has been taken back before, `make` refuses, or the database cannot be written.
    pub async fn take_back<T>(
        &self,
        run: i64,
        make: impl FnOnce(&mut Book, Timestamp) -> Result<(T, NewRun), StoreError> + Send,
    ) -> Result<(T, i64), StoreError> {
        let mut tx = self.begin().await?;
        let mut one = self.take(&mut tx, run).await?;
        let (answer, new) = make(&mut one.book, tx.now)?;
        if let Some(first) = taken_back_by(tx.conn(), run, &new.plan.workflow).await? {
            return Err(StoreError::Refused(format!("{} takes {} back already", public_id(first), public_id(run))));
        }
        let holidays = self.holidays_of(&one.book);
        advance(&mut one.book, holidays, &usher(), tx.now)?;
        self.flush(&mut tx, std::slice::from_mut(&mut one), None).await?;
        let started = only(self.start_in(&mut tx, &[new]).await?)?;
        self.commit(tx).await?;
        Ok((answer, started.id()))
    }

    /// The run called `name` that takes a run back; one that was cancelled does not count.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn taken_back(&self, run: i64, name: &str) -> Result<Option<i64>, StoreError> {
        let mut conn = self.reader().await?;
        taken_back_by(&mut conn, run, name).await
    }

    /// Who has paused a run, where it is paused.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn paused_by(&self, run: i64) -> Result<Option<String>, StoreError> {
        let mut conn = self.reader().await?;
        Ok(sqlx::query_scalar(
            "SELECT j.actor FROM journal j JOIN runs r ON r.id = j.run_id WHERE j.run_id = $1 AND r.state = 'paused'
               AND j.body LIKE '%\"fact\":\"run\"%' AND j.body LIKE '%\"state\":\"paused\"%'
             ORDER BY j.seq DESC LIMIT 1",
        )
        .bind(run)
        .fetch_optional(&mut *conn)
        .await?)
    }

    /// The runs about a person, oldest first; undoings too. `open` leaves out those that are over.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn books_of(&self, person: i64, open: bool) -> Result<Vec<Book>, StoreError> {
        let mut conn = self.reader().await?;
        let runs: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM runs WHERE person_id = $1 AND (ended_at IS NULL OR $2 = 0) ORDER BY id")
                .bind(person)
                .bind(i64::from(open))
                .fetch_all(&mut *conn)
                .await?;
        Ok(self.load(&mut conn, &runs, Hold::No).await?.into_iter().map(|loaded| loaded.book).collect())
    }

    /// HR takes something back: in the transaction that accepts it, nothing of the person's that destroys may start any
    /// more (guarantee 10), and a departure that is rescinded stops altogether.
    pub(super) async fn stop_for_hr(&self, tx: &mut Tx, kind: HrEvent, person: &str) -> Result<(), StoreError> {
        let (why, stops) = match kind {
            HrEvent::Rehired => ("HR says that the person is hired again", false),
            HrEvent::Rescinded => ("HR has taken the departure back", true),
            _ => return Ok(()),
        };
        let runs: Vec<i64> = sqlx::query_scalar(
            "SELECT r.id FROM runs r JOIN people p ON p.id = r.person_id
             WHERE p.employee_number = $1 AND r.ended_at IS NULL ORDER BY r.id",
        )
        .bind(person)
        .fetch_all(tx.conn())
        .await?;
        let mut books = self.load(tx.conn(), &runs, Hold::WaitReadable).await?;
        let by: Arc<str> = Arc::from(HR);
        for Loaded { book, .. } in &mut books {
            orders::hold_for_hr(book, why, &by, tx.now)?;
            if stops && book.run.listens_for(HrEvent::Departure) && book.run.state != RunState::Paused {
                orders::pause(book, why, &by, tx.now)?;
            }
            let holidays = self.holidays_of(book);
            advance(book, holidays, &usher(), tx.now)?;
        }
        self.flush(tx, &mut books, None).await
    }
}

async fn taken_back_by(conn: &mut AnyConnection, run: i64, name: &str) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM runs WHERE undoes = $1 AND workflow = $2 AND state <> 'cancelled' ORDER BY id",
    )
    .bind(run)
    .bind(name)
    .fetch_optional(conn)
    .await?)
}
