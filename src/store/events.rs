//! What HR told us: accepted once, and what became of it.

use jiff::civil::Date;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::{json, parse};
use super::people::date;
use super::sql::{Text, rows};
use super::{Store, StoreError, Tx};
use crate::run::EventFacts;
use crate::workflow::HrEvent;

/// Something HR told us, to be accepted once per (source, key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Where from (`csv`, …).
    pub source: String,
    /// The source's own key for it.
    pub key: String,
    /// What happened.
    pub kind: HrEvent,
    /// Who.
    pub employee_number: String,
    /// What it says, and from when.
    pub facts: EventFacts,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Not dealt with yet.
    Accepted,
    /// It started runs.
    Started,
    /// It is taken into account without a new run.
    Noted,
    /// It waits for a person.
    Parked,
    /// A person has dealt with it.
    Resolved,
    /// No workflow listens for it, or a person has dropped it.
    Dropped,
}

impl EventState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Started, Self::Noted, Self::Parked, Self::Resolved, Self::Dropped];

    /// The word used in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Started => "started",
            Self::Noted => "noted",
            Self::Parked => "parked",
            Self::Resolved => "resolved",
            Self::Dropped => "dropped",
        }
    }

    /// How the table keeps it: `state`, and `ended` where that has no word for it.
    const fn kept(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Noted => ("started", Some("noted")),
            Self::Resolved => ("dropped", Some("resolved")),
            other => (other.as_str(), None),
        }
    }

    /// The state called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// An event of HR's as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// Row key; shown as `evt_ID`.
    #[serde(serialize_with = "as_public")]
    pub id: i64,
    /// Where from.
    pub source: String,
    /// What happened.
    pub kind: HrEvent,
    /// Who.
    pub employee_number: String,
    /// From when.
    pub effective: Option<Date>,
    /// What it says.
    pub facts: EventFacts,
    /// When it was accepted, epoch milliseconds.
    pub received_at: i64,
    /// What became of it.
    pub state: EventState,
    /// Why, or which runs it started.
    pub note: Option<String>,
    /// Commands that a person may choose from.
    pub proposes: Vec<String>,
    /// Who dealt with it, where a person did.
    pub settled_by: Option<String>,
    /// When, epoch milliseconds.
    pub settled_at: Option<i64>,
    /// Why, in that person's words.
    pub reason: Option<String>,
}

impl EventRow {
    /// The id that people see.
    pub fn public_id(&self) -> String {
        public_id(self.id)
    }
}

/// `evt_12`.
fn public_id(id: i64) -> String {
    format!("evt_{id}")
}

/// The row key in `evt_12` (or plain `12`).
pub fn parse_event_id(text: &str) -> Option<i64> {
    text.strip_prefix("evt_").unwrap_or(text).parse().ok().filter(|id| *id > 0)
}

fn as_public<S: serde::Serializer>(id: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&public_id(*id))
}

/// Which events to list.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// This one only.
    pub id: Option<i64>,
    /// In this state.
    pub state: Option<EventState>,
    /// About this person (employee number).
    pub person: Option<String>,
    /// At most so many, newest first.
    pub limit: Option<i64>,
}

/// The columns that make an [`EventRow`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.source, e.kind, p.employee_number, e.effective, e.facts, e.received_at,
                    COALESCE(e.ended, e.state) AS state, e.note,
                    e.proposes, e.settled_by, e.settled_at, e.reason
             FROM hr_events e JOIN people p ON p.id = e.person_id ",
            $rest
        )
    };
}

#[derive(Serialize)]
struct EventColumns<'a> {
    id: i64,
    source: &'a str,
    event_key: &'a str,
    kind: &'static str,
    employee_number: &'a str,
    effective: Option<String>,
    facts: String,
    received_at: i64,
}

const ACCEPT: Text = rows!(
    "INSERT INTO hr_events (id, source, event_key, kind, person_id, effective, facts, received_at, state)
     SELECT v.id, v.source, v.event_key, v.kind, p.id, v.effective, v.facts, v.received_at, 'accepted' FROM",
    { id BIGINT, source TEXT, event_key TEXT, kind TEXT, employee_number TEXT, effective TEXT, facts TEXT,
      received_at BIGINT },
    "JOIN people p ON p.employee_number = v.employee_number WHERE 1 = 1 ON CONFLICT (source, event_key) DO NOTHING"
);

fn fresh(id: i64, event: &NewEvent, received_at: i64) -> EventRow {
    EventRow {
        id,
        source: event.source.clone(),
        kind: event.kind,
        employee_number: event.employee_number.clone(),
        effective: event.facts.effective,
        facts: event.facts.clone(),
        received_at,
        state: EventState::Accepted,
        note: None,
        proposes: Vec::new(),
        settled_by: None,
        settled_at: None,
        reason: None,
    }
}

