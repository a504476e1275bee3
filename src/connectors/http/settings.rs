//! `kind = "http"`: what an administrator declares of a system that speaks HTTP.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::connectors::declared::{AccountFields, ClassWord, Condition, Pointer, Shape, Text, UrlText};
use crate::secret::SecretRef;
use crate::workflow::params::Method;
use crate::workflow::{ActionKind, Class, Facet};

/// Where requests go, and what they may see on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSettings {
    /// Every URL is below this one; see [`system_url`].
    pub url: Url,
    /// Addresses within the house that may be connected to; without them, only addresses of the internet.
    pub networks: Vec<IpNet>,
    /// A file with further certificates (PEM) of authorities to trust.
    pub ca: Option<PathBuf>,
    /// How long a request may take, its answer included, 1 to 60 s; default 6 s, so that looking, acting and reading back
    /// fit into one attempt.
    pub timeout: Duration,
    /// The longest answer that is read, in bytes; default 1 MiB.
    pub answer_limit: usize,
    /// Headers of every request.
    pub headers: BTreeMap<String, Text>,
    /// The secrets that headers and bodies may use, by name.
    pub secrets: BTreeMap<String, SecretRef>,
}

impl LineSettings {
    /// The default of `timeout`.
    pub const TIMEOUT: Duration = Duration::from_secs(6);
    /// The default of `answer_limit`.
    pub const ANSWER_LIMIT: usize = 1024 * 1024;
}

/// Everything that is declared of one system.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSettings {
    /// Where it is.
    pub line: LineSettings,
    /// What it offers.
    pub offers: Vec<Facet>,
    /// The header that carries the idempotency key, where the system takes one.
    pub idempotency_header: Option<String>,
    /// How all accounts are listed.
    pub accounts: Option<Listing>,
    /// How one account is read.
    pub account: Option<ReadAccount>,
    /// Where the fields of an account stand in its part of an answer.
    pub fields: Option<AccountFields>,
    /// What it does, by action.
    pub actions: BTreeMap<ActionKind, ActionRequest>,
    /// What a person does there, by action, with the instruction.
    pub manual: BTreeMap<ActionKind, String>,
}

/// One action: the request that does it, and how its end is known.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionRequest {
    /// The method; without it, POST.
    #[serde(default = "post")]
    pub method: Method,
    /// The path below the system's URL. Without it the action only looks: what `observe` sees is its answer.
    pub url: Option<UrlText>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body, a JSON document whose texts may hold expressions.
    pub body: Option<Shape>,
    /// What an answer looks like when it is done; without it, any status from 200 to 299.
    pub done: Option<Condition>,
    /// What an answer looks like when certainly nothing was done and trying again may help.
    pub retry: Option<Condition>,
    /// What an answer looks like when certainly nothing was done and trying again does not help.
    pub fail: Option<Condition>,
    /// How the goal can be seen.
    pub observe: Option<Look>,
    /// For `account.create`: how the new account is found.
    pub made: Option<ReadAccount>,
    /// For links (`credentials.send`, `password.reset`): where in the answer the link stands.
    pub link: Option<Pointer>,
    /// What a second attempt does. Without it: K with an idempotency header, D or S where the goal can be seen or the
    /// method says so (PUT, PATCH, DELETE), and U for a POST that nobody can see.
    pub class: Option<ClassWord>,
    /// What it leaves undone, for people to know.
    pub limit: Option<String>,
}

/// A request that changes nothing.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The method; without it, GET.
    #[serde(default = "get")]
    pub method: Method,
    /// The path below the system's URL.
    pub url: UrlText,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body.
    pub body: Option<Shape>,
    /// What an answer looks like when the goal is reached.
    pub reached: Condition,
}

/// A request that answers with an account.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadAccount {
    /// The method; without it, GET.
    #[serde(default = "get")]
    pub method: Method,
    /// The path below the system's URL.
    pub url: UrlText,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body.
    pub body: Option<Shape>,
    /// Where in the answer the account stands; without it, the whole answer. Nothing there means that there is none; a list
    /// of one is that one.
    #[serde(default)]
    pub item: Pointer,
}

/// How all accounts are listed.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// The method; without it, GET.
    #[serde(default = "get")]
    pub method: Method,
    /// The path of the first page, below the system's URL. `page` is none there.
    pub url: UrlText,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body.
    pub body: Option<Shape>,
    /// Where in an answer the list stands.
    #[serde(default)]
    pub items: Pointer,
    /// How the next page is found; without it, there is one page.
    pub next: Option<Next>,
}

/// How the next page is found.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Next {
    /// A URL in the answer, at this place.
    Link(Pointer),
    /// A URL in the header `Link`, `rel="next"` (RFC 8288).
    Header,
    /// A word in the answer, at this place: it is `page` in the URL of the next request.
    Cursor(Pointer),
    /// How many items a page has: `page` is how many came before. A shorter page is the last one.
    Offset(u32),
}

fn post() -> Method {
    Method::Post
}

fn get() -> Method {
    Method::Get
}

impl ActionRequest {
    /// What a second attempt does (docs/GUARANTEES.md).
    pub fn class(&self, action: ActionKind, idempotency: bool) -> Class {
        match (self.class, self.method) {
            (Some(word), _) => word.into(),
            _ if self.observe.is_some() || self.made.is_some() || self.url.is_none() => action.class(),
            (None, Method::Post) if idempotency => Class::K,
            (None, Method::Post) => Class::U,
            (None, _) => action.class(),
        }
    }
}

/// Where a system may be: HTTPS; plain HTTP only on this machine, because anybody on the way reads credentials along. No
/// login, query or fragment.
///
/// # Errors
/// What is wrong with it.
pub fn system_url(text: &str) -> Result<Url, String> {
    let mut url: Url = text.parse().map_err(|why| format!("it is no address: {why}"))?;
    let here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if here => {}
        "http" => {
            return Err("over plain http anybody on the way reads credentials along; write `https://…`".to_owned());
        }
        other => return Err(format!("`{other}` is not spoken; write `https://…`")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "it holds a login; write it into a header: `headers = { Authorization = \"Bearer {{ secrets.token }}\" }`"
                .to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it holds `?` or `#`; those belong into the requests".to_owned());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}
