//! What happens by the calendar: purges after grace, once, whoever fires them.

use std::collections::BTreeSet;

use usher::intake::schedules;
use usher::run::{Account, AccountStatus, RunState};
use usher::store::RunFilter;

use crate::harness::{App, zurich};

/// Ada's departure up to the deletion, her accounts in grace.
pub async fn deleted_into_grace(app: &App) -> i64 {
    let run = app.run_of("departure", "1005").await;
    app.walk_to(zurich("2027-01-29T18:00")).await;
    app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
    app.walk_to(zurich("2027-06-28T09:00")).await;
    app.engine.task_done(run, "checklist", &BTreeSet::new(), None, "os:soren").await.unwrap();
    app.walk_to(zurich("2027-07-14T09:00")).await;
    app.engine.approve(run, "approve-deletion", "Ada Keller", "os:helene").await.unwrap();
    app.walk_to(zurich("2027-07-28T09:00")).await;
    assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
    run
}

/// The ticks by which runs of a workflow were started.
async fn started(app: &App, workflow: &str) -> Vec<String> {
    let filter = RunFilter { workflow: Some(workflow.into()), ..RunFilter::default() };
    let runs = app.store.runs(&filter).await.unwrap();
    let mut ticks: Vec<String> =
        runs.into_iter().map(|run| run.trigger.trim_start_matches("schedule:").to_owned()).collect();
    ticks.sort();
    ticks
}

/// The daily inventory is due beside the purges, and makes one run.
const INVENTORY: usize = 1;

async fn purges(app: &App) -> usize {
    let filter = RunFilter { workflow: Some("grace-purge".into()), ..RunFilter::default() };
    app.store.runs(&filter).await.unwrap().len()
}

