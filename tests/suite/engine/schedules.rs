//! What happens by the calendar: purges after grace, once, whoever fires them.

use std::collections::BTreeSet;

use usher::intake::schedules;
use usher::run::{AccountStatus, RunState};
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
        let last = app.store.last_tick("grace-purge").await.unwrap();
        assert_eq!(last, zurich("2028-02-20T04:15"), "the newest missed night counts");
        app.drain().await;
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
