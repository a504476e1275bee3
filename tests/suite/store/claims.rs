//! What a turn hands out, and what becomes of outcomes.

use std::time::Duration;

use jiff::SignedDuration;
use usher::run::settle::Outcome;
use usher::run::{RunState, StepState};
use usher::store::{Store, TurnRequest};

use super::{SMALL, people_only, run_of, small_run, small_run_due};
use crate::database::Db;
use crate::harness::{App, LEASE, completion, done, request, zurich};

/// Two plain steps, one after the other.
const CHAIN: &str = "
workflow: chain
title: Chain
for: person
on: { manual: true }
inputs:
  last_day: { type: date, required: true }
steps:
  - { id: hide, action: directory.hide, systems: mailhost, at: last_day 18:00 }
  - { id: show, action: directory.show, systems: mailhost, after: hide }
";

/// Something that ends access, an hour later.
const CUT: &str = "
workflow: cut
title: Cut
for: person
on: { manual: true }
inputs:
  last_day: { type: date, required: true }
steps:
  - { id: cut, action: sessions.revoke, systems: mailhost, at: last_day 19:00 }
";

/// The same, ahead of everything else.
pub const URGENT: &str = "
workflow: urgent
title: Urgent
for: person
priority: urgent
on: { manual: true }
steps:
  - { id: cut, action: sessions.revoke, systems: mailhost }
";

/// The first step elsewhere, and then a cut.
const TWO_SYSTEMS: &str = "
workflow: two
title: Two systems
for: person
on: { manual: true }
inputs:
  last_day: { type: date, required: true }
steps:
  - { id: hide, action: directory.hide, systems: groupware, at: last_day 18:00 }
  - { id: cut, action: sessions.revoke, systems: mailhost, at: last_day 18:30 }
";

