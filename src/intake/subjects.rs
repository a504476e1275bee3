//! Over whom a scheduled workflow runs, a page at a time.

use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};

use crate::engine::Engine;
use crate::engine::trigger::SubjectRef;
use crate::run::zone;
use crate::store::{PeopleBy, StoreError};
use crate::workflow::{AccountSelection, PersonSelection, Selector, Span, Workflow};

/// What is still to come of a selection.
#[derive(Debug)]
pub(super) struct Pages {
    ahead: Ahead,
}

#[derive(Debug)]
enum Ahead {
    /// Nothing.
    Over,
    /// The organisation itself, once.
    Organisation,
    Accounts {
        selection: AccountSelection,
        until: Timestamp,
        after: i64,
    },
    People {
        by: PeopleBy,
        after: i64,
    },
}

impl Pages {
    /// The subjects of a workflow, as they are now.
    ///
    /// # Errors
    /// When the database's clock cannot be read.
    pub(super) async fn of(engine: &Engine, workflow: &Workflow) -> Result<Self, StoreError> {
        let now = engine.store().now().await?;
        let zone = zone(engine.zone()).unwrap_or(TimeZone::UTC);
        let ahead = match &workflow.for_each {
            None => Ahead::Organisation,
            Some(Selector::Accounts(selection)) => {
                let until = match selection {
                    AccountSelection::Inactive(span) => before(now, span, &zone),
                    _ => now,
                };
                Ahead::Accounts { selection: selection.clone(), until, after: 0 }
            }
            Some(Selector::People(selection)) => {
                let today = zone.to_datetime(now).date();
                let by = match selection {
                    PersonSelection::Starting(span) => PeopleBy::Starting(today, later(today, span)),
                    PersonSelection::Leaving(span) => PeopleBy::Leaving(today, later(today, span)),
                    PersonSelection::Active => PeopleBy::Active,
                    PersonSelection::Departed => PeopleBy::Departed,
                };
                Ahead::People { by, after: 0 }
            }
        };
        Ok(Self { ahead })
    }

    /// The next page; `None` when there is nobody left.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) async fn next(&mut self, engine: &Engine) -> Result<Option<Vec<SubjectRef>>, StoreError> {
        let page: Vec<SubjectRef> = match &mut self.ahead {
            Ahead::Over => return Ok(None),
            Ahead::Organisation => {
                self.ahead = Ahead::Over;
                return Ok(Some(vec![SubjectRef::Organisation]));
            }
            Ahead::Accounts { selection, until, after } => {
                let found = engine.store().accounts_selected(selection, *until, *after).await?;
                *after = found.last().map_or(*after, |account| account.id);
                let subject = |account: crate::store::SelectedAccount| SubjectRef::Account {
                    system: account.system,
                    id: account.external_id,
                };
                found.into_iter().map(subject).collect()
            }
            Ahead::People { by, after } => {
                let found = engine.store().people_selected(*by, *after).await?;
                *after = found.last().map_or(*after, |person| person.id);
                found.into_iter().map(|person| SubjectRef::Person(person.employee_number)).collect()
            }
        };
        Ok((!page.is_empty()).then_some(page))
    }
}

/// `span` before `now`, by the calendar of `zone`.
fn before(now: Timestamp, span: &Span, zone: &TimeZone) -> Timestamp {
    let Span::Calendar(span) = span else { return now };
    now.to_zoned(zone.clone()).checked_sub(span.0).map_or(Timestamp::MIN, |then| then.timestamp())
}

/// The last day that lies within `span` after `today`.
fn later(today: jiff::civil::Date, span: &Span) -> jiff::civil::Date {
    let Span::Calendar(span) = span else { return today };
    let whole = span.0.total((jiff::Unit::Day, SpanRelativeTo::from(today))).unwrap_or_default();
    #[expect(clippy::cast_possible_truncation, reason = "at most thirty years of days")]
    today.saturating_add(jiff::Span::new().days(whole as i64))
}
