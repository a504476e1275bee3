//! People, as HR last told us of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::query::Query;
use sqlx::{AnyConnection, FromRow, Row};

use super::books::{json, parse};
use super::bulk::{self, Texts};
use super::events::{EventRow, NewEvent};
use super::sql::{Text, gathered, listed};
use super::{Store, StoreError, Tx};
use crate::run::{Person, PersonStatus};

/// People that are written with one message to the database.
const AT_ONCE: usize = 250;

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
    /// Of somebody new: who is known keeps theirs.
    data_key: Option<String>,
    updated_at: i64,
}

/// The columns of [`Columns`].
const PERSON: bulk::Columns = bulk::Columns(&[
    ("id", "BIGINT"),
    ("employee_number", "TEXT"),
    ("given_name", "TEXT"),
    ("family_name", "TEXT"),
    ("display_name", "TEXT"),
    ("email", "TEXT"),
    ("private_email", "TEXT"),
    ("manager_number", "TEXT"),
    ("department", "TEXT"),
    ("role", "TEXT"),
    ("timezone", "TEXT"),
    ("language", "TEXT"),
    ("start_date", "TEXT"),
    ("last_day", "TEXT"),
    ("leave_from", "TEXT"),
    ("leave_until", "TEXT"),
    ("leave_reason", "TEXT"),
    ("status", "TEXT"),
    ("data_key", "TEXT"),
    ("updated_at", "BIGINT"),
]);

/// Somebody new. Whoever writes this has looked, under the lock of the counter, that nobody has the number.
static ADD: LazyLock<Texts> = LazyLock::new(|| Texts::new(|dialect| PERSON.insert(dialect, "people", 1)));

/// Somebody known: number and data key stay.
static CHANGE: LazyLock<Texts> = LazyLock::new(|| {
    Texts::new(|dialect| {
        let rows = PERSON.rows(dialect, 1);
        format!(
            "UPDATE people SET given_name = v.given_name, family_name = v.family_name, display_name = v.display_name,
                    email = v.email, private_email = v.private_email, manager_number = v.manager_number,
                    department = v.department, role = v.role, timezone = v.timezone, language = v.language,
                    start_date = v.start_date, last_day = v.last_day, leave_from = v.leave_from,
                    leave_until = v.leave_until, leave_reason = v.leave_reason, status = v.status,
                    updated_at = v.updated_at
             FROM {rows} WHERE people.id = v.id"
        )
    })
});

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

/// People as one value, to be read by [`people_in`].
macro_rules! people {
    ($dialect:ident, $from:expr) => {
        gathered!(
            $dialect,
            [
                id,
                employee_number,
                given_name,
                family_name,
                display_name,
                email,
                private_email,
                manager_number,
                department,
                role,
                timezone,
                language,
                start_date,
                last_day,
                leave_from,
                leave_until,
                leave_reason,
                status
            ],
            $from
        )
    };
}

/// The people whose keys are in `$1`, and their managers, as one value.
macro_rules! people_with_managers {
    ($dialect:ident) => {
        $crate::store::people::people!(
            $dialect,
            concat!(
                $crate::store::people::select!("WHERE p.id IN "),
                listed!($dialect, "$1"),
                " UNION ALL ",
                $crate::store::people::select!("JOIN people o ON o.manager_number = p.employee_number WHERE o.id IN "),
                listed!($dialect, "$1")
            )
        )
    };
}

pub(super) use {people, people_with_managers, select};

const WITH_MANAGERS: Text = Text {
    sqlite: concat!("SELECT ", people_with_managers!(sqlite)),
    postgres: concat!("SELECT ", people_with_managers!(postgres)),
};

macro_rules! by_number {
    ($dialect:ident) => {
        concat!(
            "SELECT ",
            people!($dialect, concat!(select!("WHERE p.employee_number IN "), listed!($dialect, "$1", texts)))
        )
    };
}

/// People by number.
pub(super) const BY_NUMBER: Text = Text { sqlite: by_number!(sqlite), postgres: by_number!(postgres) };

impl Store {
    /// Adds or changes people and accepts what HR says about them, in one transaction. Answers the events that were
    /// new.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing has happened.
    pub async fn save_people(&self, people: &[Person], events: &[NewEvent]) -> Result<Vec<EventRow>, StoreError> {
        let mut tx = self.begin().await?;
        let first = self.take_keys(&mut tx, "person", 0).await?;
        let numbers: Vec<String> = people.iter().map(|person| person.employee_number.clone()).collect();
        let known = self.by_number(tx.conn(), &numbers).await?;
        let id = |person: &Person| known.get(&person.employee_number).map_or(0, |known| known.id);
        let people: Vec<Person> = people.iter().map(|person| Person { id: id(person), ..person.clone() }).collect();
        self.save(&mut tx, first, &people).await?;
        let accepted = self.accept(&mut tx, &events.iter().collect::<Vec<_>>()).await?;
        self.commit(tx).await?;
        Ok(accepted.into_iter().map(|(_, event)| event).collect())
    }

