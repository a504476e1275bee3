//! Calendars, contacts and files in the archive store: whole, usable, resumed, and verified.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use serde_json::{Value, json};
use usher::connectors::{ActionError, Connector, Observation};
use usher::run::Evidence;
use usher::workflow::ActionKind;

use super::line::Fault;
use super::radicale::USHER;
use super::target::{Calendars, Files, Share, card, event};
use crate::conformance::{call, perform};

async fn keep(connector: &Connector, action: ActionKind, with: &Value) -> Result<Evidence, ActionError> {
    perform(connector, &call(action, with, Some("jdoe"), &format!("run_1/{action}/x"), 1)).await
}

async fn verified(connector: &Connector, action: ActionKind) -> Observation {
    let made = call(action, &Value::Null, Some("jdoe"), &format!("run_1/{action}/x"), 7);
    connector.verify_archive(&made).await.expect("the archive store answers")
}

/// What is kept in the file of this name.
fn one<'a>(kept: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    let found: Vec<_> = kept.iter().filter(|(path, _)| path.ends_with(&format!("/{name}"))).collect();
    assert_eq!(found.len(), 1, "{name}: {:#?}", kept.keys());
    found[0].1
}

fn client() -> reqwest::Client {
    let builder = usher::outbound::client(None, std::time::Duration::from_secs(10)).expect("a client");
    builder.build().expect("a client")
}

/// Two events to come, one that repeats, one that is over, one that somebody else called, and one without guests.
async fn leaver() -> Calendars {
    let at = Calendars::start().await;
    // The suite's calls are made in December 2026.
    let weekly = event("3", "20250106T100000Z", "Weekly").replace("SUMMARY", "RRULE:FREQ=WEEKLY\r\nSUMMARY");
    let invited = event("5", "20280301T100000Z", "Invited").replace("ORGANIZER:mailto:jdoe", "ORGANIZER:mailto:boss");
    let alone = event("6", "20280301T100000Z", "Alone").replace("ATTENDEE:mailto:guest@example.org\r\n", "");
    let events = [
        ("1.ics", event("1", "20280101T100000Z", "Review")),
        ("2.ics", event("2", "20280201T100000Z", "Planning")),
        ("3.ics", weekly),
        ("4.ics", event("4", "20200101T100000Z", "Long ago")),
        ("5.ics", invited),
        ("6.ics", alone),
    ];
    let events: Vec<(&str, &str)> = events.iter().map(|(name, text)| (*name, text.as_str())).collect();
    at.calendar("jdoe", "work", &events);
    at.calendar("jdoe", "empty", &[]);
    at.address_book("jdoe", "friends", &[("c.vcf", &card("c", "Carla")), ("d.vcf", &card("d", "Dario"))]);
    at
}

#[tokio::test]
async fn calendars_are_kept_byte_by_byte_with_the_meetings_to_come() {
    let at = leaver().await;
    let evidence = keep(&at.connector, ActionKind::CalendarsExport, &Value::Null).await.expect("kept");
    for part in ["2 calendars with 6 events and tasks", "3 meetings to come were called by this account", "sha256:"] {
        assert!(evidence.detail.contains(part), "{evidence:?}");
    }
    let kept = at.kept();
    let whole = one(&kept, "work.ics");
    for number in 1..=6 {
        let url = at.server.url(&format!("jdoe/work/{number}.ics"));
        let get = client().get(&url).basic_auth(USHER.0, Some(USHER.1)).send().await.expect("an answer");
        let object = get.text().await.expect("an event");
        let begin = object.find("BEGIN:VEVENT").expect("an event");
        let end = object.find("END:VCALENDAR").expect("an end");
        assert!(whole.contains(&object[begin..end]), "{number}: {whole}");
    }
    let told: Value = serde_json::from_str(one(&kept, "calendars.json")).expect("a list");
    let work = told["calendars"].as_array().expect("calendars").iter().find(|one| one["calendar"] == "work");
    let meetings = work.expect("work")["meetings_to_come"].as_array().expect("meetings").clone();
    let titles: Vec<&str> = meetings.iter().filter_map(|meeting| meeting["title"].as_str()).collect();
    assert_eq!(titles, ["Weekly", "Review", "Planning"]);
    assert_eq!(
        meetings[0],
        json!({ "uid": "3", "starts": "20250106T100000Z", "title": "Weekly", "guests": 1, "repeats": true })
    );
    // What was kept is what another program takes.
    let put = client().put(at.server.url("boss/back/")).basic_auth(USHER.0, Some(USHER.1));
    let put = put.header("content-type", "text/calendar").body(whole.to_owned()).send().await.expect("an answer");
    assert_eq!(put.status(), 201);
    assert_eq!(at.events().keys().filter(|name| name.starts_with("boss/back/")).count(), 6);
}

