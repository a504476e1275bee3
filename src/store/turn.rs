//! One turn of the wheel: outcomes in, attempts out, in one transaction.
//!
//! The claim is the intent: the journal's intent entry, the guards' verdict and the lease are written by the same
//! commit that records the outcomes of earlier attempts and whatever follows from them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::books::{Hold, Loaded, json};
use super::claim::{Scene, is_due};
use super::flush::Lease;
use super::limits::waits_for_batch;
use super::pace::waits_for_room;
use super::seen::Seen;
use super::sql::{Text, gathered, listed};
use super::{Store, StoreError, Tx};
use crate::clock::plus;
use crate::run::advance::advance;
use crate::run::asking::Undone;
use crate::run::settle::{self, Outcome};
use crate::run::{Account, StepState};
use crate::workflow::ActionKind;

/// What a turn is asked to do.
#[derive(Debug)]
pub struct TurnRequest<'a> {
    /// Outcomes of attempts.
    pub completions: Vec<Completion>,
    /// How many attempts may start.
    pub permits: usize,
    /// How many of these are kept free for what is urgent.
    pub reserved: usize,
    /// Who takes the leases.
    pub owner: &'a str,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// The systems this daemon's configuration has.
    pub systems: &'a BTreeSet<String>,
}

/// The outcome of one attempt.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The run.
    pub run: i64,
    /// The step.
    pub ordinal: u16,
    /// The attempt's number: an outcome of any other attempt changes nothing.
    pub fence: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// The account as it was read back, where the attempt read it.
    pub seen: Option<Seen>,
}

/// An attempt that has started: its intent is committed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The run.
    pub run: i64,
    /// The step.
    pub ordinal: u16,
    /// The attempt's number.
    pub fence: i64,
    /// Whether an earlier attempt was ambiguous: observe before anything else.
    pub observe: bool,
    /// How people address the step.
    pub label: String,
    /// What to do.
    pub action: ActionKind,
    /// Where.
    pub system: Option<String>,
    /// On which account.
    pub account: Option<Account>,
    /// With which parameters.
    pub with: Map<String, Value>,
    /// What another run's step asked for that this one takes back: it must still be there.
    pub undone: Option<Undone>,
    /// A person lets it through although the account is protected.
    pub overridden: bool,
    /// Before a deletion: the archives that the run has made of the account.
    pub archives: Vec<Archived>,
    /// The longest the attempt may take.
    pub timeout: Duration,
    /// The store's clock at the claim.
    pub now: Timestamp,
    /// Real time at which the lease ends unless it is renewed.
    pub lease_until: Timestamp,
}

/// An archive that a step of the run has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// By which action.
    pub action: ActionKind,
    /// By which step.
    pub label: String,
}

/// What a turn did.
#[derive(Debug, Default)]
pub struct TurnReport {
    /// Attempts that have started.
    pub claims: Vec<Claim>,
    /// Outcomes that came too late: another attempt has the step.
    pub stale: usize,
    /// Steps that were held, skipped or handed to a person.
    pub settled: usize,
    /// Runs that were due and not in hand.
    pub others: usize,
    /// Systems that have no room since this turn: what is due elsewhere may have been behind them.
    pub full: usize,
}

/// Who speaks in the journal when usher does.
pub(crate) fn usher() -> Arc<str> {
    Arc::from("usher")
}

/// Steps that end somebody's access, as the index `steps_ready_cuts` knows them.
macro_rules! cuts {
    () => {
        "s.action IN ('account.disable', 'password.rotate', 'sessions.revoke', 'app_passwords.revoke', 'tokens.revoke', 'access.remove', 'mail.clear_rules', 'product.block', 'mail.maintenance')"
    };
}

