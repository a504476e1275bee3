//! What OpenLDAP does with usher's changes, seen by those who sign in.

use serde_json::{Value, json};
use usher::connectors::ldap::{LdapSettings, LdapSystem, Profile, Security};
use usher::connectors::{ActionError, Connector, Observation};
use usher::run::{AccountStatus, Evidence};
use usher::secret::Secret;
use usher::workflow::ActionKind as A;

use super::line::{Line, Where};
use super::outside::{SUFFIX, added, group, person};
use super::settings;
use super::slapd::{Overlays, Slapd};
use crate::conformance::{accounts, call};

const ADA: &str = "uid=ada,ou=people,dc=example,dc=org";
const FIRST: &str = "first-Password-ada";
const INVALID: u32 = 49;

/// A server with Ada and her boss, and usher at its door.
struct House {
    server: Slapd,
    system: Connector,
    ada: String,
}

fn connector(settings: LdapSettings) -> Connector {
    Connector::Ldap(Box::new(LdapSystem::new("directory", settings)))
}

async fn house() -> House {
    house_with(|_| ()).await
}

async fn house_with(change: impl FnOnce(&mut LdapSettings)) -> House {
    let people = person("ada", "1005", "Ada", "Keller") + &person("boss", "1000", "Berta", "Brunner");
    let server = Slapd::start(&people).await;
    server.change(&(group("staff", &["ada", "boss"]) + &group("eng", &["ada", "boss"]) + &group("solo", &["ada"])));
    let mut own = settings(&server, Profile::OpenLdap);
    change(&mut own);
    let ada = server.id("ada").await;
    House { system: connector(own), server, ada }
}

impl House {
    async fn does(&self, action: A, with: Value) -> Result<Evidence, ActionError> {
        let call = call(action, &with, Some(&self.ada), &format!("run_1/{action}"), 1);
        match action {
            A::PasswordRotate | A::PasswordReset => self.system.perform_with(&call, &Secret::new(NEW)).await,
            _ => self.system.perform(&call).await,
        }
    }

    async fn done(&self, action: A) -> String {
        self.does(action, json!({})).await.unwrap_or_else(|why| panic!("{action}: {why}")).detail
    }
}

const NEW: &str = "new-Password-0815";

#[tokio::test]
async fn whoever_is_disabled_is_refused_and_whoever_is_enabled_is_let_in() {
    let house = house().await;
    assert_eq!(house.server.answer(ADA, FIRST).await, 0);
    house.done(A::AccountDisable).await;
    assert_eq!(house.server.answer(ADA, FIRST).await, INVALID);
    house.done(A::VerifyNoAccess).await;
    house.done(A::AccountEnable).await;
    assert_eq!(house.server.answer(ADA, FIRST).await, 0);
    assert!(matches!(house.does(A::VerifyNoAccess, json!({})).await, Err(ActionError::Fail { .. })));
}

#[tokio::test]
async fn a_rotated_password_is_refused_and_a_closed_account_stays_closed_with_the_new_one() {
    let house = house().await;
    house.done(A::PasswordRotate).await;
    assert_eq!(house.server.answer(ADA, FIRST).await, INVALID);
    assert_eq!(house.server.answer(ADA, NEW).await, 0);

    house.done(A::AccountDisable).await;
    let said = house.done(A::PasswordRotate).await;
    assert!(said.contains("a sign-in with it is refused"), "{said}");
    assert!(!said.contains(NEW), "the password is in no evidence");
    assert_eq!(house.server.answer(ADA, NEW).await, INVALID);
    house.done(A::VerifyNoAccess).await;
}

