//! Systems that cut, refuse and lie: the end state is right all the same, and nothing has its effect twice.

use jiff::SignedDuration;
use serde_json::json;
use usher::connectors::Call;
use usher::connectors::sandbox::Knobs;
use usher::run::settle::Outcome;
use usher::run::{AccountStatus, RunState};
use usher::workflow::ActionKind;

use crate::harness::{App, done, zurich};

/// Ada's evening with systems that behave like this; they recover after `hours`.
async fn evening_with(app: &App, knobs: &Knobs, hours: i64) -> i64 {
    app.staffed().await;
    let run = app.run_of("departure", "1005").await;
    let evening = zurich("2027-01-29T18:00");
    app.walk_to(evening - SignedDuration::from_mins(1)).await;
    app.misbehave(knobs);
    app.walk_to(evening + SignedDuration::from_hours(hours)).await;
    app.misbehave(&Knobs::default());
    app.walk_to(evening + SignedDuration::from_hours(hours + 2)).await;
    run
}

async fn closed(app: &App, run: i64) {
    for (system, id) in [("directory", "u-0005"), ("mailhost", "m-0005"), ("files", "f-0005"), ("groupware", "g-0005")]
    {
        let account = app.account(system, id).unwrap();
        assert_eq!(account.status, AccountStatus::Disabled, "{system}");
        assert!(
            account.sessions.is_empty() && account.tokens.is_empty() && account.app_passwords.is_empty(),
            "{system}"
        );
    }
    assert!(app.account("mailhost", "m-0005").unwrap().mailbox.unwrap().auto_reply.is_some());
    for step in ["disable", "rotate-password", "revoke-sessions", "verify-no-access"] {
        assert_eq!(app.state(run, &format!("{step}@mailhost")).await.as_str(), "done", "{step}");
    }
    assert_eq!(app.run_state(run).await, RunState::Open, "{:#?}", failed(app, run).await);
    // A password cannot be seen: setting one again is harmless, and is what happens (class S).
    app.no_effect_twice(&["rotate-password"]);
}

/// Somebody removes an account for good, at the system itself.
fn purge(app: &App, system: &str, id: &str) {
    let sandbox = app.company.system(system).expect("the system");
    for action in [ActionKind::AccountDisable, ActionKind::AccountDelete, ActionKind::AccountPurge] {
        let with = json!({ "reason": "departure" }).as_object().cloned().unwrap_or_default();
        let key = format!("by hand/{action}");
        let call = Call { action, with, account: Some(id.into()), idempotency_key: key, fence: 1, now: app.now() };
        sandbox.by_hand(&call).expect("by hand");
    }
    assert_eq!(app.account(system, id), None);
}

/// Steps that are for a person now, with what the journal says about them.
async fn failed(app: &App, run: i64) -> Vec<String> {
    let stopped = app.store.waiting(50).await.unwrap();
    stopped
        .into_iter()
        .filter(|step| step.run == format!("run_{run}"))
        .map(|step| format!("{}: {}", step.step, step.what))
        .collect()
}

both! {
    requests_cut_before_their_effect_are_observed_and_done, async |app: &App| {
        let run = evening_with(app, &Knobs { cut_before_rate: 0.5, ..Knobs::default() }, 6).await;
        closed(app, run).await;
    };

    requests_cut_after_their_effect_are_found_done, async |app: &App| {
        let run = evening_with(app, &Knobs { cut_after_rate: 1.0, ..Knobs::default() }, 1).await;
        closed(app, run).await;
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact.to_string().contains("found done")), "observed, not done again");
    };

    lies_are_found_out_by_reading_back, async |app: &App| {
        let run = evening_with(app, &Knobs { lie_rate: 0.5, ..Knobs::default() }, 6).await;
        closed(app, run).await;
    };

    a_third_of_all_requests_refused_delays_and_loses_nothing, async |app: &App| {
        let run = evening_with(app, &Knobs { error_rate: 0.3, seed: 7, ..Knobs::default() }, 6).await;
        closed(app, run).await;
    };

    everything_at_once, async |app: &App| {
        let knobs = Knobs {
            error_rate: 0.2, cut_before_rate: 0.2, cut_after_rate: 0.2, lie_rate: 0.2, seed: 3, ..Knobs::default()
        };
        let run = evening_with(app, &knobs, 12).await;
        closed(app, run).await;
    };

    an_ambiguous_attempt_on_an_account_that_is_gone_ends, async |app: &App| {
        app.staffed().await;
        let run = app.start("name-change", "1006", &[("display_name", "Zoë L.")]).await;
        for claim in app.claim(32).await {
            let cut = claim.run == run && claim.label == "update@directory";
            app.complete(&claim, if cut { Outcome::Unknown("cut".into()) } else { done() }).await;
        }
        purge(app, "directory", "u-0006");
        app.walk_to(app.now() + SignedDuration::from_hours(2)).await;
        assert_eq!(app.state(run, "update@directory").await.as_str(), "failed", "{:#?}", app.states(run).await);
    };

    a_system_that_is_down_for_six_hours_delays_only_itself_and_is_never_given_up, async |app: &App| {
        app.staffed().await;
        let run = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-01-29T17:59")).await;
        app.company.set_knobs("files", Knobs { error_rate: 1.0, ..Knobs::default() });
        app.walk_to(zurich("2027-01-29T18:00")).await;
        assert_eq!(app.account("mailhost", "m-0005").unwrap().status, AccountStatus::Disabled);
        app.walk_to(zurich("2027-01-30T00:00")).await;
        assert_eq!(app.state(run, "disable@files").await.as_str(), "waiting", "retried for ever");
        app.company.set_knobs("files", Knobs::default());
        app.walk_to(zurich("2027-01-30T01:00")).await;
        let account = app.account("files", "f-0005").unwrap();
        assert_eq!(account.status, AccountStatus::Disabled);
        assert!(account.sessions.is_empty());
        // The password was changed while the account was still open: sessions are revoked once more.
        assert_eq!(app.run_state(run).await, RunState::Open, "{:#?}", app.states(run).await);
    };
}
