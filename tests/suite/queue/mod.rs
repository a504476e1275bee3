//! The real daemon with the real clock: apalis' workers over the steps table.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use usher::clock::{self, Clock};
use usher::connectors::sandbox::{Crowd, Knobs, SandboxCompany};
use usher::daemon;
use usher::engine::Engine;
use usher::faults::Faults;
use usher::intake::people::{Mapping, read_people};
use usher::intake::{events, feed};
use usher::queue::{self, Attempt, Counts, Settings};
use usher::run::{Holidays, Rules};
use usher::store::{Opening, Store};

use crate::database::Db;
use crate::harness::{App, play, request, systems_of, turn_of, zurich};
use crate::store::claims::URGENT;
use crate::store::{SMALL, people_only};

/// The daemon's engine, by the real clock, with `leavers` people whose last day was yesterday: their ways in are to be
/// closed now, and nothing else yet.
struct House {
    engine: Engine,
    company: Arc<SandboxCompany>,
}

async fn house(app: &App, leavers: usize) -> House {
    let yesterday = Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date().yesterday().unwrap();
    let crowd = Crowd::leaving(leavers, yesterday);
    app.told(&crowd.people).await;
    let company = SandboxCompany::from_text(&crowd.company, &app.folder.path().join("crowd.jsonl")).unwrap();
    // All of them leave at once: their limits are those of a crowd.
    let limits = crate::engine::limits::wide();
    let rules = Rules { limits, ..Rules::default() };
    let store = Store::open(&app.home.url, Opening::Migrate, Clock::System, app.keys.clone(), rules.clone()).await;
    let library = app.engine.library().clone();
    let engine = Engine::new(store.unwrap(), systems_of(&company), library, "Europe/Zurich", rules);
    events::dispatch(&engine).await.unwrap();
    House { engine, company }
}

impl House {
    /// Accounts of leavers that are closed: three systems each, and the calendars.
    fn closed(&self, leavers: usize) -> usize {
        let ids = (1..=leavers).flat_map(|number| {
            [("directory", "u"), ("mailhost", "m"), ("files", "f"), ("groupware", "g")]
                .map(|(system, letter)| (system, format!("{letter}-{number:05}")))
        });
        let closed = |(system, id): &(&str, String)| {
            let account = self.company.account_view(system, id).unwrap().unwrap();
            account.status == usher::run::AccountStatus::Disabled && account.sessions.is_empty()
        };
        ids.filter(closed).count()
    }

    /// Nothing is due and nothing in flight.
    async fn idle(&self, app: &App) -> bool {
        let due = self.engine.store().until_due().await.ok().flatten().is_some_and(|until| until.is_zero());
        !due && app.number("SELECT COUNT(*) FROM steps WHERE state = 'leased'").await == 0
    }
}

/// Waits for what another task brings about, at most half a minute of real time.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(30), "not within half a minute: {what}");
        clock::pause(Duration::from_millis(20)).await;
    }
}

/// Waits until a daemon has looked at everything, and nothing is written any more.
async fn settled(store: &Store) {
    let mut seen = store.changes();
    loop {
        clock::pause(Duration::from_millis(2500)).await;
        if std::mem::replace(&mut seen, store.changes()) == store.changes() {
            return;
        }
    }
}

const LEAVERS: usize = 50;

/// What each departure does at once: six cuts and a look on four systems, and rules and an answer on the mail system.
const STEPS_EACH: i64 = 4 * 7 + 2;

