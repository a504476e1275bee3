//! How much may happen on a system within an hour and a day, and how a batch of deletions begins. Pure: counts in, an
//! answer out; the store counts in the claim's own transaction.
//!
//! What counts is what has started, over all daemons and triggers, by the store's clock:
//!
//! - a destructive step (delete and purge alike) once, however often it is tried within the window;
//! - an account whose access runs of HR's word or of schedules have begun to cut, once, however many cuts that takes: a
//!   departure is not stopped between disabling an account and revoking its sessions.
//!
//! What takes something back opens an account or restores it, and counts for nothing. A cut that a person asked for and
//! whatever is urgent do not count ([`Stops::of`]); a deletion that was approved as part of a batch does not count
//! against the thresholds, and is begun like any other batch.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::book::{Book, Step, public_id};
use super::guard::approvals_before;
use super::state::{HoldReason, StepState};
use super::trip::{Stops, Trip, TripKind};
use super::{Evidence, EvidenceKind};

/// The windows that roll.
pub const HOUR: Duration = Duration::from_secs(3600);
/// The longer one.
pub const DAY: Duration = Duration::from_secs(86_400);

/// The first of a batch go alone; once it is read back,
const FIRST: i64 = 1;
/// so many more; once they are read back, the rest.
const THEN: i64 = 5;

/// So many, or a share of the system's accounts where that is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// However few accounts there are.
    pub at_least: i64,
    /// In hundredths of a percent; zero where only the number counts.
    pub share: i64,
}

impl Limit {
    /// `at_least` or `percent` of the accounts.
    pub const fn of(at_least: i64, percent: i64) -> Self {
        Self { at_least, share: percent * 100 }
    }

    /// Reads `5`, or `5 or 1 %`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "`{text}` is no limit: {why}; write `5`, or `5 or 1 %` for one in a hundred accounts where that is more"
            )
        };
        let (number, share) = match text.split_once(" or ") {
            Some((number, share)) => (number, Some(share)),
            None => (text, None),
        };
        if text.trim().is_empty() {
            return Err(wrong("it is blank, and there is no running without one"));
        }
        if number.trim_end().ends_with('%') {
            return Err(wrong("a small system needs a number too"));
        }
        let at_least = number.trim().parse::<i64>().map_err(|_| wrong("it does not begin with a whole number"))?;
        if !(1..=1_000_000_000).contains(&at_least) {
            return Err(wrong("it allows nothing; `usher freeze` stops everything for a while"));
        }
        let share = match share.map(|share| (share, hundredths(share))) {
            None => 0,
            Some((_, Some(share))) if (1..=10_000).contains(&share) => share,
            Some(_) => return Err(wrong("the share is a percentage from 0.01 % to 100 %")),
        };
        Ok(Self { at_least, share })
    }

    /// How many that is on a system of so many accounts. Parts of an account do not count.
    pub fn on(self, accounts: i64) -> i64 {
        self.at_least.max(accounts.saturating_mul(self.share) / 10_000)
    }
}

/// `1 %`, `0.5%` in hundredths of a percent.
fn hundredths(text: &str) -> Option<i64> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 || whole.len() > 3 {
        return None;
    }
    let part: i64 = format!("{part:0<2}").parse().ok()?;
    Some(whole.parse::<i64>().ok()? * 100 + part)
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.share / 100, self.share % 100) {
            (0, 0) => write!(f, "{}", self.at_least),
            (whole, 0) => write!(f, "{} or {whole} %", self.at_least),
            (whole, part) => write!(f, "{} or {whole}.{part:02} %", self.at_least),
        }
    }
}

/// The limits of one system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemLimits {
    /// Destructive steps within an hour.
    pub destructive_per_hour: Limit,
    /// And within a day.
    pub destructive_per_day: Limit,
    /// Accounts whose access is cut by HR's word or by schedules within an hour.
    pub cuts_per_hour: Limit,
}

impl Default for SystemLimits {
    fn default() -> Self {
        Self {
            destructive_per_hour: Limit::of(5, 1),
            destructive_per_day: Limit::of(10, 2),
            cuts_per_hour: Limit::of(25, 5),
        }
    }
}