both! {
    the_night_purges_what_no_run_has_in_hand_once_over_all_daemons, async |app: &App| {
        app.staffed().await;
        assert_eq!(schedules::fire(&app.engine).await.unwrap(), 0, "the first look starts nothing");
        let run = deleted_into_grace(app).await;
        app.engine.cancel(run, "the nightly purge shall do it", "os:nils").await.unwrap();

        // Still in grace: the night passes.
        app.clock.set(zurich("2027-08-20T04:16"));
        assert_eq!(schedules::fire(&app.engine).await.unwrap(), INVENTORY);
        assert_eq!(purges(app).await, 0);

        // Past it: each account gets one run, though two daemons fire.
        app.clock.set(zurich("2027-08-28T04:16"));
        let other = app.restarted(app.systems(), &[]).await;
        let (here, there) = tokio::join!(schedules::fire(&app.engine), schedules::fire(&other));
        let started = here.unwrap() + there.unwrap();
        assert_eq!(purges(app).await, 3, "directory, mail and files have a trash; the calendars have none");
        assert_eq!(started, 3 + INVENTORY, "a run that was there already is not counted as started");
        assert_eq!(schedules::fire(&app.engine).await.unwrap(), 0);

        app.drain().await;
        assert!(app.account("mailhost", "m-0005").is_none());
        let filter = RunFilter { workflow: Some("grace-purge".into()), ..RunFilter::default() };
        assert!(app.store.runs(&filter).await.unwrap().iter().all(|run| run.state == RunState::Completed));
        app.clock.set(zurich("2027-08-29T04:16"));
        schedules::fire(&app.engine).await.unwrap();
        assert_eq!(purges(app).await, 3, "nothing is left to purge");
        app.drain().await;
        app.no_effect_twice(&[]);
        other.store().close().await;
    };

    many_missed_nights_are_made_up_for_by_one_run, async |app: &App| {
        app.staffed().await;
        schedules::fire(&app.engine).await.unwrap();
        let run = deleted_into_grace(app).await;
        app.engine.cancel(run, "the nightly purge shall do it", "os:nils").await.unwrap();
        app.clock.set(zurich("2028-02-20T12:00"));
        assert_eq!(schedules::fire(&app.engine).await.unwrap(), 3 + INVENTORY);
        assert_eq!(schedules::fire(&app.engine).await.unwrap(), 0, "all the nights are dealt with");
        let last = app.store.schedule("grace-purge").await.unwrap().last_tick;
        assert_eq!(last, zurich("2028-02-20T04:15"), "the newest missed night counts");
        app.drain().await;
    };

    every_missed_tick_has_its_run_where_the_file_says_all_and_none_where_it_says_skip, async |app: &App| {
        let file = |name: &str, missed: &str| {
            format!(
                "workflow: {name}\nfor: organisation\non: {{ schedule: {{ cron: \"30 2 * * *\", timezone: Europe/Zurich, missed: {missed} }} }}\n\
                 steps:\n  - id: look\n    action: task\n    with: {{ title: Look }}\n"
            )
        };
        let (all, skip) = (file("all", "all"), file("skip", "skip"));
        let library = [("all", all.as_str()), ("skip", skip.as_str())];
        let before = app.restarted(app.systems(), &library).await;
        app.clock.set(zurich("2027-03-26T12:00"));
        assert_eq!(schedules::fire(&before).await.unwrap(), 0, "the first look starts nothing");
        before.store().close().await;

        // The daemon is away for three nights; on the second, 02:30 does not exist.
        app.clock.set(zurich("2027-03-29T12:00"));
        let after = app.restarted(app.systems(), &library).await;
        schedules::fire(&after).await.unwrap();
        assert_eq!(started(app, "all").await, ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]);
        assert_eq!(started(app, "skip").await, [""; 0]);

        // In autumn 02:30 comes twice, and is fired once; it is on time, so nothing was missed.
        app.clock.set(zurich("2027-10-30T02:31"));
        while schedules::fire(&after).await.unwrap() > 0 {}
        let nights = started(app, "all").await.len();
        for instant in ["2027-10-31T00:31:00Z", "2027-10-31T01:31:00Z"] {
            app.clock.set(instant.parse().unwrap());
            schedules::fire(&after).await.unwrap();
        }
        assert_eq!(started(app, "all").await.len(), nights + 1);
        assert_eq!(started(app, "skip").await, ["2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z"]);
        after.store().close().await;
    };

    a_paused_schedule_starts_nothing_until_it_is_resumed_and_makes_up_for_nothing, async |app: &App| {
        let file = "workflow: nightly\nfor: organisation\non: { schedule: { cron: \"0 6 * * *\", timezone: UTC, missed: all } }\n\
                    steps:\n  - id: look\n    action: task\n    with: { title: Look }\n";
        let engine = app.restarted(app.systems(), &[("nightly", file)]).await;
        schedules::fire(&engine).await.unwrap();
        assert!(app.store.pause_schedule("nightly", "os:nils", "audit").await.unwrap());
        assert!(!app.store.pause_schedule("nightly", "os:else", "twice").await.unwrap(), "it is paused already");
        app.clock.set(zurich("2027-03-01T12:00"));
        schedules::fire(&engine).await.unwrap();
        let again = app.restarted(app.systems(), &[("nightly", file)]).await;
        schedules::fire(&again).await.unwrap();
        assert_eq!(started(app, "nightly").await, [""; 0], "a restart changes nothing");
        let workflow = again.library().get("nightly").unwrap().clone();
        let standing = schedules::standing(&again, &workflow, 3).await.unwrap().unwrap();
        let pause = standing.paused.unwrap();
        assert_eq!((pause.by.as_str(), pause.reason.as_str(), standing.next.len()), ("os:nils", "audit", 0));

        assert_eq!(schedules::fire_now(&again, &workflow, "os:nils").await.unwrap(), 1, "a person may still ask for it");
        assert!(app.store.resume_schedule("nightly").await.unwrap());
        schedules::fire(&again).await.unwrap();
        assert_eq!(started(app, "nightly").await.len(), 1, "what passed while it was paused is over");
        app.clock.set(zurich("2027-03-02T12:00"));
        schedules::fire(&again).await.unwrap();
        assert_eq!(started(app, "nightly").await.len(), 2);
        let standing = schedules::standing(&again, &workflow, 2).await.unwrap().unwrap();
        let (tick, runs, first) = standing.last.unwrap();
        assert_eq!((tick.to_string().as_str(), runs, first.is_some()), ("2027-03-02T06:00:00Z", 1, true));
        assert_eq!(standing.next.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2027-03-03T06:00:00Z", "2027-03-04T06:00:00Z"]);
        engine.store().close().await;
        again.store().close().await;
    };

    each_selection_finds_whom_it_names_page_by_page_and_starts_each_once, async |app: &App| {
        app.staffed().await;
        let each = |name: &str, selection: &str| {
            let on = "on: { schedule: { cron: \"0 6 * * *\", timezone: UTC } }";
            let step = "  - id: look\n    action: task\n    with: { title: Look }\n";
            format!("workflow: {name}\nfor: organisation\n{on}\nfor_each: {selection}\nsteps:\n{step}")
        };
        let files = [
            ("unbound", each("unbound", "{ accounts: unbound }")),
            ("disabled", each("disabled", "{ accounts: disabled }")),
            ("inactive", each("inactive", "{ accounts: inactive, for: 90 days }")),
            ("active", each("active", "{ people: active }")),
            ("departed", each("departed", "{ people: departed }")),
            ("leaving", each("leaving", "{ people: leaving, within: 14 days }")),
            ("starting", each("starting", "{ people: starting_in_7_days }")),
        ];
        let library: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let engine = app.restarted(app.systems(), &library).await;
        let other = app.restarted(app.systems(), &library).await;
        app.clock.set(zurich("2027-01-20T06:00"));
        let now = app.now().as_millisecond();
        let day = 86_400_000;
        // More unbound accounts than a page holds, all seen now; a few more of the other kinds.
        let extra = |n: usize| Account {
            id: 0, system: "mailhost".into(), external_id: format!("x-{n}"), login: format!("x{n}"), person_id: None,
            status: if n == 0 { AccountStatus::Disabled } else { AccountStatus::Enabled }, attributes: Default::default(),
            last_sign_in: match n { 1 => Some(now - 91 * day), 2 => Some(now - 80 * day), _ => None }, purge_due: None,
        };
        app.store.save_accounts(&(0..1_100).map(extra).collect::<Vec<_>>()).await.unwrap();
        app.told("employee_number,given_name,family_name,start_date,last_day,status\n\
                  9001,Nora,New,2027-01-27,,prehire\n9002,Late,New,2027-01-29,,prehire\n9003,Gone,Long,,2026-01-31,left\n").await;
        schedules::fire(&engine).await.unwrap();
        app.clock.set("2027-01-21T06:00:00Z".parse().unwrap());
        let unbound = app.number("SELECT COUNT(*) FROM accounts WHERE person_id IS NULL AND status IN ('enabled', 'disabled')").await;
        let active = app.number("SELECT COUNT(*) FROM people WHERE status = 'active'").await;
        let (here, there) = tokio::join!(schedules::fire(&engine), schedules::fire(&other));
        let fired = here.unwrap() + there.unwrap();
        let runs = async |name: &str| app.number(&format!("SELECT COUNT(*) FROM runs WHERE workflow = '{name}'")).await;
        assert!(unbound >= 1_100);
        assert_eq!(runs("unbound").await, unbound);
        assert_eq!(runs("disabled").await, 1);
        for (id, expected, why) in [("x-1", 1, "91 days"), ("x-2", 0, "80 days"), ("x-3", 0, "nobody can tell")] {
            let found = "SELECT COUNT(*) FROM runs r JOIN accounts a ON a.id = r.account_id WHERE r.workflow = 'inactive'";
            assert_eq!(app.number(&format!("{found} AND a.external_id = '{id}'")).await, expected, "{why}");
        }
        assert_eq!(runs("active").await, active);
        assert_eq!(runs("departed").await, 1);
        assert_eq!(runs("leaving").await, 1, "Ada leaves on the 29th");
        assert_eq!(runs("starting").await, 1, "Nora starts in six days, the other in eight");
        let all = app.number("SELECT COUNT(*) FROM runs WHERE started_by LIKE 'schedule:%'").await;
        assert_eq!(i64::try_from(fired).unwrap(), all, "each is started by one of the two daemons");
        engine.store().close().await;
        other.store().close().await;
    };

    the_night_leaves_the_accounts_of_the_employed_alone, async |app: &App| {
        app.staffed().await;
        schedules::fire(&app.engine).await.unwrap();
        let run = deleted_into_grace(app).await;
        app.engine.cancel(run, "she comes back", "os:nils").await.unwrap();
        app.told("employee_number,given_name,family_name,last_day,status\n1005,Ada,Keller,,active\n").await;
        app.clock.set(zurich("2027-10-01T04:16"));
        assert_eq!(schedules::fire(&app.engine).await.unwrap(), INVENTORY);
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Deleted);
    };
}
