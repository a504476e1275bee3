//! A reading of all accounts that is cut in the middle. What a server remembers of a reading it remembers for one connection
//! (RFC 2696), so the next reading begins anew; until then nothing is lost, and nothing relies on the half.

use std::collections::{BTreeMap, BTreeSet};

use usher::clock::Clock;
use usher::connectors::ldap::{LdapSystem, Profile};
use usher::connectors::{ActionError, Connector};
use usher::run::{Account, AccountStatus};

use super::line::{Line, Where};
use super::outside::{added, person};
use super::slapd::Slapd;
use super::story::{engine, in_the_clear};
use super::{SUFFIX, settings};
use crate::telling::{told, zurich};

const PEOPLE: &str = "\
employee_number,given_name,family_name,display_name,email,manager,start_date,last_day,status
0,P,Q,P Q,p0@example.org,,2011-03-01,,active
20,P,Q,P Q,p20@example.org,,2011-03-01,,active
";

#[tokio::test]
async fn a_reading_that_is_cut_takes_nothing_away_and_begins_anew() {
    let people: String = (0..25).map(|n| person(&format!("p{n}"), &n.to_string(), "P", "Q")).collect();
    let server = Slapd::start(&people).await;
    let line = Line::to(server.port).await;
    let clock = Clock::manual(zurich("2027-01-20T08:00"));
    let config = format!("{}\npage = 4", in_the_clear(line.port));
    let engine = engine(&server, Profile::OpenLdap, &config, &clock).await;
    told(&engine, PEOPLE).await;
    assert_eq!(engine.sync("directory").await.expect("reads").count.read, 25);
    let known = async || -> BTreeMap<String, Account> {
        let all = engine.store().accounts(Some("directory"), None, None).await.expect("the inventory");
        all.into_iter().map(|account| (account.login.clone(), account)).collect()
    };
    let count = async || {
        let systems = BTreeSet::from(["directory".to_owned()]);
        let lately = engine.store().lately(&systems).await.expect("counts");
        lately["directory"].population.as_ref().map(|population| format!("{population:?}"))
    };
    let (before, counted) = (known().await, count().await);
    assert_eq!(before.values().filter(|account| account.person_id.is_some()).count(), 2);

    // Meanwhile one is closed, and one is new; and the line is cut behind the root entry and three pages.
    clock.set(zurich("2027-01-21T08:00"));
    let lock = format!("dn: uid=p20,ou=people,{SUFFIX}\nchangetype: modify\nadd: pwdAccountLockedTime\n");
    server.change(&format!("{lock}pwdAccountLockedTime: 000001010000Z\n\n{}", added(&person("p25", "25", "P", "Q"))));
    line.cut(Where::AfterSearches(4));
    let error = engine.sync("directory").await.expect_err("it is cut");
    assert!(error.contains("the connection was lost"), "{error}");
    let now = known().await;
    assert!(before.iter().all(|(login, account)| now[login].person_id == account.person_id), "nobody loses an account");
    assert!(now.values().all(|account| account.status != AccountStatus::Purged), "{now:?}");
    assert_eq!(count().await, counted, "what limits rely on is the last complete reading");
    let unread = engine.store().unread_systems().await.expect("reads");
    assert!(unread.iter().any(|row| row.system == "directory"), "{unread:?}");

    line.cut(Where::Nowhere);
    let synced = engine.sync("directory").await.expect("reads");
    assert_eq!(synced.count.read, 26);
    let now = known().await;
    assert_eq!((now.len(), now["p20"].status), (26, AccountStatus::Disabled));
    assert_ne!(count().await, counted);
    assert!(engine.store().unread_systems().await.expect("reads").is_empty());
}

#[tokio::test]
async fn a_server_that_is_started_anew_has_forgotten_the_reading() {
    let people: String = (0..9).map(|n| person(&format!("p{n}"), &n.to_string(), "P", "Q")).collect();
    let mut server = Slapd::start(&people).await;
    let mut own = settings(&server, Profile::OpenLdap);
    own.page = 4;
    let system = Connector::Ldap(Box::new(LdapSystem::new("directory", own)));
    let (_, next) = system.accounts(None).await.expect("a page");
    server.restart().await;
    let lost = system.accounts(next).await;
    assert!(matches!(lost, Err(ActionError::Retry { .. })), "never a list that ends too early: {lost:?}");
    assert_eq!(crate::conformance::accounts(&system).await.len(), 9);
}
