//! Claims: every due step in hand is judged, and its attempt starts or what stops it is said.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::books::Loaded;
use super::desk::Desk;
use super::filling::Filled;
use super::judging::Line;
use super::late::without_account;
use super::people::with_manager;
use super::turn::{Archived, Claim, TurnReport, TurnRequest, usher};
use super::{Store, StoreError, Tx};
use crate::clock::plus;
use crate::run::advance::advance;
use crate::run::asking::StepScope;
use crate::run::book::{Book, Step};
use crate::run::guard::{self, Circumstances, Verdict};
use crate::run::journal::Fact;
use crate::run::limits::{self, Counted};
use crate::run::trip::Stops;
use crate::run::{EvidenceKind, HoldReason, StepEvent, StepState, asking, prepare, settle};
use crate::workflow::{ActionKind, Nature};

/// What a turn knows before it judges anything.
pub(super) struct Scene<'a> {
    /// Systems on which a destructive attempt has just ended.
    pub(super) over: &'a BTreeSet<String>,
    /// Systems whose pace is limited.
    pub(super) paced: &'a BTreeSet<String>,
    /// How many of the runs at hand, the first ones, are there because an outcome was recorded.
    pub(super) in_hand: usize,
}

impl Store {
    /// Judges what is due. Answers whether anything was written.
    pub(super) async fn claim(
        &self,
        tx: &mut Tx,
        books: &mut [Loaded],
        request: &TurnRequest<'_>,
        report: &mut TurnReport,
        scene: &Scene<'_>,
    ) -> Result<bool, StoreError> {
        let Scene { over, paced, in_hand } = *scene;
        let mut desk = Desk::default();
        if books.iter().any(|loaded| loaded.book.steps.iter().any(|step| is_due(step, tx.now))) {
            self.bind_late(tx, books).await?;
            desk = self.desk(tx, books).await?;
        }
        desk.tallies = self.tallies(tx, books, (over, paced)).await?;
        desk.rooms = self.rooms(tx, paced, books).await?;
        let written = self.judge_due(tx, books, in_hand, &mut desk, request, report).await?;
        let (noted, full) = self.note_rooms(tx, &mut desk.rooms).await?;
        report.full = full;
        Ok(self.note_starts(tx, &desk, over).await? || noted || written)
    }

    /// Judges one due step and lets the verdict happen.
    pub(super) async fn consider(
        &self,
        line: &Line<'_>,
        loaded: &mut Loaded,
        ordinal: u16,
        desk: &mut Desk,
        request: &TurnRequest<'_>,
        report: &mut TurnReport,
    ) -> Result<(), StoreError> {
        let Some(step) = loaded.book.step(ordinal).filter(|step| is_due(step, line.now)) else { return Ok(()) };
        if let Some(account) = step.account
            && (desk.busy.contains(&account) || !desk.accounts.contains_key(&account))
        {
            return Ok(());
        }
        if step.action.is_destructive() && !self.bar_changes(*line.tx().await, loaded.book.run.person, desk).await? {
            return Ok(());
        }
        let stops = Stops::of(&loaded.book, step);
        let tally = step.system.as_ref().and_then(|system| desk.tallies.of(system));
        if stops.is_some() && step.system.is_some() && tally.is_none() {
            // It became due in this very turn, and what has started there was not counted: the next turn looks at it.
            return Ok(());
        }
        if let Some(event) = without_account(&loaded.book, step, line.now) {
            report.settled += 1;
            loaded.book.apply(ordinal, event, &usher(), line.now)?;
            let holidays = self.holidays_of(&loaded.book);
            advance(&mut loaded.book, holidays, &usher(), line.now)?;
            return Ok(());
        }
        let cut_needed = self.keeps_closed(line, &loaded.book, step).await?;
        let account = step.account.and_then(|id| desk.accounts.get(&id));
        let protected = match (step.action.nature(), account) {
            (Nature::Cut | Nature::Destructive, Some(account)) => self.protection(line, account, None, desk).await?,
            _ => None,
        };
        // A run about an account has its person too; one that is somebody else's by now is not deleted anyhow.
        let legal_hold = loaded.book.run.person.and_then(|person| desk.holds.get(&person));
        let (person, manager) = with_manager(&desk.people, loaded.book.run.person);
        let scope = asking::step_scope(&loaded.book, person, manager, account);
        let verdict = guard::verdict(&Circumstances {
            book: &loaded.book,
            step,
            person,
            account,
            freezes: &desk.freezes,
            trips: &desk.trips,
            limits: &self.rules().limits,
            tally,
            counted: stops.map_or_else(Counted::default, |stops| {
                desk.tallies.counted(&limits::subject(loaded.book.run.id, step, stops))
            }),
            cut_needed,
            legal_hold: legal_hold.cloned(),
            protected,
            users: &self.conventions().users,
            calendar_known: self.rules().calendar(loaded.book.run.workflow.calendar.as_deref()).is_some(),
            system_known: step.system.as_ref().is_none_or(|system| request.systems.contains(system)),
            scope: &scope,
            now: line.now,
        });
        let event = match verdict {
            Verdict::Proceed if !desk.rooms.has_room(step.system.as_deref(), &self.rules().paces) => return Ok(()),
            Verdict::Proceed => match asked(&loaded.book, step, &scope) {
                Ok((with, undone)) => {
                    let policy = self.rules().policy(loaded.book.run.workflow.policy.as_deref());
                    match guard::policy_problem(&loaded.book, step, policy, &with) {
                        Some(reason) => StepEvent::Held { reason },
                        None => match self.fill(line, &loaded.book, step, person, with).await? {
                            Filled::With(with) => match self.demotion(line, step.action, account, &with, desk).await? {
                                Some(why) => StepEvent::Held { reason: HoldReason::Protected(why) },
                                None => return start(line, loaded, ordinal, (with, undone), desk, request, report),
                            },
                            Filled::Instead(event) => event,
                            Filled::Later => return Ok(()),
                        },
                    }
                }
                Err(why) => StepEvent::Held { reason: HoldReason::Missing(why) },
            },
            Verdict::Hold(reason) => StepEvent::Held { reason },
            Verdict::Trip { kind, stops, words } => {
                let trip = self.open_trip(*line.tx().await, kind, step.system.as_deref(), stops, &words).await?.0;
                let reason = trip.hold();
                desk.trips.push(trip);
                StepEvent::Held { reason }
            }
            Verdict::Later => {
                desk.tallies.wait(step.system.as_deref().unwrap_or_default());
                return Ok(());
            }
            Verdict::Skip(reason) => StepEvent::Skipped { at: line.now, reason },
            Verdict::AskApproval => StepEvent::ApprovalAsked,
            Verdict::WaitAgain => StepEvent::Reblocked,
            Verdict::AskPerson(instruction) => StepEvent::PersonAsked { instruction },
        };
        report.settled += 1;
        let lapsed = matches!(&event, StepEvent::Held { reason: HoldReason::Approval(_) } | StepEvent::Reblocked);
        loaded.book.apply(ordinal, event, &usher(), line.now)?;
        if lapsed {
            ask_again(loaded, ordinal, line.now)?;
        }
        let holidays = self.holidays_of(&loaded.book);
        advance(&mut loaded.book, holidays, &usher(), line.now)?;
        Ok(())
    }

