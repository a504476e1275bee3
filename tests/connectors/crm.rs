//! A product with accounts and an HTTP interface of its own, as somebody else would have written it: it keeps its state,
//! believes a token, and goes wrong on request. Behind it: how an administrator declares it to
//! usher.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::stream;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use usher::config::{Config, Surroundings};
use usher::connectors::Connector;

/// What it believes.
pub const TOKEN: &str = "crm-t0ken-9k2\"x";

/// What becomes of the next requests that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The line is cut before anything is done.
    CutBefore,
    /// The line is cut after everything was done.
    CutAfter,
    /// Everything is done, and half of the answer comes.
    HalfAnswer,
    /// It takes the request and is silent.
    Silent,
    /// Says "done" and does nothing.
    Lie,
    /// Answers with this status, having done nothing.
    Status(u16),
    /// Sends the caller somewhere else.
    Redirect,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

#[derive(Default)]
struct Office {
    accounts: BTreeMap<String, Value>,
    writes: u64,
    keys: BTreeSet<String>,
    always: Option<Fault>,
    next: VecDeque<Fault>,
    next_at: Option<(String, Fault)>,
    seen: Vec<Seen>,
    huge: bool,
    next_page: Option<String>,
    elsewhere: u64,
}

#[derive(Clone)]
pub struct Crm {
    pub port: u16,
    office: Arc<Mutex<Office>>,
}

impl Crm {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener.local_addr().expect("an address").port(), listener)
    }

    /// Serves on a listener of any kind (TLS, for example).
    pub fn on<L: axum::serve::Listener>(port: u16, listener: L) -> Self
    where
        L::Addr: std::fmt::Debug,
    {
        let office: Arc<Mutex<Office>> = Arc::default();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&office));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { port, office }
    }

    fn at_work<T>(&self, work: impl FnOnce(&mut Office) -> T) -> T {
        work(&mut self.office.lock().unwrap())
    }

    /// A new account, enabled and with everything that can be taken away.
    pub fn hire(&self, id: &str, mail: &str) {
        let account = json!({
            "id": id, "name": mail, "contact": { "mail": mail }, "active": true, "state": "there", "sessions": 2,
            "teams": ["sales", "staff"], "password": 0, "reply": null, "number": null, "seen": "2027-01-19T04:48:00Z",
        });
        self.at_work(|office| office.accounts.insert(id.to_owned(), account));
    }

    pub fn account(&self, id: &str) -> Value {
        self.at_work(|office| office.accounts.get(id).cloned()).unwrap_or_default()
    }

    /// Everything, with the number of changes.
    pub fn whole(&self) -> Value {
        self.at_work(|office| json!({ "accounts": office.accounts, "writes": office.writes }))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.at_work(|office| office.seen.clone())
    }

    pub fn goes_wrong(&self, fault: Option<Fault>) {
        self.at_work(|office| office.always = fault);
    }

    pub fn goes_wrong_once(&self, fault: Fault) {
        self.at_work(|office| office.next.push_back(fault));
    }

    /// The same for the next request to a path that ends so.
    pub fn goes_wrong_once_at(&self, path: &str, fault: Fault) {
        self.at_work(|office| office.next_at = Some((path.to_owned(), fault)));
    }

    pub fn set(&self, id: &str, field: &str, value: Value) {
        self.at_work(|office| {
            if let Some(account) = office.accounts.get_mut(id) {
                account[field] = value;
            }
        });
    }

    /// From now on its answers to looks have no end.
    pub fn is_huge(&self) {
        self.at_work(|office| office.huge = true);
    }

    /// What it says about the page that follows.
    pub fn leads_to(&self, next: &str) {
        self.at_work(|office| office.next_page = Some(next.to_owned()));
    }

    /// How many requests have come outside of `/api/`.
    pub fn elsewhere(&self) -> u64 {
        self.at_work(|office| office.elsewhere)
    }
}

