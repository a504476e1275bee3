//! Archives in a folder: written, interrupted, gone on with, spoilt.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::secret::KeyRing;
use crate::store::Opening;

struct House {
    folder: tempfile::TempDir,
    archive: ArchiveStore,
    name: ArchiveName,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("usher.db").display());
    let ring = KeyRing::open_or_create(&folder.path().join("usher.key")).unwrap();
    let record = Store::open(&url, Opening::Migrate, Clock::System, ring, crate::run::Rules::default()).await.unwrap();
    let archive = ArchiveStore::new(ArchiveSettings::folder(folder.path().join("archives")), record);
    House { folder, archive, name: ArchiveName::of("mailhost", "m-1", "run_1/archive/mailhost") }
}

impl House {
    fn place(&self) -> std::path::PathBuf {
        self.folder.path().join("archives").join(self.name.as_str())
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.place().join(name)).unwrap()
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.place())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    async fn writing(&self) -> Box<Writing> {
        match self.archive.begin(&self.name, "mail.tar.zst").await.unwrap() {
            Begun::Writing(writing) => writing,
            Begun::Kept(kept) => panic!("{kept}"),
        }
    }

    async fn content(&self) -> Vec<u8> {
        let mut reading = self.archive.read(&self.name).await.unwrap();
        let mut all = Vec::new();
        while let Some(piece) = reading.next().await.unwrap() {
            all.extend(piece);
        }
        all
    }

    /// Three files, each ended by a checkpoint.
    async fn in_three(&self) -> Kept {
        let mut writing = self.writing().await;
        for (number, text) in ["one ", "two ", "three"].into_iter().enumerate() {
            writing.write(text.as_bytes()).await.unwrap();
            writing.checkpoint(json!({ "done": number + 1 })).await.unwrap();
        }
        writing.finish(json!({ "words": 3 })).await.unwrap()
    }

    async fn verdict(&self) -> Verdict {
        self.archive.verify(&self.name).await.unwrap()
    }
}

#[tokio::test]
async fn an_archive_is_its_files_and_a_manifest() {
    let house = house().await;
    assert!(matches!(house.verdict().await, Verdict::Gone(_)));
    let kept = house.in_three().await;
    assert_eq!(house.files(), ["mail.tar.zst", "mail.tar.zst.000002", "mail.tar.zst.000003", "manifest.json"]);
    assert_eq!(house.content().await, b"one two three");
    assert_eq!((kept.bytes, kept.sha256.as_str()), (13, digest::of(&house.file("manifest.json")).as_str()));
    let manifest: Manifest = serde_json::from_slice(&house.file("manifest.json")).unwrap();
    assert_eq!((manifest.archive.as_str(), manifest.bytes), (house.name.as_str(), 13));
    assert_eq!(manifest.files[1].sha256, digest::of(b"two "));
    assert_eq!(manifest.content, json!({ "words": 3 }));
    assert_eq!(house.verdict().await, Verdict::Whole(kept.clone()));
    assert_eq!(house.archive.kept(&house.name).await.unwrap(), Some(kept));
}

#[tokio::test]
async fn one_that_holds_nothing_is_one_too() {
    let house = house().await;
    let kept = house.writing().await.finish(json!(null)).await.unwrap();
    assert_eq!(house.files(), ["mail.tar.zst", "manifest.json"]);
    assert_eq!((kept.bytes, house.content().await.len()), (0, 0));
    assert_eq!(house.verdict().await, Verdict::Whole(kept));
}

#[tokio::test]
async fn a_finished_archive_is_found_and_never_written_over() {
    let house = house().await;
    let kept = house.in_three().await;
    let Begun::Kept(found) = house.archive.begin(&house.name, "mail.tar.zst").await.unwrap() else { panic!() };
    assert_eq!(found, kept);
    // Something else under its name: nobody knows what it is.
    std::fs::write(house.place().join("manifest.json"), b"{}").unwrap();
    let why = house.archive.begin(&house.name, "mail.tar.zst").await.unwrap_err();
    assert!(matches!(&why, ArchiveError::Fail(why) if why.contains("is not written over")), "{why}");
    assert_eq!(house.file("manifest.json"), b"{}");
}

#[tokio::test]
async fn somebody_elses_manifest_that_comes_in_between_is_not_written_over() {
    let house = house().await;
    let mut writing = house.writing().await;
    writing.write(b"mine").await.unwrap();
    // Its only file is finished and read back: there is nothing left to write but the manifest.
    writing.checkpoint(json!(4)).await.unwrap();
    writing.checkpoint(json!(4)).await.unwrap();
    std::fs::write(house.place().join("manifest.json"), b"theirs").unwrap();
    let why = writing.finish(json!(null)).await.unwrap_err();
    assert!(matches!(&why, ArchiveError::Fail(why) if why.contains("is not written over")), "{why}");
    assert_eq!(house.file("manifest.json"), b"theirs");
}

/// Whoever is cut off between the two has an archive that looks finished, and that nobody knows.
#[tokio::test]
async fn where_the_record_does_not_know_it_nothing_looks_finished() {
    let house = house().await;
    let mut writing = house.writing().await;
    writing.write(b"mine").await.unwrap();
    let url = format!("sqlite:{}", house.folder.path().join("usher.db").display());
    let mut conn = <sqlx::AnyConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::query("ALTER TABLE archives RENAME TO away").execute(&mut conn).await.unwrap();
    assert!(writing.finish(json!(null)).await.is_err());
    assert!(!house.place().join("manifest.json").exists());
    sqlx::query("ALTER TABLE away RENAME TO archives").execute(&mut conn).await.unwrap();
    let kept = house.writing().await.finish(json!(null)).await.unwrap();
    assert_eq!(house.verdict().await, Verdict::Whole(kept));
}

