//! One input's value: read by its type, checked against its bounds.

use jiff::civil::{Date, DateTime, date};
use serde_json::Value;

use crate::run::business::Holidays;
use crate::run::nearest::way_out;
use crate::workflow::{Input, InputType, Span};

/// Longest text anybody may give.
const MAX_TEXT: usize = 10_000;

/// The value to freeze, or what is wrong and what would be right.
pub(super) fn parse(input: &Input, raw: &Value) -> Result<Value, String> {
    if input.kind == InputType::Boolean {
        return boolean(raw);
    }
    let text = as_text(input.kind, raw)?;
    match input.kind {
        InputType::Date => day(&text).map(|date| Value::String(date.to_string())),
        InputType::Email => email(&text).map(|()| Value::String(text)),
        InputType::Duration => duration(input, &text).map(|()| Value::String(text)),
        InputType::Number => number(input, &text).map(Value::from),
        InputType::Choice => choice(input, &text).map(|()| Value::String(text)),
        InputType::Text | InputType::Person | InputType::Boolean => Ok(Value::String(text)),
    }
}

/// The text behind a value. A person may be given whole (`{{ person.manager }}`): the employee number counts.
fn as_text(kind: InputType, raw: &Value) -> Result<String, String> {
    let text = match (kind, raw) {
        (InputType::Text, Value::String(text)) => text.clone(),
        (_, Value::String(text)) => text.trim().to_owned(),
        (InputType::Number | InputType::Person | InputType::Text, Value::Number(number)) => number.to_string(),
        (InputType::Person, Value::Object(person)) => match person.get("employee_number") {
            Some(Value::String(number)) => number.clone(),
            _ => return Err("the person has no employee number".to_owned()),
        },
        _ => return Err(format!("`{raw}` is not {}", expected(kind))),
    };
    if text.len() > MAX_TEXT {
        return Err(format!("it is longer than {MAX_TEXT} bytes; shorten it"));
    }
    let multiline = kind == InputType::Text;
    match text.chars().find(|c| c.is_control() && !(multiline && matches!(c, '\n' | '\r' | '\t'))) {
        Some(control) => Err(format!("it contains the control character {control:?}; remove it")),
        None => Ok(text),
    }
}

const fn expected(kind: InputType) -> &'static str {
    match kind {
        InputType::Date => "a date; write for example `2027-01-29`",
        InputType::Email => "a mail address; write for example `ada@example.com`",
        InputType::Text => "text",
        InputType::Duration => "a span of time; write for example `180 days`",
        InputType::Number => "a whole number",
        InputType::Boolean => "`true` or `false`",
        InputType::Choice => "one of the choices",
        InputType::Person => "an employee number",
    }
}

fn boolean(raw: &Value) -> Result<Value, String> {
    match raw {
        Value::Bool(truth) => Ok(Value::Bool(*truth)),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        other => Err(format!("`{}` is not {}", plain(other), expected(InputType::Boolean))),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn day(text: &str) -> Result<Date, String> {
    let unreadable = || format!("`{text}` is not {}", expected(InputType::Date));
    let (year, month, day) = iso_parts(text).ok_or_else(unreadable)?;
    if !(1900..=2200).contains(&year) {
        return Err(format!("`{text}` is not between the years 1900 and 2200; correct the year"));
    }
    Date::new(year, month, day).map_err(|_| match Date::new(year, month, 1) {
        Ok(first) => format!("`{text}` does not exist: that month has {} days", first.days_in_month()),
        Err(_) => format!("`{text}` does not exist: a year has 12 months; write year-month-day"),
    })
}

/// Year, month and day of `2027-01-29`, without asking whether that day exists.
fn iso_parts(text: &str) -> Option<(i16, i8, i8)> {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    if shape != "0000-00-00" {
        return None;
    }
    Some((text.get(..4)?.parse().ok()?, text.get(5..7)?.parse().ok()?, text.get(8..)?.parse().ok()?))
}

fn email(text: &str) -> Result<(), String> {
    let shaped = text.split_once('@').is_some_and(|(local, domain)| {
        (1..=64).contains(&local.len()) && text.len() <= 254 && is_local_part(local) && is_domain(domain)
    });
    if shaped { Ok(()) } else { Err(format!("`{text}` is not {}", expected(InputType::Email))) }
}

/// An unquoted local part (RFC 5321, section 4.1.2), with letters of any script (RFC 6531).
fn is_local_part(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| c.is_alphanumeric() || (c.is_ascii() && "!#$%&'*+-/=?^_`{|}~".contains(c)))
    })
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    domain.contains('.') && domain.split('.').all(label)
}

fn duration(input: &Input, text: &str) -> Result<(), String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    let (reached, [min, max]) = (reach(&span), [&input.min, &input.max].map(bound));
    if let Some((min, _)) = min.filter(|(_, min)| reached < reach(min)) {
        return Err(format!("`{text}` is shorter than the minimum; give at least `{min}`"));
    }
    if let Some((max, _)) = max.filter(|(_, max)| reached > reach(max)) {
        return Err(format!("`{text}` is longer than the maximum; give at most `{max}`"));
    }
    Ok(())
}

fn bound(text: &Option<String>) -> Option<(&str, Span)> {
    let text = text.as_deref()?;
    Some((text, Span::parse(text).ok()?))
}

/// Where a span leads from the first of February: months and days can only be compared from somewhere, and there
/// months are shortest.
fn reach(span: &Span) -> Option<DateTime> {
    let from = date(2001, 2, 1);
    match span {
        Span::Calendar(span) => from.to_datetime(jiff::civil::Time::midnight()).checked_add(span.0).ok(),
        Span::BusinessDays(days) => {
            Some(Holidays::default().step(from, i64::from(*days))?.to_datetime(jiff::civil::Time::midnight()))
        }
    }
}

fn number(input: &Input, text: &str) -> Result<i64, String> {
    let number: i64 = text.parse().map_err(|_| format!("`{text}` is not {}", expected(InputType::Number)))?;
    let bound = |text: &Option<String>| text.as_deref().and_then(|text| text.trim().parse::<i64>().ok());
    if let Some(min) = bound(&input.min).filter(|min| number < *min) {
        return Err(format!("{number} is less than the minimum; give at least {min}"));
    }
    if let Some(max) = bound(&input.max).filter(|max| number > *max) {
        return Err(format!("{number} is more than the maximum; give at most {max}"));
    }
    Ok(number)
}

fn choice(input: &Input, text: &str) -> Result<(), String> {
    if input.choices.iter().any(|choice| choice == text) {
        return Ok(());
    }
    Err(format!("`{text}` is not one of the choices; {}", way_out(text, input.choices.iter().map(String::as_str))))
}
