//! The master key is changed while daemons are at work, and whoever is stopped in between goes on.

use std::sync::Arc;

use futures::future::join_all;
use usher::secret::{KeyRing, Secret, SecretRef};
use usher::store::{Carrier, NewMail, Pass, Store, resolve};

use crate::harness::App;

/// A ring of its own over the same file, as another process has it.
fn ring_of(app: &App) -> KeyRing {
    KeyRing::open(&app.folder.path().join("usher.key")).expect("the key file")
}

async fn as_another_process(app: &App) -> Store {
    let keys = ring_of(app);
    let opened = Store::open(
        &app.home.url,
        usher::store::Opening::Existing,
        app.clock.clone(),
        keys,
        usher::run::Holidays::default(),
    );
    opened.await.expect("opens")
}

/// Where wrapped keys are, besides the one that signs.
const TABLES: [&str; 5] = ["people", "mails", "credentials", "waits", "stored_secrets"];

fn a_mail() -> NewMail {
    NewMail {
        carrier: Carrier::Mail,
        key: "a-mail".to_owned(),
        kind: "message".to_owned(),
        to: "x@example.org".to_owned(),
        subject: "A subject".to_owned(),
        body: Secret::new("{}"),
        domain: "example.org".to_owned(),
        step: None,
    }
}

/// Data keys that this master key has wrapped, and those of another.
async fn wrapped(app: &App, key: u32) -> (i64, i64) {
    let mut counts = (0, 0);
    for table in TABLES {
        let of = |not: &str| {
            format!("SELECT COUNT(*) FROM {table} WHERE data_key <> '' AND data_key {not} LIKE 'v2.{key}.%'")
        };
        counts.0 += app.number(&of("")).await;
        counts.1 += app.number(&of("NOT")).await;
    }
    counts
}

/// As the command does it, up to the moment when the new key wraps what is new.
async fn begin(store: &Store) -> u32 {
    let version = store.keys().add_key().expect("writes the file");
    store.announce_key(version).await.expect("says so");
    version
}

async fn to_the_end(store: &Store) -> u64 {
    let (mut pass, mut count) = (Some(Pass::default()), 0);
    while let Some(at) = pass {
        let (some, next) = store.rewrap_some(at).await.expect("wraps");
        count += some;
        pass = next;
    }
    count
}

/// Everything that is sealed can be read.
async fn all_is_readable(app: &App, store: &Store) {
    for run in store.run_ids().await.expect("runs") {
        assert_eq!(store.verify(run).await.expect("reads").problem, None);
        assert!(!format!("{:?}", store.audit(run).await.expect("reads")).contains("[erased]"));
    }
    assert_eq!(store.stored_secret("mail-password").await.expect("reads").expose(), "s3cret");
    assert!(store.mails(None, 1000).await.is_ok() && store.waits().await.is_ok());
    assert!(store.note_signer().await.is_ok());
    assert!(app.number("SELECT COUNT(*) FROM people").await > 20);
}