#[tokio::test]
async fn whoever_was_interrupted_goes_on_behind_the_last_checkpoint() {
    let house = house().await;
    let mut writing = house.writing().await;
    assert!(writing.note().is_none());
    for (text, note) in [("one ", 1), ("two ", 2)] {
        writing.write(text.as_bytes()).await.unwrap();
        writing.checkpoint(json!(note)).await.unwrap();
    }
    writing.write(b"half of thr").await.unwrap();
    // The second one is read back before the third begins; of the third nothing is there.
    drop(writing);
    assert_eq!(house.files(), ["mail.tar.zst", "mail.tar.zst.000002", "progress.json"]);
    assert!(matches!(house.verdict().await, Verdict::Gone(_)));
    let mut writing = house.writing().await;
    assert_eq!((writing.note(), writing.resumed_bytes()), (Some(&json!(2)), 8));
    writing.write(b"three").await.unwrap();
    let kept = writing.finish(json!(null)).await.unwrap();
    assert_eq!(house.content().await, b"one two three");
    assert_eq!(house.files(), ["mail.tar.zst", "mail.tar.zst.000002", "mail.tar.zst.000003", "manifest.json"]);
    assert_eq!(house.verdict().await, Verdict::Whole(kept));
}

#[tokio::test]
async fn what_an_interrupted_attempt_left_behind_is_no_part_of_it() {
    let house = house().await;
    std::fs::create_dir_all(house.place()).unwrap();
    for number in ["000002", "000003"] {
        std::fs::write(house.place().join(format!("mail.tar.zst.{number}")), b"left").unwrap();
    }
    let mut writing = house.writing().await;
    writing.write(b"short").await.unwrap();
    writing.finish(json!(null)).await.unwrap();
    assert_eq!(house.files(), ["mail.tar.zst", "manifest.json"]);
}

#[tokio::test]
async fn a_file_of_an_earlier_attempt_that_was_cut_off_is_noticed() {
    let house = house().await;
    let mut writing = house.writing().await;
    writing.write(b"one ").await.unwrap();
    writing.checkpoint(json!(1)).await.unwrap();
    writing.write(b"two").await.unwrap();
    drop(writing);
    std::fs::write(house.place().join("mail.tar.zst"), b"on").unwrap();
    let mut writing = house.writing().await;
    writing.write(b"two").await.unwrap();
    let why = writing.finish(json!(null)).await.unwrap_err();
    assert!(why.to_string().contains("2 bytes instead of 4"), "{why}");
    assert!(matches!(house.verdict().await, Verdict::Gone(_)));
}

#[tokio::test]
async fn more_than_one_piece_is_one_file() {
    let house = house().await;
    let mut writing = house.writing().await;
    let block: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 251) as u8).collect();
    let mut sum = Vec::new();
    for _ in 0..20 {
        writing.write(&block).await.unwrap();
        sum.extend_from_slice(&block);
    }
    let kept = writing.finish(json!(null)).await.unwrap();
    assert_eq!(house.files(), ["mail.tar.zst", "manifest.json"]);
    assert_eq!(house.content().await, sum);
    assert_eq!(house.verdict().await, Verdict::Whole(kept));
}

#[tokio::test]
async fn spoilt_and_gone_are_told_apart() {
    type Spoil = fn(&Path);
    let spoil: [(&str, Spoil, &str); 5] = [
        ("mail.tar.zst.000002", |file| std::fs::write(file, b"twO ").unwrap(), "is not what it was (4 bytes"),
        ("mail.tar.zst", |file| std::fs::write(file, b"one two").unwrap(), "is not what it was (7 bytes"),
        ("mail.tar.zst.000003", |file| std::fs::remove_file(file).unwrap(), "000003 is no longer there"),
        ("manifest.json", |file| std::fs::write(file, b"{\"files\":[]}").unwrap(), "the manifest of"),
        ("manifest.json", |file| std::fs::remove_file(file).unwrap(), "is no longer there"),
    ];
    for (file, how, said) in spoil {
        let house = house().await;
        house.in_three().await;
        how(&house.place().join(file));
        match house.verdict().await {
            Verdict::Spoilt(why) if file != "manifest.json" || said == "the manifest of" => {
                assert!(why.contains(said), "{why}");
            }
            Verdict::Gone(why) if said == "is no longer there" => assert!(why.contains(said), "{why}"),
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn one_that_is_gone_can_be_made_again() {
    let house = house().await;
    house.in_three().await;
    std::fs::remove_dir_all(house.place()).unwrap();
    let mut writing = house.writing().await;
    writing.write(b"again").await.unwrap();
    let kept = writing.finish(json!(null)).await.unwrap();
    assert_eq!(house.verdict().await, Verdict::Whole(kept));
}

#[tokio::test]
async fn a_folder_is_tried_out_without_leaving_anything_behind() {
    let house = house().await;
    assert!(house.archive.test().await.unwrap().contains("made with the first archive"));
    assert!(!house.folder.path().join("archives").exists());
    house.in_three().await;
    assert!(house.archive.test().await.unwrap().contains("reads them back"));
    let left = std::fs::read_dir(house.folder.path().join("archives/usher-test")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}