#[tokio::test]
async fn a_lock_that_would_have_no_effect_is_no_success() {
    let house = house().await;
    let policy = format!("dn: cn=default,ou=policies,{SUFFIX}\nchangetype: modify\nreplace: pwdLockout\npwdLockout: ");
    house.server.change(&format!("{policy}FALSE\n"));
    let refused = house.does(A::AccountDisable, json!({})).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("pwdLockout")), "{refused:?}");
    assert!(!house.server.entry(&house.ada).await.expect("ada").attrs.contains_key("pwdAccountLockedTime"));

    // One that was set before shows no closed door either.
    house.server.change(&format!(
        "dn: {ADA}\nchangetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
    ));
    assert_eq!(house.server.answer(ADA, FIRST).await, 0, "slapd lets everybody in without pwdLockout");
    let seen =
        house.system.observe(&call(A::VerifyNoAccess, &json!({}), Some(&house.ada), "k", 1)).await.expect("a look");
    assert!(matches!(&seen, Observation::NotReached(why) if why.contains("no effect")), "{seen:?}");
    let tried = house.does(A::PasswordRotate, json!({})).await;
    assert!(matches!(&tried, Err(ActionError::Fail { .. })), "a sign-in with the new password gets in: {tried:?}");
    let reach = house.system.test().await;
    assert!(!reach.ok && reach.findings.iter().any(|line| line.contains("pwdLockout")), "{reach:?}");

    house.server.change(&format!("{policy}TRUE\n"));
    house.done(A::AccountDisable).await;
    house.done(A::VerifyNoAccess).await;
}

#[tokio::test]
async fn a_lock_that_only_seems_to_have_an_effect_is_found_by_a_trial() {
    // The configuration names a policy that is not the one that counts.
    let strict = format!("cn=strict,ou=policies,{SUFFIX}");
    let house = house_with(|own| own.policy = Some(strict.clone())).await;
    house.server.change(&format!(
        "dn: {strict}\nchangetype: add\nobjectClass: person\nobjectClass: pwdPolicy\ncn: strict\nsn: strict\n\
         pwdAttribute: userPassword\npwdLockout: TRUE\n\n\
         dn: cn=default,ou=policies,{SUFFIX}\nchangetype: modify\nreplace: pwdLockout\npwdLockout: FALSE\n"
    ));
    house.done(A::AccountDisable).await;
    assert_eq!(house.server.answer(ADA, FIRST).await, 0, "slapd lets her in all the same");
    let tried = house.does(A::PasswordRotate, json!({})).await;
    assert!(matches!(&tried, Err(ActionError::Fail { reason }) if reason.contains("was let in")), "{tried:?}");
}

#[tokio::test]
async fn a_lock_after_wrong_passwords_is_no_closed_door() {
    let house = house().await;
    for _ in 0..6 {
        assert_eq!(house.server.answer(ADA, "wrong-Password").await, INVALID);
    }
    assert_eq!(house.server.answer(ADA, FIRST).await, INVALID, "locked by the policy");
    let read = house.system.read(&house.ada).await.expect("reads").expect("ada");
    assert_eq!(read.status, AccountStatus::Enabled, "that lock ends by itself");
    house.done(A::AccountDisable).await;
    let read = house.system.read(&house.ada).await.expect("reads").expect("ada");
    assert_eq!(read.status, AccountStatus::Disabled);
}

#[tokio::test]
async fn groups_that_are_taken_are_named_and_one_that_refuses_keeps_nobody_in_the_others() {
    let house = house().await;
    let refused = house.does(A::AccessRemove, json!({})).await.expect_err("solo has no other member");
    let words = refused.to_string();
    assert!(matches!(refused, ActionError::Fail { .. }), "{words}");
    assert!(words.contains("solo: objectClassViolation (65)") && words.contains("`placeholder`"), "{words}");
    assert!(words.contains("taken out of eng, staff"), "{words}");
    assert_eq!(groups(&house).await, ["solo"]);

    let mut own = settings(&house.server, Profile::OpenLdap);
    own.placeholder = Some("cn=nobody,dc=example,dc=org".to_owned());
    let house = House { system: connector(own), ..house };
    let said = house.done(A::AccessRemove).await;
    assert!(said.contains("taken out of solo"), "{said}");
    assert_eq!(groups(&house).await, [""; 0]);
    let missing = house.does(A::GroupsAdd, json!({ "groups": ["staff", "no-such-group"] })).await;
    assert!(matches!(&missing, Err(ActionError::Fail { reason }) if reason.contains("no-such-group")), "{missing:?}");
    assert_eq!(groups(&house).await, [""; 0], "names are looked up before anything is changed");
    house.does(A::GroupsAdd, json!({ "groups": ["staff", "cn=eng,ou=groups,dc=example,dc=org"] })).await.expect("adds");
    assert_eq!(groups(&house).await, ["eng", "staff"]);
    let sync = json!({ "groups": ["solo"], "managed": ["solo", "eng"] });
    house.does(A::GroupsSync, sync).await.expect("syncs");
    assert_eq!(groups(&house).await, ["solo", "staff"], "what nobody manages stays");
}