/// `[limits]`, and what single systems have of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Where a system has no limits of its own.
    pub everywhere: SystemLimits,
    /// On single systems.
    pub on: BTreeMap<String, SystemLimits>,
    /// How old the last complete reading of a system may be for its number of accounts to count.
    pub inventory_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { everywhere: SystemLimits::default(), on: BTreeMap::new(), inventory_age: 2 * DAY }
    }
}

impl Limits {
    /// The limits of a system.
    pub fn of(&self, system: &str) -> &SystemLimits {
        self.on.get(system).unwrap_or(&self.everywhere)
    }
}

/// How many accounts a system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Population {
    /// As many as its last complete reading found, without those that were deleted.
    pub accounts: i64,
    /// When that was.
    pub read_at: Timestamp,
}

/// What has started on one system lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many accounts it has; `None` where it was never read.
    pub population: Option<Population>,
    /// Destructive steps within the hour that count against the thresholds.
    pub hour: i64,
    /// And within the day.
    pub day: i64,
    /// Accounts cut within the hour.
    pub cuts: i64,
    /// Destructive steps that started within the hour and are under way or over, the batch.
    pub batch: i64,
    /// Those of the batch that were read back.
    pub good: i64,
    /// One of the batch that did not end well.
    pub bad: Option<String>,
}

/// Whether this very step (for a cut: its account) counts already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Within the hour.
    pub hour: bool,
    /// Within the day.
    pub day: bool,
}

/// What limits say about one more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may start.
    Free,
    /// It waits until those before it are read back.
    Later,
    /// Nobody knows how many accounts there are, and the way out.
    Unknown(String),
    /// A guard trips.
    Breach(TripKind, String),
}

/// What is asked of the limits.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The system.
    pub system: &'a str,
    /// Of which kind the step is.
    pub stops: Stops,
    /// Whether it was approved as part of a batch.
    pub as_batch: bool,
    /// Whether it counts already.
    pub counted: Counted,
    /// The store's clock.
    pub now: Timestamp,
}

/// Whether there is room for one more.
pub fn room(limits: &Limits, tally: &Tally, asked: &Asked<'_>) -> Room {
    let own = limits.of(asked.system);
    if asked.stops == Stops::Cuts {
        // Access is cut, whether its accounts were counted or not: then the number alone holds.
        let limit = own.cuts_per_hour.on(tally.population.map_or(0, |known| known.accounts));
        let over = !asked.counted.hour && tally.cuts >= limit;
        let cuts = || format!("cuts access to more than {limit} accounts of {} within an hour", asked.system);
        return if over {
            Room::Breach(TripKind::Threshold, breach(&cuts(), own.cuts_per_hour, tally))
        } else {
            Room::Free
        };
    }
    if let Some(why) = unknown(limits, tally, asked.system, asked.now) {
        return Room::Unknown(why);
    }
    let accounts = tally.population.map_or(0, |known| known.accounts);
    let windows = [
        (own.destructive_per_hour, tally.hour, asked.counted.hour, "an hour"),
        (own.destructive_per_day, tally.day, asked.counted.day, "a day"),
    ];
    for (limit, started, counted, window) in windows {
        let most = limit.on(accounts);
        if !asked.as_batch && !counted && started >= most {
            let what = format!("destroys more than {most} accounts of {} within {window}", asked.system);
            return Room::Breach(TripKind::Threshold, breach(&what, limit, tally));
        }
    }
    canary(tally, asked)
}

fn breach(what: &str, limit: Limit, tally: &Tally) -> String {
    let of = tally.population.map_or_else(String::new, |known| format!(", of {} accounts", known.accounts));
    format!("one more {what} (the limit is {limit}{of})")
}

/// Why nobody can say how many accounts a system has; nothing is destroyed there then.
pub fn unknown(limits: &Limits, tally: &Tally, system: &str, now: Timestamp) -> Option<String> {
    let way_out = format!("`usher accounts sync {system}` reads it, and what is held goes on");
    let Some(known) = tally.population else {
        return Some(format!("how many accounts {system} has was never read; {way_out}"));
    };
    let age = now.duration_since(known.read_at);
    let stale = age.unsigned_abs() > limits.inventory_age && !age.is_negative();
    stale.then(|| {
        let hours = age.as_hours();
        format!("how many accounts {system} has was last read {hours} hours ago; {way_out}")
    })
}

