//! Whoever joins: names, accounts, what the department gives; and whoever returns.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use usher::connectors::Call;
use usher::connectors::sandbox::{Knobs, SandboxCompany};
use usher::engine::trigger::SubjectRef;
use usher::run::naming::OnCollision;
use usher::run::{AccountStatus, Capability, Conventions, HoldReason, RunState, SkipReason, StepState};
use usher::secret::Secret;
use usher::store::Completion;
use usher::workflow::ActionKind;

use crate::harness::{App, conventions, posting, zurich};

const HEAD: &str = "employee_number,given_name,family_name,department,language,start_date,status,email";
const DOMAIN: &str = "alpine-instruments.example";

/// HR's file with these newcomers, dispatched.
async fn joins(app: &App, rows: &[&str]) {
    app.import(&format!("{HEAD}\n{}\n", rows.join("\n"))).await;
}

/// The address of somebody's mailbox, as the system has it.
async fn mailbox(app: &App, number: &str) -> Option<(String, AccountStatus)> {
    let person = app.store.person(number).await.unwrap().unwrap();
    let accounts = app.store.accounts(Some("mailhost"), Some(person.id), None).await.unwrap();
    let live = accounts.iter().find(|account| account.status != AccountStatus::Purged)?;
    let account = app.account("mailhost", &live.external_id).unwrap();
    Some((account.email.unwrap(), account.status))
}

async fn address(app: &App, number: &str) -> String {
    let (address, _) = mailbox(app, number).await.unwrap_or_else(|| panic!("{number} has no mailbox"));
    address.replace(&format!("@{DOMAIN}"), "")
}

/// Does something to accounts on their systems, past usher, which reads it afterwards.
async fn by_hand(app: &App, accounts: &[(&str, &str)], actions: &[ActionKind]) {
    for (system, id) in accounts {
        let sandbox = app.company.system(system).expect("the system");
        for action in actions {
            let idempotency_key = format!("by hand/{action}/{system}/{id}/{}", app.now());
            let (with, account) = (serde_json::Map::new(), Some((*id).to_owned()));
            let call = Call { action: *action, with, account, idempotency_key, fence: 1, now: app.now() };
            sandbox.by_hand(&call).expect("by hand");
        }
    }
    app.sync().await;
}

both_posting! {
    a_newcomer_has_closed_accounts_some_days_before_and_comes_in_on_the_first_day, async |app: &App| {
        app.staffed().await;
        app.import(&format!("{HEAD},private_email\n1030,Jürg,Müller,Sales,de,2027-02-15,prehire,,j@example.org\n")).await;
        let run = app.run_of("onboarding", "1030").await;
        // Five working days before Monday the 15th is Monday the 8th.
        app.walk_to(zurich("2027-02-08T08:59")).await;
        assert_eq!(mailbox(app, "1030").await, None);
        app.walk_to(zurich("2027-02-08T09:00")).await;
        let (email, status) = mailbox(app, "1030").await.expect("a mailbox");
        assert_eq!((email.as_str(), status), ("juerg.mueller@alpine-instruments.example", AccountStatus::Disabled));

        // One address on all systems, bound to the person, and theirs from now on.
        let person = app.store.person("1030").await.unwrap().unwrap();
        assert_eq!(person.email.as_deref(), Some(email.as_str()));
        let accounts = app.store.accounts(None, Some(person.id), None).await.unwrap();
        assert_eq!(accounts.len(), 4, "{accounts:?}");
        for account in &accounts {
            assert_eq!(account.attributes["email"], json!(email), "{}", account.system);
            assert_eq!(account.attributes["employee_number"], json!("1030"));
            let login = if account.system == "directory" { "juerg.mueller" } else { &email };
            assert_eq!(account.login, login, "{}", account.system);
        }
        // What the department gives, on the accounts that did not exist when the run was planned.
        let id = |system: &str| accounts.iter().find(|a| a.system == system).unwrap().external_id.clone();
        let directory = app.account("directory", &id("directory")).unwrap();
        assert_eq!(directory.groups, ["sales".to_owned(), "staff".to_owned()].into());
        assert_eq!(directory.role.as_deref(), Some("user"));
        let mail = app.account("mailhost", &id("mailhost")).unwrap();
        assert_eq!((mail.quota_bytes, mail.licence.as_deref()), (Some(50_000_000_000), Some("mail-standard")));
        let book = app.book(run).await;
        for step in &book.steps {
            let late = step.name != "create" && step.system.is_some() && step.system.as_deref() != Some("badges");
            let skipped = matches!(step.state, StepState::Skipped { .. });
            assert!(!late || skipped || step.account.is_some() || step.state == StepState::Blocked, "{}", step.label());
        }
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().any(|entry| entry.fact["fact"] == "bound" && entry.step.as_deref() == Some("groups@directory")));
        assert!(matches!(app.state(run, "enable@badges").await, StepState::Skipped { .. }), "a person makes the badge");

        app.engine.task_done(run, "create@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.walk_to(zurich("2027-02-14T23:59")).await;
        assert_eq!(mailbox(app, "1030").await.unwrap().1, AccountStatus::Disabled);
        app.walk_to(zurich("2027-02-15T00:00")).await;
        assert_eq!(mailbox(app, "1030").await.unwrap().1, AccountStatus::Enabled);
        app.clock.set(zurich("2027-02-15T06:00"));
        let engine = posting(app.store.clone(), &app.company);
        engine.work_off(8).await.unwrap();
        assert_eq!(app.account("mailhost", &id("mailhost")).unwrap().credentials_sent, 1);
        assert_eq!(engine.mail().unwrap().transport().kept().len(), 4, "one link for each account");
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
        app.no_effect_twice(&[]);

        // HR's next file still has no address: a blank takes nothing back.
        joins(app, &["1030,Jürg,Müller,Sales,de,2027-02-15,active,"]).await;
        assert_eq!(app.store.person("1030").await.unwrap().unwrap().email.as_deref(), Some(email.as_str()));
    };
}