async fn groups(house: &House) -> Vec<String> {
    house.server.groups_with(&house.server.entry(&house.ada).await.expect("ada").dn).await
}

/// A house whose server does not see to it that groups follow.
async fn house_without_references(change: impl FnOnce(&mut LdapSettings)) -> House {
    let people = person("ada", "1005", "Ada", "Keller") + &person("boss", "1000", "Berta", "Brunner");
    let server = Slapd::start_with(Overlays::Policies, &people).await;
    server.change(&(group("staff", &["ada", "boss"]) + &group("eng", &["ada", "boss"])));
    let mut own = settings(&server, Profile::OpenLdap);
    change(&mut own);
    let ada = server.id("ada").await;
    House { system: connector(own), server, ada }
}

#[tokio::test]
async fn groups_follow_an_account_that_is_moved_where_its_server_does_not_see_to_it() {
    let house = house_without_references(|_| ()).await;
    let away = format!("uid=ada,ou=disabled,{SUFFIX}");
    house.done(A::AccountDelete).await;
    assert_eq!(house.server.groups_with(&away).await, ["eng", "staff"]);
    assert_eq!(house.server.groups_with(ADA).await, [""; 0], "whoever gets her name next is in no group of hers");
    house.done(A::AccountRestore).await;
    assert_eq!(house.server.groups_with(ADA).await, ["eng", "staff"]);
    house.done(A::AccountDelete).await;
    let said = house.done(A::AccountPurge).await;
    assert!(said.contains("taken out of eng, staff"), "{said}");
    assert_eq!(house.server.groups_with(&away).await, [""; 0]);
}

#[tokio::test]
async fn groups_follow_though_the_line_is_cut_behind_the_move() {
    let house = house_without_references(|_| ()).await;
    let line = Line::to(house.server.port).await;
    let mut own = settings(&house.server, Profile::OpenLdap);
    own.url = format!("ldap://127.0.0.1:{}", line.port);
    let house = House { system: connector(own), ..house };
    // It is locked, hidden and moved.
    line.cut(Where::AfterChanges(3));
    assert!(matches!(house.does(A::AccountDelete, json!({})).await, Err(ActionError::Unknown { .. })));
    line.cut(Where::Nowhere);
    let away = format!("uid=ada,ou=disabled,{SUFFIX}");
    assert_eq!(house.server.entry(&house.ada).await.expect("ada").dn, away, "moved, and her groups do not know");
    assert_eq!(house.server.groups_with(ADA).await, ["eng", "staff"]);
    let look = call(A::AccountDelete, &json!({}), Some(&house.ada), "k", 1);
    let seen = house.system.observe(&look).await.expect("a look");
    assert!(
        matches!(&seen, Observation::NotReached(why) if why.contains("under its old name in eng, staff")),
        "{seen:?}"
    );
    // Somebody has put one of them right by half meanwhile.
    house.server.change(&format!("dn: cn=eng,ou=groups,{SUFFIX}\nchangetype: modify\nadd: member\nmember: {away}\n"));
    house.done(A::AccountDelete).await;
    assert_eq!(house.server.groups_with(&away).await, ["eng", "staff"]);
    assert_eq!(house.server.groups_with(ADA).await, [""; 0]);
}

#[tokio::test]
async fn a_group_that_usher_may_not_write_is_named_where_it_does_not_follow_by_itself() {
    let sealed = group("sealed", &["ada", "boss"]);
    let follows = house().await;
    follows.server.change(&sealed);
    follows.done(A::AccountDelete).await;
    let away = format!("uid=ada,ou=disabled,{SUFFIX}");
    assert!(follows.server.groups_with(&away).await.contains(&"sealed".to_owned()), "its server has seen to it");

    let house = house_without_references(|_| ()).await;
    house.server.change(&sealed);
    for _ in 0..2 {
        let refused = house.does(A::AccountDelete, json!({})).await;
        assert!(
            matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("sealed: insufficientAccessRights")),
            "{refused:?}"
        );
        assert_eq!(house.server.groups_with(&away).await, ["eng", "staff"], "the others follow all the same");
    }
    house
        .server
        .change(&format!("dn: cn=sealed,ou=groups,{SUFFIX}\nchangetype: modify\ndelete: member\nmember: {ADA}\n"));
    house.done(A::AccountDelete).await;
}

