//! What HR tells too late, or in another order than it happened.

use usher::run::{AccountStatus, Lateness, PersonStatus, RunState};

use crate::engine::moved::parked;
use crate::harness::{App, request, zurich};

fn leave(from: &str, until: &str) -> String {
    format!("employee_number,given_name,family_name,leave_from,leave_until\n1006,Zoë,Lindqvist,{from},{until}\n")
}

both! {
    a_departure_of_somebody_who_has_left_closes_at_once_and_deletes_a_week_later_at_the_earliest, async |app: &App| {
        app.staffed().await;
        // The last day lies so far back that even the deletion would be over.
        app.import("employee_number,given_name,family_name,last_day\n1022,Anaïs,Perrin,2026-03-31\n").await;
        let anais = app.store.person("1022").await.unwrap().unwrap();
        assert_eq!(anais.status, PersonStatus::Left);
        let run = app.run_of("departure", "1022").await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0022").unwrap().status, AccountStatus::Disabled);
        let book = app.book(run).await;
        let delete = book.steps.iter().find(|step| step.name == "delete").unwrap();
        assert_eq!(delete.at.as_ref().unwrap().at, zurich("2027-01-27T08:00"), "seven days after the start");
        assert_eq!(app.state(run, "auto-reply@mailhost").await.as_str(), "skipped", "its end has passed");
        assert_eq!(app.state(run, "auto-reply.end@mailhost").await.as_str(), "skipped");
    };

    the_plan_shows_what_is_late, async |app: &App| {
        app.staffed().await;
        let plan = app.engine.plan(&request("departure", "1022", &[("last_day", "2026-03-31")])).await.unwrap();
        let late = |label: &str| plan.steps.iter().find(|step| step.label() == label).unwrap().late;
        assert_eq!(late("disable@mailhost"), Some(Lateness::Now));
        assert_eq!(late("delete@mailhost"), Some(Lateness::Postponed));
        assert_eq!(late("auto-reply@mailhost"), Some(Lateness::Skipped));
    };

    a_leave_that_arrives_late_closes_at_once_and_opens_on_its_day, async |app: &App| {
        app.staffed().await;
        app.import(&leave("2027-01-11", "2027-02-01")).await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        app.walk_to(zurich("2027-02-01T06:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
    };

    a_leave_that_is_over_when_it_arrives_closes_nothing, async |app: &App| {
        app.staffed().await;
        let run = app.start("temporary-leave", "1006", &[("first_day", "2027-01-04"), ("return_day", "2027-01-18")]).await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        assert!(app.states(run).await.iter().filter(|(label, _)| label.starts_with("disable")).all(|(_, state)| *state == "skipped"));
    };

    a_return_before_the_leave_calls_it_off, async |app: &App| {
        app.staffed().await;
        app.import(&leave("2027-03-01", "2027-09-01")).await;
        let run = app.run_of("temporary-leave", "1006").await;
        let dispatched = app.import(&leave("", "")).await;
        assert_eq!(dispatched[0].event.as_str(), "return");
        assert_eq!(app.run_state(run).await, RunState::Cancelled, "{dispatched:?}");
        app.walk_to(zurich("2027-03-02T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
    };

    a_return_sooner_than_planned_opens_at_once, async |app: &App| {
        app.staffed().await;
        app.import(&leave("2027-03-01", "2027-09-01")).await;
        let run = app.run_of("temporary-leave", "1006").await;
        app.walk_to(zurich("2027-04-10T09:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        app.import(&leave("2027-03-01", "2027-04-10")).await;
        app.drain().await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled, "{:?}", parked(app).await);
        assert!(app.account("mailhost", "m-0006").unwrap().mailbox.unwrap().auto_reply.is_none());
        assert_eq!(app.book(run).await.run.inputs["return_day"], "2027-04-10");
    };

    a_return_of_somebody_who_was_not_away_is_noted, async |app: &App| {
        app.staffed().await;
        // 1018 is on leave in HR's first file, from before there was usher.
        let dispatched = app.import("employee_number,given_name,family_name,status\n1018,Élodie,Favre,active\n").await;
        assert_eq!((dispatched[0].event.as_str(), &dispatched[0].parked), ("return", &None));
        assert!(dispatched[0].noted[0].contains("no leave was under way"));
    };

    a_first_day_in_the_past_begins_at_once, async |app: &App| {
        let welcome = "workflow: welcome\nfor: person\non: { event: joined }\n\
            inputs: { first_day: { type: date, from: event.effective, required: true } }\n\
            steps:\n  - { id: greet, action: task, at: first_day 08:00, with: { title: Say hello } }\n\
            \x20 - { id: cake, action: task, after: [], at: first_day 15:00, late: skip, with: { title: Cake } }\n";
        let engine = app.restarted(app.systems(), &[("welcome.yaml", welcome)]).await;
        app.told("employee_number,given_name,family_name,start_date\n2001,Noor,Haddad,2027-01-11\n").await;
        usher::intake::events::dispatch(&engine).await.unwrap();
        app.drain().await;
        let run = app.run_of("welcome", "2001").await;
        assert_eq!(app.state(run, "greet").await.as_str(), "awaiting_person");
        assert_eq!(app.state(run, "cake").await.as_str(), "skipped");
        engine.store().close().await;
    };
}