/// What would hold a step as things stand: a guard that has tripped, or the limits. What started lately counts only for
/// steps that are due soon.
pub fn outlook(limits: &Limits, tally: &Tally, trips: &[Trip], asked: &Asked<'_>, soon: bool) -> Option<String> {
    if let Some(trip) = trips.iter().find(|trip| trip.stops(asked.stops, Some(asked.system))) {
        return Some(format!("{} ({}): {}", trip.public_id(), trip.kind.as_str(), trip.words));
    }
    let tally = if soon { tally.clone() } else { Tally { population: tally.population, ..Tally::default() } };
    match room(limits, &tally, asked) {
        Room::Free | Room::Later => None,
        Room::Unknown(words) | Room::Breach(_, words) => Some(words),
    }
}

/// A batch begins with one, then goes on with five, then with the rest; each stage is read back before the next. A step
/// that did not end well in the first two stages stops what comes after it.
fn canary(tally: &Tally, asked: &Asked<'_>) -> Room {
    if tally.good >= FIRST + THEN || asked.counted.hour {
        return Room::Free;
    }
    if let Some(bad) = &tally.bad {
        let words = format!("{bad}: it is among the first {} of a batch on {}", FIRST + THEN, asked.system);
        return Room::Breach(TripKind::Canary, words);
    }
    let stage = if tally.good >= FIRST { FIRST + THEN } else { FIRST };
    if tally.batch < stage { Room::Free } else { Room::Later }
}

/// How a destructive step of a batch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Under way, or to be tried again.
    Open,
    /// Read back.
    Good,
    /// Failed, held, or done as nobody can see.
    Bad(String),
    /// Left out, or in the hands of a person: no part of the batch.
    Out,
}

/// How a destructive step that has started stands in its batch.
pub fn standing(run: i64, step: &Step) -> Standing {
    let named = |how: &str| Standing::Bad(format!("{} of {} {how}", step.label(), public_id(run)));
    match &step.state {
        StepState::Done { evidence: Evidence { kind: EvidenceKind::ReadBack, .. }, .. } => Standing::Good,
        StepState::Done { evidence: Evidence { kind: EvidenceKind::Acknowledged, .. }, .. } => {
            named("was acknowledged and cannot be read back")
        }
        StepState::Failed { .. } => named("failed"),
        StepState::Held { reason: HoldReason::Paused | HoldReason::Freeze(_) | HoldReason::Guard { .. }, .. } => {
            Standing::Open
        }
        StepState::Held { reason, .. } => named(&format!("is held ({})", reason.code())),
        StepState::Done { .. }
        | StepState::Skipped { .. }
        | StepState::Cancelled
        | StepState::AwaitingPerson { .. }
        | StepState::AwaitingApproval => Standing::Out,
        StepState::Blocked | StepState::Waiting { .. } | StepState::Leased { .. } | StepState::Unknown { .. } => {
            Standing::Open
        }
    }
}

/// What a start is remembered by: a destructive step for itself, a cut for its account.
pub fn subject(run: i64, step: &Step, stops: Stops) -> String {
    match (stops, step.account) {
        (Stops::Cuts, Some(account)) => format!("account:{account}"),
        _ => format!("step:{}/{}", run, step.ordinal),
    }
}

/// Whether the approvals behind which a step stands were given for a batch: whoever typed their number knows how many
/// they are.
pub fn approved_as_batch(book: &Book, step: &Step) -> bool {
    let approvals = approvals_before(book, step);
    let as_batch = |ordinal: &u16| {
        book.step(*ordinal)
            .is_some_and(|step| step.decision.approval.as_ref().is_some_and(|given| given.batch.is_some()))
    };
    !approvals.is_empty() && approvals.iter().all(as_batch)
}

#[cfg(test)]
mod tests;