both! {
    fifty_late_departures_close_every_way_in_and_share_their_commits, async |app: &App| {
        let house = house(app, LEAVERS).await;
        let began = Instant::now();
        let running = daemon::start(&house.engine, Settings::default());
        eventually("everything due is done", async || house.closed(LEAVERS) == 4 * LEAVERS && house.idle(app).await).await;
        let counts = Arc::clone(&running.counts);
        let took = began.elapsed();
        running.drain().await;
        let done = app.number("SELECT COUNT(*) FROM steps WHERE state = 'done'").await;
        assert_eq!(done, STEPS_EACH * i64::try_from(LEAVERS).unwrap());
        let twice = house.company.effects_by_key().unwrap().into_values().filter(|effects| *effects > 1).count();
        assert_eq!(twice, 0);
        #[expect(clippy::print_stdout, reason = "the figure is for people")]
        {
            println!("{:?}: {done} steps in {took:?}, {:.2} commits a step", app.home.db, counts.commits_per_step());
        }
        assert!(counts.commits_per_step() < 2.0, "{}", counts.commits_per_step());
        assert_eq!(counts.stale.load(Ordering::Relaxed), 0);
        house.engine.store().close().await;
    };

    a_hand_that_is_free_again_takes_the_next_step_in_the_same_commit, async |app: &App| {
        let house = house(app, 3).await;
        let running = daemon::start(&house.engine, Settings { concurrency: 1, ..Settings::default() });
        eventually("everything due is done", async || house.closed(3) == 4 * 3 && house.idle(app).await).await;
        let counts = Arc::clone(&running.counts);
        running.drain().await;
        let (steps, turns) = (counts.recorded.load(Ordering::Relaxed), counts.turns.load(Ordering::Relaxed));
        assert!(steps >= 90 && turns < steps + steps / 2, "{turns} turns for {steps} steps, one after the other");
        house.engine.store().close().await;
    };

    an_attempt_that_panics_is_unknown_and_harms_nobody_else, async |app: &App| {
        let house = house(app, 3).await;
        let (stop, stopped) = watch::channel(false);
        let engine = house.engine.clone();
        let perform = move |attempt: Arc<Attempt>| {
            let engine = engine.clone();
            async move {
                let claim = &attempt.claim;
                assert!(claim.label != "disable@files" || claim.fence > 1, "a bug in a connector");
                engine.execute(claim, || attempt.lease_stands()).await
            }
        };
        let store = house.engine.store().clone();
        let names = house.engine.system_names();
        let running = tokio::spawn(queue::run(store, Settings::default(), "test".into(), names, Arc::default(), perform, stopped));
        eventually("the others are closed", async || house.closed(3) >= 9 && house.idle(app).await).await;
        let unknown = "SELECT COUNT(*) FROM steps WHERE state = 'unknown' AND name = 'disable' AND system = 'files'";
        assert_eq!(app.number(unknown).await, 3);
        // Their time comes: they look first, and do it.
        eventually("the panicked ones too", async || house.closed(3) == 12 && house.idle(app).await).await;
        stop.send_replace(true);
        running.await.unwrap();
        house.engine.store().close().await;
    };

    a_drain_lets_attempts_end_and_gives_everything_else_back, async |app: &App| {
        let house = house(app, 10).await;
        let (stop, stopped) = watch::channel(false);
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (engine, hand, door) = (house.engine.clone(), Arc::clone(&begun), Arc::clone(&gate));
        let perform = move |attempt: Arc<Attempt>| {
            let (engine, hand, door) = (engine.clone(), Arc::clone(&hand), Arc::clone(&door));
            async move {
                hand.fetch_add(1, Ordering::SeqCst);
                let _through = door.acquire().await.unwrap();
                engine.execute(&attempt.claim, || attempt.lease_stands()).await
            }
        };
        // One of five hands is kept free for what is urgent.
        let settings = Settings { concurrency: 5, ..Settings::default() };
        let counts = Arc::new(Counts::default());
        let store = house.engine.store().clone();
        let names = house.engine.system_names();
        let running = tokio::spawn(queue::run(store, settings, "test".into(), names, Arc::clone(&counts), perform, stopped));
        eventually("four have begun", async || begun.load(Ordering::SeqCst) == 4).await;
        // While every hand is busy the claimer asks the database for nothing.
        let turns = counts.turns.load(Ordering::Relaxed);
        stop.send_replace(true);
        clock::pause(Duration::from_millis(50)).await;
        gate.add_permits(100);
        running.await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 4, "nothing began after the drain");
        assert!(counts.turns.load(Ordering::Relaxed) <= turns + 4);
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state = 'leased'").await, 0);
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state = 'done'").await, 4);
        house.engine.store().close().await;
    };

    a_daemon_takes_up_the_lapsed_leases_of_others_and_not_its_own, async |app: &App| {
        let house = house(app, 10).await;
        let (stop, stopped) = watch::channel(false);
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (hand, door) = (Arc::clone(&begun), Arc::clone(&gate));
        let engine = house.engine.clone();
        let perform = move |attempt: Arc<Attempt>| {
            let (engine, hand, door) = (engine.clone(), Arc::clone(&hand), Arc::clone(&door));
            async move {
                hand.fetch_add(1, Ordering::SeqCst);
                let _through = door.acquire().await.unwrap();
                engine.execute(&attempt.claim, || attempt.lease_stands()).await
            }
        };
        let (settings, counts) = (Settings { concurrency: 5, ..Settings::default() }, Arc::new(Counts::default()));
        let (store, names) = (house.engine.store().clone(), house.engine.system_names());
        let running = queue::run(store.clone(), settings, "here".into(), names.clone(), Arc::clone(&counts), perform, stopped);
        let running = tokio::spawn(running);
        eventually("every hand is busy", async || begun.load(Ordering::SeqCst) == 4).await;
        // A fifth attempt belongs to a daemon that is gone. Then the clock makes all leases look lapsed.
        assert_eq!(turn_of(&store, "gone", &names, vec![], 1).await.unwrap().claims.len(), 1);
        assert_eq!(app.sql("UPDATE steps SET lease_until = 1 WHERE state = 'leased'").await.unwrap(), 5);
        let taken_up = "SELECT COUNT(*) FROM steps WHERE state = 'unknown'";
        eventually("the other one's is taken up", async || app.number(taken_up).await > 0).await;
        assert_eq!(app.number("SELECT COUNT(*) FROM steps WHERE state = 'leased' AND lease_owner = 'here'").await, 4);
        gate.add_permits(1000);
        eventually("all is done", async || house.closed(10) == 40 && house.idle(app).await).await;
        stop.send_replace(true);
        running.await.unwrap();
        assert_eq!(counts.stale.load(Ordering::Relaxed), 0, "the outcomes of its own attempts count");
        house.engine.store().close().await;
    };

    a_drain_does_not_wait_for_ever, async |app: &App| {
        let house = house(app, 2).await;
        let (stop, stopped) = watch::channel(false);
        let begun = Arc::new(AtomicUsize::new(0));
        let hand = Arc::clone(&begun);
        let perform = move |_: Arc<Attempt>| {
            hand.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        };
        let settings = Settings { concurrency: 4, drain: Duration::from_millis(200), ..Settings::default() };
        let store = house.engine.store().clone();
        let names = house.engine.system_names();
        let running = tokio::spawn(queue::run(store, settings, "test".into(), names, Arc::default(), perform, stopped));
        eventually("three have begun", async || begun.load(Ordering::SeqCst) == 3).await;
        let asked = Instant::now();
        stop.send_replace(true);
        running.await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        // The next daemon has them at once, without waiting for their leases, and looks first.
        assert_eq!(house.engine.store().in_flight().await.unwrap(), 0);
        let census = house.engine.store().census().await.unwrap();
        assert!(census.contains(&("step".to_owned(), "unknown".to_owned(), 3)), "{census:?}");
        house.engine.store().close().await;
    };

    an_emergency_finds_a_free_hand_though_slow_systems_hold_all_others, async |app: &App| {
        let house = house(app, 5).await;
        let (stop, stopped) = watch::channel(false);
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (engine, hand, door) = (house.engine.clone(), Arc::clone(&begun), Arc::clone(&gate));
        // Leavers' accounts end in their number; the manager, who is blocked, is number zero.
        let urgent = |attempt: &Attempt| {
            attempt.claim.account.as_ref().is_some_and(|account| account.external_id.ends_with("-00000"))
        };
        let perform = move |attempt: Arc<Attempt>| {
            let (engine, hand, door) = (engine.clone(), Arc::clone(&hand), Arc::clone(&door));
            async move {
                if !urgent(&attempt) {
                    hand.fetch_add(1, Ordering::SeqCst);
                    let _through = door.acquire().await.unwrap();
                }
                engine.execute(&attempt.claim, || attempt.lease_stands()).await
            }
        };
        let settings = Settings { concurrency: 5, ..Settings::default() };
        let store = house.engine.store().clone();
        let names = house.engine.system_names();
        let running = tokio::spawn(queue::run(store, settings, "test".into(), names, Arc::default(), perform, stopped));
        eventually("four hands are held", async || begun.load(Ordering::SeqCst) == 4).await;
        let asked = Instant::now();
        house.engine.start(request("emergency-block", "00000", &[])).await.unwrap();
        let blocked = || house.company.account_view("mailhost", "m-00000").unwrap().unwrap().status;
        eventually("blocked", async || blocked() == usher::run::AccountStatus::Disabled).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        stop.send_replace(true);
        gate.add_permits(100);
        running.await.unwrap();
        house.engine.store().close().await;
    };

    what_is_urgent_begins_in_a_turn_of_its_own, async |app: &App| {
        people_only(app).await;
        app.clock.set(zurich("2027-01-29T18:00"));
        let engine = app.restarted(app.systems(), &[("small", SMALL), ("urgent", URGENT)]).await;
        engine.start(request("small", "1005", &[("last_day", "2027-01-29")])).await.unwrap();
        engine.start(request("urgent", "1006", &[])).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let (begun, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let (worker, list, door) = (engine.clone(), Arc::clone(&begun), Arc::clone(&gate));
        let perform = move |attempt: Arc<Attempt>| {
            let (engine, list, door) = (worker.clone(), Arc::clone(&list), Arc::clone(&door));
            async move {
                list.lock().unwrap().push(attempt.claim.label.clone());
                let _through = door.acquire().await.unwrap();
                engine.execute(&attempt.claim, || attempt.lease_stands()).await
            }
        };
        let counts = Arc::new(Counts::default());
        let (store, names) = (engine.store().clone(), engine.system_names());
        let running = queue::run(store, Settings::default(), "test".into(), names, Arc::clone(&counts), perform, stopped);
        let running = tokio::spawn(running);
        eventually("all that is due has begun", async || begun.lock().unwrap().len() == 3).await;
        // With one of them, all three would be its claims.
        assert_eq!(counts.turns.load(Ordering::Relaxed), 2);
        assert_eq!(begun.lock().unwrap()[0], "cut@mailhost");
        gate.add_permits(100);
        stop.send_replace(true);
        running.await.unwrap();
        engine.store().close().await;
    };

    what_hr_tells_a_command_is_followed_by_an_idle_daemon, async |app: &App| {
        let house = house(app, 1).await;
        let running = daemon::start(&house.engine, Settings::default());
        settled(house.engine.store()).await;
        // Only the commit says that there is something: no step is due, and nothing was accepted before.
        let keys = app.keys.clone();
        let beside = Store::open(&app.home.url, Opening::Existing, Clock::System, keys, Rules::default()).await.unwrap();
        let library = app.engine.library().clone();
        let command = Engine::new(beside.clone(), systems_of(&house.company), library, "Europe/Zurich", Rules::default());
        let tomorrow = Clock::System.now().to_zoned(jiff::tz::TimeZone::UTC).date().tomorrow().unwrap();
        let file = read_people(Crowd::leaving(2, tomorrow).people.as_bytes(), &Mapping::default()).unwrap();
        assert!(feed::take_in(&command, &file, "csv", |_| ()).await.unwrap().events > 0);
        let open = "SELECT COUNT(*) FROM hr_events WHERE state = 'accepted'";
        eventually("HR's word is followed", async || app.number(open).await == 0).await;
        running.drain().await;
        beside.close().await;
        house.engine.store().close().await;
    };

    an_idle_daemon_hardly_asks, async |app: &App| {
        let house = house(app, 1).await;
        let faults = Arc::new(Faults::default());
        let store = house.engine.store().clone().with_faults(Arc::clone(&faults));
        let library = app.engine.library().clone();
        let engine = Engine::new(store.clone(), systems_of(&house.company), library, "Europe/Zurich", Rules::default());
        let running = daemon::start(&engine, Settings::default());
        settled(&store).await;
        let calls = || faults.passed().values().sum::<u64>();
        let (before, began) = (calls(), Instant::now());
        clock::pause(Duration::from_secs(9)).await;
        let (asked, seconds) = (calls() - before, began.elapsed().as_secs());
        assert!(asked <= seconds, "{asked} connections were asked for within {seconds} s");
        running.drain().await;
        store.close().await;
    };

    a_command_beside_the_daemon_is_heard, async |app: &App| {
        let house = house(app, 1).await;
        let running = daemon::start(&house.engine, Settings::default());
        eventually("idle", async || house.closed(1) == 4 && house.idle(app).await).await;
        // Another process starts something urgent: nobody tells this one but the database.
        let beside = app.another_store().await;
        let engine = Engine::new(beside.clone(), systems_of(&house.company), app.engine.library().clone(), "UTC", Holidays::default());
        let asked = Instant::now();
        let mut block = request("emergency-block", "00000", &[]);
        block.start = Some(house.engine.store().now().await.unwrap());
        engine.start(block).await.unwrap();
        let blocked = || house.company.account_view("mailhost", "m-00000").unwrap().unwrap().status;
        eventually("blocked", async || blocked() == usher::run::AccountStatus::Disabled).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        eventually("idle", async || house.idle(app).await).await;
        running.drain().await;
        beside.close().await;
        house.engine.store().close().await;
    };
}

/// Every connection is cut several times while work is under way; nobody starts anything again.
#[tokio::test]
async fn a_database_that_goes_away_is_waited_for() {
    play(Db::Postgres, async |app: &App| {
        let house = house(app, 20).await;
        for system in ["directory", "mailhost", "files", "groupware"] {
            house.company.set_knobs(system, Knobs { latency_ms: 5, ..Knobs::default() });
        }
        let running = daemon::start(&house.engine, Settings { concurrency: 4, ..Settings::default() });
        for _ in 0..3 {
            let before = running.counts.recorded.load(Ordering::Relaxed);
            let further = async || running.counts.recorded.load(Ordering::Relaxed) > before + 20;
            eventually("it goes on", further).await;
            let cut = "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
            assert!(app.number(cut).await > 0);
        }
        eventually("everything is closed", async || house.closed(20) == 80 && house.idle(app).await).await;
        running.drain().await;
        let twice = house.company.effects_by_key().unwrap().into_values().filter(|effects| *effects > 1).count();
        assert_eq!(twice, 0);
        house.engine.store().close().await;
    })
    .await;
}
