//! Archives in a folder that is full, on a real WebDAV server, and in a real store that speaks S3.

mod proxy;
mod weed;

use std::time::Duration;

use serde_json::json;
use usher::archive::{
    ArchiveError, ArchiveName, ArchiveSettings, ArchiveStore, Begun, DavPlace, Kept, Place, S3Place, Verdict, Writing,
};
use usher::clock::Clock;
use usher::run::Rules;
use usher::secret::{KeyRing, SecretRef};
use usher::store::{Opening, Store};

use self::proxy::Cutting;
use self::weed::Weed;
use crate::dav::wsgidav::{self, WsgiDav};
use crate::servers::free_port;

const MEBI: usize = 1024 * 1024;

/// A record for one test.
pub async fn record(folder: &std::path::Path) -> Store {
    let ring = KeyRing::open_or_create(&folder.join("usher.key")).expect("a key");
    let url = format!("sqlite:{}", folder.join("usher.db").display());
    Store::open(&url, Opening::Migrate, Clock::System, ring, Rules::default()).await.expect("a record")
}

fn name(run: u32) -> ArchiveName {
    ArchiveName::of("mailhost", "m-1", &format!("run_{run}/archive/mailhost"))
}

/// Bytes that do not compress, and differ everywhere.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        all.extend(next());
    }
    all.truncate(length);
    all
}

async fn begin(archive: &ArchiveStore, name: &ArchiveName) -> Result<Box<Writing>, ArchiveError> {
    match archive.begin(name, "mail.tar.zst").await? {
        Begun::Writing(writing) => Ok(writing),
        Begun::Kept(kept) => panic!("{kept} is there already"),
    }
}

/// Writes it in pieces, with a checkpoint wherever a file may end; goes on where another attempt was cut.
async fn keep(archive: &ArchiveStore, name: &ArchiveName, content: &[u8]) -> Result<(Kept, usize), ArchiveError> {
    let mut writing = begin(archive, name).await?;
    let resumed = writing.note().map_or(0, |note| usize::try_from(note.as_u64().expect("a number")).expect("fits"));
    let mut at = resumed;
    for piece in content[resumed..].chunks(300_000) {
        writing.write(piece).await?;
        at += piece.len();
        if writing.is_ripe() {
            writing.checkpoint(json!(at)).await?;
        }
    }
    Ok((writing.finish(json!({ "bytes": at })).await?, resumed))
}

async fn content(archive: &ArchiveStore, name: &ArchiveName) -> Vec<u8> {
    let mut reading = archive.read(name).await.expect("an archive");
    let mut all = Vec::new();
    while let Some(piece) = reading.next().await.expect("reads") {
        all.extend(piece);
    }
    all
}

/// What every place must do: keep, find again, refuse to write over, notice what is spoilt and gone. `spoil` changes the
/// first file and `lose` takes the manifest away, past usher.
async fn keeps(archive: &ArchiveStore, spoil: impl AsyncFn(&ArchiveName), lose: impl AsyncFn(&ArchiveName)) {
    let found = archive.test().await.expect("takes archives");
    assert!(found.contains("reads them back"), "{found}");
    let whole = bytes(21 * MEBI);
    let (kept, _) = keep(archive, &name(1), &whole).await.expect("keeps");
    assert_eq!(kept.bytes, whole.len() as u64);
    assert!(content(archive, &name(1)).await == whole);
    assert_eq!(archive.verify(&name(1)).await, Ok(Verdict::Whole(kept.clone())));
    let Ok(Begun::Kept(again)) = archive.begin(&name(1), "mail.tar.zst").await else { panic!("begins anew") };
    assert_eq!(again, kept);
    assert!(matches!(archive.verify(&name(2)).await, Ok(Verdict::Gone(_))));

    spoil(&name(1)).await;
    assert!(matches!(archive.verify(&name(1)).await, Ok(Verdict::Spoilt(_))));
    assert!(matches!(archive.look(&name(1)).await, Ok(Verdict::Spoilt(_))));
    lose(&name(1)).await;
    assert!(matches!(archive.verify(&name(1)).await, Ok(Verdict::Gone(_))));

    // Two at once, of which one was faster: the slower does not write over it.
    let mut slower = begin(archive, &name(3)).await.expect("begins");
    slower.write(b"slower").await.expect("writes");
    slower.checkpoint(json!(6)).await.expect("a file");
    slower.write(b" and late").await.expect("writes");
    let (faster, _) = keep(archive, &name(3), b"slower, and gone on with").await.expect("keeps");
    let before = content(archive, &name(3)).await;
    let why = slower.finish(json!(null)).await.expect_err("writes over");
    assert!(why.to_string().contains("is not written over"), "{why}");
    assert_eq!(
        (before.as_slice(), content(archive, &name(3)).await),
        (&b"slower, and gone on with"[..], before.clone())
    );
    assert_eq!(archive.look(&name(3)).await, Ok(Verdict::Whole(faster)));
}

