//! `at:`, `until:` and spans: `ANCHOR {± SPAN} [HH:MM]`.

use std::collections::BTreeMap;

use jiff::civil::Time;

use super::definition::{Amount, Anchor, At, Input, Sign};
use super::span::{Span, SpanError};

/// Why a text is not an instant or an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AtError {
    /// Nothing to count from.
    #[error("an instant starts with what it counts from: a date input, `start` or `person.start_date`")]
    NoAnchor,
    /// The word to count from is no name.
    #[error("`{0}` is not something to count from; write a date input, `start` or `person.start_date`")]
    Anchor(String),
    /// No time of day.
    #[error("`{0}` is not a time of day; write `18:00`")]
    Time(String),
    /// A sign without a span, or two signs.
    #[error(
        "a span is missing behind `{0}`; write for example `last_day + 60 days`, or `last_day - 7 days` to count back"
    )]
    NoSpan(char),
    /// No length.
    #[error("`{0}` has no length")]
    Zero(String),
    /// Not a span.
    #[error(transparent)]
    Span(#[from] SpanError),
}

impl Amount {
    /// Reads a span, or a duration input (`inputs.retention`).
    ///
    /// # Errors
    /// When it is neither, has no length, is negative or absurdly long.
    pub fn parse(text: &str) -> Result<Self, AtError> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix("inputs.") {
            return Ok(Self::Input(name.trim().to_owned()));
        }
        let span = Span::parse(text)?;
        if span.is_zero() { Err(AtError::Zero(text.to_owned())) } else { Ok(Self::Literal(span)) }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Literal(span) => write!(f, "{span}"),
            Self::Input(name) => write!(f, "inputs.{name}"),
        }
    }
}

impl At {
    /// Reads `ANCHOR {± SPAN} [HH:MM]`. Names are not looked up here.
    ///
    /// # Errors
    /// When the text does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, AtError> {
        let (rest, time) = split_time(text.trim())?;
        let (anchor, mut rest) = split_at_sign(rest);
        let anchor = parse_anchor(anchor.trim())?;
        let mut offsets = Vec::new();
        while let Some((sign, behind)) = take_sign(rest) {
            let (amount, next) = split_at_sign(behind);
            if amount.trim().is_empty() {
                return Err(AtError::NoSpan(if sign == Sign::Plus { '+' } else { '-' }));
            }
            offsets.push((sign, Amount::parse(amount)?));
            rest = next;
        }
        Ok(Self { anchor, offsets, time, text: text.trim().to_owned() })
    }

    /// Days between two instants that count from the same anchor (`self - earlier`), where inputs cancel out. Months
    /// and business days are rounded, so this is for checks, not for plans.
    pub(super) fn days_after(&self, earlier: &Self) -> Option<f64> {
        if self.anchor != earlier.anchor {
            return None;
        }
        let (mut days, mut inputs) = self.shift();
        let (other_days, other_inputs) = earlier.shift();
        days -= other_days;
        for (name, times) in other_inputs {
            *inputs.entry(name).or_default() -= times;
        }
        days += (hours(self.time) - hours(earlier.time)) / 24.0;
        inputs.values().all(|times| *times == 0).then_some(days)
    }

    /// The fewest days this instant can lie behind its anchor, given the bounds of the inputs.
    pub(super) fn least_days(&self, inputs: &[Input]) -> Option<f64> {
        self.offsets.iter().try_fold(0.0, |sum, (sign, amount)| match (sign, amount) {
            (Sign::Plus, amount) => Some(sum + least(amount, inputs)?),
            (Sign::Minus, Amount::Literal(span)) => Some(sum - span.days()),
            (Sign::Minus, Amount::Input(name)) => Some(sum - bound(name, inputs, |input| input.max.as_deref())?),
        })
    }

    fn shift(&self) -> (f64, BTreeMap<&str, i32>) {
        let (mut days, mut inputs) = (0.0, BTreeMap::new());
        for (sign, amount) in &self.offsets {
            let factor = if *sign == Sign::Plus { 1 } else { -1 };
            match amount {
                Amount::Literal(span) => days += f64::from(factor) * span.days(),
                Amount::Input(name) => *inputs.entry(name.as_str()).or_default() += factor,
            }
        }
        (days, inputs)
    }
}

/// The fewest days an amount can have: the input's `min`, or its default.
pub(super) fn least(amount: &Amount, inputs: &[Input]) -> Option<f64> {
    match amount {
        Amount::Literal(span) => Some(span.days()),
        Amount::Input(name) => bound(name, inputs, |input| input.min.as_deref()),
    }
}

fn bound(name: &str, inputs: &[Input], side: impl Fn(&Input) -> Option<&str>) -> Option<f64> {
    let input = inputs.iter().find(|input| input.name == name)?;
    let text = side(input).or_else(|| input.default.as_ref().map(super::template::Template::source))?;
    Span::parse(text).ok().map(|span| span.days())
}

fn hours(time: Option<Time>) -> f64 {
    time.map_or(9.0, |time| f64::from(time.hour()) + f64::from(time.minute()) / 60.0)
}

fn split_at_sign(text: &str) -> (&str, &str) {
    text.split_at(text.find(['+', '-']).unwrap_or(text.len()))
}

fn take_sign(text: &str) -> Option<(Sign, &str)> {
    text.strip_prefix('+')
        .map(|rest| (Sign::Plus, rest))
        .or_else(|| text.strip_prefix('-').map(|rest| (Sign::Minus, rest)))
}

