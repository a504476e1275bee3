//! Signed checkpoints find what the chains alone cannot: somebody who may write the whole database, and recomputes what
//! they have changed.

mod forging;
mod tampering;

use std::collections::BTreeMap;
use std::time::Duration;

use usher::run::checkpoint::{TreeHead, notes_in};
use usher::secret::{NoteVerifier, open_note};
use usher::store::{Checkpoint, Proof};

use super::{SMALL, people_only, small_run, small_run_due};
use crate::harness::{App, request};

const HOUR: Duration = Duration::from_secs(3600);

async fn trusted(app: &App) -> Vec<NoteVerifier> {
    app.store.note_verifier().await.unwrap().into_iter().collect()
}

async fn proof(app: &App, outside: &[String]) -> Proof {
    app.store.prove(&trusted(app).await, outside).await.unwrap()
}

/// What is wrong with the checkpoints, in words.
async fn doubts(app: &App, outside: &[String]) -> Vec<String> {
    let about = |run: Option<String>| run.unwrap_or_else(|| "checkpoints".to_owned());
    proof(app, outside)
        .await
        .doubts
        .into_iter()
        .map(|doubt| format!("{}: {}", about(doubt.run), doubt.problem))
        .collect()
}

async fn checkpoint(app: &App) -> Vec<Checkpoint> {
    app.store.checkpoint(HOUR).await.unwrap().into_iter().map(|made| made.checkpoint).collect()
}

/// An hour later somebody says something to a run.
async fn an_hour_with_news(app: &App, run: i64) {
    app.clock.set(app.now() + jiff::SignedDuration::from_hours(1));
    app.engine.pause(run, "a word", "os:nils").await.unwrap();
    app.engine.resume(run, "another", "os:nils").await.unwrap();
}

