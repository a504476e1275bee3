//! Ticks of scheduled workflows: durable, once over all daemons, missed ones by their policy.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::subjects::Pages;
use crate::engine::Engine;
use crate::engine::trigger::{Request, SubjectRef};
use crate::run::zone;
use crate::store::{SchedulePause, Started, StoreError};
use crate::workflow::{Missed, Schedule, Workflow, next_after};

/// A tick later than this has been missed.
const ON_TIME_MS: i64 = 5 * 60 * 1000;

/// The most ticks that are made up for one by one.
const MOST_MISSED: usize = 100;

/// Fires what is due. Answers how many runs were started.
///
/// # Errors
/// When the database cannot be used; ticks that are not dealt with are taken up again.
pub async fn fire(engine: &Engine) -> Result<usize, StoreError> {
    let mut started = 0;
    for workflow in engine.library().values() {
        if let Some(schedule) = &workflow.triggers.schedule {
            started += fire_one(engine, workflow, schedule).await?;
        }
    }
    Ok(started)
}

async fn fire_one(engine: &Engine, workflow: &Workflow, schedule: &Schedule) -> Result<usize, StoreError> {
    let zone = zone_of(engine, schedule);
    let now = engine.store().now().await?;
    let known = engine.store().schedule(&workflow.name).await?;
    if known.paused.is_some() {
        return Ok(0);
    }
    let last = known.last_tick;
    let (due, newest) = match schedule.missed {
        Missed::All => {
            let ticks: Vec<Timestamp> = ticks(schedule, &zone, last, now).take(MOST_MISSED).collect();
            (ticks.clone(), ticks.last().copied())
        }
        Missed::Once => {
            let newest = newest(schedule, &zone, last, now);
            (newest.into_iter().collect(), newest)
        }
        Missed::Skip => {
            let newest = newest(schedule, &zone, last, now);
            (newest.into_iter().filter(|tick| on_time(*tick, now)).collect(), newest)
        }
    };
    let Some(newest) = newest else { return Ok(0) };
    let mut started = 0;
    for tick in &due {
        let trigger = trigger_of(*tick);
        started += start(engine, workflow, *tick, &trigger, "schedule").await?;
    }
    // The runs are keyed by tick and subject: dying here, or another daemon, starts nothing twice.
    engine.store().tick(&workflow.name, last, newest, due.last().copied()).await?;
    Ok(started)
}

/// Fires a scheduled workflow now, outside of its ticks, because `by` asks for it. Answers how many runs were started.
///
/// # Errors
/// When the database cannot be used.
pub async fn fire_now(engine: &Engine, workflow: &Workflow, by: &str) -> Result<usize, StoreError> {
    let now = engine.store().now().await?;
    let started = start(engine, workflow, now, &trigger_of(now), by).await?;
    engine.store().fired_by_hand(&workflow.name, now).await?;
    Ok(started)
}

/// What a run says of the tick that started it.
fn trigger_of(tick: Timestamp) -> String {
    format!("schedule:{tick}")
}

fn on_time(tick: Timestamp, now: Timestamp) -> bool {
    now.as_millisecond() - tick.as_millisecond() <= ON_TIME_MS
}

/// The ticks after `last`, up to now.
fn ticks<'s>(
    schedule: &'s Schedule,
    zone: &'s TimeZone,
    last: Timestamp,
    now: Timestamp,
) -> impl Iterator<Item = Timestamp> + 's {
    coming(schedule, zone, last).take_while(move |tick| *tick <= now)
}

/// The ticks after `last`, for ever.
fn coming<'s>(schedule: &'s Schedule, zone: &'s TimeZone, last: Timestamp) -> impl Iterator<Item = Timestamp> + 's {
    std::iter::successors(next_after(schedule, zone, last), move |tick| next_after(schedule, zone, *tick))
}

