//! Judged and written piece by piece: while the database writes what one piece of the runs at hand has come to, the next one is
//! judged, sealed and put into words.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use super::books::Loaded;
use super::claim::is_due;
use super::desk::Desk;
use super::flush::{Changes, Lease, PIECE};
use super::turn::{TurnReport, TurnRequest};
use super::wake::DueTimes;
use super::{Store, StoreError, Tx};
use crate::clock::plus;
use crate::run::StepState;
use crate::workflow::Nature;

/// A transaction that two have in hand: one writes, and the other one judges and seldom has to ask the database.
pub(super) struct Line<'a> {
    tx: Mutex<&'a mut Tx>,
    /// The store's clock when the transaction began.
    pub(super) now: Timestamp,
    /// Real time then: leases.
    pub(super) real: Timestamp,
}

impl<'a> Line<'a> {
    fn new(tx: &'a mut Tx) -> Self {
        Self { now: tx.now, real: tx.real, tx: Mutex::new(tx) }
    }

    /// The transaction, once the other one has its answer. Whoever has it asks for it no second time.
    pub(super) async fn tx(&self) -> MutexGuard<'_, &'a mut Tx> {
        self.tx.lock().await
    }
}

/// Which steps are due in the runs at hand, in the order in which they are judged, and which runs may be written.
struct Round {
    due: VecDeque<Due>,
    /// Steps of each run that are still to be judged.
    open: HashMap<usize, usize>,
    /// Runs that have come to what they come to in this turn.
    ready: VecDeque<usize>,
    /// Claims and settled steps when it began.
    before: (usize, usize),
}

/// The urgent lane, then what ends somebody's access, then what goes on in runs that are in hand (one write for what has
/// ended and what begins), then whatever has waited longest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    normal: bool,
    keeps_access: bool,
    others: bool,
    since: Timestamp,
    index: usize,
    ordinal: u16,
}

impl Round {
    fn of(books: &[Loaded], in_hand: usize, now: Timestamp, report: &TurnReport) -> Self {
        let mut due = Vec::new();
        let mut open: HashMap<usize, usize> = HashMap::new();
        for (index, loaded) in books.iter().enumerate() {
            let steps = loaded.book.steps.iter().filter(|step| is_due(step, now));
            due.extend(steps.filter_map(|step| {
                *open.entry(index).or_default() += 1;
                Some(Due {
                    normal: !loaded.urgent,
                    keeps_access: step.action.nature() != Nature::Cut,
                    others: index >= in_hand,
                    since: step.state.due()?,
                    index,
                    ordinal: step.ordinal,
                })
            }));
        }
        due.sort_unstable();
        Self { due: due.into(), open, ready: VecDeque::new(), before: (report.claims.len(), report.settled) }
    }

    /// One more step of a run has been judged; whether it was the last one.
    fn judged(&mut self, index: usize) -> bool {
        let open = self.open.entry(index).or_insert(1);
        *open -= 1;
        *open == 0
    }
}

/// What is being judged.
struct Judging<'a> {
    books: &'a mut [Loaded],
    desk: &'a mut Desk,
    request: &'a TurnRequest<'a>,
    report: &'a mut TurnReport,
    in_hand: usize,
    round: Round,
    lease: Lease<'a>,
    over: bool,
}

impl Store {
    /// Judges whatever is due, as long as there are permits, and writes what comes of it. What it leaves is written with the
    /// rest of the turn: runs that more may happen to. Answers whether it has written anything.
    pub(super) async fn judge_due(
        &self,
        tx: &mut Tx,
        books: &mut [Loaded],
        in_hand: usize,
        desk: &mut Desk,
        request: &TurnRequest<'_>,
        report: &mut TurnReport,
    ) -> Result<bool, StoreError> {
        let until = plus(tx.real, request.lease).as_millisecond();
        let line = Line::new(tx);
        let mut round = Round::of(books, in_hand, line.now, report);
        let untouched = |index: &usize| !round.open.contains_key(index) && may_be_written(&books[*index]);
        round.ready = (0..books.len()).filter(untouched).collect();
        let lease = Lease { until, owner: request.owner };
        let mut judging = Judging { books, desk, request, report, in_hand, round, lease, over: false };
        let mut written = false;
        let mut due = DueTimes::default();
        let mut piece = self.next_piece(&line, &mut judging).await?;
        while let Some(changes) = piece {
            let (done, next) = tokio::join!(self.write_judged(&line, &changes), self.next_piece(&line, &mut judging));
            done?;
            written = true;
            due = due.or(changes.due);
            piece = next?;
        }
        self.tell_due(*line.tx().await, due).await?;
        Ok(written)
    }

    async fn write_judged(&self, line: &Line<'_>, changes: &Changes) -> Result<(), StoreError> {
        let mut tx = line.tx().await;
        self.write(&mut tx, changes, &changes.leased).await
    }

    /// Judges until there is a piece to write; `None` where nothing is left.
    async fn next_piece(&self, line: &Line<'_>, judging: &mut Judging<'_>) -> Result<Option<Changes>, StoreError> {
        while judging.round.ready.len() < PIECE && !judging.over {
            self.judge_next(line, judging).await?;
        }
        let count = judging.round.ready.len().min(PIECE);
        let mut changes = Changes::default();
        for index in judging.round.ready.drain(..count) {
            let loaded = &mut judging.books[index];
            if loaded.book.changed() {
                changes.take(loaded, Some(&judging.lease), line.now.as_millisecond())?;
            }
        }
        Ok((count > 0).then_some(changes))
    }

    async fn judge_next(&self, line: &Line<'_>, judging: &mut Judging<'_>) -> Result<(), StoreError> {
        let Judging { books, desk, request, report, in_hand, round, over, .. } = judging;
        let Some(Due { normal, index, ordinal, .. }) = round.due.pop_front() else {
            // What a verdict settles may make another step due: on until nothing moves.
            if round.before == (report.claims.len(), report.settled) {
                *over = true;
            } else {
                let ready = std::mem::take(&mut round.ready);
                *round = Round { ready, ..Round::of(books, *in_hand, line.now, report) };
            }
            return Ok(());
        };
        if report.claims.len() >= request.permits {
            *over = true;
            return Ok(());
        }
        let last = round.judged(index);
        if normal && report.claims.len() >= request.permits.saturating_sub(request.reserved) {
            return Ok(());
        }
        let before = report.settled;
        self.consider(line, &mut books[index], ordinal, desk, request, report).await?;
        if last && before == report.settled && may_be_written(&books[index]) && !waits_for_another(&books[index], desk)
        {
            round.ready.push_back(index);
        }
        Ok(())
    }
}

/// Whether nothing about it has to wait until the rest of the turn is written.
fn may_be_written(loaded: &Loaded) -> bool {
    loaded.book.changed() && !loaded.archived && loaded.book.stored == loaded.book.steps.len()
}

/// Whether an attempt begins on an account where another run's has ended in this very turn: one account has one lease at a
/// time, and that other run may not be written yet.
fn waits_for_another(loaded: &Loaded, desk: &Desk) -> bool {
    let run = loaded.book.run.id;
    let mut accounts = loaded
        .book
        .steps
        .iter()
        .filter(|step| matches!(step.state, StepState::Leased { .. }))
        .filter_map(|step| step.account);
    accounts.any(|account| desk.ended.get(&account).is_some_and(|other| *other != run))
}