fn dav(url: String, password: SecretRef) -> ArchiveSettings {
    let login = Some((wsgidav::USHER.0.to_owned(), password));
    ArchiveSettings { place: Place::WebDav(DavPlace { url, login, ca: None }), timeout: Duration::from_secs(10) }
}

fn s3(url: String, password: SecretRef, retain: Option<Duration>) -> ArchiveSettings {
    let place = S3Place {
        url: Some(url),
        bucket: weed::BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        user: weed::KEY.0.to_owned(),
        password,
        retain,
        ca: None,
    };
    ArchiveSettings { place: Place::S3(place), timeout: Duration::from_secs(10) }
}

#[tokio::test]
async fn archives_are_kept_on_a_webdav_server() {
    let (server, home) = (WsgiDav::start().await, tempfile::tempdir().expect("a folder"));
    let password = SecretRef::File(server.folder.path().join("password"));
    let archive = ArchiveStore::new(dav(server.url("files/jdoe"), password), record(home.path()).await);
    let place = |name: &ArchiveName| server.root("jdoe").join(name.as_str());
    let spoil = async |name: &ArchiveName| std::fs::write(place(name).join("mail.tar.zst"), b"spoilt").expect("writes");
    let lose = async |name: &ArchiveName| std::fs::remove_file(place(name).join("manifest.json")).expect("removes");
    keeps(&archive, spoil, lose).await;
    let left: Vec<String> = std::fs::read_dir(place(&name(3)))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert!(!left.iter().any(|file| file.ends_with(".new") || file == "progress.json"), "{left:?}");
}

#[tokio::test]
async fn archives_are_kept_in_a_bucket_and_locked() {
    let (server, home) = (Weed::start().await, tempfile::tempdir().expect("a folder"));
    let password = SecretRef::File(server.folder.path().join("password"));
    let year = Duration::from_secs(365 * 86_400);
    let record = record(home.path()).await;
    let open = ArchiveStore::new(s3(server.url(), password.clone(), None), record.clone());
    let path = |name: &ArchiveName, file: &str| format!("{}/{name}/{file}", weed::BUCKET);
    let spoil = async |name: &ArchiveName| {
        assert_eq!(server.ask("PUT", &path(name, "mail.tar.zst"), &[]).await.0, 200);
    };
    let lose = async |name: &ArchiveName| {
        assert_eq!(server.ask("DELETE", &path(name, "manifest.json"), &[]).await.0, 204);
    };
    keeps(&open, spoil, lose).await;
    assert!(!server.ask("HEAD", &path(&name(3), "manifest.json"), &[]).await.1.contains("object-lock"));

    let locked = ArchiveStore::new(s3(server.url(), password, Some(year)), record);
    // One whole, and one in pieces.
    for (run, length) in [(11, 1000), (12, 20 * MEBI)] {
        let whole = bytes(length);
        let (kept, _) = keep(&locked, &name(run), &whole).await.expect("keeps");
        assert_eq!(locked.verify(&name(run)).await, Ok(Verdict::Whole(kept)));
        for file in ["mail.tar.zst", "manifest.json"] {
            let (status, shown) = server.ask("HEAD", &path(&name(run), file), &[]).await;
            assert_eq!(status, 200);
            assert!(shown.contains("\"x-amz-object-lock-mode\": \"COMPLIANCE\""), "{shown}");
            let version = shown.split("\"x-amz-version-id\": \"").nth(1).and_then(|rest| rest.split('"').next());
            let version = format!("{}?versionId={}", path(&name(run), file), version.expect("a version"));
            assert_eq!(server.ask("DELETE", &version, &[]).await.0, 403, "{file} can be taken away");
        }
    }
    assert!(locked.test().await.is_ok());
}