/// The newest tick after `last`. Looked for in spans that grow, so that a schedule of every minute which was not
/// looked at for a year is not gone through minute by minute.
fn newest(schedule: &Schedule, zone: &TimeZone, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
    [1, 25, 8 * 24, 32 * 24, 367 * 24]
        .into_iter()
        .map(|hours| last.max(now.saturating_sub(SignedDuration::from_hours(hours)).unwrap_or(last)))
        .chain([last])
        .find_map(|from| ticks(schedule, zone, from, now).last())
}

/// A scheduled workflow as `schedule list` shows it.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The zone of its ticks (IANA).
    pub zone: String,
    /// The next ticks; none while it is paused.
    pub next: Vec<Timestamp>,
    /// The last tick that was fired, how many runs it started, and the first of them.
    pub last: Option<(Timestamp, i64, Option<i64>)>,
    /// The pause that is on.
    pub paused: Option<SchedulePause>,
}

/// Where a scheduled workflow stands, with its next `count` ticks; `None` where it has no schedule.
///
/// # Errors
/// When the database cannot be read.
pub async fn standing(engine: &Engine, workflow: &Workflow, count: usize) -> Result<Option<Standing>, StoreError> {
    let Some(schedule) = &workflow.triggers.schedule else { return Ok(None) };
    let zone = zone_of(engine, schedule);
    let now = engine.store().now().await?;
    let known = engine.store().known_schedule(&workflow.name).await?;
    let (from, fired, paused) = match known {
        Some(row) => (row.last_tick, row.fired, row.paused),
        None => (now, None, None),
    };
    let next = if paused.is_some() { Vec::new() } else { coming(schedule, &zone, from).take(count).collect() };
    let last = match fired {
        Some(tick) => {
            let (runs, first) = engine.store().started_by(&workflow.name, &trigger_of(tick)).await?;
            Some((tick, runs, first))
        }
        None => None,
    };
    Ok(Some(Standing { zone: zone.iana_name().unwrap_or("UTC").to_owned(), next, last, paused }))
}

fn zone_of(engine: &Engine, schedule: &Schedule) -> TimeZone {
    zone(schedule.timezone.as_deref().unwrap_or(engine.zone())).unwrap_or(TimeZone::UTC)
}

/// Starts the runs of one tick, page by page of its subjects. What has been started already, or cannot be, does not count.
async fn start(
    engine: &Engine,
    workflow: &Workflow,
    tick: Timestamp,
    trigger: &str,
    asked_by: &str,
) -> Result<usize, StoreError> {
    let mut pages = Pages::of(engine, workflow).await?;
    let mut started = 0;
    while let Some(subjects) = pages.next(engine).await? {
        let request = |subject| request(workflow, subject, tick, trigger, asked_by);
        let requests: Vec<Request> = subjects.into_iter().map(request).collect();
        for (request, answer) in requests.iter().zip(engine.start_many(&requests).await?) {
            match answer {
                Ok(Started::New(_)) => started += 1,
                // Another daemon has fired this tick too, or this one has and was stopped.
                Ok(Started::Existing(_)) => {}
                Err(error) => {
                    let subject = called(&request.subject);
                    tracing::error!(workflow = %workflow.name, %subject, %error, "a scheduled run cannot be started");
                }
            }
        }
    }
    Ok(started)
}

fn request(workflow: &Workflow, subject: SubjectRef, tick: Timestamp, trigger: &str, asked_by: &str) -> Request {
    Request {
        workflow: workflow.name.clone(),
        key: Some(format!("schedule:{}:{}{}", workflow.name, tick.as_millisecond(), called(&subject))),
        subject,
        inputs: BTreeMap::new(),
        event: None,
        start: None,
        trigger: trigger.to_owned(),
        asked_by: asked_by.to_owned(),
    }
}

/// A subject in the key of its run.
fn called(subject: &SubjectRef) -> String {
    match subject {
        SubjectRef::Organisation => String::new(),
        SubjectRef::Person(number) => format!(":{number}"),
        SubjectRef::Account { system, id } => format!(":{system}:{id}"),
    }
}
