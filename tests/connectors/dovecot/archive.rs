//! `mail.archive`: whole, once, gone on with.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use futures::TryStreamExt;
use serde_json::{Value, json};
use usher::archive::{ArchiveName, ArchiveSettings, DavPlace, Manifest, Place};
use usher::connectors::dovecot::DovecotSettings;
use usher::connectors::{ActionError, Connector, Observation};
use usher::secret::SecretRef;
use usher::workflow::ActionKind;

use super::mailbox::{
    ADA, FOLDERS, Mail, Mailbox, content, furnished, host, kept_in, mail, mails, place_of, signed_in,
};
use super::server::Dovecot;
use super::{act, done, failed};
use crate::archive::Cutting;
use crate::conformance::call;
use crate::dav::wsgidav::{self, WsgiDav};

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
    let shown =
        |mails: &[Mail]| mails.iter().map(|(body, flags, at)| (body.len(), flags.clone(), *at)).collect::<Vec<_>>();
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

    /// What is in the archive, and what Dovecot has said meanwhile.
    fn told(&self) -> String {
        let name = ArchiveName::of("mailhost", ADA, "run_1/mail.archive");
        let found = unpacked(&self.dav.root("jdoe").join(name.as_str()));
        let kept: Vec<&String> = found.files.keys().collect();
        format!("{kept:#?}\n{:#}\n{}", found.manifest.content, self.server.read("dovecot.log"))
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
    assert!(said.contains("24 mails in 2 folders") && said.contains("gone on with behind"), "{said}\n{}", half.told());
    let read = half.line.back() - before;
    assert!(read < 30_000_000, "{read} bytes were read once more");
    half.is_whole().await;
}

/// A folder has been read already when another mail arrives there.
#[tokio::test]
async fn what_arrives_while_it_is_read_is_in_the_archive_too() {
    let half = HalfArchived::start().await;
    let mut ada = signed_in(&half.server, ADA).await;
    let arrives = half.line.still(10_000_000, async {
        ada.append("INBOX", None, None, mail("late", 1000)).await.expect("a mail");
    });
    let (said, ()) = tokio::join!(half.go_on(), arrives);
    assert!(said.contains("25 mails in 2 folders"), "{said}\n{}", half.told());
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