both! {
    somebody_announced_late_gets_everything_at_once, async |app: &App| {
        app.staffed().await;
        joins(app, &["1031,Lena,Frey,IT,de,2027-01-19,active,"]).await;
        app.drain().await;
        assert_eq!(mailbox(app, "1031").await.unwrap(), (format!("lena.frey@{DOMAIN}"), AccountStatus::Enabled));
    };

    two_of_one_name_and_names_that_are_taken_get_numbers, async |app: &App| {
        app.staffed().await;
        // Ada Keller has an account; a work address without an account counts too, and so does a reserved word.
        joins(app, &[
            "1040,Ada,Keller,Sales,de,2027-01-20,active,",
            "1041,Ada,Keller,Sales,de,2027-01-20,active,",
            "1042,Mia,Roth,Sales,de,2027-06-01,prehire,paul.graf@alpine-instruments.example",
            "1043,Paul,Graf,Sales,de,2027-01-20,active,",
            "1044,,Info,Sales,de,2027-01-20,active,",
        ]).await;
        app.drain().await;
        let twins = BTreeSet::from([address(app, "1040").await, address(app, "1041").await]);
        assert_eq!(twins, ["ada.keller2".to_owned(), "ada.keller3".to_owned()].into());
        assert_eq!(address(app, "1043").await, "paul.graf2");
        assert_eq!(address(app, "1044").await, "info2");
    };

    a_name_that_is_chosen_and_not_yet_an_account_is_taken, async |app: &App| {
        app.staffed().await;
        // HR has given them addresses: nothing but what their runs have chosen tells that a name is taken.
        app.told(&format!("{HEAD}\n\
            1045,Max,Frei,Sales,de,2027-01-20,active,m1@{DOMAIN}\n\
            1046,Max,Frei,Sales,de,2027-01-20,active,m2@{DOMAIN}\n\
            1047,Eva,Wyss,Sales,de,2027-01-20,active,e1@{DOMAIN}\n")).await;
        for person in ["1045", "1046"] {
            app.start("onboarding", person, &[("address", &format!("sales.{person}"))]).await;
        }
        let claims = app.turn(vec![], 50).await.unwrap().claims;
        let made = claims.iter().filter(|claim| claim.label == "create@directory");
        let logins: BTreeSet<&str> = made.filter_map(|claim| claim.with["login"].as_str()).collect();
        assert_eq!(logins, ["max.frei", "max.frei2"].into());
        let late = app.start("onboarding", "1047", &[("address", "sales.1045")]).await;
        app.turn(vec![], 50).await.unwrap();
        let held = app.state(late, "create@mailhost").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::Missing(why), .. } if why.contains("chosen by run_")), "{held:?}");
        app.store.recover(true).await.unwrap();
    };

    a_convention_that_refuses_asks_a_person, async |app: &App| {
        app.staffed().await;
        let strict = conventions();
        let strict = Conventions { naming: usher::run::naming::Naming { on_collision: OnCollision::Refuse, ..strict.naming.clone() }, ..strict };
        let engine = keeping(app, strict);
        app.told(&format!("{HEAD}\n1040,Ada,Keller,Sales,de,2027-01-20,active,\n")).await;
        let run = engine.start(crate::harness::request("onboarding", "1040", &[])).await.unwrap().id();
        engine.work_off(8).await.unwrap();
        let StepState::Held { reason: HoldReason::Missing(why), .. } = app.state(run, "create@mailhost").await else { panic!() };
        assert!(why.contains("ada.keller@alpine-instruments.example is taken ("), "{why}");
        // HR gives an address; the step goes on with it.
        app.told(&format!("{HEAD}\n1040,Ada,Keller,Sales,de,2027-01-20,active,ada.k@{DOMAIN}\n")).await;
        app.engine.retry(run, "create@mailhost", "HR gave an address", "os:nils").await.unwrap();
        engine.work_off(8).await.unwrap();
        assert_eq!(address(app, "1040").await, "ada.k");
    };

    a_name_without_letters_asks_for_an_address_and_takes_the_one_that_is_given, async |app: &App| {
        app.staffed().await;
        app.told(&format!("{HEAD}\n1050,…,💫,Sales,,2027-01-20,active,\n")).await;
        let run = app.start("onboarding", "1050", &[]).await;
        app.drain().await;
        let StepState::Held { reason: HoldReason::Missing(why), .. } = app.state(run, "create@mailhost").await else { panic!() };
        assert!(why.contains("no address can be spelt"), "{why}");
        app.engine.cancel(run, "again, with an address", "os:nils").await.unwrap();
        app.start("onboarding", "1050", &[("address", "star")]).await;
        app.drain().await;
        assert_eq!(address(app, "1050").await, "star");
        // What somebody else has cannot be given either.
        app.told(&format!("{HEAD}\n1051,Eva,Meier,Sales,,2027-01-20,active,\n")).await;
        let run = app.start("onboarding", "1051", &[("address", "ada.keller")]).await;
        app.drain().await;
        assert!(matches!(app.state(run, "create@mailhost").await, StepState::Held { .. }));
    };

    the_name_that_was_chosen_stays_through_crashes_and_retries, async |app: &App| {
        app.staffed().await;
        app.told(&format!("{HEAD}\n1060,Ida,Blum,Sales,de,2027-01-20,active,\n")).await;
        let run = app.start("onboarding", "1060", &[]).await;
        // The request arrives, its answer does not.
        app.misbehave(&Knobs { cut_after_rate: 1.0, ..Knobs::default() });
        app.drain().await;
        assert_eq!(app.state(run, "create@mailhost").await.as_str(), "unknown");
        app.misbehave(&Knobs::default());
        // Meanwhile somebody takes the next name by hand, and a sync binds what the attempt has made.
        app.sync().await;
        app.walk_to(zurich("2027-01-20T20:00")).await;
        assert_eq!(address(app, "1060").await, "ida.blum");
        let person = app.store.person("1060").await.unwrap().unwrap();
        assert_eq!(app.store.accounts(Some("mailhost"), Some(person.id), None).await.unwrap().len(), 1);
        assert_eq!(app.state(run, "create@mailhost").await.as_str(), "done");
        app.no_effect_twice(&["credentials"]);
    };

    who_has_an_account_in_use_gets_no_second_one, async |app: &App| {
        app.staffed().await;
        let plan = app.engine.plan(&crate::harness::request("onboarding", "1006", &[("start_date", "2027-01-20")])).await.unwrap();
        let create = plan.steps.iter().find(|step| step.label() == "create@mailhost").unwrap();
        assert_eq!(create.skip, Some(SkipReason::NotNeeded("account m-0006 on mailhost is in use already".into())));
        // One that appears between the plan and the day is not doubled either.
        joins(app, &["1070,Kai,Lang,Sales,de,2027-02-15,prehire,"]).await;
        let run = app.run_of("onboarding", "1070").await;
        let mail = app.company.system("mailhost").unwrap();
        let with = json!({ "email": "kai@alpine-instruments.example", "employee_number": "1070" }).as_object().cloned().unwrap();
        let call = Call { action: ActionKind::AccountCreate, with, account: None, idempotency_key: "hand".into(), fence: 1, now: app.now() };
        mail.by_hand(&call).unwrap();
        app.sync().await;
        app.walk_to(zurich("2027-02-08T09:00")).await;
        let state = app.state(run, "create@mailhost").await;
        assert!(matches!(&state, StepState::Skipped { reason: SkipReason::NotNeeded(why), .. } if why.contains("in use")), "{state:?}");
        assert_eq!(app.state(run, "quota@mailhost").await.as_str(), "done", "what follows goes to that account");
    };
}

