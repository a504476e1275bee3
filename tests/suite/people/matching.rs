//! Whose account is whose, where it is easy and where it is not.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use usher::engine::{Engine, Fittings, Matching};
use usher::run::{Account, AccountStatus, Holidays, MatchRule, MatchRules};
use usher::store::{AccountFilter, AccountRow, Binding};

use crate::harness::App;

const PEOPLE: &str = "employee_number,name,email\n\
    1,Ada Lovelace,ada@x.org\n2,Bob Bell,bob@x.org\n3,Twin One,twins@x.org\n4,Twin Two,TWINS@x.org\n5,Eve Ode,eve@x.org\n";

fn account(id: &str, login: &str, attributes: Value) -> Account {
    Account {
        id: 0,
        system: "crm".into(),
        external_id: id.into(),
        login: login.into(),
        person_id: None,
        status: AccountStatus::Enabled,
        attributes: serde_json::from_value(attributes).unwrap(),
        last_sign_in: None,
        purge_due: None,
    }
}

async fn rows(app: &App) -> BTreeMap<String, AccountRow> {
    let rows = app.store.account_page(&AccountFilter::default(), None).await.unwrap();
    rows.into_iter()
        .filter(|row| row.account.system == "crm")
        .map(|row| (row.account.external_id.clone(), row))
        .collect()
}

/// Whose the account is, or why it is nobody's.
async fn whose(app: &App, id: &str) -> Result<String, String> {
    let row = rows(app).await.remove(id).unwrap();
    match row.owner {
        Some(owner) => Ok(owner.employee_number),
        None => Err(row.note.unwrap_or_default()),
    }
}

async fn setting(app: &App, accounts: &[Account]) {
    app.told(PEOPLE).await;
    app.store.save_accounts(accounts).await.unwrap();
    app.engine.match_accounts("crm").await.unwrap();
}