    /// Why an account that a step would open stays closed.
    async fn keeps_closed(&self, line: &Line<'_>, book: &Book, step: &Step) -> Result<Option<String>, StoreError> {
        let (Nature::Grant, Some(account), Some(person)) = (step.action.nature(), step.account, book.run.person) else {
            return Ok(None);
        };
        let takes_back = step.of.is_some() || step.undoes.is_some();
        let mut tx = line.tx().await;
        match self.cut_needed(&mut tx, book.run.id, person, account).await? {
            None if takes_back => self.cut_not_lifted(&mut tx, book, person, account).await,
            found => Ok(found),
        }
    }
}

/// What a step asks for, and what it takes back.
type Asked = (Map<String, Value>, Option<asking::Undone>);

fn asked(book: &Book, step: &Step, scope: &StepScope<'_>) -> Result<Asked, String> {
    Ok((asking::parameters(book, step, scope)?, asking::undone(book, step, scope)?))
}

pub(super) fn is_due(step: &Step, now: Timestamp) -> bool {
    step.state.due().is_some_and(|due| due <= now)
}

/// The attempt starts: intent, then claim.
fn start(
    line: &Line<'_>,
    loaded: &mut Loaded,
    ordinal: u16,
    (with, undone): Asked,
    desk: &mut Desk,
    request: &TurnRequest<'_>,
    report: &mut TurnReport,
) -> Result<(), StoreError> {
    let book = &mut loaded.book;
    let Some(step) = book.step(ordinal) else { return Ok(()) };
    let fence = step.attempts + 1;
    let account = step.account.and_then(|id| desk.accounts.get(&id)).cloned();
    let external = account.as_ref().map(|account| account.external_id.clone());
    let claim = Claim {
        run: book.run.id,
        ordinal,
        fence,
        observe: matches!(step.state, StepState::Unknown { .. }),
        label: step.label(),
        action: step.action,
        system: step.system.clone(),
        timeout: settle::attempt_timeout(book, step),
        now: line.now,
        lease_until: plus(line.real, request.lease),
        account,
        with,
        undone,
        overridden: step.decision.overridden,
        archives: archives(book, step),
    };
    let digest = prepare::digest(claim.action, external.as_deref(), &claim.with);
    let intent = Fact::Intent { fence, system: claim.system.clone(), account: external, digest };
    book.say(Some(ordinal), intent, &usher(), line.now);
    book.apply(ordinal, StepEvent::Claimed { fence }, &usher(), line.now)?;
    if let Some(step) = book.step(ordinal) {
        desk.tallies.note(book, step, line.now);
    }
    desk.rooms.take(claim.system.as_deref());
    desk.busy.extend(claim.account.as_ref().map(|account| account.id));
    report.claims.push(claim);
    Ok(())
}

/// The archives that this run has made of the account that a step destroys.
fn archives(book: &Book, step: &Step) -> Vec<Archived> {
    let made = |other: &&Step| {
        // What a person has archived lies where a person has put it.
        matches!(&other.state, StepState::Done { evidence, .. } if evidence.kind != EvidenceKind::Person)
            && other.action.makes_archive()
            && other.account == step.account
            && other.system == step.system
    };
    if !step.action.is_destructive() {
        return Vec::new();
    }
    book.steps.iter().filter(made).map(|made| Archived { action: made.action, label: made.label() }).collect()
}

/// A lapsed or stale approval is asked for again; the step behind it waits, held.
fn ask_again(loaded: &mut Loaded, held: u16, now: Timestamp) -> Result<(), StoreError> {
    let book = &mut loaded.book;
    let stale: Vec<u16> = book
        .steps
        .iter()
        .filter(|step| step.action == ActionKind::Approval && matches!(step.state, StepState::Done { .. }))
        .filter(|step| guard::gated(book, step.ordinal).iter().any(|gated| gated.ordinal == held))
        .map(|step| step.ordinal)
        .collect();
    for ordinal in stale {
        book.apply(ordinal, StepEvent::ApprovalAsked, &usher(), now)?;
    }
    Ok(())
}