fn split_time(text: &str) -> Result<(&str, Option<Time>), AtError> {
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    let wrong = || AtError::Time(last.to_owned());
    let twelve = last.to_ascii_lowercase();
    if twelve.strip_suffix("am").or_else(|| twelve.strip_suffix("pm")).is_some_and(|hour| hour.parse::<u8>().is_ok()) {
        return Err(wrong());
    }
    let Some((hour, minute)) = last.split_once(':') else { return Ok((text, None)) };
    if hour.is_empty() || hour.len() > 2 || minute.len() != 2 {
        return Err(wrong());
    }
    let time = hour.parse().ok().zip(minute.parse().ok()).and_then(|(h, m)| Time::new(h, m, 0, 0).ok());
    Ok((text[..text.len() - last.len()].trim_end(), Some(time.ok_or_else(wrong)?)))
}

fn parse_anchor(text: &str) -> Result<Anchor, AtError> {
    let name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match text.split_once('.') {
        None if text.is_empty() => Err(AtError::NoAnchor),
        None if text == "start" => Ok(Anchor::Start),
        None if name(text) => Ok(Anchor::Input(text.to_owned())),
        Some(("inputs", input)) if name(input) => Ok(Anchor::Input(input.to_owned())),
        Some(("person", field)) if name(field) => Ok(Anchor::Person(field.to_owned())),
        _ => Err(AtError::Anchor(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn literal(text: &str) -> Amount {
        Amount::Literal(Span::parse(text).unwrap())
    }

    #[test]
    fn the_design_s_examples_are_read() {
        let at = At::parse("last_day 18:00").unwrap();
        assert_eq!(at.anchor, Anchor::Input("last_day".into()));
        assert_eq!(at.time, Some(jiff::civil::time(18, 0, 0, 0)));

        let at = At::parse("last_day + inputs.retention - 30 days").unwrap();
        assert_eq!(at.offsets[0], (Sign::Plus, Amount::Input("retention".into())));
        assert_eq!(at.offsets[1], (Sign::Minus, literal("30 days")));
        assert_eq!(at.time, None);

        assert_eq!(At::parse("start + 2 hours").unwrap().anchor, Anchor::Start);
        assert_eq!(At::parse("person.start_date - P7D 8:30").unwrap().anchor, Anchor::Person("start_date".into()));
        assert_eq!(At::parse("last_day + 2 business days").unwrap().offsets[0].1, literal("2 business days"));
    }

    #[test]
    fn what_does_not_follow_the_grammar_says_what_was_expected() {
        let refused = |text: &str| At::parse(text).unwrap_err().to_string();
        assert!(refused("").contains("what it counts from"));
        assert!(refused("last_day 25:00").contains("not a time of day"));
        assert!(refused("last_day 18:5").contains("not a time of day"));
        assert!(refused("last_day 6pm").contains("`6pm` is not a time of day; write `18:00`"));
        assert!(refused("last_day + -3 days").contains("a span is missing"));
        assert!(refused("last_day +").contains("a span is missing"));
        assert!(refused("last_day + soon").contains("not a span"));
        assert!(refused("last_day + 0 days").contains("no length"));
        assert!(refused("last_day + 300 years").contains("longer than 30 years"));
        assert!(refused("when it suits").contains("not something to count from"));
    }

    #[test]
    fn instants_of_one_anchor_compare_and_inputs_cancel() {
        let days = |later: &str, earlier: &str| At::parse(later).unwrap().days_after(&At::parse(earlier).unwrap());
        assert_eq!(days("last_day + 90 days", "last_day + 7 days"), Some(83.0));
        assert_eq!(days("last_day + inputs.r", "last_day + inputs.r - 14 days"), Some(14.0));
        assert_eq!(days("last_day + inputs.r", "last_day + 14 days"), None);
        assert_eq!(days("start", "last_day"), None);
        assert_eq!(days("last_day 21:00", "last_day"), Some(0.5));
    }

    fn amount() -> impl Strategy<Value = String> {
        prop_oneof![
            (1..2_000u32).prop_map(|n| format!("{n} days")),
            (1..300u32).prop_map(|n| format!("P{n}W")),
            (1..900u32).prop_map(|n| format!("{n} business days")),
            "[a-z][a-z_]{0,9}".prop_map(|name| format!("inputs.{name}")),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            anchor in "[a-z][a-z_]{0,9}",
            offsets in prop::collection::vec((any::<bool>(), amount()), 0..4),
            time in prop::option::of((0..24i8, 0..60i8)),
        ) {
            let mut text = anchor.clone();
            for (plus, amount) in &offsets {
                text += &format!(" {} {amount}", if *plus { '+' } else { '-' });
            }
            if let Some((hour, minute)) = time {
                text += &format!(" {hour:02}:{minute:02}");
            }
            let at = At::parse(&text).unwrap();
            prop_assert_eq!(at.time, time.map(|(h, m)| jiff::civil::time(h, m, 0, 0)));
            prop_assert_eq!(at.offsets.len(), offsets.len());
            for ((sign, amount), (plus, text)) in at.offsets.iter().zip(&offsets) {
                prop_assert_eq!(*sign == Sign::Plus, *plus);
                prop_assert_eq!(amount, &Amount::parse(text).unwrap());
                prop_assert_eq!(&Amount::parse(&amount.to_string()).unwrap(), amount);
            }
            prop_assert_eq!(&At::parse(&at.text).unwrap(), &at);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            drop(At::parse(&text));
        }
    }
}
