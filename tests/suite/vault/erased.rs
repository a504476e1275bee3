//! Somebody is erased: nothing in the record says who they were, and everything that was done is still provable.

use std::time::Duration;

use jiff::SignedDuration;
use usher::run::book::parse_public_id;
use usher::store::{RunFilter, StoreError};

use super::canaries::record;
use crate::engine::departure::{done_by_people, until_the_checklist};
use crate::harness::{App, zurich};

async fn id(app: &App, number: &str) -> i64 {
    app.store.person(number).await.unwrap().unwrap().id
}

async fn refused(app: &App, number: &str, name: &str) -> String {
    match app.store.erase(id(app, number).await, name, "asked to", "os:nils").await {
        Err(StoreError::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Ada has left, her accounts are purged, and the time is over for which her addresses stay reserved.
async fn long_gone(app: &App) -> i64 {
    let run = until_the_checklist(app).await;
    done_by_people(app, run).await;
    app.walk_to(zurich("2027-08-27T09:00")).await;
    // Her badge lay in a drawer until somebody shredded it.
    app.sql("UPDATE accounts SET status = 'purged' WHERE system = 'badges'").await.unwrap();
    app.clock.set(app.now() + SignedDuration::from_hours(24 * 366 * 3));
    run
}

both_posting! {
    what_is_known_of_somebody_goes_and_what_was_done_stays_provable, async |app: &App| {
        let run = long_gone(app).await;
        app.store.checkpoint(Duration::ZERO).await.unwrap();
        let before = app.store.audit(run).await.unwrap();
        let person = id(app, "1005").await;
        // Alerts about her that are over, and whose end nobody has heard of yet.
        let told = |id: i64, cause: &str, about: i64| {
            format!("INSERT INTO waits (id, cause, kind, about, since, told, told_at, over_at, data_key, urgent) \
                     VALUES ({id}, '{cause}', 'alert', {about}, 0, 1, 0, {}, '', 0)", i64::MAX)
        };
        let event = app.number(&format!("SELECT MIN(id) FROM hr_events WHERE person_id = {person}")).await;
        let step = run * 1024;
        for (number, cause, about) in [
            (9001, format!("cut:{step}"), step),
            (9002, format!("step:{step}:held"), step),
            (9003, format!("event:{event}"), event),
            (9004, format!("cut:{}", step + 1024), step + 1024),
        ] {
            app.sql(&told(number, &cause, about)).await.unwrap();
        }
        app.sql("UPDATE people SET manager_number = '1005' WHERE employee_number = '1006'").await.unwrap();
        let first = format!("INSERT INTO sealed_secrets (person_id, purpose, sealed, created_at) VALUES ({person}, 'first_password', 'x', 0)");
        app.sql(&first).await.unwrap();
        let step = app.number(&format!("SELECT MIN(s.id) FROM steps s JOIN runs r ON r.id = s.run_id WHERE r.person_id = {person}")).await;
        app.sql(&format!("INSERT INTO credentials (step_id, data_key, sealed, sealed_at) VALUES ({step}, '', 'x', 0)")).await.unwrap();
        let of_hers = async || {
            let mut found = Vec::new();
            for rows in [
                format!("people WHERE id <> {person} AND manager_number = '1005'"),
                format!("runs WHERE person_id = {person} AND (inputs <> '{{}}' OR trigger_key IS NOT NULL)"),
                format!("sealed_secrets WHERE person_id = {person}"),
                format!("mails WHERE run_id IN (SELECT id FROM runs WHERE person_id = {person})"),
                format!("credentials WHERE step_id / 1024 IN (SELECT id FROM runs WHERE person_id = {person})"),
                format!("hr_events WHERE person_id = {person} AND event_key NOT LIKE 'erased-%'"),
            ] {
                found.push(app.number(&format!("SELECT COUNT(*) FROM {rows}")).await > 0);
            }
            found
        };
        assert_eq!(of_hers().await, [true; 6]);
        let words = ["Keller", "ada.keller", "u-0005", "m-0005", "Ada Keller"];
        let found = record(app).await;
        assert!(words.iter().all(|word| found.contains(word)), "this looks where she is");

        let erased = app.store.erase(person, "Ada Keller", "request of 3 March", "os:nils").await.unwrap();
        assert_eq!((erased.number.as_str(), erased.reserved), (format!("erased-{person}").as_str(), 0));
        assert!(erased.runs >= 1 && erased.accounts >= 4, "{erased:?}");
        assert_eq!(of_hers().await, [false; 6]);
        let left = async |ids: &str| app.number(&format!("SELECT COUNT(*) FROM waits WHERE id IN ({ids})")).await;
        assert_eq!((left("9001, 9002, 9003").await, left("9004").await), (0, 1), "nobody hears of her, only of others");
        app.sql("DELETE FROM waits WHERE id = 9004").await.unwrap();
        let found = record(app).await;
        for word in words {
            assert!(!found.contains(word), "`{word}` is still there: {}", around(&found, word));
        }
        // Another process, which never had her key in hand, and this one say the same.
        for store in [app.store.clone(), app.another_store().await] {
            assert!(store.person("1005").await.unwrap().is_none());
            let row = store.person_with_key(person).await.unwrap().unwrap();
            assert_eq!((row.display_name.as_str(), row.email, row.last_day), ("[erased]", None, None));
            assert_eq!(store.verify(run).await.unwrap().problem, None);
            let told = store.audit(run).await.unwrap();
            assert_eq!(told.len(), before.len() + 1, "one entry says that it was done");
            assert!(told.iter().zip(&before).all(|(now, then)| now.hash == then.hash));
            for step in store.book(run).await.unwrap().steps {
                let words = serde_json::to_value(&step.state).unwrap();
                let detail = words.pointer("/evidence/detail").or(words.pointer("/reason/detail"));
                assert!(detail.is_none_or(|detail| detail == "[erased]"), "{}: {words}", step.label());
            }
            assert_eq!(told[0].fact["inputs"], "[erased]");
            assert_eq!(told.last().unwrap().fact["order"], "person erased");
            let proof = store.prove(&[store.note_signer().await.unwrap().verifier()], &[]).await.unwrap();
            assert_eq!(proof.doubts, Vec::new());
        }
        let kept = "SELECT COUNT(*) FROM people WHERE erased_by = 'os:nils' AND erased_reason = 'request of 3 March'";
        assert_eq!(app.number(kept).await, 1);
        let again = app.store.erase(person, "[erased]", "again", "os:nils").await.unwrap_err();
        assert!(again.to_string().contains("erased already"), "{again}");

        // HR names the number again: that is somebody new.
        app.told("employee_number,given_name,family_name,start_date\n1005,Ada,Novak,2031-01-01\n").await;
        let newcomer = id(app, "1005").await;
        assert_ne!(newcomer, person);
        for row in app.store.runs(&RunFilter::default()).await.unwrap() {
            let verified = app.store.verify(parse_public_id(&row.id).unwrap()).await.unwrap();
            assert_eq!(verified.problem, None, "{}", row.id);
        }
    };

    whoever_is_still_needed_is_not_erased, async |app: &App| {
        let run = until_the_checklist(app).await;
        assert!(refused(app, "1006", "Zoë Lindqvist").await.contains("only who has left"));
        assert!(refused(app, "1005", "Ada Kelly").await.contains("does not match"));
        assert!(refused(app, "1005", "Ada Keller").await.contains(&usher::run::book::public_id(run)), "its run is live");
        app.engine.cancel(run, "kept", "os:nils").await.unwrap();
        app.drain().await;
        let why = refused(app, "1005", "Ada Keller").await;
        assert!(why.contains("mailhost:m-0005 (disabled)") && why.contains("purge them first"), "{why}");
        app.sql("UPDATE accounts SET status = 'purged', purge_due = NULL").await.unwrap();
        let person = id(app, "1005").await;
        let hold = format!("INSERT INTO holds (id, person_id, reason, set_by, set_at) VALUES (1, {person}, 'a lawsuit', 'os:legal', 0)");
        app.sql(&hold).await.unwrap();
        assert!(refused(app, "1005", "Ada Keller").await.contains("legal hold"));
        app.sql("UPDATE holds SET ended_at = 1, ended_by = 'os:legal', end_reason = 'over'").await.unwrap();
        app.sql(&format!("UPDATE hr_events SET state = 'parked' WHERE person_id = {person}")).await.unwrap();
        assert!(refused(app, "1005", "Ada Keller").await.contains("not dealt with"));
        app.sql(&format!("UPDATE hr_events SET state = 'started' WHERE person_id = {person}")).await.unwrap();
        assert!(app.store.person("1005").await.unwrap().is_some(), "nothing was erased until now");
        // Her address still belongs to her past: nobody else gets it, and nobody learns whose it was.
        let text = format!(
            "INSERT INTO former_names (name, person_id, since, until, why) VALUES ('ada.keller@alpine-instruments.example', {person}, 0, {}, 'left')",
            i64::MAX
        );
        app.sql(&text).await.unwrap();
        let erased = app.store.erase(person, "Ada Keller", "asked to", "os:nils").await.unwrap();
        assert!(erased.reserved >= 1, "{erased:?}");
        assert_eq!(app.number("SELECT COUNT(*) FROM former_names WHERE name LIKE 'ada.keller@%' AND person_id IS NULL").await, 1);
        assert_eq!(app.number(&format!("SELECT COUNT(*) FROM holds WHERE person_id = {person} AND reason <> '[erased]'")).await, 0);
    };
}

fn around(text: &str, word: &str) -> String {
    let at = text.find(word).unwrap_or_default();
    text.get(at.saturating_sub(120)..(at + 120).min(text.len())).unwrap_or_default().to_owned()
}
