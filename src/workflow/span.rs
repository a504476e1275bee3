//! Spans of time as people write them: `60 days`, `P60D`, `2 business days`.

use jiff::{SpanRelativeTo, Unit};
use serde::{Deserialize, Serialize};

/// The longest span anybody may write.
pub const MAX_YEARS: i64 = 30;

/// A length of time, never negative. Calendar units stay calendar units: a month is added to a date, not 30 days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Span {
    /// Friendly or ISO 8601.
    Calendar(FixedSpan),
    /// Working days by the configured calendar.
    BusinessDays(u32),
}

/// A calendar span that compares by its exact units.
#[derive(Clone, Copy, Debug)]
pub struct FixedSpan(pub jiff::Span);

impl PartialEq for FixedSpan {
    fn eq(&self, other: &Self) -> bool {
        self.0.fieldwise() == other.0.fieldwise()
    }
}
impl Eq for FixedSpan {}

/// Why a text is not a span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not a span at all.
    #[error("`{0}` is not a span of time; write for example `60 days`, `2 weeks`, `P60D` or `2 business days`")]
    Unreadable(String),
    /// Less than nothing.
    #[error("`{0}` is negative; write the sign in front of a positive span")]
    Negative(String),
    /// Longer than anybody means.
    #[error("`{0}` is longer than {MAX_YEARS} years")]
    Absurd(String),
}

impl Span {
    /// Reads a span.
    ///
    /// # Errors
    /// When the text is no span, negative, or longer than [`MAX_YEARS`].
    pub fn parse(text: &str) -> Result<Self, SpanError> {
        let trimmed = text.trim();
        if let Some(count) =
            trimmed.strip_suffix("business days").or_else(|| trimmed.strip_suffix("business day")).map(str::trim)
        {
            if count.starts_with('-') {
                return Err(SpanError::Negative(trimmed.to_owned()));
            }
            let days: u32 = count.parse().map_err(|_| SpanError::Unreadable(trimmed.to_owned()))?;
            return if i64::from(days) > MAX_YEARS * 366 {
                Err(SpanError::Absurd(trimmed.to_owned()))
            } else {
                Ok(Self::BusinessDays(days))
            };
        }
        let span: jiff::Span = trimmed.parse().map_err(|_| SpanError::Unreadable(trimmed.to_owned()))?;
        if span.is_negative() {
            return Err(SpanError::Negative(trimmed.to_owned()));
        }
        let days = span
            .total((Unit::Day, SpanRelativeTo::days_are_24_hours()))
            .or_else(|_| span.total((Unit::Day, jiff::civil::date(2000, 1, 1))))
            .map_err(|_| SpanError::Absurd(trimmed.to_owned()))?;
        #[expect(clippy::cast_precision_loss, reason = "a few thousand days")]
        if days > (MAX_YEARS * 366) as f64 {
            return Err(SpanError::Absurd(trimmed.to_owned()));
        }
        Ok(Self::Calendar(FixedSpan(span)))
    }

    /// About how many days it has, months and years as the calendar has them from 2001 on: for checks, not for plans.
    pub fn days(&self) -> f64 {
        match self {
            Self::Calendar(span) => span.0.total((Unit::Day, jiff::civil::date(2001, 1, 1))).unwrap_or(f64::MAX),
            Self::BusinessDays(days) => f64::from(*days),
        }
    }

    /// Whether it has no length.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Calendar(span) => span.0.is_zero(),
            Self::BusinessDays(days) => *days == 0,
        }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Calendar(span) => write!(f, "{}", span.0),
            Self::BusinessDays(1) => f.write_str("1 business day"),
            Self::BusinessDays(days) => write!(f, "{days} business days"),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        Self::parse(&text)
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}