#[tokio::test]
async fn cards_are_kept_in_one_file() {
    let at = leaver().await;
    let evidence = keep(&at.connector, ActionKind::ContactsExport, &Value::Null).await.expect("kept");
    assert!(evidence.detail.contains("1 address books with 2 cards"), "{evidence:?}");
    let kept = at.kept();
    let whole = one(&kept, "friends.vcf");
    assert!(whole.contains("FN:Carla") && whole.contains("FN:Dario") && whole.matches("BEGIN:VCARD").count() == 2);
}

#[tokio::test]
async fn an_export_that_is_cut_is_done_once() {
    let at = leaver().await;
    for fault in [Fault::Before("GET"), Fault::After("REPORT"), Fault::Within("GET", 0)] {
        at.line.once(0, fault.clone());
        let cut = keep(&at.connector, ActionKind::CalendarsExport, &Value::Null).await;
        assert!(matches!(cut, Err(ActionError::Retry { .. })), "{fault:?}: {cut:?}");
        let seen = verified(&at.connector, ActionKind::CalendarsExport).await;
        assert!(matches!(seen, Observation::NotReached(_)), "{seen:?}");
    }
    keep(&at.connector, ActionKind::CalendarsExport, &Value::Null).await.expect("kept");
    let kept = at.kept();
    assert_eq!(one(&kept, "work.ics").matches("BEGIN:VEVENT").count(), 6);
    // Asked again, nothing is read from the server but whether the account is there.
    at.line.asked();
    keep(&at.connector, ActionKind::CalendarsExport, &Value::Null).await.expect("found done");
    assert!(at.line.asked().iter().all(|asked| asked.starts_with("PROPFIND")));
    assert_eq!(at.kept(), kept);
}

#[tokio::test]
async fn an_archive_that_is_not_what_it_was_is_seen() {
    let at = leaver().await;
    let action = ActionKind::CalendarsExport;
    keep(&at.connector, action, &Value::Null).await.expect("kept");
    assert!(matches!(verified(&at.connector, action).await, Observation::Reached(_)));
    let path = at.kept().into_keys().find(|path| path.ends_with("/work.ics")).expect("the calendar");
    let path: PathBuf = at.server.folder.path().join("archives").join(path);
    let whole = std::fs::read_to_string(&path).expect("reads");
    std::fs::write(&path, whole.replace("Review", "Revenge")).expect("writes");
    let seen = verified(&at.connector, action).await;
    assert!(matches!(&seen, Observation::NotReached(_)), "a calendar that the list names: {seen:?}");
    std::fs::write(&path, whole).expect("writes");
    assert!(matches!(verified(&at.connector, action).await, Observation::Reached(_)));
    std::fs::remove_file(&path).expect("removes");
    assert!(matches!(verified(&at.connector, action).await, Observation::NotReached(_)));
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).take(length / 8).flatten().collect()
}

/// The files of an archive as it was kept, put together in the order of their names.
fn bytes(at: &Files, name: &str) -> Vec<u8> {
    let parts = at.kept().into_keys().filter(|path| path.contains(&format!("/{name}")));
    parts.flat_map(|path| std::fs::read(at.server.folder.path().join("archives").join(path)).expect("reads")).collect()
}

fn untarred(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(archive).expect("a stream"));
    let entries = archive.entries().expect("entries").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("reads");
        (entry.path().expect("a path").to_string_lossy().into_owned(), content)
    });
    let all: Vec<_> = entries.collect();
    let count = all.len();
    let all: BTreeMap<_, _> = all.into_iter().collect();
    assert_eq!(all.len(), count, "each is in it once");
    all
}

