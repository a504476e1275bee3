//! Directories held to the suite of all connectors.

use std::ops::Deref;

use serde_json::{Value, json};
use usher::connectors::Connector;
use usher::connectors::ldap::{LdapSystem, Profile};
use usher::workflow::ActionKind as A;

use super::line::{Line, Where};
use super::ns_slapd::NsSlapd;
use super::outside::{Outside, SUFFIX, added, group, person};
use super::settings;
use super::slapd::{Overlays, Slapd};
use crate::conformance::{Case, Cut, Target, conforms, creates, lists};

pub struct Directory<S> {
    server: S,
    line: Line,
    connector: Connector,
    profile: Profile,
    made: usize,
}

impl<S: Deref<Target = Outside>> Directory<S> {
    async fn with(server: S, line: Line, profile: Profile) -> Self {
        server.change(&format!("{}{}", group("staff", &["boss"]), group("alumni", &["boss"])));
        let mut own = settings(&server, profile);
        own.url = format!("ldap://127.0.0.1:{}", line.port);
        let connector = Connector::Ldap(Box::new(LdapSystem::new("directory", own)));
        Self { server, line, connector, profile, made: 0 }
    }

    fn entry_of(&self, uid: &str, number: &str) -> String {
        let own = person(uid, number, "Ada", "Keller");
        match self.profile {
            Profile::Posix => unix(&own, number),
            Profile::OpenLdap | Profile::ActiveDirectory | Profile::Ds389 | Profile::Lldap => own,
        }
    }
}

/// A person with an account of UNIX machines, which expires some day.
pub fn unix(person: &str, number: &str) -> String {
    let more = format!(
        "objectClass: inetOrgPerson\nobjectClass: posixAccount\nobjectClass: shadowAccount\nuidNumber: {number}\ngidNumber: 100\n\
         homeDirectory: /home/{number}\nloginShell: /bin/sh\nshadowExpire: 40000\n"
    );
    person.replace("objectClass: inetOrgPerson\n", &more)
}

async fn openldap() -> Directory<Slapd> {
    let server = Slapd::start(&person("boss", "1000", "Berta", "Brunner")).await;
    let line = Line::to(server.port).await;
    Directory::with(server, line, Profile::OpenLdap).await
}

async fn ds389() -> Directory<NsSlapd> {
    let server = NsSlapd::start(&person("boss", "1000", "Berta", "Brunner")).await;
    let line = Line::to_socket(&server.socket()).await;
    Directory::with(server, line, Profile::Ds389).await
}

async fn posix() -> Directory<Slapd> {
    let boss = unix(&person("boss", "1000", "Berta", "Brunner"), "1000");
    let server = Slapd::start_with(Overlays::None, &boss).await;
    let line = Line::to(server.port).await;
    Directory::with(server, line, Profile::Posix).await
}

impl<S: Deref<Target = Outside>> Target for Directory<S> {
    fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Somebody new in a group. Whoever was made before is gone, also from the groups.
    async fn fresh(&mut self) -> String {
        let mut admin = self.server.admin().await;
        for place in ["people", "disabled"] {
            for entry in self.server.entries(&format!("ou={place},{SUFFIX}"), "(&(uid=*)(!(uid=boss)))").await {
                admin.delete(&entry.dn).await.expect("an answer").success().expect("deletes");
            }
        }
        self.made += 1;
        let uid = format!("ada{}", self.made);
        let dn = format!("uid={uid},ou=people,{SUFFIX}");
        let boss = format!("uid=boss,ou=people,{SUFFIX}");
        let join = format!(
            "dn: cn=staff,ou=groups,{SUFFIX}\nchangetype: modify\nreplace: member\nmember: {boss}\nmember: {dn}\n\n\
             dn: cn=alumni,ou=groups,{SUFFIX}\nchangetype: modify\nreplace: member\nmember: {boss}\n\n"
        );
        self.server.change(&format!("{}{join}", added(&self.entry_of(&uid, "1005"))));
        self.server.id(&uid).await
    }

