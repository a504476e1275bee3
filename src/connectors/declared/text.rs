//! Texts with `{{ expressions }}`, as they stand in the configuration. Each kind of place has its own type, because what
//! a value could break out of is another thing in each: a URL, a JSON document, a header.

use std::borrow::Cow;
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::workflow::{Template, TemplateError};

/// A text; known to compile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Text(Template);

impl Text {
    /// The text, filled.
    ///
    /// # Errors
    /// When a name is unknown or an expression fails.
    pub fn fill(&self, facts: &impl Serialize) -> Result<String, TemplateError> {
        self.0.render_text(facts)
    }

    /// As written.
    pub fn source(&self) -> &str {
        self.0.source()
    }
}

impl TryFrom<String> for Text {
    type Error = TemplateError;

    fn try_from(source: String) -> Result<Self, TemplateError> {
        Template::parse(&source).map(Self)
    }
}

/// An expression that is true or false; known to compile.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Condition(crate::workflow::Condition);

impl Condition {
    /// Whether it holds.
    ///
    /// # Errors
    /// When a name is unknown (the answer has another form than was expected) or the expression fails.
    pub fn holds(&self, facts: &impl Serialize) -> Result<bool, TemplateError> {
        self.0.holds(facts)
    }

    /// As written.
    pub fn source(&self) -> &str {
        self.0.source()
    }

    /// Whether it asks for this name.
    pub fn asks_for(&self, name: &str) -> bool {
        self.0.names().iter().any(|own| own == name)
    }
}

impl TryFrom<String> for Condition {
    type Error = TemplateError;

    fn try_from(source: String) -> Result<Self, TemplateError> {
        crate::workflow::Condition::parse(&source).map(Self)
    }
}

/// A JSON document whose texts are templates. It is filled leaf by leaf and written out afterwards, so that no value can
/// break out of its place; a text that is one expression keeps the type of its value.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "Value")]
#[schemars(with = "Value")]
pub struct Shape(Leaf);

#[derive(Clone, Debug, PartialEq)]
enum Leaf {
    Plain(Value),
    Text(Template),
    List(Vec<Leaf>),
    Fields(Vec<(String, Leaf)>),
}

impl Shape {
    /// The document, filled.
    ///
    /// # Errors
    /// When a name is unknown or an expression fails.
    pub fn fill(&self, facts: &impl Serialize) -> Result<Value, TemplateError> {
        self.0.fill(facts)
    }
}

impl Leaf {
    fn parse(value: Value) -> Result<Self, TemplateError> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text)?),
            Value::Array(items) => Self::List(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                Self::Fields(fields.into_iter().map(|(name, value)| Ok((name, Self::parse(value)?))).collect::<Result<
                    _,
                    TemplateError,
                >>(
                )?)
            }
            plain => Self::Plain(plain),
        })
    }

    fn fill(&self, facts: &impl Serialize) -> Result<Value, TemplateError> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(template) => template.render(facts)?,
            Self::List(items) => Value::Array(items.iter().map(|item| item.fill(facts)).collect::<Result<_, _>>()?),
            Self::Fields(fields) => Value::Object(
                fields
                    .iter()
                    .map(|(name, leaf)| Ok((name.clone(), leaf.fill(facts)?)))
                    .collect::<Result<Map<_, _>, TemplateError>>()?,
            ),
        })
    }
}

impl TryFrom<Value> for Shape {
    type Error = TemplateError;

    fn try_from(value: Value) -> Result<Self, TemplateError> {
        Leaf::parse(value).map(Self)
    }
}

/// A URL, or a path below the system's own. Every value that is filled in is percent-encoded, whatever it holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct UrlText(String);

/// What stands for itself in any part of a URL (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

static URLS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(20_000));
    environment.set_formatter(|out, _, value| {
        let refused = |why: &str| Err(minijinja::Error::new(ErrorKind::InvalidOperation, why.to_owned()));
        if value.is_undefined() {
            return refused("an unknown name");
        }
        let text: Cow<'_, str> = match value.as_str() {
            Some(text) => text.into(),
            None if value.is_number() => value.to_string().into(),
            None => return refused("only texts and numbers stand in a URL"),
        };
        match unfit(&text) {
            Some(why) => refused(why),
            None => Ok(write!(out, "{}", utf8_percent_encode(&text, ENCODED))?),
        }
    });
    environment
});