/// Steps of a kind whose time has come, leaving out what `$waits`, runs that are in hand or unreadable, and accounts with an
/// attempt under way.
macro_rules! due {
    ($dialect:ident, $waits:expr, $kind:expr, $limit:literal) => {
        concat!(
            "SELECT s.run_id FROM steps s WHERE ",
            $kind,
            " AND s.due_at <= $2 AND NOT ",
            $waits,
            " AND (s.account_id IS NULL OR NOT EXISTS (
                SELECT 1 FROM steps l WHERE l.account_id = s.account_id AND l.state = 'leased' AND l.account_id IS NOT NULL))
              AND s.run_id NOT IN ",
            listed!($dialect, "$1"),
            " ORDER BY s.due_at LIMIT ",
            $limit
        )
    };
}

/// Their runs, under their locks: the urgent lane, then whatever ends somebody's access, then as many others as the steps
/// of the runs in hand leave hands for. Runs that another daemon has in hand are passed over: `$run` is how PostgreSQL, which
/// would guess at the number of rows, is made to look for each by its key.
macro_rules! due_runs {
    ($dialect:ident, $waits:expr, $run:literal) => {
        concat!(
            "WITH urgent AS (",
            due!($dialect, $waits, "s.lane = 0", "$3"),
            "), cuts AS (",
            due!(
                $dialect,
                $waits,
                concat!("s.lane = 1 AND ", cuts!()),
                "(SELECT CASE WHEN COUNT(*) < $4 THEN $4 - COUNT(*) ELSE 0 END FROM urgent)"
            ),
            "), others AS (",
            due!(
                $dialect,
                $waits,
                concat!("s.lane = 1 AND NOT ", cuts!()),
                "(SELECT CASE WHEN COUNT(*) < $5 THEN $5 - COUNT(*) ELSE 0 END FROM (SELECT 1 FROM urgent UNION ALL SELECT 1 FROM cuts) AS before)"
            ),
            ") SELECT ",
            gathered!(
                $dialect,
                [id, head, data_key],
                concat!(
                    "SELECT r.id, r.head, p.data_key
                     FROM (SELECT run_id FROM urgent UNION SELECT run_id FROM cuts UNION SELECT run_id FROM others) AS d ",
                    $run,
                    " LEFT JOIN people p ON p.id = r.person_id"
                )
            )
        )
    };
}

macro_rules! due_text {
    ($waits:expr) => {
        Text {
            sqlite: due_runs!(sqlite, $waits, "JOIN runs r ON r.id = d.run_id"),
            postgres: due_runs!(
                postgres,
                $waits,
                "CROSS JOIN LATERAL (SELECT id, head, person_id FROM runs WHERE runs.id = d.run_id FOR UPDATE SKIP LOCKED) AS r"
            ),
        }
    };
}

const DUE: Text = due_text!(waits_for_batch!("$2"));

/// The same where the pace of systems is limited: those without room are left out.
const DUE_PACED: Text = due_text!(waits_for_room!("$2"));

/// The systems on which a destructive attempt has just ended.
fn ended_deletions(books: &[Loaded], completions: &[Completion]) -> BTreeSet<String> {
    let step = |completion: &Completion| {
        let loaded = books.iter().find(|loaded| loaded.book.run.id == completion.run)?;
        loaded.book.step(completion.ordinal).filter(|step| step.action.is_destructive())?.system.clone()
    };
    completions.iter().filter_map(step).collect()
}

impl Store {
    /// Records outcomes, lets everything follow, and starts what is due, in one transaction.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing has happened.
    pub async fn turn(&self, request: &TurnRequest<'_>) -> Result<TurnReport, StoreError> {
        let mut tx = if request.permits > 0 { self.begin_watched().await? } else { self.begin().await? };
        let mut report = TurnReport::default();
        let mut books = self.record(&mut tx, &request.completions, &mut report).await?;
        let over = ended_deletions(&books, &request.completions);
        let in_hand = books.len();
        if request.permits > 0 {
            books.extend(self.due_books(&mut tx, request, &books).await?);
            report.others = books.len() - in_hand;
        }
        let mut noted = false;
        let paced = self.paced_systems(&books, &request.completions, tx.now);
        if request.permits > 0 || !over.is_empty() || !paced.is_empty() {
            let scene = Scene { over: &over, paced: &paced, in_hand };
            noted = self.claim(&mut tx, &mut books, request, &mut report, &scene).await?;
        }
        if !noted && !books.iter().any(|loaded| loaded.book.changed()) {
            // Nothing to write: nobody is woken. What it has locked is free at once, not when the pool gets round to it.
            tx.leave().await?;
            self.shelf().keep(books);
            return Ok(report);
        }
        let until = plus(tx.real, request.lease).as_millisecond();
        self.flush(&mut tx, &mut books, Some(&Lease { until, owner: request.owner })).await?;
        self.commit_turn(tx).await?;
        self.shelf().keep(books);
        Ok(report)
    }

