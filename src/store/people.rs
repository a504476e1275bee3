//! People, and what HR told us about them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::books::{json, parse};
use super::sql::{Text, keys, rows};
use super::{Store, StoreError, Tx};
use crate::run::{EventFacts, Person, PersonStatus};
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

/// An event of HR's as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// Row key.
    pub id: i64,
    /// What happened.
    pub kind: HrEvent,
    /// Who.
    pub employee_number: String,
    /// From when.
    pub effective: Option<jiff::civil::Date>,
    /// What it says.
    pub facts: EventFacts,
    /// `accepted`, `started`, `parked` or `dropped`.
    pub state: String,
    /// Why it is parked or dropped, or which run it started.
    pub note: Option<String>,
}

#[derive(Serialize)]
struct Columns<'a> {
    id: i64,
    employee_number: &'a str,
    given_name: &'a str,
    family_name: &'a str,
    display_name: &'a str,
    email: Option<&'a str>,
    private_email: Option<&'a str>,
    manager_number: Option<&'a str>,
    department: Option<&'a str>,
    role: Option<&'a str>,
    timezone: Option<&'a str>,
    language: Option<&'a str>,
    start_date: Option<String>,
    last_day: Option<String>,
    leave_from: Option<String>,
    leave_until: Option<String>,
    leave_reason: Option<&'a str>,
    status: &'static str,
    data_key: String,
    updated_at: i64,
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

const UPSERT: Text = rows!(
    "INSERT INTO people (id, employee_number, given_name, family_name, display_name, email, private_email,
            manager_number, department, role, timezone, language, start_date, last_day, leave_from, leave_until,
            leave_reason, status, data_key, updated_at)
     SELECT id, employee_number, given_name, family_name, display_name, email, private_email,
            manager_number, department, role, timezone, language, start_date, last_day, leave_from, leave_until,
            leave_reason, status, data_key, updated_at FROM",
    { id BIGINT, employee_number TEXT, given_name TEXT, family_name TEXT, display_name TEXT, email TEXT,
      private_email TEXT, manager_number TEXT, department TEXT, role TEXT, timezone TEXT, language TEXT,
      start_date TEXT, last_day TEXT, leave_from TEXT, leave_until TEXT, leave_reason TEXT,
      status TEXT, data_key TEXT, updated_at BIGINT },
    "WHERE 1 = 1 ON CONFLICT (employee_number) DO UPDATE SET given_name = excluded.given_name,
            family_name = excluded.family_name, display_name = excluded.display_name, email = excluded.email,
            private_email = excluded.private_email, manager_number = excluded.manager_number,
            department = excluded.department, role = excluded.role, timezone = excluded.timezone,
            language = excluded.language, start_date = excluded.start_date, last_day = excluded.last_day,
            leave_from = excluded.leave_from, leave_until = excluded.leave_until,
            leave_reason = excluded.leave_reason, status = excluded.status, updated_at = excluded.updated_at"
);

/// The columns that make a [`Person`].
macro_rules! select {
    ($from:literal) => {
        concat!(
            "SELECT p.id, p.employee_number, p.given_name, p.family_name, p.display_name, p.email, p.private_email,
             p.manager_number, p.department, p.role, p.timezone, p.language, p.start_date, p.last_day, p.leave_from,
             p.leave_until, p.leave_reason, p.status FROM people p ",
            $from
        )
    };
}

pub(super) use select;

const BY_ID: Text = keys!(select!("WHERE p.id"), "");

pub(super) const BY_NUMBER: Text = keys!(select!("WHERE p.employee_number"), "", texts);

const MANAGERS: Text = keys!(select!("JOIN people o ON o.manager_number = p.employee_number WHERE o.id"), "");

impl Store {
    /// Adds or changes people and accepts what HR says about them, in one transaction. Answers the events that were
    /// new.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing has happened.
    pub async fn save_people(&self, people: &[Person], events: &[NewEvent]) -> Result<Vec<EventRow>, StoreError> {
        let mut tx = self.begin().await?;
        if !people.is_empty() {
            self.upsert(&mut tx, people).await?;
        }
        let accepted = self.accept(&mut tx, &events.iter().collect::<Vec<_>>()).await?;
        self.commit(tx).await?;
        Ok(accepted.into_iter().map(|(_, event)| event).collect())
    }

