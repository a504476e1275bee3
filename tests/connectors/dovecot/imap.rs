//! What is in a mailbox: archived, and copied to a colleague.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use async_imap::{Client, Session};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use usher::archive::{ArchiveName, ArchiveSettings, ArchiveStore, DavPlace, Manifest, Place};
use usher::connectors::dovecot::{DovecotSettings, DovecotSystem};
use usher::connectors::{ActionError, Connector, Observation};
use usher::outbound::Security;
use usher::run::Evidence;
use usher::secret::SecretRef;
use usher::workflow::ActionKind;

use super::server::{Dovecot, Variant};
use super::{act, done, failed};
use crate::archive::Cutting;
use crate::archive::{bytes, record};
use crate::conformance::{call, perform};
use crate::dav::wsgidav::{self, WsgiDav};

const ADA: &str = "ada1@example.org";
const BOSS: &str = "boss@example.org";

/// A mail host with archives in a folder, and a client past the connector.
struct Host {
    server: Dovecot,
    connector: Connector,
    home: tempfile::TempDir,
}

async fn host() -> Host {
    let server = Dovecot::start(2, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    let connector = fitted(&server, home.path(), |settings| settings).await;
    Host { server, connector, home }
}

async fn fitted(server: &Dovecot, home: &Path, change: impl FnOnce(DovecotSettings) -> DovecotSettings) -> Connector {
    kept_in(server, home, ArchiveSettings::folder(home.join("archives")), change).await
}

async fn kept_in(
    server: &Dovecot,
    home: &Path,
    place: ArchiveSettings,
    change: impl FnOnce(DovecotSettings) -> DovecotSettings,
) -> Connector {
    let archive = ArchiveStore::new(place, record(home).await);
    let system = DovecotSystem::new("mailhost", change(server.settings()));
    Connector::Dovecot(Box::new(system)).with_archive(&archive)
}

type Mailbox = Session<TcpStream>;

async fn signed_in(server: &Dovecot, user: &str) -> Mailbox {
    let stream = TcpStream::connect(("127.0.0.1", server.ports.imap)).await.expect("connects");
    let mut client = Client::new(stream);
    client.read_response().await.expect("a greeting");
    let password = format!("first-{}", user.split('@').next().expect("a name"));
    client.login(user, password).await.map_err(|(why, _)| why).expect("signs in")
}

/// A mail of about this length, unlike any other; with eight-bit letters in its text.
fn mail(id: &str, length: usize) -> Vec<u8> {
    let mut mail =
        format!("From: <client@partner.example>\r\nSubject: {id}\r\nMessage-ID: <{id}@partner.example>\r\n\r\n");
    mail.push_str("Gr\u{fc}\u{df}e\r\n");
    let mut mail = mail.into_bytes();
    mail.extend(b"\xe9\xff latin\r\n");
    let rest = length.saturating_sub(mail.len());
    for line in bytes(rest * 27 / 56).chunks(54) {
        mail.extend(hex::encode(line).as_bytes());
        mail.extend(b"\r\n");
    }
    mail
}

/// All mails of a folder: content, flags without `\Recent`, and when they arrived.
async fn mails(server: &Dovecot, user: &str, folder: &str) -> Vec<(Vec<u8>, BTreeSet<String>, i64)> {
    let mut mailbox = signed_in(server, user).await;
    let found = mailbox.examine(folder).await.expect("a folder");
    if found.exists == 0 {
        return Vec::new();
    }
    let answer = mailbox.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])").await.expect("mails");
    let mut mails: Vec<_> = answer
        .map_ok(|mail| {
            let flags = mail.flags().map(|flag| format!("{flag:?}")).filter(|flag| flag != "Recent").collect();
            (mail.body().expect("a body").to_vec(), flags, mail.internal_date().expect("a date").timestamp())
        })
        .try_collect()
        .await
        .expect("mails");
    mails.sort();
    mails
}

/// The folders that tests have: as they are called by people, and on the wire.
const FOLDERS: [(&str, &str); 4] = [
    ("Entw\u{fc}rfe/R&D", "Entw&APw-rfe/R&-D"),
    ("q\"uo\\te", "q\"uo\\te"),
    ("\u{53f0}\u{5317}", "&U,BTFw-"),
    ("Empty", "Empty"),
];

