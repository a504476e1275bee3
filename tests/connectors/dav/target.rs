//! The servers as targets of the suite that every connector passes: `jdoe` hands over to `boss`. What is there is read from
//! the servers' own folders.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use usher::archive::{ArchiveSettings, ArchiveStore};
use usher::connectors::Connector;
use usher::connectors::dav::{DavSettings, DavSystem, Template};
use usher::secret::SecretRef;

use super::line::{Fault, Line};
use super::radicale::Radicale;
use super::wsgidav::WsgiDav;
use crate::conformance::{Cut, Target};

/// A server on this machine, with nothing configured of what is on it.
pub fn settings(port: u16, password: PathBuf) -> DavSettings {
    DavSettings {
        url: format!("http://127.0.0.1:{port}/").parse().expect("an address"),
        networks: vec!["127.0.0.0/8".parse().expect("a network")],
        ca: None,
        timeout: Duration::from_secs(10),
        user: "svc".to_owned(),
        password: SecretRef::File(password),
        domain: Some("example.org".to_owned()),
        calendars: None,
        contacts: None,
        files: None,
    }
}

/// An archive store in a folder below this one.
pub async fn archive(folder: &Path) -> ArchiveStore {
    let record = crate::archive::record(folder).await;
    ArchiveStore::new(ArchiveSettings::folder(folder.join("archives")), record)
}

/// What is in it, by file.
pub fn kept(folder: &Path) -> BTreeMap<String, String> {
    let at = folder.join("archives");
    let all = if at.is_dir() { files(&at) } else { BTreeMap::new() };
    all.into_iter().map(|(name, (text, _))| (name, text)).collect()
}

/// A card as Radicale writes it.
pub fn card(uid: &str, name: &str) -> String {
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nUID:{uid}\r\nFN:{name}\r\nN:{name};;;;\r\nEND:VCARD\r\n")
}

fn template(text: &str) -> Option<Template> {
    Some(Template::try_from(text).expect("a template"))
}

/// Radicale behind a line, with everybody's calendars and address books.
pub struct Calendars {
    pub server: Radicale,
    pub line: Line,
    pub connector: Connector,
}

impl Calendars {
    pub async fn start() -> Self {
        Self::on(Radicale::start().await).await
    }

    pub async fn on(server: Radicale) -> Self {
        let line = Line::to(server.port()).await;
        let settings = DavSettings {
            calendars: template("{account}/"),
            contacts: template("{account}/"),
            ..settings(line.port, server.folder.path().join("password"))
        };
        let archive = archive(server.folder.path()).await;
        let system = DavSystem::new("groupware", settings);
        Self { connector: Connector::Dav(Box::new(system)).with_archive(&archive), server, line }
    }

    /// What is in the archive store, by file.
    pub fn kept(&self) -> BTreeMap<String, String> {
        kept(self.server.folder.path())
    }

    /// An address book with these cards, by name.
    pub fn address_book(&self, person: &str, name: &str, cards: &[(&str, &str)]) {
        let at = self.server.root().join(person).join(name);
        std::fs::create_dir_all(&at).expect("an address book");
        std::fs::write(at.join(".Radicale.props"), json!({ "tag": "VADDRESSBOOK" }).to_string()).expect("writes");
        for (file, text) in cards {
            std::fs::write(at.join(file), text).expect("writes");
        }
    }

    /// A calendar with these events, by name.
    pub fn calendar(&self, person: &str, name: &str, events: &[(&str, &str)]) {
        let at = self.server.root().join(person).join(name);
        std::fs::create_dir_all(&at).expect("a calendar");
        let properties = json!({ "tag": "VCALENDAR", "D:displayname": name.to_uppercase() });
        std::fs::write(at.join(".Radicale.props"), properties.to_string()).expect("writes");
        for (file, text) in events {
            std::fs::write(at.join(file), text).expect("writes");
        }
    }

    /// Everybody's events: `jdoe/work/1.ics` and what it says.
    pub fn events(&self) -> BTreeMap<String, String> {
        let all = files(&self.server.root()).into_iter();
        all.filter(|(name, _)| !name.contains(".Radicale")).map(|(name, (text, _))| (name, text)).collect()
    }
}

/// An event of `jdoe`'s with one guest, as Radicale writes it.
pub fn event(uid: &str, starts: &str, title: &str) -> String {
    [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//test//EN",
        "BEGIN:VEVENT",
        &format!("UID:{uid}"),
        &format!("DTSTART:{starts}"),
        "DURATION:PT1H",
        "ATTENDEE:mailto:guest@example.org",
        "DTSTAMP:20260101T000000Z",
        "ORGANIZER:mailto:jdoe@example.org",
        &format!("SUMMARY:{title}"),
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    .join("\r\n")
}

impl Target for Calendars {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    async fn fresh(&mut self) -> String {
        for person in ["jdoe", "boss"] {
            let home = self.server.root().join(person);
            std::fs::remove_dir_all(&home).ok();
            std::fs::create_dir_all(&home).expect("a home");
        }
        self.calendar("jdoe", "work", &[("1.ics", &event("1", "20280101T100000Z", "Review"))]);
        self.calendar("boss", "work", &[("1.ics", &event("1", "20280101T100000Z", "Of my own"))]);
        self.address_book("jdoe", "contacts", &[("c.vcf", &card("c", "Carla"))]);
        "jdoe".to_owned()
    }

    async fn look(&self, _account: &str) -> Value {
        let mut all = self.events();
        all.retain(|name, _| !name.ends_with(".vcf"));
        json!({ "events": all, "kept": self.kept() })
    }

    async fn whole(&self) -> Value {
        let all = files(&self.server.root()).into_iter();
        let all: BTreeMap<_, _> = all.filter(|(name, _)| !name.contains(".Radicale.cache")).collect();
        json!([all, self.kept()])
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.line.always(cut.map(|cut| match cut {
            Cut::Before => Fault::Before("MOVE"),
            Cut::After => Fault::After("MOVE"),
        }));
    }
}

/// Whether all of `jdoe`'s one event is in a calendar of its own of `boss`'s, whose own event is as it was.
pub fn handed_over(now: &Value, before: &Value) -> bool {
    let (now, before) = (&now["events"], &before["events"]);
    let events = now.as_object().expect("events");
    let given: Vec<_> = events.iter().filter(|(name, _)| name.starts_with("boss/from-jdoe-work-")).collect();
    events.keys().all(|name| !name.starts_with("jdoe/"))
        && given.len() == 1
        && given[0].1 == &before["jdoe/work/1.ics"]
        && now["boss/work/1.ics"] == before["boss/work/1.ics"]
}

/// Where the files are, and so who moves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All in one: the server moves them.
    One,
    /// Each person's own: the server refuses, and usher carries them.
    Several,
}

