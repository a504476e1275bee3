//! One request and its answer: built so that nothing breaks out, sent only where it may go, read only so far.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};
use serde_json::{Map, Value, json};

use super::address::Guard;
use super::settings::LineSettings;
use super::verdict;
use crate::connectors::ActionError;
use crate::connectors::declared::{Opened, Shape, Text, UrlText, Vault, one_line};
use crate::outbound::{self, chain};
use crate::run::{Evidence, EvidenceKind};
use crate::store::Store;
use crate::workflow::params::{Http, Method};

/// A line to one place: its settings, and the connections that are kept.
#[derive(Debug)]
pub struct Line {
    settings: LineSettings,
    guard: Guard,
    vault: Vault,
    client: Result<Client, String>,
}

/// A request as it is declared.
#[derive(Clone, Copy, Debug)]
pub(in crate::connectors) struct Draft<'a> {
    pub(in crate::connectors) method: Method,
    pub(in crate::connectors) url: Where<'a>,
    pub(in crate::connectors) headers: &'a BTreeMap<String, Text>,
    pub(in crate::connectors) body: Option<&'a Shape>,
    /// Headers whose values are given as they are: nothing in them is an expression.
    pub(in crate::connectors) given: &'a [(&'a str, &'a str)],
    /// A body that is given as it is.
    pub(in crate::connectors) text: Option<&'a str>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub(in crate::connectors) enum Where<'a> {
    /// A declared path.
    Declared(&'a UrlText),
    /// A URL that an answer gave: the next page.
    Given(&'a str),
}

/// What came back.
#[derive(Debug)]
pub(in crate::connectors) struct Answer {
    pub(in crate::connectors) status: u16,
    /// JSON where it is JSON, else text, else null.
    pub(in crate::connectors) body: Value,
    /// By name in lower case.
    pub(in crate::connectors) headers: BTreeMap<String, String>,
    /// The beginning of the body, for messages, without secrets.
    pub(in crate::connectors) words: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::connectors) enum NoAnswer {
    /// Nothing has left the house.
    NotSent(ActionError),
    /// It may have arrived.
    Lost(String),
}

impl NoAnswer {
    /// What it means for a request that changes something.
    pub(in crate::connectors) fn of_a_change(self) -> ActionError {
        match self {
            Self::NotSent(error) => error,
            Self::Lost(why) => ActionError::unknown(why),
        }
    }

    /// What it means for a look.
    pub(in crate::connectors) fn of_a_look(self) -> ActionError {
        match self {
            Self::NotSent(error) => error,
            Self::Lost(why) => ActionError::retry(why),
        }
    }
}

impl Line {
    /// Nothing is connected, and no secret is read, before the first request.
    pub fn open(settings: LineSettings) -> Self {
        let guard = Guard::new(&settings.networks);
        let ca = settings.ca.as_deref();
        // Less than the whole: a connection that is not made in time is certainly no effect.
        let builder = outbound::client(ca, settings.timeout);
        let client = builder.and_then(|builder| {
            let builder = builder.connect_timeout(settings.timeout / 2).dns_resolver(guard.clone());
            outbound::build(builder.pool_idle_timeout(Duration::from_secs(15)), ca)
        });
        let vault = Vault::new(settings.secrets.clone());
        Self { settings, guard, vault, client }
    }

    /// The same, asking this store for the secrets that it keeps.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { vault: self.vault.with_store(store), ..self }
    }

    /// Where it leads.
    pub(in crate::connectors) fn place(&self) -> String {
        self.settings.url.to_string()
    }

    pub(in crate::connectors) async fn secrets(&self) -> Result<Opened, ActionError> {
        self.vault.open().await
    }

    /// Sends a request. `facts` is what URLs may use; headers and bodies may use the secrets besides.
    pub(in crate::connectors) async fn send(
        &self,
        draft: Draft<'_>,
        facts: &Map<String, Value>,
        secrets: &Opened,
    ) -> Result<Answer, NoAnswer> {
        let request = self.draw_up(draft, facts, secrets).map_err(NoAnswer::NotSent)?;
        let hide = |why: String| secrets.hide(&one_line(&why));
        match request.send().await {
            Ok(response) => self.read(response, secrets).await,
            Err(why) if why.is_connect() => Err(NoAnswer::NotSent(ActionError::retry(hide(chain(&why.without_url()))))),
            Err(why) if why.is_builder() => Err(NoAnswer::NotSent(ActionError::fail(hide(chain(&why.without_url()))))),
            Err(why) => Err(NoAnswer::Lost(hide(chain(&why.without_url())))),
        }
    }

    fn draw_up(
        &self,
        draft: Draft<'_>,
        facts: &Map<String, Value>,
        secrets: &Opened,
    ) -> Result<reqwest::RequestBuilder, ActionError> {
        let client = self.client.as_ref().map_err(ActionError::retry)?;
        let url = self.url(draft.url, facts)?;
        let mut revealed = facts.clone();
        secrets.reveal(&mut revealed);
        let mut headers = HeaderMap::new();
        for (name, text) in self.settings.headers.iter().chain(draft.headers) {
            let value = text.fill(&revealed).map_err(|why| ActionError::fail(format!("header `{name}`: {why}")))?;
            insert(&mut headers, name, &value)?;
        }
        for (name, value) in draft.given {
            insert(&mut headers, name, value)?;
        }
        let mut request = client.request(method(draft.method), url);
        if let Some(body) = draft.body {
            let body = body.fill(&revealed).map_err(|why| ActionError::fail(format!("the body: {why}")))?;
            if !headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            request = request.body(body.to_string());
        }
        if let Some(text) = draft.text {
            request = request.body(text.to_owned());
        }
        Ok(request.headers(headers))
    }

    /// Whether a URL is one that this line may call.
    pub fn leads_to(&self, url: &str) -> bool {
        self.url(Where::Given(url), &Map::new()).is_ok()
    }

    /// One request of a workflow's, with the headers of this line. What it holds is not filled in once more.
    ///
    /// # Errors
    /// See [`ActionError`].
    pub async fn request(&self, http: &Http, key: &str) -> Result<Evidence, ActionError> {
        let text = match &http.body {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some((text.clone(), "text/plain; charset=utf-8")),
            Some(json) => Some((json.to_string(), "application/json")),
        };
        let own = http.headers.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut given: Vec<(&str, &str)> = own.collect();
        if let Some((_, kind)) = &text
            && !given.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            given.push(("content-type", kind));
        }
        // The line's own headers come last: a workflow does not replace credentials.
        let own = |name: &str| self.settings.headers.keys().any(|own| own.eq_ignore_ascii_case(name));
        given.retain(|(name, _)| !own(name));
        let draft = Draft {
            method: http.method,
            url: Where::Given(&http.url),
            headers: &BTreeMap::new(),
            body: None,
            given: &given,
            text: text.as_ref().map(|(text, _)| text.as_str()),
        };
        let secrets = self.secrets().await?;
        let facts = Map::from_iter([("key".to_owned(), Value::from(key))]);
        let answer = self.send(draft, &facts, &secrets).await.map_err(NoAnswer::of_a_change)?;
        verdict::of_a_request(&answer)?;
        let detail = format!("{} answered HTTP {}", self.settings.url.origin().ascii_serialization(), answer.status);
        Ok(Evidence { kind: EvidenceKind::Acknowledged, detail })
    }

    /// The URL of a request: below the system's own, whatever was filled in or given.
    fn url(&self, to: Where<'_>, facts: &Map<String, Value>) -> Result<Url, ActionError> {
        let base = &self.settings.url;
        let text = match to {
            Where::Declared(text) => {
                let path = text.fill(facts);
                path.map_err(|why| ActionError::fail(format!("the URL `{}`: {why}", text.source())))?
            }
            Where::Given(text) => text.to_owned(),
        };
        let wrong = |why: String| ActionError::fail(format!("the URL `{}`: {why}", one_line(&text)));
        let url = match to {
            // Written out, so that `//elsewhere` and `https:elsewhere` are parts of a path.
            Where::Declared(_) => Url::parse(&format!("{base}{}", text.trim_start_matches('/'))),
            Where::Given(_) => base.join(&text),
        };
        let url = url.map_err(|why| wrong(why.to_string()))?;
        if url.origin() != base.origin() || !url.path().starts_with(base.path()) {
            return Err(wrong(format!("it leads out of {base}")));
        }
        self.guard.check_literal(&url).map_err(wrong)?;
        Ok(url)
    }

    async fn read(&self, mut response: Response, secrets: &Opened) -> Result<Answer, NoAnswer> {
        let limit = self.settings.answer_limit;
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > limit => {
                    return Err(NoAnswer::Lost(format!("the answer has more than {limit} bytes")));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(why) => {
                    let why = chain(&why.without_url());
                    return Err(NoAnswer::Lost(secrets.hide(&one_line(&format!("the answer was cut: {why}")))));
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let body = match serde_json::from_slice(&bytes) {
            Ok(json) => json,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::from(text.as_ref()),
        };
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().iter().map(header).collect(),
            words: one_line(&secrets.hide(&text)),
            body,
        })
    }
}