both_posting! {
    a_rotation_that_is_cut_in_the_middle_goes_on, async |app: &App| {
        app.staffed().await;
        app.start("emergency-block", "1007", &[]).await;
        app.drain().await;
        app.store.set_secret("mail-password", &Secret::new("s3cret"), "os:nils").await.unwrap();
        let departure = app.run_of("departure", "1005").await;
        app.store.keep_credentials(departure, 0, &Secret::new("Welcome-1")).await.unwrap();
        app.store.post(&[a_mail()]).await.unwrap();
        for table in TABLES {
            assert!(app.number(&format!("SELECT COUNT(*) FROM {table} WHERE data_key <> ''")).await > 0, "{table} is empty");
        }
        app.store.checkpoint(std::time::Duration::ZERO).await.unwrap();
        let signer = app.store.note_signer().await.unwrap().verifier();
        let (all, others) = wrapped(app, 1).await;
        assert!(all > 25 && others == 0, "{all} {others}");

        // The daemon and the command each have a ring of their own.
        let (daemon, command) = (as_another_process(app).await, as_another_process(app).await);
        daemon.follow_keys().await.unwrap();
        assert_eq!(begin(&command).await, 2);
        daemon.follow_keys().await.unwrap();
        assert_eq!((daemon.keys().versions(), daemon.keys().wrapping()), (vec![1, 2], 1), "it has it and does not use it");
        command.wrap_with_newest().await.unwrap();
        // One table is done, the next is not; then the command dies.
        let (some, next) = command.rewrap_some(Pass::default()).await.unwrap();
        assert!(some >= 25 && next.is_some());
        command.close().await;
        let (new, old) = wrapped(app, 2).await;
        assert!(new > 0 && old > 0, "{new} {old}");

        // Everybody reads both, who has never looked at the file again too, and writes with the new one.
        all_is_readable(app, &app.store).await;
        all_is_readable(app, &daemon).await;
        daemon.follow_keys().await.unwrap();
        assert_eq!(daemon.keys().wrapping(), 2);
        daemon.set_secret("other", &Secret::new("x"), "os:nils").await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM stored_secrets WHERE name = 'other' AND data_key LIKE 'v2.2.%'").await, 1);

        // The daemon goes on by itself, a little in each round.
        let mut rounds = 0;
        while wrapped(app, 2).await.1 > 0 {
            daemon.rewrap_in_passing().await.unwrap();
            rounds += 1;
            assert!(rounds < 50);
        }
        for _ in 0..10 {
            daemon.rewrap_in_passing().await.unwrap();
        }
        assert_eq!(daemon.wrapped_otherwise().await.unwrap(), 0);
        all_is_readable(app, &daemon).await;
        assert_eq!(daemon.note_signer().await.unwrap().verifier(), signer, "the key that signs stays");

        // Without the old key all is there, and a daemon that is started now needs only the new one.
        assert_eq!(daemon.keys().drop_old_keys().unwrap(), [1]);
        let fresh = as_another_process(app).await;
        assert_eq!(fresh.keys().versions(), [2]);
        all_is_readable(app, &fresh).await;
        let kept = fresh.open_credentials(departure, 0, "handed over", "os:nils").await.unwrap();
        assert_eq!(kept.expose(), "Welcome-1");
        fresh.close().await;
        daemon.close().await;
        app.store.follow_keys().await.unwrap();
        app.drain().await;
    };

    a_key_that_others_have_agreed_on_meanwhile_is_not_overruled, async |app: &App| {
        let store = as_another_process(app).await;
        begin(&store).await;
        let agreed = "UPDATE meta SET value = 'theirs' WHERE name = 'key_ring'";
        app.sql("CREATE TABLE kept AS SELECT * FROM meta WHERE name = 'key_ring'").await.unwrap();
        assert_eq!(app.sql(agreed).await.unwrap(), 1);
        let refused = store.wrap_with_newest().await;
        assert!(matches!(refused, Err(usher::store::StoreError::Conflict(_))), "{refused:?}");
        assert_eq!(store.keys().wrapping(), 1);
        app.sql("UPDATE meta SET value = (SELECT value FROM kept) WHERE name = 'key_ring'").await.unwrap();
        store.close().await;
    };

    two_who_wrap_anew_at_once_beside_a_daemon_at_work_lose_nothing, async |app: &App| {
        app.staffed().await;
        app.store.set_secret("mail-password", &Secret::new("s3cret"), "os:nils").await.unwrap();
        let others = [as_another_process(app).await, as_another_process(app).await];
        begin(&others[0]).await;
        for store in &others {
            store.follow_keys().await.unwrap();
        }
        app.store.follow_keys().await.unwrap();
        others[0].wrap_with_newest().await.unwrap();
        others[1].wrap_with_newest().await.unwrap();
        let work = async {
            for person in ["1006", "1008", "1009"] {
                app.start("emergency-block", person, &[]).await;
                app.drain().await;
            }
        };
        let wrap = join_all(others.iter().map(|store| async move {
            let mut count = 0;
            for _ in 0..5 {
                count += to_the_end(store).await;
            }
            count
        }));
        let (_, counts) = futures::join!(work, wrap);
        assert!(counts.iter().sum::<u64>() >= 25, "{counts:?}");
        app.store.follow_keys().await.unwrap();
        to_the_end(&app.store).await;
        assert_eq!(app.store.wrapped_otherwise().await.unwrap(), 0);
        all_is_readable(app, &app.store).await;
        for store in others {
            store.close().await;
        }
    };

    a_wrapped_key_in_somebody_elses_row_does_not_open, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        let kept = "CREATE TABLE kept AS SELECT id, data_key FROM people WHERE employee_number = '1005'";
        app.sql(kept).await.unwrap();
        let swap = "UPDATE people SET data_key = (SELECT p.data_key FROM people p WHERE p.employee_number = '1006')
                    WHERE employee_number = '1005'";
        app.sql(swap).await.unwrap();
        let fresh = as_another_process(app).await;
        let refused = fresh.verify(run).await.unwrap_err().to_string();
        assert!(refused.contains("does not open"), "{refused}");
        fresh.close().await;
        app.sql("UPDATE people SET data_key = (SELECT data_key FROM kept) WHERE id = (SELECT id FROM kept)").await.unwrap();
    };
}