#[tokio::test]
async fn whoever_has_the_name_now_stays_in_their_groups() {
    let house = house_without_references(|_| ()).await;
    let mut admin = house.server.admin().await;
    let place = format!("ou=disabled,{SUFFIX}");
    admin.modifydn(ADA, "uid=ada", true, Some(&place)).await.expect("an answer").success().expect("moves");
    house.server.change(&added(&person("ada", "1006", "Ada", "Lang")));
    house.done(A::AccountDelete).await;
    assert_eq!(house.server.groups_with(ADA).await, ["eng", "staff"]);
    assert_eq!(house.server.groups_with(&format!("uid=ada,{place}")).await, [""; 0]);
}

#[tokio::test]
async fn an_account_that_a_group_does_not_let_go_is_not_purged() {
    let house = house_without_references(|_| ()).await;
    house.server.change(&group("solo", &["ada"]));
    house.done(A::AccountDelete).await;
    let refused = house.does(A::AccountPurge, json!({})).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("`placeholder`")), "{refused:?}");
    assert!(house.server.entry(&house.ada).await.is_some());
    let mut own = settings(&house.server, Profile::OpenLdap);
    own.placeholder = Some("cn=nobody,dc=example,dc=org".to_owned());
    let house = House { system: connector(own), ..house };
    house.done(A::AccountPurge).await;
    assert!(house.server.entry(&house.ada).await.is_none());
}

#[tokio::test]
async fn names_that_mean_something_to_ldap_are_only_names() {
    let house = house().await;
    let hostile = "Eve,ou=admins)(uid=*)\\2a #+\"<>;";
    let with = json!({ "login": hostile, "email": "eve@example.org", "given_name": hostile, "family_name": hostile,
        "display_name": hostile, "employee_number": "*)(uid=boss", "enabled": true });
    let create = call(A::AccountCreate, &with, None, "run_1/create", 1);
    house.system.perform_with(&create, &Secret::new(NEW)).await.expect("creates");
    let made = house.system.made(&create).await.expect("a look").expect("made");
    assert_eq!((made.login.as_str(), &made.attributes["employee_number"]), (hostile, &json!("*)(uid=boss")));
    let entry = house.server.entry(&made.external_id).await.expect("the entry");
    assert!(entry.dn.ends_with(&format!(",ou=people,{SUFFIX}")), "{}", entry.dn);
    assert_eq!(house.server.answer(&entry.dn, NEW).await, 0);
    let groups = json!({ "groups": ["*)(cn=staff", "staff)(cn=*"] });
    assert!(matches!(house.does(A::GroupsAdd, groups).await, Err(ActionError::Fail { .. })));

    let eve = House { ada: made.external_id, ..house };
    for action in
        [A::AccountDisable, A::PasswordRotate, A::AccountDelete, A::AccountRestore, A::AccountDelete, A::AccountPurge]
    {
        eve.done(action).await;
    }
    assert!(eve.server.entry(&eve.ada).await.is_none());
}

#[tokio::test]
async fn the_account_is_found_wherever_it_is_and_whatever_it_is_called() {
    let house = house().await;
    let mut admin = house.server.admin().await;
    admin
        .modifydn(ADA, "uid=renamed", true, Some(&format!("ou=disabled,{SUFFIX}")))
        .await
        .expect("an answer")
        .success()
        .expect("moves");
    let read = house.system.read(&house.ada).await.expect("reads").expect("ada");
    assert_eq!(
        (read.login.as_str(), read.status),
        ("renamed", AccountStatus::Enabled),
        "in the place of the deleted, and open"
    );
    house.done(A::AccountDisable).await;
    let read = house.system.read(&house.ada).await.expect("reads").expect("ada");
    assert_eq!(read.status, AccountStatus::Deleted);
}