/// WsgiDAV behind a line, with everybody's files.
pub struct Files {
    pub server: WsgiDav,
    pub line: Line,
    pub connector: Connector,
    share: Share,
}

impl Files {
    pub async fn start(share: Share) -> Self {
        let server = WsgiDav::start().await;
        let line = Line::to(server.port()).await;
        let settings = DavSettings {
            files: template(match share {
                Share::One => "files/{account}/",
                Share::Several => "u/{account}/",
            }),
            ..settings(line.port, server.folder.path().join("password"))
        };
        let archive = archive(server.folder.path()).await;
        let system = DavSystem::new("cloud", settings);
        Self { connector: Connector::Dav(Box::new(system)).with_archive(&archive), server, line, share }
    }

    /// What is in the archive store, by file.
    pub fn kept(&self) -> BTreeMap<String, String> {
        kept(self.server.folder.path())
    }

    pub fn write(&self, person: &str, path: &str, content: &[u8]) {
        let at = self.server.root(person).join(path);
        std::fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
        std::fs::write(at, content).expect("writes");
    }

    pub fn empty(&self) {
        for person in ["jdoe", "boss"] {
            let home = self.server.root(person);
            std::fs::remove_dir_all(&home).ok();
            std::fs::create_dir_all(&home).expect("a home");
        }
    }

    /// Everybody's files: `jdoe/plans/a.txt` and what it says.
    pub fn files(&self) -> BTreeMap<String, String> {
        let all = files(self.server.root("jdoe").parent().expect("the folder")).into_iter();
        all.map(|(name, (text, _))| (name, text)).collect()
    }
}

impl Target for Files {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    async fn fresh(&mut self) -> String {
        self.empty();
        self.write("jdoe", "plans/ü (1)&#%.txt", b"the plan");
        self.write("boss", "plans/mine.txt", b"of my own");
        "jdoe".to_owned()
    }

    async fn look(&self, _account: &str) -> Value {
        json!({ "files": self.files(), "kept": self.kept() })
    }

    async fn whole(&self) -> Value {
        json!([files(self.server.root("jdoe").parent().expect("the folder")), self.kept()])
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        let fault = cut.map(|cut| match (cut, self.share) {
            (Cut::Before, Share::One) => Fault::Before("MOVE"),
            (Cut::After, Share::One) => Fault::After("MOVE"),
            (Cut::Before, Share::Several) => Fault::Before("PUT"),
            (Cut::After, Share::Several) => Fault::After("DELETE"),
        });
        self.line.always(fault);
    }
}

/// Whether all of `jdoe`'s one file is in the folder, and the colleague's own is as it was.
pub fn carried_over(now: &Value, before: &Value) -> bool {
    let (now, before) = (&now["files"], &before["files"]);
    let all = now.as_object().expect("files");
    all.keys().all(|name| !name.starts_with("jdoe/"))
        && now["boss/From Jane/plans/ü (1)&#%.txt"] == before["jdoe/plans/ü (1)&#%.txt"]
        && now["boss/plans/mine.txt"] == before["boss/plans/mine.txt"]
}

/// Whether something new with this ending was kept, and nothing was changed on the server.
fn is_kept(now: &Value, before: &Value, ending: &str) -> bool {
    let names = |at: &Value| -> BTreeSet<String> {
        let kept = at["kept"].as_object().expect("archives");
        kept.keys().filter(|name| name.ends_with(ending)).cloned().collect()
    };
    let untouched = now["events"] == before["events"] && now["files"] == before["files"];
    untouched && names(now).difference(&names(before)).count() == 1
}

/// Whether the one calendar was kept.
pub fn calendar_is_kept(now: &Value, before: &Value) -> bool {
    is_kept(now, before, "/work.ics") && is_kept(now, before, "/calendars.json")
}

/// Whether the one address book was kept.
pub fn contacts_are_kept(now: &Value, before: &Value) -> bool {
    is_kept(now, before, "/contacts.vcf") && is_kept(now, before, "/address_books.json")
}

/// Whether the files were kept.
pub fn files_are_kept(now: &Value, before: &Value) -> bool {
    is_kept(now, before, "/files.tar.zst")
}

/// All files below a folder, with what is in them and when they were written.
fn files(folder: &Path) -> BTreeMap<String, (String, u128)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let Ok(content) = std::fs::read(&path) else { continue };
            let written = std::fs::metadata(&path).and_then(|about| about.modified()).expect("a time");
            let written = written.duration_since(std::time::UNIX_EPOCH).expect("a time").as_nanos();
            let name = path.strip_prefix(folder).expect("inside").to_string_lossy().into_owned();
            found.insert(name, (String::from_utf8_lossy(&content).into_owned(), written));
        }
    }
    found
}
