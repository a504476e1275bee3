//! What 389 Directory Server does with usher's changes, seen by those who sign in.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use usher::connectors::ldap::{LdapSettings, LdapSystem, Profile, Security};
use usher::connectors::{ActionError, Connector};
use usher::run::{AccountStatus, Evidence};
use usher::secret::Secret;
use usher::workflow::ActionKind as A;

use super::ns_slapd::NsSlapd;
use super::outside::{SUFFIX, group, person};
use super::settings;
use crate::conformance::{accounts, call};

const ADA: &str = "uid=ada,ou=people,dc=example,dc=org";
const FIRST: &str = "first-Password-ada";
const NEW: &str = "new-Password-0815";
/// Unwilling to perform: the account is inactivated, whatever the password is.
const INACTIVATED: u32 = 53;

/// A server with Ada and her boss, and usher at its door.
struct House {
    server: NsSlapd,
    system: Connector,
    ada: String,
}

async fn house() -> House {
    let people = person("ada", "1005", "Ada", "Keller") + &person("boss", "1000", "Berta", "Brunner");
    let server = NsSlapd::start(&people).await;
    server.change(&(group("staff", &["ada", "boss"]) + &group("solo", &["ada"])));
    let ada = server.id("ada").await;
    House { system: over_tls(&server, |_| ()), server, ada }
}

fn over_tls(server: &NsSlapd, change: impl FnOnce(&mut LdapSettings)) -> Connector {
    let mut own = settings(server, Profile::Ds389);
    own.url = format!("ldaps://localhost:{}", server.tls_port);
    (own.security, own.ca) = (Security::Tls, Some(server.ca()));
    change(&mut own);
    Connector::Ldap(Box::new(LdapSystem::new("directory", own)))
}

impl House {
    async fn does(&self, action: A, with: Value) -> Result<Evidence, ActionError> {
        let call = call(action, &with, Some(&self.ada), &format!("run_1/{action}"), 1);
        match action {
            A::PasswordRotate => self.system.perform_with(&call, &Secret::new(NEW)).await,
            _ => self.system.perform(&call).await,
        }
    }

    async fn done(&self, action: A) -> String {
        self.does(action, json!({})).await.unwrap_or_else(|why| panic!("{action}: {why}")).detail
    }
}

#[tokio::test]
async fn whoever_is_locked_is_refused_and_a_new_password_opens_nothing() {
    let house = house().await;
    assert_eq!(house.server.answer(ADA, FIRST).await, 0);
    house.done(A::AccountDisable).await;
    assert_eq!(house.server.answer(ADA, FIRST).await, INACTIVATED);
    let said = house.done(A::PasswordRotate).await;
    assert!(said.contains("a sign-in with it is refused") && !said.contains("opened the account"), "{said}");
    assert_eq!(house.server.answer(ADA, NEW).await, INACTIVATED);
    house.done(A::VerifyNoAccess).await;
    house.done(A::AccountEnable).await;
    assert_eq!(house.server.answer(ADA, NEW).await, 0);
    assert_ne!(house.server.answer(ADA, FIRST).await, 0);
    assert!(matches!(house.does(A::VerifyNoAccess, json!({})).await, Err(ActionError::Fail { .. })));
}

#[tokio::test]
async fn sign_ins_are_read_where_they_are_written_down_and_usher_makes_none() {
    let house = house().await;
    let last = async || house.system.read(&house.ada).await.expect("reads").expect("ada").last_sign_in;
    assert_eq!(last().await, None);
    let said = async || house.system.test().await.findings.join("\n");
    assert!(said().await.contains("none shows a last sign-in: the Account Policy plugin"), "{}", said().await);
    house.done(A::AccountDisable).await;
    house.done(A::PasswordRotate).await;
    house.done(A::AccountEnable).await;
    assert_eq!(last().await, None, "a trial of a closed door is no sign-in");
    assert_eq!(house.server.answer(ADA, NEW).await, 0);
    // The plugin writes it down when the answer is already out.
    let began = Instant::now();
    while last().await.is_none() && began.elapsed() < Duration::from_secs(10) {
        usher::clock::pause(Duration::from_millis(20)).await;
    }
    assert!(last().await.is_some_and(|at| at > 1_700_000_000_000), "{:?}", last().await);
    assert!(!said().await.contains("none shows a last sign-in"), "{}", said().await);
}

#[tokio::test]
async fn passwords_are_changed_over_tls_only() {
    let house = house().await;
    let clear = Connector::Ldap(Box::new(LdapSystem::new("directory", settings(&house.server, Profile::Ds389))));
    let rotate = call(A::PasswordRotate, &json!({}), Some(&house.ada), "k", 1);
    let refused = clear.perform_with(&rotate, &Secret::new(NEW)).await;
    assert!(
        matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("confidentialityRequired (13)")),
        "{refused:?}"
    );
    assert_eq!(house.server.answer(ADA, FIRST).await, 0);
    let reach = clear.test().await;
    assert!(!reach.ok && reach.findings.iter().any(|line| line.contains("over TLS only")), "{reach:?}");
    let reach = house.system.test().await;
    assert!(reach.ok, "{reach:?}");
    let stranger = over_tls(&house.server, |own| own.ca = None).read(&house.ada).await;
    assert!(matches!(&stranger, Err(ActionError::Retry { .. })), "{stranger:?}");
}