#[tokio::test]
async fn what_is_no_account_is_not_touched() {
    let house = house().await;
    let staff = house.server.entries(&format!("cn=staff,ou=groups,{SUFFIX}"), "(objectClass=*)").await;
    // A person elsewhere, and something else among the people.
    let guest = person("guest", "7", "G", "H").replace("ou=people", "ou=services");
    let room = format!(
        "dn: cn=room,ou=people,{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: uidObject\nuid: room\ncn: room\n\n"
    );
    house.server.change(
        &(guest + &room)
            .replace("\nobjectClass: inet", "\nchangetype: add\nobjectClass: inet")
            .replace("\nobjectClass: organizationalR", "\nchangetype: add\nobjectClass: organizationalR"),
    );
    let (guest, room) = (house.server.id("guest").await, house.server.id("room").await);
    for id in [staff[0].attrs["entryUUID"][0].clone(), house.server.id("usher").await, guest, room] {
        assert_eq!(house.system.read(&id).await.expect("reads"), None, "no account: {id}");
        for action in [A::AccountDisable, A::AccountDelete, A::AccessRemove] {
            let call = call(action, &json!({}), Some(&id), "k", 1);
            assert!(matches!(house.system.perform(&call).await, Err(ActionError::Fail { .. })), "{action}");
        }
    }
    // An account that is open is not purged, and stays in its groups.
    let open = house.does(A::AccountPurge, json!({})).await;
    assert!(matches!(&open, Err(ActionError::Fail { reason }) if reason.contains("delete it before")), "{open:?}");
    assert_eq!(groups(&house).await, ["eng", "solo", "staff"]);
}

#[tokio::test]
async fn a_name_that_is_somebody_elses_meanwhile_is_not_taken_for_hers() {
    let house = house().await;
    let line = Line::to(house.server.port).await;
    let mut own = settings(&house.server, Profile::OpenLdap);
    own.url = format!("ldap://127.0.0.1:{}", line.port);
    let House { server, ada, .. } = house;
    let house = House { system: connector(own), server, ada };
    let rename = |from: &str, to: &str| {
        format!("dn: uid={from},ou=people,{SUFFIX}\nchangetype: modrdn\nnewrdn: uid={to}\ndeleteoldrdn: 1\n\n")
    };
    line.meanwhile(house.server.later(&(rename("ada", "ada2") + &rename("boss", "ada"))));
    let refused = house.does(A::AccountDisable, json!({})).await;
    assert!(
        matches!(&refused, Err(ActionError::Retry { reason, .. }) if reason.contains("assertionFailed")),
        "{refused:?}"
    );
    let boss = house.server.entries(&format!("ou=people,{SUFFIX}"), "(employeeNumber=1000)").await;
    assert!(boss[0].dn.starts_with("uid=ada,") && !boss[0].attrs.contains_key("pwdAccountLockedTime"), "{:?}", boss[0]);
    house.done(A::AccountDisable).await;
    assert!(house.server.entry(&house.ada).await.expect("ada").attrs.contains_key("pwdAccountLockedTime"));
}

#[tokio::test]
async fn an_account_that_others_have_begun_is_left_alone() {
    let house = house().await;
    let begun = person("new", "2000", "N", "M");
    let begun = begun.lines().filter(|line| !line.starts_with("userPassword")).collect::<Vec<_>>().join("\n");
    house.server.change(&begun.replacen('\n', "\nchangetype: add\n", 1));
    let with = json!({ "login": "new", "email": "new@example.org", "employee_number": "2000", "enabled": true });
    let create = call(A::AccountCreate, &with, None, "run_1/create", 1);
    let refused = house.system.perform_with(&create, &Secret::new(NEW)).await;
    assert!(matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("somebody else")), "{refused:?}");
    assert_ne!(house.server.answer(&format!("uid=new,ou=people,{SUFFIX}"), NEW).await, 0);
}

#[tokio::test]
async fn usher_does_not_shut_itself_out() {
    let house = house_with(|own| {
        own.user = format!("uid=boss,ou=people,{SUFFIX}");
        own.password = usher::secret::SecretRef::File(own_password(own));
    })
    .await;
    let boss = house.server.id("boss").await;
    let house = House { ada: boss, ..house };
    for action in [A::AccountDisable, A::AccountDelete, A::AccessRemove, A::PasswordRotate] {
        let refused = house.does(action, json!({})).await;
        assert!(
            matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("usher signs in")),
            "{action}: {refused:?}"
        );
    }
}