    async fn record(
        &self,
        tx: &mut Tx,
        completions: &[Completion],
        report: &mut TurnReport,
    ) -> Result<Vec<Loaded>, StoreError> {
        let mut ids: Vec<i64> = completions.iter().map(|completion| completion.run).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut books = self.load(tx.conn(), &ids, Hold::Wait).await?;
        let mut seen: Vec<(&Completion, &Seen)> = Vec::new();
        for completion in completions {
            let Some(loaded) = books.iter_mut().find(|loaded| loaded.book.run.id == completion.run) else {
                report.stale += 1;
                continue;
            };
            if !self.settle(loaded, completion, tx.now)? {
                report.stale += 1;
                continue;
            }
            seen.extend(completion.seen.as_ref().map(|seen| (completion, seen)));
        }
        self.note_seen(tx, &books, seen).await?;
        Ok(books)
    }

    /// Applies one outcome; false when another attempt has the step.
    fn settle(&self, loaded: &mut Loaded, completion: &Completion, now: Timestamp) -> Result<bool, StoreError> {
        let book = &mut loaded.book;
        let held = book
            .step(completion.ordinal)
            .filter(|step| matches!(step.state, StepState::Leased { fence, .. } if fence == completion.fence));
        let Some(step) = held else { return Ok(false) };
        let event = settle::settle(book, step, completion.fence, completion.outcome.clone(), now);
        book.apply(completion.ordinal, event, &usher(), now)?;
        let holidays = self.holidays_of(book);
        advance(book, holidays, &usher(), now)?;
        Ok(true)
    }

    /// Runs with steps whose time has come. One that proves unreadable has taken places from others: they are asked
    /// for again.
    async fn due_books(
        &self,
        tx: &mut Tx,
        request: &TurnRequest<'_>,
        in_hand: &[Loaded],
    ) -> Result<Vec<Loaded>, StoreError> {
        let many = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let going_on = in_hand.iter().flat_map(|loaded| &loaded.book.steps).filter(|step| is_due(step, tx.now)).count();
        let most = many(request.permits);
        let normal = most.saturating_sub(many(request.reserved));
        let others = normal.saturating_sub(many(going_on));
        let mut books = Vec::new();
        loop {
            let mut leave_out = self.unreadable();
            let unreadable = leave_out.len();
            leave_out.extend(in_hand.iter().chain(&books).map(|loaded: &Loaded| loaded.book.run.id));
            let text = if self.rules().paces.is_empty() { DUE } else { DUE_PACED };
            let due: String = sqlx::query_scalar(text.of(self.dialect()))
                .bind(json(&leave_out))
                .bind(tx.now.as_millisecond())
                .bind(most)
                .bind(normal)
                .bind(others)
                .fetch_one(tx.conn())
                .await?;
            let (found, unknown) = self.in_mind(&due)?;
            books.extend(found);
            self.read(tx.conn(), &unknown, Hold::WaitReadable, &mut books).await?;
            if self.unreadable().len() == unreadable {
                return Ok(books);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::workflow::{ActionKind, Nature};

    #[test]
    fn cuts_are_what_the_catalogue_says() {
        let cuts = ActionKind::ALL.iter().filter(|action| action.nature() == Nature::Cut);
        let names: Vec<String> = cuts.map(|action| format!("'{action}'")).collect();
        assert_eq!(cuts!(), format!("s.action IN ({})", names.join(", ")));
    }
}