    /// Adds those without a key, and changes the others. `first` is the next key of the counter, whose lock the caller has:
    /// who is without a key is new.
    pub(super) async fn save(&self, tx: &mut Tx, first: i64, people: &[Person]) -> Result<(), StoreError> {
        let (new, known): (Vec<&Person>, Vec<&Person>) = people.iter().partition(|person| person.id == 0);
        if !new.is_empty() {
            self.take_keys(tx, "person", i64::try_from(new.len()).unwrap_or(i64::MAX)).await?;
        }
        let new: Vec<(i64, &Person)> = (first..).zip(new).collect();
        let known: Vec<(i64, &Person)> = known.into_iter().map(|person| (person.id, person)).collect();
        let updated_at = tx.now.as_millisecond();
        let added = new.chunks(AT_ONCE).map(|some| (&*ADD, some, true));
        let changed = known.chunks(AT_ONCE).map(|some| (&*CHANGE, some, false));
        let mut pieces = added.chain(changed).map(|(texts, some, are_new)| {
            let values = PERSON.values(self.dialect(), &self.columns(some, are_new, updated_at)?)?;
            Ok::<_, StoreError>((texts.of(self.dialect()), values))
        });
        let mut piece = pieces.next().transpose()?;
        while let Some((text, values)) = piece {
            let query = values.into_iter().fold(sqlx::query(text), Query::bind);
            // While the database writes these, the next ones are put into words.
            let (written, next) = tokio::join!(query.execute(tx.conn()), async { pieces.next().transpose() });
            written?;
            piece = next?;
        }
        Ok(())
    }

    fn columns<'a>(
        &self,
        people: &[(i64, &'a Person)],
        are_new: bool,
        updated_at: i64,
    ) -> Result<Vec<Columns<'a>>, StoreError> {
        let columns = |(id, person): &(i64, &'a Person)| {
            let id = *id;
            Ok::<_, StoreError>(Columns {
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
                data_key: are_new.then(|| self.inner.keys.new_data_key(&key_place(id))).transpose()?.map(|key| key.1),
                updated_at,
            })
        };
        people.iter().map(columns).collect()
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
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let people: String =
            sqlx::query_scalar(WITH_MANAGERS.of(self.dialect())).bind(json(ids)).fetch_one(conn).await?;
        Ok(people_in(&people)?.into_iter().map(|person| (person.id, person)).collect())
    }
}

/// Where a person's wrapped key stands.
pub(super) fn key_place(id: i64) -> String {
    format!("people:{id}")
}

/// A person among those read, and their manager.
pub(super) fn with_manager(people: &BTreeMap<i64, Person>, id: Option<i64>) -> (Option<&Person>, Option<&Person>) {
    let person = id.and_then(|id| people.get(&id));
    let number = person.and_then(|person| person.manager_number.as_ref());
    (person, number.and_then(|number| people.values().find(|other| other.employee_number == *number)))
}

/// A person as their row holds them.
#[derive(FromRow, Deserialize)]
struct PersonRow {
    id: i64,
    employee_number: String,
    given_name: String,
    family_name: String,
    display_name: String,
    email: Option<String>,
    private_email: Option<String>,
    manager_number: Option<String>,
    department: Option<String>,
    role: Option<String>,
    timezone: Option<String>,
    language: Option<String>,
    start_date: Option<String>,
    last_day: Option<String>,
    leave_from: Option<String>,
    leave_until: Option<String>,
    leave_reason: Option<String>,
    status: String,
}

impl PersonRow {
    fn person(self) -> Result<Person, StoreError> {
        let status = PersonStatus::from_name(&self.status);
        Ok(Person {
            id: self.id,
            employee_number: self.employee_number,
            given_name: self.given_name,
            family_name: self.family_name,
            display_name: self.display_name,
            email: self.email,
            private_email: self.private_email,
            manager_number: self.manager_number,
            department: self.department,
            role: self.role,
            timezone: self.timezone,
            language: self.language,
            start_date: day(self.start_date)?,
            last_day: day(self.last_day)?,
            leave_from: day(self.leave_from)?,
            leave_until: day(self.leave_until)?,
            leave_reason: self.leave_reason,
            status: status.ok_or_else(|| StoreError::corrupt("person's status", &self.status))?,
        })
    }
}

pub(super) fn person(row: &AnyRow) -> Result<Person, StoreError> {
    PersonRow::from_row(row)?.person()
}

/// The people in what `people!` gives.
pub(super) fn people_in(gathered: &str) -> Result<Vec<Person>, StoreError> {
    let rows: Vec<PersonRow> = parse("person", gathered)?;
    rows.into_iter().map(PersonRow::person).collect()
}

pub(super) fn date(row: &AnyRow, column: &str) -> Result<Option<jiff::civil::Date>, StoreError> {
    day(row.try_get(column)?)
}

fn day(text: Option<String>) -> Result<Option<jiff::civil::Date>, StoreError> {
    text.map(|text| text.parse().map_err(|why| StoreError::corrupt("date", why))).transpose()
}