/// Mail in several folders, with flags, keywords and dates; one mail is too long to be held.
async fn furnished(server: &Dovecot) {
    for subject in ["one", "two"] {
        assert!(server.deliver("client@partner.example", ADA, subject).await.starts_with("250"));
    }
    let mut ada = signed_in(server, ADA).await;
    for (_, folder) in FOLDERS {
        ada.create(folder).await.expect("a folder");
    }
    for (number, (_, folder)) in FOLDERS.iter().take(3).enumerate() {
        let date = format!("\"0{}-Mar-2021 10:11:12 +0100\"", number + 1);
        let flags = ["(\\Seen \\Answered)", "(\\Flagged $Forwarded)", "(work \\Draft)"][number];
        ada.append(folder, Some(flags), Some(&date), mail(&format!("m{number}"), 2000)).await.expect("a mail");
        ada.append(folder, None, Some(&date), mail(&format!("n{number}"), 70_000)).await.expect("a mail");
    }
    ada.append("INBOX", Some("(\\Seen)"), None, mail("long", 6_000_000)).await.expect("a mail");
    ada.logout().await.ok();
}

/// The files of an archive: path, content, and when they were changed. Read past usher.
struct Unpacked {
    files: BTreeMap<String, (Vec<u8>, i64)>,
    folders: BTreeSet<String>,
    manifest: Manifest,
}

fn unpacked(place: &Path) -> Unpacked {
    let manifest: Manifest =
        serde_json::from_slice(&std::fs::read(place.join("manifest.json")).expect("a manifest")).expect("a manifest");
    let mut packed = Vec::new();
    for part in &manifest.files {
        packed.extend(std::fs::read(place.join(&part.file)).expect("a file"));
    }
    let whole = zstd::decode_all(packed.as_slice()).expect("unpacks");
    let (mut files, mut folders) = (BTreeMap::new(), BTreeSet::new());
    for entry in tar::Archive::new(whole.as_slice()).entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        if entry.header().entry_type().is_dir() {
            folders.insert(path);
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("reads");
        let at = i64::try_from(entry.header().mtime().expect("a time")).expect("fits");
        assert!(files.insert(path.clone(), (content, at)).is_none(), "{path} is there twice");
    }
    Unpacked { files, folders, manifest }
}

impl Unpacked {
    /// The mails of a folder: content, letters of the flags, and when they arrived.
    fn mails(&self, folder: &str) -> Vec<(Vec<u8>, String, i64)> {
        let within = format!("{folder}/cur/");
        let mut mails: Vec<_> = self
            .files
            .iter()
            .filter_map(|(path, (content, at))| {
                let (_, letters) = path.strip_prefix(&within)?.split_once(":2,")?;
                Some((content.clone(), letters.to_owned(), *at))
            })
            .collect();
        mails.sort();
        mails
    }
}

fn place_of(home: &Path, account: &str) -> std::path::PathBuf {
    let name = ArchiveName::of("mailhost", account, "run_1/mail.archive");
    home.join("archives").join(name.as_str())
}

fn content(mails: &[(Vec<u8>, BTreeSet<String>, i64)]) -> Vec<(Vec<u8>, i64)> {
    mails.iter().map(|(body, _, at)| (body.clone(), *at)).collect()
}

