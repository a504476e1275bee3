//! One request to a service provider, and its answer in the provider's own words.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::settings::{Login, ScimSettings};
use crate::connectors::ActionError;
use crate::connectors::declared::{Opened, UrlText, one_line};
use crate::connectors::http::Line;
use crate::connectors::http::client::{Answer, Draft, NoAnswer, Where};
use crate::connectors::http::verdict;
use crate::secret::Secret;
use crate::store::Store;
use crate::workflow::params::Method;

/// The media type of requests and answers (RFC 7644, 3.1).
const SCIM: &str = "application/scim+json";

/// The two types of resource that usher knows (RFC 7643, 4.1 and 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Users,
    Groups,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Groups => "Groups",
        }
    }
}

/// What a request is about. Every value that goes into a URL is encoded there.
#[derive(Clone, Debug)]
pub(super) enum To<'a> {
    /// What the provider can do.
    Configuration,
    /// Which attributes it knows.
    Schemas,
    /// All resources of a kind.
    All(Kind),
    /// The one with this id.
    One(Kind, &'a str),
    /// Some of them, with these parameters.
    Some(Kind, &'a [(&'static str, String)]),
}

impl To<'_> {
    fn written(&self) -> Result<(UrlText, Map<String, Value>), ActionError> {
        let mut facts = Map::new();
        let text = match self {
            Self::Configuration => "ServiceProviderConfig".to_owned(),
            Self::Schemas => "Schemas".to_owned(),
            Self::All(kind) => kind.as_str().to_owned(),
            Self::One(kind, id) => {
                facts.insert("id".to_owned(), json!(id));
                format!("{}/{{{{ id }}}}", kind.as_str())
            }
            Self::Some(kind, parameters) => {
                let mut text = kind.as_str().to_owned();
                for (number, (name, value)) in parameters.iter().enumerate() {
                    text.push(if number == 0 { '?' } else { '&' });
                    text.push_str(name);
                    text.push('=');
                    if !value.is_empty() {
                        text.push_str(&format!("{{{{ {name} }}}}"));
                        facts.insert((*name).to_owned(), json!(value));
                    }
                }
                text
            }
        };
        Ok((UrlText::try_from(text).map_err(ActionError::fail)?, facts))
    }
}

/// A change as it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) method: Method,
    pub(super) body: Option<&'a Value>,
    /// The version that it is meant for (RFC 7644, 3.14).
    pub(super) version: Option<&'a str>,
    /// A password in the body, which no message repeats.
    pub(super) password: Option<&'a Secret>,
}

/// How a service provider is reached.
pub(super) struct Endpoint {
    line: Line,
    login: Login,
}

impl Endpoint {
    /// Nothing is connected before the first request.
    pub(super) fn open(settings: &ScimSettings) -> Self {
        Self { line: Line::open(settings.line.clone()), login: settings.login.clone() }
    }

    /// The same, asking this store for the secret that it keeps.
    pub(super) fn with_store(self, store: Store) -> Self {
        Self { line: self.line.with_store(store), ..self }
    }

    /// Where it is.
    pub(super) fn place(&self) -> String {
        self.line.place()
    }

    /// Asks. Any status is an answer.
    pub(super) async fn ask(&self, to: &To<'_>) -> Result<Answer, ActionError> {
        let change = Change { method: Method::Get, body: None, version: None, password: None };
        self.send(to, change).await.map_err(NoAnswer::of_a_look)
    }

    /// Changes something. The answer is a success, or has one of the statuses that the caller knows what to make of.
    pub(super) async fn change(&self, to: &To<'_>, change: Change<'_>, known: &[u16]) -> Result<Answer, ActionError> {
        let answer = self.send(to, change).await.map_err(NoAnswer::of_a_change)?;
        if is_good(&answer) || known.contains(&answer.status) { Ok(answer) } else { Err(refused(&answer)) }
    }

    async fn send(&self, to: &To<'_>, change: Change<'_>) -> Result<Answer, NoAnswer> {
        let (url, facts) = to.written().map_err(NoAnswer::NotSent)?;
        let secrets = self.line.secrets().await.map_err(NoAnswer::NotSent)?.with_password(change.password);
        let credentials = self.credentials(&secrets).map_err(NoAnswer::NotSent)?;
        let mut given =
            vec![("Authorization", credentials.as_str()), ("Accept", "application/scim+json, application/json")];
        let text = change.body.map(Value::to_string);
        if text.is_some() {
            given.push(("Content-Type", SCIM));
        }
        given.extend(change.version.map(|version| ("If-Match", version)));
        let draft = Draft {
            method: change.method,
            url: Where::Declared(&url),
            headers: &BTreeMap::new(),
            body: None,
            given: &given,
            text: text.as_deref(),
        };
        let answer = self.line.send(draft, &facts, &secrets).await?;
        let encoded = credentials.split_once(' ').map_or("", |(_, encoded)| encoded);
        let words = words(&answer).map(|words| one_line(&secrets.hide(&words.replace(encoded, "[secret]"))));
        let words = words.unwrap_or_else(|| answer.words.replace(encoded, "[secret]"));
        Ok(Answer { words, ..answer })
    }

    fn credentials(&self, secrets: &Opened) -> Result<String, ActionError> {
        let (name, missing) = match &self.login {
            Login::Bearer => (ScimSettings::TOKEN, "the token is missing"),
            Login::Basic(_) => (ScimSettings::PASSWORD, "the password is missing"),
        };
        let secret = secrets.named(name).ok_or_else(|| ActionError::fail(missing))?.expose();
        Ok(match &self.login {
            Login::Bearer => format!("Bearer {secret}"),
            // RFC 7617, 2.
            Login::Basic(user) => format!("Basic {}", STANDARD.encode(format!("{user}:{secret}"))),
        })
    }
}

/// What an error says (RFC 7644, 3.12): its kind, and its detail.
fn words(answer: &Answer) -> Option<String> {
    let text = |name: &str| answer.body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("scimType"), text("detail")) {
        (Some(kind), Some(detail)) => Some(format!("{kind}: {detail}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

pub(super) fn is_good(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

/// Why a look showed nothing. That something is not there is said by those who know what was asked for.
pub(super) fn unread(answer: &Answer) -> ActionError {
    ActionError::Retry { reason: answer.said(), after: verdict::asked_to_wait(answer) }
}

/// Why nothing, or nobody knows what, was changed.
fn refused(answer: &Answer) -> ActionError {
    match answer.status {
        // A token that has run out is mended in the configuration.
        401 => ActionError::retry(answer.said()),
        _ => verdict::by_status(answer),
    }
}

/// A resource's version: the header, or what the resource says of itself (RFC 7644, 3.14).
pub(super) fn version(answer: &Answer) -> Option<String> {
    let own = || answer.body.pointer("/meta/version").and_then(Value::as_str).map(str::to_owned);
    answer.headers.get("etag").cloned().or_else(own)
}