both! {
    a_checkpoint_is_made_once_an_hour_and_only_when_something_happened, async |app: &App| {
        assert_eq!(checkpoint(app).await, [], "nothing has ever happened");
        let run = small_run_due(app).await;
        let [first] = &checkpoint(app).await[..] else { panic!("the first head is signed at once") };
        assert_eq!((first.tree_size, first.made_at), (1, app.now().as_millisecond()));
        assert_eq!(checkpoint(app).await, []);
        app.drain().await;
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(59));
        assert_eq!(checkpoint(app).await, [], "an hour is not over");
        app.clock.set(app.now() + jiff::SignedDuration::from_mins(1));
        let [second] = &checkpoint(app).await[..] else { panic!("an hour is over") };
        assert_eq!(second.tree_size, 2);
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(5));
        assert_eq!(checkpoint(app).await, [], "nothing has happened since");
        // Its note is a checkpoint of the tree over both heads, signed under its origin.
        let keys = trusted(app).await;
        let head = TreeHead::parse(open_note(&second.note, &keys).unwrap()).unwrap();
        assert_eq!((head.origin.as_str(), head.size), (keys[0].name(), 2));
        let heads = app.store.heads_from(0, 10).await.unwrap();
        assert_eq!(heads.iter().map(|(_, head)| head.run).collect::<Vec<_>>(), [run, run]);
        let book = app.book(run).await;
        assert_eq!((heads[1].1.seq, heads[1].1.hash.as_str()), (book.run.seq, book.run.head.as_str()));
        assert_eq!(proof(app, &[]).await, Proof { checkpoints: 2, outside: 0, heads: 2, doubts: Vec::new() });
    };

    what_one_does_not_cover_the_next_one_does_at_once, async |app: &App| {
        let people = 502;
        let row = |n: usize| format!("{n:05},Robin,Crowd {n},2020-01-06,active\n");
        let csv: String = (1..=people).map(row).collect();
        app.told(&format!("employee_number,given_name,family_name,start_date,status\n{csv}")).await;
        let engine = app.restarted(app.systems(), &[("small", SMALL)]).await;
        let mut asked: Vec<_> =
            (1..=people).map(|n| request("small", &format!("{n:05}"), &[("last_day", "2027-01-29")])).collect();
        let later = asked.split_off(501);
        assert!(engine.start_many(&asked).await.unwrap().iter().all(Result::is_ok));
        let sizes = async || {
            let made = app.store.checkpoints_after(0, 10).await.unwrap();
            made.iter().map(|one| one.tree_size).collect::<Vec<_>>()
        };
        assert!(engine.checkpoint().await.unwrap(), "one is left");
        assert_eq!(sizes().await, [500]);
        assert!(!engine.checkpoint().await.unwrap());
        assert_eq!(sizes().await, [500, 501]);
        // The next one waits for its hour again.
        assert!(engine.start_many(&later).await.unwrap().iter().all(Result::is_ok));
        assert!(!engine.checkpoint().await.unwrap());
        assert_eq!(sizes().await, [500, 501]);
        app.clock.set(app.now() + jiff::SignedDuration::from_hours(1));
        assert!(!engine.checkpoint().await.unwrap());
        assert_eq!(sizes().await, [500, 501, 502]);
        assert_eq!(proof(app, &[]).await.doubts, Vec::new());
        engine.store().close().await;
    };

    of_several_daemons_one_makes_it, async |app: &App| {
        people_only(app).await;
        let run = small_run(app).await;
        let stores = [app.store.clone(), app.another_store().await, app.another_store().await];
        for round in 0..12 {
            an_hour_with_news(app, run).await;
            let made = futures::future::join_all(stores.iter().map(|store| store.checkpoint(HOUR))).await;
            let made = made.into_iter().filter(|made| made.as_ref().unwrap().is_some()).count();
            assert_eq!(made, 1, "round {round}");
        }
        let proof = proof(app, &[]).await;
        assert_eq!((proof.checkpoints, proof.heads, proof.doubts), (12, 12, Vec::new()));
    };

    the_key_is_made_once_and_stays, async |app: &App| {
        let other = app.another_store().await;
        let (one, two) = futures::join!(app.store.note_signer(), other.note_signer());
        assert_eq!(one.unwrap().verifier(), two.unwrap().verifier());
        assert_eq!(trusted(app).await[0], other.note_signer().await.unwrap().verifier());
    };

    each_checkpoint_also_goes_into_a_file, async |app: &App| {
        let file = app.folder.path().join("elsewhere/checkpoints");
        let fittings = || usher::engine::Fittings { checkpoint_file: Some(file.clone()), ..Default::default() };
        let engine = |store: &usher::store::Store| {
            usher::engine::Engine::with(store.clone(), BTreeMap::new(), BTreeMap::new(), "UTC", usher::run::Holidays::default(), fittings())
        };
        let (daemon, other) = (engine(&app.store), app.another_store().await);
        people_only(app).await;
        let run = small_run(app).await;
        let kept = || notes_in(&std::fs::read_to_string(&file).unwrap());
        daemon.checkpoint().await.unwrap();
        an_hour_with_news(app, run).await;
        // Another daemon makes one; each writes all of them.
        other.checkpoint(HOUR).await.unwrap();
        daemon.checkpoint().await.unwrap();
        an_hour_with_news(app, run).await;
        daemon.checkpoint().await.unwrap();
        engine(&app.store).checkpoint().await.unwrap();
        let inside: Vec<String> = app.store.checkpoints_after(0, 10).await.unwrap().into_iter().map(|one| one.note).collect();
        assert_eq!((kept(), inside.len()), (inside, 3));
        assert_eq!(doubts(app, &kept()).await, [""; 0]);
        // The file cannot be written for a time: what it has missed is written the next time, though nothing is new.
        let aside = file.with_extension("aside");
        std::fs::rename(&file, &aside).unwrap();
        std::fs::create_dir(&file).unwrap();
        let restarted = engine(&app.store);
        let said = restarted.checkpoint().await.unwrap_err().to_string();
        assert!(said.contains("cannot be written to") && said.contains("checkpoint_file"), "{said}");
        std::fs::remove_dir(&file).unwrap();
        restarted.checkpoint().await.unwrap();
        assert_eq!(kept().len(), 3);
        std::fs::rename(&aside, &file).unwrap();
        // The newest checkpoint is cut off in the database: the daemon says so, once, and the file is left alone.
        app.sql("DELETE FROM checkpoints WHERE tree_size = 3").await.unwrap();
        app.sql("DELETE FROM heads WHERE leaf = 2").await.unwrap();
        app.sql("UPDATE runs SET checkpointed = 0").await.unwrap();
        let restarted = engine(&app.store);
        an_hour_with_news(app, run).await;
        app.clock.set(app.now() - jiff::SignedDuration::from_hours(2));
        let said = restarted.checkpoint().await.unwrap_err().to_string();
        assert!(said.contains("covers 3 heads") && said.contains("last checkpoint 2"), "{said}");
        assert!(restarted.checkpoint().await.is_ok() && kept().len() == 3);
        let found = doubts(app, &kept()).await;
        assert!(found.iter().any(|doubt| doubt.contains("cut off")), "{found:?}");
    };
}
