//! A stand-in for lldap, which no package here brings: it answers LDAP as lldap's source has it (0.6.3, `crates/ldap` and
//! `server/src/ldap_server.rs`). What is odd about it is meant: lists are answered whole whatever page is asked for, controls and
//! limits are passed over, most changes are refused, and a filter that knows nothing of an attribute leaves it out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::outside::SUFFIX;

/// The operations that are answered otherwise than by a refusal (RFC 4511, 4.2 and on).
const BIND: u8 = 0x60;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const EXTENDED: u8 = 0x77;

/// Modify, add, and delete, with what answers them.
const CHANGES: [(u8, u8); 3] = [(0x66, 0x67), (0x68, 0x69), (0x4a, 0x6b)];

/// Password modify (RFC 3062).
const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";

const PAGED: &str = "1.2.840.113556.1.4.319";

const NO_RIGHT: u8 = 50;
const UNWILLING: u8 = 53;

/// What lldap keeps of somebody.
#[derive(Clone, Debug)]
pub struct User {
    pub uuid: String,
    pub password: String,
    pub name: String,
    pub employee_number: Option<String>,
    /// How often it was changed.
    pub version: u64,
}

#[derive(Clone, Debug, Default)]
pub struct State {
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, BTreeSet<String>>,
    /// Attributes of users that were asked for and that it does not know: each is a line in its log, for each user.
    pub unknown: BTreeSet<String>,
}

impl State {
    fn is_in(&self, user: &str, group: &str) -> bool {
        self.groups.get(group).is_some_and(|members| members.contains(user))
    }

    fn reads_all(&self, user: &str) -> bool {
        ["lldap_admin", "lldap_password_manager", "lldap_strict_readonly"].iter().any(|group| self.is_in(user, group))
    }

    fn may_set_password(&self, user: &str, of: &str) -> bool {
        self.is_in(user, "lldap_admin")
            || (self.is_in(user, "lldap_password_manager") && !self.is_in(of, "lldap_admin"))
            || user == of
    }

    /// What an attribute of a user holds; `None` where there is no such attribute.
    fn of_user(&self, uid: &str, attribute: &str) -> Option<Vec<String>> {
        let user = &self.users[uid];
        let (given, family) = user.name.split_once(' ').unwrap_or((&user.name, ""));
        Some(match attribute.to_ascii_lowercase().as_str() {
            "objectclass" => ["inetOrgPerson", "posixAccount", "mailAccount", "person"].map(str::to_owned).to_vec(),
            "uid" => vec![uid.to_owned()],
            "mail" => vec![format!("{uid}@example.org")],
            "cn" | "displayname" => vec![user.name.clone()],
            "givenname" => vec![given.to_owned()],
            "sn" => vec![family.to_owned()],
            "entryuuid" => vec![user.uuid.clone()],
            "pwdchangedtime" => vec![format!("2026010101{:04}Z", user.version)],
            "employeenumber" => user.employee_number.iter().cloned().collect(),
            "memberof" => {
                let groups = self.groups.iter().filter(|(_, members)| members.contains(uid));
                groups.map(|(name, _)| format!("cn={name},ou=groups,{SUFFIX}")).collect()
            }
            _ => return None,
        })
    }

    fn of_group(&self, name: &str, attribute: &str) -> Option<Vec<String>> {
        Some(match attribute.to_ascii_lowercase().as_str() {
            "objectclass" => ["groupOfUniqueNames", "groupOfNames"].map(str::to_owned).to_vec(),
            "cn" | "displayname" | "uid" => vec![name.to_owned()],
            "member" | "uniquemember" => {
                self.groups[name].iter().map(|uid| format!("uid={uid},ou=people,{SUFFIX}")).collect()
            }
            _ => return None,
        })
    }
}

/// A part of a message: its tag, and what is in it.
type Part<'m> = (u8, &'m [u8]);

/// The parts that stand one after the other (RFC 4511, 5.1).
fn parts(mut bytes: &[u8]) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let (length, rest) = match first {
            0..0x80 => (usize::from(*first), rest),
            _ => {
                let (length, rest) = rest.split_at(usize::from(first - 0x80));
                (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, rest) = rest.split_at(length);
        found.push((*tag, content));
        bytes = rest;
    }
    found
}

fn part(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("short").to_be_bytes();
    [&[tag, 0x84][..], &length[..], content].concat()
}

fn text(tag: u8, text: &str) -> Vec<u8> {
    part(tag, text.as_bytes())
}

fn words(part: Part<'_>) -> String {
    String::from_utf8_lossy(part.1).into_owned()
}

/// An answer that is a result (RFC 4511, 4.1.9).
fn result(tag: u8, code: u8, message: &str) -> Vec<u8> {
    part(tag, &[part(0x0a, &[code]), text(4, ""), text(4, message)].concat())
}

