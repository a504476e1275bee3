//! A product with a SCIM interface and habits of its own, as products have them: what it does its own way, and what goes
//! wrong, is set by a test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What it does its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habit {
    /// It has no ServiceProviderConfig and no Schemas.
    Silent,
    /// It announces pages by cursor (RFC 9865), and gives no others.
    Cursors,
    /// At most two resources on a page, whatever is asked for.
    Caps,
    /// `totalResults` is the number on the page.
    Understates,
    /// `totalResults` is a thousand more.
    Overstates,
    /// It shows everything on every page.
    Unpaged,
    /// A position behind the last resource is an error.
    StrictStart,
    /// Filters are ignored.
    IgnoresFilters,
    /// Filters are refused.
    RefusesFilters,
    /// A filter on members finds nothing, without an error.
    BlindToMembers,
    /// Only `members eq "…"` is understood.
    BareMembers,
    /// Groups show their members only when they are asked for by name.
    ShyMembers,
    /// PATCH is understood as Entra ID sends it, and no other.
    Entra,
    /// PATCH is understood as Okta sends it, and no other.
    Okta,
    /// PATCH is not implemented.
    NoPatch,
    /// It says yes, and does nothing.
    Lies,
    /// Flags are texts.
    TextFlags,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

/// An answer out of turn: status, headers, body.
pub type Answer = (u16, Vec<(&'static str, String)>, String);

#[derive(Default)]
struct House {
    users: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
    habits: Vec<Habit>,
    seen: Vec<Seen>,
    next: VecDeque<(&'static str, Answer)>,
    /// What somebody else does to a user right before the next change.
    meanwhile: Option<(String, String, Value)>,
    made: u64,
}

#[derive(Clone)]
pub struct Product {
    pub port: u16,
    house: Arc<Mutex<House>>,
}

impl Product {
    pub async fn of(habits: &[Habit]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        Self::on(port, listener, habits)
    }

    /// Serves on a listener of any kind (TLS, for example).
    pub fn on<L: axum::serve::Listener>(port: u16, listener: L, habits: &[Habit]) -> Self
    where
        L::Addr: std::fmt::Debug,
    {
        let house = Arc::new(Mutex::new(House { habits: habits.to_vec(), ..House::default() }));
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&house));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { port, house }
    }

    fn at_work<T>(&self, work: impl FnOnce(&mut House) -> T) -> T {
        work(&mut self.house.lock().expect("the house"))
    }

    /// An active user. Groups that are told hold them.
    pub fn hire(&self, id: &str, login: &str, groups: &[&str]) {
        let user = json!({ "id": id, "userName": login, "active": true, "emails": [{ "value": format!("{login}@x.example") }],
            "meta": { "version": "W/\"1\"" } });
        self.at_work(|house| {
            house.users.insert(id.to_owned(), user);
            for group in groups {
                let members = house.groups.entry((*group).to_owned()).or_insert_with(
                    || json!({ "id": group, "displayName": group, "members": [], "owner": "somebody", "meta": { "version": "W/\"1\"" } }),
                );
                members["members"].as_array_mut().expect("members").push(json!({ "value": id }));
            }
        });
    }

    pub fn set(&self, id: &str, name: &str, value: Value) {
        self.at_work(|house| house.users.get_mut(id).expect("the user")[name] = value);
    }

    pub fn user(&self, id: &str) -> Value {
        self.at_work(|house| house.users.get(id).cloned().unwrap_or_default())
    }

    pub fn users(&self) -> usize {
        self.at_work(|house| house.users.len())
    }

    pub fn group(&self, id: &str) -> Value {
        self.at_work(|house| house.groups.get(id).cloned().unwrap_or_default())
    }

    /// The requests since the last time somebody asked.
    pub fn seen(&self) -> Vec<Seen> {
        self.at_work(|house| std::mem::take(&mut house.seen))
    }

    /// The next request with this method is answered so, and nothing is done.
    pub fn says(&self, method: &'static str, answer: Answer) {
        self.at_work(|house| house.next.push_back((method, answer)));
    }

    /// Somebody else sets this on a user right before the next change arrives.
    pub fn meanwhile(&self, id: &str, name: &str, value: Value) {
        self.at_work(|house| house.meanwhile = Some((id.to_owned(), name.to_owned(), value)));
    }
}

impl House {
    fn does(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }

    fn of(&mut self, kind: &str) -> &mut BTreeMap<String, Value> {
        if kind == "Users" { &mut self.users } else { &mut self.groups }
    }
}

fn error(status: u16, kind: &str, detail: &str) -> Answer {
    let body = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(),
        "scimType": if kind.is_empty() { Value::Null } else { json!(kind) }, "detail": detail });
    (status, Vec::new(), body.to_string())
}

fn shown(body: &Value) -> Answer {
    (200, Vec::new(), body.to_string())
}

