//! Tampering with the checkpoints themselves, and with the tree that they are over.

use super::{HOUR, an_hour_with_news, checkpoint, doubts, people_only, small_run};
use crate::database::Db;
use crate::harness::{App, play_rough};

/// Heads, checkpoints and marks are part of the record, and may be changed too.
async fn tampering_with_checkpoints_is_found(app: &App) {
    people_only(app).await;
    let run = small_run(app).await;
    for _ in 0..3 {
        an_hour_with_news(app, run).await;
        assert_eq!(checkpoint(app).await.len(), 1);
    }
    let kept: Vec<String> = app.store.checkpoints_after(0, 10).await.unwrap().into_iter().map(|one| one.note).collect();
    assert_eq!(doubts(app, &kept).await, [""; 0]);
    for table in ["heads", "checkpoints", "runs"] {
        app.sql(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
    let second = &kept[1];
    let forged = second.replacen("\n2\n", "\n1\n", 1);
    let moved = kept[0].clone();
    let cases: [(&str, String, &str); 8] = [
        (
            "a leaf names another entry",
            "UPDATE heads SET seq = seq - 1 WHERE leaf = 0".into(),
            "signed over other heads",
        ),
        ("a leaf is taken out", "DELETE FROM heads WHERE leaf = 1".into(), "head 1 of the tree is missing"),
        (
            "a leaf is added",
            format!("INSERT INTO heads SELECT 3, run_id, seq, hash FROM heads WHERE leaf = 2 AND run_id = {run}"),
            "under no checkpoint",
        ),
        (
            "the last checkpoint is taken out",
            "DELETE FROM checkpoints WHERE tree_size = 3".into(),
            "under no checkpoint",
        ),
        ("a note is changed", format!("UPDATE checkpoints SET note = '{forged}' WHERE tree_size = 2"), "does not fit"),
        (
            "a note is put in the place of another",
            format!("UPDATE checkpoints SET note = '{moved}' WHERE tree_size = 2"),
            "its row was changed",
        ),
        ("a note is none", "UPDATE checkpoints SET note = 'x' WHERE tree_size = 1".into(), "not a signed note"),
        (
            "a run is hidden from checkpoints to come",
            "UPDATE runs SET seq = seq + 1, head = 'x'".into(),
            "the mark was forged",
        ),
    ];
    for (what, change, words) in &cases {
        assert_eq!(app.sql(change).await.unwrap(), 1, "{what}");
        let found = doubts(app, &[]).await;
        assert!(found.iter().any(|doubt| doubt.contains(words)), "{what}: {found:?}");
        for table in ["heads", "checkpoints"] {
            app.sql(&format!("DELETE FROM {table}")).await.unwrap();
            app.sql(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await.unwrap();
        }
        let back = "UPDATE runs SET seq = (SELECT k.seq FROM kept_runs k WHERE k.id = runs.id), \
                    head = (SELECT k.head FROM kept_runs k WHERE k.id = runs.id)";
        app.sql(back).await.unwrap();
        assert_eq!(doubts(app, &[]).await, [""; 0], "{what}");
    }
    // The end of everything is cut off, and nothing inside contradicts it: what was kept elsewhere does.
    app.sql("DELETE FROM checkpoints WHERE tree_size = 3").await.unwrap();
    app.sql("DELETE FROM heads WHERE leaf = 2").await.unwrap();
    app.sql("UPDATE runs SET checkpointed = 0").await.unwrap();
    assert_eq!(doubts(app, &[]).await, [""; 0]);
    let found = doubts(app, &kept).await;
    assert!(found.len() == 1 && found[0].contains("covers 3 heads, and the record has 2"), "{found:?}");
    // Somebody who has no key of ours signs a checkpoint of their own.
    let other = App::new(app.home.db).await;
    let theirs = other
        .store
        .note_signer()
        .await
        .unwrap()
        .sign("usher/theirs\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    let found = doubts(app, &[theirs]).await;
    assert!(found[0].contains("no key that is trusted here"), "{found:?}");
    other.end().await;
    // Our own key signs a tree of another log.
    let ours = app.store.note_signer().await.unwrap();
    let found = doubts(app, &[ours.sign("usher/theirs\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")]).await;
    assert!(found.len() == 1 && found[0].contains("is no checkpoint of this record"), "{found:?}");
}

#[tokio::test]
async fn tampering_with_checkpoints_is_found_on_sqlite() {
    play_rough(Db::Sqlite, tampering_with_checkpoints_is_found).await;
}

#[tokio::test]
async fn tampering_with_checkpoints_is_found_on_postgres() {
    play_rough(Db::Postgres, tampering_with_checkpoints_is_found).await;
}

/// A tree that is not the one that was signed is not signed any further.
async fn two_histories_are_never_signed(app: &App) {
    people_only(app).await;
    let run = small_run(app).await;
    an_hour_with_news(app, run).await;
    checkpoint(app).await;
    an_hour_with_news(app, run).await;
    app.sql("CREATE TABLE kept AS SELECT * FROM checkpoints").await.unwrap();
    for change in [
        "UPDATE checkpoints SET peaks = '[\"0000000000000000000000000000000000000000000000000000000000000000\"]'",
        "UPDATE checkpoints SET peaks = '[]'",
        "UPDATE checkpoints SET note = 'x'",
        "UPDATE checkpoints SET tree_size = 2",
        "DELETE FROM checkpoints",
        "INSERT INTO heads (leaf, run_id, seq, hash) SELECT 1, run_id, seq, hash FROM heads WHERE leaf = 0",
        "DELETE FROM meta WHERE name = 'signing_key'",
    ] {
        app.sql(change).await.unwrap();
        let said = app.store.checkpoint(HOUR).await.unwrap_err().to_string();
        assert!(said.contains("checkpoint"), "{change}: {said}");
        if change.contains("signing_key") {
            assert!(said.contains("the key that signed them has been taken out"), "{said}");
            assert_eq!(
                app.number("SELECT COUNT(*) FROM meta WHERE name = 'signing_key'").await,
                0,
                "none is made anew"
            );
        }
        app.sql("DELETE FROM checkpoints").await.unwrap();
        app.sql("INSERT INTO checkpoints SELECT * FROM kept").await.unwrap();
        app.sql("DELETE FROM heads WHERE leaf > 0").await.unwrap();
    }
}

#[tokio::test]
async fn two_histories_are_never_signed_on_sqlite() {
    play_rough(Db::Sqlite, two_histories_are_never_signed).await;
}

#[tokio::test]
async fn two_histories_are_never_signed_on_postgres() {
    play_rough(Db::Postgres, two_histories_are_never_signed).await;
}