#[tokio::test]
async fn a_mailbox_is_archived_whole() {
    let host = host().await;
    furnished(&host.server).await;
    let said = done(&host.connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert!(said.contains("manifest sha256:") && said.contains("9 mails in 5 folders"), "{said}");
    let found = unpacked(&place_of(host.home.path(), ADA));
    for (folder, path) in [
        ("INBOX", "Maildir"),
        (FOLDERS[0].1, "Maildir/.Entw&APw-rfe.R&-D"),
        (FOLDERS[1].1, "Maildir/.q\"uo\\te"),
        (FOLDERS[2].1, "Maildir/.&U,BTFw-"),
        (FOLDERS[3].1, "Maildir/.Empty"),
    ] {
        let there = mails(&host.server, ADA, folder).await;
        let kept: Vec<(Vec<u8>, i64)> = found.mails(path).into_iter().map(|(body, _, at)| (body, at)).collect();
        assert!(content(&there) == kept, "{folder}: {} and {}", there.len(), kept.len());
        assert!(found.folders.contains(&format!("{path}/new")), "{:?}", found.folders);
    }
    let letters = |path: &str| found.mails(path).into_iter().map(|(_, letters, _)| letters).collect::<BTreeSet<_>>();
    assert_eq!(letters("Maildir/.Entw&APw-rfe.R&-D"), ["RS".to_owned(), String::new()].into());
    assert_eq!(letters("Maildir/.q\"uo\\te"), ["Fa".to_owned(), String::new()].into());
    assert_eq!(found.files["Maildir/.q\"uo\\te/dovecot-keywords"].0, b"0 $Forwarded\n");
    // Nothing was seen by reading it.
    let unseen = mails(&host.server, ADA, "INBOX").await.iter().filter(|(_, flags, _)| flags.is_empty()).count();
    assert_eq!(unseen, 2);
    let told = &found.manifest.content;
    assert_eq!((told["mails"].as_u64(), told["account"].as_str()), (Some(9), Some(ADA)));
    let folder = &told["folders"][FOLDERS[0].0];
    assert_eq!(
        (folder["mails"].as_u64(), folder["up_to_uid"].as_u64(), folder["gone_meanwhile"].as_u64()),
        (Some(2), Some(2), Some(0))
    );
    assert!(folder["uid_validity"].as_u64() > Some(0), "{folder}");

    // Dovecot itself reads it.
    let unpack = host.server.path("unpacked");
    std::fs::create_dir(&unpack).expect("a folder");
    for (path, (body, at)) in &found.files {
        let path = unpack.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(&path, body).expect("writes");
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at.unsigned_abs());
        std::fs::File::options().append(true).open(&path).expect("a file").set_modified(at).expect("a time");
    }
    host.server.give(&unpack);
    let from = format!("maildir:{}", unpack.join("Maildir").display());
    let asked =
        json!({ "user": "ada2@example.org", "sourceLocation": from, "destParentMailbox": "Back", "query": ["all"] });
    host.server.doveadm("import", asked).await;
    let back = mails(&host.server, "ada2@example.org", &format!("Back/{}", FOLDERS[1].1)).await;
    assert_eq!(back.len(), 2);
    let there = mails(&host.server, ADA, FOLDERS[1].1).await;
    let shown = |mails: &[(Vec<u8>, BTreeSet<String>, i64)]| {
        mails.iter().map(|(body, flags, at)| (body.len(), flags.clone(), *at)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&back), shown(&there));
    assert!(back == there, "content differs");
}