impl Store {
    /// Accepts events, each once per (source, key), and stops at once what HR takes back with them. Answers those that
    /// were new, with their place among `events`.
    pub(super) async fn accept(&self, tx: &mut Tx, events: &[&NewEvent]) -> Result<Vec<(usize, EventRow)>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.take_keys(tx, "event", i64::try_from(events.len()).unwrap_or(i64::MAX)).await?;
        let received_at = tx.now.as_millisecond();
        let columns = (first..).zip(events).map(|(id, event)| EventColumns {
            id,
            source: &event.source,
            event_key: &event.key,
            kind: event.kind.as_str(),
            employee_number: &event.employee_number,
            effective: event.facts.effective.map(|date| date.to_string()),
            facts: json(&event.facts),
            received_at,
        });
        let columns: Vec<EventColumns<'_>> = columns.collect();
        sqlx::query(ACCEPT.of(self.dialect())).bind(json(&columns)).execute(tx.conn()).await?;
        let new: Vec<i64> = sqlx::query_scalar("SELECT id FROM hr_events WHERE id >= $1 ORDER BY id")
            .bind(first)
            .fetch_all(tx.conn())
            .await?;
        let mut accepted = Vec::with_capacity(new.len());
        for id in new {
            let place = usize::try_from(id - first).ok();
            let Some((place, event)) = place.and_then(|place| Some((place, *events.get(place)?))) else { continue };
            self.stop_for_hr(tx, event.kind, &event.employee_number).await?;
            accepted.push((place, fresh(id, event, received_at)));
        }
        Ok(accepted)
    }

    /// Events that have been accepted and not yet dealt with. Those of a file that is being taken in wait for its end
    /// (the manager may stand further down), or until it has been left for five minutes.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_events(&self) -> Result<Vec<EventRow>, StoreError> {
        let now = self.now().await?.as_millisecond();
        let mut conn = self.reader().await?;
        let rows = sqlx::query(select!(
            "WHERE e.state = 'accepted' AND NOT EXISTS (
                SELECT 1 FROM import_events i JOIN imports m ON m.id = i.import_id
                WHERE i.event_id = e.id AND m.state = 'running' AND m.updated_at > $1)
             ORDER BY e.id LIMIT 1000"
        ))
        .bind(now - super::imports::LEFT_MS);
        rows.fetch_all(&mut *conn).await?.iter().map(event).collect()
    }

    /// Events, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(select!(
            "WHERE (CAST($1 AS TEXT) IS NULL OR COALESCE(e.ended, e.state) = $1) AND (CAST($2 AS TEXT) IS NULL OR p.employee_number = $2)
               AND (CAST($3 AS BIGINT) IS NULL OR e.id = $3) ORDER BY e.id DESC LIMIT $4"
        ))
        .bind(filter.state.map(|state| state.as_str().to_owned()))
        .bind(filter.person.clone())
        .bind(filter.id)
        .bind(filter.limit.unwrap_or(1000));
        rows.fetch_all(&mut *conn).await?.iter().map(event).collect()
    }

    /// The event with this key.
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub async fn event(&self, id: i64) -> Result<EventRow, StoreError> {
        let filter = EventFilter { id: Some(id), ..EventFilter::default() };
        let found = self.events(&filter).await?.pop();
        found.ok_or_else(|| StoreError::NotFound { kind: "event", key: public_id(id) })
    }

    /// Says what became of events that nobody has dealt with yet, and what a person may do about them. Older events that
    /// wait for a person to decide whether the same person leaves are overtaken by them. One transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn close_events(&self, closings: &[Closing<'_>]) -> Result<(), StoreError> {
        if closings.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let closed: Vec<ClosedColumns<'_>> = closings.iter().map(ClosedColumns::of).collect();
        sqlx::query(CLOSE.of(self.dialect())).bind(json(&closed)).execute(tx.conn()).await?;
        let about_leaving = closings.iter().filter(|closing| is_about_leaving(closing.event.kind));
        let overtaking: Vec<Overtaking> = about_leaving.map(|closing| Overtaking::by(closing.event, now)).collect();
        if !overtaking.is_empty() {
            sqlx::query(OVERTAKE.of(self.dialect())).bind(json(&overtaking)).execute(tx.conn()).await?;
        }
        self.commit(tx).await
    }

    /// A person has dealt with a parked event, or drops one.
    ///
    /// # Errors
    /// When there is no such event, it is not parked, or the database cannot be written.
    pub async fn settle_event(&self, id: i64, state: EventState, reason: &str, by: &str) -> Result<(), StoreError> {
        self.change_parked(id, state, None, reason, by).await
    }

    /// A parked event is taken up again, as if HR had just said it.
    ///
    /// # Errors
    /// As [`Store::settle_event`].
    pub async fn retry_event(&self, id: i64, by: &str) -> Result<(), StoreError> {
        self.change_parked(id, EventState::Accepted, Some("taken up again"), "taken up again", by).await
    }

    async fn change_parked(
        &self,
        id: i64,
        state: EventState,
        note: Option<&str>,
        reason: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let now = tx.now.as_millisecond();
        let changed = sqlx::query(
            "UPDATE hr_events SET state = $1, ended = $7, note = COALESCE($2, note), settled_by = $3, settled_at = $4,
                    reason = $5 WHERE id = $6 AND state = 'parked'",
        )
        .bind(state.kept().0)
        .bind(note)
        .bind(by)
        .bind(now)
        .bind(reason)
        .bind(id)
        .bind(state.kept().1)
        .execute(tx.conn())
        .await?
        .rows_affected();
        if changed == 0 {
            drop(tx);
            let found = self.event(id).await?;
            let (event, is) = (public_id(id), found.state.as_str());
            return Err(StoreError::Refused(format!("{event} is {is}: only what is parked waits for a person")));
        }
        self.commit(tx).await
    }
}

