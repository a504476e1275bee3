//! Spans of time as people write them: `60 days`, `P60D`, `2 business days`.

use jiff::fmt::friendly::{Designator, Spacing, SpanPrinter};
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
    #[error("`{0}` is negative; a span is positive (in `at` a sign stands in front of it)")]
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
        let unreadable = |_| SpanError::Unreadable(trimmed.to_owned());
        let span: jiff::Span = trimmed.parse().map_err(unreadable)?;
        // As it is kept: `3003ms` is stored as `PT3.003S`, which must read back as the same span.
        let span: jiff::Span = span.to_string().parse().map_err(unreadable)?;
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

    /// As people say it: `90 days`, `3 months`, `2 business days`.
    pub fn words(&self) -> String {
        match self {
            Self::Calendar(span) => SpanPrinter::new()
                .designator(Designator::Verbose)
                .spacing(Spacing::BetweenUnitsAndDesignators)
                .span_to_string(&span.0),
            Self::BusinessDays(_) => self.to_string(),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_friendly_iso_or_business_days() {
        assert_eq!(Span::parse("60 days"), Span::parse("P60D"));
        assert_eq!(Span::parse("2 weeks"), Span::parse("P2W"));
        assert_ne!(Span::parse("1 month"), Span::parse("30 days"), "a month stays a month");
        assert_eq!(Span::parse(" 1 business day "), Ok(Span::BusinessDays(1)));
    }

    #[test]
    fn what_is_no_span_says_why() {
        assert!(matches!(Span::parse("soon"), Err(SpanError::Unreadable(_))));
        assert!(matches!(Span::parse(""), Err(SpanError::Unreadable(_))));
        assert!(matches!(Span::parse("some business days"), Err(SpanError::Unreadable(_))));
        assert!(matches!(Span::parse("-3 days"), Err(SpanError::Negative(_))));
        assert!(matches!(Span::parse("-1 business days"), Err(SpanError::Negative(_))));
        for absurd in ["300 years", "31 years", "P4000M", "99999 days", "99999 business days", "900000 hours"] {
            assert!(matches!(Span::parse(absurd), Err(SpanError::Absurd(_))), "{absurd}");
        }
        assert!(Span::parse("30 years").is_ok());
    }

    #[test]
    fn spans_are_said_as_people_say_them() {
        for words in ["90 days", "1 day", "3 months", "2 business days", "1 hour 30 minutes"] {
            assert_eq!(Span::parse(words).unwrap().words(), words);
        }
    }

    #[test]
    fn days_are_good_enough_to_compare() {
        let days = |text: &str| Span::parse(text).unwrap().days();
        assert_eq!(days("2 weeks"), 14.0);
        assert_eq!(days("1 year"), 365.0);
        assert_eq!(days("12 hours"), 0.5);
        assert!(days("3 months") > 80.0 && days("3 months") < 100.0);
    }

    #[test]
    fn what_is_kept_reads_back_the_same() {
        for odd in ["1h 3003ms", "1500ms", "90 minutes", "36h", "400 days", "1.5 hours"] {
            let span = Span::parse(odd).unwrap();
            assert_eq!(Span::parse(&span.to_string()).as_ref(), Ok(&span), "{odd}");
        }
    }

    fn text() -> impl Strategy<Value = String> {
        let units = prop::sample::select(vec!["days", "weeks", "months", "hours", "minutes", "business days"]);
        (0..300u32, units).prop_map(|(count, unit)| format!("{count} {unit}"))
    }

    proptest! {
        #[test]
        fn a_span_reads_back_as_it_was_written(text in text()) {
            let span = Span::parse(&text).unwrap();
            prop_assert_eq!(&Span::parse(&span.to_string()).unwrap(), &span);
            let stored = serde_json::to_string(&span).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Span>(&stored).unwrap(), &span);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            drop(Span::parse(&text));
        }
    }
}