/// The password of an account of a person, in a file beside usher's.
fn own_password(own: &LdapSettings) -> std::path::PathBuf {
    let usher::secret::SecretRef::File(file) = &own.password else { panic!("a file") };
    let file = file.with_file_name("boss-password");
    std::fs::write(&file, "first-Password-boss").expect("writes");
    file
}

#[tokio::test]
async fn an_answer_that_is_lost_is_unknown_and_a_look_tells_what_became_of_it() {
    let house = house().await;
    let line = Line::to(house.server.port).await;
    let mut own = settings(&house.server, Profile::OpenLdap);
    own.url = format!("ldap://127.0.0.1:{}", line.port);
    let house = House { system: connector(own), ..house };
    line.cut(Where::BeforeAnswer);
    let lost = house.does(A::AccountDisable, json!({})).await;
    assert!(matches!(lost, Err(ActionError::Unknown { .. })), "{lost:?}");
    line.cut(Where::Nowhere);
    let look = call(A::AccountDisable, &json!({}), Some(&house.ada), "k", 1);
    assert!(matches!(house.system.observe(&look).await, Ok(Observation::Reached(_))), "a new connection is made");
}

#[tokio::test]
async fn a_password_that_the_policy_refuses_is_refused_in_the_servers_words() {
    let house = house().await;
    let rotate = call(A::PasswordRotate, &json!({}), Some(&house.ada), "k", 1);
    let refused = house.system.perform_with(&rotate, &Secret::new("short")).await;
    assert!(
        matches!(&refused, Err(ActionError::Fail { reason }) if reason.contains("constraintViolation (19)")),
        "{refused:?}"
    );
    assert_eq!(house.server.answer(ADA, FIRST).await, 0);
}

#[tokio::test]
async fn sign_ins_are_read_and_usher_makes_none() {
    let house = house().await;
    let last = async || house.system.read(&house.ada).await.expect("reads").expect("ada").last_sign_in;
    assert_eq!(last().await, None);
    house.done(A::PasswordRotate).await;
    house.done(A::AccountDisable).await;
    house.done(A::PasswordRotate).await;
    house.done(A::AccountEnable).await;
    assert_eq!(last().await, None, "a trial of a closed door is no sign-in");
    assert_eq!(house.server.answer(ADA, NEW).await, 0);
    assert!(last().await.is_some_and(|at| at > 1_700_000_000_000), "{:?}", last().await);
}

#[tokio::test]
async fn the_last_administrator_that_can_sign_in_is_not_lost() {
    let house = house_with(|own| own.administrators = Some(format!("cn=eng,ou=groups,{SUFFIX}"))).await;
    let boss = house.server.id("boss").await;
    assert_eq!(house.system.last_of_its_kind(&house.ada, None).await.expect("reads"), None, "the boss is left");
    let read = house.system.read(&house.ada).await.expect("reads").expect("ada");
    assert_eq!(read.attributes["role"], "administrator");
    house.system.perform(&call(A::AccountDisable, &json!({}), Some(&boss), "k", 1)).await.expect("disables");
    let last = house.system.last_of_its_kind(&house.ada, None).await.expect("reads");
    assert_eq!(last.as_deref(), Some("it is the last administrator of directory"));
    assert_eq!(house.system.last_of_its_kind(&boss, None).await.expect("reads"), None, "whoever is closed has others");
}

#[tokio::test]
async fn pages_are_read_to_their_end_and_deleted_accounts_with_them() {
    let people: String = (0..25).map(|n| person(&format!("p{n}"), &n.to_string(), "P", "Q")).collect();
    let server = Slapd::start(&people).await;
    let mut own = settings(&server, Profile::OpenLdap);
    own.page = 4;
    let system = connector(own);
    let gone = server.id("p7").await;
    system.perform(&call(A::AccountDelete, &json!({}), Some(&gone), "k", 1)).await.expect("deletes");
    let all = accounts(&system).await;
    assert_eq!(all.len(), 25);
    let deleted: Vec<&str> =
        all.iter().filter(|a| a.status == AccountStatus::Deleted).map(|a| a.login.as_str()).collect();
    assert_eq!(deleted, ["p7"]);

    let (_, next) = system.accounts(None).await.expect("a page");
    assert!(system.accounts(next.clone()).await.is_ok());
    let again = system.accounts(next).await;
    assert!(matches!(again, Err(ActionError::Retry { .. })), "a page is read once: {again:?}");
    // Readings that nobody goes on with are given up.
    let mut names = Vec::new();
    for _ in 0..6 {
        names.push(system.accounts(None).await.expect("a page").1);
    }
    assert!(matches!(system.accounts(names[0].clone()).await, Err(ActionError::Retry { .. })));
    assert!(system.accounts(names[5].clone()).await.is_ok());
}

