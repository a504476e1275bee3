//! The types of single parameters that plain text and numbers are too wide for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::workflow::Span;

/// Somebody or some address: a person (`{{ person.manager }}`), an employee number (an input of type `person`), or a
/// mail address. At least one of the two fields is there; whether there is such a person is not known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Addressed")]
pub struct Recipient {
    /// The mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The employee number, where a person is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub employee_number: Option<String>,
}

/// A recipient as a file writes it: an address, an employee number, or a mapping with one of them.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "only its schema is used")]
enum Addressed {
    Text(#[schemars(regex(pattern = r"^(?:[^\s@]+@[^\s@.](?:[^\s@]*[^\s@.])?|[^\s@]{1,64})$"))] String),
    Person { email: Option<String>, employee_number: Option<String> },
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a mail address, an employee number, or a person such as `{{ person.manager }}`"
)]
enum Written {
    Text(String),
    Person { email: Option<String>, employee_number: Option<String> },
}

impl TryFrom<Written> for Recipient {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        match written {
            Written::Text(text) if is_email(&text) => Ok(Self { email: Some(text), employee_number: None }),
            Written::Text(text) if is_number(&text) => Ok(Self { email: None, employee_number: Some(text) }),
            Written::Text(text) => Err(format!("`{text}` is neither a mail address nor an employee number")),
            Written::Person { email, employee_number } => match (filled(email), filled(employee_number)) {
                (None, None) => Err("this person has neither a mail address nor an employee number".to_owned()),
                (email, employee_number) => Ok(Self { email, employee_number }),
            },
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && !text.contains(|c: char| c == '@' || c.is_whitespace() || c.is_control())
}

/// Whether a text has the shape of a mail address: one `@`, something before it, a domain behind it, no blanks.
pub fn is_email(text: &str) -> bool {
    let shape = |(local, domain): (&str, &str)| {
        !local.is_empty()
            && !domain.contains('@')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !domain.is_empty()
    };
    text.len() <= 254
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        && text.split_once('@').is_some_and(shape)
}

/// Whom a mail is for: administrators, everybody, somebody, or several of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Value", into = "Value")]
#[schemars(with = "OneOrMore")]
pub struct Recipients(pub Vec<Addressees>);

/// How recipients are written, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// One entry of [`Recipients`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressees {
    /// Those that `[mail] administrators` names.
    Administrators,
    /// Everybody employed who has an address.
    Everybody,
    /// Somebody.
    One(Recipient),
}

impl TryFrom<Value> for Recipients {
    type Error = String;

    fn try_from(written: Value) -> Result<Self, String> {
        let entries = match written {
            Value::Array(entries) => entries,
            one => vec![one],
        };
        // A person's manager who is not there is no mistake beside others.
        let entries = entries.into_iter().filter(|entry| !entry.is_null());
        let entries: Vec<Addressees> = entries.map(addressees).collect::<Result<_, _>>()?;
        if entries.is_empty() { Err("expected at least one recipient".to_owned()) } else { Ok(Self(entries)) }
    }
}

fn addressees(entry: Value) -> Result<Addressees, String> {
    match entry.as_str() {
        Some("administrators") => Ok(Addressees::Administrators),
        Some("everybody") => Ok(Addressees::Everybody),
        _ => serde_json::from_value(entry)
            .map(Addressees::One)
            .map_err(|why| format!("{why}; or `administrators`, `everybody`, or a list of these")),
    }
}

impl From<Recipients> for Value {
    fn from(recipients: Recipients) -> Self {
        let written = recipients.0.into_iter().map(|entry| match entry {
            Addressees::Administrators => Self::from("administrators"),
            Addressees::Everybody => Self::from("everybody"),
            Addressees::One(one) => serde_json::to_value(one).unwrap_or(Self::Null),
        });
        written.collect()
    }
}

/// A list with at least one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>")]
pub struct Items(pub Vec<String>);

impl TryFrom<Vec<String>> for Items {
    type Error = &'static str;

    fn try_from(items: Vec<String>) -> Result<Self, Self::Error> {
        let filled = !items.is_empty() && items.iter().all(|item| !item.trim().is_empty());
        if filled { Ok(Self(items)) } else { Err("expected at least one entry, and none of them empty") }
    }
}

/// A span of time that is longer than nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Span", into = "Span")]
#[schemars(with = "Lasting")]
pub struct Length(pub Span);

#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is used")]
struct Lasting(#[schemars(regex(pattern = r"^\s*(?:[0-9]|P)[0-9A-Za-z., :]*$"))] String);

impl TryFrom<Span> for Length {
    type Error = String;

    fn try_from(span: Span) -> Result<Self, String> {
        if span.is_zero() { Err(format!("`{span}` has no length")) } else { Ok(Self(span)) }
    }
}

impl From<Length> for Span {
    fn from(length: Length) -> Self {
        length.0
    }
}

/// An amount of storage in bytes: a number, or text such as `5 GB` or `512 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Size")]
#[schemars(with = "Sized")]
pub struct Quota {
    /// Bytes.
    pub bytes: u64,
}

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "only its schema is used")]
enum Sized {
    Bytes(#[schemars(range(min = 1))] u64),
    Text(#[schemars(regex(pattern = r"^\s*[0-9]+\s*(?:[kmgtKMGT]?i?[bB])?\s*$"))] String),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes, or a size such as `5 GB`")]
enum Size {
    Bytes(u64),
    Text(String),
    Written { bytes: u64 },
}

impl TryFrom<Size> for Quota {
    type Error = String;

    fn try_from(size: Size) -> Result<Self, String> {
        let bytes = match size {
            Size::Bytes(bytes) | Size::Written { bytes } => Some(bytes),
            Size::Text(text) => {
                return parse_size(&text)
                    .map(|bytes| Self { bytes })
                    .ok_or_else(|| format!("`{text}` is not a size; write for example `5 GB` or `512 MiB`"));
            }
        };
        bytes.filter(|bytes| *bytes > 0).map(|bytes| Self { bytes }).ok_or_else(|| "a quota cannot be zero".to_owned())
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recipients_are_people_or_addresses() {
        let read = serde_json::from_value::<Recipient>;
        assert!(read(json!("ada@example.com")).is_ok());
        assert!(read(json!({ "employee_number": "7", "email": null })).is_ok());
        assert_eq!(read(json!("E-1042")).unwrap().employee_number.as_deref(), Some("E-1042"));
        for bad in ["", "ada@", "Ada Lovelace"] {
            assert!(read(json!(bad)).unwrap_err().to_string().contains("neither a mail address nor"), "{bad}");
        }
        assert!(read(json!({ "email": "" })).unwrap_err().to_string().contains("neither"));
        assert!(read(json!(7)).unwrap_err().to_string().contains("expected a mail address"));
    }

    #[test]
    fn addresses_have_a_shape() {
        for good in ["a@b", "ada.lovelace+x@example.com"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a@.c", "a@b\r\nBcc:x"] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_text() {
        let read = |value| serde_json::from_value::<Quota>(value).map(|quota| quota.bytes);
        assert_eq!(read(json!(1024)).unwrap(), 1024);
        assert_eq!(read(json!("5 GB")).unwrap(), 5_000_000_000);
        assert_eq!(read(json!("512MiB")).unwrap(), 512 << 20);
        for bad in [json!("much"), json!("0 GB"), json!(0), json!("-1 GB"), json!("99999999999 TB"), json!(true)] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        let quota = Quota { bytes: 7 };
        assert_eq!(serde_json::from_value::<Quota>(serde_json::to_value(quota).unwrap()).unwrap(), quota);
    }
}