    async fn look(&self, account: &str) -> Value {
        let Some(entry) = self.server.entry(account).await else { return Value::Null };
        let (lock, closed) = match self.profile {
            Profile::OpenLdap | Profile::ActiveDirectory | Profile::Lldap => ("pwdAccountLockedTime", "000001010000Z"),
            Profile::Ds389 => ("nsAccountLock", "true"),
            Profile::Posix => ("shadowExpire", "1"),
        };
        let place = entry.dn.split_once(',').map(|(_, place)| place);
        json!({ "place": place, "groups": self.server.groups_with(&entry.dn).await,
            "locked": entry.attrs.get(lock) == Some(&vec![closed.to_owned()]), "password": entry.attrs.get("userPassword"),
            "kind": entry.attrs.get("employeeType"), "family_name": entry.attrs.get("sn"), "mail": entry.attrs.get("mail") })
    }

    /// Every entry with its change number; sign-ins write into that of usher's own user.
    async fn whole(&self) -> Value {
        let entries = self.server.entries(SUFFIX, "(objectClass=*)").await;
        let entries = entries.iter().filter(|entry| !entry.dn.contains("ou=services"));
        entries
            .map(|entry| (entry.dn.clone(), json!(entry.attrs[self.server.version])))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    async fn cut(&mut self, cut: Option<Cut>) {
        self.line.cut(Where::from(cut));
    }
}

fn locked(now: &Value) -> bool {
    now["locked"] == true
}

fn at(now: &Value, place: &str) -> bool {
    now["place"] == format!("ou={place},{SUFFIX}")
}

fn cases() -> Vec<Case> {
    vec![
        Case::new(A::AccountDisable, |now, _| locked(now)),
        Case::new(A::AccountEnable, |now, _| !locked(now)).after(A::AccountDisable, json!({})),
        Case::new(A::PasswordRotate, |now, before| now["password"] != before["password"]),
        Case::new(A::PasswordReset, |now, before| now["password"] != before["password"])
            .with(json!({ "method": "set" })),
        Case::new(A::CredentialsSend, |now, before| now["password"] != before["password"])
            .with(json!({ "method": "sealed" })),
        Case::new(A::AccessRemove, |now, _| now["groups"] == json!([])),
        Case::new(A::GroupsAdd, |now, _| now["groups"] == json!(["alumni", "staff"]))
            .with(json!({ "groups": ["alumni"] })),
        Case::new(A::GroupsSync, |now, _| now["groups"] == json!(["alumni"])).with(json!({ "groups": ["alumni"] })),
        Case::new(A::DirectoryHide, |now, _| now["kind"] == json!(["hidden"])),
        Case::new(A::DirectoryShow, |now, _| now["kind"].is_null()).after(A::DirectoryHide, json!({})),
        Case::new(A::AccountUpdate, |now, _| now["family_name"] == json!(["Keller-Brunner"])).with(
            json!({ "family_name": "Keller-Brunner", "display_name": "Ada Keller-Brunner", "address": "ada.new" }),
        ),
        Case::new(A::AccountDelete, |now, _| {
            locked(now) && at(now, "disabled") && now["kind"] == json!(["hidden"]) && now["groups"] == json!(["staff"])
        }),
        Case::new(A::AccountRestore, |now, _| {
            locked(now) && at(now, "people") && now["kind"].is_null() && now["groups"] == json!(["staff"])
        })
        .after(A::AccountDelete, json!({})),
        Case::new(A::AccountPurge, |now, _| now.is_null()).after(A::AccountDelete, json!({})),
        Case::new(A::VerifyNoAccess, |_, _| true).only_looks().after(A::AccountDisable, json!({})),
    ]
}

fn newcomer() -> Value {
    json!({ "login": "grace", "email": "grace@example.org", "given_name": "Grace", "family_name": "Meier",
        "display_name": "Grace Meier", "employee_number": "1026", "groups": ["staff"], "enabled": true })
}

#[tokio::test]
async fn openldap_conforms() {
    conforms(&mut openldap().await, &cases()).await;
}

#[tokio::test]
async fn openldap_makes_and_lists_accounts() {
    let mut target = openldap().await;
    creates(&mut target, newcomer()).await;
    lists(&mut target).await;
}

#[tokio::test]
async fn a_389_directory_server_conforms() {
    conforms(&mut ds389().await, &cases()).await;
}

#[tokio::test]
async fn a_389_directory_server_makes_and_lists_accounts() {
    let mut target = ds389().await;
    creates(&mut target, newcomer()).await;
    lists(&mut target).await;
}

#[tokio::test]
async fn accounts_of_unix_machines_conform() {
    let mut target = posix().await;
    conforms(&mut target, &cases()).await;
    lists(&mut target).await;
}