#[tokio::test]
async fn whoever_may_not_write_is_told_so_and_who_is_away_is_asked_again() {
    let (webdav, weed, home) = (WsgiDav::start().await, Weed::start().await, tempfile::tempdir().expect("a folder"));
    let record = record(home.path()).await;
    let wrong = home.path().join("wrong");
    std::fs::write(&wrong, "not-the-password").expect("writes");
    let wrong = SecretRef::File(wrong);
    for settings in [dav(webdav.url("files/jdoe"), wrong.clone()), s3(weed.url(), wrong.clone(), None)] {
        let archive = ArchiveStore::new(settings, record.clone());
        for why in [archive.test().await.map(|_| ()), keep(&archive, &name(1), b"x").await.map(|_| ())] {
            let why = why.expect_err("is let in");
            assert!(matches!(why, ArchiveError::Fail(_)), "{why:?}");
            assert!(!why.to_string().contains("not-the-password"), "{why}");
        }
    }
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let missing = SecretRef::File(home.path().join("missing"));
    for settings in [
        dav(nobody.clone(), wrong.clone()),
        s3(nobody, wrong, None),
        s3(weed.url(), missing.clone(), None),
        dav(webdav.url("files/jdoe"), missing),
    ] {
        let archive = ArchiveStore::new(settings, record.clone());
        let why = keep(&archive, &name(1), b"x").await.expect_err("keeps it with nobody");
        assert!(matches!(why, ArchiveError::Retry(_)), "{why:?}");
        let why = archive.test().await.expect_err("keeps it with nobody");
        assert!(matches!(why, ArchiveError::Retry(_)), "{why:?}");
    }
}

/// Cut off in the middle: nothing looks finished, and the next attempt goes on.
async fn goes_on(archive: &ArchiveStore, line: &Cutting, after: u64, whole: &[u8]) {
    line.after(after);
    let why = keep(archive, &name(7), whole).await.expect_err("gets through");
    assert!(matches!(why, ArchiveError::Retry(_)), "{why:?}");
    line.after(u64::MAX);
    assert!(matches!(archive.verify(&name(7)).await, Ok(Verdict::Gone(_))));
    let (kept, resumed) = keep(archive, &name(7), whole).await.expect("goes on");
    assert!(resumed > 0 && resumed < whole.len(), "goes on at {resumed}");
    assert!(content(archive, &name(7)).await == whole);
    assert_eq!(archive.verify(&name(7)).await, Ok(Verdict::Whole(kept)));
}

#[tokio::test]
async fn an_archive_that_was_cut_goes_on_on_a_webdav_server() {
    let (server, home) = (WsgiDav::start().await, tempfile::tempdir().expect("a folder"));
    let line = Cutting::to(server.port()).await;
    let password = SecretRef::File(server.folder.path().join("password"));
    let url = format!("http://127.0.0.1:{}/files/jdoe", line.port);
    let archive = ArchiveStore::new(dav(url, password), record(home.path()).await);
    goes_on(&archive, &line, 30 * MEBI as u64, &bytes(40 * MEBI)).await;
}

#[tokio::test]
async fn an_archive_that_was_cut_goes_on_in_a_bucket() {
    let (server, home) = (Weed::start().await, tempfile::tempdir().expect("a folder"));
    let line = Cutting::to(server.port()).await;
    let password = SecretRef::File(server.folder.path().join("password"));
    let url = format!("http://127.0.0.1:{}", line.port);
    let archive = ArchiveStore::new(s3(url, password, None), record(home.path()).await);
    goes_on(&archive, &line, 100 * MEBI as u64, &bytes(150 * MEBI)).await;
}

/// A small disk in memory; gone with this value.
struct Disk(tempfile::TempDir);

impl Drop for Disk {
    fn drop(&mut self) {
        std::process::Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
}

#[tokio::test]
async fn a_full_disk_finishes_nothing_and_is_asked_again() {
    if std::env::var("USHER_STORM_DISK").is_ok_and(|word| word == "no") {
        return;
    }
    let (disk, home) = (Disk(tempfile::tempdir().expect("a folder")), tempfile::tempdir().expect("a folder"));
    let mut mount = std::process::Command::new("mount");
    let mount = mount.args(["-t", "tmpfs", "-o", "size=12m", "usher-archive"]).arg(disk.0.path()).status();
    let said = "a small disk cannot be mounted: run this test as root, or leave it out with USHER_STORM_DISK=no";
    assert!(mount.is_ok_and(|status| status.success()), "{said}");
    let archive = ArchiveStore::new(ArchiveSettings::folder(disk.0.path().to_owned()), record(home.path()).await);
    let whole = bytes(20 * MEBI);
    let why = keep(&archive, &name(1), &whole).await.expect_err("fits");
    assert!(matches!(&why, ArchiveError::Retry(why) if why.contains("No space left")), "{why:?}");
    assert!(matches!(archive.verify(&name(1)).await, Ok(Verdict::Gone(_))));
    let grown = std::process::Command::new("mount").args(["-o", "remount,size=64m"]).arg(disk.0.path()).status();
    assert!(grown.is_ok_and(|status| status.success()));
    keep(&archive, &name(1), &whole).await.expect("fits now");
    assert!(content(&archive, &name(1)).await == whole);
}