async fn answer(
    State(office): State<Arc<Mutex<Office>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let looks = method == Method::GET;
    let fault = {
        let mut office = office.lock().unwrap();
        let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        office.seen.push(Seen {
            method: method.to_string(),
            path: uri.to_string(),
            headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        });
        if !uri.path().starts_with("/api/") {
            office.elsewhere += 1;
            return StatusCode::OK.into_response();
        }
        if looks && office.huge {
            let endless = stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 16]))));
            return Body::from_stream(endless).into_response();
        }
        let here = office.next_at.take_if(|(path, _)| uri.path().ends_with(path.as_str())).map(|(_, fault)| fault);
        (!looks).then(|| here.or_else(|| office.next.pop_front()).or(office.always)).flatten()
    };
    match fault {
        None | Some(Fault::CutAfter | Fault::HalfAnswer) => {}
        Some(Fault::CutBefore) => hang_up(),
        Some(Fault::Silent) => usher::clock::pause(Duration::from_secs(60)).await,
        Some(Fault::Lie) => return StatusCode::NO_CONTENT.into_response(),
        Some(Fault::Redirect) => {
            return (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response();
        }
        Some(Fault::Status(status)) => {
            let words = format!("no: {:?} sent {}", headers.get("authorization"), String::from_utf8_lossy(&body));
            return (StatusCode::from_u16(status).expect("a status"), [("retry-after", "7")], words).into_response();
        }
    }
    let (status, document) = work(&mut office.lock().unwrap(), &method, &uri, &headers, &body);
    match fault {
        Some(Fault::CutAfter) => hang_up(),
        Some(Fault::HalfAnswer) => {
            let half = stream::iter([Ok(Bytes::from("{\"half\":")), Err(std::io::Error::other("cut"))]);
            Body::from_stream(half).into_response()
        }
        _ => (status, [("content-type", "application/json")], document.to_string()).into_response(),
    }
}

/// Ends the connection without a word: its task is gone.
fn hang_up() -> ! {
    std::panic::resume_unwind(Box::new("hung up"))
}

fn work(office: &mut Office, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (StatusCode, Value) {
    let right = format!("Bearer {TOKEN}");
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&right) {
        return (StatusCode::UNAUTHORIZED, json!({ "error": "who are you?" }));
    }
    let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let path: Vec<String> = uri.path().trim_start_matches("/api/").split('/').map(decoded).collect();
    let query: BTreeMap<String, String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (method.as_str(), path.as_slice()) {
        ("GET", ["users"]) => (StatusCode::OK, list(office, &query)),
        ("POST", ["users"]) => create(office, &sent),
        (_, ["users", id, rest @ ..]) => match office.accounts.get(*id).cloned() {
            None => (StatusCode::NOT_FOUND, json!({ "error": "no such user" })),
            Some(account) => of_one(office, method.as_str(), id, rest, account, &sent, &query, headers),
        },
        _ => (StatusCode::NOT_FOUND, json!({ "error": "no such thing" })),
    }
}

/// Two to a page; or those that were made with a key.
fn list(office: &Office, query: &BTreeMap<String, String>) -> Value {
    if let Some(key) = query.get("key") {
        let made: Vec<&Value> = office.accounts.values().filter(|account| account["made_by"] == key.as_str()).collect();
        return json!({ "users": made });
    }
    let after = query.get("after").cloned().unwrap_or_default();
    let rest: Vec<(&String, &Value)> = office.accounts.iter().filter(|(id, _)| **id > after).collect();
    let page: Vec<&Value> = rest.iter().take(2).map(|(_, account)| *account).collect();
    let next = (rest.len() > 2).then(|| rest[1].0.clone());
    let next = office.next_page.clone().or(next);
    json!({ "users": page, "next": next })
}

fn create(office: &mut Office, sent: &Value) -> (StatusCode, Value) {
    office.writes += 1;
    let id = format!("n-{}", office.writes);
    let account = json!({
        "id": id, "name": sent["mail"], "contact": { "mail": sent["mail"] }, "active": true, "state": "there",
        "sessions": 0, "teams": [], "password": sent["password"].as_str().map(str::len), "reply": null,
        "number": sent["number"], "seen": null, "made_by": sent["key"],
    });
    office.accounts.insert(id, account.clone());
    (StatusCode::CREATED, account)
}

#[expect(clippy::too_many_arguments, reason = "a request has many parts")]
fn of_one(
    office: &mut Office,
    method: &str,
    id: &str,
    rest: &[&str],
    mut account: Value,
    sent: &Value,
    query: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> (StatusCode, Value) {
    if method == "GET" {
        return (StatusCode::OK, account);
    }
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default().to_owned());
    match (method, rest) {
        ("PATCH", []) => account["active"] = sent["active"].clone(),
        ("DELETE", []) if query.get("purge").is_some() => {
            office.accounts.remove(id);
            office.writes += 1;
            return (StatusCode::OK, json!({}));
        }
        ("DELETE", []) => account["state"] = "trash".into(),
        ("POST", ["restore"]) => account["state"] = "there".into(),
        ("DELETE", ["teams"]) => account["teams"] = json!([]),
        ("PUT", ["reply"]) => account["reply"] = sent.clone(),
        ("PUT", ["password"]) => {
            account["password"] = (account["password"].as_u64().unwrap_or(0) + 1).into();
            account["password_length"] = sent["password"].as_str().map(str::len).into();
        }
        ("POST", ["sessions", "end"]) if key.as_ref().is_some_and(|key| office.keys.contains(key)) => {
            return (StatusCode::OK, json!({ "ended": 0 }));
        }
        ("POST", ["sessions", "end"]) => account["sessions"] = 0.into(),
        ("POST", ["link"]) => {
            office.writes += 1;
            return (StatusCode::OK, json!({ "url": format!("https://crm.example/set/{id}") }));
        }
        ("POST", ["ticket"]) => account["tickets"] = (account["tickets"].as_u64().unwrap_or(0) + 1).into(),
        _ => return (StatusCode::METHOD_NOT_ALLOWED, json!({ "error": "not like this" })),
    }
    office.keys.extend(key);
    office.writes += 1;
    office.accounts.insert(id.to_owned(), account);
    (StatusCode::OK, json!({ "ok": true }))
}