#[tokio::test]
async fn missing_rights_are_named() {
    let server =
        Slapd::start(&(0..30).map(|n| person(&format!("p{n}"), &n.to_string(), "P", "Q")).collect::<String>()).await;
    server.change(&group("staff", &["p1"]));
    let mut own = settings(&server, Profile::OpenLdap);
    own.user = format!("uid=p1,ou=people,{SUFFIX}");
    let file = server.folder.join("p1");
    std::fs::write(&file, "first-Password-p1").expect("writes");
    own.password = usher::secret::SecretRef::File(file);
    let system = connector(own);
    let reach = system.test().await;
    let words = reach.findings.join("\n");
    assert!(!reach.ok, "{words}");
    for said in [
        "accounts can be read",
        "no right to write pwdAccountLockedTime, mail, displayName, employeeType",
        "no right to write the members",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
}

#[tokio::test]
async fn a_test_says_what_works_and_changes_nothing() {
    let house = house().await;
    let before = house.server.entry(&house.ada).await.expect("ada").attrs["entryCSN"].clone();
    let reach = house.system.test().await;
    let words = reach.findings.join("\n");
    assert!(reach.ok, "{words}");
    for said in [
        "locks have an effect",
        "accounts can be closed, renamed and given passwords",
        "members of groups can be changed",
        "account.restore with a limit",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    assert_eq!(house.server.entry(&house.ada).await.expect("ada").attrs["entryCSN"], before);
}

#[tokio::test]
async fn tls_is_verified_always() {
    let house = house().await;
    let tls = |url: String, security, ca| {
        let mut own = settings(&house.server, Profile::OpenLdap);
        (own.url, own.security, own.ca) = (url, security, ca);
        connector(own)
    };
    let (plain, secure) = (house.server.port, house.server.tls_port);
    let ca = Some(house.server.ca());
    for (url, security) in [
        (format!("ldaps://127.0.0.1:{secure}"), Security::Tls),
        (format!("ldap://localhost:{plain}"), Security::StartTls),
    ] {
        assert!(tls(url.clone(), security, ca.clone()).read(&house.ada).await.expect("reads").is_some(), "{url}");
        let stranger = tls(url.clone(), security, None).read(&house.ada).await;
        assert!(
            matches!(&stranger, Err(ActionError::Retry { reason, .. }) if reason.contains("certificate")),
            "{stranger:?}"
        );
    }
    // The certificate is for 127.0.0.1 and localhost.
    let other = tls(format!("ldaps://127.0.0.2:{secure}"), Security::Tls, ca).read(&house.ada).await;
    assert!(matches!(other, Err(ActionError::Retry { .. })), "{other:?}");
    let wrong = std::env::temp_dir().join("no-such-authority.pem");
    assert!(tls(format!("ldaps://127.0.0.1:{secure}"), Security::Tls, Some(wrong)).read(&house.ada).await.is_err());
}

#[tokio::test]
async fn a_connection_is_kept_and_made_anew_where_it_was_cut() {
    let house = house().await;
    let line = Line::to(house.server.port).await;
    let mut own = settings(&house.server, Profile::OpenLdap);
    own.url = format!("ldap://127.0.0.1:{}", line.port);
    let house = House { system: connector(own), ..house };
    for _ in 0..20 {
        house.system.read(&house.ada).await.expect("reads");
    }
    assert_eq!(line.opened(), 1);
    line.cut(Where::BeforeChange);
    assert!(matches!(house.does(A::AccountDisable, json!({})).await, Err(ActionError::Unknown { .. })));
    line.cut(Where::Nowhere);
    house.done(A::AccountDisable).await;
    assert_eq!(line.opened(), 2);
}
