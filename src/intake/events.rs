//! From an accepted HR event to a run: every workflow that listens for it is started, once per event.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::Engine;
use crate::engine::trigger::{Request, SubjectRef, TriggerError};
use crate::run::book::public_id;
use crate::store::{EventRow, StoreError};
use crate::workflow::{HrEvent, Triggers, Workflow};

/// What became of an event.
#[derive(Clone, Debug, Serialize)]
pub struct Dispatched {
    /// What HR said.
    pub event: HrEvent,
    /// About whom.
    pub employee_number: String,
    /// The runs it started.
    pub runs: Vec<String>,
    /// Why it is parked for a person, where it is.
    pub parked: Option<String>,
}

/// Starts what accepted events ask for. An event without a workflow that listens for it is dropped; one that cannot
/// be carried out is parked for a person, and says why.
///
/// # Errors
/// When the database cannot be used; events that are not dealt with stay accepted and are taken up again.
pub async fn dispatch(engine: &Engine) -> Result<Vec<Dispatched>, StoreError> {
    let events = engine.store().open_events().await?;
    let starts_something =
        events.iter().any(|event| listeners(engine, event.kind, &event.facts.fields).next().is_some());
    if starts_something {
        // A plan made from a stale inventory would miss accounts.
        if let Some(failure) = unread_systems(engine).await?.into_iter().next() {
            return Err(StoreError::Refused(failure));
        }
    }
    deal_with_all(engine, events).await
}

/// As [`dispatch`], by a caller who has just read every system, until no event is left.
///
/// # Errors
/// As [`dispatch`].
pub async fn dispatch_read(engine: &Engine) -> Result<Vec<Dispatched>, StoreError> {
    let mut dispatched = Vec::new();
    loop {
        let events = engine.store().open_events().await?;
        if events.is_empty() {
            return Ok(dispatched);
        }
        dispatched.extend(deal_with_all(engine, events).await?);
    }
}

async fn deal_with_all(engine: &Engine, events: Vec<EventRow>) -> Result<Vec<Dispatched>, StoreError> {
    let mut dispatched = Vec::new();
    for event in events {
        dispatched.extend(deal_with(engine, &event).await?);
    }
    Ok(dispatched)
}

/// Reads every system; answers those that could not be read and have never been.
async fn unread_systems(engine: &Engine) -> Result<Vec<String>, StoreError> {
    let mut unread = Vec::new();
    for name in engine.systems().keys() {
        let Err(reason) = engine.sync(name).await else { continue };
        tracing::warn!(system = %name, %reason, "the system's accounts could not be read");
        if engine.store().accounts(Some(name), None, None).await?.is_empty() {
            unread.push(format!(
                "the accounts of {name} have never been read ({reason}); until they are, a plan would leave them out"
            ));
        }
    }
    Ok(unread)
}

/// The workflows that an event starts.
///
/// `fields` are those of the person that changed: one of those for which a workflow listens must be among them.
pub fn listeners<'e>(
    engine: &'e Engine,
    kind: HrEvent,
    fields: &[impl AsRef<str>],
) -> impl Iterator<Item = &'e Workflow> {
    let listens = move |workflow: &&Workflow| {
        let Triggers { event, fields: wanted, .. } = &workflow.triggers;
        let changed = |name: &String| fields.iter().any(|field| field.as_ref() == name);
        *event == Some(kind) && (wanted.is_empty() || wanted.iter().any(changed))
    };
    engine.library().values().map(AsRef::as_ref).filter(listens)
}

async fn deal_with(engine: &Engine, event: &EventRow) -> Result<Option<Dispatched>, StoreError> {
    let names: Vec<String> =
        listeners(engine, event.kind, &event.facts.fields).map(|workflow| workflow.name.clone()).collect();
    if names.is_empty() {
        engine.store().close_event(event.id, "dropped", "no workflow listens for it").await?;
        return Ok(None);
    }
    let mut told = Dispatched {
        event: event.kind,
        employee_number: event.employee_number.clone(),
        runs: Vec::new(),
        parked: None,
    };
    for workflow in names {
        match engine.start(request(event, workflow)).await {
            Ok(started) => told.runs.push(public_id(started.id())),
            Err(TriggerError::Store(error)) if error.is_outage() => return Err(error),
            Err(error) => told.parked = Some(error.to_string()),
        }
    }
    let (state, note) = match &told.parked {
        Some(why) => ("parked", why.clone()),
        None => ("started", told.runs.join(", ")),
    };
    engine.store().close_event(event.id, state, &note).await?;
    Ok(Some(told))
}

fn request(event: &EventRow, workflow: String) -> Request {
    Request {
        key: Some(format!("hr:{}:{workflow}", event.id)),
        workflow,
        subject: SubjectRef::Person(event.employee_number.clone()),
        inputs: BTreeMap::new(),
        event: Some(event.facts.clone()),
        start: None,
        trigger: format!("hr:{}", event.kind.as_str()),
        asked_by: "hr".to_owned(),
    }
}