/// Whether the lists of checksums say of each file what it is.
fn sums_are_right(all: &BTreeMap<String, Vec<u8>>) {
    use sha2::Digest;
    let lists: String = all
        .iter()
        .filter(|(name, _)| name.starts_with("checksums/"))
        .map(|(_, text)| String::from_utf8_lossy(text).into_owned())
        .collect();
    let mut lines: Vec<&str> = lists.lines().collect();
    lines.sort_unstable_by_key(|line| &line[66..]);
    let files = all.iter().filter(|(name, _)| name.starts_with("files/") && !name.ends_with('/'));
    let own: Vec<String> =
        files.map(|(name, content)| format!("{}  {name}", hex::encode(sha2::Sha256::digest(content)))).collect();
    assert_eq!(lines, own);
}

#[tokio::test]
async fn files_are_archived_with_their_checksums() {
    let at = Files::start(Share::One).await;
    at.write("jdoe", "a.txt", b"a");
    at.write("jdoe", "plans/ü (1)&#%.txt", b"the plan");
    at.write("jdoe", "plans/2028/c.bin", &noise(300_000));
    std::fs::create_dir_all(at.server.root("jdoe").join("empty")).expect("a folder");
    let evidence = keep(&at.connector, ActionKind::FilesArchive, &json!({ "format": "tar" })).await.expect("kept");
    assert!(evidence.detail.contains("3 files with 300009 bytes in 3 folders"), "{evidence:?}");
    let all = untarred(&bytes(&at, "files.tar.zst"));
    assert_eq!(all["files/plans/ü (1)&#%.txt"], b"the plan");
    assert_eq!(all["files/plans/2028/c.bin"], noise(300_000));
    assert!(all.contains_key("files/empty/"));
    sums_are_right(&all);
    assert_eq!(at.files().len(), 3, "they are where they were");
    assert!(matches!(verified(&at.connector, ActionKind::FilesArchive).await, Observation::Reached(_)));
}

#[tokio::test]
async fn files_are_archived_as_zip_and_begun_anew_when_that_is_cut() {
    let at = Files::start(Share::One).await;
    at.write("jdoe", "a.txt", b"a");
    at.write("jdoe", "plans/b.bin", &noise(300_000));
    at.line.once(1, Fault::After("GET"));
    let cut = keep(&at.connector, ActionKind::FilesArchive, &json!({ "format": "zip" })).await;
    assert!(matches!(cut, Err(ActionError::Retry { .. })), "{cut:?}");
    keep(&at.connector, ActionKind::FilesArchive, &json!({ "format": "zip" })).await.expect("kept");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes(&at, "files.zip"))).expect("a zip");
    let names: Vec<String> = zip.file_names().map(|name| name.expect("a name").into_owned()).collect();
    let mut all = BTreeMap::new();
    for name in names {
        let mut content = Vec::new();
        zip.by_name(&name).expect("is there").read_to_end(&mut content).expect("reads");
        all.insert(name, content);
    }
    assert_eq!((all["files/a.txt"].as_slice(), all["files/plans/b.bin"].len()), (&b"a"[..], 300_000));
    sums_are_right(&all);
}

#[tokio::test]
async fn an_archive_of_files_that_is_cut_goes_on_behind_its_last_part() {
    let at = Files::start(Share::One).await;
    // A part ends once it has 64 MiB; the line is cut in what comes behind it.
    at.write("jdoe", "a/big.bin", &noise(68 * 1024 * 1024));
    at.write("jdoe", "a/c.bin", &noise(1024 * 1024));
    at.write("jdoe", "b/d.txt", b"d");
    at.line.once(2, Fault::After("GET"));
    let cut = keep(&at.connector, ActionKind::FilesArchive, &Value::Null).await;
    assert!(matches!(cut, Err(ActionError::Retry { .. })), "{cut:?}");
    at.line.asked();
    keep(&at.connector, ActionKind::FilesArchive, &Value::Null).await.expect("kept");
    let again: Vec<String> = at.line.asked().into_iter().filter(|asked| asked.starts_with("GET")).collect();
    assert!(again.iter().all(|asked| !asked.contains("big.bin")), "{again:?}");
    let all = untarred(&bytes(&at, "files.tar.zst"));
    assert_eq!((all["files/a/c.bin"].len(), all["files/b/d.txt"].as_slice()), (1024 * 1024, &b"d"[..]));
    assert_eq!(all["files/a/big.bin"].len(), 68 * 1024 * 1024);
    sums_are_right(&all);
}
