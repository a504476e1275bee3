//! People, HR's events, accounts, schedules and the database's own papers.

use jiff::SignedDuration;
use jiff::civil::date;
use usher::clock::Clock;
use usher::run::{Account, AccountStatus, EventFacts, Holidays, Person, PersonStatus};
use usher::secret::KeyRing;
use usher::store::{Binding, Closing, EventState, NewEvent, Opening, Store, StoreError};
use usher::workflow::{AccountSelection, HrEvent};

use crate::harness::App;

fn person(number: &str, family_name: &str) -> Person {
    Person {
        employee_number: number.into(),
        given_name: "Ada".into(),
        family_name: family_name.into(),
        display_name: format!("Ada {family_name}"),
        last_day: Some(date(2027, 1, 29)),
        status: PersonStatus::Leaving,
        ..Person::default()
    }
}

async fn selected(app: &App, selection: &AccountSelection) -> Vec<String> {
    let found = app.store.accounts_selected(selection, app.now(), 0).await.unwrap();
    found.into_iter().map(|account| account.external_id).collect()
}

fn departure(key: &str, number: &str) -> NewEvent {
    NewEvent {
        source: "csv".into(),
        key: key.into(),
        kind: HrEvent::Departure,
        employee_number: number.into(),
        facts: EventFacts::on(date(2027, 1, 29)),
    }
}

fn account(id: &str, status: AccountStatus, purge_due: Option<i64>) -> Account {
    Account {
        id: 0,
        system: "mailhost".into(),
        external_id: id.into(),
        login: format!("{id}@example.org"),
        person_id: None,
        status,
        attributes: [("role".to_owned(), "user".into())].into(),
        last_sign_in: Some(5),
        purge_due,
    }
}

