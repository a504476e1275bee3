//! What was archived before a deletion must be whole when the deletion comes.

use std::path::PathBuf;

use super::*;

/// The archive of Ada's mailbox.
fn archive(app: &App, run: i64) -> PathBuf {
    let folder = std::fs::read_dir(app.company.archive_path()).expect("archives");
    let name = format!("run_{run}-archive-");
    let mut mail = folder.map(|file| file.unwrap().path()).filter(|file| file.to_string_lossy().contains(&name));
    mail.next().expect("the archive of the mailbox")
}

both! {
    an_archive_that_is_not_whole_any_more_stops_the_deletion_of_its_account, async |app: &App| {
        let run = on_the_day(app).await;
        let file = archive(app, run);
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, b"spoilt").unwrap();
        app.drain().await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "fresh_read");
        let why = why_held(app, run, "delete@mailhost").await;
        assert!(why.contains("archive@mailhost") && why.contains("does not match its checksum"), "{why}");
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, DISABLED);
        assert_eq!(app.state(run, "delete@files").await.as_str(), "done", "another account has nothing to do with it");

        std::fs::remove_file(&file).unwrap();
        app.engine.retry(run, "delete@mailhost", "looked", "os:nils").await.unwrap();
        app.drain().await;
        assert!(why_held(app, run, "delete@mailhost").await.contains("is no longer there"));

        std::fs::write(&file, whole).unwrap();
        app.engine.retry(run, "delete@mailhost", "brought back from the copy", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(run, "delete@mailhost").await.as_str(), "done");

        // And once more before the purge, which nothing takes back.
        std::fs::write(&file, b"spoilt").unwrap();
        app.walk_to(crate::harness::zurich("2027-09-01T09:00")).await;
        assert_eq!(held_by(app, run, "delete.purge@mailhost").await, "fresh_read");
        assert!(app.account("mailhost", "m-0005").is_some());
        assert!(app.account("files", "f-0005").is_none());
    };
}