both! {
    stored_secrets_are_kept_replaced_listed_and_taken_out, async |app: &App| {
        let store = &app.store;
        let reference = SecretRef::Stored("mail-password".into());
        let missing = resolve(Some(store), &reference).await.unwrap_err().to_string();
        assert!(missing.contains("usher secret set mail-password"), "{missing}");
        assert!(resolve(None, &reference).await.unwrap_err().to_string().contains("once the database is open"));
        assert!(!store.set_secret("mail-password", &Secret::new("first-s3cret"), "os:nils").await.unwrap());
        assert_eq!(resolve(Some(store), &reference).await.unwrap().expose(), "first-s3cret");
        assert!(store.set_secret("mail-password", &Secret::new("second-s3cret"), "os:alice").await.unwrap());
        assert_eq!(resolve(Some(store), &reference).await.unwrap().expose(), "second-s3cret");
        let rows = store.stored_secrets().await.unwrap();
        assert_eq!(rows.iter().map(|row| (row.name.as_str(), row.set_by.as_str())).collect::<Vec<_>>(), [("mail-password", "os:alice")]);
        // Under another name it does not open, and neither with another's key.
        store.set_secret("other", &Secret::new("x"), "os:nils").await.unwrap();
        app.sql("UPDATE stored_secrets SET sealed = (SELECT s.sealed FROM stored_secrets s WHERE s.name = 'mail-password') WHERE name = 'other'").await.unwrap();
        assert!(store.stored_secret("other").await.is_err());
        app.sql("UPDATE stored_secrets SET data_key = (SELECT s.data_key FROM stored_secrets s WHERE s.name = 'mail-password') WHERE name = 'other'").await.unwrap();
        assert!(store.stored_secret("other").await.unwrap_err().to_string().contains("does not open"));
        store.remove_secret("mail-password").await.unwrap();
        assert_eq!(store.remove_secret("mail-password").await.unwrap_err().to_string(), "there is no stored secret mail-password");
    };

    a_daemon_without_the_new_key_is_waited_for, async |app: &App| {
        let daemon = as_another_process(app).await;
        let watch = Arc::new(tokio::sync::Mutex::new(daemon.watch().await.unwrap()));
        daemon.follow_keys().await.unwrap();
        let command = as_another_process(app).await;
        assert_eq!(command.daemons_without(1, true).await.unwrap(), 0);
        begin(&command).await;
        assert_eq!(command.daemons_without(2, true).await.unwrap(), 1);
        // The daemon's round reads the file, and its listening connection says so.
        daemon.follow_keys().await.unwrap();
        let listening = Arc::clone(&watch);
        let listens = tokio::spawn(async move { while listening.lock().await.next().await.is_ok() {} });
        let mut left = 1;
        for _ in 0..200 {
            left = command.daemons_without(2, true).await.unwrap();
            if left == 0 {
                break;
            }
            daemon.follow_keys().await.unwrap();
            tokio::task::yield_now().await;
        }
        listens.abort();
        listens.await.ok();
        // It holds a connection, and a store waits for all of its own when it is closed.
        drop(watch);
        assert_eq!(left, 0);
        // Where the file is not the same, it says what is missing.
        command.wrap_with_newest().await.unwrap();
        let text = std::fs::read_to_string(app.folder.path().join("usher.key")).unwrap();
        let first = text.lines().next().unwrap();
        let elsewhere = KeyRing::from_secret(&Secret::new(first)).unwrap();
        let refused = Store::open(&app.home.url, usher::store::Opening::Existing, app.clock.clone(), elsewhere, usher::run::Holidays::default()).await;
        assert!(refused.unwrap_err().to_string().contains("does not belong to this database"));
        app.store.follow_keys().await.unwrap();
        command.close().await;
        daemon.close().await;
    };
}