/// Why a value must not stand in a URL, encoded or not: without it another thing would be addressed.
fn unfit(text: &str) -> Option<&'static str> {
    let leads_away = |part: &str| part == "." || part == "..";
    let decoded = percent_decode_str(text).decode_utf8_lossy();
    if text.is_empty() {
        return Some("an empty value would address everything at once");
    }
    if text.chars().any(char::is_control) {
        return Some("a value holds control characters");
    }
    let mut parts = text.split(['/', '\\']).chain(decoded.split(['/', '\\']));
    parts.any(leads_away).then_some("a value holds `.` or `..` as a part of a path")
}

impl UrlText {
    /// The URL, filled; it is still to be put below the system's own.
    ///
    /// # Errors
    /// When a name is unknown, an expression fails, or a value could lead elsewhere.
    pub fn fill(&self, facts: &impl Serialize) -> Result<String, TemplateError> {
        let facts = minijinja::Value::from(minijinja::value::Serde(facts));
        Ok(URLS.template_from_str(&self.0)?.render(facts)?)
    }

    /// As written.
    pub fn source(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UrlText {
    type Error = TemplateError;

    fn try_from(source: String) -> Result<Self, TemplateError> {
        URLS.template_from_str(&source)?;
        let path = source.split(['?', '#']).next().unwrap_or_default();
        if path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(TemplateError { message: "`.` and `..` have no place in a URL".to_owned() });
        }
        Ok(Self(source))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(source: &str, value: &str) -> Result<String, TemplateError> {
        UrlText::try_from(source.to_owned()).unwrap().fill(&json!({ "account": { "id": value } }))
    }

    #[test]
    fn values_cannot_leave_their_part_of_a_url() {
        let path = "users/{{ account.id }}/lock?by={{ account.id }}";
        for (value, encoded) in [
            ("u-7", "u-7"),
            ("a b&c=d", "a%20b%26c%3Dd"),
            ("x?role=admin", "x%3Frole%3Dadmin"),
            ("x#y", "x%23y"),
            ("a/b", "a%2Fb"),
            ("50%", "50%25"),
            ("Zoë", "Zo%C3%AB"),
            ("{{ 7 * 7 }}", "%7B%7B%207%20%2A%207%20%7D%7D"),
        ] {
            assert_eq!(url(path, value).unwrap(), format!("users/{encoded}/lock?by={encoded}"));
        }
    }

    #[test]
    fn values_that_would_address_something_else_are_refused() {
        for value in ["", ".", "..", "../admin", "x/../y", "..\\x", "%2e%2e", "a%2f..%2fb", "x\r\nHost: y", "x\0"] {
            assert!(url("users/{{ account.id }}", value).is_err(), "{value:?}");
        }
        for source in ["users/{{ account.nothing }}", "users/{{ account }}"] {
            assert!(url(source, "u-7").is_err(), "{source}");
        }
        for source in ["../users", "users/{{", "a/./b"] {
            assert!(UrlText::try_from(source.to_owned()).is_err(), "{source}");
        }
        assert!(UrlText::try_from("users?sort=../x".to_owned()).is_ok(), "behind the `?` there are no parts");
    }

    #[test]
    fn values_cannot_leave_their_place_in_a_document() {
        let shape = Shape::try_from(json!({
            "active": false, "why": "left: {{ with.reason }}", "many": ["{{ with.groups }}"], "count": "{{ with.count }}",
        }));
        let with = json!({ "reason": "\", \"admin\": true, \"x\": \"{{ 7 * 7 }}", "groups": ["a\"b"], "count": 3 });
        let filled = shape.unwrap().fill(&json!({ "with": with })).unwrap();
        let expected = json!({
            "active": false, "why": "left: \", \"admin\": true, \"x\": \"{{ 7 * 7 }}", "many": [["a\"b"]], "count": 3,
        });
        assert_eq!(filled, expected);
    }

    #[test]
    fn what_an_answer_lacks_is_no_answer() {
        let condition = Condition::try_from("body.active == false".to_owned()).unwrap();
        assert_eq!(condition.holds(&json!({ "body": { "active": false } })), Ok(true));
        assert!(condition.holds(&json!({ "body": {} })).is_err());
        assert!(condition.asks_for("body.active") && !condition.asks_for("status"));
    }
}