both_posting! {
    who_returns_gets_the_old_accounts_back, async |app: &App| {
        app.staffed().await;
        let zoes = [("directory", "u-0006"), ("mailhost", "m-0006"), ("files", "f-0006")];
        by_hand(app, &zoes, &[ActionKind::AccessRemove, ActionKind::AccountDisable, ActionKind::AccountDelete]).await;
        by_hand(app, &[("groupware", "g-0006")], &[ActionKind::AccountDisable]).await;
        let before = app.store.accounts(None, None, None).await.unwrap().len();
        let run = app.start("onboarding", "1006", &[("start_date", "2027-02-15")]).await;
        app.walk_to(zurich("2027-02-08T09:00")).await;
        // In grace: restored, and still closed. Only disabled: nothing to do yet.
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        let groups = app.account("directory", "u-0006").unwrap().groups;
        assert!(groups.contains("engineering") && groups.contains("staff"), "{groups:?}");
        app.walk_to(zurich("2027-02-15T09:00")).await;
        for (system, id) in zoes.into_iter().chain([("groupware", "g-0006")]) {
            let account = app.account(system, id).unwrap();
            assert_eq!((account.status, account.hidden), (AccountStatus::Enabled, false), "{system}");
        }
        app.sync().await;
        assert_eq!(app.store.accounts(None, None, None).await.unwrap().len(), before, "no second account");
        app.no_effect_twice(&[]);
let open = app.steps_that_are(run, "held").await;
        assert!(open.iter().all(|step| step.starts_with("credentials")), "without mail no link goes out: {open:?}");
    };
}