/// `uid` of `uid=…,ou=people,SUFFIX`; names are the same in any case.
fn user_of(dn: &str) -> Option<String> {
    let (first, place) = dn.split_once(',')?;
    let is_there = place.eq_ignore_ascii_case(&format!("ou=people,{SUFFIX}"));
    first.split_once('=').filter(|_| is_there).map(|(_, uid)| uid.to_ascii_lowercase())
}

/// What a filter says of an entry. What is known without looking at it is left out of an `and`, or an `or`, of users.
#[derive(Clone, Copy, PartialEq)]
enum Fits {
    Always,
    Never,
    Is(bool),
}

impl Fits {
    fn holds(self) -> bool {
        matches!(self, Self::Always | Self::Is(true))
    }
}

/// `value` says what the entry's attribute holds.
fn fits(filter: Part<'_>, value: &impl Fn(&str) -> Option<Vec<String>>) -> Fits {
    let inside = || parts(filter.1).into_iter().map(|part| fits(part, value));
    let known = |attribute: &str, yes: bool| match (attribute.eq_ignore_ascii_case("objectClass"), yes) {
        (true, true) => Fits::Always,
        (true, false) => Fits::Never,
        (false, yes) => Fits::Is(yes),
    };
    match filter.0 {
        0xa0 => match inside().filter(|fits| *fits != Fits::Never).collect::<Vec<_>>().as_slice() {
            [] => Fits::Always,
            all => Fits::Is(all.iter().all(|fits| fits.holds())),
        },
        0xa1 => match inside().filter(|fits| *fits != Fits::Always).collect::<Vec<_>>().as_slice() {
            [] => Fits::Never,
            all => Fits::Is(all.iter().any(|fits| fits.holds())),
        },
        0xa2 => Fits::Is(!inside().all(Fits::holds)),
        0xa3 => {
            let both = parts(filter.1);
            let (attribute, wanted) = (words(both[0]), words(both[1]));
            match value(&attribute) {
                None => Fits::Never,
                Some(values) => known(&attribute, values.iter().any(|value| value.eq_ignore_ascii_case(&wanted))),
            }
        }
        0x87 => {
            if value(&words(filter)).is_some() {
                Fits::Always
            } else {
                Fits::Never
            }
        }
        other => panic!("the stand-in knows no filter {other:#x}"),
    }
}

