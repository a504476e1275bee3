//! When something is told, how often, and what goes along with it.

use super::*;

both! {
    what_is_urgent_takes_nothing_along_and_an_end_is_told_ten_minutes_later, async |app: &App| {
        let engine = watched(app, true, None);
        app.store.note_reading("files", Some("no answer")).await.unwrap();
        later(app, &engine, 1).await;
        let (trip, _) = app.store.trip(TripKind::Clock, None, "the clock jumped ahead by 3 h").await.unwrap();
        later(app, &engine, 60).await;
        let out = mails(&engine);
        assert!(out.len() == 1 && out[0].contains("jumped ahead") && !out[0].contains("files"), "{out:#?}");
        later(app, &engine, 540).await;
        let out = mails(&engine);
        assert!(out.len() == 2 && out[1].contains("files") && !out[1].contains("jumped ahead"), "{out:#?}");
        app.store.release_trip(trip.id, "looked at", "os:nils").await.unwrap();
        later(app, &engine, 1).await;
        later(app, &engine, 598).await;
        assert_eq!(mails(&engine).len(), 2, "it may come back");
        later(app, &engine, 2).await;
        assert_eq!((mails(&engine).len(), subject(&mails(&engine)[2])), (3, "usher: all clear for 1"));
    };

    what_is_over_for_a_moment_is_not_told_twice, async |app: &App| {
        let engine = watched(app, true, None);
        let files = async || {
            let unread = app.store.unread_systems().await.unwrap();
            unread.into_iter().find(|row| row.system == "files").unwrap()
        };
        app.store.note_reading("files", Some("no answer")).await.unwrap();
        app.store.note_reading("a system of last year", Some("gone")).await.unwrap();
        later(app, &engine, 1).await;
        let since = files().await.since;
        later(app, &engine, 600).await;
        assert_eq!(mails(&engine).len(), 1, "{:#?}", mails(&engine));
        assert!(!mails(&engine)[0].contains("last year"), "systems that are not configured are of no interest");
        // It is read once, and then not again: nobody heard of the end, and nobody needs to.
        app.store.note_reading("files", None).await.unwrap();
        later(app, &engine, 300).await;
        app.store.note_reading("files", Some("a wrong password")).await.unwrap();
        later(app, &engine, 1).await;
        later(app, &engine, 1200).await;
        assert_eq!(mails(&engine).len(), 1, "{:#?}", mails(&engine));
        let again = files().await;
        assert!(again.since > since && again.why == "a wrong password", "{again:?}");
        app.clock.set(app.now() + SignedDuration::from_secs(60));
        app.store.note_reading("files", Some("no answer")).await.unwrap();
        let now = files().await;
        assert_eq!((now.since, now.why.as_str()), (again.since, "no answer"), "since the first failure, in the last words");
    };

    fifty_are_told_one_by_one_and_the_others_are_counted, async |app: &App| {
        let receiver = Receiver::start().await;
        let engine = watched(app, true, Some(webhook(app, &receiver)));
        for number in 0..53 {
            app.store.trip(TripKind::Threshold, Some(&format!("s{number:02}")), "37 deletions").await.unwrap();
        }
        later(app, &engine, 0).await;
        later(app, &engine, 0).await;
        let out = mails(&engine);
        assert_eq!((out.len(), subject(&out[0])), (1, "usher: urgent, 53 to look at now"));
        let listed: std::collections::BTreeSet<&str> =
            out[0].split("usher guard release ").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
        assert_eq!(listed.len(), 50, "{listed:?}");
        let got = receiver.received();
        let of = |kind: &str| got.iter().filter(|it| it.body["type"] == kind).count();
        assert_eq!((got.len(), of("alert.opened"), of("alert.more")), (51, 50, 1));
        let more = got.iter().find(|it| it.body["type"] == "alert.more").unwrap();
        assert_eq!(more.body["data"]["count"], 3);
    };

    of_two_daemons_that_tell_the_same_one_does, async |app: &App| {
        app.store.trip(TripKind::Clock, None, "the clock jumped ahead by 3 h").await.unwrap();
        let engine = watched(app, true, None);
        app.store.watch_waits(&Default::default()).await.unwrap();
        let (waits, _) = app.store.waits().await.unwrap();
        let told = |wait: &Wait| vec![Told { wait: wait.clone(), words: "a guard".into() }];
        assert!(app.store.tell(&[], &told(&waits[0])).await.unwrap());
        assert!(!app.another_store().await.tell(&[], &told(&waits[0])).await.unwrap(), "the other has told it meanwhile");
        engine.remind().await.unwrap();
        assert_eq!(mails(&engine).len(), 0);
        assert_eq!(app.store.waits().await.unwrap().0[0].told, 1);
    };
}
