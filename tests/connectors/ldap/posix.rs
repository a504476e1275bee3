//! Accounts of UNIX machines, on a server that knows no lock: what usher can do, and what it says that it cannot.

use serde_json::json;
use usher::connectors::ldap::{LdapSystem, Profile};
use usher::connectors::{ActionError, Connector};
use usher::run::{AccountStatus, Capability};
use usher::secret::Secret;
use usher::workflow::ActionKind as A;

use super::outside::{SUFFIX, person};
use super::settings;
use super::slapd::{Overlays, Slapd};
use super::target::unix;
use crate::conformance::call;

const ADA: &str = "uid=ada,ou=people,dc=example,dc=org";
const NEW: &str = "new-Password-0815";

#[tokio::test]
async fn an_account_of_unix_machines_expires_and_a_new_password_closes_the_directory() {
    let ada = person("ada", "1005", "Ada", "Keller");
    // Nobody has ever given her account a day of expiry, nor what such a day needs.
    let bare = unix(&ada, "1005").replace("objectClass: shadowAccount\n", "").replace("shadowExpire: 40000\n", "");
    let server = Slapd::start_with(Overlays::None, &bare).await;
    let system = Connector::Ldap(Box::new(LdapSystem::new("unix", settings(&server, Profile::Posix))));
    let id = server.id("ada").await;
    let does = async |action| system.perform(&call(action, &json!({}), Some(&id), "k", 1)).await;

    for action in [A::AccountDisable, A::VerifyNoAccess] {
        let capability = system.capability(action, None);
        assert!(matches!(&capability, Capability::Degraded(why) if why.contains("rotate")), "{action}: {capability:?}");
    }
    does(A::AccountDisable).await.expect("closes");
    let entry = server.entry(&id).await.expect("ada");
    assert_eq!(entry.attrs["shadowExpire"], ["1"]);
    assert_eq!(system.read(&id).await.expect("reads").expect("ada").status, AccountStatus::Disabled);
    assert_eq!(server.answer(ADA, "first-Password-ada").await, 0, "the directory itself lets her in");
    let rotate = call(A::PasswordRotate, &json!({}), Some(&id), "k", 1);
    let said = system.perform_with(&rotate, &Secret::new(NEW)).await.expect("rotates").detail;
    assert!(said.contains("refused by the directory itself"), "{said}");
    assert_eq!(server.answer(ADA, "first-Password-ada").await, 49);
    does(A::VerifyNoAccess).await.expect("closed");
    does(A::AccountEnable).await.expect("opens");
    let refused = does(A::VerifyNoAccess).await;
    assert!(matches!(refused, Err(ActionError::Fail { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_day_of_expiry_is_no_lock_and_is_told_where_one_is_written_over_it() {
    let server = Slapd::start_with(Overlays::None, &unix(&person("ada", "1005", "Ada", "Keller"), "1005")).await;
    let system = Connector::Ldap(Box::new(LdapSystem::new("unix", settings(&server, Profile::Posix))));
    let id = server.id("ada").await;
    let close = call(A::AccountDisable, &json!({}), Some(&id), "k", 1);
    assert_eq!(system.read(&id).await.expect("reads").expect("ada").status, AccountStatus::Enabled);
    let said = system.perform(&close).await.expect("closes").detail;
    assert!(said.contains("shadowExpire was 40000"), "{said}");
    let said = system.perform(&close).await.expect("closes").detail;
    assert!(!said.contains("shadowExpire was"), "{said}");
}

#[tokio::test]
async fn nobody_makes_up_numbers_of_accounts() {
    let server = Slapd::start_with(Overlays::None, &unix(&person("ada", "1005", "Ada", "Keller"), "1005")).await;
    let system = Connector::Ldap(Box::new(LdapSystem::new("unix", settings(&server, Profile::Posix))));
    let capability = system.capability(A::AccountCreate, None);
    assert!(matches!(&capability, Capability::Manual(what) if what.contains("uidNumber")), "{capability:?}");
    let with = json!({ "login": "eve", "email": "eve@example.org", "employee_number": "7", "enabled": true });
    let create = call(A::AccountCreate, &with, None, "run_1/create", 1);
    let refused = system.perform_with(&create, &Secret::new(NEW)).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("uidNumber")), "{refused:?}");
    assert!(server.entries(&format!("ou=people,{SUFFIX}"), "(uid=eve)").await.is_empty());
    let reach = system.test().await;
    assert!(reach.ok && reach.findings.iter().any(|line| line.contains("account.disable with a limit")), "{reach:?}");
}
