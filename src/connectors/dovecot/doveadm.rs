//! doveadm's HTTP interface: commands as JSON, answered one by one. Several go with one request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::error::Effect;
use super::settings::DovecotSettings;
use crate::connectors::ActionError;
use crate::connectors::declared::one_line;
use crate::outbound::{self, chain};
use crate::store::{self, Store};

/// So many commands go with one request.
const AT_ONCE: usize = 100;

/// The longest answer that is read, in bytes: names of a hundred thousand accounts.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// doveadm's code for what is not there (its own; the others are those of sysexits.h).
pub(super) const NOT_FOUND: i64 = 68;
/// EX_NOUSER.
pub(super) const NO_USER: i64 = 67;
const TEMPORARY: i64 = 75;

/// One command.
#[derive(Clone, Debug)]
pub(super) struct Order {
    command: &'static str,
    with: Value,
}

impl Order {
    pub(super) fn new(command: &'static str, with: Value) -> Self {
        Self { command, with }
    }
}

/// What came of a command.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// It was done, and this is its table.
    Done(Value),
    /// It was not.
    Refused {
        /// The exit code; 0 where the command itself was refused.
        code: i64,
        /// `exitCode`, `unknownMethod`, `invalidRequest`.
        kind: String,
    },
}

/// The way to doveadm.
pub(super) struct Doveadm {
    settings: Arc<DovecotSettings>,
    store: Option<Store>,
    client: Result<Client, String>,
}

impl std::fmt::Debug for Doveadm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doveadm").field("url", &self.settings.url).finish_non_exhaustive()
    }
}

impl Doveadm {
    /// Nothing is connected, and no key is read, before the first command.
    pub(super) fn new(settings: Arc<DovecotSettings>) -> Self {
        let ca = settings.ca.as_deref();
        let client = outbound::client(ca, settings.timeout).and_then(|builder| {
            let builder = builder.connect_timeout(settings.timeout / 2).pool_idle_timeout(Duration::from_secs(5));
            outbound::build(builder, ca)
        });
        Self { settings, store: None, client }
    }

    /// Reads a key that is kept in the store from there.
    pub(super) fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// How messages call it.
    pub(super) fn url(&self) -> &str {
        &self.settings.url
    }

    /// One command that must succeed.
    pub(super) async fn one(&self, effect: Effect, command: &'static str, with: Value) -> Result<Value, ActionError> {
        let answer = self.any(effect, command, with).await?;
        self.done(effect, command, answer)
    }

    /// One command, whatever comes of it.
    pub(super) async fn any(&self, effect: Effect, command: &'static str, with: Value) -> Result<Answer, ActionError> {
        let answers = self.all(effect, vec![Order::new(command, with)]).await?;
        answers.into_iter().next().ok_or_else(|| effect.lost(format!("{} answered nothing", self.url())))
    }

    /// Commands in their order, and their answers in the same.
    pub(super) async fn all(&self, effect: Effect, orders: Vec<Order>) -> Result<Vec<Answer>, ActionError> {
        let mut answers = Vec::with_capacity(orders.len());
        for some in orders.chunks(AT_ONCE) {
            answers.extend(self.ask(effect, some).await?);
        }
        Ok(answers)
    }

    /// The table of a command that must have succeeded.
    pub(super) fn done(&self, effect: Effect, command: &str, answer: Answer) -> Result<Value, ActionError> {
        let (code, kind) = match answer {
            Answer::Done(table) => return Ok(table),
            Answer::Refused { code, kind } => (code, kind),
        };
        let said = format!("{}: doveadm's `{command}` ended with {kind} {code}", self.url());
        Err(match code {
            TEMPORARY => effect.lost(format!("{said} (a temporary failure; Dovecot's log says which)")),
            NO_USER => ActionError::fail(format!("{said} (no such account)")),
            NOT_FOUND => ActionError::fail(format!("{said} (not found)")),
            0 => ActionError::fail(format!("{said}: this Dovecot does not know it, or a plugin is missing")),
            _ => ActionError::fail(format!("{said}; Dovecot's log says why")),
        })
    }