async fn answer(
    State(house): State<Arc<Mutex<House>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut house = house.lock().expect("the house");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let headers: BTreeMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let seen = Seen { method: method.to_string(), path: uri.to_string(), headers: headers.clone(), body: body.clone() };
    house.seen.push(seen);
    let (status, more, text) = match house.next.front() {
        Some((wanted, _)) if *wanted == method.as_str() => house.next.pop_front().expect("an answer").1,
        _ => serve(&mut house, method.as_str(), &uri, headers.get("if-match").map(String::as_str), &body),
    };
    let mut response = (StatusCode::from_u16(status).expect("a status"), text).into_response();
    for (name, value) in more {
        response.headers_mut().insert(name, value.parse().expect("a value"));
    }
    response
}

fn serve(house: &mut House, method: &str, uri: &Uri, version: Option<&str>, body: &Value) -> Answer {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let query: BTreeMap<String, String> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    let parts: Vec<String> = uri.path().trim_start_matches("/v2/").split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (method, parts.as_slice()) {
        ("GET", ["ServiceProviderConfig" | "Schemas"]) if house.does(Habit::Silent) => {
            error(404, "", "no such endpoint")
        }
        ("GET", ["ServiceProviderConfig"]) => {
            let pages = json!({ "cursor": house.does(Habit::Cursors), "index": !house.does(Habit::Cursors) });
            shown(
                &json!({ "patch": { "supported": true }, "filter": { "supported": true }, "etag": { "supported": true },
                "pagination": pages }),
            )
        }
        ("GET", ["Schemas"]) => {
            let names = ["userName", "active", "emails"].map(|name| json!({ "name": name }));
            shown(
                &json!({ "Resources": [{ "id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": names }] }),
            )
        }
        ("GET", [kind @ ("Users" | "Groups")]) => list(house, kind, &query),
        ("POST", ["Users"]) => create(house, body),
        (method, [kind @ ("Users" | "Groups"), id]) => one(house, method, kind, id, version, body),
        _ => error(404, "", "no such endpoint"),
    }
}

fn create(house: &mut House, body: &Value) -> Answer {
    if house.users.values().any(|user| user["userName"] == body["userName"]) {
        return error(409, "uniqueness", "userName is taken");
    }
    house.made += 1;
    let id = format!("made-{}", house.made);
    let mut user = body.clone();
    user["id"] = json!(id);
    user["meta"] = json!({ "version": "W/\"1\"" });
    user.as_object_mut().expect("an object").remove("password");
    house.users.insert(id, user.clone());
    (201, Vec::new(), user.to_string())
}

fn list(house: &mut House, kind: &str, query: &BTreeMap<String, String>) -> Answer {
    let filter = query.get("filter").filter(|_| !house.does(Habit::IgnoresFilters));
    if filter.is_some() && house.does(Habit::RefusesFilters) {
        return error(400, "invalidFilter", "filters are not understood");
    }
    let mut all: Vec<Value> = house.of(kind).values().cloned().collect();
    if let Some(filter) = filter {
        let Some(fits) = fitting(house, filter) else { return error(400, "invalidFilter", filter) };
        all.retain(fits);
    }
    let asked = query.get("attributes").is_some_and(|names| names.contains("members"));
    if house.does(Habit::ShyMembers) && !asked {
        all.iter_mut().for_each(|group| drop(group.as_object_mut().expect("an object").remove("members")));
    }
    if house.does(Habit::TextFlags) {
        for user in &mut all {
            text_flag(user);
        }
    }
    let total = all.len();
    let count: usize = query.get("count").and_then(|count| count.parse().ok()).unwrap_or(100);
    let count = if house.does(Habit::Caps) { count.min(2) } else { count };
    let cursor = query.get("cursor");
    if cursor.is_none() && house.does(Habit::Cursors) {
        return error(400, "invalidValue", "pages are by cursor here");
    }
    let start = match cursor {
        Some(cursor) => cursor.strip_prefix("behind ").and_then(|number| number.parse().ok()).unwrap_or(0),
        None => query.get("startIndex").and_then(|start| start.parse::<usize>().ok()).unwrap_or(1).max(1) - 1,
    };
    if house.does(Habit::StrictStart) && start > 0 && start >= total {
        return error(400, "invalidValue", "startIndex is behind the last one");
    }
    let page: Vec<Value> = match house.does(Habit::Unpaged) {
        true => all,
        false => all.into_iter().skip(start).take(count).collect(),
    };
    let told = if house.does(Habit::Understates) { page.len() } else { total };
    let told = if house.does(Habit::Overstates) { total + 1000 } else { told };
    let next = (cursor.is_some() && start + page.len() < total).then(|| format!("behind {}", start + page.len()));
    shown(&json!({ "totalResults": told, "itemsPerPage": page.len(), "Resources": page, "nextCursor": next }))
}

fn text_flag(user: &mut Value) {
    if let Some(active) = user["active"].as_bool() {
        user["active"] = json!(if active { "True" } else { "False" });
    }
}

type Fits = Box<dyn Fn(&Value) -> bool>;