/// What the server's own console makes of an account that it has inactivated by a role.
fn role() -> String {
    format!(
        "dn: cn=nsManagedDisabledRole,{SUFFIX}\nchangetype: add\nobjectClass: LDAPsubentry\nobjectClass: nsRoleDefinition\n\
         objectClass: nsSimpleRoleDefinition\nobjectClass: nsManagedRoleDefinition\ncn: nsManagedDisabledRole\n\n\
         dn: cn=locked,{SUFFIX}\nchangetype: add\nobjectClass: nsContainer\ncn: locked\n\n\
         dn: cn=\"cn=nsManagedDisabledRole,{SUFFIX}\",cn=locked,{SUFFIX}\nchangetype: add\nobjectClass: extensibleObject\n\
         objectClass: costemplate\nobjectClass: ldapsubentry\nnsAccountLock: true\n\n\
         dn: cn=by role,{SUFFIX}\nchangetype: add\nobjectClass: LDAPsubentry\nobjectClass: cosSuperDefinition\n\
         objectClass: cosClassicDefinition\ncosTemplateDn: cn=locked,{SUFFIX}\ncosSpecifier: nsRole\n\
         cosAttribute: nsAccountLock operational\n\n\
         dn: {ADA}\nchangetype: modify\nadd: nsRoleDN\nnsRoleDN: cn=nsManagedDisabledRole,{SUFFIX}\n\n"
    )
}

#[tokio::test]
async fn a_lock_by_a_role_counts_and_is_not_ushers_to_open() {
    let house = house().await;
    house.server.change(&role());
    assert_eq!(house.server.answer(ADA, FIRST).await, INACTIVATED);
    let read = house.system.read(&house.ada).await.expect("reads").expect("ada");
    assert_eq!(read.status, AccountStatus::Disabled);
    let refused = house.does(A::AccountEnable, json!({})).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("nsRoleDN")), "{refused:?}");
    let said = house.done(A::AccessRemove).await;
    assert!(said.contains("taken out of solo, staff"), "the last member may go: {said}");
    let ada = house.server.entry(&house.ada).await.expect("ada");
    assert_eq!(ada.attrs["nsRoleDN"], [format!("cn=nsManagedDisabledRole,{SUFFIX}")], "roles are left alone");
}

#[tokio::test]
async fn groups_follow_and_missing_rights_are_named() {
    let house = house().await;
    house.done(A::AccountDelete).await;
    let away = format!("uid=ada,ou=disabled,{SUFFIX}");
    assert_eq!(house.server.groups_with(&away).await, ["solo", "staff"]);
    assert!(house.server.groups_with(ADA).await.is_empty());
    let said = house.done(A::AccountPurge).await;
    assert!(said.contains("taken out of solo, staff"), "{said}");
    assert!(house.server.groups_with(&away).await.is_empty());

    let file = house.server.folder.join("boss");
    std::fs::write(&file, "first-Password-boss").expect("writes");
    house.server.change(&person("eve", "7", "E", "V").replacen('\n', "\nchangetype: add\n", 1));
    house.server.change(&format!(
        "dn: {SUFFIX}\nchangetype: modify\nadd: aci\naci: (targetattr != \"userPassword\")(version 3.0; acl \"all read\"; \
         allow (read, search, compare) userdn = \"ldap:///all\";)\n"
    ));
    let stranger = over_tls(&house.server, |own| {
        own.user = format!("uid=boss,ou=people,{SUFFIX}");
        own.password = usher::secret::SecretRef::File(file);
    });
    let reach = stranger.test().await;
    let words = reach.findings.join("\n");
    for said in ["no right to write nsAccountLock, mail, displayName, employeeType", "no right to write the members"] {
        assert!(!reach.ok && words.contains(said), "{said}: {words}");
    }
}

#[tokio::test]
async fn a_new_account_signs_in_and_one_that_others_have_made_is_left_alone() {
    let house = house().await;
    let with = |login: &str, number: &str| {
        json!({ "login": login, "email": format!("{login}@example.org"), "display_name": "Grace Meier",
            "employee_number": number, "enabled": true, "groups": ["staff"] })
    };
    let create = call(A::AccountCreate, &with("grace", "1026"), None, "run_1/create", 1);
    house.system.perform_with(&create, &Secret::new(NEW)).await.expect("creates");
    assert_eq!(house.server.answer(&format!("uid=grace,ou=people,{SUFFIX}"), NEW).await, 0);
    let ada = call(A::AccountCreate, &with("ada", "1005"), None, "run_2/create", 1);
    let closed = call(A::AccountDisable, &json!({}), Some(&house.ada), "k", 1);
    house.system.perform(&closed).await.expect("closes");
    let refused = house.system.perform_with(&ada, &Secret::new(NEW)).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("account")), "{refused:?}");
    assert_eq!(house.server.answer(ADA, FIRST).await, INACTIVATED);
}

#[tokio::test]
async fn pages_are_read_to_their_end() {
    let people: String = (0..25).map(|n| person(&format!("p{n}"), &n.to_string(), "P", "Q")).collect();
    let server = NsSlapd::start(&people).await;
    let system = over_tls(&server, |own| own.page = 4);
    assert_eq!(accounts(&system).await.len(), 25);
    // Another server's ids are none here.
    let read = system.read("6ea7aa75-d89b-407f-8f4d-8718812679d7").await;
    assert!(matches!(read, Err(ActionError::Fail { .. })), "{read:?}");
}
