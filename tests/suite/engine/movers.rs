//! Whoever moves: departments, roles, names, addresses; and products that are blocked.

use std::collections::BTreeSet;

use usher::connectors::sandbox::SandboxError;
use usher::engine::trigger::{SubjectRef, TriggerError};
use usher::run::{AccountStatus, Conventions, RunState, StepState};
use usher::store::{RunFilter, StoreError};

use crate::harness::{App, conventions, posting, request, zurich};

async fn hr(app: &App, head: &str, row: &str) {
    app.import(&format!("employee_number,given_name,family_name,{head}\n{row}\n")).await;
    app.drain().await;
}

async fn runs_about(app: &App, number: &str) -> Vec<String> {
    let filter = RunFilter { person: Some(number.into()), ..RunFilter::default() };
    let runs = app.store.runs(&filter).await.unwrap();
    runs.into_iter().map(|run| run.workflow).collect()
}

fn about_house(workflow: &str, inputs: &[(&str, &str)]) -> usher::engine::trigger::Request {
    usher::engine::trigger::Request { subject: SubjectRef::Organisation, ..request(workflow, "", inputs) }
}

both! {
    another_department_brings_its_groups_and_takes_only_those_of_the_old_one, async |app: &App| {
        app.staffed().await;
        // In staff, engineering and barometer; the last is nobody's birthright.
        hr(app, "department", "1006,Zoë,Lindqvist,Sales").await;
        let account = app.account("directory", "u-0006").unwrap();
        let expected: BTreeSet<String> = ["barometer", "sales", "staff"].map(str::to_owned).into();
        assert_eq!(account.groups, expected);
        assert_eq!(runs_about(app, "1006").await, ["role-change"]);
        let run = app.run_of("role-change", "1006").await;
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
        app.no_effect_twice(&[]);
    };

    a_change_is_heard_only_by_those_who_listen_for_its_fields, async |app: &App| {
        app.staffed().await;
        hr(app, "manager", "1006,Zoë,Lindqvist,1002").await;
        assert_eq!(runs_about(app, "1006").await, Vec::<String>::new());
        app.clock.set(zurich("2027-01-20T09:00"));
        hr(app, "department", "1006,Zoë,Lind,Sales").await;
        let mut heard = runs_about(app, "1006").await;
        heard.sort();
        assert_eq!(heard, ["name-change", "role-change"]);
    };

    another_name_shows_everywhere_and_the_address_stays, async |app: &App| {
        app.staffed().await;
        hr(app, "display_name", "1006,Zoë,Lind,Zoë Lind").await;
        for (system, id) in [("directory", "u-0006"), ("mailhost", "m-0006"), ("files", "f-0006"), ("groupware", "g-0006")] {
            let account = app.account(system, id).unwrap();
            assert_eq!((account.family_name.as_str(), account.display_name.as_str()), ("Lind", "Zoë Lind"), "{system}");
            assert_eq!(account.email.as_deref(), Some("zoe.lindqvist@alpine-instruments.example"), "{system}");
        }
    };

    another_address_keeps_the_old_one_as_an_alias_and_is_theirs_from_now_on, async |app: &App| {
        app.staffed().await;
        let run = app.start("name-change", "1006", &[("family_name", "Lind"), ("address", "zoe.lind")]).await;
        app.drain().await;
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
        let old = "zoe.lindqvist@alpine-instruments.example";
        let mail = app.account("mailhost", "m-0006").unwrap();
        assert_eq!(mail.email.as_deref(), Some("zoe.lind@alpine-instruments.example"));
        assert!(mail.aliases.contains(old));
        let arrived = app.company.deliver_mail(old, "a@example.org", app.now()).unwrap();
        assert_eq!(arrived.stored, [("mailhost".to_owned(), "m-0006".to_owned())]);
        let person = app.store.person("1006").await.unwrap().unwrap();
        assert_eq!(person.email.as_deref(), Some("zoe.lind@alpine-instruments.example"));
        // Nobody else gets the old one.
        let head = "employee_number,given_name,family_name,start_date,status,department";
        app.told(&format!("{head}\n1099,Zoe,Lindqvist,2027-01-20,active,Sales\n")).await;
        app.start("onboarding", "1099", &[]).await;
        app.drain().await;
        let newcomer = app.store.person("1099").await.unwrap().unwrap();
        assert_eq!(newcomer.email.as_deref(), Some("zoe.lindqvist2@alpine-instruments.example"));
    };

    a_promotion_is_said_in_the_plan, async |app: &App| {
        app.staffed().await;
        let asked = request("role-change", "1006", &[("role", "administrator")]);
        let plan = app.engine.plan(&asked).await.unwrap();
        let zoe = app.store.person("1006").await.unwrap();
        let warnings = app.engine.promotions(&plan, zoe.as_ref()).await.unwrap();
        assert_eq!(warnings, ["role@directory makes somebody administrator of directory: administrators manage all users"]);
        let plain = app.engine.plan(&request("role-change", "1006", &[("role", "user")])).await.unwrap();
        assert!(app.engine.promotions(&plain, zoe.as_ref()).await.unwrap().is_empty());
        let engine = posting(app.store.clone(), &app.company);
        let run = engine.start(asked).await.unwrap().id();
        engine.work_off(8).await.unwrap();
        let mails = engine.mail().unwrap().transport().kept();
        assert!(mails.iter().any(|mail| mail.contains("To: admin@alpine") && mail.contains("administrator")), "{mails:?}");
        assert_eq!(app.account("directory", "u-0006").unwrap().role.as_deref(), Some("administrator"));
        assert_eq!(app.account("mailhost", "m-0006").unwrap().role.as_deref(), Some("user"), "only where it was asked for");
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
    };

    a_leave_closes_the_accounts_and_the_return_opens_them, async |app: &App| {
        app.staffed().await;
        let run = app.start("temporary-leave", "1006", &[("first_day", "2027-02-01"), ("return_day", "2027-05-03")]).await;
        app.walk_to(zurich("2027-02-01T12:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Disabled);
        app.engine.task_done(run, "disable@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        app.walk_to(zurich("2027-05-03T12:00")).await;
        assert_eq!(app.account("mailhost", "m-0006").unwrap().status, AccountStatus::Enabled);
        app.engine.task_done(run, "disable.end@badges", &BTreeSet::new(), None, "os:reception").await.unwrap();
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
    };

    a_blocked_product_is_managed_by_administrators_only_until_it_is_unblocked, async |app: &App| {
        app.staffed().await;
        let unknown = app.engine.start(about_house("product-block", &[("product", "fils")])).await.unwrap_err();
        assert!(unknown.to_string().contains("did you mean `files`"), "{unknown}");
        app.company.manage("files", "f-0006").expect("everybody manages it");
        let run = app.engine.start(about_house("product-block", &[("product", "files")])).await.unwrap().id();
        app.drain().await;
        assert_eq!(app.run_state(run).await, RunState::Completed, "{:#?}", app.states(run).await);
        assert!(matches!(app.company.manage("files", "f-0006"), Err(SandboxError::Refused(_))));
        app.company.manage("directory", "u-0006").expect("only the files are blocked");
        // Everybody is told, where there is mail.
        let engine = posting(app.store.clone(), &app.company);
        engine.start(about_house("product-unblock", &[("product", "files")])).await.unwrap();
        engine.work_off(8).await.unwrap();
        app.company.manage("files", "f-0006").expect("everybody manages it again");
        let mails = engine.mail().unwrap().transport().kept();
        assert!(mails.len() >= 20, "{} mails", mails.len());
        assert!(mails.iter().any(|mail| mail.contains("zoe.lindqvist@")));
    };

    mail_in_maintenance_arrives_and_is_not_read, async |app: &App| {
        app.staffed().await;
        let zoe = "zoe.lindqvist@alpine-instruments.example";
        let session = app.account("mailhost", "m-0006").unwrap().sessions.first().cloned().expect("a session");
        let read = || app.company.read_mail("mailhost", "m-0006", &session);
        let before = read().expect("reads");
        app.engine.start(about_house("mail-maintenance", &[("service", "mailhost"), ("until", "2027-01-22")])).await.unwrap();
        app.drain().await;
        assert!(matches!(read(), Err(SandboxError::Refused(_))));
        assert!(app.company.deliver_mail(zoe, "a@example.org", app.now()).unwrap().bounced.is_none());
        app.walk_to(zurich("2027-01-22T05:59")).await;
        assert!(read().is_err());
        app.walk_to(zurich("2027-01-22T06:00")).await;
        assert_eq!(read().expect("reads again"), before + 1);
    };

    only_administrators_stop_a_product_where_they_are_named, async |app: &App| {
        app.staffed().await;
        let named = Conventions { administrators: Some(["helene".to_owned()].into()), ..conventions() };
        let store = app.store.clone().with_conventions(named);
        let (systems, library) = (app.systems(), app.engine.library().clone());
        let engine = usher::engine::Engine::new(store, systems, library, "UTC", usher::run::Holidays::default());
        for workflow in ["product-block", "product-unblock"] {
            let asked = about_house(workflow, &[("product", "files")]);
            let refused = engine.start(asked.clone()).await.unwrap_err();
            assert!(matches!(&refused, TriggerError::Store(StoreError::Refused(why)) if why.contains("[access]")), "{refused}");
            let by_helene = usher::engine::trigger::Request { asked_by: "os:helene".into(), ..asked };
            engine.start(by_helene).await.expect("she may");
        }
        engine.start(request("password-reset", "1006", &[])).await.expect("this is nobody's privilege");
        app.drain().await;
    };
}

both_posting! {
    a_password_is_reset_by_a_link_or_set, async |app: &App| {
        app.staffed().await;
        let mail = || app.account("mailhost", "m-0006").unwrap();
        let before = mail();
        let engine = posting(app.store.clone(), &app.company);
        engine.start(request("password-reset", "1006", &[("system", "mailhost")])).await.unwrap();
        engine.work_off(8).await.unwrap();
        assert_eq!((mail().password, mail().credentials_sent), (before.password.clone(), before.credentials_sent + 1));
        let run = app.start("password-reset", "1006", &[("method", "set"), ("system", "mailhost")]).await;
        app.drain().await;
        assert_ne!(mail().password, before.password);
        assert!(matches!(app.state(run, "reset@directory").await, StepState::Skipped { .. }));
    };
}