pub struct StandIn {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

impl StandIn {
    /// One with usher's user, who is in this group.
    pub async fn start(group: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let groups = ["lldap_admin", "lldap_password_manager", "lldap_strict_readonly"];
        let groups = groups.map(|group| (group.to_owned(), BTreeSet::new())).into();
        let state = Arc::new(Mutex::new(State { groups, ..State::default() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        let own = Self { port, state };
        own.add("usher", "usher-Password-1", None);
        own.join("usher", group);
        own
    }

    pub fn add(&self, uid: &str, password: &str, employee_number: Option<&str>) -> String {
        let mut state = self.state.lock().expect("the state");
        let number = state.users.len();
        let uuid = format!("698e1d5f-7a40-3151-8745-{number:012x}");
        let user = User {
            uuid: uuid.clone(),
            password: password.to_owned(),
            name: "Ada Keller".to_owned(),
            employee_number: employee_number.map(str::to_owned),
            version: 0,
        };
        state.users.insert(uid.to_owned(), user);
        uuid
    }

    pub fn join(&self, uid: &str, group: &str) {
        self.state.lock().expect("the state").groups.entry(group.to_owned()).or_default().insert(uid.to_owned());
    }

    pub fn state(&self) -> State {
        self.state.lock().expect("the state").clone()
    }
}

async fn serve(mut client: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut bound = None;
    loop {
        let mut head = vec![client.read_u8().await.ok()?, client.read_u8().await.ok()?];
        let mut length = usize::from(head[1]);
        if length >= 0x80 {
            let mut more = vec![0; length - 0x80];
            client.read_exact(&mut more).await.ok()?;
            length = more.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            head.extend(more);
        }
        let mut body = vec![0; length];
        client.read_exact(&mut body).await.ok()?;
        let message = parts(&body);
        if message[1].0 == UNBIND {
            return Some(());
        }
        let answers = answer(message[1], &mut bound, &mut state.lock().expect("the state"));
        for answer in answers {
            // A list says that it was a page, and the last one.
            let page = part(0x30, &[part(2, &[0]), text(4, "")].concat());
            let control = part(0x30, &[text(4, PAGED), part(4, &page)].concat());
            let controls = if answer[0] == 0x65 { part(0xa0, &control) } else { Vec::new() };
            let whole = [part(2, message[0].1), answer, controls].concat();
            client.write_all(&part(0x30, &whole)).await.ok()?;
        }
    }
}

fn answer(request: Part<'_>, bound: &mut Option<String>, state: &mut State) -> Vec<Vec<u8>> {
    let inside = parts(request.1);
    match request.0 {
        BIND => {
            let (dn, password) = (words(inside[1]), words(inside[2]));
            let known = user_of(&dn).filter(|uid| state.users.get(uid).is_some_and(|user| user.password == password));
            let code = match (dn.is_empty(), &known) {
                (true, _) => 48,
                (_, None) => 49,
                (_, Some(_)) => 0,
            };
            *bound = known;
            vec![result(0x61, code, "")]
        }
        SEARCH => search(&inside, bound.as_deref(), state),
        EXTENDED if words(inside[0]) == PASSWORD_MODIFY => {
            let Some(own) = bound else { return vec![result(0x78, NO_RIGHT, "No user currently bound")] };
            let asked = parts(inside[1].1);
            let asked = parts(asked[0].1);
            let named = |tag: u8| asked.iter().find(|part| part.0 == tag).map(|part| words(*part));
            let (Some(dn), Some(password)) = (named(0x80), named(0x82)) else {
                return vec![result(0x78, 19, "Missing either user_id or password")];
            };
            let Some(uid) = user_of(&dn) else { return vec![result(0x78, 34, "Invalid username")] };
            if !state.may_set_password(own, &uid) {
                let why = format!("User `{own}` cannot modify the password of user `{uid}`");
                return vec![result(0x78, NO_RIGHT, &why)];
            }
            let Some(user) = state.users.get_mut(&uid) else { return vec![result(0x78, 1, "no such user")] };
            user.password = password;
            user.version += 1;
            vec![result(0x78, 0, "")]
        }
        tag => match CHANGES.iter().find(|(request, _)| *request == tag) {
            Some((0x66, answer)) => vec![result(*answer, UNWILLING, "Unsupported operation")],
            Some((_, answer)) => vec![result(*answer, NO_RIGHT, "Unauthorized write")],
            // Moves, abandons, StartTLS.
            None => vec![result(0x78, UNWILLING, "Unsupported operation")],
        },
    }
}

fn search(inside: &[Part<'_>], bound: Option<&str>, state: &mut State) -> Vec<Vec<u8>> {
    let (base, scope, filter) = (words(inside[0]).to_ascii_lowercase(), inside[1].1[0], inside[6]);
    let wanted: Vec<String> = parts(inside[7].1).into_iter().map(words).collect();
    let done = |code: u8, why: &str| result(0x65, code, why);
    if base.is_empty() && scope == 0 {
        let told = vec![("vendorName".to_owned(), vec!["LLDAP".to_owned()]), ("supportedControl".to_owned(), vec![])];
        return vec![entry("", told), done(0, "")];
    }
    let Some(bound) = bound else { return vec![done(NO_RIGHT, "No user currently bound")] };
    let (people, groups) = (format!("ou=people,{SUFFIX}"), format!("ou=groups,{SUFFIX}"));
    if scope == 0 && (base == people || base == groups) {
        let told = vec![("objectClass".to_owned(), vec!["organizationalUnit".to_owned()])];
        return vec![entry(&base, told), done(0, "")];
    }
    // Below the base itself people and groups are searched; an entry's own name is a filter more.
    let below = |place: &str, dn: &str| base == SUFFIX || base == place || base == dn.to_ascii_lowercase();
    let sees = |uid: &str| state.reads_all(bound) || uid == bound;
    let mut found = Vec::new();
    for uid in state.users.keys().filter(|uid| sees(uid)) {
        let dn = format!("uid={uid},{people}");
        if below(&people, &dn) && fits(filter, &|attribute| state.of_user(uid, attribute)).holds() {
            let told = wanted.iter().filter_map(|name| Some((name.clone(), state.of_user(uid, name)?)));
            found.push(entry(&dn, told.collect()));
        }
    }
    let in_sight = |name: &&String| state.reads_all(bound) || state.is_in(bound, name);
    for name in state.groups.keys().filter(in_sight) {
        let dn = format!("cn={name},{groups}");
        if below(&groups, &dn) && fits(filter, &|attribute| state.of_group(name, attribute)).holds() {
            let told =
                wanted.iter().filter_map(|attribute| Some((attribute.clone(), state.of_group(name, attribute)?)));
            found.push(entry(&dn, told.collect()));
        }
    }
    let nobody = scope == 0 && found.is_empty();
    let unknown: BTreeSet<String> = match base == groups || base.ends_with(&format!(",{groups}")) {
        true => BTreeSet::new(),
        false => wanted.into_iter().filter(|name| state.of_user(bound, name).is_none()).collect(),
    };
    state.unknown.extend(unknown);
    found.push(if nobody { done(32, "") } else { done(0, "") });
    found
}

fn entry(dn: &str, told: Vec<(String, Vec<String>)>) -> Vec<u8> {
    let attribute = |(name, values): (String, Vec<String>)| {
        let values: Vec<u8> = values.iter().flat_map(|value| text(4, value)).collect();
        part(0x30, &[text(4, &name), part(0x31, &values)].concat())
    };
    let told: Vec<u8> = told.into_iter().filter(|(_, values)| !values.is_empty()).flat_map(attribute).collect();
    part(0x64, &[text(4, dn), part(0x30, &told)].concat())
}