    pub(super) async fn upsert(&self, tx: &mut Tx, people: &[Person]) -> Result<(), StoreError> {
        let first = self.take_keys(tx, "person", i64::try_from(people.len()).unwrap_or(i64::MAX)).await?;
        let updated_at = tx.now.as_millisecond();
        let mut columns = Vec::with_capacity(people.len());
        for (id, person) in (first..).zip(people) {
            columns.push(Columns {
                id,
                employee_number: &person.employee_number,
                given_name: &person.given_name,
                family_name: &person.family_name,
                display_name: &person.display_name,
                email: person.email.as_deref(),
                private_email: person.private_email.as_deref(),
                manager_number: person.manager_number.as_deref(),
                department: person.department.as_deref(),
                role: person.role.as_deref(),
                timezone: person.timezone.as_deref(),
                language: person.language.as_deref(),
                start_date: person.start_date.map(|date| date.to_string()),
                last_day: person.last_day.map(|date| date.to_string()),
                leave_from: person.leave_from.map(|date| date.to_string()),
                leave_until: person.leave_until.map(|date| date.to_string()),
                leave_reason: person.leave_reason.as_deref(),
                status: person.status.as_str(),
                // Only a new person's key is kept: an existing row keeps its own.
                data_key: self.inner.keys.new_data_key()?.1,
                updated_at,
            });
        }
        sqlx::query(UPSERT.of(self.dialect())).bind(json(&columns)).execute(tx.conn()).await?;
        Ok(())
    }

    /// Accepts events, each once per (source, key). Answers those that were new, with their place among `events`.
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
        let place = |id: i64| usize::try_from(id - first).ok();
        Ok(new
            .into_iter()
            .filter_map(|id| {
                let (place, event) = place(id).and_then(|place| Some((place, events.get(place)?)))?;
                let row = EventRow {
                    id,
                    kind: event.kind,
                    employee_number: event.employee_number.clone(),
                    effective: event.facts.effective,
                    facts: event.facts.clone(),
                    state: "accepted".into(),
                    note: None,
                };
                Some((place, row))
            })
            .collect())
    }

    /// Events that have been accepted and not yet dealt with. Those of a file that is being taken in wait for its end
    /// (the manager may stand further down), or until it has been left for five minutes.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_events(&self) -> Result<Vec<EventRow>, StoreError> {
        let now = self.now().await?.as_millisecond();
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT e.id, e.kind, p.employee_number, e.effective, e.facts, e.state, e.note FROM hr_events e
             JOIN people p ON p.id = e.person_id
             WHERE e.state = 'accepted' AND NOT EXISTS (
                SELECT 1 FROM import_events i JOIN imports m ON m.id = i.import_id
                WHERE i.event_id = e.id AND m.state = 'running' AND m.updated_at > $1)
             ORDER BY e.id LIMIT 1000",
        )
        .bind(now - super::imports::LEFT_MS)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(event).collect()
    }

    /// What became of the events from `first` to `last`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events_between(&self, first: i64, last: i64) -> Result<Vec<EventRow>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT e.id, e.kind, p.employee_number, e.effective, e.facts, e.state, e.note FROM hr_events e
             JOIN people p ON p.id = e.person_id WHERE e.id >= $1 AND e.id <= $2 ORDER BY e.id",
        )
        .bind(first)
        .bind(last)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter().map(event).collect()
    }

    /// Says what became of an event: `started`, `parked` or `dropped`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn close_event(&self, id: i64, state: &str, note: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("UPDATE hr_events SET state = $1, note = $2 WHERE id = $3")
            .bind(state)
            .bind(note)
            .bind(id)
            .execute(tx.conn())
            .await?;
        self.commit(tx).await
    }

    /// The person with this employee number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn person(&self, employee_number: &str) -> Result<Option<Person>, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query(select!("WHERE p.employee_number = $1"))
            .bind(employee_number)
            .fetch_optional(&mut *conn)
            .await?;
        row.as_ref().map(person).transpose()
    }

    /// The person with this row key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn person_with_key(&self, id: i64) -> Result<Option<Person>, StoreError> {
        let mut conn = self.reader().await?;
        let row = sqlx::query(select!("WHERE p.id = $1")).bind(id).fetch_optional(&mut *conn).await?;
        row.as_ref().map(person).transpose()
    }

    /// The one person with this work address; `None` where nobody has it, or several do.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn person_at(&self, email: &str) -> Result<Option<Person>, StoreError> {
        let mut conn = self.reader().await?;
        let found: Vec<String> =
            sqlx::query_scalar("SELECT employee_number FROM people WHERE LOWER(email) = $1 LIMIT 2")
                .bind(email.to_lowercase())
                .fetch_all(&mut *conn)
                .await?;
        drop(conn);
        match found.as_slice() {
            [one] => self.person(one).await,
            _ => Ok(None),
        }
    }

    /// Everybody, by employee number; `status` narrows.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn people(&self, status: Option<PersonStatus>) -> Result<Vec<Person>, StoreError> {
        let mut conn = self.reader().await?;
        let rows = sqlx::query(select!("WHERE CAST($1 AS TEXT) IS NULL OR p.status = $1 ORDER BY p.employee_number"))
            .bind(status.map(|status| status.as_str().to_owned()))
            .fetch_all(&mut *conn)
            .await?;
        rows.iter().map(person).collect()
    }

    /// People by key, and their managers.
    pub(super) async fn people_with_managers(
        &self,
        conn: &mut AnyConnection,
        ids: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, Person>, StoreError> {
        let mut people = BTreeMap::new();
        if ids.is_empty() {
            return Ok(people);
        }
        for text in [BY_ID, MANAGERS] {
            for row in sqlx::query(text.of(self.dialect())).bind(json(ids)).fetch_all(&mut *conn).await? {
                let person = person(&row)?;
                people.insert(person.id, person);
            }
        }
        Ok(people)
    }
}