    async fn ask(&self, effect: Effect, orders: &[Order]) -> Result<Vec<Answer>, ActionError> {
        let document: Vec<Value> =
            orders.iter().enumerate().map(|(at, order)| json!([order.command, order.with, at.to_string()])).collect();
        let client = self.client.as_ref().map_err(ActionError::retry)?;
        let request = client
            .post(format!("{}/doveadm/v1", self.settings.url))
            .header(AUTHORIZATION, self.key().await?)
            .header(CONTENT_TYPE, "application/json")
            .body(Value::from(document).to_string());
        let lost = |why: String| effect.lost(format!("{}: {}", self.url(), one_line(&why)));
        let response = match request.send().await {
            Ok(response) => response,
            Err(why) if why.is_connect() => {
                let why = one_line(&chain(&why.without_url()));
                return Err(ActionError::retry(format!("{} cannot be reached: {why}", self.url())));
            }
            Err(why) => return Err(lost(chain(&why.without_url()))),
        };
        self.judge(effect, response.status())?;
        let answers = answers(&read(response).await.map_err(lost)?).map_err(lost)?;
        if answers.len() != orders.len() {
            return Err(lost(format!("{} commands were answered {} times", orders.len(), answers.len())));
        }
        Ok(answers)
    }

    fn judge(&self, effect: Effect, status: StatusCode) -> Result<(), ActionError> {
        let url = self.url();
        match status {
            status if status.is_success() => Ok(()),
            // A key that is refused is mended in a configuration, there or here.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ActionError::retry(format!("{url} refuses the key (`api_key`): HTTP {status}")))
            }
            status if status.is_client_error() => Err(ActionError::fail(format!("{url}: HTTP {status}"))),
            status => Err(effect.lost(format!("{url}: HTTP {status}"))),
        }
    }

    async fn key(&self) -> Result<HeaderValue, ActionError> {
        let key = store::resolve(self.store.as_ref(), &self.settings.api_key).await;
        let key = key.map_err(|why| ActionError::retry(format!("the key of {}: {why}", self.url())))?;
        let value = format!("X-Dovecot-API {}", STANDARD.encode(key.expose()));
        let mut value = HeaderValue::from_str(&value).map_err(ActionError::fail)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|why| chain(&why.without_url()))? {
        if bytes.len() + chunk.len() > ANSWER_LIMIT {
            return Err(format!("the answer has more than {ANSWER_LIMIT} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// `[["doveadmResponse", TABLE, TAG], ["error", {"type": …, "exitCode": …}, TAG]]`; the tags are the commands' numbers.
fn answers(bytes: &[u8]) -> Result<Vec<Answer>, String> {
    let nonsense = |why: &dyn std::fmt::Display| format!("its answer makes no sense: {why}");
    let text = std::str::from_utf8(bytes).map_err(|why| nonsense(&why))?;
    // Dovecot 2.3 leaves out the comma before a command that it does not know. Within a text the marks would be escaped.
    let text = text.replace("\"][\"error\"", "\"],[\"error\"");
    let document: Vec<(String, Value, String)> = serde_json::from_str(&text).map_err(|why| nonsense(&why))?;
    let in_order = document.iter().enumerate().all(|(at, (_, _, tag))| *tag == at.to_string());
    if !in_order {
        return Err("its answers are not in the order of the commands".to_owned());
    }
    let answers = document.into_iter().map(|(what, value, _)| match what.as_str() {
        "doveadmResponse" => Ok(Answer::Done(value)),
        "error" => Ok(Answer::Refused {
            code: value.get("exitCode").and_then(Value::as_i64).unwrap_or(0),
            kind: one_line(value.get("type").and_then(Value::as_str).unwrap_or("error")),
        }),
        other => Err(format!("its answer makes no sense: {}", one_line(other))),
    });
    answers.collect()
}

/// The texts of one column of a table.
pub(super) fn column(table: &Value, name: &str) -> Vec<String> {
    let rows = table.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row.get(name)?.as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_in_their_order() {
        let text = br#"[["doveadmResponse",[{"script":"a","active":""}],"0"],["error",{"type":"exitCode", "exitCode":68},"1"]]"#;
        let read = answers(text).unwrap();
        assert!(matches!(&read[0], Answer::Done(table) if column(table, "script") == ["a"]));
        assert!(matches!(&read[1], Answer::Refused { code: 68, kind } if kind == "exitCode"));
        let text = br#"[["doveadmResponse",[],"0"]["error",{"type":"unknownMethod", "exitCode":0},"1"]]"#;
        assert!(matches!(&answers(text).unwrap()[1], Answer::Refused { code: 0, kind } if kind == "unknownMethod"));
        for nonsense in [
            &br#"[["doveadmResponse",[],"1"]]"#[..],
            br#"[["doveadmResponse",[],"0"]["doveadmResponse",[],"1"]]"#,
            br#"[["hello",[],"0"]]"#,
            br#"{"a":1}"#,
            b"",
        ] {
            assert!(answers(nonsense).is_err(), "{}", String::from_utf8_lossy(nonsense));
        }
    }
}