#[tokio::test]
async fn it_is_archived_once_and_read_again_before_a_deletion() {
    let host = host().await;
    furnished(&host.server).await;
    let asked = call(ActionKind::MailArchive, &Value::Null, Some(ADA), "run_1/mail.archive", 1);
    assert!(matches!(host.connector.observe(&asked).await, Ok(Observation::NotReached(_))));
    done(&host.connector, ActionKind::MailArchive, Value::Null, ADA).await;
    let manifest = place_of(host.home.path(), ADA).join("manifest.json");
    let before = std::fs::read(&manifest).expect("a manifest");
    assert!(host.server.deliver("client@partner.example", ADA, "late").await.starts_with("250"));
    done(&host.connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert_eq!(std::fs::read(&manifest).expect("a manifest"), before);
    for observation in [host.connector.observe(&asked).await, host.connector.verify_archive(&asked).await] {
        assert!(matches!(&observation, Ok(Observation::Reached(_))), "{observation:?}");
    }
    // One byte of it, its length as it was.
    let file = manifest.with_file_name("mail.tar.zst");
    let mut packed = std::fs::read(&file).expect("a file");
    let middle = packed.len() / 2;
    packed[middle] ^= 1;
    std::fs::write(&file, &packed).expect("writes");
    let verified = host.connector.verify_archive(&asked).await;
    assert!(
        matches!(&verified, Ok(Observation::NotReached(why)) if why.contains("is not what it was")),
        "{verified:?}"
    );
    std::fs::write(&file, &packed[1..]).expect("writes");
    let outcome = act(&host.connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert!(failed(&outcome).contains("is not what it was"), "{outcome:?}");
    std::fs::remove_dir_all(manifest.parent().expect("a folder")).expect("removes");
    assert!(matches!(host.connector.verify_archive(&asked).await, Ok(Observation::NotReached(_))));
    done(&host.connector, ActionKind::MailArchive, Value::Null, ADA).await;
}

#[tokio::test]
async fn an_empty_mailbox_and_a_missing_one() {
    let host = host().await;
    let said = done(&host.connector, ActionKind::MailArchive, Value::Null, "ada2@example.org").await;
    assert!(said.contains("0 mails in"), "{said}");
    let found = unpacked(&place_of(host.home.path(), "ada2@example.org"));
    assert!(found.files.is_empty() && found.folders.contains("Maildir/cur"), "{:?}", found.folders);
    for (account, with) in
        [("nobody@example.org", Value::Null), ("../x", Value::Null), (ADA, json!({ "format": "mbox" }))]
    {
        let outcome = act(&host.connector, ActionKind::MailArchive, with, account).await;
        failed(&outcome);
        assert!(!place_of(host.home.path(), account).exists(), "{account}");
    }
}

/// A mailbox of two folders whose archive was cut in the middle.
struct HalfArchived {
    server: Dovecot,
    dav: WsgiDav,
    line: Cutting,
    ada: Mailbox,
    connector: Connector,
    _home: tempfile::TempDir,
}

impl HalfArchived {
    async fn start() -> Self {
        let (server, dav) = (Dovecot::start(2, 9).await, WsgiDav::start().await);
        let home = tempfile::tempdir().expect("a folder");
        let line = Cutting::to(server.ports.imap).await;
        let mut ada = signed_in(&server, ADA).await;
        ada.create("Old").await.expect("a folder");
        for number in 0..24 {
            let folder = if number < 12 { "INBOX" } else { "Old" };
            ada.append(folder, None, None, mail(&format!("m{number}"), 1_500_000)).await.expect("a mail");
        }
        let login = Some((wsgidav::USHER.0.to_owned(), SecretRef::File(dav.folder.path().join("password"))));
        let place = Place::WebDav(DavPlace { url: dav.url("files/jdoe"), login, ca: None });
        let place = ArchiveSettings { place, timeout: std::time::Duration::from_secs(20) };
        let through = |mut settings: DovecotSettings| {
            settings.imap.as_mut().expect("a server").port = line.port;
            settings
        };
        let connector = kept_in(&server, home.path(), place, through).await;
        line.back_after(30_000_000);
        let outcome = act(&connector, ActionKind::MailArchive, Value::Null, ADA).await;
        assert!(matches!(outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
        let asked = call(ActionKind::MailArchive, &Value::Null, Some(ADA), "run_1/mail.archive", 1);
        assert!(matches!(connector.observe(&asked).await, Ok(Observation::NotReached(_))));
        Self { server, dav, line, ada, connector, _home: home }
    }

    /// Lets the archive come to its end; answers what is said of it.
    async fn go_on(&self) -> String {
        self.line.back_after(u64::MAX);
        done(&self.connector, ActionKind::MailArchive, Value::Null, ADA).await
    }

    async fn is_whole(&self) {
        let name = ArchiveName::of("mailhost", ADA, "run_1/mail.archive");
        let found = unpacked(&self.dav.root("jdoe").join(name.as_str()));
        for (folder, path) in [("INBOX", "Maildir"), ("Old", "Maildir/.Old")] {
            let kept: Vec<(Vec<u8>, i64)> = found.mails(path).into_iter().map(|(body, _, at)| (body, at)).collect();
            assert!(content(&mails(&self.server, ADA, folder).await) == kept, "{folder}");
        }
    }
}

/// Cut in the middle, gone on with; meanwhile one mail came and one was taken away.
#[tokio::test]
async fn an_archive_that_was_cut_is_gone_on_with() {
    let mut half = HalfArchived::start().await;
    let ada = &mut half.ada;
    ada.select("Old").await.expect("a folder");
    ada.append("INBOX", None, None, mail("meanwhile", 1000)).await.expect("a mail");
    ada.uid_store("12", "+FLAGS (\\Deleted)").await.expect("a flag").try_collect::<Vec<_>>().await.expect("a flag");
    ada.uid_expunge("12").await.expect("takes away").try_collect::<Vec<_>>().await.expect("takes away");
    let server = &half.server;
    assert_eq!((mails(server, ADA, "INBOX").await.len(), mails(server, ADA, "Old").await.len()), (13, 11));
    let before = half.line.back();
    let said = half.go_on().await;
    assert!(said.contains("24 mails in 2 folders") && said.contains("gone on with behind"), "{said}");
    let read = half.line.back() - before;
    assert!(read < 30_000_000, "{read} bytes were read once more");
    half.is_whole().await;
}

/// Dovecot has lost its list of a folder's numbers and made another: what is in the archive counts no more.
#[tokio::test]
async fn an_archive_begins_anew_where_a_folder_was_numbered_anew() {
    let half = HalfArchived::start().await;
    let inbox = half.server.path("mail/example.org/ada1/Maildir");
    for entry in std::fs::read_dir(&inbox).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("dovecot-uidlist") || name.starts_with("dovecot.index") {
            std::fs::remove_file(entry.path()).expect("is gone");
        }
    }
    let said = half.go_on().await;
    assert!(said.contains("24 mails in 2 folders") && !said.contains("gone on with behind"), "{said}");
    half.is_whole().await;
}

#[tokio::test]
async fn whoever_may_not_read_is_told_so() {
    let server = Dovecot::start_as(Variant::MastersAreDenied, 1, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    let wrong = home.path().join("wrong");
    std::fs::write(&wrong, "not-the-password").expect("writes");
    let connector = fitted(&server, home.path(), |mut settings| {
        settings.master.as_mut().expect("a master").password = SecretRef::File(wrong);
        settings
    })
    .await;
    let outcome = act(&connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert!(
        matches!(&outcome, Err(ActionError::Retry { reason, .. }) if reason.contains("is not let in")),
        "{outcome:?}"
    );
    let connector = fitted(&server, home.path(), |mut settings| {
        settings.imap.as_mut().expect("a server").port = crate::servers::free_port();
        settings
    })
    .await;
    let outcome = act(&connector, ActionKind::MailArchive, Value::Null, ADA).await;
    assert!(matches!(&outcome, Err(ActionError::Retry { .. })), "{outcome:?}");
    let connector = fitted(&server, home.path(), |settings| DovecotSettings { imap: None, ..settings }).await;
    for action in [ActionKind::MailArchive, ActionKind::MailTransfer] {
        let outcome = act(&connector, action, json!({ "to": BOSS }), ADA).await;
        assert!(failed(&outcome).contains("IMAP"), "{outcome:?}");
    }
}

#[tokio::test]
async fn the_line_is_secured_and_the_server_known() {
    let server = Dovecot::start(1, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    for (port, security) in [(server.ports.imaps, Security::Tls), (server.ports.imap, Security::StartTls)] {
        for (ca, well) in [(Some(server.path("ca.pem")), true), (None, false)] {
            let connector = fitted(&server, home.path(), |mut settings| {
                let imap = settings.imap.as_mut().expect("a server");
                (imap.port, imap.security) = (port, security);
                DovecotSettings { ca, ..settings }
            })
            .await;
            let outcome = act(&connector, ActionKind::MailTransfer, json!({ "to": BOSS }), ADA).await;
            assert_eq!(outcome.is_ok(), well, "{security:?}: {outcome:?}");
        }
    }
}

fn transfer() -> Value {
    json!({ "to": BOSS, "folder": "Left/Ada \u{e9}" })
}

/// The folder that a folder of Ada's becomes with her boss.
fn with_boss(folder: &str) -> String {
    format!("Left/Ada &AOk-/{folder}")
}

#[tokio::test]
async fn a_mailbox_is_copied_to_a_colleague_once() {
    let host = host().await;
    furnished(&host.server).await;
    // The same mail twice is wanted twice.
    let mut ada = signed_in(&host.server, ADA).await;
    for _ in 0..2 {
        ada.append("Empty", None, Some("\"01-Mar-2021 10:11:12 +0100\""), mail("twin", 500)).await.expect("a mail");
    }
    let said = done(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    assert!(said.contains("11 mails in 5 folders"), "{said}");
    let wire = ["INBOX", FOLDERS[0].1, FOLDERS[1].1, FOLDERS[2].1, FOLDERS[3].1];
    for folder in wire {
        let (from, to) = (mails(&host.server, ADA, folder).await, mails(&host.server, BOSS, &with_boss(folder)).await);
        assert!(from == to, "{folder}: {} and {}", from.len(), to.len());
    }
    // Again, and after somebody has read there: nothing comes twice. What is new comes.
    assert!(host.server.deliver("client@partner.example", ADA, "late").await.starts_with("250"));
    done(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    done(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    for folder in wire {
        let (from, to) = (mails(&host.server, ADA, folder).await, mails(&host.server, BOSS, &with_boss(folder)).await);
        assert!(content(&from) == content(&to), "{folder}: {} and {}", from.len(), to.len());
    }
    // Without a folder it has one of its own.
    let said = done(&host.connector, ActionKind::MailTransfer, json!({ "to": { "email": BOSS } }), ADA).await;
    assert!(said.contains("12 mails"), "{said}");
    assert_eq!(mails(&host.server, BOSS, "Departed/ada1@example-org/INBOX").await.len(), 4);
}

#[tokio::test]
async fn a_copy_that_was_cut_is_gone_on_with_and_nothing_is_there_twice() {
    let host = host().await;
    let mut ada = signed_in(&host.server, ADA).await;
    for number in 0..10 {
        ada.append("INBOX", None, None, mail(&format!("m{number}"), 300_000)).await.expect("a mail");
    }
    ada.append("INBOX", None, None, mail("long", 5_000_000)).await.expect("a mail");
    let line = Cutting::to(host.server.ports.imap).await;
    let connector = fitted(&host.server, host.home.path(), |mut settings| {
        settings.imap.as_mut().expect("a server").port = line.port;
        settings
    })
    .await;
    // In the middle of the small ones, in the middle of the long one, and right behind it.
    for bytes in [1_000_000, 3_500_000] {
        line.after(bytes);
        let outcome: Result<Evidence, ActionError> = act(&connector, ActionKind::MailTransfer, transfer(), ADA).await;
        assert!(matches!(outcome, Err(ActionError::Unknown { .. })), "{outcome:?}");
        let asked = call(ActionKind::MailTransfer, &transfer(), Some(ADA), "run_1/mail.transfer", 1);
        assert!(matches!(host.connector.observe(&asked).await, Ok(Observation::NotReached(_))));
    }
    line.after(u64::MAX);
    done(&connector, ActionKind::MailTransfer, transfer(), ADA).await;
    let (from, to) = (mails(&host.server, ADA, "INBOX").await, mails(&host.server, BOSS, &with_boss("INBOX")).await);
    assert!(from == to && to.len() == 11, "{} and {}", from.len(), to.len());
}

#[tokio::test]
async fn a_copy_that_does_not_fit_or_has_nobody_says_so() {
    let host = host().await;
    let mut ada = signed_in(&host.server, ADA).await;
    ada.append("INBOX", None, None, mail("m", 2000)).await.expect("a mail");
    for (to, said) in [
        ("nobody@example.org", "no account"),
        (ADA, "its own target"),
        ("a*b@example.org", "no account"),
        ("", "address"),
    ] {
        let outcome = act(&host.connector, ActionKind::MailTransfer, json!({ "to": to }), ADA).await;
        assert!(failed(&outcome).contains(said), "{to}: {outcome:?}");
    }
    // Names that would mean something to the protocol are names.
    for folder in ["x\" \"y", "a\r\nb1 DELETE INBOX", "%*", "../..", "&", "{5}"] {
        let with = json!({ "to": BOSS, "folder": folder });
        perform(&host.connector, &call(ActionKind::MailTransfer, &with, Some(ADA), folder, 1)).await.ok();
        assert_eq!(host.server.mails(ADA, "INBOX").await, 1, "{folder:?}");
    }
    let mut boss = signed_in(&host.server, BOSS).await;
    for number in 0..11 {
        if boss.append("INBOX", None, None, mail(&format!("f{number}"), 4_990_000)).await.is_err() {
            break;
        }
    }
    for length in [900_000, 90_000, 9_000, 3_000] {
        while boss.append("INBOX", None, None, mail("fill", length)).await.is_ok() {}
    }
    let outcome = act(&host.connector, ActionKind::MailTransfer, transfer(), ADA).await;
    let words = format!("{outcome:?}");
    assert!(words.to_lowercase().contains("quota") && outcome.is_err(), "{words}");
}

/// An archive of nothing, of a mailbox that holds something, would let the original be deleted.
#[tokio::test]
async fn folders_that_usher_may_not_see_are_not_left_out() {
    let server = Dovecot::start_as(Variant::MastersSeeNothing, 1, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    assert!(server.deliver("client@partner.example", ADA, "one").await.starts_with("250"));
    let connector = fitted(&server, home.path(), |settings| settings).await;
    for (action, with) in [(ActionKind::MailArchive, Value::Null), (ActionKind::MailTransfer, transfer())] {
        let outcome = act(&connector, action, with, ADA).await;
        assert!(failed(&outcome).contains("does not show to the master user"), "{outcome:?}");
    }
    assert!(!place_of(home.path(), ADA).join("manifest.json").exists());
}