/// A person among those read, and their manager.
pub(super) fn with_manager(people: &BTreeMap<i64, Person>, id: Option<i64>) -> (Option<&Person>, Option<&Person>) {
    let person = id.and_then(|id| people.get(&id));
    let number = person.and_then(|person| person.manager_number.as_ref());
    (person, number.and_then(|number| people.values().find(|other| other.employee_number == *number)))
}

pub(super) fn event(row: &AnyRow) -> Result<EventRow, StoreError> {
    let kind: String = row.try_get("kind")?;
    let facts: String = row.try_get("facts")?;
    let effective = date(row, "effective")?;
    let facts: EventFacts = parse("event's facts", &facts)?;
    Ok(EventRow {
        id: row.try_get("id")?,
        kind: HrEvent::ALL
            .into_iter()
            .find(|event| event.as_str() == kind)
            .ok_or_else(|| StoreError::corrupt("HR event", &kind))?,
        employee_number: row.try_get("employee_number")?,
        effective,
        // Events of before there were facts say their date alone.
        facts: EventFacts { effective, ..facts },
        state: row.try_get("state")?,
        note: row.try_get("note")?,
    })
}

pub(super) fn person(row: &AnyRow) -> Result<Person, StoreError> {
    let status: String = row.try_get("status")?;
    Ok(Person {
        id: row.try_get("id")?,
        employee_number: row.try_get("employee_number")?,
        given_name: row.try_get("given_name")?,
        family_name: row.try_get("family_name")?,
        display_name: row.try_get("display_name")?,
        email: row.try_get("email")?,
        private_email: row.try_get("private_email")?,
        manager_number: row.try_get("manager_number")?,
        department: row.try_get("department")?,
        role: row.try_get("role")?,
        timezone: row.try_get("timezone")?,
        language: row.try_get("language")?,
        start_date: date(row, "start_date")?,
        last_day: date(row, "last_day")?,
        leave_from: date(row, "leave_from")?,
        leave_until: date(row, "leave_until")?,
        leave_reason: row.try_get("leave_reason")?,
        status: PersonStatus::from_name(&status).ok_or_else(|| StoreError::corrupt("person's status", &status))?,
    })
}

fn date(row: &AnyRow, column: &str) -> Result<Option<jiff::civil::Date>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|why| StoreError::corrupt("date", why))).transpose()
}