/// What a filter lets through; `None` where it is not understood. One comparison is all there is.
fn fitting(house: &House, filter: &str) -> Option<Fits> {
    let (attribute, rest) = filter.split_once(" eq ").or_else(|| filter.split_once("[value eq "))?;
    let value: String = serde_json::from_str(rest.trim_end_matches(']')).ok()?;
    let holds = move |group: &Value, value: &str| {
        group["members"].as_array().is_some_and(|members| members.iter().any(|member| member["value"] == *value))
    };
    match (attribute, filter.contains('[')) {
        ("members" | "members.value", _) if house.does(Habit::BlindToMembers) => Some(Box::new(|_| false)),
        ("members", false) => Some(Box::new(move |group| holds(group, &value))),
        ("members" | "members.value", _) if house.does(Habit::BareMembers) => None,
        ("members" | "members.value", _) => Some(Box::new(move |group| holds(group, &value))),
        ("userName" | "externalId" | "displayName", false) => {
            let attribute = attribute.to_owned();
            Some(Box::new(move |resource| resource[&attribute] == value))
        }
        _ => None,
    }
}

fn one(house: &mut House, method: &str, kind: &str, id: &str, version: Option<&str>, body: &Value) -> Answer {
    if !house.of(kind).contains_key(id) {
        return error(404, "", "no such resource");
    }
    if method == "GET" {
        let mut resource = house.of(kind)[id].clone();
        if house.does(Habit::TextFlags) {
            text_flag(&mut resource);
        }
        return shown(&resource);
    }
    if let Some((user, name, value)) = house.meanwhile.take() {
        let user = house.users.get_mut(&user).expect("the user");
        user[&name] = value;
        written(user);
    }
    let own = house.of(kind)[id]["meta"]["version"].clone();
    if version.is_some_and(|version| own != version) {
        return error(412, "", "it has another version");
    }
    if house.does(Habit::Lies) {
        return (204, Vec::new(), String::new());
    }
    match method {
        "DELETE" => drop(house.of(kind).remove(id)),
        "PUT" => drop(house.of(kind).insert(id.to_owned(), with_version(body, &own))),
        "PATCH" if house.does(Habit::NoPatch) => return error(501, "", "PATCH is not implemented"),
        _ => {
            let mut resource = house.of(kind)[id].clone();
            for operation in body["Operations"].as_array().into_iter().flatten() {
                if let Err(why) = patched(house, &mut resource, operation) {
                    return error(400, "invalidSyntax", &why);
                }
            }
            house.of(kind).insert(id.to_owned(), resource);
        }
    }
    if let Some(resource) = house.of(kind).get_mut(id) {
        written(resource);
    }
    (204, Vec::new(), String::new())
}

fn with_version(body: &Value, version: &Value) -> Value {
    let mut whole = body.clone();
    whole["meta"] = json!({ "version": version });
    whole
}

fn written(resource: &mut Value) {
    let digits: String = resource["meta"]["version"].to_string().chars().filter(char::is_ascii_digit).collect();
    let number: u64 = digits.parse().expect("a number");
    resource["meta"] = json!({ "version": format!("W/\"{}\"", number + 1) });
}

/// One operation, in the one dialect that the product understands.
fn patched(house: &House, resource: &mut Value, operation: &Value) -> Result<(), String> {
    let (op, path) = (operation["op"].as_str().unwrap_or_default(), operation["path"].as_str());
    let capital = op.starts_with(|sign: char| sign.is_ascii_uppercase());
    if capital != house.does(Habit::Entra) {
        return Err(format!("op `{op}`"));
    }
    let value = &operation["value"];
    match (op.to_ascii_lowercase().as_str(), path) {
        ("replace", None) if house.does(Habit::Okta) => {
            for (name, value) in value.as_object().ok_or("no object")? {
                resource[name] = value.clone();
            }
        }
        ("replace", Some(path)) if !house.does(Habit::Okta) => {
            resource[path] = match (value, house.does(Habit::Entra), path) {
                (Value::String(word), true, "active") => json!(word == "True"),
                (_, true, "active") => return Err("flags are texts".to_owned()),
                (value, ..) => value.clone(),
            };
        }
        ("add", Some("members")) => {
            let members = resource["members"].as_array_mut().ok_or("no members")?;
            members.extend(value.as_array().ok_or("no list")?.iter().cloned());
        }
        ("remove", Some("members")) if house.does(Habit::Entra) => {
            let goes: Vec<Value> =
                value.as_array().ok_or("no list")?.iter().map(|member| member["value"].clone()).collect();
            resource["members"].as_array_mut().ok_or("no members")?.retain(|member| !goes.contains(&member["value"]));
        }
        ("remove", Some(path)) if path.starts_with("members[") && !house.does(Habit::Entra) => {
            let id = path.trim_start_matches("members[value eq ").trim_end_matches(']');
            let id: String = serde_json::from_str(id).map_err(|why| why.to_string())?;
            resource["members"].as_array_mut().ok_or("no members")?.retain(|member| member["value"] != *id);
        }
        ("remove", Some(path)) => drop(resource.as_object_mut().ok_or("no object")?.remove(path)),
        other => return Err(format!("{other:?}")),
    }
    Ok(())
}