both! {
    an_account_finds_its_person_by_number_then_address_then_login, async |app: &App| {
        setting(app, &[
            account("a", "somebody", json!({ "employee_number": "1", "email": "bob@x.org" })),
            account("b", "b", json!({ "email": "Bob@X.org" })),
            account("e", "eve@x.org", json!({})),
            account("n", "n", json!({ "employee_number": "99", "email": "ada@x.org" })),
            account("s", "printer", json!({})),
        ]).await;
        assert_eq!((whose(app, "a").await, whose(app, "b").await, whose(app, "e").await), (Ok("1".into()), Ok("2".into()), Ok("5".into())));
        let unknown = whose(app, "n").await.unwrap_err();
        assert_eq!(unknown, "its employee_number `99` is nobody's employee_number", "no later rule makes up for it");
        assert_eq!(whose(app, "s").await.unwrap_err(), "its login `printer` is nobody's email");
        assert_eq!(app.store.unbound_count().await.unwrap(), (2, 0));
    };

    several_candidates_bind_none_and_are_named, async |app: &App| {
        setting(app, &[
            account("t", "t", json!({ "email": "twins@x.org" })),
            account("a1", "a1", json!({ "email": "ada@x.org" })),
            account("a2", "a2", json!({ "email": "ada@x.org" })),
        ]).await;
        assert_eq!(whose(app, "t").await.unwrap_err(), "its email `twins@x.org` is that of 3, 4");
        assert_eq!(whose(app, "a1").await.unwrap_err(), "it matches 1, and so do crm:a1, crm:a2");
        assert_eq!(whose(app, "a2").await.unwrap_err(), "it matches 1, and so do crm:a1, crm:a2");
        assert_eq!(app.store.unbound_count().await.unwrap(), (3, 3));
        // One of them is purged: the other one is hers.
        app.store.save_accounts(&[Account { status: AccountStatus::Purged, ..account("a2", "a2", json!({ "email": "ada@x.org" })) }]).await.unwrap();
        app.engine.match_accounts("crm").await.unwrap();
        assert_eq!(whose(app, "a1").await, Ok("1".into()));
        assert_eq!(rows(app).await["a1"].note, None, "nothing is left to say");
        // Who has one already gets no second.
        app.store.save_accounts(&[account("a3", "ada@x.org", json!({}))]).await.unwrap();
        app.engine.match_accounts("crm").await.unwrap();
        assert_eq!(whose(app, "a3").await.unwrap_err(), "it matches 1, who has crm:a1 there already");
    };

    what_was_said_by_hand_stays, async |app: &App| {
        setting(app, &[account("a", "ada@x.org", json!({})), account("p", "printer", json!({}))]).await;
        let id = async |name: &str| app.store.accounts(Some("crm"), None, Some(name)).await.unwrap()[0].id;
        let bob = app.store.person("2").await.unwrap().unwrap().id;
        let by_hand = |account, person| Binding { account, person, by: "os:nils".into() };
        app.store.bind(&[by_hand(id("a").await, None), by_hand(id("p").await, Some(bob))]).await.unwrap();
        for _ in 0..2 {
            app.engine.match_accounts("crm").await.unwrap();
        }
        assert_eq!(whose(app, "a").await, Err(String::new()), "it matches Ada, and a person has said that it is not hers");
        assert_eq!(whose(app, "p").await, Ok("2".into()), "it matches nobody, and a person has said whose it is");
    };

    an_alias_that_is_somebodys_address_binds_nothing, async |app: &App| {
        setting(app, &[account("e", "eve", json!({ "email": "eve@x.org", "aliases": ["ada@x.org"] }))]).await;
        assert_eq!(whose(app, "e").await, Ok("5".into()));
        app.store.save_accounts(&[account("x", "x", json!({ "aliases": ["ada@x.org"] }))]).await.unwrap();
        app.engine.match_accounts("crm").await.unwrap();
        assert!(whose(app, "x").await.is_err());
    };

    a_system_may_have_rules_of_its_own, async |app: &App| {
        app.told(PEOPLE).await;
        app.store.save_accounts(&[account("a", "x", json!({ "full_name": "ADA Lovelace" }))]).await.unwrap();
        let rules = MatchRules(vec![MatchRule::parse("full_name=display_name").unwrap()]);
        let matching = Matching { everywhere: MatchRules::default(), on: [("crm".to_owned(), rules)].into() };
        let fittings = Fittings { matching, ..Fittings::default() };
        let engine = Engine::with(app.store.clone(), BTreeMap::new(), BTreeMap::new(), "UTC", Holidays::default(), fittings);
        let matched = engine.match_accounts("crm").await.unwrap();
        assert_eq!((matched.bound, matched.unbound_count), (1, 0));
        assert_eq!(rows(app).await["a"].bound_by.as_deref(), Some("match:full_name=display_name"));
    };

    accounts_beyond_one_page_all_find_their_person, async |app: &App| {
        let people = (0..1300).fold("employee_number,name\n".to_owned(), |csv, n| format!("{csv}{n:05},Robin {n}\n"));
        app.told(&people).await;
        let accounts: Vec<Account> =
            (0..1300).map(|n| account(&format!("c{n:05}"), "x", json!({ "employee_number": format!("{n:05}") }))).collect();
        app.store.save_accounts(&accounts).await.unwrap();
        assert_eq!(app.engine.match_accounts("crm").await.unwrap().bound, 1300);
        let filter = AccountFilter { system: Some("crm".into()), ..AccountFilter::default() };
        let (mut seen, mut page) = (0, app.store.account_page(&filter, None).await.unwrap());
        while let Some(last) = page.last().cloned() {
            seen += page.len();
            page = app.store.account_page(&filter, Some(&last)).await.unwrap();
        }
        assert_eq!(seen, 1300);
        let (mut seen, mut page) = (0, app.store.people_page(None, "").await.unwrap());
        while let Some(last) = page.last().map(|person| person.employee_number.clone()) {
            seen += page.len();
            page = app.store.people_page(None, &last).await.unwrap();
        }
        assert_eq!(seen, 1300);
    };
}
