//! What leaves the house: messages of the webhook, and what is told past the outbox while the record is away.

use super::*;

both! {
    the_webhook_tells_what_mail_tells_signed_and_under_one_id, async |app: &App| {
        app.staffed().await;
        let receiver = Receiver::start().await;
        let engine = watched(app, false, Some(webhook(app, &receiver)));
        engine.work_off(8).await.unwrap();
        app.misbehave(&Knobs { error_rate: 1.0, ..Knobs::default() });
        let run = start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        // Refused, not answered, sent elsewhere: tried again each time, under the same id, signed anew.
        for answer in [Answer::Status(500), Answer::Hang, Answer::Redirect] {
            receiver.answer_next(answer);
        }
        later(app, &engine, 300).await;
        for minutes in [2, 3, 5, 9] {
            later(app, &engine, minutes * 60).await;
        }
        let got = receiver.received();
        assert_eq!(got.len(), 4, "{got:#?}");
        assert_eq!(receiver.elsewhere(), 0, "redirects are not followed");
        assert!(got.iter().all(|it| it.genuine && it.id == got[0].id && it.body == got[0].body), "{got:#?}");
        assert!(got[0].id.starts_with("msg_") && !got[0].id.contains('.') && got[0].agent.starts_with("usher/"), "{got:#?}");
        assert!(got.windows(2).all(|pair| pair[0].seconds < pair[1].seconds), "each attempt has its own time: {got:#?}");
        let body = &got[0].body;
        assert_eq!(body["type"], "alert.opened");
        assert_eq!(body["data"]["kind"], "cut_overdue");
        assert_eq!((&body["data"]["step"], &body["data"]["run"]), (&"disable@mailhost".into(), &format!("run_{run}").into()));
        assert_eq!(body["data"]["urgent"], true);
        assert!(!body.to_string().contains("Ada") && !body.to_string().contains("Keller"), "no names: {body}");
        // The end is told under the same alert, with an id of its own.
        app.misbehave(&Knobs::default());
        later(app, &engine, 3600).await;
        later(app, &engine, 600).await;
        let got = receiver.received();
        assert_eq!(got.len(), 5, "{got:#?}");
        assert_eq!((&got[4].body["type"], &got[4].body["data"]["alert"]), (&"alert.closed".into(), &body["data"]["alert"]));
        assert_ne!(got[4].id, got[0].id);
        let sent = app.number("SELECT COUNT(*) FROM mails WHERE carrier = 'webhook' AND state = 'sent' AND body IS NULL").await;
        assert_eq!(sent, 2);
    };

    a_record_that_cannot_be_written_is_told_past_the_outbox_once, async |app: &App| {
        let receiver = Receiver::start().await;
        let engine = watched(app, true, Some(webhook(app, &receiver)));
        let (mut outage, full) = (Outage::default(), StoreError::Refused("database or disk is full".into()));
        receiver.answer_next(Answer::Status(500));
        for steady in [0, 30_000, 59_999] {
            engine.watch_record(&mut outage, Some(&full), steady).await;
        }
        assert!(mails(&engine).is_empty() && receiver.received().is_empty(), "a restart of the database is no alarm");
        for steady in [60_000, 61_000, 119_999] {
            engine.watch_record(&mut outage, Some(&full), steady).await;
        }
        assert_eq!(receiver.received().len(), 1, "who cannot be reached is not asked every second");
        for steady in [120_000, 180_000, 600_000] {
            engine.watch_record(&mut outage, Some(&full), steady).await;
        }
        let out = mails(&engine);
        assert_eq!((out.len(), subject(&out[0])), (1, "usher: urgent, 1 to look at now"));
        assert!(out[0].contains("the record cannot be written") && out[0].contains("database or disk is full"), "{}", out[0]);
        let got = receiver.received();
        assert_eq!(got.len(), 2, "refused once, and tried again a minute later: {got:#?}");
        assert!(got[0].id == got[1].id && got.iter().all(|it| it.genuine && it.body["data"]["kind"] == "record_unwritable"));
        assert_eq!(app.number("SELECT COUNT(*) FROM mails").await, 0, "nothing of it was in the outbox");
        // It is over: told through the outbox, under the same alert.
        engine.watch_record(&mut outage, None, 700_000).await;
        engine.watch_record(&mut outage, None, 701_000).await;
        engine.deliver_due().await.unwrap();
        let (out, got) = (mails(&engine), receiver.received());
        assert_eq!((out.len(), subject(&out[1])), (2, "usher: all clear for 1"));
        assert_eq!((got.len(), &got[2].body["type"]), (3, &"alert.closed".into()));
        assert_eq!(got[2].body["data"]["alert"], got[0].body["data"]["alert"]);
        // A short one is never told, and neither is its end.
        engine.watch_record(&mut outage, Some(&full), 800_000).await;
        engine.watch_record(&mut outage, None, 830_000).await;
        engine.deliver_due().await.unwrap();
        assert_eq!((mails(&engine).len(), receiver.received().len()), (2, 3));
    };

    only_who_heard_of_an_outage_hears_of_its_end_and_that_for_sure, async |app: &App| {
        let full = StoreError::Refused("database or disk is full".into());
        let receiver = Receiver::start().await;
        receiver.answer_next(Answer::Status(500));
        let away = app.another_store().await;
        let one = watched_on(&away, BTreeMap::new(), &[ADMIN], Some(webhook(app, &receiver)));
        away.close().await;
        let mut outage = Outage::default();
        for steady in [0, 60_000] {
            one.watch_record(&mut outage, Some(&full), steady).await;
        }
        assert_eq!(mails(&one).len(), 1);
        // The record can be written again, and is away once more before that could be told.
        one.watch_record(&mut outage, None, 61_000).await;
        let both = watched_on(&app.store, BTreeMap::new(), &[ADMIN, "new@alpine-instruments.example"], Some(webhook(app, &receiver)));
        both.watch_record(&mut outage, None, 62_000).await;
        both.deliver_due().await.unwrap();
        let out = mails(&both);
        assert_eq!(out.len(), 1, "{out:#?}");
        assert!(out[0].contains(&format!("To: {ADMIN}")) && subject(&out[0]) == "usher: all clear for 1", "{}", out[0]);
        assert_eq!(receiver.received().len(), 1, "the webhook has refused to hear of the beginning");
        both.watch_record(&mut outage, None, 63_000).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM mails").await, 1, "told once");
    };

    a_message_holds_nobodys_free_words_where_the_mail_does, async |app: &App| {
        let receiver = Receiver::start().await;
        let engine = watched(app, true, Some(webhook(app, &receiver)));
        app.told(shipped::PEOPLE).await;
        let park = "UPDATE hr_events SET state = 'parked', note = 'she cried in the corridor' WHERE id = (SELECT MIN(id) FROM hr_events)";
        assert_eq!(app.sql(park).await.unwrap(), 1);
        later(app, &engine, 0).await;
        later(app, &engine, 600).await;
        later(app, &engine, 1).await;
        assert!(mails(&engine).iter().any(|mail| mail.contains("she cried in the corridor")));
        let got = receiver.received();
        let event = got.iter().find(|it| it.body["data"]["kind"] == "event_parked").unwrap_or_else(|| panic!("{got:#?}"));
        assert!(event.body["data"]["event"].as_str().unwrap().starts_with("evt_"), "{event:?}");
        assert!(got.iter().all(|it| !it.body.to_string().contains("cried")), "{got:#?}");
    };

    a_receiver_that_is_gone_is_not_asked_again, async |app: &App| {
        app.staffed().await;
        let receiver = Receiver::start().await;
        let engine = watched(app, true, Some(webhook(app, &receiver)));
        engine.work_off(8).await.unwrap();
        app.misbehave(&Knobs { error_rate: 1.0, ..Knobs::default() });
        start(&engine, "cuts", "1005").await;
        engine.work_off(8).await.unwrap();
        receiver.answer_next(Answer::Status(410));
        later(app, &engine, 300).await;
        for _ in 0..5 {
            later(app, &engine, 3600).await;
        }
        assert_eq!(receiver.received().len(), 1);
        assert_eq!(mails(&engine).len(), 1, "mail goes its own way");
        let row = app.store.mails(Some("failed"), 10).await.unwrap().remove(0);
        assert_eq!(row.answer.as_deref(), Some("HTTP 410 Gone"));
        assert_eq!(row.to, format!("http://127.0.0.1:{}", receiver.port), "without its path, which may be a secret");
    };
}
