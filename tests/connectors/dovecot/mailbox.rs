//! A mail host whose mailboxes are read: what tests put into them, and what they find there past usher.

use std::collections::BTreeSet;
use std::path::Path;

use async_imap::{Client, Session};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use usher::archive::{ArchiveName, ArchiveSettings, ArchiveStore};
use usher::connectors::Connector;
use usher::connectors::dovecot::{DovecotSettings, DovecotSystem};

use super::server::Dovecot;
use crate::archive::{bytes, record};

pub const ADA: &str = "ada1@example.org";
pub const BOSS: &str = "boss@example.org";

/// A mail host with archives in a folder, and a client past the connector.
pub struct Host {
    pub server: Dovecot,
    pub connector: Connector,
    pub home: tempfile::TempDir,
}

pub async fn host() -> Host {
    let server = Dovecot::start(2, 9).await;
    let home = tempfile::tempdir().expect("a folder");
    let connector = fitted(&server, home.path(), |settings| settings).await;
    Host { server, connector, home }
}

pub async fn fitted(
    server: &Dovecot,
    home: &Path,
    change: impl FnOnce(DovecotSettings) -> DovecotSettings,
) -> Connector {
    kept_in(server, home, ArchiveSettings::folder(home.join("archives")), change).await
}

pub async fn kept_in(
    server: &Dovecot,
    home: &Path,
    place: ArchiveSettings,
    change: impl FnOnce(DovecotSettings) -> DovecotSettings,
) -> Connector {
    let archive = ArchiveStore::new(place, record(home).await);
    let system = DovecotSystem::new("mailhost", change(server.settings()));
    Connector::Dovecot(Box::new(system)).with_archive(&archive)
}

pub type Mailbox = Session<TcpStream>;

/// Content, flags, and when it arrived.
pub type Mail = (Vec<u8>, BTreeSet<String>, i64);

pub async fn signed_in(server: &Dovecot, user: &str) -> Mailbox {
    let stream = TcpStream::connect(("127.0.0.1", server.ports.imap)).await.expect("connects");
    let mut client = Client::new(stream);
    client.read_response().await.expect("a greeting");
    let password = format!("first-{}", user.split('@').next().expect("a name"));
    client.login(user, password).await.map_err(|(why, _)| why).expect("signs in")
}

/// A mail of about this length, unlike any other; with eight-bit letters in its text.
pub fn mail(id: &str, length: usize) -> Vec<u8> {
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
pub async fn mails(server: &Dovecot, user: &str, folder: &str) -> Vec<Mail> {
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
pub const FOLDERS: [(&str, &str); 4] = [
    ("Entw\u{fc}rfe/R&D", "Entw&APw-rfe/R&-D"),
    ("q\"uo\\te", "q\"uo\\te"),
    ("\u{53f0}\u{5317}", "&U,BTFw-"),
    ("Empty", "Empty"),
];

/// Mail in several folders, with flags, keywords and dates; one mail is too long to be held.
pub async fn furnished(server: &Dovecot) {
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

pub fn place_of(home: &Path, account: &str) -> std::path::PathBuf {
    let name = ArchiveName::of("mailhost", account, "run_1/mail.archive");
    home.join("archives").join(name.as_str())
}

pub fn content(mails: &[Mail]) -> Vec<(Vec<u8>, i64)> {
    mails.iter().map(|(body, _, at)| (body.clone(), *at)).collect()
}

pub fn transfer() -> Value {
    json!({ "to": BOSS, "folder": "Left/Ada \u{e9}" })
}

/// The folder that a folder of Ada's becomes with her boss.
pub fn with_boss(folder: &str) -> String {
    format!("Left/Ada &AOk-/{folder}")
}