both! {
    nothing_is_handed_out_a_millisecond_early, async |app: &App| {
        people_only(app).await;
        let run = small_run(app).await;
        let due = zurich("2027-01-29T18:00");
        assert_eq!(app.store.next_due().await.unwrap(), Some(due));
        app.clock.set(due - SignedDuration::from_millis(1));
        assert!(app.claim(8).await.is_empty());
        assert_eq!(app.store.until_due().await.unwrap(), Some(Duration::from_millis(1)));
        app.clock.set(due);
        assert_eq!(app.store.until_due().await.unwrap(), Some(Duration::ZERO));
        let claims = app.claim(8).await;
        let labels: Vec<&str> = claims.iter().map(|claim| claim.label.as_str()).collect();
        assert_eq!(labels, ["hide@mailhost", "hide@groupware"]);
        assert!(claims.iter().all(|claim| claim.run == run && claim.fence == 1 && !claim.observe));
        for claim in &claims {
            app.complete(claim, done()).await;
        }
        // What an outcome makes due is handed out by the next turn.
        let next = app.claim(8).await;
        assert_eq!(next[0].label, "rules@mailhost");
        app.complete(&next[0], done()).await;
        assert_eq!(app.run_state(run).await, RunState::Completed);
        assert_eq!(app.store.until_due().await.unwrap(), None);
    };

    what_a_commit_makes_due_is_known_without_asking, async |app: &App| {
        people_only(app).await;
        let engine = app.restarted(app.systems(), &[("small", SMALL)]).await;
        for (now, person, due) in [("2027-01-29T17:59", "1005", false), ("2027-01-29T18:00", "1006", true)] {
            app.clock.set(zurich(now));
            assert!(!engine.store().made_due(), "nothing was started");
            engine.start(request("small", person, &[("last_day", "2027-01-29")])).await.unwrap();
            assert_eq!(engine.store().made_due(), due, "at {now}");
            assert!(!engine.store().made_due(), "it is told once");
        }
        engine.store().close().await;
    };

    what_is_urgent_is_told_to_every_daemon_and_begins_alone, async |app: &App| {
        people_only(app).await;
        let engine = app.restarted(app.systems(), &[("small", SMALL), ("urgent", URGENT)]).await;
        let other = app.another_store().await;
        let mut watch = other.watch().await.unwrap();
        app.clock.set(zurich("2027-01-29T18:00"));
        engine.start(request("small", "1005", &[("last_day", "2027-01-29")])).await.unwrap();
        assert!(!engine.store().made_urgent(), "it is due, and not urgent");
        watch.next().await.unwrap();
        assert!(!other.made_urgent());
        let urgent = engine.start(request("urgent", "1006", &[])).await.unwrap().id();
        assert!(engine.store().made_urgent());
        assert!(!engine.store().made_urgent(), "it is told once");
        watch.next().await.unwrap();
        // Nobody tells on SQLite, where there is one daemon.
        assert_eq!(other.made_urgent(), app.home.db == Db::Postgres);
        let systems = app.engine.system_names();
        let alone = TurnRequest { completions: Vec::new(), permits: 8, reserved: 8, owner: "test", lease: LEASE, systems: &systems };
        let claims = app.store.turn(&alone).await.unwrap().claims;
        let labels: Vec<_> = claims.iter().map(|claim| (claim.run, claim.label.as_str())).collect();
        assert_eq!(labels, [(urgent, "cut@mailhost")]);
        assert!(app.store.turn(&alone).await.unwrap().claims.is_empty());
        app.complete(&claims[0], done()).await;
        app.drain().await;
        drop(watch);
        engine.store().close().await;
        other.close().await;
    };

    nobody_is_woken_by_what_it_has_told_itself, async |app: &App| {
        if app.home.db == Db::Sqlite {
            // It only sees that something was written.
            return;
        }
        people_only(app).await;
        let engine = app.restarted(app.systems(), &[("small", SMALL)]).await;
        let other = app.another_store().await;
        let (mut here, mut there) = (engine.store().watch().await.unwrap(), other.watch().await.unwrap());
        engine.start(request("small", "1005", &[("last_day", "2027-01-29")])).await.unwrap();
        // The commit itself has.
        engine.store().committed().await;
        let changes = engine.store().changes();
        here.next().await.unwrap();
        there.next().await.unwrap();
        assert!(engine.store().changes() > changes, "but something has changed");
        let woken = async |store: &Store| {
            let woken = futures::future::select(Box::pin(store.committed()), Box::pin(tokio::task::yield_now()));
            matches!(woken.await, futures::future::Either::Left(_))
        };
        assert!(!woken(engine.store()).await);
        assert!(woken(&other).await);
        drop((here, there));
        engine.store().close().await;
        other.close().await;
    };

    no_more_is_handed_out_than_there_are_permits, async |app: &App| {
        small_run_due(app).await;
        let one = app.claim(1).await;
        assert_eq!(one.len(), 1);
        assert!(app.turn(Vec::new(), 0).await.unwrap().claims.is_empty());
        let other = app.claim(5).await;
        assert_eq!(other.len(), 1, "one is out, one was left");
        // An outcome and the claims it makes room for share one transaction.
        let commits = app.store.commits();
        let report = app.turn(vec![completion(&one[0], done()), completion(&other[0], done())], 8).await.unwrap();
        assert_eq!((report.claims.len(), report.stale), (1, 0));
        assert_eq!(app.store.commits(), commits + 1);
        app.complete(&report.claims[0], done()).await;
    };

    what_ends_access_starts_before_what_was_due_earlier, async |app: &App| {
        people_only(app).await;
        let early = run_of(app, CHAIN, "chain", "1005").await;
        let cut = run_of(app, CUT, "cut", "1006").await;
        app.clock.set(zurich("2027-01-29T19:00"));
        let first = app.claim(1).await.remove(0);
        assert_eq!((first.run, first.label.as_str()), (cut, "cut@mailhost"), "an hour later, and before the other");
        let second = app.claim(1).await.remove(0);
        assert_eq!((second.run, second.label.as_str()), (early, "hide@mailhost"));
        app.complete(&first, done()).await;
        // And before what goes on in a run in hand.
        let later = run_of(app, &CUT.replace("19:00", "20:00"), "cut", "1007").await;
        app.clock.set(zurich("2027-01-29T20:00"));
        let third = app.turn(vec![completion(&second, done())], 1).await.unwrap().claims.remove(0);
        assert_eq!((third.run, third.label.as_str()), (later, "cut@mailhost"));
        app.complete(&third, done()).await;
        app.drain().await;
    };

    a_run_in_hand_goes_on_before_another_begins, async |app: &App| {
        people_only(app).await;
        let (one, other) =
            (run_of(app, CHAIN, "chain", "1005").await, run_of(app, CHAIN, "chain", "1006").await);
        app.clock.set(zurich("2027-01-29T19:00"));
        let begun = app.claim(1).await.remove(0);
        assert_eq!((begun.run, begun.label.as_str()), (one, "hide@mailhost"));
        let entries = app.book(one).await.run.seq;
        let goes_on = app.turn(vec![completion(&begun, done())], 1).await.unwrap().claims.remove(0);
        assert_eq!((goes_on.run, goes_on.label.as_str()), (one, "show@mailhost"), "the other has been due for an hour");
        assert_eq!(app.book(one).await.run.seq, entries + 1, "outcome and claim are one entry");
        // What is in hand leaves other hands to others.
        let both = app.turn(vec![completion(&goes_on, done())], 1).await.unwrap().claims;
        assert_eq!(both.iter().map(|claim| claim.run).collect::<Vec<_>>(), [other]);
        app.complete(&both[0], done()).await;
        app.drain().await;
    };

    hands_that_a_run_in_hand_leaves_free_are_others, async |app: &App| {
        people_only(app).await;
        let (one, other) =
            (run_of(app, CHAIN, "chain", "1005").await, run_of(app, CHAIN, "chain", "1006").await);
        app.clock.set(zurich("2027-01-29T19:00"));
        let begun = app.claim(1).await.remove(0);
        let claims = app.turn(vec![completion(&begun, done())], 2).await.unwrap().claims;
        assert_eq!(claims.iter().map(|claim| claim.run).collect::<Vec<_>>(), [one, other]);
        for claim in &claims {
            app.complete(claim, done()).await;
        }
        app.drain().await;
    };

    an_account_that_one_run_has_just_left_is_anothers_in_the_same_turn, async |app: &App| {
        people_only(app).await;
        // What comes next is skipped: the first run is written with the rest of the turn, behind the one that cuts.
        let skipped = CHAIN.replace(
            "systems: mailhost, after: hide",
            "systems: groupware, at: last_day 18:30, when: \"person.department == 'Nowhere'\"",
        );
        let one = run_of(app, &skipped, "chain", "1005").await;
        let other = run_of(app, TWO_SYSTEMS, "two", "1005").await;
        app.clock.set(zurich("2027-01-29T18:00"));
        let begun = app.claim(8).await;
        let mut labels: Vec<(i64, &str)> = begun.iter().map(|claim| (claim.run, claim.label.as_str())).collect();
        labels.sort_unstable();
        assert_eq!(labels, [(one, "hide@mailhost"), (other, "hide@groupware")]);
        app.clock.set(zurich("2027-01-29T18:30"));
        let ended = begun.iter().map(|claim| completion(claim, done())).collect();
        let report = app.turn(ended, 8).await.unwrap();
        let next: Vec<(i64, &str)> = report.claims.iter().map(|claim| (claim.run, claim.label.as_str())).collect();
        assert_eq!((next, report.settled), (vec![(other, "cut@mailhost")], 1));
        app.complete(&report.claims[0], done()).await;
        assert_eq!((app.run_state(one).await, app.run_state(other).await), (RunState::Completed, RunState::Completed));
    };

    what_was_read_before_its_turn_counts_as_long_as_nobody_has_changed_it, async |app: &App| {
        people_only(app).await;
        let earlier = CHAIN.replace("18:00", "17:00");
        let runs = [
            run_of(app, &earlier, "chain", "1005").await,
            run_of(app, CHAIN, "chain", "1006").await,
            run_of(app, CHAIN, "chain", "1007").await,
        ];
        app.clock.set(zurich("2027-01-29T18:00"));
        app.store.read_ahead(1).await.unwrap();
        let other = app.restarted(app.systems(), &[("chain", CHAIN)]).await;
        other.cancel(runs[2], "a test", "os:test").await.unwrap();
        other.store().close().await;
        // Without an entry in the journal, as nobody does it: so it shows what was read before, and what is read now.
        let named = |name: &str, was: &str| format!("UPDATE steps SET name = '{name}' WHERE name = '{was}' AND run_id = {}", runs[1]);
        app.sql(&named("seek", "hide")).await.unwrap();
        app.clock.set(zurich("2027-01-29T19:00"));
        let claims = app.claim(8).await;
        let labels: Vec<(i64, &str)> = claims.iter().map(|claim| (claim.run, claim.label.as_str())).collect();
        assert_eq!(labels, [(runs[0], "hide@mailhost"), (runs[1], "hide@mailhost")]);
        app.sql(&named("hide", "seek")).await.unwrap();
        for claim in &claims {
            app.complete(claim, done()).await;
        }
        app.drain().await;
    };

    a_turn_with_nothing_to_do_writes_nothing, async |app: &App| {
        people_only(app).await;
        small_run(app).await;
        let commits = app.store.commits();
        app.claim(8).await;
        assert_eq!(app.store.commits(), commits);
    };

    one_attempt_at_a_time_on_one_account_over_all_runs, async |app: &App| {
        let first = small_run_due(app).await;
        let second = run_of(app, &crate::store::SMALL.replace("small", "other"), "other", "1005").await;
        let claims = app.claim(8).await;
        assert_eq!(claims.len(), 2, "each of the two accounts once, of four steps that are due");
        assert!(app.claim(8).await.is_empty());
        let mut open = claims;
        let mut order = Vec::new();
        while let Some(claim) = open.pop() {
            order.push((claim.run, claim.label.clone()));
            app.complete(&claim, done()).await;
            open.extend(app.claim(8).await);
        }
        assert_eq!(order.len(), 6, "{order:?}");
        assert_eq!((app.run_state(first).await, app.run_state(second).await), (RunState::Completed, RunState::Completed));
    };

    an_outcome_of_an_attempt_that_was_taken_over_changes_nothing_and_is_counted, async |app: &App| {
        let run = small_run_due(app).await;
        let stalled = app.claim(1).await.remove(0);
        app.store.recover(true).await.unwrap();
        let taken_over = app.claim(8).await;
        let now = taken_over.iter().find(|claim| claim.label == stalled.label).unwrap();
        assert_eq!((now.fence, now.observe), (2, true), "it observes first");
        let head = app.book(run).await.run.head;
        assert_eq!(app.complete(&stalled, done()).await.stale, 1);
        assert_eq!(app.book(run).await.run.head, head);
        for claim in &taken_over {
            assert_eq!(app.complete(claim, done()).await.stale, 0);
            assert_eq!(app.complete(claim, done()).await.stale, 1, "a second outcome is stale too");
        }
        let nobodys = usher::store::Completion { run: 4711, ..completion(&stalled, done()) };
        assert_eq!(app.turn(vec![nobodys], 0).await.unwrap().stale, 1);
        app.drain().await;
    };

    a_retry_is_a_new_due_time, async |app: &App| {
        let run = small_run_due(app).await;
        let claims = app.claim(8).await;
        let busy = Outcome::Retry { reason: "busy".into(), after: Some(Duration::from_secs(600)) };
        for claim in &claims {
            app.complete(claim, busy.clone()).await;
        }
        let StepState::Waiting { due } = app.state(run, "hide@groupware").await else { panic!("waits") };
        assert!(due >= app.now() + SignedDuration::from_secs(600), "as long as the target asked");
        assert!(app.claim(8).await.is_empty());
        app.clock.set(due);
        let again = app.claim(8).await;
        assert!(again.iter().all(|claim| claim.fence == 2 && !claim.observe));
        for claim in &again {
            app.complete(claim, Outcome::Unknown("cut".into())).await;
        }
        assert_eq!(app.state(run, "hide@groupware").await.as_str(), "unknown");
        app.clock.set(app.now() + SignedDuration::from_hours(2));
        let last = app.claim(8).await;
        assert!(last.iter().all(|claim| claim.fence == 3 && claim.observe));
        for claim in &last {
            app.complete(claim, Outcome::Returned).await;
        }
        assert_eq!(app.state(run, "hide@groupware").await.as_str(), "unknown", "given back as it was");
        app.drain().await;
    };

    an_emergency_goes_ahead_of_five_hundred_departures, async |app: &App| {
        let day = jiff::civil::date(2027, 1, 29);
        let crowd = usher::connectors::sandbox::Crowd::leaving(500, day);
        app.told(&crowd.people).await;
        let company = usher::connectors::sandbox::SandboxCompany::from_text(&crowd.company, &app.folder.path().join("crowd"));
        let systems = crate::harness::systems_of(&company.unwrap());
        let engine = app.restarted(systems, &[]).await;
        usher::intake::events::dispatch(&engine).await.unwrap();
        assert_eq!(app.number("SELECT COUNT(*) FROM runs").await, 500);
        app.clock.set(zurich("2027-01-30T09:00"));
        let block = engine.start(crate::harness::request("emergency-block", "00000", &[])).await.unwrap().id();
        let claims = app.claim(4).await;
        assert_eq!(claims.len(), 4);
        assert!(claims.iter().all(|claim| claim.run == block), "{claims:#?}");
        let rest = app.claim(10).await;
        assert_eq!(rest.len(), 10);
        for claim in claims.iter().chain(&rest) {
            app.complete(claim, Outcome::Returned).await;
        }
        engine.store().close().await;
    };
}
