//! Whom a scheduled workflow runs over: found page by page, so that ten thousand of them are never in memory.

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Row;

use super::{Store, StoreError};
use crate::workflow::AccountSelection;

/// How many are read at once.
const PAGE: i64 = 500;

/// An account of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedAccount {
    /// Row key: the next page begins behind it.
    pub id: i64,
    /// The system.
    pub system: String,
    /// The account's immutable id there.
    pub external_id: String,
}

/// A person of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedPerson {
    /// Row key: the next page begins behind it.
    pub id: i64,
    /// The employee number.
    pub employee_number: String,
}

/// People by what HR says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeopleBy {
    /// Not here yet, with a start date between these two (both included).
    Starting(Date, Date),
    /// Leaving, with a last day between these two (both included).
    Leaving(Date, Date),
    /// Active.
    Active,
    /// Left.
    Departed,
}

/// Deleted, past its grace, in the hands of no open run, its person (where known) gone.
const PURGE_DUE: &str = "SELECT a.id, a.system, a.external_id FROM accounts a LEFT JOIN people p ON p.id = a.person_id
     WHERE a.status = 'deleted' AND a.purge_due <= $1 AND (p.status IS NULL OR p.status IN ('leaving', 'left'))
       AND NOT EXISTS (SELECT 1 FROM runs r JOIN steps s ON s.id >= r.id * 1024 AND s.id < r.id * 1024 + 1024
            WHERE r.ended_at IS NULL AND s.account_id = a.id
              AND (r.person_id = a.person_id OR r.account_id = a.id))
       AND a.id > $2 ORDER BY a.id LIMIT $3";
const INACTIVE: &str = "SELECT id, system, external_id FROM accounts
     WHERE status = 'enabled' AND last_sign_in <= $1 AND id > $2 ORDER BY id LIMIT $3";
const UNBOUND: &str = "SELECT id, system, external_id FROM accounts
     WHERE status IN ('enabled', 'disabled') AND person_id IS NULL AND seen_at <= $1 AND id > $2 ORDER BY id LIMIT $3";
const DISABLED: &str = "SELECT id, system, external_id FROM accounts
     WHERE status = 'disabled' AND seen_at <= $1 AND id > $2 ORDER BY id LIMIT $3";

impl Store {
    /// The accounts of a selection with keys above `after`, at most 500. `until` is now; for inactive accounts,
    /// the instant since when nobody has signed in.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn accounts_selected(
        &self,
        selection: &AccountSelection,
        until: Timestamp,
        after: i64,
    ) -> Result<Vec<SelectedAccount>, StoreError> {
        let text = match selection {
            AccountSelection::PurgeDue => PURGE_DUE,
            AccountSelection::Inactive(_) => INACTIVE,
            AccountSelection::Unbound => UNBOUND,
            AccountSelection::Disabled => DISABLED,
        };
        let mut conn = self.reader().await?;
        let rows = sqlx::query(text).bind(until.as_millisecond()).bind(after).bind(PAGE).fetch_all(&mut *conn).await?;
        rows.iter()
            .map(|row| {
                Ok(SelectedAccount {
                    id: row.try_get("id")?,
                    system: row.try_get("system")?,
                    external_id: row.try_get("external_id")?,
                })
            })
            .collect()
    }

    /// The people of a selection with keys above `after`, at most 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn people_selected(&self, by: PeopleBy, after: i64) -> Result<Vec<SelectedPerson>, StoreError> {
        let (status, dates) = match by {
            PeopleBy::Starting(from, to) => ("prehire", Some(("start", from, to))),
            PeopleBy::Leaving(from, to) => ("leaving", Some(("last", from, to))),
            PeopleBy::Active => ("active", None),
            PeopleBy::Departed => ("left", None),
        };
        // Dates are kept as 2027-01-29: as texts they sort as the calendar does.
        let (which, from, to) = dates
            .map_or(("", String::new(), String::new()), |(which, from, to)| (which, from.to_string(), to.to_string()));
        let mut conn = self.reader().await?;
        let rows = sqlx::query(
            "SELECT id, employee_number FROM people WHERE status = $1
               AND ($2 <> 'start' OR (start_date >= $3 AND start_date <= $4))
               AND ($2 <> 'last' OR (last_day >= $3 AND last_day <= $4))
               AND id > $5 ORDER BY id LIMIT $6",
        )
        .bind(status)
        .bind(which)
        .bind(from)
        .bind(to)
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *conn)
        .await?;
        rows.iter()
            .map(|row| Ok(SelectedPerson { id: row.try_get("id")?, employee_number: row.try_get("employee_number")? }))
            .collect()
    }
}