both! {
    a_return_is_done_once_though_every_answer_is_lost, async |app: &App| {
        app.staffed().await;
        by_hand(app, &[("mailhost", "m-0006")], &[ActionKind::AccountDisable, ActionKind::AccountDelete]).await;
        app.told(&format!("{HEAD}\n1006,Zoë,Lindqvist,Engineering,sv,2027-01-20,active,zoe.lindqvist@{DOMAIN}\n")).await;
        let run = app.start("onboarding", "1006", &[("start_date", "2027-01-20")]).await;
        app.misbehave(&Knobs { cut_after_rate: 1.0, ..Knobs::default() });
        app.drain().await;
        assert_eq!(app.state(run, "create@mailhost").await.as_str(), "unknown");
        app.misbehave(&Knobs::default());
        app.walk_to(zurich("2027-01-20T22:00")).await;
        assert_eq!(app.state(run, "create@mailhost").await.as_str(), "done");
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        app.no_effect_twice(&["credentials"]);
    };

    a_return_waits_while_another_run_keeps_the_account_closed, async |app: &App| {
        app.staffed().await;
        let departure = app.run_of("departure", "1005").await;
        app.walk_to(zurich("2027-01-29T18:00")).await;
        app.told("employee_number,given_name,family_name,last_day,status\n1005,Ada,Keller,,active\n").await;
        let run = app.start("onboarding", "1005", &[("start_date", "2027-02-01")]).await;
        app.drain().await;
        let held = app.state(run, "create@mailhost").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::CutNeeded(_), .. }), "{held:?}");
        app.engine.cancel(departure, "she comes back", "os:helene").await.unwrap();
        app.engine.retry(run, "create@mailhost", "the departure is cancelled", "os:helene").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(run, "create@mailhost").await.as_str(), "done");
    };

    a_purged_address_waits_for_its_owner_and_not_for_a_namesake, async |app: &App| {
        app.staffed().await;
        let purged = [ActionKind::AccountDisable, ActionKind::AccountDelete];
        by_hand(app, &[("mailhost", "m-0006")], &purged).await;
        // usher purges, and so knows what is given up.
        app.told("employee_number,given_name,family_name,status\n1006,Zoë,Lindqvist,left\n").await;
        app.clock.set(zurich("2027-03-20T09:00"));
        let mut request = crate::harness::request("grace-purge", "1006", &[]);
        request.subject = SubjectRef::Account { system: "mailhost".into(), id: "m-0006".into() };
        app.engine.start(request).await.unwrap();
        app.drain().await;
        assert!(app.account("mailhost", "m-0006").is_none());
        by_hand(app, &[("directory", "u-0006"), ("files", "f-0006")], &[ActionKind::AccountDisable, ActionKind::AccountDelete, ActionKind::AccountPurge]).await;
        app.sql("UPDATE accounts SET status = 'purged' WHERE external_id IN ('u-0006', 'f-0006', 'g-0006')").await.unwrap();

        joins(app, &["1080,Zoe,Lindqvist,Sales,sv,2027-03-20,active,"]).await;
        app.drain().await;
        assert_eq!(address(app, "1080").await, "zoe.lindqvist2", "mail to the old address must not reach her");

        // The owner gets it back.
        app.told(&format!("{HEAD}\n1006,Zoë,Lindqvist,Engineering,sv,2027-03-22,active,\n")).await;
        app.start("onboarding", "1006", &[("start_date", "2027-03-20")]).await;
        app.drain().await;
        assert_eq!(address(app, "1006").await, "zoe.lindqvist");
    };

    a_reservation_ends, async |app: &App| {
        app.staffed().await;
        let run = app.start("alias-and-quota", "1006", &[("add_alias", "zoe")]).await;
        app.drain().await;
        assert_eq!(app.run_state(run).await, RunState::Completed);
        app.start("alias-and-quota", "1006", &[("remove_alias", "zoe")]).await;
        app.drain().await;
        assert_eq!(app.number("SELECT COUNT(*) FROM former_names WHERE name = 'zoe@alpine-instruments.example'").await, 1);
        for (number, when, expected) in [("1090", "2028-12-01", "held"), ("1091", "2029-02-01", "done")] {
            app.clock.set(zurich(&format!("{when}T09:00")));
            app.told(&format!("{HEAD}\n{number},Zoe,Other,Sales,,{when},active,\n")).await;
            let run = app.start("onboarding", number, &[("address", "zoe"), ("start_date", when)]).await;
            app.drain().await;
            assert_eq!(app.state(run, "create@mailhost").await.as_str(), expected, "{when}");
        }
    };

    steps_that_were_bound_late_share_their_account_one_at_a_time, async |app: &App| {
        app.staffed().await;
        app.told(&format!("{HEAD}\n1032,Nora,Senn,Sales,de,2027-01-20,active,\n")).await;
        app.start("onboarding", "1032", &[]).await;
        let (mut completions, mut together) = (Vec::new(), 0);
        loop {
            // Everything that is due could start: groups, role, quota and show of one account are due at once.
            let claims = app.turn(std::mem::take(&mut completions), 50).await.unwrap().claims;
            if claims.is_empty() {
                break;
            }
            let accounts: Vec<i64> = claims.iter().filter_map(|claim| claim.account.as_ref()).map(|account| account.id).collect();
            let distinct: BTreeSet<&i64> = accounts.iter().collect();
            assert_eq!(distinct.len(), accounts.len(), "two attempts on one account");
            together = together.max(accounts.len());
            for claim in claims {
                let (outcome, seen) = app.engine.execute(&claim, || true).await;
                completions.push(Completion { run: claim.run, ordinal: claim.ordinal, fence: claim.fence, outcome, seen });
            }
        }
        assert!(together > 1, "the accounts of different systems go on side by side");
    };

    a_newcomer_who_does_not_come_is_not_let_in, async |app: &App| {
        app.staffed().await;
        joins(app, &["1033,Tim,Egli,Sales,de,2027-02-15,prehire,"]).await;
        let run = app.run_of("onboarding", "1033").await;
        app.walk_to(zurich("2027-02-08T09:00")).await;
        // Closed for good before the first day: a departure has the account in hand.
        app.start("departure", "1033", &[("last_day", "2027-02-10")]).await;
        app.walk_to(zurich("2027-02-15T09:00")).await;
        let held = app.state(run, "enable@mailhost").await;
        assert!(matches!(&held, StepState::Held { reason: HoldReason::CutNeeded(_), .. }), "{held:?}");
        assert_eq!(mailbox(app, "1033").await.unwrap().1, AccountStatus::Disabled);
    };

    two_daemons_never_give_one_name_twice, async |app: &App| {
        app.staffed().await;
        let rows = (0..6).map(|n| format!("120{n},Max,Frei,Sales,de,2027-01-20,active,")).collect::<Vec<_>>().join("\n");
        app.told(&format!("{HEAD}\n{rows}\n")).await;
        for n in 0..6 {
            app.start("onboarding", &format!("120{n}"), &[]).await;
        }
        let other = app.restarted(app.systems(), &[]).await;
        let (here, there) = tokio::join!(app.engine.work_off(2), other.work_off(2));
        here.unwrap();
        there.unwrap();
        app.drain().await;
        let mut names = BTreeSet::new();
        for n in 0..6 {
            names.insert(address(app, &format!("120{n}")).await);
        }
        let expected = ["max.frei", "max.frei2", "max.frei3", "max.frei4", "max.frei5", "max.frei6"];
        assert_eq!(names, expected.map(str::to_owned).into());
        other.store().close().await;
    };

    the_password_of_hrs_file_is_the_first_one_and_is_used_up, async |app: &App| {
        app.staffed().await;
        let head = "employee_number,given_name,family_name,department,start_date,status,password";
        app.told(&format!("{head}\n1034,Eva,Horn,Sales,2027-01-20,active,correct horse 7\n")).await;
        let person = app.store.person("1034").await.unwrap().unwrap();
        assert!(app.store.initial_password(person.id).await.unwrap().is_some());
        let run = app.start("onboarding", "1034", &[]).await;
        app.drain().await;
        app.engine.task_done(run, "create@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        let name = SandboxCompany::password_name(&Secret::new("correct horse 7"));
        for account in app.store.accounts(None, Some(person.id), None).await.unwrap() {
            app.company.sign_in(&account.system, &account.external_id, &name, app.now()).expect("signs in");
        }
        // Nobody else's is the same: without one in the file, each account has one that nobody knows.
        joins(app, &["1035,Uwe,Horn,Sales,de,2027-01-20,active,"]).await;
        app.drain().await;
        let uwe = app.store.person("1035").await.unwrap().unwrap();
        let accounts = app.store.accounts(None, Some(uwe.id), None).await.unwrap();
        let passwords: BTreeSet<String> =
            accounts.iter().map(|account| app.account(&account.system, &account.external_id).unwrap().password).collect();
        assert_eq!(passwords.len(), accounts.len());
        let told = app.store.audit(run).await.unwrap();
        assert!(told.iter().all(|entry| !entry.fact.to_string().contains("correct horse")));
    };

    a_department_nobody_configured_holds_and_takes_nothing_away, async |app: &App| {
        app.staffed().await;
        let before = app.account("directory", "u-0006").unwrap().groups;
        app.import("employee_number,given_name,family_name,department\n1006,Zoë,Lindqvist,Engeneering\n").await;
        let run = app.run_of("role-change", "1006").await;
        app.drain().await;
        assert!(matches!(app.state(run, "groups@directory").await, StepState::Held { .. }));
        assert_eq!(app.account("directory", "u-0006").unwrap().groups, before);
    };
}

/// The same house with other conventions.
fn keeping(app: &App, conventions: Conventions) -> usher::engine::Engine {
    let store = app.store.clone().with_conventions(conventions);
    usher::engine::Engine::new(
        store,
        app.systems(),
        app.engine.library().clone(),
        "Europe/Zurich",
        usher::run::Holidays::default(),
    )
}

#[tokio::test]
async fn a_plan_says_which_step_makes_the_account() {
    let app = App::new(crate::database::Db::Sqlite).await;
    app.told(&format!("{HEAD}\n1030,Jürg,Müller,Sales,de,2027-02-15,prehire,\n")).await;
    let plan = app.engine.plan(&crate::harness::request("onboarding", "1030", &[])).await.unwrap();
    let by_label: BTreeMap<String, _> = plan.steps.iter().map(|step| (step.label(), step)).collect();
    let made = usher::run::plan::maker(&plan, by_label["quota@mailhost"]).expect("somebody makes it");
    assert_eq!(made.label(), "create@mailhost");
    assert!(matches!(by_label["create@badges"].capability, Capability::Manual(_)));
    app.end().await;
}