/// What became of an event.
#[derive(Clone, Debug)]
pub struct Closing<'a> {
    /// Which.
    pub event: &'a EventRow,
    /// What became of it.
    pub state: EventState,
    /// Why, or which runs it started.
    pub note: &'a str,
    /// Commands that a person may choose from.
    pub proposes: &'a [String],
}

#[derive(Serialize)]
struct ClosedColumns<'a> {
    id: i64,
    state: &'static str,
    ended: Option<&'static str>,
    note: &'a str,
    proposes: String,
}

impl<'a> ClosedColumns<'a> {
    fn of(closing: &Closing<'a>) -> Self {
        let (state, ended) = closing.state.kept();
        Self { id: closing.event.id, state, ended, note: closing.note, proposes: json(&closing.proposes) }
    }
}

const CLOSE: Text = rows!(
    "UPDATE hr_events SET state = v.state, ended = v.ended, note = v.note, proposes = v.proposes FROM",
    { id BIGINT, state TEXT, ended TEXT, note TEXT, proposes TEXT },
    "WHERE hr_events.id = v.id AND hr_events.state = 'accepted'"
);

#[derive(Serialize)]
struct Overtaking {
    id: i64,
    at: i64,
    reason: String,
}

impl Overtaking {
    fn by(event: &EventRow, at: i64) -> Self {
        Self { id: event.id, at, reason: format!("overtaken by {}", event.public_id()) }
    }
}

const OVERTAKE: Text = rows!(
    "UPDATE hr_events SET state = 'started', ended = 'noted', settled_by = 'usher', settled_at = v.at,
            reason = v.reason FROM",
    { id BIGINT, at BIGINT, reason TEXT },
    "JOIN hr_events e ON e.id = v.id
     WHERE hr_events.state = 'parked' AND hr_events.person_id = e.person_id AND hr_events.id < v.id
       AND hr_events.kind IN ('departure', 'rescinded', 'rehired')"
);

/// Whether an event decides anew whether somebody leaves.
const fn is_about_leaving(kind: HrEvent) -> bool {
    matches!(kind, HrEvent::Departure | HrEvent::Rescinded | HrEvent::Rehired)
}

pub(super) fn event(row: &AnyRow) -> Result<EventRow, StoreError> {
    let (kind, state): (String, String) = (row.try_get("kind")?, row.try_get("state")?);
    let (facts, proposes): (String, String) = (row.try_get("facts")?, row.try_get("proposes")?);
    let effective = date(row, "effective")?;
    let facts: EventFacts = parse("event's facts", &facts)?;
    Ok(EventRow {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        kind: HrEvent::ALL
            .into_iter()
            .find(|event| event.as_str() == kind)
            .ok_or_else(|| StoreError::corrupt("HR event", &kind))?,
        employee_number: row.try_get("employee_number")?,
        effective,
        // Events of before there were facts say their date alone.
        facts: EventFacts { effective, ..facts },
        received_at: row.try_get("received_at")?,
        state: EventState::from_name(&state).ok_or_else(|| StoreError::corrupt("event's state", &state))?,
        note: row.try_get("note")?,
        proposes: parse("event's proposals", &proposes)?,
        settled_by: row.try_get("settled_by")?,
        settled_at: row.try_get("settled_at")?,
        reason: row.try_get("reason")?,
    })
}