/// How an administrator declares the product.
pub const DECLARED: &str = r#"
kind = "http"
networks = ["127.0.0.1"]
timeout = "2 s"
idempotency_header = "Idempotency-Key"
offers = ["mail"]
headers = { Authorization = "Bearer {{ secrets.token }}" }
account = { url = "users/{{ account.id }}" }
accounts = { url = "users{% if page %}?after={{ page }}{% endif %}", items = "/users", next = { cursor = "/next" } }
secrets = { token = { file = "token" } }

[systems.crm.fields]
id = "/id"
login = "/name"
email = "/contact/mail"
employee_number = "/number"
groups = "/teams"
last_sign_in = "/seen"
enabled = "item.active"
deleted = "item.state == 'trash'"

[systems.crm.manual]
"directory.hide" = "Take the entry out of the printed list"

[systems.crm.actions]
"password.rotate" = { method = "PUT", url = "users/{{ account.id }}/password", body = { password = "{{ password }}" } }
"sessions.revoke" = { url = "users/{{ account.id }}/sessions/end" }
"credentials.send" = { url = "users/{{ account.id }}/link", link = "/url" }
"licence.release" = { url = "users/{{ account.id }}/ticket", class = "U" }

[systems.crm.actions."account.disable"]
method = "PATCH"
url = "users/{{ account.id }}"
headers = { X-Reason = "{{ with.reason | default('none') }}" }
body = { active = false, why = "left: {{ with.reason | default('none') }}" }
observe = { url = "users/{{ account.id }}", reached = "body.active == false" }

[systems.crm.actions."account.enable"]
method = "PATCH"
url = "users/{{ account.id }}"
body = { active = true }
observe = { url = "users/{{ account.id }}", reached = "body.active == true" }

[systems.crm.actions."access.remove"]
method = "DELETE"
url = "users/{{ account.id }}/teams"
observe = { url = "users/{{ account.id }}", reached = "body.teams == []" }

[systems.crm.actions."mail.auto_reply"]
method = "PUT"
url = "users/{{ account.id }}/reply"
body = { subject = "{{ with.subject }}", text = "{{ with.message }}" }
observe = { url = "users/{{ account.id }}", reached = "body.reply and body.reply.text == with.message" }

[systems.crm.actions."account.delete"]
method = "DELETE"
url = "users/{{ account.id }}"
limit = "what the account owns stays with the product"
observe = { url = "users/{{ account.id }}", reached = "status == 404 or body.state == 'trash'" }

[systems.crm.actions."account.restore"]
url = "users/{{ account.id }}/restore"
observe = { url = "users/{{ account.id }}", reached = "body.state == 'there'" }

[systems.crm.actions."account.purge"]
method = "DELETE"
url = "users/{{ account.id }}?purge=yes"
observe = { url = "users/{{ account.id }}", reached = "status == 404" }

[systems.crm.actions."verify.no_access"]
observe = { url = "users/{{ account.id }}", reached = "body.active == false and body.sessions == 0" }

[systems.crm.actions."account.create"]
url = "users"
body = { key = "{{ key }}", mail = "{{ with.email }}", number = "{{ with.employee_number }}", password = "{{ password }}" }
made = { url = "users?key={{ key }}", item = "/users" }
"#;

/// The configuration's connector called `crm`, from this declaration.
pub fn declared(folder: &Path, url: &str, declaration: &str) -> Result<Connector, Vec<String>> {
    std::fs::write(folder.join("token"), TOKEN).expect("a file");
    let text = format!("[systems.crm]\nurl = \"{url}\"\n{declaration}");
    std::fs::write(folder.join("usher.toml"), text).expect("a file");
    let around = Surroundings { folder: folder.to_owned(), variables: Default::default(), root: false };
    let (config, problems) = Config::inspect(&[], None, &around);
    if !problems.is_empty() {
        return Err(problems.iter().map(ToString::to_string).collect());
    }
    Ok(usher::daemon::open_systems(&config).expect("systems").remove("crm").expect("crm"))
}
