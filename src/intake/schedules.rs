//! Ticks of scheduled workflows: durable, once over all daemons, missed ones by their policy.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::engine::Engine;
use crate::engine::trigger::{Request, SubjectRef, TriggerError};
use crate::run::zone;
use crate::store::{Started, StoreError};
use crate::workflow::{Missed, Schedule, Selector, Workflow, next_after};

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
    let last = engine.store().last_tick(&workflow.name).await?;
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
    for tick in due {
        started += start(engine, workflow, tick).await?;
    }
    // The runs are keyed by tick and subject: dying here, or another daemon, starts nothing twice.
    engine.store().tick(&workflow.name, last, newest).await?;
    Ok(started)
}

fn on_time(tick: Timestamp, now: Timestamp) -> bool {
    now.as_millisecond() - tick.as_millisecond() <= ON_TIME_MS
}

/// The ticks after `last`, up to now.
fn ticks(schedule: &Schedule, zone: &TimeZone, last: Timestamp, now: Timestamp) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(next_after(schedule, zone, last), move |tick| next_after(schedule, zone, *tick))
        .take_while(move |tick| *tick <= now)
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

/// When a scheduled workflow ticks next.
///
/// # Errors
/// When the database cannot be used.
pub async fn next_tick(engine: &Engine, workflow: &Workflow) -> Result<Option<Timestamp>, StoreError> {
    let Some(schedule) = &workflow.triggers.schedule else { return Ok(None) };
    let last = engine.store().last_tick(&workflow.name).await?;
    Ok(next_after(schedule, &zone_of(engine, schedule), last))
}

fn zone_of(engine: &Engine, schedule: &Schedule) -> TimeZone {
    zone(schedule.timezone.as_deref().unwrap_or(engine.zone())).unwrap_or(TimeZone::UTC)
}

async fn start(engine: &Engine, workflow: &Workflow, tick: Timestamp) -> Result<usize, StoreError> {
    let mut started = 0;
    for subject in subjects(engine, workflow).await? {
        let name = match &subject {
            SubjectRef::Organisation => String::new(),
            SubjectRef::Person(number) => format!(":{number}"),
            SubjectRef::Account { system, id } => format!(":{system}:{id}"),
        };
        let request = Request {
            workflow: workflow.name.clone(),
            subject,
            inputs: BTreeMap::new(),
            event: None,
            start: None,
            key: Some(format!("schedule:{}:{}{name}", workflow.name, tick.as_millisecond())),
            trigger: format!("schedule:{tick}"),
            asked_by: "schedule".to_owned(),
        };
        match engine.start(request).await {
            Ok(Started::New(_)) => started += 1,
            // Another daemon has fired this tick too, or this one has and was stopped.
            Ok(Started::Existing(_)) => {}
            Err(TriggerError::Store(error)) if error.is_outage() => return Err(error),
            Err(error) => {
                tracing::error!(workflow = %workflow.name, subject = %name, %error, "a scheduled run cannot be started")
            }
        }
    }
    Ok(started)
}

/// Who the runs of a tick are about.
///
/// # Errors
/// When the database cannot be read.
pub async fn subjects(engine: &Engine, workflow: &Workflow) -> Result<Vec<SubjectRef>, StoreError> {
    Ok(match workflow.for_each {
        None => vec![SubjectRef::Organisation],
        Some(Selector::AccountsPurgeDue) => engine
            .store()
            .accounts_past_grace()
            .await?
            .into_iter()
            .map(|account| SubjectRef::Account { system: account.system, id: account.external_id })
            .collect(),
        Some(Selector::PeopleStartingIn7Days) => {
            let now = engine.store().now().await?;
            let today = zone(engine.zone()).unwrap_or(TimeZone::UTC).to_datetime(now).date();
            let last = today.saturating_add(jiff::Span::new().days(7));
            let people = engine.store().people(Some(crate::run::PersonStatus::Prehire)).await?;
            let starts = |date: jiff::civil::Date| date >= today && date <= last;
            let people = people.into_iter().filter(|person| person.start_date.is_some_and(starts));
            people.map(|person| SubjectRef::Person(person.employee_number)).collect()
        }
    })
}
