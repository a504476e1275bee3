//! What an instant as written counts from: a date input, a date of the person's, or the start of the run.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value};

use super::instant::{BeyondCalendar, Reckoning};
use super::plan::LocalInstant;
use super::subject::Person;
use crate::workflow::{Amount, Anchor, At, Sign, Span};

/// The values that instants and spans of a workflow may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Anchors<'a> {
    /// The frozen inputs.
    pub inputs: &'a Map<String, Value>,
    /// The person, where the run is about one.
    pub person: Option<&'a Person>,
    /// When the run starts.
    pub start: Timestamp,
}

/// Why an instant as written gives no instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// An optional input without a value.
    #[error("input `{0}` has no value; give it, or leave the step out then with `when: inputs.{0}`")]
    Absent(String),
    /// An input that does not hold what is needed.
    #[error("input `{name}` is `{value}`, which is not a {expected}; declare it with `type: {expected}`")]
    Mistyped {
        /// The input.
        name: String,
        /// What it holds.
        value: String,
        /// `date` or `duration`.
        expected: &'static str,
    },
    /// HR has not given the date.
    #[error("`person.{0}` is not known; import it from HR, or let the step count from an input")]
    PersonDate(String),
    /// The run is about something else.
    #[error("it counts from `person.{0}`, but the run is not about a person; let it count from an input or `start`")]
    NoPerson(String),
    /// Too far away.
    #[error(transparent)]
    Beyond(#[from] BeyondCalendar),
}

impl Anchors<'_> {
    /// The instant of `at`.
    ///
    /// # Errors
    /// When what it counts from has no value, or the result lies beyond the calendar.
    pub fn resolve(&self, at: &At, by: &Reckoning<'_>) -> Result<LocalInstant, AnchorError> {
        let offsets: Vec<(Sign, Span)> = at
            .offsets
            .iter()
            .map(|(sign, amount)| Ok((*sign, self.span(amount)?)))
            .collect::<Result<_, AnchorError>>()?;
        Ok(match &at.anchor {
            Anchor::Start => by.from_instant(self.start, &offsets, at.time)?,
            Anchor::Input(name) => by.from_date(self.date_input(name)?, &offsets, at.time)?,
            Anchor::Person(field) => by.from_date(self.person_date(field)?, &offsets, at.time)?,
        })
    }

    /// The span of `amount`.
    ///
    /// # Errors
    /// When it refers to an input without a value.
    pub fn span(&self, amount: &Amount) -> Result<Span, AnchorError> {
        match amount {
            Amount::Literal(span) => Ok(span.clone()),
            Amount::Input(name) => {
                let text = self.input(name, "duration")?;
                Span::parse(text).map_err(|_| mistyped(name, text, "duration"))
            }
        }
    }

    fn date_input(&self, name: &str) -> Result<Date, AnchorError> {
        let text = self.input(name, "date")?;
        text.parse().map_err(|_| mistyped(name, text, "date"))
    }

    fn input(&self, name: &str, expected: &'static str) -> Result<&str, AnchorError> {
        match self.inputs.get(name) {
            None | Some(Value::Null) => Err(AnchorError::Absent(name.to_owned())),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(mistyped(name, &other.to_string(), expected)),
        }
    }

    fn person_date(&self, field: &str) -> Result<Date, AnchorError> {
        let person = self.person.ok_or_else(|| AnchorError::NoPerson(field.to_owned()))?;
        let date = match field {
            "start_date" => person.start_date,
            "last_day" => person.last_day,
            _ => None,
        };
        date.ok_or_else(|| AnchorError::PersonDate(field.to_owned()))
    }
}

fn mistyped(name: &str, value: &str, expected: &'static str) -> AnchorError {
    AnchorError::Mistyped { name: name.to_owned(), value: value.to_owned(), expected }
}
