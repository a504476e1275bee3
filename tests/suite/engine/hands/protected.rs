//! Protected accounts: nobody deletes them, and no run closes them by itself.

use usher::run::{AccountStatus, LoginPattern};
use usher::store::Completion;

use super::*;
use crate::harness::{completion, request, turn_of};

both! {
    the_last_administrator_is_reported_and_neither_closed_nor_left_in_silence, async |app: &App| {
        app.staffed().await;
        let (boss, admins) = governors(app);
        let run = app.start("emergency-block", &boss, &[]).await;
        app.drain().await;
        assert_eq!(held_by(app, run, "disable@directory").await, "protected");
        let why = why_held(app, run, "disable@directory").await;
        assert_eq!(why, "it is the last legal representative of directory");
        assert_eq!(app.run_state(run).await.as_str(), "needs_attention", "the administrators are told");
        // Of two administrators one may go, and then the other is the last.
        let [first, second] = admins.as_slice() else { panic!("{admins:?}") };
        let one = app.start("emergency-block", first, &[]).await;
        app.drain().await;
        assert_eq!(app.state(one, "disable@directory").await.as_str(), "done");
        let other = app.start("emergency-block", second, &[]).await;
        app.drain().await;
        assert_eq!(why_held(app, other, "disable@directory").await, "it is the last administrator of directory");

        // A person may let it through; without that trying again changes nothing.
        app.engine.retry(other, "disable@directory", "again", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(held_by(app, other, "disable@directory").await, "protected");
        app.engine.override_protection(other, None, "phished", "os:nils").await.unwrap();
        app.drain().await;
        assert_eq!(app.state(other, "disable@directory").await.as_str(), "done");
        let told = app.store.audit(other).await.unwrap();
        assert!(told.iter().any(|entry| entry.actor == "os:nils" && entry.fact.to_string().contains("phished")));
    };

    what_held_the_last_administrator_is_gone_when_there_is_another, async |app: &App| {
        app.staffed().await;
        let (boss, _) = governors(app);
        let run = app.start("emergency-block", &boss, &[]).await;
        app.drain().await;
        assert_eq!(held_by(app, run, "disable@directory").await, "protected");
        let other = app.start("role-change", "1006", &[("role", "legal_representative")]).await;
        app.drain().await;
        assert_eq!(app.state(other, "role@directory").await.as_str(), "done", "{:#?}", app.states(other).await);
        app.sync().await;
        app.drain().await;
        assert_eq!(app.state(run, "disable@directory").await.as_str(), "done");
    };

    the_system_is_asked_who_is_left_whatever_the_inventory_says, async |app: &App| {
        app.staffed().await;
        let (boss, _) = governors(app);
        // The inventory believes that there is another.
        let lie = "UPDATE accounts SET attributes = REPLACE(attributes, '\"role\":\"user\"', '\"role\":\"legal_representative\"')";
        assert!(app.sql(lie).await.unwrap() > 0);
        let run = app.start("emergency-block", &boss, &[]).await;
        app.drain().await;
        assert_eq!(why_held(app, run, "disable@directory").await, "it is the last legal representative of directory");
        let id = account_of(app, &boss, "directory");
        assert_eq!(app.account("directory", &id).unwrap().status, AccountStatus::Enabled);
    };

    the_last_administrator_is_not_demoted_either, async |app: &App| {
        app.staffed().await;
        let (boss, admins) = governors(app);
        let [first, second] = admins.as_slice() else { panic!("{admins:?}") };
        let role = |person: &str| app.account("directory", &account_of(app, person, "directory")).unwrap().role;
        let demoted = async |person: &str, role: &str| {
            let run = app.start("role-change", person, &[("role", role)]).await;
            app.drain().await;
            run
        };
        let one = demoted(first, "user").await;
        assert_eq!(app.state(one, "role@directory").await.as_str(), "done", "one of two may go");
        let known = app.store.accounts(Some("directory"), None, None).await.unwrap();
        let id = account_of(app, first, "directory");
        let known = known.iter().find(|account| account.external_id == id).unwrap();
        assert_eq!(known.attributes["role"], "user", "the inventory knows it at once");
        let other = demoted(second, "user").await;
        assert_eq!(held_by(app, other, "role@directory").await, "protected");
        assert_eq!(why_held(app, other, "role@directory").await, "it is the last administrator of directory");
        assert_eq!(role(second).as_deref(), Some("administrator"));
        let through = app.engine.override_protection(other, Some("role@directory"), "hurry", "os:nils").await.unwrap_err();
        assert!(through.to_string().contains("make somebody else administrator"), "{through}");
        let third = demoted(&boss, "administrator").await;
        assert_eq!(why_held(app, third, "role@directory").await, "it is the last legal representative of directory");

        // Once there is another, it goes through.
        let successor = demoted("1006", "administrator").await;
        assert_eq!(app.state(successor, "role@directory").await.as_str(), "done");
        app.sync().await;
        app.drain().await;
        assert_eq!(app.state(other, "role@directory").await.as_str(), "done");
        assert_eq!(role(second).as_deref(), Some("user"));
        assert_eq!(held_by(app, third, "role@directory").await, "protected", "nobody else represents the company");
    };

    the_system_is_asked_before_a_demotion_whatever_the_inventory_says, async |app: &App| {
        app.staffed().await;
        let (boss, _) = governors(app);
        let lie = "UPDATE accounts SET attributes = REPLACE(attributes, '\"role\":\"user\"', '\"role\":\"legal_representative\"')";
        assert!(app.sql(lie).await.unwrap() > 0);
        let run = app.start("role-change", &boss, &[("role", "user")]).await;
        app.drain().await;
        assert_eq!(why_held(app, run, "role@directory").await, "it is the last legal representative of directory");
        let id = account_of(app, &boss, "directory");
        assert_eq!(app.account("directory", &id).unwrap().role.as_deref(), Some("legal_representative"));
    };

    what_the_configuration_names_is_not_deleted, async |app: &App| {
        let run = on_the_day(app).await;
        let engine = app.configured(|house| {
            house.protected.logins.push(LoginPattern::parse("mailhost:ADA.*").unwrap());
            house.protected.accounts.insert(("files".into(), "f-0005".into()));
            house.protected.own.insert("directory".into(), "u-0005".into());
        });
        drain(&engine.await).await;
        for (step, why) in [
            ("delete@mailhost", "[protected] names mailhost:ADA.*"),
            ("delete@files", "[protected] names files:f-0005"),
            ("delete@directory", "usher signs in to directory with it"),
        ] {
            assert_eq!(held_by(app, run, step).await, "protected", "{step}");
            assert!(why_held(app, run, step).await.contains(why), "{step}");
        }
        assert!(untouched(app));
        let through = app.engine.override_protection(run, Some("delete@files"), "hurry", "os:nils").await.unwrap_err();
        assert!(through.to_string().contains("cuts no access"), "{through}");
    };

    a_name_that_was_protected_since_the_inventory_was_read_counts_at_the_fresh_read, async |app: &App| {
        let run = on_the_day(app).await;
        assert_eq!(app.sql("UPDATE accounts SET login = 'someone', attributes = '{}' WHERE external_id = 'm-0005'").await.unwrap(), 1);
        let pattern = LoginPattern::parse("ada.keller@*").unwrap();
        let engine = app.configured(|house| house.protected.logins.push(pattern)).await;
        drain(&engine).await;
        assert_eq!(held_by(app, run, "delete@mailhost").await, "protected");
        assert!(untouched(app));
    };
}

/// The legal representative, and the administrators, of the directory.
fn governors(app: &App) -> (String, Vec<String>) {
    let with = |role: &str| -> Vec<String> {
        let holders = app.company.description().people.iter();
        let has = |holder: &&usher::connectors::sandbox::Holder| {
            holder.on.get("directory").is_some_and(|account| account.role.as_deref() == Some(role))
        };
        holders.filter(has).filter_map(|holder| holder.number.clone()).collect()
    };
    let boss = with("legal_representative");
    assert_eq!(boss.len(), 1);
    (boss[0].clone(), with("administrator"))
}

fn account_of(app: &App, person: &str, system: &str) -> String {
    let holder = app.company.description().people.iter().find(|holder| holder.number.as_deref() == Some(person));
    holder.and_then(|holder| holder.on.get(system)).expect("an account").id.clone()
}

const LOSE: &str = "\
workflow: lose-one
for: person
on: { manual: true }
steps:
  - id: lose
    systems: directory
";

/// Who could stand in for the other is claimed in this very turn: no table shows it yet.
async fn both_in_one_turn(app: &App) {
    app.staffed().await;
    let (_, admins) = governors(app);
    app.drain().await;
    let text = format!("{LOSE}    action: account.disable\n");
    let engine = app.restarted(app.systems(), &[("lose.yaml", &text)]).await;
    for person in &admins {
        engine.start(request("lose-one", person, &[])).await.unwrap();
    }
    let systems = app.engine.system_names();
    let claims = turn_of(engine.store(), "one", &systems, Vec::new(), 8).await.unwrap().claims;
    assert_eq!(claims.len(), 1, "one of two may go");
    let (outcome, seen) = engine.execute(&claims[0], || true).await;
    let over = Completion { seen, ..completion(&claims[0], outcome) };
    turn_of(engine.store(), "one", &systems, vec![over], 0).await.unwrap();
    // Judged again, the other one is still the last: who is closed stands in for nobody.
    assert_eq!(engine.store().judge_protected_again().await.unwrap(), 1);
    assert!(turn_of(engine.store(), "one", &systems, Vec::new(), 8).await.unwrap().claims.is_empty());
}

#[tokio::test]
async fn one_turn_never_closes_the_last_two_administrators() {
    for db in [crate::database::Db::Sqlite, crate::database::Db::Postgres] {
        crate::harness::play(db, both_in_one_turn).await;
    }
}

/// Two daemons, two administrators who go, or lose their role, at the same moment: each must not take the other for the
/// one who stays. On PostgreSQL the first turn stands still before it is written, and the second one has to wait for it.
async fn two_at_once(app: &App, how: &str) {
    app.staffed().await;
    let (_, admins) = governors(app);
    // Nothing else is due.
    app.drain().await;
    let text = format!("{LOSE}    {how}\n");
    let engine = app.restarted(app.systems(), &[("lose.yaml", &text)]).await;
    for person in &admins {
        engine.start(request("lose-one", person, &[])).await.unwrap();
    }
    let (one, two) = (engine.store().clone(), app.configured(|_| {}).await.store().clone());
    let systems = app.engine.system_names();
    let mut wall = app.home.connect().await;
    let postgres = app.home.db == crate::database::Db::Postgres;
    if postgres {
        sqlx::query("BEGIN").execute(&mut wall).await.unwrap();
        sqlx::query("LOCK TABLE journal IN SHARE MODE").execute(&mut wall).await.unwrap();
    }
    let turn = |store: usher::store::Store, name: &'static str, permits| {
        let systems = systems.clone();
        tokio::spawn(async move { turn_of(&store, name, &systems, Vec::new(), permits).await })
    };
    let first = turn(one, "one", 1);
    if postgres {
        crate::store::stops::until_blocked(app, "INSERT INTO journal", || first.is_finished()).await;
    }
    let second = turn(two, "two", 2);
    if postgres {
        let waits = "SELECT value FROM counters WHERE name = ''governing''";
        let written = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
             AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO journal%'";
        let blocked = format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
             AND wait_event_type = 'Lock' AND query LIKE '{waits}%'"
        );
        while app.number(&blocked).await == 0 && app.number(written).await < 2 && !second.is_finished() {
            tokio::task::yield_now().await;
        }
        sqlx::query("COMMIT").execute(&mut wall).await.unwrap();
    }
    let mut claims = first.await.unwrap().unwrap().claims;
    claims.extend(second.await.unwrap().unwrap().claims);
    assert_eq!(claims.len(), 1, "one of two may go");
    app.complete(&claims[0], crate::harness::done()).await;
    drain(&engine).await;
    let held = "SELECT COUNT(*) FROM steps s JOIN runs r ON r.id = s.run_id
         WHERE r.workflow = 'lose-one' AND s.state = 'held'";
    assert_eq!(app.number(held).await, 1);
}

#[tokio::test]
async fn two_daemons_never_close_the_last_two_administrators_at_once() {
    for db in [crate::database::Db::Sqlite, crate::database::Db::Postgres] {
        crate::harness::play(db, async |app| two_at_once(app, "action: account.disable").await).await;
    }
}

#[tokio::test]
async fn two_daemons_never_demote_the_last_two_administrators_at_once() {
    for db in [crate::database::Db::Sqlite, crate::database::Db::Postgres] {
        let how = "action: role.set\n    with: { role: user }";
        crate::harness::play(db, async |app| two_at_once(app, how).await).await;
    }
}
