//! From an accepted HR event to a run: every workflow that listens for it is started, once per event, unless the person
//! has an open run of it, which then follows what HR says now.
//!
//! What an event leads to depends on the person as known now, not on the order in which events are dealt with: one
//! that HR has overtaken since is only noted (guarantee 10).

use std::collections::BTreeMap;

use serde::Serialize;

use super::together::deal_with_all;
use crate::engine::Engine;
use crate::engine::trigger::{Request, SubjectRef};
use crate::store::{EventRow, EventState, StoreError};
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
    /// What it changed without a new run.
    pub noted: Vec<String>,
    /// Why it is parked for a person, where it is.
    pub parked: Option<String>,
    /// Commands that a person may choose from.
    pub proposes: Vec<String>,
}

/// Does what accepted events ask for. An event that nothing follows from is dropped; one that cannot be carried out is
/// parked for a person, and says why.
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
    deal_with_all(engine, &events).await
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
        dispatched.extend(deal_with_all(engine, &events).await?);
    }
}

/// Reads every system; answers those that could not be read and have never been.
async fn unread_systems(engine: &Engine) -> Result<Vec<String>, StoreError> {
    let mut unread = Vec::new();
    for name in engine.systems().keys() {
        let Err(reason) = engine.sync(name).await else { continue };
        tracing::warn!(system = %name, %reason, "the system's accounts could not be read");
        if !engine.store().accounts_by_system().await?.contains_key(name) {
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

/// What an event has come to so far.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) runs: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) parked: Vec<String>,
    pub(super) proposes: Vec<String>,
    /// Why nothing can come of it.
    pub(super) dropped: Option<String>,
}

impl Outcome {
    pub(super) fn said(&self) -> (EventState, String) {
        let all = [&self.runs, &self.notes, &self.parked].into_iter().flatten().cloned().collect::<Vec<_>>().join("; ");
        match self {
            _ if !self.parked.is_empty() => (EventState::Parked, all),
            _ if !self.runs.is_empty() => (EventState::Started, all),
            _ if !self.notes.is_empty() => (EventState::Noted, all),
            _ => (EventState::Dropped, self.dropped.clone().unwrap_or_else(|| "no workflow listens for it".to_owned())),
        }
    }

    pub(super) fn park(&mut self, why: impl Into<String>) {
        self.parked.push(why.into());
    }

    /// Proposes to take a run back.
    pub(super) fn propose_undo(&mut self, run: &str) {
        self.proposes.push(format!("usher run undo {run} --reason TEXT"));
    }
}

/// What HR said, for the journal.
pub(super) fn said(event: &EventRow) -> String {
    let when = event.effective.map(|date| format!(" on {date}")).unwrap_or_default();
    format!("HR says {}{when} ({})", event.kind.as_str(), event.public_id())
}

pub(super) fn key(event: &EventRow, workflow: &str) -> String {
    format!("hr:{}:{workflow}", event.id)
}

pub(super) fn request(event: &EventRow, workflow: String) -> Request {
    Request {
        key: Some(key(event, &workflow)),
        workflow,
        subject: SubjectRef::Person(event.employee_number.clone()),
        inputs: BTreeMap::new(),
        event: Some(event.facts.clone()),
        start: None,
        trigger: format!("hr:{}", event.kind.as_str()),
        asked_by: "hr".to_owned(),
    }
}