impl Answer {
    /// What conditions see: `status`, `body`, `headers`, besides what the request was made from.
    pub(in crate::connectors) fn facts(&self, facts: &Map<String, Value>) -> Map<String, Value> {
        let mut facts = facts.clone();
        facts.insert("status".to_owned(), self.status.into());
        facts.insert("body".to_owned(), self.body.clone());
        facts.insert("headers".to_owned(), json!(self.headers));
        facts
    }

    /// The target's own words.
    pub(in crate::connectors) fn said(&self) -> String {
        let reason = reqwest::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let reason = reason.map(|reason| format!(" {reason}")).unwrap_or_default();
        let words = if self.words.is_empty() { String::new() } else { format!(": {}", self.words) };
        format!("HTTP {}{reason}{words}", self.status)
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// A header whose value cannot begin another one. What it holds is not repeated: it may be a secret.
fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ActionError> {
    let fails = |what: &str| ActionError::fail(format!("header `{name}`: {what}"));
    let key: HeaderName = name.parse().map_err(|_| fails("this is no name of a header"))?;
    let unfit = value.chars().any(|c| c.is_control() || !c.is_ascii());
    let value = HeaderValue::from_str(value).ok().filter(|_| !unfit);
    let mut value =
        value.ok_or_else(|| fails("its value holds what a header cannot (line ends, letters beyond ASCII)"))?;
    value.set_sensitive(true);
    headers.insert(key, value);
    Ok(())
}