both! {
    people_are_added_and_changed_and_keep_their_row_and_key, async |app: &App| {
        app.store.save_people(&[person("1", "Keller"), person("2", "Meier")], &[]).await.unwrap();
        let before = app.store.person("1").await.unwrap().unwrap();
        let keys = "SELECT COUNT(DISTINCT data_key) FROM people WHERE data_key <> ''";
        assert_eq!(app.number(keys).await, 2);
        app.sql("CREATE TABLE before AS SELECT employee_number, data_key FROM people").await.unwrap();
        app.store.save_people(&[person("1", "Keller-Weiß")], &[]).await.unwrap();
        let after = app.store.person("1").await.unwrap().unwrap();
        assert_eq!(after, Person { id: before.id, ..person("1", "Keller-Weiß") });
        let same = "SELECT COUNT(*) FROM people p JOIN before b ON b.employee_number = p.employee_number AND b.data_key = p.data_key";
        assert_eq!(app.number(same).await, 2);
        assert_eq!(app.store.person("3").await.unwrap(), None);
        let numbers = async |status| app.store.people(status).await.unwrap().len();
        assert_eq!((numbers(None).await, numbers(Some(PersonStatus::Leaving)).await, numbers(Some(PersonStatus::Left)).await), (2, 2, 0));
    };

    an_event_is_accepted_once_per_source_and_key, async |app: &App| {
        let accepted = app.store.save_people(&[person("1", "Keller")], &[departure("a", "1")]).await.unwrap();
        assert_eq!(accepted.len(), 1);
        assert!(app.store.save_people(&[], &[departure("a", "1")]).await.unwrap().is_empty());
        let elsewhere = NewEvent { source: "webhook".into(), ..departure("a", "1") };
        assert_eq!(app.store.save_people(&[], &[departure("b", "1"), elsewhere]).await.unwrap().len(), 2);
        let open = app.store.open_events().await.unwrap();
        assert_eq!(open.len(), 3);
        assert_eq!((open[0].kind, open[0].effective), (HrEvent::Departure, Some(date(2027, 1, 29))));
        assert_eq!(open[0].facts, EventFacts::on(date(2027, 1, 29)));
        let closing = Closing { event: &open[0], state: EventState::Started, note: "run_1", proposes: &[] };
        app.store.close_events(&[closing]).await.unwrap();
        assert_eq!(app.store.open_events().await.unwrap(), open[1..]);
    };

    accounts_are_written_by_their_immutable_id_and_bound_to_people, async |app: &App| {
        app.store.save_people(&[person("1", "Keller")], &[]).await.unwrap();
        let ada = app.store.person("1").await.unwrap().unwrap().id;
        let two = [account("m-1", AccountStatus::Enabled, None), account("m-2", AccountStatus::Enabled, None)];
        let count = app.store.save_accounts(&two).await.unwrap();
        assert_eq!((count.read, count.new), (2, 2));
        let known = app.store.accounts(Some("mailhost"), None, Some("m-1")).await.unwrap().remove(0);
        app.store.bind(&[Binding { account: known.id, person: Some(ada), by: "match:email".into() }]).await.unwrap();
        // Read again with another sign-in name: the row, its person stay.
        let renamed = Account { login: "ada@example.org".into(), ..account("m-1", AccountStatus::Disabled, None) };
        assert_eq!(app.store.save_accounts(&[renamed]).await.unwrap().new, 0);
        let after = app.store.account(known.id).await.unwrap().unwrap();
        assert_eq!((after.login.as_str(), after.status, after.person_id), ("ada@example.org", AccountStatus::Disabled, Some(ada)));
        assert_eq!((after.last_sign_in, after.attributes["role"].as_str()), (Some(5), Some("user")));
        assert_eq!(app.store.accounts(None, Some(ada), None).await.unwrap().len(), 1);
        assert_eq!(app.store.accounts(None, None, Some("ada@example.org")).await.unwrap().len(), 1, "by sign-in name too");
        app.store.bind(&[Binding { account: known.id, person: None, by: "os:test".into() }]).await.unwrap();
        assert!(app.store.accounts(None, Some(ada), None).await.unwrap().is_empty());
        assert_eq!(app.store.save_accounts(&[]).await.unwrap().read, 0);
    };

    accounts_past_their_grace_are_those_of_people_who_left, async |app: &App| {
        let now = app.now().as_millisecond();
        let stays = Person { status: PersonStatus::Active, ..person("2", "Meier") };
        app.store.save_people(&[person("1", "Keller"), stays], &[]).await.unwrap();
        app.store.save_accounts(&[
            account("past", AccountStatus::Deleted, Some(now)),
            account("future", AccountStatus::Deleted, Some(now + 1)),
            account("open", AccountStatus::Disabled, None),
            account("nobodys", AccountStatus::Deleted, Some(now - 5)),
            account("employed", AccountStatus::Deleted, Some(now - 5)),
        ]).await.unwrap();
        for (id, number) in [("past", "1"), ("employed", "2")] {
            let account = app.store.accounts(None, None, Some(id)).await.unwrap()[0].id;
            let person = app.store.person(number).await.unwrap().unwrap().id;
            app.store.bind(&[Binding { account, person: Some(person), by: "os:test".into() }]).await.unwrap();
        }
        let past = selected(app, &AccountSelection::PurgeDue).await;
        assert_eq!(past, ["past", "nobodys"]);
        // The end of the grace, once known, is not moved by a later reading.
        app.store.save_accounts(&[account("past", AccountStatus::Deleted, Some(now + 99))]).await.unwrap();
        assert_eq!(app.store.accounts(None, None, Some("past")).await.unwrap()[0].purge_due, Some(now));
        app.store.save_accounts(&[account("past", AccountStatus::Enabled, None)]).await.unwrap();
        assert_eq!(app.store.accounts(None, None, Some("past")).await.unwrap()[0].purge_due, None);
    };

    a_tick_is_dealt_with_once, async |app: &App| {
        assert_eq!(app.store.known_schedule("nightly").await.unwrap(), None);
        let first = app.store.schedule("nightly").await.unwrap().last_tick;
        assert_eq!(first, app.now());
        let next = first + SignedDuration::from_hours(1);
        assert!(app.store.tick("nightly", first, next, Some(next)).await.unwrap());
        let other = app.another_store().await;
        assert!(!other.tick("nightly", first, next, None).await.unwrap(), "somebody was there before");
        let known = app.store.schedule("nightly").await.unwrap();
        assert_eq!((known.last_tick, known.fired, known.paused), (next, Some(next), None));
    };

    a_database_is_refused_by_another_key_and_by_an_older_binary, async |app: &App| {
        let open = async |keys: &KeyRing, opening| {
            Store::open(&app.home.url, opening, Clock::System, keys.clone(), Holidays::default()).await
        };
        assert!(open(&app.keys, Opening::Existing).await.is_ok());
        let other = KeyRing::open_or_create(&app.folder.path().join("other.key")).unwrap();
        let wrong = open(&other, Opening::Existing).await.unwrap_err();
        assert!(wrong.to_string().contains("the key file does not belong to this database"), "{wrong}");
        let newer = match app.home.db {
            crate::database::Db::Sqlite => "X'00'",
            crate::database::Db::Postgres => "''::bytea",
        };
        app.sql(&format!("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (99999999999999, 'newer', true, {newer}, 0)")).await.unwrap();
        let refused = open(&app.keys, Opening::Migrate).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Version { .. }) && refused.to_string().contains("99999999999999"), "{refused}");
    };
}
